"""What a job needs beyond torch, asked for before anything is read or trained."""

from __future__ import annotations

from importlib.util import find_spec

from regard.spec.errors import MissingExtraError


def require(*modules: str, what: str = "training", extra: str = "train") -> None:
    """Checks that modules are installed, without loading them. `extra`: the extra of regard that brings them.

    Raises:
        MissingExtraError: some are not; the message names the command that installs them.
    """
    missing = [name for name in modules if find_spec(name) is None]
    if missing:
        are = "is" if len(missing) == 1 else "are"
        raise MissingExtraError(
            f"{what} needs {', '.join(missing)}, which {are} not installed; type: pip install 'regard[{extra}]'"
        )
