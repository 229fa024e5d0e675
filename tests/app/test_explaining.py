"""From a question to what is shown: the method that is asked for or chosen, and what is measured on which inputs."""

import pytest
from tests.app.moved import moved

from regard.app.explaining import CHOSEN_ON, Wish, explained, show, split
from regard.app.run_asking import RunAsking
from regard.app.screen import Screen
from regard.lens.reading import LIMITS, Reading
from regard.spec.errors import SpecError

TEXT = "The acting isn't wooden, it is superb!"


@pytest.fixture(scope="module")
def asked(trained):
    return RunAsking.of(trained, TEXT, None, [], 1)


def told(asked, method="occlusion", **more):
    question = asked.question(None)
    return explained(Screen(), question, Wish(method, **more), sample=(), choose=())


def test_words_are_the_units_and_the_first_way_is_the_methods_own(asked):
    found = told(asked)
    assert found.units.texts == ("The", "acting", "isn't", "wooden", ",", "it", "is", "superb", "!")
    assert [one.way for one in found.evidence.here] == list(asked.question(None).ways)
    only = told(asked, ways=("delete", "zero"))
    assert [one.way for one in only.evidence.here] == ["delete", "zero"]
    assert "left out" in only.how


def test_the_numbers_can_be_had_by_hand(asked):
    found = told(asked, ways=("delete",))
    (place, _), *_ = found.heaviest(1)
    start, end = found.units.spans[place]
    run = asked.run
    before, after = (
        dict(run.predict([text])[0].probabilities)[found.target] for text in (TEXT, TEXT[:start] + " " + TEXT[end:])
    )
    here = found.evidence.here[0]
    assert (here.whole, here.left["occlusion"][0]) == pytest.approx((before, after), abs=1e-6)
    assert moved(found.evidence.lines()[0], found.target) == (f"{before:.3f}", f"{after:.3f}")


def test_the_best_method_says_what_it_was_chosen_from(asked):
    found = told(asked, method="best")
    assert found.method in found.how or "chosen as the best of" in found.how
    assert found.evidence.method == found.method


def test_a_target_that_is_not_the_models_own_answer(asked):
    question = asked.question(None)
    other = next(label for label in asked.run.labels if label != question.target)
    assert asked.question(other).probability == pytest.approx(1 - question.probability, abs=1e-6)
    with pytest.raises(SpecError, match="no such"):
        asked.question("no such")


def test_further_rows_are_measured_and_the_explained_one_is_not_among_them(trained, examples):
    asked = RunAsking.of(trained, None, examples / "reviews.csv", [], 3)
    sample, choose = asked.others(5, choosing=True)
    assert (len(sample), len(choose)) == (5, CHOSEN_ON)
    sources = [ask().units.source for ask in (*sample, *choose)]
    assert asked.question(None).units.source not in sources
    assert len(set(sources)) == 5 + CHOSEN_ON
    found = explained(Screen(), asked.question(None), Wish("occlusion", draws=3), sample=sample, choose=choose)
    assert found.evidence.inputs == 5
    assert found.evidence.lines()[-1].startswith("measured on this input and on 5 others")
    assert asked.others(0, choosing=True) == ([], [])
    assert len(asked.others(10_000, choosing=False)[0]) == 119  # all the other rows that there are
    assert [len(part) for part in asked.others(10_000, choosing=True)] == [119 - CHOSEN_ON, CHOSEN_ON]


def test_what_is_measured_and_what_is_chosen_on_have_nothing_in_common():
    sample, choose = split(list(range(100)), 50, choosing=True)
    assert (sample, choose) == (list(range(50)), list(range(50, 50 + CHOSEN_ON)))


def test_the_reading_says_which_model_read_and_all_answers(asked):
    reading = asked.reading(told(asked), asked.question(None))
    assert isinstance(reading, Reading)
    assert reading.model == "Read by the bilstm of the run 'reviews', task classify"
    assert dict(reading.answers) == pytest.approx(dict(asked.run.predict([TEXT])[0].probabilities), abs=1e-6)


def test_what_is_shown(asked, capsys):
    reading = asked.reading(told(asked), asked.question(None))
    show(Screen(), reading)
    out = capsys.readouterr().out
    for part in (TEXT, "Heaviest words, by occlusion", "How faithful", "at random: ", LIMITS):
        assert part in out


def test_rows_are_kept_for_the_choice_of_a_method():
    asks = list(range(60))
    assert [len(part) for part in split(asks, 20, choosing=True)] == [20, 10]
    assert [len(part) for part in split(asks, 100, choosing=True)] == [50, 10]
    assert [len(part) for part in split(asks[:6], 6, choosing=True)] == [4, 2]
    assert [len(part) for part in split(asks, 100, choosing=False)] == [60, 0]
    assert split([], 3, choosing=True) == ([], [])
