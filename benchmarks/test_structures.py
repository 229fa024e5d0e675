"""What the cells and cases are made of: the truth in strips, the same mask three times over, packing, and the counting
of cells. Nothing here is timed. Run with `python -m pytest benchmarks`."""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

import regard
from benchmarks import decoding, grid, packed, prefill, strips, truth, write_tables
from benchmarks.harness import Case, GateError, Report, gate, relative_error
from benchmarks.inputs import Inputs, Shape
from benchmarks.structures import KINDS

SQUARE = Shape(queries=64, keys=64, batch=2, heads=4, kv_heads=2, dim=8)


def formula(allowed: torch.Tensor) -> strips.Formula:
    return strips.Formula(allowed=lambda rows: allowed[..., rows.start : rows.stop, :])


def test_strips_by_hand() -> None:
    """One query on the second of two keys alone, whose value is 2; the first key's gradient is nothing."""
    query, key, value = (torch.tensor(x)[None, None] for x in ([[0.5]], [[1.0], [1.0]], [[1.0], [2.0]]))
    only = formula(torch.tensor([[False, True]]))
    assert only.output(query, key, value)[0].item() == 2
    found = only.gradients(query, key, value, torch.tensor([[[[3.0]]]]))
    assert found[3].flatten().tolist() == [0, 3]


def test_strips_are_the_truth_cut_at_any_place(monkeypatch: pytest.MonkeyPatch) -> None:
    given = Inputs.of(SQUARE, gradient=True)
    allowed = torch.rand(2, 1, 64, 64, generator=torch.Generator().manual_seed(3)) < 0.2
    allowed[:, :, 5] = False  # an empty row

    def whole(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
        key, value = key.repeat_interleave(2, 1), value.repeat_interleave(2, 1)
        return truth.attention(query, key, value, allowed=allowed)

    want = truth.with_gradients(whole, truth.wide(*given.leaves), given.pull.double())
    for step in (7, 64, 512):
        monkeypatch.setattr(strips, "STEP", step)
        assert relative_error(formula(allowed).gradients(*given.leaves, given.pull), want) < 1e-12


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("queries", [64, 5])
def test_a_kind_is_the_same_mask_for_attend_for_sdpa_and_for_the_truth(kind: str, queries: int) -> None:
    shape = replace(SQUARE, queries=queries, kv_heads=4, heads=4)
    given, structure = Inputs.of(shape), KINDS[kind](shape)
    want = structure.formula.output(*given.leaves)
    assert relative_error(given.attend(**structure.asked), want) < 1e-5
    for name, call in grid.peers(given, structure).items():
        assert relative_error(call(), want) < 1e-5, name
    if structure.mask is not None and structure.allowed is not None:
        place = regard.request(*given.leaves, mask=structure.mask).place
        mine = structure._allowed(range(queries)).expand(2, 4, queries, 64)
        assert torch.equal(structure.mask.dense(place).expand(2, 4, queries, 64), mine)


def test_peers_know_grouped_heads_and_gradients() -> None:
    for kind in ("no mask", "window", "padding", "ALiBi, causal"):
        given, structure = Inputs.of(SQUARE, gradient=True), KINDS[kind](SQUARE)
        want = structure.formula.gradients(*given.leaves, given.pull)
        for name, call in grid.peers(given, structure).items():
            assert relative_error(call(), want) < 1e-5, (kind, name)


def test_a_cell_whose_kernel_is_wrong_is_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    right = regard.attend
    monkeypatch.setattr(regard, "attend", lambda *given, **asked: right(*given, **asked) * 1.01)
    row = grid.measured(grid.Cell("window", replace(SQUARE, kv_heads=4)), 0.0)
    assert row["failed"].startswith("regard.attend, ")
    assert "off by 1.0e-02" in row["failed"]
    assert "median_s" not in row


def test_a_peer_that_is_wrong_is_left_out_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grid, "eager", lambda query, *rest: query * torch.nan)
    row = grid.measured(grid.Cell("window", replace(SQUARE, kv_heads=4)), 0.0)
    assert list(row["left_out"]) == ["eager"]
    assert row["errors"]["eager"] is None
    assert "eager" not in row["median_s"]
    assert row["best_peer"] in ("SDPA", "matrix products")
    json.loads(json.dumps(row), parse_constant=lambda word: pytest.fail(f"{word} in JSON"))


def test_the_best_peer_and_kernel_are_timed_though_they_are_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = {"regard.attend": 1.0, "fast": 1.0, "slow": 9.0, "SDPA": 5.0, "eager": 4.0, "matrix products": 8.0}
    monkeypatch.setattr(grid, "_once", lambda call: taken[call()])
    kept, trial = grid._tried({name: lambda name=name: name for name in taken}, ("fast", "slow"))
    assert list(kept) == ["regard.attend", "fast", "eager"]
    assert trial == taken


def row(of_peer: float, of_kernel: float, kind: str = "long", chosen: str = "blocks") -> dict[str, object]:
    return {"cell": f"{of_peer} {of_kernel}", "class": kind, "of_best_peer": of_peer, "of_best_kernel": of_kernel,
            "best_peer": "SDPA", "best_kernel": "exact", "chosen": chosen}  # fmt: skip


def test_goals_count_the_long_cells(capsys: pytest.CaptureFixture[str]) -> None:
    report = Report("grid")
    rows = [
        row(1.05, 1.1),
        row(1.06, 1.0),
        row(0.5, 1.2),
        row(1.0, 1.2, chosen="exact"),
        row(9.0, 9.0, "short"),
        {"cell": "bad", "failed": "off"},
    ]
    grid.goals(report, rows)
    assert [(goal.measured, goal.limit) for goal in report.goals] == [(2, 0), (0.4, pytest.approx(0.1))]
    assert "1.06 of SDPA: 1.06 1.0" in capsys.readouterr().out


def test_there_are_over_eighty_cells_and_each_once() -> None:
    names = Counter(str(cell) for cell in grid.cells())
    assert len(names) >= 80
    assert max(names.values()) == 1


def test_resume_keeps_what_this_commit_has_done(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    wanted, done = grid.cells()[:3], []
    monkeypatch.setattr(grid, "measured", lambda cell, seconds: done.append(str(cell)) or {"cell": str(cell)})
    monkeypatch.setattr(grid, "told", lambda row: row["cell"])
    monkeypatch.setattr(grid.record, "commit", lambda: "now")
    names, path = [str(cell) for cell in wanted], tmp_path / "grid.partial"
    path.write_text("".join(json.dumps({"cell": n, "regard": c}) + "\n" for n, c in zip(names, ("now", "old"))))  # noqa: B905
    assert [each["cell"] for each in grid.gathered(wanted, path, True, 0.0)] == names
    assert done == names[1:]
    grid.gathered(wanted, path, True, 0.0)
    assert done == names[1:]
    grid.gathered(wanted, path, False, 0.0)
    assert done == names[1:] + names


def test_documents_are_packed_and_padded_without_loss() -> None:
    pile = packed.Pile(count=5, least=3, most=17, even=False)
    assert (pile.lengths[0], pile.lengths[-1], len(pile.lengths)) == (3, 17, 5)
    assert pile.lengths == packed.Pile(count=5, least=3, most=17, even=False).lengths
    row = torch.arange(2.0 * sum(pile.lengths) * 3).reshape(1, 2, -1, 3)
    assert torch.equal(pile.packed(pile.padded(row)), row)
    assert pile.padded(row)[0, 0, 3:].eq(0).all()
    assert pile.ids.bincount().tolist() == pile.lengths


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("gradient", [False, True])
def test_every_way_to_documents_is_the_same(causal: bool, gradient: bool) -> None:
    case = packed.case(packed.Pile(count=4, least=3, most=40), causal=causal, gradient=gradient)
    assert max(gate(case).values()) < 1e-5
    assert len(case.peers) >= 5


@pytest.mark.parametrize("shape", [replace(each, keys=97) for each in decoding.OTHERS])
@pytest.mark.parametrize("dtype", decoding.TOLERANCES)
def test_every_way_to_decode_is_the_same(shape: Shape, dtype: torch.dtype) -> None:
    assert max(gate(decoding.case(shape, dtype)).values()) < decoding.TOLERANCES[dtype]


def test_the_gate_reads_what_lies_in_another_shape() -> None:
    ones = torch.ones(3)
    peers = {"a": lambda: (ones,), "b": lambda: (torch.ones(5),)}
    case = Case(name="x", peers=peers, against="a", truth=lambda: (ones.double(),), tolerance=1e-5,
                read={"b": lambda results: (results[0][:3],)})  # fmt: skip
    assert gate(case) == {"a": 0, "b": 0}
    with pytest.raises(GateError, match=r"shape \(5,\)"):
        gate(replace(case, read={}))


def test_calls_that_the_model_kept_are_no_equality() -> None:
    whole = SimpleNamespace(kept={}, unseen={}, calls={"layers.0": 1})
    assert prefill.taken_over(whole, ()) == ()
    for left in ({"kept": {"layers.0": "why"}}, {"unseen": {"layers.0": "why"}}, {"calls": {}}):
        with pytest.raises(GateError, match="did not take over"):
            prefill.taken_over(SimpleNamespace(**{**vars(whole), **left}), ())


def test_bands_and_local_attention_are_the_same_window() -> None:
    pytest.importorskip("local_attention", reason="benchmarks/requirements.txt is not installed")
    from benchmarks import windowed

    shape = Shape(queries=64, keys=64, heads=4, kv_heads=1, dim=8)
    for band in (windowed.Band(shape=shape, before=16), windowed.Band(shape=shape, before=8, after=8),
                 windowed.Band(shape=shape, before=16, sinks=2)):  # fmt: skip
        place = regard.request(*Inputs.of(shape).leaves, mask=band.mask).place
        assert torch.equal(band.mask.dense(place), band.strip(range(64)))
        case = windowed.case(band, gradient=True)
        assert max(gate(case).values()) < 1e-5
        assert (windowed.FINER in case.peers) == (not band.sinks)


def test_tables_of_cells_and_of_what_is_spent_once() -> None:
    times = {"regard.attend": 0.002, "SDPA": 0.001, "exact": 0.0015}
    cell = {"class": "long", "chosen": "exact", "median_s": times, "best_peer": "SDPA", "best_kernel": "exact"}
    rows = [
        {**cell, "cell": "good", "of_best_peer": 0.5, "of_best_kernel": 1.0},
        {**cell, "cell": "bad", "of_best_peer": 2.0, "of_best_kernel": 1.333},
        {**cell, "cell": "tiny", "of_best_peer": 9.0, "of_best_kernel": 1.0, "class": "short"},
        {"cell": "wrong", "failed": "off"},
    ]
    table = write_tables._grid({"grid": rows})
    assert [line.split(" | ")[0] for line in table[2:]] == ["| wrong", "| bad", "| good", "| tiny"]
    assert table[3] == "| bad | long | exact | 2 ms | SDPA, 1 ms | 2 | exact, 1.5 ms | 1.33 |"
    report = Report("x")
    report.beside("a case", "compiling", 12.0)
    assert write_tables._apart({"apart": report.apart})[2:] == ["| a case | compiling | 12 s |"]
    assert math.isnan(report.error("a case", "a"))
