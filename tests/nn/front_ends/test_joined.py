"""Several inputs at once: order, kinds, padding at the end only, units with the part's name."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from regard.nn import Encoder, TokenEmbedding
from regard.nn.front_ends import JoinedFrontEnd, PatchFrontEnd, SeriesFrontEnd, SymbolFrontEnd, TextFrontEnd
from regard.spec import Learned, ShapeError, SpecError

PICTURES = torch.randn(3, 1, 4, 4)
IDS = torch.tensor([[1, 2, 3], [4, 0, 0], [0, 0, 0]])
LENGTHS = torch.tensor([3, 1, 0])


def joined() -> JoinedFrontEnd:
    return JoinedFrontEnd(
        {
            "title": TextFrontEnd(TokenEmbedding(5, 6, positions=Learned(3))),
            "picture": PatchFrontEnd(6, 2, positions=Learned(2)),
            "tail": SymbolFrontEnd(5, 6, kmer=2, stride=2),
        }
    )


def test_parts_follow_each_other_without_gaps() -> None:
    front_end = joined()
    made = front_end(title=(IDS, LENGTHS), picture=PICTURES, tail={"ids": IDS, "lengths": LENGTHS})
    assert made.lengths is not None
    assert made.lengths.tolist() == [3 + 4 + 2, 1 + 4 + 1, 0 + 4 + 0]
    assert made.tokens.shape == (3, 9, 6)
    for item in range(3):
        length = int(LENGTHS[item])
        own = IDS[item : item + 1, :length]
        want = torch.cat(
            [
                front_end.front_ends["title"](own).tokens + front_end.kinds[0],
                front_end.front_ends["picture"](PICTURES[item : item + 1]).tokens + front_end.kinds[1],
                front_end.front_ends["tail"](own).tokens + front_end.kinds[2],
            ],
            1,
        )
        count = int(made.lengths[item])
        torch.testing.assert_close(made.tokens[item, :count], want[0])
        assert not made.tokens[item, count:].any()
    parts = [[unit.part for unit in made.covered(item)] for item in range(3)]
    assert parts[1] == ["title", *["picture"] * 4, "tail"]
    assert parts[2] == ["picture"] * 4
    assert made.covered(1)[4].words() == "picture: pixels 2-4 across, 2-4 down"
    assert made.covered(1)[5].bounds == (0, 1)


def test_positions_say_where_and_of_which_kind() -> None:
    front_end = joined()
    made = front_end(title=(IDS, LENGTHS), picture=PICTURES)
    title, picture = (front_end.front_ends[name] for name in ("title", "picture"))
    assert made.positions is not None
    assert made.positions.shape == made.tokens.shape
    torch.testing.assert_close(made.positions[1, 0], title.embedding.positions.table[0] + front_end.kinds[0])
    torch.testing.assert_close(
        made.positions[1, 1], picture.placing(torch.zeros(1, 4, 6), (2, 2))[1][0] + front_end.kinds[1]
    )


def test_all_full_needs_no_lengths_and_parts_may_be_left_out() -> None:
    front_end = joined()
    both = front_end(picture=PICTURES, title=IDS)  # the order is the one it was built with
    assert both.lengths is None
    assert [unit.part for unit in both.covered(0)] == [*["title"] * 3, *["picture"] * 4]
    one = front_end(picture=PICTURES)
    torch.testing.assert_close(one.tokens, both.tokens[:, 3:])
    assert front_end.longest is None  # the symbols have no limit
    del front_end.front_ends["tail"]
    assert front_end.longest == 3 + 4


def test_tokens_made_already_may_lack_a_part_for_some_items() -> None:
    front_end = joined()
    pictures = front_end.front_ends["picture"](PICTURES)
    some = replace(pictures, lengths=torch.tensor([4, 0, 4]))
    made = front_end(title=(IDS, LENGTHS), picture=some)
    assert made.counts.tolist() == [7, 1, 4]
    assert [unit.part for unit in made.covered(1)] == ["title"]
    core = Encoder(6, 2, layers=1).eval()
    alone = front_end(title=IDS[1:2, :1])
    torch.testing.assert_close(core(made.tokens, mask=made.mask)[1:2, :1], core(alone.tokens))


def test_a_series_scale_comes_through() -> None:
    front_end = JoinedFrontEnd({"series": SeriesFrontEnd(6, patch=2), "note": SymbolFrontEnd(5, 6)})
    made = front_end(series=torch.randn(3, 5, 1), note=IDS)
    assert made.scale is not None
    assert made.scale.undo(torch.zeros(3, 2, 1)).shape == (3, 2, 1)


def test_gradients_reach_every_part_and_kind() -> None:
    front_end = joined()
    made = front_end(title=(IDS, LENGTHS), picture=PICTURES, tail=(IDS, LENGTHS))
    made.tokens.square().sum().backward()
    for name, parameter in front_end.named_parameters():
        assert parameter.grad is not None, name
        assert bool(parameter.grad.any()), name


def test_refusals() -> None:
    with pytest.raises(SpecError, match=r"dims are \{'a': 6, 'b': 4\}; build them with one dim"):
        JoinedFrontEnd({"a": SymbolFrontEnd(5, 6), "b": SymbolFrontEnd(5, 4)})
    with pytest.raises(SpecError, match="expected front ends by name, at least one"):
        JoinedFrontEnd({})
    front_end = joined()
    with pytest.raises(SpecError, match=r"got \['sound'\], expected one or more of \['title', 'picture', 'tail'\]"):
        front_end(sound=PICTURES)
    with pytest.raises(SpecError, match=r"got \[\]"):
        front_end()
    with pytest.raises(ShapeError, match=r"batches are of \{'title': 2, 'picture': 3\} items"):
        front_end(title=IDS[:2], picture=PICTURES)
    front_end.front_ends["title"] = torch.nn.Linear(3, 6)
    with pytest.raises(SpecError, match="Linear is no front end"):
        front_end(title=torch.zeros(2, 3))
