"""For every task of the catalogue: the graphs that are drawn of a run of it. One row a task."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import nn

from regard.bridges import onnx_modules as made
from regard.bridges.onnx_drawing import TEXT, Drawing
from regard.bridges.onnx_graph import Axes, Graph
from regard.bridges.onnx_writing import continued, heard, written
from regard.spec.errors import RunError
from regard.tasks.answerer import Pointing
from regard.tasks.classifier import Classifier
from regard.tasks.forecaster import Forecaster
from regard.tasks.masked_images import MaskedImages
from regard.tasks.masked_text import MaskedText
from regard.tasks.recommend import Recommender
from regard.tasks.scene_model import Finder
from regard.tasks.sections import EventSettings, ImageSettings, SymbolSettings, TokenSettings
from regard.tasks.several import Several
from regard.tasks.task import Setup, Task

Draw = Callable[[nn.Module, Setup], Mapping[str, Drawing]]
_CLASSES: Mapping[str, Axes] = {"logits": ("batch", None), "weights": ("batch", "length")}


def drawings(task: Task, model: nn.Module, setup: Setup) -> Mapping[str, Drawing]:
    """By the names of their files: one, "" for most tasks; of several tasks on one core one for each of them.

    Raises:
        RunError: no graph is drawn of such a task.
    """
    if isinstance(model, Several):
        return {name: _text_classes(each, setup)[""] for name, each in model.models.items()}
    found = DRAWN.get(task.name)
    if found is None:
        raise RunError(f"a run of {task.name} is not exported; those that are: {', '.join(DRAWN)}")
    return found(model, setup)


def _whole(module: nn.Module, inputs: Mapping[str, Axes], outputs: Mapping[str, Axes], **most: int) -> Graph:
    return Graph("model", module, inputs, outputs, most)


def _text_classes(model: nn.Module, setup: Setup) -> Mapping[str, Drawing]:
    graph = _whole(model, TEXT, _CLASSES, **_longest(setup))
    return {"": Drawing(graph, lambda batch: batch.inputs)}


def _images(model: nn.Module, setup: Setup) -> Mapping[str, Drawing]:
    graph = _whole(model, {"pictures": ("batch", None, None, None)}, _CLASSES)
    return {"": Drawing(graph, lambda batch: batch.inputs)}


def _symbols(model: nn.Module, setup: Setup) -> Mapping[str, Drawing]:
    graph = _whole(model, TEXT, _CLASSES, length=setup.settings.section(SymbolSettings).longest)
    return {"": Drawing(graph, lambda batch: batch.inputs)}


def _tabular(model: nn.Module, setup: Setup) -> Mapping[str, Drawing]:
    inputs: dict[str, Axes] = dict.fromkeys(("numbers", "categories", "present"), ("batch", None))
    return {"": Drawing(_whole(model, inputs, _CLASSES), lambda batch: batch.inputs)}


def _image_text(model: nn.Module, setup: Setup) -> Mapping[str, Drawing]:
    inputs: dict[str, Axes] = {"pictures": ("batch", None, None, None), **TEXT}
    assert isinstance(model, Classifier)
    graph = _whole(made.Joined(model), inputs, {"logits": ("batch", None), "weights": ("batch", "units")})
    return {"": Drawing(graph, lambda batch: batch.inputs)}


def _masked_text(model: nn.Module, setup: Setup) -> Mapping[str, Drawing]:
    assert isinstance(model, MaskedText)
    outputs: dict[str, Axes] = {"logits": ("batch", "length", None)}
    graph = _whole(made.EveryToken(model), TEXT, outputs, **_longest(setup))
    return {"": Drawing(graph, lambda batch: (batch.shown, batch.lengths))}


def _masked_images(model: nn.Module, setup: Setup) -> Mapping[str, Drawing]:
    assert isinstance(model, MaskedImages)
    inputs: dict[str, Axes] = {"pictures": ("batch", None, None, None), "hidden": ("batch", None)}
    graph = _whole(made.EveryPatch(model), inputs, {"guesses": ("batch", None, None)})
    return {"": Drawing(graph, lambda batch: (batch.pictures, batch.hidden))}


def _answer(model: nn.Module, setup: Setup) -> Mapping[str, Drawing]:
    inputs: dict[str, Axes] = {"ids": ("batch", "length"), "kinds": ("batch", "length"), "lengths": ("batch",)}
    places: dict[str, Axes] = {"start": ("batch", "length"), "end": ("batch", "length")}
    graph = _whole(model, inputs, places if isinstance(model, Pointing) else _CLASSES)
    return {"": Drawing(graph, lambda batch: batch.inputs)}


def _tag(model: nn.Module, setup: Setup) -> Mapping[str, Drawing]:
    inputs: dict[str, Axes] = {"features": ("batch", "length", None), "lengths": ("batch",)}
    graph = _whole(model, inputs, {"logits": ("batch", "length", None)})
    return {"": Drawing(graph, lambda batch: (batch.features, batch.lengths))}


def _forecast(model: nn.Module, setup: Setup) -> Mapping[str, Drawing]:
    inputs: dict[str, Axes] = dict.fromkeys(("values", "observed", "past", "known"), ("batch", None, None))
    assert isinstance(model, Forecaster)
    if not model.front.past:
        del inputs["past"]
    graph = _whole(made.Windows(model), inputs, {"quantiles": ("batch", None, None)})
    return {"": Drawing(graph, lambda batch: tuple(getattr(batch, name) for name in inputs))}


def _recommend(model: nn.Module, setup: Setup) -> Mapping[str, Drawing]:
    assert isinstance(model, Recommender)
    names = ("items", "times", "lengths") if model.front.gaps else ("items", "lengths")
    inputs: dict[str, Axes] = {name: ("batch",) if name == "lengths" else ("batch", "length") for name in names}
    longest = setup.settings.section(EventSettings).longest
    graph = _whole(made.NextItem(model), inputs, {"scores": ("batch", None)}, length=longest)
    return {"": Drawing(graph, lambda batch: tuple(getattr(batch, name) for name in names))}


def _detect(model: nn.Module, setup: Setup) -> Mapping[str, Drawing]:
    assert isinstance(model, Finder)
    outputs: dict[str, Axes] = {"logits": ("batch", None, None), "boxes": ("batch", None, None)}
    graph = _whole(made.LastFound(model), {"pictures": ("batch", None, None, None)}, outputs)
    return {"": Drawing(graph, lambda batch: (batch.pictures,))}


def _segment(model: nn.Module, setup: Setup) -> Mapping[str, Drawing]:
    pictures: dict[str, Axes] = {"pictures": ("batch", None, None, None)}
    graph = _whole(model, pictures, {"logits": ("batch", None, None, None)})
    return {"": Drawing(graph, lambda batch: (batch.pictures,))}


def _longest(setup: Setup) -> dict[str, int]:
    """A transformer that reads texts has positions up to a longest one."""
    longest = setup.settings.section(TokenSettings).longest
    return {"length": longest} if setup.settings.core.kind == "transformer" else {}


def _from_text(model: nn.Module, setup: Setup) -> Mapping[str, Drawing]:
    return {"": written(model, {"ids": ("batch", "source"), "lengths": ("batch",)})}


def _from_picture(model: nn.Module, setup: Setup) -> Mapping[str, Drawing]:
    setup.settings.section(ImageSettings)
    return {"": written(model, {"pictures": ("batch", None, None, None)})}


DRAWN: Mapping[str, Draw] = {
    "sentiment": _text_classes,
    "classify": _text_classes,
    "images": _images,
    "language-model": lambda model, setup: {"": continued(model)},
    "masked-text": _masked_text,
    "masked-images": _masked_images,
    "translate": _from_text,
    "summarise": _from_text,
    "answer": _answer,
    "tag": _tag,
    "symbols": _symbols,
    "music": lambda model, setup: {"": continued(model)},
    "forecast": _forecast,
    "recommend": _recommend,
    "tabular": _tabular,
    "speech": lambda model, setup: {"": heard(model)},
    "caption": _from_picture,
    "image-text": _image_text,
    "detect": _detect,
    "segment": _segment,
}
