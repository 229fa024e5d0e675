"""ONNX's operator Attention: every case of its own backend tests, and what the attributes mean by hand."""

import warnings

import numpy as np
import pytest
import torch
from tests.optional_packages import package

from regard.bridges.onnx_attention import Attributes, attention
from regard.spec.errors import ShapeError, SpecError

INPUTS = ("Q", "K", "V", "attn_mask", "past_key", "past_value", "nonpad_kv_seqlen")
OUTPUTS = ("Y", "present_key", "present_value", "qk_matmul_output")
TOLERANCE = {"float16": 2e-3, "bfloat16": 2e-2}  # the cases' own results are rounded in every step


def cases():
    """(name, attributes, inputs, outputs by name) of each case that holds the operator itself. The other half of the
    cases, whose names end in _expanded, hold it written out in other operators: there is no Attention in them."""
    try:
        import onnx

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # this file alone: onnx's own `collect_testcases` makes the cases of all operators first
            import onnx.backend.test.case.node.attention
            from onnx.backend.test.case.node import _NodeTestCases
    except ModuleNotFoundError:
        return []
    found = []
    for case in _NodeTestCases:
        node = case.model.graph.node[0]
        if {one.op_type for one in case.model.graph.node} != {"Attention"}:
            assert case.name.endswith("_expanded")
            continue
        attributes = {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute}
        for inputs, outputs in case.data_sets:
            taken, given = iter(inputs), iter(outputs)
            named = {name: next(taken) for name, held in zip(INPUTS, node.input, strict=False) if held}
            wanted = {name: next(given) for name, held in zip(OUTPUTS, node.output, strict=False) if held}
            found.append(pytest.param(attributes, named, wanted, id=case.name))
    return found


def tensor(array):
    if array is None:
        return None
    if array.dtype.name == "bfloat16":
        return torch.from_numpy(array.astype(np.float32)).bfloat16()
    return torch.from_numpy(array.copy())


def attended(attributes, inputs, *, scores):
    past = None if "past_key" not in inputs else tuple(tensor(inputs[name]) for name in ("past_key", "past_value"))
    query, key, value = (tensor(inputs[name]) for name in ("Q", "K", "V"))
    mask, counts = (tensor(inputs.get(name)) for name in ("attn_mask", "nonpad_kv_seqlen"))
    found = attention(query, key, value, mask, past, counts, attributes=Attributes.of(attributes), scores=scores)
    return dict(zip(OUTPUTS, (found.output, found.key, found.value, found.scores), strict=True))


def test_the_cases_are_there():
    package("onnx", "regard[onnx]")
    assert len(cases()) > 60


@pytest.mark.parametrize(("attributes", "inputs", "outputs"), cases())
def test_every_case_of_the_operator(attributes, inputs, outputs):
    found = attended(attributes, inputs, scores="qk_matmul_output" in outputs)
    for name, wanted in outputs.items():
        off = TOLERANCE.get(wanted.dtype.name, 1e-5)
        np.testing.assert_allclose(found[name].double().numpy(), wanted.astype(np.float64), rtol=off, atol=off)


def test_causal_begins_where_the_past_ends():
    # two queries after a past of one key: the first sees the past and itself, the second all three
    ones, value = torch.zeros(1, 1, 2, 1), torch.tensor([[[[2.0], [3.0]]]])
    past = torch.zeros(1, 1, 1, 1), torch.tensor([[[[1.0]]]])
    found = attention(ones, ones, value, past=past, attributes=Attributes(is_causal=1))
    assert found.output.flatten().tolist() == [1.5, 2.0]
    assert found.value.flatten().tolist() == [1.0, 2.0, 3.0]
    # without a past ONNX counts from the first key, where `attend` would let the last query see the last key
    alone = attention(ones[:, :, :1], ones, value, attributes=Attributes(is_causal=1))
    assert alone.output.flatten().tolist() == [2.0]


def test_a_mask_may_be_shorter_than_the_keys():
    ones, value = torch.zeros(1, 1, 3, 1), torch.tensor([[[[1.0], [3.0], [50.0]]]])
    for mask in (torch.ones(3, 2, dtype=torch.bool), torch.zeros(3, 2)):
        assert attention(ones, ones, value, mask).output.flatten().tolist() == [2.0, 2.0, 2.0]


def test_the_fourth_output_by_its_modes():
    query, key = torch.tensor([[[[2.0]]]]), torch.tensor([[[[1.0], [0.0]]]])
    mask = torch.tensor([[0.0, -torch.inf]])

    def scores(mode):
        attributes = Attributes(qk_matmul_output_mode=mode, softcap=1.0, scale=1.0)
        return attention(query, key, key, mask, attributes=attributes, scores=True).scores.flatten().tolist()

    assert scores(0) == [2.0, 0.0]
    assert scores(1) == pytest.approx([np.tanh(2.0), 0.0])
    assert scores(2) == pytest.approx([np.tanh(2.0), -np.inf])
    assert scores(3) == [1.0, 0.0]


def test_what_does_not_fit_is_refused():
    x = torch.zeros(1, 2, 4)
    with pytest.raises(SpecError, match="q_num_heads"):
        attention(x, x, x)
    with pytest.raises(ShapeError, match="3 with q_num_heads"):
        attention(x[None], x[None], x[None], attributes=Attributes(q_num_heads=1))
    with pytest.raises(SpecError, match="no colour"):
        Attributes.of({"colour": 1})
    with pytest.raises(SpecError, match="0 to 3"):
        Attributes(qk_matmul_output_mode=4)
    with pytest.raises(SpecError, match="exclude each other"):
        attention(x[None], x[None], x[None], past=(x[None], x[None]), counts=torch.tensor([1]))
    with pytest.raises(ShapeError, match="a mask"):
        attention(x[None], x[None], x[None], torch.zeros(2, 9))
