"""What has a name: every source there is, from the files beside this one, each of which ends in its SETS."""

from __future__ import annotations

from regard.spec.errors import SpecError
from regard.tasks.sources import (
    chorales,
    emoji,
    folk_tunes,
    genes,
    help_pages,
    labelled_texts,
    mails,
    models,
    novels,
    package_summaries,
    pictures,
    prompts,
    ratings,
    scenes,
    series,
    stories,
    tabular,
    tagged_words,
    verses,
)
from regard.tasks.sources.source import Kind, Source

_GROUPS = (
    labelled_texts.SETS,
    mails.SETS,
    tagged_words.SETS,
    novels.SETS,
    help_pages.SETS,
    verses.SETS,
    package_summaries.SETS,
    stories.SETS,
    pictures.SETS,
    emoji.SETS,
    scenes.SETS,
    prompts.SETS,
    series.SETS,
    ratings.SETS,
    genes.SETS,
    chorales.SETS,
    folk_tunes.SETS,
    tabular.SETS,
    models.SETS,
)

SOURCES: dict[str, Source] = {one.name: one for group in _GROUPS for one in group}


def source(name: str, *, kind: Kind | None = None) -> Source:
    """What has that name; of that kind, if one is given.

    Raises:
        SpecError: there is none; the message lists those there are.
    """
    fitting = [one.name for one in SOURCES.values() if kind in (None, one.kind)]
    if name not in fitting:
        what = {None: "data set or model", "model": "model"}.get(kind, f"set of {kind}")
        raise SpecError(f"no {what} is named {name!r}; those there are: {', '.join(fitting)}")
    return SOURCES[name]
