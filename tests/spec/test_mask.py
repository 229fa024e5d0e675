"""What masks share: the algebra's block answers, words, pictures, and what is refused."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch

from regard.spec import (
    Block,
    Causal,
    Dense,
    Documents,
    Grid2D,
    Mask,
    MaskError,
    Padding,
    Place,
    Prefix,
    ShapeError,
    Sinks,
    SpecError,
    Window,
)

PLACE = Place(2, 3, 5, 7, 2, torch.device("cpu"))


@dataclass(frozen=True, eq=False, repr=False)
class Says(Mask):
    """Answers `answer` for every block."""

    answer: Block

    def block(self, rows: range, cols: range, place: Place) -> Block:
        return self.answer


@dataclass(frozen=True, eq=False, repr=False)
class Silent(Mask):
    """Must not be asked."""


def says(mask: Mask) -> Block:
    return mask.block(PLACE.rows, PLACE.cols, PLACE)


ALL, NONE, MIXED = Block.ALL, Block.NONE, Block.MIXED


@pytest.mark.parametrize(
    ("left", "right", "both", "either"),
    [
        (ALL, ALL, ALL, ALL),
        (ALL, MIXED, MIXED, ALL),
        (ALL, NONE, NONE, ALL),
        (MIXED, ALL, MIXED, ALL),
        (MIXED, MIXED, MIXED, MIXED),
        (MIXED, NONE, NONE, MIXED),
        (NONE, ALL, NONE, ALL),
        (NONE, MIXED, NONE, MIXED),
        (NONE, NONE, NONE, NONE),
    ],
)
def test_answers_combine_as_in_three_valued_logic(left: Block, right: Block, both: Block, either: Block) -> None:
    assert says(Says(left) & Says(right)) is both
    assert says(Says(left) | Says(right)) is either


def test_not_swaps_all_and_none() -> None:
    assert [says(~Says(answer)) for answer in (ALL, NONE, MIXED)] == [NONE, ALL, MIXED]


def test_the_right_side_is_not_asked_when_the_left_decides() -> None:
    assert says(Says(NONE) & Silent()) is NONE
    assert says(Says(ALL) | Silent()) is ALL


def test_a_mask_without_its_methods_is_not_a_mask() -> None:
    for call in (lambda: says(Silent()), lambda: Silent().tile(range(1), range(1), PLACE), Silent().words):
        with pytest.raises(NotImplementedError):
            call()


@pytest.mark.parametrize(
    ("mask", "words"),
    [
        (Causal(), "causal"),
        (~Causal(), "not causal"),
        (Causal() & Prefix(2), "causal and the first 2 keys"),
        (Window(3, 0) | Sinks(4), "window of 3 before and 0 after or the first 4 keys that are not ahead"),
        (~(Causal() | Prefix(2)), "not (causal or the first 2 keys)"),
        ((Causal() | Prefix(2)) & ~Window(0, 0), "(causal or the first 2 keys) and not window of 0 before and 0 after"),
        (Causal() & Causal() & Causal(), "(causal and causal) and causal"),
        (Prefix(1) | (Causal() & Prefix(2)), "the first 1 keys or (causal and the first 2 keys)"),
    ],
)
def test_words_and_repr(mask: Mask, words: str) -> None:
    assert mask.words() == words
    assert repr(mask) == f"<mask: {words}>"


def drawn(*lines: str) -> str:
    return "\n".join(lines)


def test_pictures_are_square_with_the_last_query_on_the_last_key() -> None:
    assert Causal().picture(3) == drawn("■··", "■■·", "■■■")
    assert Causal().picture(2, 4) == drawn("■■■·", "■■■■")
    assert Causal().picture(2, 4, query_start=0) == drawn("■···", "■■··")
    assert Causal().picture(2, 3, query_start=-1) == drawn("···", "■··")
    assert Causal().picture() == drawn(*("■" * (n + 1) + "·" * (11 - n) for n in range(12)))
    assert Causal().picture(0) == ""
    assert Causal().picture(2, 0) == "\n"


def test_pictures_of_combinations() -> None:
    assert (Window(1, 0) | Sinks(1)).picture(4) == drawn("■···", "■■··", "■■■·", "■·■■")
    assert (Causal() & ~Window(0, 0)).picture(3) == drawn("···", "■··", "■■·")
    assert (Causal() | Prefix(2)).picture(3) == drawn("■■·", "■■·", "■■■")


def test_a_picture_shows_one_batch_item_and_one_head() -> None:
    padding = Padding(torch.tensor([1, 3]))
    assert padding.picture(3) == drawn("■··", "■··", "■··")
    assert (Causal() & padding).picture(3, batch=1) == drawn("■··", "■■·", "■■■")
    assert (Causal() & padding).picture(3) == drawn("■··", "■··", "■··")
    assert (Prefix(0) | ~(padding & Causal())).picture(2, 3) == drawn("·■■", "·■■")
    heads = Dense(torch.tensor([[True, False], [False, True]])[None, :, None, :])  # head 0: key 0; head 1: key 1
    assert heads.picture(2, head=0) == drawn("■·", "■·")
    assert heads.picture(2, head=1) == drawn("·■", "·■")
    assert (heads & Padding(torch.tensor([2, 1]))).picture(2, head=1, batch=1) == drawn("··", "··")
    assert (~(heads | Prefix(0))).picture(2, head=1) == drawn("■·", "■·")
    assert Documents(torch.tensor([[4, 4, 5]])).picture(3, batch=2) == drawn("■■·", "■■·", "··■")
    assert Causal().picture(1, batch=3, head=5) == "■"


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda: Padding(torch.tensor([1, 3])).picture(3, batch=2), r"key_lengths has 2 entries .* batch has 3"),
        (lambda: Padding(torch.tensor([4])).picture(3), r"key_lengths\[0\] = 4, but there are 3 keys"),
        (
            lambda: Dense(torch.ones(3, 4, dtype=torch.bool)).picture(),
            r"\(3, 4\), which does not broadcast to \(12, 12\)",
        ),
        (lambda: (Causal() & Dense(torch.ones(3, 4, dtype=torch.bool))).picture(), "does not broadcast"),
        (lambda: Grid2D(3, 3, 1).picture(), "9 cells, but there are 12 keys"),
        (lambda: Causal().picture(3, batch=-1), r"batch=-1.*: expected nothing below 0"),
        (lambda: Causal().picture(-3), r"query_len=-3.*: expected nothing below 0"),
    ],
)
def test_a_picture_that_cannot_be_drawn_says_why(draw, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(MaskError, match=message):
        draw()


def test_dense_is_the_whole_mask_and_checks_first() -> None:
    assert Causal().dense(PLACE).tolist() == [[j <= 2 + i for j in range(7)] for i in range(5)]
    with pytest.raises(MaskError, match="9 cells"):
        Grid2D(3, 3, 1).dense(PLACE)


def test_combinations_check_both_sides() -> None:
    bad, good = Padding(torch.tensor([1])), Causal()
    for mask in (bad & good, good & bad, bad | good, good | bad, ~bad):
        with pytest.raises(MaskError, match="key_lengths has 1 entries but the batch has 2"):
            mask.check(PLACE)
    (good & ~good | good).check(PLACE)


def test_a_mask_has_no_truth_value() -> None:
    with pytest.raises(
        MaskError, match=r"a mask \(causal\) has no truth value: combine masks with & \| ~, not with and"
    ):
        _ = Causal() and Window(1, 0)


@pytest.mark.parametrize("other", [torch.ones(2, 2, dtype=torch.bool), 3, None, Causal])
def test_masks_combine_with_masks_only(other: object) -> None:
    hint = r"wrap a bool tensor as Dense\(tensor\)" if isinstance(other, torch.Tensor) else "expected another mask"
    for combine in (lambda: Causal() & other, lambda: Causal() | other):  # type: ignore[operator]
        with pytest.raises(MaskError, match=rf"a mask was combined with {type(other).__name__}: {hint}"):
            combine()


def test_mask_errors_are_value_errors_of_the_tree() -> None:
    assert issubclass(MaskError, SpecError)
    assert issubclass(ShapeError, ValueError)
