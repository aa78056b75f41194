"""The training path that binary, multiclass and regression models share.

Shapes: B batch, K outputs.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

import lightning
import torch
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torchmetrics import Metric, MetricCollection

from src.data.batches import Batch, Batches
from src.model.fold import folded
from src.model.keys import keep_plain_keys
from src.model.meter import Meter
from src.model.served import refuse_lone_samples, refuse_unshared
from src.model.transfer import freeze, parameter_groups, trainable_modules
from src.strategy.exchange import gathered, total

SPLITS = ("train", "val", "test")


class Supervised(lightning.LightningModule, ABC):
    """Trains `net` to predict targets, and scores it on each split as `split/loss` and `split/<metric>`.

    `optimizer` is called with the parameters, `scheduler` with the optimizer and the total number of optimizer
    `steps`. `metrics` are names of torchmetrics classes in snake case, such as `accuracy`, `f1` or
    `calibration_error`. `outputs` is K.

    `weights` says what the net starts from, which the command loads: a run folder, a checkpoint, or the name of weights
    that torchvision publishes, such as IMAGENET1K_V1; null starts anew. Of the net, `trainable` learns: all,
    last_stage, last_block or head; the rest is frozen, BatchNorm's statistics too, until `unfreeze_epoch`, where that
    is given. What is not the head learns by `backbone_lr`, else by the optimizer's own rate. With
    `spare_norms_and_biases` these have no weight decay. `class_weights` weigh the loss: one number per class, or
    "balanced", inversely to the classes' frequencies in the training split.

    `scale_lr` multiplies all rates, none, linear or sqrt, by the number of processes or its root: with linear, the
    optimizer's rate is the one that suits the part of a batch that one process has. Whatever the number of processes,
    the gradient is that of the mean loss over the whole batch.

    While training, loggers get the scores since the last point every `trainer.log_every_n_steps` steps and at an
    epoch's end; the scores of the whole epoch are what callbacks, the progress bar and `run.json` see.
    """

    def __init__(
        self,
        net: nn.Module,
        *,
        outputs: int,
        loss: nn.Module,
        optimizer: Callable[..., Optimizer],
        scheduler: Callable[..., LRScheduler] | None = None,
        metrics: Iterable[str] = (),
        weights: str | None = None,
        trainable: str = "all",
        unfreeze_epoch: int | None = None,
        backbone_lr: float | None = None,
        spare_norms_and_biases: bool = False,
        class_weights: str | Sequence[float] | None = None,
        scale_lr: str = "none",
    ):
        super().__init__()
        self.net = net
        self.runner: Callable[[Tensor], Tensor] | None = None  # a strategy's, which runs the net on several devices
        self.outputs = outputs
        self.loss = loss
        self.optimizer = optimizer
        self.scheduler = scheduler
        self.weights = weights
        self.unfreeze_epoch = unfreeze_epoch
        self.backbone_lr = backbone_lr
        self.spare_norms_and_biases = spare_norms_and_biases
        self.class_weights = class_weights
        self.scale_lr = scale_lr
        lr_factor(scale_lr, 1)  # refuses what is no choice
        self._learning = trainable_modules(net, trainable)
        self._trains_head_alone = trainable == "head"
        self._folded: Callable[[Tensor], Tensor] | None = None  # a bound method: its weights are no weights of ours
        if unfreeze_epoch is None and trainable != "all":
            freeze(net, self._learning)  # else what is unfrozen later is in the optimizer from the start
        if class_weights is not None:
            self.weigh(_stated_weights(class_weights, outputs=max(outputs, 2)))
        names = list(metrics)
        self.train_meter, self.val_meter, self.test_meter = (
            Meter(MetricCollection({name: self._metric(name) for name in names}), self.predict) for _ in SPLITS
        )
        self._written_step = 0
        self._ranks = 1
        self._steps_per_call = 1
        self._log_every_n_steps = 50
        self.score_names = tuple(f"{split}/{name}" for split in SPLITS for name in ("loss", *names))
        keep_plain_keys(self)

    def __setattr__(self, name: str, value: Any) -> None:
        """Set an attribute; Lightning sets the name of its hook dozens of times a step, past nn.Module's search."""
        if name == "_current_fx_name":
            self.__dict__[name] = value
        else:
            super().__setattr__(name, value)

    @abstractmethod
    def metric(self, name: str) -> Metric:
        """Return the torchmetrics metric that `name` stands for in this task."""

    @abstractmethod
    def predict(self, output_BK: Tensor) -> Tensor:
        """Return what the metrics score: probabilities, or numbers for regression."""

    def target(self, target_B: Tensor) -> Tensor:
        """Return the targets in the form the loss wants."""
        return target_B

    def label(self, target_B: Tensor) -> Tensor:
        """Return the targets in the form the metrics want; those of mixed samples become the larger part's."""
        return target_B

    def weigh(self, weight_K: Tensor) -> None:
        """Weigh the classes in the loss; raises ValueError where the loss or the task has no such weights."""
        raise ValueError(f"model.class_weights={self.class_weights}: {type(self).__name__} has no classes: remove it")

    def mass(self, target_B: Tensor) -> Tensor | None:
        """Return what the loss divides its sum over these samples by; None where that is their number."""
        return None

    def train(self, mode: bool = True) -> "Supervised":
        """Set training mode, but for what is frozen: dropout and BatchNorm there do as in evaluation."""
        super().train(mode)
        if mode and self._learning != [self.net]:
            self.net.eval()
            for module in self._learning:
                module.train()
        return self

    def forward(self, x_B: Tensor) -> Tensor:
        """Return the net's output_BK, or output_B where K is 1."""
        return self.run_net(x_B)

    def run_net(self, x_B: Tensor) -> Tensor:
        """Return what the net makes of a batch, on as many devices as there are."""
        if self.runner is not None:
            return self.runner(x_B)
        return self._folded(x_B) if self._folded and self.training else self.net(x_B)

    def training_step(self, batch: Batch | list[Batch], batch_idx: int) -> Tensor:
        """Return the batch's mean loss; of several batches, after an optimizer step on each, that of the last."""
        if not isinstance(batch, list):
            return self._step(self.train_meter, batch, batch_idx)[0]
        return self._steps(batch)

    def setup(self, stage: str) -> None:
        """Lay the net out as the Trainer wants it; take the steps here where a call takes several; share the scores."""
        if getattr(self.trainer, "channels_last", False):
            self.net.to(memory_format=torch.channels_last)  # its outputs follow its weights, whatever the input
        self._ranks = self.trainer.world_size
        for meter in (self.train_meter, self.val_meter, self.test_meter):
            meter.ranks = self._ranks
        self._steps_per_call = getattr(self.trainer, "steps_per_call", 1)  # of src.trainer alone
        self.automatic_optimization = self._steps_per_call == 1

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Score a batch of the validation split."""
        self._step(self.val_meter, batch, batch_idx)

    def test_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Score a batch of the test split; return what `predict` makes of its outputs."""
        return self.predict(self._step(self.test_meter, batch, batch_idx)[1])

    def on_fit_start(self) -> None:
        """Weigh the classes by how often the training split has them, where that is wanted."""
        if self.global_rank:  # dropout draws other numbers in each process
            torch.manual_seed(torch.initial_seed() + self.global_rank)
        if self.class_weights == "balanced":
            count_K = self.trainer.datamodule.class_counts()  # type: ignore[attr-defined]
            self.weigh(count_K.sum() / (len(count_K) * count_K))

    def on_train_epoch_start(self) -> None:
        """Unfreeze the net where its epoch has come."""
        if self.unfreeze_epoch is not None and self.current_epoch >= self.unfreeze_epoch:
            self._learning = [self.net]
            self._folded = None
        if self.unfreeze_epoch is not None:
            freeze(self.net, self._learning)
        self.train()

    def on_train_start(self) -> None:
        """Freeze what is frozen; refuse a last batch of one sample where BatchNorm would have one value per channel."""
        self.on_train_epoch_start()  # which Lightning leaves out where it resumes inside an epoch
        if self._trains_head_alone and self._learning != [self.net]:
            self._folded = folded(self.net).__call__
        self._log_every_n_steps = self.trainer.log_every_n_steps  # type: ignore[attr-defined]  # Lightning's own, undeclared
        self._written_step = self.trainer.global_step
        refuse_unshared(self.trainer)
        refuse_lone_samples(self.net, self.trainer, devices=self.trainer.num_devices if self.runner else 1)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the scores of the epoch so far, and how Lightning counts."""
        progress = self.train_meter.progress()
        checkpoint["train_meter"] = gathered(progress) if self._ranks > 1 else progress
        checkpoint["steps_per_call"] = self._steps_per_call

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on with the scores of the resumed epoch.

        Refuse a checkpoint that a run with other calls wrote: Lightning would miscount its batches and steps.
        """
        stored = checkpoint.get("steps_per_call", 1)
        if stored != self._steps_per_call:
            raise ValueError(
                f"trainer.steps_per_call={self._steps_per_call}, but the run began with {stored}: "
                f"set trainer.steps_per_call={stored}"
            )
        if self.trainer.state.fn == "fit" and "train_meter" in checkpoint:
            progress = checkpoint["train_meter"]
            ours = (progress if isinstance(progress, list) else [progress])[self.global_rank :: self._ranks]
            if ours:  # none where there are more processes than there were
                self.train_meter.resume(*ours)

    def on_train_batch_end(self, outputs: object, batch: object, batch_idx: int) -> None:
        """Write a point of the training curves every `trainer.log_every_n_steps` steps."""
        self._write_if_due()

    def _write_if_due(self) -> None:
        step, every = self.trainer.global_step, self._log_every_n_steps
        if every and step % every == 0 and step != self._written_step:  # accumulation: several batches, one step
            self._written_step = step
            self._write("train", self.train_meter.flush())

    def on_train_epoch_end(self) -> None:
        """Write the last point of the epoch and publish the epoch's scores."""
        self._write("train", self.train_meter.flush())
        self._publish("train", self.train_meter)

    def on_validation_epoch_end(self) -> None:
        """Write and publish the scores of the validation split."""
        counted = self.trainer.num_sanity_val_batches if self.trainer.sanity_checking else self.trainer.num_val_batches
        self._check_count("val", self.val_meter, counted)
        self._write("val", self._publish("val", self.val_meter))

    def on_test_epoch_end(self) -> None:
        """Write and publish the scores of the test split."""
        self._check_count("test", self.test_meter, self.trainer.num_test_batches)
        self._write("test", self._publish("test", self.test_meter))

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Return the optimizer, and the schedule as one that steps with it."""
        groups = parameter_groups(
            self.net, backbone_lr=self.backbone_lr, spare_norms_and_biases=self.spare_norms_and_biases
        )
        optimizer = self.optimizer(groups)
        for group in [optimizer.defaults, *optimizer.param_groups] if self.scale_lr != "none" else ():
            group["lr"] *= lr_factor(self.scale_lr, self._ranks)
        if not self.scheduler:
            return optimizer
        schedule = self.scheduler(optimizer, steps=self._total_steps())
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _steps(self, batches: Sequence[Batch]) -> Tensor:
        """Take an optimizer step on each batch, as Lightning does where a call takes one."""
        optimizer: Any = self.optimizers()
        schedule: Any = self.lr_schedulers()
        trainer = self.trainer
        for number, batch in enumerate(batches):
            if number:
                if 0 <= trainer.max_steps <= trainer.global_step:
                    break
                trainer.fit_loop.epoch_loop._batches_that_stepped += 1  # where callbacks log; Lightning counts one
            loss, _ = self._step(self.train_meter, batch, number)
            optimizer.zero_grad()
            self.manual_backward(loss)
            optimizer.step()
            if schedule:
                schedule.step()
            self._write_if_due()
        return loss

    def _step(self, meter: Meter, batch: Batch, number: int) -> tuple[Tensor, Tensor]:
        """Return the batch's mean loss and its outputs; of a part of one, the loss that has the gradient's share."""
        x_B, target_B = batch
        output_B = self(x_B)
        loss = self.loss(output_B, self.target(target_B))
        if self._ranks > 1 and isinstance(loader := self._loader(meter), Batches):
            return self._part_of_step(meter, (output_B, target_B), loss, loader, number), output_B
        meter.add(loss.detach(), output_B.detach(), self.label(target_B))
        return loss, output_B

    def _part_of_step(
        self, meter: Meter, said: tuple[Tensor, Tensor], loss: Tensor, loader: Batches, number: int
    ) -> Tensor:
        """Return a part's mean loss, so weighted that the processes' average is the mean over the whole batch."""
        output_B, target_B = said
        count, samples = loader.count(number), loader.size(number)
        share: Tensor | float = count / samples
        if (mass := self.mass(target_B)) is not None:
            mass = mass * min(count, 1)  # 0 where the sample counts for nothing
            share = mass / total(mass)
        if count:
            part = loss * share * (samples / count)  # what it adds to the mean loss over samples
            meter.add(part.detach(), output_B.detach(), self.label(target_B))
        return loss * share * self._ranks

    def _loader(self, meter: Meter) -> object:
        """Return the loader of the split that `meter` scores."""
        if meter is self.train_meter:
            return self.trainer.train_dataloader
        return self.trainer.val_dataloaders if meter is self.val_meter else self.trainer.test_dataloaders

    def _metric(self, name: str) -> Metric:
        try:
            return self.metric(name)
        except TypeError as error:  # fbeta's beta, say: a name alone does not say it
            raise ValueError(
                f"model.metrics names {name!r}, which cannot be made from its name alone: {error}"
            ) from error

    def _check_count(self, split: str, meter: Meter, batches: Sequence[float]) -> None:
        """Raise RuntimeError where not every sample of the `batches` that were asked for was counted, once."""
        if not isinstance(loader := self._loader(meter), Batches):
            return
        expected, seen = sum(map(loader.size, range(int(sum(batches))))), meter.samples()
        if seen != expected:
            raise RuntimeError(f"{seen:,} of {expected:,} {split} samples were counted: the scores would be wrong")

    def _publish(self, split: str, meter: Meter) -> Mapping[str, Tensor]:
        """Give the split's scores to the callbacks, and start anew."""
        scores = meter.compute()
        meter.reset()
        named = {f"{split}/{name}": value for name, value in scores.items()}
        if self._ranks > 1:  # equal everywhere; Lightning warns where it is to reduce nothing, and max is exact
            self.log_dict(named, logger=False, sync_dist=True, reduce_fx="max")
        else:
            self.log_dict(named, logger=False)
        return scores

    def _write(self, split: str, scores: Mapping[str, Tensor]) -> None:
        """Write scores to every logger, at the number of optimizer steps done."""
        if not scores or self.trainer.sanity_checking:
            return
        values = {f"{split}/{name}": value.item() for name, value in scores.items()}
        for logger in self.trainer.loggers:
            logger.log_metrics(values | {"epoch": self.current_epoch}, step=self.trainer.global_step)

    def _total_steps(self) -> int:
        """The optimizer steps of the whole run.

        Counted by hand: reading `trainer.estimated_stepping_batches` makes Lightning drop the loader's state when it
        resumes.
        """
        trainer = self.trainer
        if not trainer.max_epochs or trainer.max_epochs < 0:
            if trainer.max_steps > 0:
                return trainer.max_steps
            raise ValueError("a schedule needs to know its length: set trainer.max_epochs or trainer.max_steps")
        trainer.fit_loop.setup_data()
        per_epoch = -(-int(trainer.num_training_batches) // trainer.accumulate_grad_batches)
        if not self.automatic_optimization:
            loader: Any = trainer.train_dataloader
            per_epoch = min(per_epoch * loader.steps_per_call, loader.batches)
        steps = trainer.max_epochs * per_epoch
        return min(steps, trainer.max_steps) if trainer.max_steps > 0 else steps  # the fit ends at whichever is first


def lr_factor(scale_lr: str, ranks: int) -> float:
    """Return what the learning rates of `ranks` processes are multiplied by; raises ValueError for an unknown way."""
    factors = {"none": 1.0, "linear": float(ranks), "sqrt": math.sqrt(ranks)}
    if scale_lr not in factors:
        raise ValueError(f"optimizer.scale_lr={scale_lr}: choose from {', '.join(factors)}")
    return factors[scale_lr]


def _stated_weights(class_weights: str | Sequence[float], *, outputs: int) -> Tensor:
    """Return weight_K, ones where the data are to tell; raises ValueError where it is no weight per class."""
    if class_weights == "balanced":
        return torch.ones(outputs)
    if isinstance(class_weights, str) or len(class_weights) != outputs or min(class_weights) < 0:
        raise ValueError(
            f"model.class_weights={class_weights}: give a number from 0 for each of {outputs} classes, or balanced"
        )
    return torch.tensor(class_weights)


def metric_class(name: str, classes: Mapping[str, type[Metric]]) -> type[Metric]:
    """Return the class whose name is `name` in snake case, with or without "score" at its end.

    Suggest one where there is none.

    `classes` maps CamelCase names, without a task's prefix, to torchmetrics classes.
    """
    words = {key.lower(): cls for key, cls in classes.items()}
    word = name.replace("_", "").lower()
    found = words.get(word) or words.get(f"{word}score")
    if found is None:
        near = get_close_matches(word, words, n=1)
        hint = f": did you mean {near[0].removesuffix('score')}?" if near else ""
        raise ValueError(f"model.metrics names {name!r}, which torchmetrics does not have for this task{hint}")
    return found
