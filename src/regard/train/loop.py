"""The one training loop. `accelerate` makes mixed precision and several processes a matter of how it is launched.

What a step does depends on (settings, data, weights, step) alone: the order comes from (seed, epoch), dropout from
(seed, step, process), the learning rate from the step. So a run that goes on after a kill gives the same numbers.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any

import torch
from accelerate import Accelerator
from numpy.typing import NDArray
from torch import Tensor, nn

from regard.nn.losses import Breadth, attention_loss
from regard.spec.errors import CheckpointError, NonFiniteLossError
from regard.tasks.batches import order_of
from regard.tasks.epochs import batch_size
from regard.tasks.event import Listener, Note, Progress
from regard.tasks.task import Outcome, Prepared, Task
from regard.train.best import validate
from regard.train.checkpoint import Checkpoint, optimizer_state, restore_optimizer
from regard.train.epochs import epochs_of
from regard.train.keeper import Keeper
from regard.train.optimizer import optimizer_for
from regard.train.schedule import Schedule
from regard.train.state import State, state_from, step_seed

_LOGGED = 50  # steps between two lines of the log


@dataclass(frozen=True)
class Spent:
    """What one step added, over all processes: losses (sum), right answers (None where a task counts none), the units
    they are of, and tokens without padding and with it."""

    loss: float
    right: int | None
    units: int
    tokens: int
    places: int
    finite: bool


class Loop:
    """Trains a model on a task's training part, and keeps the weights that did best on its validation part."""

    def __init__(
        self,
        task: Task,
        data: Prepared,
        model: nn.Module,
        folder: Keeper,
        accelerator: Accelerator,
        listen: Listener,
    ) -> None:
        self.task, self.data, self.folder, self.accelerator, self.listen = task, data, folder, accelerator, listen
        self.settings = data.settings.train
        self.order = order_of(data.train, batch_size(self.settings), self.settings.seed)
        assert self.settings.epochs != "auto"  # decided when the data were prepared
        self.epochs = epochs_of(self.order, self.settings.epochs)
        self.steps = self.epochs.steps
        self.schedule = Schedule(
            self.settings.schedule, self.settings.rate, self.steps, int(self.settings.warmup * self.steps)
        )
        self.model, self.optimizer = accelerator.prepare(model, optimizer_for(model, self.settings))
        self.state = State()
        self._began = self._saved = time.monotonic()
        self._before = 0.0  # seconds of the sittings before this one

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
        self._before = self.state.wall

    def run(self) -> State:
        """Trains to the last epoch, or until the validation score has not risen for `patience` epochs.

        Raises:
            NonFiniteLossError: more losses were NaN or infinite than the settings allow.
            RunError: a checkpoint cannot be written.
        """
        self.model.train()
        while self.state.step < self.steps and not self.state.stopped:
            epoch, place = self.epochs.at(self.state.step)
            for rows in self.order.batches(epoch, place):
                self._train_on(rows, epoch)
                late = time.monotonic() - self._saved >= self.settings.checkpoint_seconds
                if late and self.state.step < self.epochs.ends[epoch]:
                    self._save()
            validate(self, epoch)
            self.state.begin_epoch()
            self._save()
        return self.state

    def count_from(self, began: float) -> None:
        """Lets `wall` count from a moment (of `time.monotonic`) before the loop was made: from the run's first."""
        self._began = began

    @property
    def wall(self) -> float:
        """Seconds since this sitting's training began, and those of the sittings before it."""
        return self._before + time.monotonic() - self._began

    @property
    def weights(self) -> dict[str, Tensor]:
        """The model's, by name."""
        found: dict[str, Tensor] = self.accelerator.unwrap_model(self.model).state_dict()
        return found

    def _train_on(self, rows: NDArray[Any], epoch: int) -> None:
        began = time.monotonic()
        spent = self._step(rows)
        state = self.state
        state.step += 1
        state.seconds += time.monotonic() - began
        state.tokens += spent.tokens
        state.places += spent.places
        if spent.finite:
            state.loss += spent.loss
            state.right += spent.right or 0
            state.seen += spent.units
        else:
            self._count_non_finite()
        if self.accelerator.is_main_process:
            self._tell(epoch, counted=spent.right is not None)

    def _step(self, rows: NDArray[Any]) -> Spent:
        """One step on the rows of one batch, shared among the processes: each takes every n-th row."""
        accelerator, state = self.accelerator, self.state
        mine = rows[accelerator.process_index :: accelerator.num_processes]
        weight = 1.0 if len(mine) else 0.0  # a process without rows runs one that does not count, to stay in step
        held = self.data.train.batch(mine if len(mine) else rows[:1])
        tokens, places, batch = held.tokens, held.places, held.to(accelerator.device)
        torch.manual_seed(step_seed(self.settings.seed, state.step, accelerator.process_index))
        for group in self.optimizer.param_groups:
            group["lr"] = self.schedule.rate(state.step)
        outcome, penalty = self._judged(batch)
        loss = (outcome.losses.sum() + penalty * outcome.units) * weight
        right = loss.new_zeros(()) if outcome.hits is None else outcome.hits
        counts = torch.tensor([outcome.units, tokens, places], dtype=torch.float32, device=loss.device)
        total, *counted = self._over_processes(loss.detach(), right * weight, *(counts * weight))
        hits, units, tokens, places = map(int, counted)
        told = None if outcome.hits is None else hits
        if not math.isfinite(total):
            return Spent(0.0, told, units, tokens, places, finite=False)
        # Gradients are averaged over processes, so that each scales its sum to the mean over the whole batch.
        accelerator.backward(loss * (accelerator.num_processes / max(units, 1)))
        norm = accelerator.clip_grad_norm_(self.model.parameters(), self.settings.clip or math.inf)
        # In float16 infinite gradients are the scaler's business: it skips the step and lowers its scale.
        finite = accelerator.scaler is not None or norm is None or math.isfinite(float(norm))
        if finite:
            self.optimizer.step()
        self.optimizer.zero_grad()
        return Spent(total, told, units, tokens, places, finite=finite)

    def _judged(self, batch: Any) -> tuple[Outcome, Tensor | float]:
        """What the model made of a batch, and the weighed loss on its attention (0 where none is asked for)."""
        asked, setup = self.settings, self.data.setup
        if asked.focus is None:
            return self.task.judge(self.model, batch, setup), 0.0
        plain = self.accelerator.unwrap_model(self.model)
        with attention_loss(plain, Breadth(asked.focus), only="*pooling") as collected:
            outcome = self.task.judge(self.model, batch, setup)
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

    def _tell(self, epoch: int, *, counted: bool) -> None:
        state = self.state
        rate = state.tokens / state.seconds if state.seconds else 0.0
        seen = max(state.seen, 1)
        metric = state.right / seen if counted else None
        left = state.seconds / state.step * (self.steps - state.step)
        self.listen(
            Progress(
                epoch=epoch + 1,
                epochs=len(self.epochs),
                step=state.step,
                steps=self.steps,
                loss=state.loss / seen,
                metric=metric,
                rate=rate,
                seconds_left=left,
            )
        )
        if state.step % _LOGGED == 0:
            self.folder.record.add(
                "step", state.step, epoch=epoch + 1, loss=state.loss / seen, accuracy=metric,
                rate=self.schedule.rate(state.step - 1), tokens_a_second=round(rate), seconds=round(state.seconds, 2),
            )  # fmt: skip

    def _launch(self) -> dict[str, Any]:
        accelerator = self.accelerator
        return {
            "processes": accelerator.num_processes,
            "precision": str(accelerator.mixed_precision),
            "device": accelerator.device.type,
        }

    def _save(self) -> None:
        self.state.wall = self.wall
        if self.accelerator.is_main_process:  # the weights are the same in every process
            tensors, values = optimizer_state(self.optimizer)
            tensors |= {f"model.{name}": tensor for name, tensor in self.weights.items()}
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
