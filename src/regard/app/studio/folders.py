"""The folders that a studio was started with, and nothing outside of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from regard.app.studio.damage import was_run
from regard.app.studio.refusals import RefusedError
from regard.app.subject import is_run
from regard.spec.errors import DataError

_LONGEST = 4096  # characters of a path
KINDS = {
    "text": (".txt", ".md", ".rst", ".log", ".py", ".html", ".xml", ".tex"),
    "picture": (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp"),
    "sound": (".wav", ".flac", ".ogg", ".mp3"),
    "table": (".csv", ".tsv", ".jsonl", ".json", ".parquet"),
}
_OF_ENDING = {ending: kind for kind, endings in KINDS.items() for ending in endings}


@dataclass(frozen=True)
class Entry:
    """One name in a folder. bytes: of a file, else None."""

    name: str
    path: Path
    kind: str
    bytes: int | None


@dataclass(frozen=True)
class Folders:
    """The folders, symlinks resolved, none inside another."""

    roots: tuple[Path, ...]

    @classmethod
    def of(cls, given: Sequence[Path]) -> Folders:
        """Raises `DataError` for what is no folder that can be read."""
        found: list[Path] = []
        for path in given:
            if not path.is_dir():
                raise DataError(f"{path} is no folder; give folders with runs, models and your files")
            found.append(path.resolve())
        outer = [one for one in found if not any(other in one.parents for other in found)]
        return cls(tuple(dict.fromkeys(outer)))

    def inside(self, given: str, *, where: str = "path") -> Path:
        """The path, symlinks resolved, which need not be there yet.

        Raises `RefusedError`: 422 for what is no absolute path, 403 for one that leads out of the folders; whether
        anything lies there is not said.
        """
        path = Path(given)
        if not given or "\0" in given or len(given) > _LONGEST or not path.is_absolute():
            raise RefusedError(422, f"{where} is no absolute path", where=where, do="give one as /api/folder lists it")
        try:
            resolved = path.resolve()
        except (OSError, RuntimeError, ValueError):  # a loop of symlinks, or bytes that no file system takes
            resolved = None
        if resolved is None or ".." in path.parts or not self.holds(resolved):
            raise RefusedError(
                403,
                f"{where} leads out of the folders that the studio was started with",
                where=where,
                do="start it with that folder: regard studio FOLDER",
            )
        return resolved

    def holds(self, resolved: Path) -> bool:
        """Whether a resolved path is one of the folders or below."""
        return any(root == resolved or root in resolved.parents for root in self.roots)

    def file(self, given: str, most: int, *, where: str = "file") -> Path:
        """A plain file of at most `most` bytes. Raises `RefusedError` (as `inside`; 404, 413)."""
        path = self.inside(given, where=where)
        if not path.is_file():
            raise RefusedError(
                404, f"{where}: there is no such file", where=where, do="choose one that /api/folder lists"
            )
        size = path.stat().st_size
        if size > most:
            raise RefusedError(
                413, f"{where} has {size:,} bytes, at most {most:,} are read", where=where, do="give a smaller file"
            )
        return path

    def data(self, given: str, most: int, *, where: str = "data") -> Path:
        """A file, or a folder of them. Raises `RefusedError` (as `file`)."""
        path = self.inside(given, where=where)
        return path if path.is_dir() else self.file(given, most, where=where)

    def listed(self, given: str, most: int) -> tuple[Path, list[Entry], int]:
        """(the folder, what lies in it by name, how many more entries there are). Hidden names are left out.

        Raises `RefusedError` (as `inside`; 404).
        """
        folder = self.inside(given)
        if not folder.is_dir():
            raise RefusedError(404, "path: there is no such folder", where="path", do="choose one that is listed")
        try:
            names = sorted(one.name for one in folder.iterdir() if not one.name.startswith("."))
        except OSError:
            raise RefusedError(
                403, "path: the folder may not be read", where="path", do="change its permissions"
            ) from None
        entries = [entry for name in names[:most] if (entry := self._entry(folder / name)) is not None]
        return folder, entries, max(0, len(names) - most)

    def _entry(self, path: Path) -> Entry | None:
        """None for what leads outside, or is neither file nor folder."""
        try:
            resolved = path.resolve()
            if not self.holds(resolved):
                return None
            if resolved.is_dir():
                return Entry(path.name, path, kind_of_folder(resolved), None)
            if not resolved.is_file():
                return None
            kind = "model" if path.suffix == ".gguf" else _OF_ENDING.get(path.suffix.lower(), "other")
            return Entry(path.name, path, kind, resolved.stat().st_size)
        except (OSError, RuntimeError):  # it went away, may not be looked at, or is a loop of symlinks
            return None


def kind_of_folder(path: Path) -> str:
    """ "run", "model" or "folder"."""
    if is_run(path) or was_run(path):
        return "run"
    if (path / "config.json").is_file() and any(path.glob("*.safetensors")):
        return "model"
    return "model" if any(path.glob("*.gguf")) else "folder"


def kind_of_file(path: Path) -> str:
    """ "text", "picture", "sound", "table" or "other", by its ending."""
    return _OF_ENDING.get(path.suffix.lower(), "other")
