from dataclasses import replace

import pytest
import torch
from tests.lens.traces import layer, random, trace

from regard.lens.trace import Trace, Units
from regard.spec.errors import SpecError

# four tokens, three words: <s>, Elinor, said
TEXTS = ("<s>", "▁El", "inor", "▁said")
WEIGHTS = [
    [1.0, 0.0, 0.0, 0.0],
    [0.5, 0.5, 0.0, 0.0],
    [0.2, 0.3, 0.5, 0.0],
    [0.1, 0.4, 0.2, 0.3],
]


def figures(tensor):
    return pytest.approx(tensor.flatten().tolist())


def test_mass_adds_up_and_figures_are_means():
    before = trace(layer(WEIGHTS), texts=TEXTS)
    found = before.merged("word").layers[0]
    assert found.received[0, 0].tolist() == pytest.approx([1.8, 1.2 + 0.7, 0.3])
    assert found.distance[0, 0].tolist() == pytest.approx([0, (0.5 + 0.7) / 2, 0.3 + 0.8 + 0.2])
    entropy = before.layers[0].entropy[0, 0]
    assert found.entropy[0, 0].tolist() == pytest.approx([0.0, float(entropy[1:3].mean()), float(entropy[3])])
    assert found.positions.tolist() == [0, 1, 2]
    assert (found.population, found.name, found.map) == (3, "a", None)
    assert found.queries_valid.all()
    assert found.keys_valid.all()


def test_units_are_words_and_the_trace_says_so():
    found = trace(layer(WEIGHTS, top=4), texts=TEXTS).merged("word")
    assert found.units[0].texts == ("<s>", "Elinor", "said")
    assert found.units[0].kind == "word"
    assert found.about["merged"] == (
        "to words: mass adds up, figures are means over a word's tokens; top keys are exact up to the 4 kept a token"
    )


def test_top_keys_are_added_up_averaged_and_ranked_anew():
    found = trace(layer(WEIGHTS, top=4), texts=TEXTS).merged("word").layers[0]
    assert found.top_keys[0, 0].tolist() == [[0, -1, -1, -1], [1, 0, -1, -1], [1, 2, 0, -1]]
    weights = found.top_weights[0, 0]
    assert weights[0].tolist() == pytest.approx([1, 0, 0, 0])
    assert weights[1].tolist() == pytest.approx([(0.5 + 0.8) / 2, (0.5 + 0.2) / 2, 0, 0])
    assert weights[2].tolist() == pytest.approx([0.6, 0.3, 0.1, 0])
    assert (found.top_keys.dtype, found.top_weights.dtype) == (torch.int32, torch.float32)


def test_top_keys_are_exact_only_up_to_what_was_kept():
    weights = [WEIGHTS[0], [0.6, 0.4, 0.0, 0.0], *WEIGHTS[2:]]
    found = trace(layer(weights, top=1), texts=TEXTS).merged("word").layers[0]
    # "El" kept <s> with .6, "inor" kept itself with .5; its own .4 and the other's .2 and .3 were not kept
    assert found.top_keys[0, 0, 1].tolist() == [0]
    assert found.top_weights[0, 0, 1].tolist() == pytest.approx([0.3])


def test_many_words_against_a_plain_sum():
    texts = ["<s>"] + ["▁a", "b", "c"] * 7
    weights = random(3, batch=2, heads=3, length=len(texts))
    found = trace(layer(weights, top=len(texts)), texts=texts).merged("word").layers[0]
    of = torch.tensor([0] + [1 + place // 3 for place in range(21)])
    member = (of[None] == torch.arange(8)[:, None]).double()  # (words, tokens)
    true = (member / member.sum(-1, keepdim=True)) @ weights @ member.T
    dense = torch.zeros(2, 3, 8, 9, dtype=torch.float64)
    dense.scatter_(
        3, torch.where(found.top_keys < 0, 8, found.top_keys)[..., :8].long(), found.top_weights[..., :8].double()
    )
    assert torch.allclose(dense[..., :8], true, atol=1e-6)
    assert torch.allclose(found.received.double(), (weights @ member.T).sum(-2), atol=1e-5)
    assert bool((found.top_weights.diff(dim=-1) <= 0).all())


def test_items_of_a_batch_have_their_own_words_and_padding():
    one = Units(("▁a", "b", "▁c", "<pad>"), "token")
    two = Units(("<pad>", "▁a", "▁b", "▁c"), "token")
    valid = [[True, True, True, False], [False, True, True, True]]
    weights = torch.eye(4).expand(2, 1, 4, 4).clone()
    weights[0, 0, 3] = weights[1, 0, 0] = 0
    found = Trace("m", (layer(weights, queries=valid, keys=valid, top=1),), (one, two)).merged("word")
    (merged,) = found.layers
    assert found.units[0].texts == ("ab", "c", "<pad>")
    assert found.units[1].texts == ("<pad>", "a", "b", "c")
    assert merged.keys_valid.tolist() == [[True, True, False, False], [False, True, True, True]]
    assert merged.queries_valid.tolist() == merged.keys_valid.tolist()
    assert merged.received[:, 0].tolist() == [[2, 1, 0, 0], [0, 1, 1, 1]]
    assert merged.top_keys[:, 0, :, 0].tolist() == [[0, 1, -1, -1], [-1, 1, 2, 3]]


def test_words_without_an_observed_query_have_none():
    whole = layer(WEIGHTS)
    part = replace(
        whole,
        positions=torch.tensor([0, 3]),
        lse=whole.lse[..., [0, 3]],
        entropy=whole.entropy[..., [0, 3]],
        distance=whole.distance[..., [0, 3]],
        queries_valid=whole.queries_valid[:, [0, 3]],
    )
    found = trace(replace(part, population=2), texts=TEXTS).merged("word").layers[0]
    assert (found.positions.tolist(), found.population) == ([0, 2], 2)
    sampled = replace(part, population=4, received_error=torch.full((1, 1, 4), 0.1))
    found = trace(sampled, texts=TEXTS).merged("word").layers[0]
    assert (found.population, found.sampled) == (3, True)
    assert found.received_error[0, 0].tolist() == pytest.approx([0.1, 0.2, 0.1])  # an upper bound


def test_an_empty_row_keeps_its_lse():
    found = trace(layer([[0.0, 0.0], [0.5, 0.5]]), texts=("▁a", "▁b")).merged("word").layers[0]
    assert found.lse[0, 0].tolist() == [-torch.inf, 0.0]


def test_cross_attention_merges_the_side_that_is_text():
    frames = Units.numbered(5, "frame")
    words = Units(("▁a", "b", "▁c"), "token")
    cross = layer(torch.full((3, 5), 0.2), kind="cross")
    found = Trace("m", (cross,), (words,), key_units={"a": (frames,)}).merged("word")
    assert found.layers[0].lse.shape == (1, 1, 2)
    assert found.layers[0].received[0, 0].tolist() == pytest.approx([0.6] * 5)
    assert found.key_units["a"] == (frames,)


def test_lines_and_documents():
    texts = ("▁a", "▁b", "\n", "▁c")
    before = trace(layer(WEIGHTS), texts=texts)
    assert before.merged("line").layers[0].received[0, 0].tolist() == pytest.approx([1.8 + 1.2 + 0.7, 0.3])
    assert before.merged("word").merged("line").units[0].texts == ("a b", "c")
    assert before.merged("document", separator="\n").layers[0].received.shape == (1, 1, 2)
    assert before.merged("document", ids=[[0, 0, 1, 1]]).layers[0].received[0, 0].tolist() == pytest.approx([3.0, 1.0])


def test_items_that_share_units_may_have_other_documents():
    before = trace(layer(random(batch=2, heads=1, length=3)), texts="abc")
    found = before.merged("document", ids=[[0, 0, 1], [0, 1, 1]])
    assert [units.texts for units in found.units] == [("ab", "c"), ("a", "bc")]


def test_ids_are_those_of_the_items_own_units():
    other = Units(("▁x", "▁y"), "token")
    cross = layer([[0.5, 0.5]] * 3, kind="cross")
    own = Units(("▁a", "▁b", "▁c"), "token")
    found = Trace("m", (cross,), (own,), key_units={"a": (other,)}).merged("document", ids=[[0, 0, 1]])
    assert found.key_units["a"] == (other,)
    assert found.units[0].texts == ("a b", "c")


@pytest.mark.parametrize(
    ("to", "given", "message"),
    [
        ("page", {}, "expected one of 'word'"),
        ("word", {"ids": [[0]]}, "takes no ids"),
        ("line", {"separator": "a"}, "takes no ids"),
        ("document", {}, "needs either ids"),
        ("document", {"ids": [[0], [1]]}, "ids for 2 items, but the batch has 1"),
    ],
)
def test_what_cannot_be_asked(to, given, message):
    with pytest.raises(SpecError, match=message):
        trace(layer(WEIGHTS), texts=TEXTS).merged(to, **given)


def test_patches_do_not_merge():
    patches = Trace("m", (layer(WEIGHTS),), (Units.numbered(4, "patch"),))
    with pytest.raises(SpecError, match="the units of this trace are patch, which do not merge to words"):
        patches.merged("word")
