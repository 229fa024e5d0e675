import json
from dataclasses import replace

import numpy as np
import pytest
from tests.lens.questions import added

from regard.lens.evidence import Evidence, evidence_for, how_many
from regard.lens.faithfulness import measure
from regard.spec import SpecError

SHARES = [0.0, 0.4, 0.0, 0.2, 0.0, 0.0, 0.1, 0.0, 0.0, 0.1]
TEXTS = ("A", "fine", "and", "moving", "film", "of", "some", "kind", "or", "other")


def told(**more):
    question = added(SHARES, texts=TEXTS, ways=("mask", "zero"))
    return evidence_for(question, {"it": SHARES, "worse": np.arange(10.0)}, "it", **more)


def sample(count=30, ways=("mask",)):
    found, drawn = [], np.random.default_rng(0)
    for _ in range(count):
        shares = drawn.permutation(SHARES)
        question = added(shares.tolist(), ways=ways)
        found += [measure(question, {"it": shares, "worse": -shares}, way=way, draws=5) for way in ways]
    return found


def test_the_sentences_say_what_was_taken_away_and_what_chance_does():
    first, chance, zero, scope = told().lines()
    assert first == (
        "on this input, taking away the 10% heaviest words (1 of 10: fine) lowers the probability of 'good' from 0.900 "
        "to 0.500"
    )
    assert chance.startswith("taking away 1 word at random: 0.")
    assert "20 draws" in chance
    assert "of 20 as low" in chance
    assert "the first: 0.900; the last: 0.800" in chance
    assert zero.startswith("what is taken away is replaced by the zero instead: from 0.900 to 0.500; at random: 0.")
    assert scope == "measured on this input alone; what is taken away is replaced by the mask"


def test_units_of_one_text_are_named_with_their_places():
    question = added(SHARES, texts=("A",) * 10)
    assert evidence_for(question, {"it": SHARES}, "it").taken == ("A (2nd)",)


def test_units_without_a_weight_above_0_are_told_so():
    shares = [0.0] * 10
    none = evidence_for(added(SHARES, texts=TEXTS), {"it": shares}, "it").lines()[0]
    assert "(1 of 10; none of them speaks for the answer: no weight is above 0) " in none
    twenty = added([*SHARES, *[0.0] * 10])
    some = evidence_for(twenty, {"it": [1.0, *[0.0] * 19]}, "it").lines()[0]
    assert "(2 of 20: w0, and 1 more without a weight above 0) " in some


@pytest.mark.parametrize(
    ("known", "words"),
    [
        (None, "whether the model was trained on the 3 further inputs is not known"),
        (0, "the run was trained or validated on none of the 3 further inputs"),
        (
            2,
            "the run was trained or validated on 2 of the 3 further inputs: of new ones this evidence says less",
        ),
    ],
)
def test_inputs_that_the_model_was_trained_on_are_counted(known, words):
    found = told(sample=sample(3), sample_trained_on=known)
    assert found.lines()[-2] == words
    assert found.plain()["sample_trained_on"] == known
    assert not any("trained" in line for line in told().lines())


def test_an_input_that_the_model_was_trained_on_is_told():
    question = replace(added(SHARES, texts=TEXTS), trained_on=True)
    assert (
        "this input is a row that the run was trained or validated on"
        in evidence_for(question, {"it": SHARES}, "it").lines()
    )


def test_what_was_trained_on_is_named_where_that_is_a_part_of_an_input():
    found = told(sample=sample(3), sample_trained_on=2)
    (line,) = [one for one in replace(found, learned="some events of ").lines() if "trained" in one]
    assert line == (
        "the run was trained or validated on some events of 2 of the 3 further inputs: of new ones this evidence "
        "says less"
    )


def test_how_many_is_not_known_where_one_is_not():
    assert [how_many(flags) for flags in ([True, False, True], [False], [True, None], [])] == [2, 0, None, None]


def test_as_low_counts_the_draws_that_did_as_much():
    evidence = told(draws=200)
    low = sum(drawn[2] <= 0.5 + 1e-9 for drawn in evidence.here[0].drawn)
    assert 0 < low < 60  # one unit of ten is the one
    assert f"; {low} of 200 as low)" in evidence.lines()[1]


def test_an_explanation_that_is_wrong_is_told_to_be():
    first = evidence_for(added(SHARES, texts=TEXTS), {"it": [-share for share in SHARES]}, "it").lines()[0]
    assert first.endswith(" leaves the probability of 'good' at 0.900")


def test_a_probability_that_rises_is_said_to_rise():
    question = added([0.3, -0.2, 0.1, 0.0])
    assert (
        " raises the probability of 'good' from 0.300 to 0.500"
        in evidence_for(question, {"it": [0.0, 1.0, 0.0, 0.0]}, "it").lines()[0]
    )


def test_a_sample_says_how_many_inputs_and_how_sure():
    lines = told(sample=sample()).lines()
    assert "on 30 further inputs, taking away the 10% heaviest words lowers" in lines[3]
    assert "by 0.400 on average (0.400 to 0.400); as many at random: 0.0" in lines[3]
    assert lines[4].startswith("comprehensiveness (higher is better): 0.520, random order 0.1")
    assert "ahead of random order by 0." in lines[4]
    assert lines[4].endswith("ahead on 100% of the inputs")
    assert lines[5].startswith("sufficiency (lower is better): 0.280, random order 0.")
    assert lines[-1].startswith("measured on this input and on 30 others; ")


def test_a_method_no_better_than_chance_is_not_told_apart_from_it():
    drawn = np.random.default_rng(1)
    chance = [measure(added(SHARES), {"it": drawn.permutation(10)}, draws=5, seed=at) for at in range(20)]
    verdict = told(sample=chance).lines()[4]
    assert "not told apart from it: " in verdict


def test_a_method_that_is_worse_than_chance_is_called_so():
    """The lightest part first, each time."""
    shares = np.array(SHARES)
    worse = [measure(added(SHARES), {"it": -shares}, draws=5, seed=at) for at in range(20)]
    assert "; behind random order by 0." in told(sample=worse).lines()[4]


def test_a_sample_under_several_ways_counts_each_input_once():
    evidence = told(sample=sample(6, ("mask", "zero")))
    assert evidence.inputs == 6
    assert [(one.metric.name, one.way) for one in evidence.compared(sample=True)] == [
        ("comprehensiveness", "mask"),
        ("sufficiency", "mask"),
        ("comprehensiveness", "zero"),
        ("sufficiency", "zero"),
    ]


def test_plain_values_are_json_and_hold_every_figure():
    plain = json.loads(json.dumps(told(sample=sample(3)).plain()))
    assert plain["inputs"] == 3
    assert plain["taken"] == ["fine"]
    here = plain["here"][0]
    assert (here["metric"], here["better"], here["way"]) == ("comprehensiveness", "higher", "mask")
    assert here["explanation"]["value"] == pytest.approx(0.52)
    assert {"random", "position", "reverse", "ahead", "won"} <= set(here)


def test_only_the_ways_that_are_asked_for_are_measured():
    assert [one.way for one in told(ways=("zero",)).here] == ["zero"]


@pytest.mark.parametrize("change", [{"method": "other"}, {"here": ()}])
def test_a_method_that_was_not_measured_is_refused(change):
    with pytest.raises(SpecError, match="not measured"):
        replace(told(), **change)
    assert isinstance(told(), Evidence)


def test_evidence_for_a_method_that_is_not_there():
    with pytest.raises(SpecError, match="expected one of it"):
        evidence_for(added(SHARES), {"it": SHARES}, "that")
