"""One sitting of a run at the command line: progress while it trains, and what to type after Ctrl-C."""

from __future__ import annotations

from pathlib import Path

from regard.app.failures import StoppedError
from regard.app.progress import progress
from regard.app.screen import Screen
from regard.tasks.settings import Settings
from regard.train.folder import RunFolder
from regard.train.result import Result
from regard.train.training import train_run


def sit(screen: Screen, settings: Settings, folder: Path) -> Result:
    """Trains, or goes on, or finds the run done; shows progress.

    Raises:
        StoppedError: Ctrl-C; the sentence says how to go on.
        RegardError: whatever `train_run` raises.
    """
    try:
        with progress(screen) as listen:
            return train_run(settings, folder, listen=listen)
    except KeyboardInterrupt:
        if not (folder / "config.json").is_file():
            raise StoppedError("training had not begun; type the same command to begin again") from None
        run = RunFolder(folder)
        if run.checkpoints.empty and not run.model.is_file():
            raise StoppedError("no checkpoint was kept yet; type the same command to begin again") from None
        raise StoppedError(
            f"the last checkpoint is kept in {folder}; type the same command to go on from there"
        ) from None
