"""The one training loop. `accelerate` makes mixed precision and several processes a matter of how it is launched.

What a step does depends on (settings, data, weights, step) alone: the order comes from (seed, epoch), dropout from
(seed, step, process), the learning rate from the step. So a run that goes on after a kill gives the same numbers.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from numpy.typing import NDArray
from torch import Tensor, nn

from regard.nn.losses import Focus, attention_loss
from regard.spec.errors import CheckpointError, NonFiniteLossError
from regard.tasks.batches import BatchOrder
from regard.tasks.event import Listener, Note, Progress, Validated
from regard.tasks.task import Outcome, Prepared, Task
from regard.train.checkpoint import Checkpoint, optimizer_state, restore_optimizer
from regard.train.evaluation import answers
from regard.train.folder import RunFolder
from regard.train.optimizer import optimizer_for
from regard.train.schedule import Schedule
from regard.train.state import State, state_from, step_seed

_LOGGED = 50  # steps between two lines of the log


@dataclass(frozen=True)
class Spent:
    """What one step added: losses (sum), right answers, rows and tokens, over all processes."""

    loss: float
    right: int
    rows: int
    tokens: int
    finite: bool


class Loop:
    """Trains a model on a task's training part, and keeps the weights that did best on its validation part."""

    def __init__(
        self,
        task: Task,
        data: Prepared,
        model: nn.Module,
        folder: RunFolder,
        accelerator: Accelerator,
        listen: Listener,
    ) -> None:
        self.task, self.data, self.folder, self.accelerator, self.listen = task, data, folder, accelerator, listen
        self.settings = data.settings.train
        self.order = BatchOrder(data.train.lengths, self.settings.batch, self.settings.seed)
        assert self.settings.epochs != "auto"  # decided when the data were prepared
        self.epochs = self.settings.epochs
        self.steps = self.epochs * len(self.order)
        self.schedule = Schedule(
            self.settings.schedule, self.settings.rate, self.steps, int(self.settings.warmup * self.steps)
        )
        self.model, self.optimizer = accelerator.prepare(model, optimizer_for(model, self.settings))
        self.state = State()
        self._saved = time.monotonic()

    @property
    def epoch(self) -> int:
        """The epoch of the next step, from 0."""
        return self.state.step // len(self.order)

    def resume(self, checkpoint: Checkpoint) -> None:
        """Goes on where a checkpoint was written.

        Raises:
            CheckpointError: it was written under another launch (processes, precision, device), whose numbers differ.
        """
        for what, now in self._launch().items():
            before = checkpoint.values["launch"][what]
            if before != now:
                raise CheckpointError(
                    f"{self.folder.path} was begun with {what} {before}, now it is {now}: the numbers would differ; "
                    f"start it with {before} as before, or train in a new folder"
                )
        for what, now in _surroundings().items():
            before = checkpoint.values["surroundings"][what]
            if before != now:
                self.listen(Note(f"{what}: {before} before, {now} now; the last digits of the numbers may differ"))
        weights = {name[6:]: tensor for name, tensor in checkpoint.tensors.items() if name.startswith("model.")}
        self.accelerator.unwrap_model(self.model).load_state_dict(weights)
        restore_optimizer(self.optimizer, checkpoint)
        if self.accelerator.scaler is not None and "scaler" in checkpoint.values:
            self.accelerator.scaler.load_state_dict(checkpoint.values["scaler"])
        self.state = state_from(checkpoint.values["state"])

    def run(self) -> State:
        """Trains to the last epoch, or until the validation score has not risen for `patience` epochs.

        Raises:
            NonFiniteLossError: more losses were NaN or infinite than the settings allow.
            RunError: a checkpoint cannot be written.
        """
        self.model.train()
        while self.state.step < self.steps and not self.state.stopped:
            epoch = self.epoch
            batches = self.order.epoch(epoch)
            for place in range(self.state.step % len(self.order), len(batches)):
                self._train_on(batches[place], epoch)
                late = time.monotonic() - self._saved >= self.settings.checkpoint_seconds
                if late and place + 1 < len(batches):
                    self._save()
            self._validate(epoch)
            self.state.begin_epoch()
            self._save()
        return self.state

    def _train_on(self, rows: NDArray[np.int64], epoch: int) -> None:
        began = time.monotonic()
        spent = self._step(rows)
        state = self.state
        state.step += 1
        state.seconds += time.monotonic() - began
        state.tokens += spent.tokens
        if spent.finite:
            state.loss += spent.loss
            state.right += spent.right
            state.seen += spent.rows
        else:
            self._count_non_finite()
        if self.accelerator.is_main_process:
            self._tell(epoch)

    def _step(self, rows: NDArray[np.int64]) -> Spent:
        """One step on the rows of one batch, shared among the processes: each takes every n-th row."""
        accelerator, state = self.accelerator, self.state
        mine = rows[accelerator.process_index :: accelerator.num_processes]
        weight = 1.0 if len(mine) else 0.0  # a process without rows runs one that does not count, to stay in step
        batch = self.data.train.batch(mine if len(mine) else rows[:1]).to(accelerator.device)
        torch.manual_seed(step_seed(self.settings.seed, state.step, accelerator.process_index))
        for group in self.optimizer.param_groups:
            group["lr"] = self.schedule.rate(state.step)
        outcome, penalty = self._judged(batch)
        loss = (outcome.losses.sum() + penalty * len(batch)) * weight
        right = (outcome.answers == batch.targets).sum() * weight
        total, hits = self._over_processes(loss.detach(), right)
        tokens = int(self.data.train.lengths[rows].sum())
        if not math.isfinite(total):
            return Spent(0.0, 0, len(rows), tokens, finite=False)
        # Gradients are averaged over processes, so that each scales its sum to the mean over the whole batch.
        accelerator.backward(loss * (accelerator.num_processes / len(rows)))
        norm = accelerator.clip_grad_norm_(self.model.parameters(), self.settings.clip or math.inf)
        # In float16 infinite gradients are the scaler's business: it skips the step and lowers its scale.
        finite = accelerator.scaler is not None or norm is None or math.isfinite(float(norm))
        if finite:
            self.optimizer.step()
        self.optimizer.zero_grad()
        return Spent(total, int(hits), len(rows), tokens, finite=finite)

    def _judged(self, batch: Any) -> tuple[Outcome, Tensor | float]:
        """What the model made of a batch, and the weighed loss on its attention (0 where none is asked for)."""
        judge, asked = self.task.judge, self.settings
        if asked.focus is None:
            return judge(self.model, batch, asked.label_smoothing), 0.0
        plain = self.accelerator.unwrap_model(self.model)
        with attention_loss(plain, Focus(asked.focus), only="*pooling") as collected:
            outcome = judge(self.model, batch, asked.label_smoothing)
        return outcome, collected.mean() * asked.focus_weight

    def _over_processes(self, *values: Tensor) -> list[float]:
        summed = self.accelerator.reduce(torch.stack([value.float() for value in values]), reduction="sum")
        return [float(value) for value in summed.tolist()]

    def _count_non_finite(self) -> None:
        self.state.non_finite += 1
        if self.accelerator.is_main_process:
            self.folder.record.add("non-finite loss", self.state.step)
        if self.state.non_finite > self.settings.non_finite_limit:
            clip = "on" if self.settings.clip is not None else "off"
            raise NonFiniteLossError(
                f"{self.state.non_finite} of {self.state.step} losses were NaN or infinite, at most "
                f"{self.settings.non_finite_limit} are tolerated (train.non_finite_limit); the last was at step "
                f"{self.state.step}. Lower train.rate (now {self.settings.rate:g}), turn clipping on (now {clip}), or "
                f"use bfloat16 in place of float16"
            )

    def _tell(self, epoch: int) -> None:
        state = self.state
        rate = state.tokens / state.seconds if state.seconds else 0.0
        seen = max(state.seen, 1)
        left = state.seconds / state.step * (self.steps - state.step)
        self.listen(
            Progress(
                epoch=epoch + 1,
                epochs=self.epochs,
                step=state.step,
                steps=self.steps,
                loss=state.loss / seen,
                metric=state.right / seen,
                rate=rate,
                seconds_left=left,
            )
        )
        if state.step % _LOGGED == 0:
            self.folder.record.add(
                "step", state.step, epoch=epoch + 1, loss=state.loss / seen, accuracy=state.right / seen,
                rate=self.schedule.rate(state.step - 1), tokens_a_second=round(rate), seconds=round(state.seconds, 2),
            )  # fmt: skip

    def _validate(self, epoch: int) -> None:
        state, part = self.state, self.data.validation
        found = answers(self.task, self.model, part, self.accelerator)
        protocol = f"part:validation|rows:{len(part)}"
        metric = self.task.measure(found.classes, part.targets, len(self.data.labels), protocol)[0]
        # Of equal scores (few rows give many) the lower loss is better.
        best = metric.value > state.best or (metric.value == state.best and found.loss < state.best_loss)
        if best:
            state.best, state.best_loss, state.best_epoch, state.stale = metric.value, found.loss, epoch + 1, 0
            if self.accelerator.is_main_process:
                self.folder.keep_best(epoch + 1, self._weights())
        else:
            state.stale += 1
            state.stopped = self.settings.patience is not None and state.stale >= self.settings.patience
        train_loss = state.loss / max(state.seen, 1)
        if self.accelerator.is_main_process:
            self.listen(Validated(epoch + 1, self.epochs, train_loss, found.loss, metric.value, metric.name, best))
            self.folder.record.add(
                "epoch", state.step, epoch=epoch + 1, train_loss=train_loss, validation_loss=found.loss,
                validation={metric.name: metric.value}, best=best, seconds=round(state.seconds, 2),
            )  # fmt: skip

    def _launch(self) -> dict[str, Any]:
        accelerator = self.accelerator
        return {
            "processes": accelerator.num_processes,
            "precision": str(accelerator.mixed_precision),
            "device": accelerator.device.type,
        }

    def _weights(self) -> dict[str, Tensor]:
        weights: dict[str, Tensor] = self.accelerator.unwrap_model(self.model).state_dict()
        return weights

    def _save(self) -> None:
        if self.accelerator.is_main_process:  # the weights are the same in every process
            tensors, values = optimizer_state(self.optimizer)
            tensors |= {f"model.{name}": tensor for name, tensor in self._weights().items()}
            scaler: Any = self.accelerator.scaler
            if scaler is not None:
                values["scaler"] = scaler.state_dict()
            values |= {"state": self.state.plain(), "launch": self._launch(), "surroundings": _surroundings()}
            self.folder.checkpoints.write(self.state.step, Checkpoint(tensors, values))
            self.folder.drop_older_bests(self.state.best_epoch)
        self._saved = time.monotonic()


def _surroundings() -> dict[str, Any]:
    """What may change the order of a sum, and with it last digits."""
    return {"threads": torch.get_num_threads(), "torch": torch.__version__}
