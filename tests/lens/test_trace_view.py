import io
from dataclasses import replace

import pytest
import torch
from rich.console import Console
from tests.lens.traces import causal, layer, random, trace

from regard.lens.terminal import coloured
from regard.lens.trace import Trace, Units
from regard.lens.trace_view import LIMITS, view
from regard.spec.errors import SpecError

SOURCE = "Emma went out.\nIt rained"
SPANS = ((0, 0), (0, 4), (4, 7), (7, 9), (9, 13), (13, 14), (14, 17), (17, 21), (21, 24))
TEXTS = ("<s>", "Emma", "▁we", "nt", "▁out", ".", "\nIt", "▁rai", "ned")


def spoken(*, top=9, sink=0.8):
    """Four heads on nine tokens: `sink` of each row on <s>, the rest alike on all keys so far."""
    weights = (1 - sink) * causal(torch.zeros(1, 4, 9, 9))
    weights[..., 0] += sink
    units = Units(TEXTS, "token", SPANS, SOURCE)
    return Trace("gemma", (layer(weights, top=top),), (units,), unseen=(("block.7.attn", "own softmax"),))


def test_the_text_is_whole_and_in_words():
    pieces = view(spoken()).pieces
    assert "".join(text for text, _ in pieces) == SOURCE
    words = [text for text, share in pieces if share > 0]
    assert words == ["Emma", "went", "out", ".", "It", "rained"]
    shares = dict(pieces)
    assert (max(shares.values()), shares[" "]) == (1.0, 0.0)
    mass = [sum(1 / (at + 1) for at in range(key, 9)) for key in range(9)]
    assert shares["Emma"] / shares["went"] == pytest.approx(mass[1] / (mass[2] + mass[3]), rel=1e-5)


def test_sinks_are_hidden_and_it_is_said():
    shown = view(spoken())
    assert shown.heaviest.rows[0][0] == "went"
    assert shown.heaviest.note == "Sinks are hidden: '<s>' (86 % of the mass)."
    assert "<s>" not in [row[0] for row in shown.heaviest.rows[:6]]
    assert shown.sinks.rows == (("'<s>'", "0", "86 %", "11 %", "4 of 4"),)
    assert shown.heads.note.startswith("Sinks are left out: '<s>' (86 % of the mass).")


def test_or_they_are_shown():
    shown = view(spoken(), sinks=True)
    assert shown.heaviest.rows[0] == ("<s>", "86 %")
    assert shown.heaviest.note == "Nothing is hidden."
    assert shown.heads.note.startswith("Sinks are counted")


def test_without_kept_keys_heads_count_sinks_and_say_so():
    shown = view(spoken(top=0))
    assert shown.heads.note.startswith("Sinks are counted")
    assert shown.heaviest.note.startswith("Sinks are hidden")
    assert view(spoken().merged("word")).heads.note.startswith("Sinks are counted")


def test_title_unseen_and_limits():
    shown = view(spoken())
    assert shown.title == "gemma: 1 layer, 4 heads, 9 tokens"
    assert shown.unseen == ("not seen: block.7.attn (own softmax)",)
    assert shown.limits == LIMITS
    assert "\n" not in LIMITS


def test_heads_are_listed_with_why():
    weights = random(3, heads=6, length=40)
    weights[:, 2] = 0
    weights[:, 2, range(40), [max(at - 1, 0) for at in range(40)]] = 1.0
    shown = view(trace(layer(weights, top=4)), listed=3)
    assert shown.heads.header == ("layer", "head", "breadth", "distance", "why")
    assert len(shown.heads.rows) == 3
    assert shown.heads.rows[0][:4] == ("a", "2", " 1.0", " 1.0")  # set right
    assert "looks 1 key back: 98 % of its weight" in shown.heads.rows[0][4]
    assert shown.heads.note == "No key is a sink. 3 more heads are not listed."
    assert shown.sinks.rows == ()
    assert shown.sinks.note == "No key is a sink."


def test_words_without_a_source_are_parted_by_spaces():
    units = Units(("<s>", "▁Em", "ma", "▁."), "token")
    shown = view(Trace("m", (layer(causal(torch.zeros(1, 1, 4, 4))),), (units,)))
    assert "".join(text for text, _ in shown.pieces) == "<s> Emma ."


def test_patches_have_no_text_but_a_table():
    units = Units(("class", "0", "1"), "patch", None, None, (1, 2), 1)
    shown = view(Trace("m", (layer([[0.0, 0.2, 0.8]] * 3),), (units,)))
    assert shown.pieces == ()
    assert shown.heaviest.rows[0] == ("1", "80 %")
    assert shown.title == "m: 1 layer, 1 head, 3 patches"


def test_one_item_of_a_batch():
    units = tuple(Units((text, "b"), "token") for text in ("x", "y"))
    both = Trace("m", (layer(random(batch=2, heads=2, length=2)),), units)
    assert view(both, item=1).heaviest.rows[0][0] in ("y", "b")
    assert view(both, item=1).title == "m: 1 layer, 2 heads, 2 tokens, item 1 of 2"
    for item in (-1, 2):
        with pytest.raises(SpecError, match=f"item={item}: this trace holds a batch of 2"):
            view(both, item=item)


def test_only_layers_that_look_at_the_items_own_units_are_counted():
    own, frames = Units(("a", "b"), "token"), Units.numbered(2, "frame")
    layers = (layer([[1.0, 0.0]] * 2, name="self"), layer([[0.0, 1.0]] * 2, name="cross", kind="cross"))
    shown = view(Trace("m", layers, (own,), key_units={"cross": (frames,)}))
    assert shown.heaviest.rows == (("a", "100 %"), ("b", "0 %"))
    nothing = view(Trace("m", layers[1:], (own,), key_units={"cross": (frames,)}))
    assert nothing.heaviest.rows == (("a", "0 %"), ("b", "0 %"))


def test_a_token_that_no_query_came_after_has_no_mass():
    units = Units(("a", "b", "the next one"), "token")
    shown = view(Trace("m", (layer([[1.0, 0.0], [0.5, 0.5]]),), (units,)))
    assert shown.heaviest.rows[-1] == ("the next one", "0 %")


def test_blank_units_are_named_so_that_they_can_be_seen():
    units = Units(("\n", "a"), "token")
    assert view(Trace("m", (layer([[1.0, 0.0], [1.0, 0.0]]),), (units,))).heaviest.rows[0][0] == r"'\n'"


@pytest.mark.parametrize("terminal", [True, False])
def test_colours_on_a_terminal_plain_text_elsewhere(terminal):
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, color_system="truecolor" if terminal else None, width=80)
    console.print(coloured(view(spoken()).pieces))
    assert ("\x1b[" in out.getvalue()) == terminal
    if not terminal:
        assert out.getvalue().strip() == SOURCE


def test_the_title_says_what_the_figures_stand_on():
    whole = spoken()
    (one,) = whole.layers
    fields = ("lse", "entropy", "distance", "top_keys", "top_weights")
    part = replace(
        one,
        positions=one.positions[2:5],
        queries_valid=one.queries_valid[:, 2:5],
        **{name: getattr(one, name)[:, :, 2:5] for name in fields},
    )
    asked = replace(whole, layers=(replace(part, population=3),))
    assert view(asked).title == "gemma: 1 layer, 4 heads, 9 tokens; figures from 3 queries"
    drawn = replace(whole, layers=(part,))
    assert view(drawn).title.endswith("; figures from a sample of 3 of 9 queries, estimates with an error")


def test_reprs_are_short_and_say_what_there_is():
    whole = spoken()
    assert repr(whole) == "<trace of gemma: 1 layers, 4 heads, batch of 1, 1 modules unseen>"
    assert repr(whole.layers[0]).startswith("<self-attention of ")
    ranking = repr(whole.heads())
    assert ranking.count("\n") == 4  # four heads and the note
    assert "nothing stands out" in ranking


def test_units_that_are_no_units_are_refused_with_an_example():
    for given in (["a", "b"], spoken().units[0]):
        with pytest.raises(SpecError, match="expects one Units a batch item, such as"):
            spoken().with_units(given)
