"""A question about the answer of a transformers model, with the head that answers."""

from __future__ import annotations

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
    place = ModelFolder.of(found.path)
    if given.file is not None and kind_of_file(desk.file_of(given)) == "picture":
        picture = picture_from(desk.file_of(given))
        processor, model = desk.models.get(("sees", found.path), lambda: (place.image_processor(), answering(place)))
        return ask(model, picture, target, processor=processor)
    text = desk.text_of(given)
    tokenizer, model = desk.models.get(("answers", found.path), lambda: (place.tokenizer(), answering(place)))
    return ask(model, text, target, tokenizer=tokenizer, words=True)
