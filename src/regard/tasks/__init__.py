"""Tasks: data from plain files, checked first; models, losses, scores with their protocol, and baselines."""

# ruff: noqa: E402 - what is missing is said before the first import fails on it
from regard.spec.extra import require

require("pydantic", "pyarrow", "sklearn", "tokenizers")

from regard.tasks.catalogue import TASKS
from regard.tasks.check import Lengths, Report, check, check_file
from regard.tasks.classify import CLASSIFY, SENTIMENT
from regard.tasks.event import Event, Listener, Note, Progress, Validated, unheard
from regard.tasks.packages import Package, cache_folder
from regard.tasks.part import Batch, BatchSize, MeasuredPart, Order, OrderedPart, Part
from regard.tasks.scores.metric import Metric
from regard.tasks.settings import Settings, changed, differences, settings_from
from regard.tasks.sources import SOURCES, Source, cached, command, licence_text, obtain, source
from regard.tasks.split import Split, split_rows
from regard.tasks.table import Refused, Row, Table, usable
from regard.tasks.table_reading import read_table
from regard.tasks.task import Asked, Given, Outcome, Prepared, Setup, Task, task_named

__all__ = [
    "CLASSIFY",
    "SENTIMENT",
    "SOURCES",
    "TASKS",
    "Asked",
    "Batch",
    "BatchSize",
    "Event",
    "Given",
    "Lengths",
    "Listener",
    "MeasuredPart",
    "Metric",
    "Note",
    "Order",
    "OrderedPart",
    "Outcome",
    "Package",
    "Part",
    "Prepared",
    "Progress",
    "Refused",
    "Report",
    "Row",
    "Settings",
    "Setup",
    "Source",
    "Split",
    "Table",
    "Task",
    "Validated",
    "cache_folder",
    "cached",
    "changed",
    "check",
    "check_file",
    "command",
    "differences",
    "licence_text",
    "obtain",
    "read_table",
    "settings_from",
    "source",
    "split_rows",
    "task_named",
    "unheard",
    "usable",
]
