"""Starting from another run's weights: whatever fits by name and shape is taken over, and it is said what.

A table with one row a token is taken over token by token: the rows of those tokens that both vocabularies have.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from regard.nn.embedding import TokenEmbedding
from regard.nn.heads.next_token import NextToken
from regard.spec.errors import CheckpointError, RunError
from regard.tasks.packages import file_sha256
from regard.tasks.task import Setup
from regard.tasks.text_data import TOKENIZER
from regard.train.checkpoint import read_tensors
from regard.train.folder import RunFolder

_SHOWN = 3  # names that the note lists one by one


@dataclass(frozen=True)
class Taken:
    """What came over from a run. `digest` is its weights'; `rows`: of tables by token, how many rows; `left`: this
    model's tensors that stay as they were drawn, and why; `unused`: that run's tensors that this model does not have.
    """

    run: str
    digest: str
    taken: tuple[str, ...]
    rows: Mapping[str, int]
    left: Mapping[str, str]
    unused: tuple[str, ...]

    def plain(self) -> dict[str, Any]:
        """As plain values for JSON."""
        found: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return found

    def words(self) -> str:
        """One line."""
        tables = "".join(f", {count:,} rows of {name} by token" for name, count in self.rows.items())
        named = [f"{name} ({why})" for name, why in self.left.items()]
        more = f" and {len(named) - _SHOWN} more" if len(named) > _SHOWN else ""
        left = f"; as drawn: {', '.join(named[:_SHOWN])}{more}" if named else ""
        return f"weights of {self.run}: {len(self.taken)} of {len(self.taken) + len(self.left)} fit{tables}{left}"


def take_over(model: nn.Module, folder: Path, setup: Setup) -> Taken:
    """Puts a finished run's weights into a model, where they fit.

    Raises:
        CheckpointError: the folder holds no finished run, or a file of it is cut short or altered.
        RunError: nothing fits.
    """
    run = RunFolder(folder)
    config = run.told("settings.task")
    if not run.metrics.is_file():
        raise CheckpointError(f"{folder} holds a run that is not done; give a finished one to train.init")
    source = read_tensors(run.model, remedy="give another run to train.init, or train that one again").tensors
    theirs = run.kept([TOKENIZER]).get(TOKENIZER) if run.path.joinpath(*TOKENIZER.split("/")).is_file() else None
    same = _shared_rows(theirs, setup.kept.get(TOKENIZER))
    taken, rows, left = [], {}, {}
    for name, tensor, by_token in _learned(model):
        why = _reason(source.get(name), tensor, by_token=by_token, same=same)
        if why:
            left[name] = why
            continue
        taken.append(name)
        with torch.no_grad():
            if by_token and same is not None:
                here, there = same
                tensor[here] = source[name][there].to(tensor.dtype)
                rows[name] = len(here)
            else:
                tensor.copy_(source[name])
    if not taken:
        raise RunError(f"nothing of {folder} (task {config['settings']['task']}) fits this model by name and shape")
    unused = tuple(sorted(set(source) - set(model.state_dict())))
    return Taken(str(folder), file_sha256(run.model), tuple(taken), rows, left, unused)


def _learned(model: nn.Module) -> list[tuple[str, Tensor, bool]]:
    """(name, tensor, whether it has one row a token) of every trained tensor."""
    tables = {
        id(tensor)
        for module in model.modules()
        if isinstance(module, TokenEmbedding | NextToken)
        for name, tensor in module.named_parameters(recurse=False)
        if name in ("table", "offset")
    }
    return [(name, tensor, id(tensor) in tables) for name, tensor in model.named_parameters()]


def _reason(theirs: Tensor | None, ours: Tensor, *, by_token: bool, same: tuple[Tensor, Tensor] | None) -> str:
    """Why a tensor is not taken; "" where it is."""
    if theirs is None:
        return "not in that run"
    if by_token and same is None:
        return "which row is which token is not known"
    skipped = 1 if by_token else 0  # the rows are matched by token
    if theirs.shape[skipped:] != ours.shape[skipped:] or theirs.dim() != ours.dim():
        return f"{tuple(theirs.shape)} there, {tuple(ours.shape)} here"
    if by_token and same is not None and not len(same[0]):
        return "no token in common"
    return ""


def _shared_rows(theirs: str | None, ours: str | None) -> tuple[Tensor, Tensor] | None:
    """(rows here, rows there) of the tokens that both vocabularies have; None where a run keeps none."""
    if theirs is None or ours is None:
        return None
    from tokenizers import Tokenizer

    there, here = (Tokenizer.from_str(text).get_vocab() for text in (theirs, ours))
    both = sorted(here[token] for token in here.keys() & there.keys())
    named = {row: token for token, row in here.items()}
    return torch.tensor(both, dtype=torch.int64), torch.tensor([there[named[row]] for row in both], dtype=torch.int64)
