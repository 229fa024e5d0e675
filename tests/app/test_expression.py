import pytest
import torch

from regard import spec
from regard.app.expression import bias_from, mask_from, names, score_from
from regard.spec import (
    ActivatedDot,
    Additive,
    ALiBi,
    Causal,
    Cosine,
    Dense,
    Documents,
    Dot,
    Padding,
    Prefix,
    RelativeBias,
    ScaledDot,
    SinkLogits,
    Sinks,
    SpecError,
    Window,
)
from regard.spec.mask import Mask
from regard.spec.score import Score


@pytest.mark.parametrize(
    ("text", "mask"),
    [
        ("Causal()", Causal()),
        (" Causal() & Window(255, 0) ", Causal() & Window(255, 0)),
        ("Causal() | Prefix(n=4)", Causal() | Prefix(4)),
        ("~Window(before=1, after=1) & (Sinks(4) | Causal())", ~Window(1, 1) & (Sinks(4) | Causal())),
        ("Padding([3, 5])", Padding(torch.tensor([3, 5]))),
        ("Documents.packed([2, 1])", Documents(torch.tensor([0, 0, 1]))),
        ("Causal() & Documents.packed([30, 34])", Causal() & Documents.packed([30, 34])),
        ("Documents.packed([2], key_lengths=(1,))", Documents(torch.tensor([0, 0]), torch.tensor([0]))),
        ("Documents([0, 0, 1], key_ids=[0, 1, 1])", Documents(torch.tensor([0, 0, 1]), torch.tensor([0, 1, 1]))),
        ("Dense([[True, False], [True, True]])", Dense(torch.tensor([[True, False], [True, True]]))),
    ],
)
def test_masks(text, mask):
    assert mask_from(text) == mask


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ("Dot()", Dot()),
        ("ScaledDot(softcap=50)", ScaledDot(softcap=50)),
        ("ScaledDot(scale=-0.5)", ScaledDot(scale=-0.5)),
        ("ScaledDot(None)", ScaledDot()),
        ("Cosine(8.0)", Cosine(8.0)),
        ("Additive(ones(4))", Additive(torch.ones(4))),
        ("Additive([0.5, 1])", Additive(torch.tensor([0.5, 1.0]))),
        ("ActivatedDot(ones(4), 0.5, 'tanh')", ActivatedDot(torch.ones(4), 0.5, "tanh")),
    ],
)
def test_scores(text, score):
    assert score_from(text) == score


def test_biases():
    assert bias_from("ALiBi.for_heads(8)") == ALiBi.for_heads(8)
    assert bias_from("SinkLogits(ones(8))") == SinkLogits(torch.ones(8))
    assert bias_from("RelativeBias(ones(8, 257))") == RelativeBias(torch.ones(8, 257))


def test_a_tensor_of_ones_takes_no_memory():
    table = bias_from("RelativeBias(ones(8, 1000001))").table
    assert table.shape == (8, 1_000_001)
    assert table.untyped_storage().nbytes() == 4


def test_every_mask_and_score_of_the_spec_can_be_named():
    assert set(names(Mask)) == {
        "Causal",
        "Dense",
        "Dilated",
        "Documents",
        "Grid2D",
        "Padding",
        "Prefix",
        "Sinks",
        "Window",
    }
    assert set(names(Score)) == {"ActivatedDot", "Additive", "Cosine", "Dot", "General", "ScaledDot"}
    assert all(hasattr(spec, name) for name in names(Mask))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "cannot be read"),
        ("Causal(", "cannot be read"),
        ("Causal() Window(1, 1)", "cannot be read"),
        ("Causal", "write the brackets"),
        ("Casual()", "no 'Casual' here \\(did you mean Causal\\?\\)"),
        ("ScaledDot()", "no 'ScaledDot' here"),
        ("__import__('os').system('true')", "here; those there are: Causal"),
        ("__import__('os')", "no '__import__' here"),
        ("Causal.__class__", "no 'Causal.__class__' here"),
        ("Causal().tile", r"no 'Causal\(\).tile' here"),
        ("[x for x in (1,)]", "is not allowed"),
        ("lambda: Causal()", "is not allowed"),
        ("Causal() if 1 else Causal()", "is not allowed"),
        ("Causal()()", "cannot be called"),
        ("Causal() and Causal()", "is not allowed"),
        ("Causal() + Causal()", "is not allowed"),
        ("Causal() & 3", "& and \\| join masks, but '3' is none"),
        ("Causal() & Causal", "join masks, but 'Causal' is none"),
        ("-Causal()", "~ turns a mask and - a number"),
        ("~3", "~ turns a mask and - a number"),
        ("Window(1)", "does not fit Window\\(before, after\\): missing a required argument: 'after'"),
        ("Window(-1, 0)", "before must be a whole number"),
        ("Window(1, 0, 5)", "too many positional arguments"),
        ("Causal(**{'a': 1})", "\\*\\* is not allowed|is not allowed"),
        ("Documents.packed([2, -1])", r"packed\(lengths\)\[1\] = -1"),
        ("Documents.packed", "write the brackets"),
        ("Documents.item", "no 'Documents.item' here"),
        ("Padding(['a'])", "is no array of numbers"),
        ("Padding([x])", "is no array of numbers"),
        ("3", "is a int; expected a mask"),
        ("'Causal()'", "is a str; expected a mask"),
        ("f'{1}'", "is not allowed"),
        ("b'1'", "is not allowed"),
        ("\x00", "cannot be read"),
    ],
)
def test_anything_else_is_refused_with_the_reason(text, said):
    with pytest.raises(SpecError, match=said):
        mask_from(text)


@pytest.mark.parametrize("text", ["(" * 400 + ")" * 400, "~" * 900 + "Causal()", "x" * 1001, "9" * 999])
def test_expressions_made_to_break_a_parser_are_refused(text):
    with pytest.raises(SpecError):
        score_from(text)


def test_a_mask_is_no_score():
    with pytest.raises(SpecError, match="no 'Causal' here"):
        score_from("Causal()")
