"""What `loss` measures is what it says: exact where nothing is left out, and facts where they belong."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from tests.allocate.small import llama, text
from torch import Tensor

from benchmarks import loss_decoding, loss_facts, loss_kvpress
from benchmarks.harness import GateError
from benchmarks.loss_beside import BESIDE, PRESSES, SAME, wanted
from benchmarks.loss_decoding import Decoder, Exact, OnBudget, Prompt
from benchmarks.loss_facts import Fact, planted
from benchmarks.loss_study import Kept, Study, losses
from benchmarks.loss_table import fact_goals, loss_goals, loss_rows, mean
from benchmarks.loss_ways import BITS, DEFAULTS, PEERS, Way, ways
from benchmarks.watched import WRITTEN, ObservedEarlier
from regard.spec import Focus, HeavyHitters, LargestComponents, LowBits, ObservedWindow, WindowSinks
from regard.spec.errors import KernelError

PATHS = ("model.layers.0.self_attn", "model.layers.1.self_attn")
IDS = text(140)
BEFORE, AFTER = IDS[:, :100], IDS[:, 100:]


@pytest.fixture(scope="module")
def decoder() -> Decoder:
    return Decoder(llama(), PATHS)


@pytest.fixture(scope="module")
def prompt(decoder: Decoder) -> Prompt:
    return decoder.read(Prompt(), BEFORE)


def every(policy: Any) -> dict[str, Any]:
    return dict.fromkeys(PATHS, (policy, policy))


def told(decoder: Decoder, prompt: Prompt, spender: Exact | OnBudget, ids: Tensor = AFTER) -> Tensor:
    return torch.cat(list(decoder.decode(prompt, ids, spender)))


def test_exact_is_the_models_own(decoder: Decoder, prompt: Prompt) -> None:
    with torch.no_grad():
        own = decoder.model(IDS).logits[0, 100:]
    torch.testing.assert_close(told(decoder, prompt, Exact()), own, atol=2e-4, rtol=1e-4)


@pytest.mark.parametrize("policy", [WindowSinks(), HeavyHitters(), ObservedWindow(8), ObservedEarlier(8)])
def test_everything_may_be_read_and_all_of_it_is(decoder: Decoder, prompt: Prompt, policy: Any) -> None:
    spender = OnBudget(prompt, every(policy), 1.0)
    torch.testing.assert_close(told(decoder, prompt, spender), told(decoder, prompt, Exact()), atol=2e-4, rtol=1e-4)
    assert spender.read == spender.full == 4 * sum(range(101, 141)) * 32  # 4 key heads; a key of 8 and its value


def test_less_is_read_and_it_shows(decoder: Decoder, prompt: Prompt) -> None:
    spender = OnBudget(prompt, every(WindowSinks()), 0.1)
    assert (told(decoder, prompt, spender) - told(decoder, prompt, Exact())).abs().max() > 0.1
    assert 0.08 < spender.read / spender.full <= 0.1


def test_a_prompt_in_pieces_is_the_same_prompt(decoder: Decoder, prompt: Prompt) -> None:
    half = decoder.read(Prompt(), BEFORE[:, :37])
    pieces = decoder.read(half, BEFORE[:, 37:])
    assert half.length == 37
    assert pieces.length == 100
    for path in PATHS:
        for part in ("query", "key", "value", "received"):
            mine, theirs = (getattr(each.layers[path], part) for each in (pieces, prompt))
            torch.testing.assert_close(mine, theirs, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(told(decoder, pieces, Exact()), told(decoder, prompt, Exact()), atol=2e-4, rtol=1e-4)


def test_mass_is_kept_up_to_date(decoder: Decoder, prompt: Prompt) -> None:
    """With everything read, what was added up as the text went on is what the whole text gives at once."""
    spender = OnBudget(prompt, every(HeavyHitters()), 1.0)
    told(decoder, prompt, spender)
    whole = decoder.read(Prompt(), IDS)
    for path in PATHS:
        torch.testing.assert_close(spender._mass[path], whole.layers[path].received, atol=1e-3, rtol=1e-3)
        torch.testing.assert_close(spender._latest[path], whole.layers[path].query[:, :, -64:], atol=1e-3, rtol=1e-3)


def test_a_sketch_grows_with_the_text_and_is_cut_back_for_the_next(decoder: Decoder, prompt: Prompt) -> None:
    policy = Focus(grain=16, sketch=1.0, exact=4)
    first = OnBudget(prompt, every(policy), 0.6)
    said = told(decoder, prompt, first)
    sketch = first._sketches[PATHS[0], range(2)]
    assert sketch.length == 128
    assert prompt.sketch(PATHS[0], range(2), policy) is sketch
    assert sketch.length == 96
    assert torch.equal(told(decoder, prompt, OnBudget(prompt, every(policy), 0.6)), said)


def test_heads_have_policies_of_their_own(decoder: Decoder, prompt: Prompt) -> None:
    mixed = {PATHS[0]: (HeavyHitters(0.2), WindowSinks(2)), PATHS[1]: (WindowSinks(2), HeavyHitters(0.2))}
    said = [told(decoder, prompt, OnBudget(prompt, each, 0.2)) for each in (mixed, every(WindowSinks(2)))]
    assert not torch.allclose(*said)


def test_one_that_reads_too_much_stops_the_run(
    decoder: Decoder, prompt: Prompt, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = loss_decoding.spend

    def greedy(asked: Any, budget: Any, sketch: Any) -> Any:
        spent = own(asked, budget, sketch)
        spent.bytes.mul_(1.2)
        return spent

    monkeypatch.setattr(loss_decoding, "spend", greedy)
    with pytest.raises(GateError, match="read"):
        told(decoder, prompt, OnBudget(prompt, every(WindowSinks()), 0.1))


def test_the_votes_of_a_prompt_and_the_keys_since(decoder: Decoder, prompt: Prompt) -> None:
    """10 % of 116 keys are 11: of the 16 keys since the prompt the latest 5 are kept for certain."""
    layer, spender = prompt.layers[PATHS[0]], OnBudget(prompt, every(ObservedEarlier(8, 1)), 0.1)
    asked = SimpleNamespace(place=SimpleNamespace(key_len=116))
    votes = spender._earlier(PATHS[0], ObservedEarlier(8, 1), asked)  # type: ignore[arg-type]
    assert votes.shape == (1, 2, 116)
    assert (votes[:, :, 111:] == WRITTEN).all()
    assert (votes[:, :, 100:111] == 0).all()
    assert votes[:, :, :100].sum() == pytest.approx(8 * layer.query.shape[1], rel=1e-4)


def test_watched_queries_are_those_that_were_asked_for(decoder: Decoder, prompt: Prompt) -> None:
    watched = Exact(watch=3)
    told(decoder, prompt, watched, AFTER[:, :5])
    assert set(watched.votes) == set(PATHS)
    for votes in watched.votes.values():
        assert votes.sum() == pytest.approx(3 * 4, rel=1e-4)  # 3 queries of 4 heads


class Words:
    """A tokenizer: a word is a token, its number is its length; digits are tokens of their own."""

    def __call__(self, text: str, **more: Any) -> dict[str, list[int]]:
        found: list[int] = []
        for word in text.split():
            found += [int(sign) for sign in word.strip(".")] if word.strip(".").isdigit() else [10 + len(word)]
        return {"input_ids": found}


class Stub:
    """Keeps what it is given to read; every next word is the one after the last."""

    def __init__(self) -> None:
        self.read_at: list[tuple[int, list[int]]] = []

    def read(self, prompt: Prompt, ids: Tensor) -> Prompt:
        self.read_at.append((prompt.length, ids[0].tolist()))
        return Prompt(prompt.length + ids.shape[1])

    def decode(self, prompt: Prompt, ids: Tensor, spender: Any) -> Any:
        yield torch.nn.functional.one_hot(ids[0] + 1, 40).float()


def test_facts_lie_where_they_are_said_to(monkeypatch: pytest.MonkeyPatch) -> None:
    facts = [Fact.of(Words(), "Here", "12"), Fact.of(Words(), "There", "34")]
    assert facts[0].answer == [1, 2]
    assert facts[0].stated[-2:] == [1, 2]
    base, ends, stub = list(range(100, 220)), torch.zeros(120, dtype=torch.bool), Stub()
    ends[7] = ends[99] = True
    places = {depth: loss_facts.place(ends, depth) for depth in (0, 9)}
    assert places == {0: 8, 9: 100}
    found = list(planted(stub, base, facts, places, [(0, 1), (9, 0), (9, 1)]))  # type: ignore[arg-type]
    assert [(each.depth, each.fact.name, each.prompt.length) for each in found] == [
        (0, "There", 120),
        (9, "Here", 120),
        (9, "There", 120),
    ]
    before, there, _, here, _ = stub.read_at
    assert before == (0, base[:8])
    assert there == (8, [*facts[1].stated, *base[8 : 120 - len(facts[1].stated)]])
    assert here == (100, [*facts[0].stated, *base[100 : 120 - len(facts[0].stated)]])
    with pytest.raises(SystemExit, match="no line ends"):
        loss_facts.place(torch.zeros(120, dtype=torch.bool), 3)


@pytest.mark.parametrize(("answer", "found"), [("12", True), ("13", False)])
def test_a_fact_is_found_where_every_token_is_the_likeliest(answer: str, found: bool) -> None:
    fact = Fact("x", [], [0], [int(sign) for sign in answer])
    row = loss_facts.Planted(0, 0, fact, Prompt()).found(Stub(), Exact())  # type: ignore[arg-type]
    assert row["found"] is found
    assert row["nats"] > 0


def test_what_was_measured_is_not_measured_again(decoder: Decoder, tmp_path: Path) -> None:
    kept = Kept(tmp_path / "loss.jsonl")
    many = (Way("WindowSinks", 0.1, every(WindowSinks())), Way("regard", 0.1, every(Focus())))
    study = Study("tiny", tmp_path, decoder, Words(), IDS[0].tolist(), [3], 100, 20, [0, 5], many, kept)
    assert study.text(5).shape == (1, 121)
    assert study.text(5)[0, :2].tolist() == [3, int(IDS[0, 5])]
    losses(study)
    assert len(kept.rows) == 4
    with kept.path.open("a") as file:
        file.write('{"key": "cut sho')
    again = Kept(kept.path)
    assert again.rows == kept.rows
    again.add("more", {"nats": [1.0]})
    assert Kept(kept.path).rows == again.rows
    row, failed = loss_rows(study)
    assert row["loss"] - row["exact"] == pytest.approx(row["increase"])
    assert row["kl"] > 0
    assert "sketch" in failed["failed"]  # 10 keys are fewer than a sketch of 100 takes
    goals = loss_goals(study, [row, failed])
    assert [goal.as_json()["measured"] for goal in goals] == [None, None]
    kept.path.unlink()
    losses(study)
    assert not kept.path.exists()


@pytest.mark.parametrize(("own", "met"), [(0.02, True), (0.03, False), (-0.1, True)])
def test_the_best_peer_counts(own: float, met: bool) -> None:
    study = SimpleNamespace(name="m", length=9)
    parts = {"regard": own, "MeanBlocks": 0.1, "WindowSinks": 0.5, "PerfectBlocks": 0.001}
    rows = [{"policy": name, "share": 0.1, "increase": more, "kl": more} for name, more in parts.items()]
    rows.append({"policy": "HeavyHitters", "share": 0.2, "increase": 0.0, "kl": 0.0})
    assert all(goal.as_json()["met"] is met for goal in loss_goals(study, rows))  # type: ignore[arg-type]


@pytest.mark.parametrize(("found", "met"), [(7, True), (6, False)])
def test_facts_are_held_against_exact_attention(found: int, met: bool) -> None:
    row = {"policy": "regard", "share": 0.2, "asked": 8, "found": found, "exact_found": 7}
    (goal,) = fact_goals(SimpleNamespace(name="m", length=9), [row])  # type: ignore[arg-type]
    assert goal.as_json()["met"] is met


def test_the_mean_and_its_error() -> None:
    assert mean([1.0] * 16 + [3.0] * 16) == (2.0, pytest.approx(1.0))
    assert mean([1.0, 2.0]) == (1.5, None)


def test_every_policy_at_every_share() -> None:
    layers = [["WindowSinks(first=1)"] * 2, ["WindowSinks(first=64)"] * 2]
    rows = [{"policy": "WindowSinks", "share": 0.1, "settings": layers}]
    made = {(way.name, way.share): way for way in ways(PATHS, 2, 64, rows)}
    assert {name for name, _ in made} == set(DEFAULTS)
    assert {share for name, share in made if name == "LowBits"} == {0.2, *BITS}
    assert {share for name, share in made if name == "regard"} == {0.05, 0.1, 0.2}
    chosen = made["WindowSinks", 0.1]
    assert chosen.setting == {PATHS[0]: (WindowSinks(1),) * 2, PATHS[1]: (WindowSinks(64),) * 2}
    assert chosen.origin != made["WindowSinks", 0.2].origin
    assert made["LargestComponents", 0.2].setting[PATHS[0]][0] == LargestComponents(7)
    assert made["LowBits", 0.22].setting[PATHS[0]][0] == LowBits(128, 0)
    assert "3 bits" in made["LowBits", 0.22].title
    assert len({way.key for way in made.values()}) == len(made)
    assert "regard" not in PEERS


def test_settings_of_other_code_are_refused() -> None:
    rows = [{"policy": "WindowSinks", "share": 0.1, "settings": [["WindowSinks(last=1)"]]}]
    with pytest.raises(SystemExit, match="last=1"):
        list(ways(PATHS, 2, 64, rows))


def test_a_cache_that_is_as_large_on_average() -> None:
    """Of 100 keys and 9 later ones, of which 5 are there on average, 20 % are 21: 16 of the prompt, or 20."""
    rows = wanted(SimpleNamespace(length=100, scored=9, starts=[7]), (0.2,))  # type: ignore[arg-type]
    assert rows[:2] == [(7, PRESSES[0], 0.2, SAME, 16), (7, PRESSES[0], 0.2, BESIDE, 20)]
    assert len(rows) == 2 * len(PRESSES)


def test_masks_over_a_cut_cache() -> None:
    """Two new tokens at 10 and 11, 3 keys held of the prompt, and a window of 4 over the last 3."""
    config = SimpleNamespace(layer_types=["sliding_attention", "full_attention"], sliding_window=4)
    cache = SimpleNamespace(layers=[SimpleNamespace(keys=torch.zeros(1, 1, 3, 1)) for _ in range(2)])
    found = loss_kvpress.masks(SimpleNamespace(config=config), cache, torch.tensor([10, 11]))
    assert found["full_attention"][0, 0].tolist() == [[True] * 4 + [False], [True] * 5]
    assert found["sliding_attention"][0, 0].tolist() == [[True] * 4 + [False], [False] + [True] * 4]


def test_a_way_that_is_not_to_be_had_says_why(decoder: Decoder, prompt: Prompt) -> None:
    with pytest.raises(KernelError, match="sketch"):
        told(decoder, prompt, OnBudget(prompt, every(Focus()), 0.05))
