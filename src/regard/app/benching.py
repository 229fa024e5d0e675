"""A model by itself and the same model in use, on one prompt: held against each other, then timed in turns."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from regard.allocate.peak import extra_bytes
from regard.allocate.use import use
from regard.allocate.used import Used
from regard.app.screen import Screen
from regard.app.sheet import sheet
from regard.spec.errors import DataError, RunError

TOLERANCES = {"float64": 1e-9, "float32": 1e-4, "bfloat16": 5e-2, "float16": 2e-2}  # of the largest number
_GAIN = 1.02  # times as fast: below it there is nothing to speak of


@dataclass(frozen=True, eq=False)
class Bench:
    """A model and its prompt: `ids` (1, tokens + decode)."""

    name: str
    model: nn.Module
    ids: Tensor
    decode: int
    dtype: str

    @classmethod
    def of(cls, folder: Path, text: str | None, *, tokens: int, dtype: str, decode: int) -> Bench:
        """The model of a folder, and the first `tokens` of a text, or tokens drawn at random.

        Raises:
            DataError: there is no such model, it reads no text, or not so much; or the text has fewer tokens.
            MissingExtraError: transformers is not installed.
        """
        from regard.bridges.transformers_folder import ModelFolder
        from regard.bridges.transformers_inputs import positions

        place = ModelFolder.of(folder)
        model = place.model()
        model = getattr(model, "text_model", model)
        config: Any = model.config
        if getattr(config, "is_encoder_decoder", False):
            model = model.get_encoder()  # type: ignore[operator]
        vocabulary = getattr(config.get_text_config(), "vocab_size", None)
        if vocabulary is None:
            raise DataError(f"{place.name} reads no text; from Python, regard.use(model) runs any model")
        if decode and not _writes(model):
            raise DataError(f"--decode {decode}: {place.name} writes no text token by token; leave it out")
        most, length = positions(model), tokens + decode
        if most is not None and length > most:
            raise DataError(f"--tokens {tokens:,}{_and(decode)}: {place.name} has {most:,} positions; ask for fewer")
        ids = _drawn(vocabulary, length) if text is None else _read(place.tokenizer(), text, length)
        return cls(place.name, model.to(getattr(torch, dtype)), ids, decode, dtype)

    @property
    def tokens(self) -> int:
        return self.ids.shape[1] - self.decode

    def prompt(self) -> Tensor:
        """The last hidden states (1, tokens, size) of one pass over the prompt."""
        more = {"use_cache": False} if _writes(self.model) else {}
        with torch.inference_mode():
            out: Tensor = self.model(self.ids[:, : self.tokens], **more)[0]
        return out

    def steps(self) -> list[float]:
        """Seconds of each single token after the prompt, which is read first."""
        found = []
        with torch.inference_mode():
            cache = self.model(self.ids[:, : self.tokens], use_cache=True).past_key_values
            for place in range(self.tokens, self.ids.shape[1]):
                began = time.perf_counter()
                self.model(self.ids[:, place : place + 1], past_key_values=cache, use_cache=True)
                found.append(time.perf_counter() - began)
        return found


@dataclass(frozen=True)
class Found:
    """Seconds by side ("own", "used"), round by round; of a single token, the median of each round. difference: the
    largest, over the largest number. extra_bytes: peak memory beyond what was held before; None where not known."""

    model: str
    tokens: int
    dtype: str
    threads: int
    difference: float
    tolerance: float
    prompt: dict[str, list[float]]
    token: dict[str, list[float]]
    extra_bytes: dict[str, int | None]
    calls: dict[str, dict[str, int]]
    kept: dict[str, str]
    unseen: dict[str, str]
    shown: str

    def gain(self, what: str) -> float:
        """How many times as fast the model in use is."""
        times = self.prompt if what == "prompt" else self.token
        return statistics.median(times["own"]) / statistics.median(times["used"])


def measured(screen: Screen, bench: Bench, rounds: int) -> Found:
    """Hold the two outputs against each other, then time `rounds` rounds.

    Raises:
        RunError: the outputs differ by more than the dtype's rounding.
    """
    screen.line(f"{bench.name}, {bench.tokens:,} tokens, {bench.dtype}, {torch.get_num_threads()} thread(s)")
    bench.prompt()  # libraries, thread pools and allocators wake up
    alone, own_peak = extra_bytes(bench.prompt)
    (out, used), used_peak = extra_bytes(lambda: _in_use(bench, bench.prompt))
    difference = float((alone - out).abs().max() / alone.abs().max().clamp_min(1e-30))
    tolerance = TOLERANCES[bench.dtype]
    if not difference <= tolerance:
        raise RunError(
            f"the model in use gives another output: off by {difference:.1e} of the largest number, where "
            f"{bench.dtype} allows {tolerance:.0e}; please report this with the model's name"
        )
    del alone, out
    prompt: dict[str, list[float]] = {"own": [], "used": []}
    token: dict[str, list[float]] = {"own": [], "used": []}
    for number in range(rounds):
        screen.line(f"round {number + 1} of {rounds}")
        prompt["own"].append(_seconds(bench.prompt))
        prompt["used"].append(_in_use(bench, lambda: _seconds(bench.prompt))[0])
        if bench.decode:
            token["own"].append(statistics.median(bench.steps()))
            token["used"].append(statistics.median(_in_use(bench, bench.steps)[0]))
    return Found(
        *(bench.name, bench.tokens, bench.dtype, torch.get_num_threads(), difference, tolerance, prompt, token),
        extra_bytes={"own": own_peak, "used": used_peak},
        calls={path: dict(counts) for path, counts in used.calls.items()},
        kept=used.kept,
        unseen=used.unseen,
        shown=str(used),
    )


def show(screen: Screen, found: Found) -> None:
    """The table, what ran, and whether it is worth it."""
    screen.line(
        f"same output: the largest difference is {found.difference:.1e} of the largest number "
        f"({found.tolerance:.0e} allowed)"
    )
    rows = [_row("prompt", found.prompt, found.gain("prompt"))]
    if found.token["own"]:
        rows.append(_row("one more token", found.token, found.gain("token")))
    own, used = found.extra_bytes["own"], found.extra_bytes["used"]
    if own is not None and used is not None:
        rows.append(["peak extra memory", f"{own / 1e6:,.0f} MB", f"{used / 1e6:,.0f} MB", ""])
    screen.lines(sheet(["", "by itself", "in use", "times as fast"], rows))
    screen.line()
    screen.lines(found.shown.splitlines())
    gains = [what for what in ("prompt", "token") if found.prompt["own"] and _worth(found, what)]
    if not gains:
        screen.line()
        screen.line("regard.use gains no time on this model at this length: there is no need for it here.")


def write(path: Path, found: Found) -> None:
    """The figures as JSON. Raises `RunError` where it cannot be written."""
    from regard.disk import write_atomically

    figures = {name: value for name, value in asdict(found).items() if name != "shown"}
    write_atomically(path, (json.dumps(figures, ensure_ascii=False, indent=1) + "\n").encode())


def _worth(found: Found, what: str) -> bool:
    return (what == "prompt" or bool(found.token["own"])) and found.gain(what) >= _GAIN


def _row(name: str, times: dict[str, list[float]], gain: float) -> list[str]:
    return [name, *(_time(statistics.median(times[side])) for side in ("own", "used")), f"{gain:.2f}"]


def _time(seconds: float) -> str:
    return f"{seconds * 1e3:.1f} ms" if seconds < 1 else f"{seconds:.2f} s"


def _in_use(bench: Bench, call: Callable[[], Any]) -> tuple[Any, Used]:
    with use(bench.model) as used:
        return call(), used


def _seconds(call: Callable[[], Any]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def _writes(model: nn.Module) -> bool:
    """Whether it attends to what came before alone, and keeps it for the next token."""
    causal = any(getattr(module, "is_causal", False) for module in model.modules())
    return causal and hasattr(model.config, "use_cache")


def _and(decode: int) -> str:
    return f" and --decode {decode:,}" if decode else ""


def _drawn(vocabulary: int, length: int) -> Tensor:
    return torch.randint(vocabulary, (1, length), generator=torch.Generator().manual_seed(0))


def _read(tokenizer: Any, text: str, length: int) -> Tensor:
    ids: Tensor = tokenizer(text, return_tensors="pt", truncation=True, max_length=length, verbose=False)["input_ids"]
    if ids.shape[1] < length:
        raise DataError(f"the text has {ids.shape[1]:,} tokens, and {length:,} were asked for; ask for fewer")
    return ids
