import math
from dataclasses import replace

import pytest
import torch
from tests.lens.traces import causal, layer, random, trace

from regard.lens.figures import figures
from regard.lens.trace import Trace, Units
from regard.spec.errors import SpecError


def inputs():
    """Three texts of other lengths; the first key draws much in each."""
    found = []
    for seed, length in enumerate((12, 20, 35)):
        weights = 0.4 * random(seed, heads=3, length=length)
        weights[..., 0] += 0.6
        found.append(trace(layer(weights, top=4), texts=["<s>", *("ab"[place % 2] for place in range(length - 1))]))
    return found


def test_figures_are_means_over_inputs_with_standard_errors():
    traces = inputs()
    found = Trace.together(traces)
    every = [figures(each) for each in traces]
    assert (found.model, found.inputs, len(found.figures)) == ("Model", 3, 3)
    for place in range(3):
        logs = torch.tensor([math.log(each[place].breadth) for each in every], dtype=torch.float64)
        away = torch.tensor([each[place].distance for each in every], dtype=torch.float64)
        assert found.figures[place].breadth == pytest.approx(math.exp(logs.mean()))
        assert found.figures[place].distance == pytest.approx(float(away.mean()))
        assert found.errors[place][:2] == pytest.approx((float(logs.std()) / 3**0.5, float(away.std()) / 3**0.5))
        assert found.figures[place].first == pytest.approx(sum(each[place].first for each in every) / 3)
        assert found.figures[place].rows == 12 + 20 + 35


def test_one_input_has_no_error():
    (only, *_) = inputs()
    found = Trace.together([only])
    assert found.errors == ((0.0, 0.0, 0.0),) * 3
    assert [one.breadth for one in found.figures] == pytest.approx([one.breadth for one in figures(only)])


def test_heads_are_ranked_by_the_means():
    ranking = Trace.together(inputs()).heads()
    assert len(ranking) == 3
    assert ranking.note.startswith("Means over 3 inputs. Sinks are counted: '<s>' (most often key 0): ")
    assert ranking.note.endswith("in 3 of 3 inputs.")
    even = [trace(layer(causal(torch.zeros(1, 3, 9, 9))))] * 2
    assert Trace.together(even).heads().note == "Means over 2 inputs. No key is a sink."


def test_texts_share_the_mass_between_them():
    texts = dict(Trace.together(inputs()).texts)
    assert set(texts) == {"<s>", "a", "b"}
    assert sum(texts.values()) == pytest.approx(1.0)
    assert next(iter(texts)) == "<s>"
    assert texts["<s>"] > 0.6


def test_texts_of_written_weights():
    one = trace(layer([[1.0, 0.0, 0.0], [0.5, 0.5, 0.0], [0.3, 0.3, 0.4]]), texts=("a", "b", "a"))
    other = trace(layer([[1.0, 0.0], [0.0, 1.0]]), texts=("b", "c"))
    assert dict(Trace.together([one, other]).texts) == pytest.approx(
        {"a": (2.2 / 3) / 2, "b": (0.8 / 3 + 0.5) / 2, "c": 0.25}
    )


def test_sinks_by_text_over_inputs_and_items():
    weights = 0.3 * causal(torch.zeros(2, 2, 30, 30))
    weights[0, ..., 0] += 0.7
    weights[1, ..., 3] += 0.7
    units = tuple(Units(tuple("." if at == key else "x" for at in range(30)), "token") for key in (0, 3))
    both = Trace("Model", (layer(weights),), units)
    none = trace(layer(causal(torch.zeros(1, 2, 30, 30))))
    (found,) = Trace.together([both, none]).sinks
    assert (found.text, found.key, found.inputs, found.of) == (".", 0, 2, 3)
    first, second = both.sinks()
    assert found.share == pytest.approx((first.share + second.share) / 2)
    assert found.words().startswith("'.' (most often key 0): 7")


def test_the_favourite_place_of_most_inputs():
    def looks(back):
        weights = torch.zeros(10, 10)
        weights[range(10), [max(at - back, 0) for at in range(10)]] = 1
        return trace(layer(weights, top=1))

    found = Trace.together([looks(1), looks(1), looks(2)]).figures[0]
    assert (found.offset, found.offset_share) == (1, pytest.approx(0.9 * 2 / 3))
    assert Trace.together([trace(layer(torch.eye(4)))]).figures[0].offset is None


def test_a_head_with_nothing_to_look_at_in_one_input_counts_in_the_others():
    empty = trace(layer(torch.zeros(3, 3)))
    full = trace(layer([[1.0, 0.0], [0.5, 0.5]]))
    assert Trace.together([empty, full]).figures[0].breadth == pytest.approx(2**0.5)
    assert Trace.together([empty]).figures[0].rows == 0


def test_traces_that_differ_are_refused():
    one = inputs()[0]
    with pytest.raises(SpecError, match="expected at least one trace"):
        Trace.together([])
    with pytest.raises(SpecError, match="trace 1 is of Other, trace 0 of Model"):
        Trace.together([one, replace(one, model="Other")])
    with pytest.raises(SpecError, match="trace 1 has other layers than trace 0"):
        Trace.together([one, replace(one, layers=(replace(one.layers[0], name="b"),))])
    with pytest.raises(SpecError, match="trace 2 has other heads than trace 0"):
        Trace.together([one, one, replace(one, layers=(replace(one.layers[0], heads=(3, 4, 5)),))])
