"""A real model's first pass over a long prompt: Gemma 3 270M through transformers, as it is and in `regard.use(model)`.

    python -m benchmarks.prefill [--smoke] [--tokens 2048 8192 16384] [--rounds N]

One pass fills the cache and gives the logits of 64 places spread over Jane Austen's Emma (a prompt's last alone are
wanted in practice, but an error early in the text would hardly show there). The truth at the gate is the model as
transformers runs it, on `sdpa`, and every peer must meet it to 1e-5. transformers' `flex_attention` is held against
`use` in a case of its own, up to 8,192 tokens; its time to compile is reported apart. Tiny random models of four
families, with padding at the left, are there for the equality, not for the times.

Goals, of sdpa's time: 2,048 tokens 1/1.15, 8,192 1/2.3, 16,384 1/3.5; less peak memory than sdpa. A pass over 16,384
tokens takes minutes: at most five, three and two rounds are kept. With `--tokens` the result goes to results/smoke.
Needs `regard data get gemma3-270m` and `austen`.
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache, partial
from statistics import median
from typing import Any

import torch
from torch import Tensor, nn

import regard
from benchmarks import gemma, memory, record
from benchmarks.harness import SMOKE, Case, GateError, Goal, Report, Results, Rounds, run
from regard.allocate import Used
from regard.bridges.transformers_folder import ModelFolder, quiet, transformers

SDPA, USE, FLEX, OWN = "transformers, sdpa", "regard.use", "transformers, flex_attention", "transformers"
GOALS = {2048: 1 / 1.15, 8192: 1 / 2.3, 16384: 1 / 3.5}  # tokens: of sdpa's time
KEPT = {2048: 5, 8192: 3, 16384: 2}  # rounds
BESIDE_FLEX = 8192  # tokens at most: beyond, a pass takes minutes more
WEIGHED = 8192  # tokens at which peak memory is measured
PLACES = 64  # whose logits are compared
TOLERANCE = 1e-5


@dataclass
class Told:
    """A peer that says how long each call took, for a round takes minutes. `seconds`: of each call."""

    name: str
    call: Callable[[], Results]
    seconds: list[float] = field(default_factory=list)

    def __call__(self) -> Results:
        start = time.perf_counter()
        made = self.call()
        self.seconds.append(time.perf_counter() - start)
        print(f"    ... {self.name}: {self.seconds[-1]:.1f} s", flush=True)
        return made


@lru_cache(maxsize=1)
def model() -> tuple[nn.Module, Any, str]:
    """(Gemma with its head, on sdpa; its tokenizer; the text)."""
    path, text = gemma.model()
    folder = ModelFolder.of(path)
    with quiet():
        made = transformers().AutoModelForCausalLM.from_pretrained(
            path, dtype=torch.float32, local_files_only=True, use_safetensors=True, attn_implementation="sdpa"
        )
    return made.eval(), folder.tokenizer(), text


def prompt(tokens: int) -> Tensor:
    """(1, tokens) ids."""
    _, tokenizer, text = model()
    ids = tokenizer(text[: tokens * 8], return_tensors="pt").input_ids  # a token of English has fewer than 8 letters
    return ids[:, :tokens]


def plain(ids: Tensor, implementation: str = "sdpa") -> Results:
    """The logits of `PLACES` tokens, (1, PLACES, vocabulary); the cache is filled as `generate()` has it filled."""
    made = model()[0]
    if made.config._attn_implementation != implementation:
        made.set_attn_implementation(implementation)
    places = torch.linspace(0, ids.shape[1] - 1, PLACES).long()
    with torch.inference_mode():
        return (made(input_ids=ids, use_cache=True, logits_to_keep=places).logits,)


def used(ids: Tensor) -> Results:
    with regard.use(model()[0]) as seen:
        made = plain(ids)
    return taken_over(seen, made)


def taken_over(seen: Used, made: Results) -> Results:
    """`made`, where regard computed every call: equal logits would say nothing of calls that the model kept."""
    left = {**seen.kept, **seen.unseen}
    if left or not seen.calls:
        raise GateError(f"regard.use did not take over {left or 'anything'}")
    return made


def case(*, tokens: int, flex: bool = False) -> Case:
    """`use` beside sdpa, or beside flex_attention."""
    ids = prompt(tokens)
    peers = {USE: Told(USE, lambda: used(ids))}
    if flex:
        peers[FLEX] = Told(FLEX, lambda: plain(ids, "flex_attention"))
    else:
        peers[SDPA] = Told(SDPA, lambda: plain(ids))
    name = f"Gemma 3 270M, {tokens:,} tokens{', beside flex_attention' if flex else ''}"
    return Case(
        name=name, peers=peers, against=FLEX if flex else SDPA, truth=lambda: _sdpa_run(tokens), tolerance=TOLERANCE
    )


@lru_cache(maxsize=1)  # the truth of both cases of a length
def _sdpa_run(tokens: int) -> Results:
    return tuple(t.double() for t in plain(prompt(tokens)))


def both(*, tokens: int) -> Case:
    """All three, for `memory`, which calls one of them alone."""
    first, second = case(tokens=tokens), case(tokens=tokens, flex=True)
    return Case(
        name=first.name, peers={**first.peers, **second.peers}, against=SDPA, truth=first.truth, tolerance=TOLERANCE
    )


def tiny() -> dict[str, Callable[[], nn.Module]]:
    """Random models of a few layers."""
    from transformers import (
        AutoModelForCausalLM,
        AutoModelForMaskedLM,
        GptOssConfig,
        MistralConfig,
        ModernBertConfig,
        Phi3Config,
    )

    size: dict[str, Any] = {
        "vocab_size": 199,
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "initializer_range": 0.2,
    }
    special = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
    causal = {**size, **special, "num_key_value_heads": 2}
    bert = {"cls_token_id": 1, "sep_token_id": 2}
    configs = {
        "Mistral, window 64": (AutoModelForCausalLM, MistralConfig(**causal, sliding_window=64)),
        "ModernBERT, window 128": (
            AutoModelForMaskedLM,
            ModernBertConfig(**size, **special, **bert, local_attention=128, global_attn_every_n_layers=3),
        ),
        "Phi-3, window 64": (AutoModelForCausalLM, Phi3Config(**causal, sliding_window=64)),
        "gpt-oss, window 64, sinks": (
            AutoModelForCausalLM,
            GptOssConfig(
                **causal, head_dim=16, sliding_window=64, num_local_experts=4, num_experts_per_tok=2
            ),
        ),
    }  # fmt: skip
    return {name: partial(kind.from_config, config) for name, (kind, config) in configs.items()}


def family(name: str, build: Callable[[], nn.Module]) -> Case:
    """Two texts of 512 and 300 tokens, padded at the left; the logits of every real token."""
    torch.manual_seed(0)
    with quiet():
        made = build().eval()
    mask = (torch.arange(512) >= torch.tensor([0, 212])[:, None]).long()
    ids = torch.randint(3, 199, (2, 512), generator=torch.Generator().manual_seed(1)) * mask

    def own() -> Results:
        with torch.inference_mode():
            return (made(input_ids=ids, attention_mask=mask).logits[mask.bool()],)

    def ours() -> Results:
        with regard.use(made) as seen:
            logits = own()
        return taken_over(seen, logits)

    return Case(
        name=f"tiny {name}",
        peers={USE: ours, OWN: own},
        against=OWN,
        truth=lambda: tuple(t.double() for t in own()),
        tolerance=TOLERANCE,
    )


def measured(report: Report, tokens: int, rounds: Rounds) -> None:
    """Both cases of one length, and its goal."""
    made = case(tokens=tokens)
    report.cases.append(run(made, rounds))
    report.goals.append(Goal(f"{made.name}: time, of sdpa's", report.ratio(made.name, USE), GOALS.get(tokens, 1.0)))
    if tokens > BESIDE_FLEX:
        return
    beside = case(tokens=tokens, flex=True)
    try:
        report.cases.append(run(beside, rounds))
    except Exception as error:  # whatever a compiler raises: then it does not run here, and that is said
        sentence = " ".join(str(error).split())[:200]
        report.cases.append({"name": beside.name, "against": FLEX, "failed": f"{FLEX}: {sentence}"})
        return
    seconds = beside.peers[FLEX].seconds  # type: ignore[attr-defined]
    report.beside(beside.name, "compiling flex_attention, where it was not compiled", seconds[0] - median(seconds[1:]))


def main() -> int:
    parser = record.parser(__doc__)
    parser.add_argument("--tokens", type=int, nargs="+", default=list(GOALS), help="lengths (default %(default)s)")
    given = parser.parse_args()
    asked, folder = record.started(given)
    smoke = asked == SMOKE
    lengths = [512] if smoke else given.tokens
    folder = folder if given.tokens == list(GOALS) else record.RESULTS / "smoke"
    report = Report("prefill")
    for name, build in tiny().items():
        report.cases.append(run(family(name, build), asked))
    for tokens in lengths:
        measured(report, tokens, Rounds(1 if smoke else min(asked.kept, KEPT.get(tokens, 3)), warmup=0))
    model.cache_clear()
    _sdpa_run.cache_clear()
    gc.collect()
    weighed = min(max(lengths), WEIGHED)
    name = f"Gemma 3 270M, {weighed:,} tokens"
    peers = (USE, SDPA)
    memory.job(report.memory, name, "prefill", "both", peers=peers, small={"tokens": 128}, real={"tokens": weighed})
    share = report.extra_bytes(name, USE) / report.extra_bytes(name, SDPA)
    report.goals.append(Goal(f"{name}: peak memory, of sdpa's", share, 1.0))
    return record.finish(report, rounds=Rounds(max(KEPT.values()), 0), folder=folder)


if __name__ == "__main__":
    sys.exit(main())
