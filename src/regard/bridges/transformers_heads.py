"""A transformers model with the head that answers: the one that its configuration names."""

from __future__ import annotations

from typing import Any

from torch import nn

from regard.bridges.transformers_folder import ModelFolder, quiet, told, transformers
from regard.spec.errors import DataError

__all__ = ["answering"]

HEADS = (
    "SequenceClassification",
    "TokenClassification",
    "QuestionAnswering",
    "MaskedLM",
    "ImageClassification",
)
_NEXT = ("ForCausalLM", "LMHeadModel")  # how models end that say which token is next
_WRITES = "ForConditionalGeneration"  # and encoder-decoders that write


def answering(place: ModelFolder) -> nn.Module:
    """The model of a folder, with its head, ready to run, on the CPU.

    Raises:
        DataError: it has no head that answers, or it cannot be read.
        MissingExtraError: transformers or gguf is not installed.
    """
    if place.gguf is not None:
        return place.writer()
    named = str((getattr(place.config, "architectures", None) or ["a model without a head"])[0])
    if named.endswith(_WRITES):
        return place.model(generates=True)
    if named.endswith(_NEXT):
        return place.writer()
    head = next((one for one in HEADS if named.endswith(f"For{one}")), None)
    if head is None:
        raise DataError(
            f"{place.name} is {named}, which gives vectors and no answer; expected a model with a head: "
            f"{', '.join(('CausalLM', *HEADS, 'ConditionalGeneration'))}"
        )
    kind: Any = getattr(transformers(), f"AutoModelFor{head}")
    try:
        with quiet():
            made: nn.Module = kind.from_pretrained(
                place.path, use_safetensors=True, local_files_only=True, trust_remote_code=False
            )
    except Exception as error:  # the library raises whatever its parsers raise
        raise DataError(
            f"{place.path}: the model cannot be read ({told(error)}); save it with save_pretrained"
        ) from None
    return made.eval()
