from dataclasses import replace
from itertools import pairwise

import pytest
import torch

from regard.kernels import reference
from regard.lens.maps import region
from regard.lens.watch import watch
from regard.spec import ALiBi, Causal, Padding, ScaledDot, SinkLogits, Window, request
from regard.spec.errors import ShapeError, SpecError


def tensors(*, batch=2, heads=4, kv_heads=2, queries=13, keys=13, dim=8, dtype=torch.float32):
    source = torch.Generator().manual_seed(3)
    shapes = ((batch, heads, queries, dim), (batch, kv_heads, keys, dim), (batch, kv_heads, keys, 5))
    return [torch.randn(shape, generator=source).to(dtype) for shape in shapes]


def true_flow(asked, rows, cols):
    """(batch, heads, rows, cols) float64: the reference's weights added up between these edges."""
    weights = torch.from_numpy(reference.steps(asked).weights)
    lines = [weights[:, :, a:b].sum(2) for a, b in pairwise(rows)]
    found = torch.stack(lines, 2)
    return torch.stack([found[..., a:b].sum(-1) for a, b in pairwise(cols)], -1)


ASKED = {
    "plain": lambda: request(*tensors()),
    "grouped heads under a window": lambda: request(*tensors(), mask=Causal() & Window(5, 0)),
    "sinks": lambda: request(*tensors(), mask=Causal(), bias=SinkLogits(torch.tensor([0.5, -1.0, 2.0, 0.0]))),
    "padding on the left, softcap": lambda: request(
        *tensors(), mask=Causal() & Padding(torch.tensor([13, 9])), score=ScaledDot(softcap=3.0)
    ),
    "a bias, more keys than queries": lambda: request(
        *tensors(queries=7, keys=17), mask=Causal(), bias=ALiBi(torch.tensor([0.5, 0.25, 0.125, 0.0625]))
    ),
    "bfloat16": lambda: request(*tensors(dtype=torch.bfloat16), mask=Causal()),
}


@pytest.mark.parametrize("name", ASKED)
def test_any_region_at_any_zoom_is_the_references(name):
    asked = ASKED[name]()
    place = asked.place
    for queries, keys, bins in (
        (None, None, (4, 3)),
        (range(2, 7), range(1, 6), (5, 5)),
        (range(6, 7), range(place.key_len - 3, place.key_len), (1, 2)),
        (range(place.query_len), range(place.key_len), (place.query_len, place.key_len)),
    ):
        found = region(asked, queries=queries, keys=keys, bins=bins)
        assert found.flow.shape == (2, 4, *bins)
        true = true_flow(asked, found.row_edges.tolist(), found.col_edges.tolist())
        assert torch.allclose(found.flow.double(), true, rtol=1e-5, atol=1e-6)
        rows, cols = queries or place.rows, keys or place.cols
        assert (int(found.row_edges[0]), int(found.row_edges[-1])) == (rows.start, rows.stop)
        assert (int(found.col_edges[0]), int(found.col_edges[-1])) == (cols.start, cols.stop)


def test_the_truth_can_be_missed():
    asked = ASKED["plain"]()
    other = replace(asked, key=asked.key + 0.01 * torch.randn_like(asked.key))
    found = region(other, bins=(4, 3))
    true = true_flow(asked, found.row_edges.tolist(), found.col_edges.tolist())
    assert not torch.allclose(found.flow.double(), true, rtol=1e-5, atol=1e-6)


def test_all_the_weight_is_somewhere():
    found = region(request(*tensors(), mask=Causal()), bins=(3, 4))
    assert torch.allclose(found.flow.sum((2, 3)), torch.tensor(13.0))
    assert torch.allclose(found.means().sum(-1), torch.tensor(1.0))
    assert found.row_edges.tolist() == [0, 4, 8, 13]


def test_heads_by_index():
    asked = request(*tensors(), mask=Causal())
    whole = region(asked, bins=(3, 4))
    assert whole.heads == (0, 1, 2, 3)
    one, two = region(asked, bins=(3, 4), head=2), region(asked, bins=(3, 4), head=[3, 1])
    assert (one.heads, two.heads) == ((2,), (3, 1))
    assert torch.allclose(one.flow, whole.flow[:, [2]])
    assert torch.allclose(two.flow, whole.flow[:, [3, 1]])


def test_a_known_lse_gives_the_same():
    asked = request(*tensors(), mask=Causal())
    lse = torch.from_numpy(reference.steps(asked).lse).float()
    for head in (None, 2):
        plain, quick = (region(asked, queries=range(5, 9), bins=(2, 2), head=head, lse=each) for each in (None, lse))
        assert torch.allclose(plain.flow, quick.flow, atol=1e-6)
    wrong = region(asked, queries=range(5, 9), bins=(2, 2), lse=lse + 1)
    assert not torch.allclose(plain.flow, wrong.flow[:, [2]], atol=1e-2)


def test_never_more_bins_than_there_are_places():
    found = region(request(*tensors()), queries=range(3), keys=range(2))
    assert found.flow.shape == (2, 4, 3, 2)


def steps_of_a_generation(prompt=6, steps=5):
    """The same queries and keys as one causal call, and as a prompt and single steps with a growing cache."""
    q, k, v = tensors(queries=prompt + steps, keys=prompt + steps)
    whole = request(q, k, v, mask=Causal())
    calls = [request(q[:, :, :prompt], k[:, :, :prompt], v[:, :, :prompt], mask=Causal())]
    calls += [
        request(q[:, :, at : at + 1], k[:, :, : at + 1], v[:, :, : at + 1], mask=Causal())
        for at in range(prompt, prompt + steps)
    ]
    return whole, calls


@pytest.mark.parametrize(
    ("queries", "keys", "bins"),
    [
        (None, None, (3, 4)),
        (range(4, 9), range(2, 9), (2, 3)),
        (range(5), range(6), (5, 2)),
        (range(7, 8), range(8), (1, 8)),
        (range(6), range(8, 11), (2, 1)),
    ],
)
def test_the_steps_of_a_generation_are_as_one_call(queries, keys, bins):
    whole, calls = steps_of_a_generation()
    one, several = (region(kept, queries=queries, keys=keys, bins=bins, head=(0, 3)) for kept in (whole, calls))
    assert torch.equal(one.row_edges, several.row_edges)
    assert torch.equal(one.col_edges, several.col_edges)
    assert torch.allclose(one.flow, several.flow, atol=1e-6)


def test_a_function_is_run_again():
    runs = []

    def again():
        runs.append(1)
        return request(*tensors(), mask=Causal())

    found = region(again, bins=(3, 3))
    assert (len(runs), found.flow.shape) == (1, (2, 4, 3, 3))
    assert torch.allclose(found.flow, region(again(), bins=(3, 3)).flow)


def test_a_watched_model_keeps_what_a_region_needs():
    module = torch.nn.MultiheadAttention(16, 4, batch_first=True).eval()
    inputs = torch.randn(2, 9, 16)

    def calls():
        with torch.no_grad(), watch(module, keep=True) as seen:
            module(inputs, inputs, inputs, need_weights=False)
        (kept,) = seen.calls.values()
        return kept

    with torch.no_grad():
        _, true = module(inputs, inputs, inputs, average_attn_weights=False)
    for kept in (calls(), calls):  # kept from one run, or by another
        found = region(kept, queries=range(2, 8), keys=range(1, 9), bins=(6, 8))
        assert torch.allclose(found.flow, true[:, :, 2:8, 1:9], atol=1e-6)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"queries": range(3, 14)}, r"queries=range\(3, 14\): expected a range of at least one, step 1, inside range"),
        ({"queries": range(3, 3)}, "expected a range of at least one"),
        ({"queries": range(0, 6, 2)}, "step 1"),
        ({"keys": range(-1, 3)}, r"keys=range\(-1, 3\)"),
        ({"keys": [0, 1]}, r"keys=\[0, 1\]: expected a range"),
        ({"bins": (0, 3)}, r"bins=\(0, 3\): expected \(rows, cols\), both at least 1"),
        ({"bins": (3,)}, "expected"),
        ({"head": 4}, "head=4: expected one of the heads 0 to 3"),
        ({"head": []}, r"head=\[\]"),
        ({"head": -1}, "head=-1"),
    ],
)
def test_what_is_not_there_is_refused(given, message):
    with pytest.raises(SpecError, match=message):
        region(request(*tensors()), **given)


def test_what_is_no_request_is_refused():
    for nothing in ([], torch.zeros(2), lambda: None):
        with pytest.raises(SpecError, match="expected a regard Request, several, or a function"):
            region(nothing)


def test_calls_of_one_layer_only():
    with pytest.raises(ShapeError, match=r"requests of different \(batch, heads\) \[\(1, 4\), \(2, 4\)\]"):
        region([request(*tensors()), request(*tensors(batch=1))])


def test_lse_must_fit():
    asked = request(*tensors())
    with pytest.raises(ShapeError, match=r"lse is \(2, 4, 12\), expected \(batch, heads, query_len\) = \(2, 4, 13\)"):
        region(asked, lse=torch.zeros(2, 4, 12))
    with pytest.raises(SpecError, match="lse is given beside 2 requests"):
        region([asked, asked], lse=torch.zeros(2, 4, 13))
