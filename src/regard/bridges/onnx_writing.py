"""Graphs of models that write: one that reads, run once, and one of a step, run for every symbol."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any, cast

from torch import Tensor, nn

from regard.bridges import onnx_modules as made
from regard.bridges.onnx_drawing import Drawing, Loop
from regard.bridges.onnx_graph import Axes, Graph
from regard.nn.attention import MultiHeadAttention
from regard.nn.decoder import Decoder, DecoderBlock
from regard.nn.decoding import LanguageModel
from regard.nn.recurrent_decoder import RecurrentDecoder
from regard.nn.sequence_to_sequence import SequenceToSequence
from regard.tasks.sound_front import SoundFront
from regard.tasks.transcriber import Transcriber

_KEPT: Axes = (None, "rows", None, "past", None)
_SEEN: Axes = (None, "rows", None, "seen", None)
_READ: Axes = (None, "rows", None, "source", None)


def continued(model: nn.Module) -> Drawing:
    """A language model: steps alone, of any number of symbols."""
    assert isinstance(model, LanguageModel)
    inputs: dict[str, Axes] = {"ids": ("rows", "new"), "past_keys": _KEPT, "past_values": _KEPT}
    outputs: dict[str, Axes] = {"logits": ("rows", "new", None), "keys": _SEEN, "values": _SEEN}
    loop = Loop(
        decoder=Graph("decoder", made.Continuing(model), inputs, outputs),
        carried={"past_keys": "keys", "past_values": "values"},
        read={},
        ids=lambda batch: cast("Tensor", batch.ids),
        expected=lambda inputs, ids: cast("Tensor", model(ids)),
        empty=_empty(model.decoder),
    )
    return Drawing(None, lambda batch: (), loop)


def written(model: nn.Module, inputs: Mapping[str, Axes]) -> Drawing:
    """What writes of a source; inputs: what its front end is called with."""
    assert isinstance(model, SequenceToSequence)
    recurrent = isinstance(model.decoder, RecurrentDecoder)
    reading = made.RecurrentReading(model) if recurrent else made.Reading(model)
    graph = Graph("encoder", reading, inputs, _outputs(recurrent=recurrent))
    return Drawing(graph, _given, _loop(model, lambda inputs, ids: cast("Tensor", model(inputs, ids))))


def heard(model: nn.Module) -> Drawing:
    """What writes down a sound."""
    assert isinstance(model, Transcriber)
    recurrent = isinstance(model.writer.decoder, RecurrentDecoder)
    outputs = _outputs(recurrent=recurrent) | {"moments": ("batch", "source", None)}
    inputs: dict[str, Axes] = {"samples": ("batch", "time"), "lengths": ("batch",)}
    audio = cast("SoundFront", model.writer.front).audio
    least = {"time": audio.mel.hop * prod(audio.strides) + 1}  # two tokens: of a single one torch draws another graph
    graph = Graph("encoder", made.Hearing(model), inputs, outputs, least=least)
    return Drawing(graph, _given, _loop(model.writer, lambda inputs, ids: cast("Tensor", model(inputs, ids)[0])))


def _given(batch: Any) -> tuple[Tensor, ...]:
    return tuple(batch.given)


def _outputs(*, recurrent: bool) -> dict[str, Axes]:
    if recurrent:
        tokens: Axes = ("batch", "source", None)
        return {"present": ("batch", "source"), "tokens": tokens, "context_keys": tokens, "hidden": ("batch", None)}
    kept: Axes = (None, "batch", None, "source", None)
    return {"present": ("batch", "source"), "context_keys": kept, "context_values": kept}


def _loop(model: SequenceToSequence, expected: Callable[[Sequence[Tensor], Tensor], Tensor]) -> Loop:
    """The step of either decoder."""
    logits: dict[str, Axes] = {"logits": ("rows", "new", None)}
    if isinstance(model.decoder, RecurrentDecoder):
        inputs: dict[str, Axes] = {
            "ids": ("rows", None),
            "hidden": ("rows", None),
            "context_keys": ("rows", "source", None),
            "tokens": ("rows", "source", None),
            "present": ("rows", "source"),
        }
        graph = Graph("decoder", made.RecurrentStep(model.decoder), inputs, logits | {"next_hidden": ("rows", None)})
        read = {name: name for name in inputs if name != "ids"}
        return Loop(graph, {"hidden": "next_hidden"}, read, _fed, expected)
    inputs = {"ids": ("rows", "new"), "past_keys": _KEPT, "past_values": _KEPT}
    inputs |= {"context_keys": _READ, "context_values": _READ, "present": ("rows", "source")}
    graph = Graph("decoder", made.WritingStep(model.decoder), inputs, logits | {"keys": _SEEN, "values": _SEEN})
    carried = {"past_keys": "keys", "past_values": "values"}
    read = {name: name for name in ("context_keys", "context_values", "present")}
    return Loop(graph, carried, read, _fed, expected, _empty(model.decoder.decoder))


def _fed(batch: Any) -> Tensor:
    return cast("Tensor", batch.inputs)


def _empty(decoder: Decoder) -> dict[str, tuple[int, int, int]]:
    """Keys and values of no token: layers, heads, size."""
    own: MultiHeadAttention = cast("DecoderBlock", decoder.blocks[0]).attention
    heads, layers = own.kv_heads, len(decoder.blocks)
    sizes = {"past_keys": own.key.out_features // heads, "past_values": own.value.out_features // heads}
    return {name: (layers, heads, size) for name, size in sizes.items()}
