"""A folder that holds a transformers model (safetensors, or one GGUF file): opened without a network and without code.

Weights are read from safetensors or GGUF alone, never unpickled, and code that lies in the folder is never run.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import torch
from torch import nn

from regard.spec.errors import DataError, MissingExtraError

_SAFE: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
_EXPECTED = (
    "expected a folder with config.json and model.safetensors, as save_pretrained writes it, or with one .gguf file"
)
_TOKENIZER = "expected the tokenizer's files (tokenizer.json) beside the model"
_PROCESSOR = "expected a model that looks at pictures, with preprocessor_config.json beside it"


@dataclass(frozen=True)
class ModelFolder:
    """Where a model lies. `gguf`: the name of the GGUF file in the folder, None for safetensors."""

    path: Path
    gguf: str | None

    @property
    def name(self) -> str:
        return self.path.resolve().name

    @classmethod
    def of(cls, path: Path) -> ModelFolder:
        """The model at a path, which may name the GGUF file itself.

        Raises:
            DataError: there is none, or there are several GGUF files.
        """
        if path.suffix == ".gguf" and path.is_file():
            return cls(path.parent, path.name)
        if not path.is_dir():
            raise DataError(f"{path} is no folder; {_EXPECTED}")
        if (path / "config.json").is_file():
            return cls(path, None)
        found = sorted(file.name for file in path.glob("*.gguf"))
        if not found:
            raise DataError(f"{path} holds no model; {_EXPECTED}")
        if len(found) > 1:
            raise DataError(f"{path} holds {len(found)} GGUF files; name one of them, such as {path / found[0]}")
        return cls(path, found[0])

    def model(self, *, generates: bool = False) -> nn.Module:
        """The model without the head that answers (`generates`: with it), ready to run, on the CPU.

        Raises:
            DataError: it cannot be read; the message says why.
            MissingExtraError: transformers or gguf is not installed.
        """
        library = transformers()
        with quiet(), _one_line(self, "the model", _EXPECTED):
            if self.gguf is not None:
                made: nn.Module = self._unpacked(library).base_model.eval()
                return made
            kind = library.AutoModelForSeq2SeqLM if generates else library.AutoModel
            made = kind.from_pretrained(self.path, use_safetensors=True, **_SAFE)
            return made.eval()

    def writer(self) -> nn.Module:
        """The model with the head that says which token is next, ready to run, on the CPU.

        Raises:
            DataError: it cannot be read, or has no such head.
            MissingExtraError: transformers or gguf is not installed.
        """
        library = transformers()
        with quiet(), _one_line(self, "the model", f"{_EXPECTED}, of a model that writes text token by token"):
            if self.gguf is not None:
                made: nn.Module = self._unpacked(library).eval()
                return made
            made = library.AutoModelForCausalLM.from_pretrained(self.path, use_safetensors=True, **_SAFE)
            return made.eval()

    def _unpacked(self, library: Any) -> Any:
        """The GGUF file's model in float32."""
        more: dict[str, Any] = {"gguf_file": self.gguf, "dtype": torch.float32}
        more["quantization_config"] = library.GgufConfig(dequantize=True)
        with redirect_stderr(StringIO()):  # a bar that cannot be turned off
            return library.AutoModelForCausalLM.from_pretrained(self.path, **more, **_SAFE)

    @property
    def config(self) -> Any:
        """Its configuration. Raises `DataError` for one that transformers does not know."""
        with quiet(), _one_line(self, "config.json", _EXPECTED):
            return transformers().AutoConfig.from_pretrained(self.path, **self._where(), **_SAFE)

    def tokenizer(self) -> Any:
        """Its tokenizer. Raises `DataError` if there is none."""
        with quiet(), _one_line(self, "the tokenizer", _TOKENIZER):
            return transformers().AutoTokenizer.from_pretrained(self.path, **self._where(), **_SAFE)

    def image_processor(self) -> Any:
        """What makes pixel values of a picture, with Pillow where torchvision is not there.

        Raises `DataError` if there is none.
        """
        with quiet(), _one_line(self, "the image processor", _PROCESSOR):
            return transformers().AutoImageProcessor.from_pretrained(self.path, **self._where(), **_SAFE)

    def _where(self) -> dict[str, Any]:
        return {} if self.gguf is None else {"gguf_file": self.gguf}


def transformers() -> Any:
    """The library. Raises `MissingExtraError` with the command that installs it."""
    try:
        import transformers
    except ImportError:
        raise MissingExtraError(
            "a model folder is read with transformers, which is not installed; type: pip install 'regard[transformers]'"
        ) from None
    return transformers


@contextmanager
def quiet() -> Iterator[None]:
    """The library's own bars and warnings stay silent in this block."""
    transformers()  # a missing library is told with the extra that brings it
    from transformers.utils import logging

    shown, level = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if shown:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]


@contextmanager
def _one_line(folder: ModelFolder, what: str, expected: str) -> Iterator[None]:
    """What the library raises becomes an error of regard's, in one line."""
    try:
        yield
    except ImportError as error:
        raise MissingExtraError(f"{what} of {folder.path} needs a library that is missing: {told(error)}") from None
    except Exception as error:  # the library raises whatever its parsers raise: here each becomes a line
        raise DataError(f"{what} of {folder.path} cannot be read ({told(error)}); {expected}") from None


def told(error: Exception) -> str:
    """The first sentence of what was raised."""
    sentence = " ".join(str(error).split()).partition(". ")[0].rstrip(".")
    return f"{type(error).__name__}: {sentence}" if sentence else type(error).__name__
