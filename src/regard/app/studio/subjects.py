"""The models of the folders: finished runs, and transformers folders, each with what it takes and what it can do."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from regard.app.studio.damage import config_of, damage
from regard.app.studio.folders import Folders, kind_of_folder
from regard.app.studio.limits import Limits
from regard.app.studio.refusals import RefusedError
from regard.spec.errors import RegardError

ROOMS = ("look", "why", "spend")
_FRESH = 3.0  # seconds for which what was found is taken as it is
_VISITED = 2_000  # folders that are looked into at most
_PASSED = {"node_modules", "__pycache__", "site-packages", "checkpoint", "vocab"}
# The section of a run's settings that says what its inputs are; the first that is there counts.
_SECTIONS = (
    ("members", "text"), ("sound", "sound"), ("series", "series"), ("events", "events"), ("table", "table"),
    ("symbols", "symbols"), ("image", "picture"), ("seen", "picture"), ("tokens", "text"),
)  # fmt: skip


@dataclass(frozen=True)
class Found:
    """One model. id: by its path. takes: what its inputs are. typed: whether an input can be a typed text. can: the
    rooms it can be used in; cannot: of the others, why not.

    facts: what else the page shows of it (task, layers, heads, core, labels, roles; of a run how many rows of its test
    part can be asked about, None where they are not in the folders).
    """

    id: str
    kind: str
    path: Path
    takes: str
    typed: bool
    policies: tuple[str, ...]
    can: tuple[str, ...]
    cannot: dict[str, str] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.path.name

    def plain(self) -> dict[str, Any]:
        """As the page reads it."""
        own: dict[str, Any] = {"id": self.id, "kind": self.kind, "name": self.name, "path": str(self.path)}
        own |= {"takes": self.takes, "typed": self.typed, "policies": list(self.policies), "can": list(self.can)}
        return own | {"cannot": self.cannot} | self.facts


class Subjects:
    """What was found in the folders, looked up again every few seconds."""

    def __init__(self, folders: Folders, limits: Limits) -> None:
        self.folders, self.limits = folders, limits
        self._lock = threading.Lock()
        self._found: dict[str, Found] = {}
        self._looked = -_FRESH

    def all(self) -> list[Found]:
        """Every one, by folder and name."""
        with self._lock:
            if time.monotonic() - self._looked >= _FRESH:
                self._found = {one.id: one for one in self._search()}
                self._looked = time.monotonic()
            return list(self._found.values())

    def __getitem__(self, given: str) -> Found:
        """The one of that id. Raises `RefusedError` (404)."""
        for one in self.all():
            if one.id == given:
                return one
        raise RefusedError(
            404, "subject: there is no such model", where="subject", do="choose one that /api/subjects lists"
        )

    def _search(self) -> list[Found]:
        found: list[Found] = []
        for path in places(self.folders, self.limits.depth):
            one = subject_of(path, self.folders)
            if one is not None:
                found.append(one)
            if len(found) >= self.limits.subjects:
                break
        return found


def places(folders: Folders, depth: int) -> Iterator[Path]:
    """The folders of the roots that hold a run or a model, each of `depth` levels at most; what is hidden is passed."""
    waiting = [(root, 0) for root in folders.roots]
    for _ in range(_VISITED):
        if not waiting:
            return
        path, level = waiting.pop(0)
        if kind_of_folder(path) != "folder":
            yield path
            continue
        if level < depth:
            waiting += [(one, level + 1) for one in _below(path, folders)]


def identity(path: Path) -> str:
    """A short name for a path, the same in every session."""
    return hashlib.blake2b(os.fsencode(path), digest_size=6).hexdigest()


def subject_of(path: Path, folders: Folders) -> Found | None:
    """What lies in a folder, a damaged one with the reason; None where it is a run that is not done, or where one of
    its files is a link that leads out of the folders."""
    kind = kind_of_folder(path)
    try:
        if not all(folders.holds(one.resolve()) for one in path.iterdir()):
            return None
        wrong = damage(path, kind)
        if wrong is None and kind == "run":
            return _run(path, folders) if (path / "metrics.json").is_file() else None
        if wrong is None:
            return _model(path)
    except (OSError, RuntimeError, ValueError, KeyError, TypeError, AttributeError, RegardError) as error:
        wrong = f"config.json says nothing that can be used ({type(error).__name__}: {error})"
    return Found(identity(path), kind, path, "text", False, (), (), dict.fromkeys(ROOMS, f"it is damaged: {wrong}"))


def input_of(settings: dict[str, Any]) -> str:
    """What the inputs of a run with these settings are."""
    for section, takes in _SECTIONS:
        if settings.get(section) is not None:
            mixed = takes == "picture" and settings.get("tokens") is not None
            return "picture and text" if mixed else takes
    return "text"


def _below(path: Path, folders: Folders) -> list[Path]:
    try:
        names = sorted(one.name for one in os.scandir(path) if not one.name.startswith(".") and one.name not in _PASSED)
        inner = [(path / name).resolve() for name in names if (path / name).is_dir()]
    except (OSError, RuntimeError):
        return []
    return [one for one in inner if folders.holds(one) and path in one.parents]


def _run(path: Path, folders: Folders) -> Found:
    from regard.app.studio.own_part import data_of
    from regard.tasks.catalogue import TASKS
    from regard.tasks.task import task_named

    config = config_of(path / "config.json")
    settings = config["settings"]
    task = task_named(settings["task"], TASKS)
    core = settings.get("core", {})
    facts = {
        "task": task.name,
        "core": core.get("kind"),
        "layers": core.get("layers") if core.get("kind") == "transformer" else None,
        "heads": core.get("heads"),
        "labels": [str(one) for one in config.get("facts", config).get("labels", [])],
        "roles": list(task.roles),
        "test_rows": _test_rows(config) if task.read is not None and data_of(config, folders) is not None else None,
    }
    typed = task.typed is not None
    cannot: dict[str, str] = {}
    if not typed and (task.read is None or task.explain is None):
        cannot |= dict.fromkeys(ROOMS, "a run of this task reads neither a typed text nor rows of a file")
    if core.get("kind") != "transformer":
        cannot["spend"] = "its attention is one query with learned scores: budgets choose keys by dot products"
    # a share of the tokens is the run's own budget; the others are shares of the keys that its layers read
    dropping = typed and "core.budget" not in task.unused and "text" in task.roles
    policies = () if "spend" in cannot else (("tokens",) if dropping else ()) + ("focus", "window")
    return Found(identity(path), "run", path, input_of(settings), typed, policies, _rooms(cannot), cannot, facts)


def _test_rows(config: Mapping[str, Any]) -> int | None:
    """How many rows its test part has; None of a run that does not say so."""
    count = (config.get("data") or {}).get("test")
    return count if isinstance(count, int) and count > 0 else None


def _rooms(cannot: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(room for room in ROOMS if room not in cannot)


def _model(path: Path) -> Found:
    config = config_of(path / "config.json") if (path / "config.json").is_file() else {}
    inner = config.get("text_config") or config.get("vision_config") or config
    sees = "vision_config" in config or config.get("model_type") in _PICTURES
    looks_at = sees and (path / "preprocessor_config.json").is_file()
    reads = any((path / name).is_file() for name in ("tokenizer.json", "tokenizer_config.json", "vocab.txt"))
    reads = reads or not (path / "config.json").is_file()  # a GGUF file brings its own
    takes = "picture" if looks_at and not reads else "text"
    writes = not config or str((config.get("architectures") or [""])[0]).endswith(_WRITERS)
    policies = ("focus", "window", "allocated") if writes and takes == "text" else ("focus", "window")
    answers = not config or _answers(str((config.get("architectures") or [""])[0]))
    cannot = {} if answers else {"why": "it has no head that answers: what it gives are numbers for another model"}
    facts: dict[str, Any] = {
        "task": None,
        "core": config.get("model_type"),
        "layers": inner.get("num_hidden_layers"),
        "heads": inner.get("num_attention_heads"),
        "labels": [],
        "roles": [],
        "writes": writes,
        "pictures": looks_at,
    }
    return Found(identity(path), "model", path, takes, takes == "text", policies, _rooms(cannot), cannot, facts)


def _answers(architecture: str) -> bool:
    """Whether it has a head whose answers can be asked about; see `regard.bridges.transformers_heads`."""
    from regard.bridges.transformers_heads import HEADS

    return architecture.endswith((*_WRITERS, "ForConditionalGeneration", *(f"For{head}" for head in HEADS)))


_WRITERS = ("ForCausalLM", "LMHeadModel")  # of which transformers' older decoders have the second
_PICTURES = ("vit", "deit", "beit", "dinov2", "dinov3_vit", "siglip_vision_model", "clip_vision_model")
