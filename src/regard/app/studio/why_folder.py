"""A question about the answer of a transformers model, with the head that answers."""

from __future__ import annotations

from typing import Any

from regard.app.studio.folders import kind_of_file
from regard.app.studio.inputs import Input
from regard.app.studio.readying import Desk
from regard.app.studio.subjects import Found
from regard.app.subject import picture_from
from regard.bridges.transformers_folder import ModelFolder
from regard.bridges.transformers_heads import answering
from regard.lens.explain import ask
from regard.lens.question import Question


def question_of_folder(desk: Desk, found: Found, given: Input, target: str | None) -> Question:
    """Raises `DataError` for a model that cannot be read or has no head that answers, `SpecError` for a target that is
    not there."""
    if given.file is not None and kind_of_file(desk.file_of(given)) == "picture":
        picture = picture_from(desk.file_of(given))
        processor, model = seeing(desk, found)
        return ask(model, picture, target, processor=processor)
    text = desk.text_of(given)
    tokenizer, model = answers(desk, found)
    return ask(model, text, target, tokenizer=tokenizer, words=True)


def answers(desk: Desk, found: Found) -> tuple[Any, Any]:
    """(tokenizer, the model with the head that answers). Raises as `question_of_folder`."""
    place = ModelFolder.of(found.path)
    made: tuple[Any, Any] = desk.models.get(("answers", found.path), lambda: (place.tokenizer(), answering(place)))
    return made


def seeing(desk: Desk, found: Found) -> tuple[Any, Any]:
    """(image processor, the model with the head that answers). Raises as `question_of_folder`."""
    place = ModelFolder.of(found.path)
    made: tuple[Any, Any] = desk.models.get(("sees", found.path), lambda: (place.image_processor(), answering(place)))
    return made
