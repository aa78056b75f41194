"""The training path of every task: a net and what it is to predict, on a Trainer.

Shapes: B batch, K outputs.
"""

from collections.abc import Callable
from typing import Any

import lightning
import torch
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from src.data.load.batches import Batch
from src.model.keys import keep_plain_keys
from src.model.learns import EVERYTHING, Learns
from src.model.loader import class_counts, is_numbered, pair
from src.model.lone_samples import refuse_lone_samples, refuse_unshared
from src.model.meter import Meter
from src.model.schedule import total_steps
from src.model.scores import Curve, check_count, publish, write
from src.model.share import lr_factor, scale_rates, share_of_mean
from src.model.stepping import ITS_OWN, Stepping
from src.net.compiled import uncompile
from src.strategy.exchange import gathered
from src.task.class_weights import balanced
from src.task.task import Task
from src.task.tensor import tensor

SPLITS = ("train", "val", "test")
GRAPHS = ("reduce-overhead", "max-autotune")  # the modes of torch.compile that make CUDA graphs


class Supervised(lightning.LightningModule):
    """Trains `net` to predict what `task` says, and scores it on each split as `split/loss` and `split/<metric>`.

    The net gives a tensor, or an object, a dict or a named tuple with `logits`. `optimizer` is called with the
    parameters, `scheduler` with the optimizer and, where it takes them, the total number of optimizer `steps`;
    `stepping` says when it steps. `learns` says what of the net does.

    `scale_lr` multiplies all rates, none, linear or sqrt, by the number of processes or its root: with linear, the
    optimizer's rate is the one that suits the part of a batch that one process has. Whatever the number of processes,
    the gradient is that of the mean loss over the whole batch.

    While training, loggers get the scores since the last point every `trainer.log_every_n_steps` steps and at an
    epoch's end; the scores of the whole epoch are what callbacks, the progress bar and `run.json` see.
    """

    is_imaginable = True  # on torch's meta device, with zeros for samples
    owners = ("task", "learns", "stepping")  # whose settings a config may state as the model's own
    told = {  # noqa: RUF012  # which they may take or not
        "net": ("shape", "outputs"),
        "task": ("target", "target_mean", "target_std"),
    }
    changes_no_result = ("target", "target_mean", "target_std")  # they follow from the data

    def __init__(
        self,
        net: nn.Module,
        *,
        task: Task,
        optimizer: Callable[..., Optimizer],
        scheduler: Callable[..., LRScheduler] | None = None,
        learns: Learns = EVERYTHING,
        stepping: Stepping = ITS_OWN,
        scale_lr: str = "none",
    ):
        super().__init__()
        self.net = net
        self.runner: Callable[[Tensor], Tensor] | None = None  # a strategy's, which runs the net on several devices
        self.task = task
        self.form = task.form  # of what is said of a sample
        self.units = task.units
        self.loss = task.loss  # here too, so that it moves with the module and its weights are in the state
        self.optimizer = optimizer
        self.scheduler = scheduler
        self.learns = learns
        self.stepping = stepping
        self.scale_lr = scale_lr
        lr_factor(scale_lr, 1)  # refuses what is no choice
        self._frozen = learns.frozen(net)
        self.train_meter, self.val_meter, self.test_meter = (Meter(task) for _ in SPLITS)
        self._curve = Curve(self.train_meter)
        self._compiled_mode: str | None = None
        self._is_graph = False
        self._ranks = 1
        self._resumed: list[dict[str, Any]] = []  # by process, the scores of the epoch to go on in
        self.score_names = tuple(f"{split}/{name}" for split in SPLITS for name in ("loss", *task.score_names()))
        keep_plain_keys(self)

    def forward(self, x_B: Tensor) -> Tensor:
        """Return what the net, on as many devices as there are, makes of a batch, in the form the loss wants."""
        if self.runner is not None:
            output_B = tensor(self.runner(x_B))
        elif self.training and self._frozen.merged is not None:
            output_B = tensor(self._frozen.merged(x_B))
        else:
            output_B = tensor(self.net(x_B))
            output_B = output_B.clone() if self._is_graph else output_B  # the next call writes over a CUDA graph's
        return self.task.output(output_B)

    def predict(self, output_BK: Tensor) -> Tensor:
        """Return what the outputs mean: probabilities, or numbers for regression."""
        return self.task.predict(output_BK)

    def predict_step(self, batch: Any, batch_idx: int) -> Tensor:
        """Return what the metrics score of a batch (x, target)."""
        return self.predict(self(batch[0]))

    def unmerge(self) -> None:
        """Train by the net itself from now on, whose layers call their hooks."""
        self._frozen.merged = None
        self._compile(None)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the batch's mean loss."""
        x_B, target_B = pair(batch)
        return self._scored(self.train_meter, self(x_B), target_B, batch_idx)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Score a batch of the validation split."""
        x_B, target_B = pair(batch)
        self._scored(self.val_meter, self(x_B), target_B, batch_idx)

    def test_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Score a batch of the test split; return what `predict` makes of its outputs."""
        x_B, target_B = pair(batch)
        output_B = self(x_B)
        self._scored(self.test_meter, output_B, target_B, batch_idx)
        return self.predict(output_B)

    def _scored(self, meter: Meter, output_B: Tensor, target_B: Tensor, number: int) -> Tensor:
        """Return the mean loss of batch `number`; of a part of one, the loss that has the gradient's share."""
        loss = self.loss(output_B, self.task.target(target_B))
        if self._ranks > 1 and is_numbered(loader := self._loader(meter)):
            count, samples = loader.count(number), loader.size(number)
            part = share_of_mean(loss, count=count, samples=samples, mass=self.task.mass(target_B))
            if count:
                meter.add(part.detach() * (samples / count), output_B.detach(), self.task.label(target_B))
            return part * self._ranks  # the processes' gradients are averaged
        meter.add(loss.detach(), output_B.detach(), self.task.label(target_B))
        return loss

    def _loader(self, meter: Meter) -> object:
        """Return the loader of the split that `meter` scores."""
        if meter is self.train_meter:
            return self.trainer.train_dataloader
        return self.trainer.val_dataloaders if meter is self.val_meter else self.trainer.test_dataloaders

    def on_train_batch_end(self, outputs: object, batch: object, batch_idx: int) -> None:
        """Write a point of the training curves every `trainer.log_every_n_steps` steps."""
        self._curve.write_if_due(self.trainer)

    def on_train_epoch_end(self) -> None:
        """Write the last point of the epoch and publish the epoch's scores."""
        write(self.trainer, self.train_meter.flush(), split="train")
        publish(self, self.train_meter, split="train")

    def on_validation_epoch_end(self) -> None:
        """Write and publish the scores of the validation split."""
        counted = self.trainer.num_sanity_val_batches if self.trainer.sanity_checking else self.trainer.num_val_batches
        check_count(self.val_meter, self._loader(self.val_meter), split="val", batches=counted)
        write(self.trainer, publish(self, self.val_meter, split="val"), split="val")

    def on_test_epoch_end(self) -> None:
        """Write and publish the scores of the test split."""
        batches = self.trainer.num_test_batches
        check_count(self.test_meter, self._loader(self.test_meter), split="test", batches=batches)
        write(self.trainer, publish(self, self.test_meter, split="test"), split="test")

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Return the optimizer, and the schedule as one that steps with it."""
        optimizer = self.optimizer(self.learns.groups(self.net))
        scale_rates(optimizer, self.scale_lr, ranks=self._ranks)
        if not self.scheduler:
            return optimizer
        plan: Any = self.stepping.planned(self.scheduler, optimizer, steps=lambda: total_steps(self.trainer))
        self.stepping.said(plan)
        return {"optimizer": optimizer, "lr_scheduler": plan}

    def setup(self, stage: str) -> None:
        """Lay the net out as the Trainer wants it; share the scores."""
        if getattr(self.trainer, "channels_last", False):
            self.net.to(memory_format=torch.channels_last)  # its outputs follow its weights, whatever the input
        self._compile(getattr(self.trainer, "compile", None))
        self._ranks = self.trainer.world_size
        for meter in (self.train_meter, self.val_meter, self.test_meter):
            meter.ranks = self._ranks

    def _compile(self, mode: str | None) -> None:
        """Compile the net in place, so that its weights keep their keys; undo what another Trainer has compiled."""
        if mode == self._compiled_mode:
            return
        uncompile(self.net)
        if mode:
            self.net.compile(mode=mode)
        self._compiled_mode, self._is_graph = mode, mode in GRAPHS

    def on_fit_start(self) -> None:
        """Weigh the classes by how often the training split has them, where that is wanted."""
        if self.global_rank:  # dropout draws other numbers in each process
            torch.manual_seed(torch.initial_seed() + self.global_rank)
        if self.task.class_weights == "balanced":
            self.task.weigh(balanced(class_counts(self.trainer)).to(self.device))

    def on_train_start(self) -> None:
        """Freeze what is frozen; refuse a last batch of one sample where BatchNorm would have one value per channel.

        Go on with the scores of a resumed epoch.
        """
        if ours := self._resumed[
            self.global_rank :: self._ranks
        ]:  # none where there are more processes than there were
            self.train_meter.resume(*ours)
        self.on_train_epoch_start()  # which Lightning leaves out where it resumes inside an epoch
        self._frozen.merge(self.net)
        self._curve.start(self.trainer)
        refuse_unshared(self.trainer)
        refuse_lone_samples(self.net, self.trainer, devices=self.trainer.num_devices if self.runner else 1)

    def on_train_epoch_start(self) -> None:
        """Unfreeze the net where its epoch has come."""
        self._frozen.start_epoch(self.net, self.current_epoch)
        self.train()

    def train(self, mode: bool = True) -> "Supervised":
        """Set training mode, but for what is frozen: dropout and BatchNorm there do as in evaluation."""
        super().train(mode)
        if mode:
            self._frozen.keep_in_evaluation(self.net)
        return self

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the scores of the epoch so far."""
        progress = self.train_meter.progress()
        checkpoint["train_meter"] = gathered(progress) if self._ranks > 1 else progress

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the scores of the epoch so far, for a resume to go on with."""
        progress = checkpoint.get("train_meter", [])
        self._resumed = progress if isinstance(progress, list) else [progress]
