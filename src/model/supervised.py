"""The training path that binary, multiclass and regression models share.

Shapes: B batch, K outputs.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import lightning
import torch
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torchmetrics import Metric

from src.data.batches import Batch, Batches
from src.model.class_weights import balanced, stated
from src.model.frozen import Frozen
from src.model.keys import keep_plain_keys
from src.model.lone_samples import refuse_lone_samples, refuse_unshared
from src.model.meter import Meter
from src.model.metric import collection
from src.model.schedule import total_steps
from src.model.scores import Curve, check_count, publish, write
from src.model.share import lr_factor, scale_rates, share_of_mean
from src.model.transfer import parameter_groups
from src.strategy.exchange import gathered

SPLITS = ("train", "val", "test")
GRAPHS = ("reduce-overhead", "max-autotune")  # the modes of torch.compile that make CUDA graphs


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
        self.backbone_lr = backbone_lr
        self.spare_norms_and_biases = spare_norms_and_biases
        self.class_weights = class_weights
        self.scale_lr = scale_lr
        lr_factor(scale_lr, 1)  # refuses what is no choice
        self._frozen = Frozen(net, trainable, unfreeze_epoch=unfreeze_epoch)
        if class_weights is not None:
            self.weigh(stated(class_weights, outputs=max(outputs, 2)))
        names = list(metrics)
        self.train_meter, self.val_meter, self.test_meter = (
            Meter(collection(names, self.metric), self.predict) for _ in SPLITS
        )
        self._curve = Curve(self.train_meter)
        self._compiled_mode: str | None = None
        self._is_graph = False
        self._ranks = 1
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

    def forward(self, x_B: Tensor) -> Tensor:
        """Return the net's output_BK, or output_B where K is 1."""
        return self.run_net(x_B)

    def predict_step(self, batch: Any, batch_idx: int) -> Tensor:
        """Return what the metrics score of a batch (x, target)."""
        return self.predict(self(batch[0]))

    def run_net(self, x_B: Tensor) -> Tensor:
        """Return what the net makes of a batch, on as many devices as there are."""
        if self.runner is not None:
            return self.runner(x_B)
        folded = self._frozen.folded
        if folded is not None and self.training:
            return folded(x_B)
        output_B = self.net(x_B)
        return output_B.clone() if self._is_graph else output_B  # the next call writes over a CUDA graph's outputs

    def unfold(self) -> None:
        """Train by the net itself from now on, whose layers call their hooks."""
        self._frozen.folded = None
        self._compile(None)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the batch's mean loss."""
        return self._step(self.train_meter, batch, batch_idx)[0]

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Score a batch of the validation split."""
        self._step(self.val_meter, batch, batch_idx)

    def test_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Score a batch of the test split; return what `predict` makes of its outputs."""
        return self.predict(self._step(self.test_meter, batch, batch_idx)[1])

    def _step(self, meter: Meter, batch: Batch, number: int) -> tuple[Tensor, Tensor]:
        """Return the batch's mean loss and its outputs; of a part of one, the loss that has the gradient's share."""
        x_B, target_B = batch
        output_B = self(x_B)
        loss = self.loss(output_B, self.target(target_B))
        if self._ranks > 1 and isinstance(loader := self._loader(meter), Batches):
            count, samples = loader.count(number), loader.size(number)
            part = share_of_mean(loss, count=count, samples=samples, mass=self.mass(target_B))
            if count:
                meter.add(part.detach() * (samples / count), output_B.detach(), self.label(target_B))
            return part * self._ranks, output_B  # the processes' gradients are averaged
        meter.add(loss.detach(), output_B.detach(), self.label(target_B))
        return loss, output_B

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
        groups = parameter_groups(
            self.net, backbone_lr=self.backbone_lr, spare_norms_and_biases=self.spare_norms_and_biases
        )
        optimizer = self.optimizer(groups)
        scale_rates(optimizer, self.scale_lr, ranks=self._ranks)
        if not self.scheduler:
            return optimizer
        schedule = self.scheduler(optimizer, steps=total_steps(self.trainer))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

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
        self.net._compiled_call_impl = None
        if mode:
            self.net.compile(mode=mode)
        self._compiled_mode, self._is_graph = mode, mode in GRAPHS

    def on_fit_start(self) -> None:
        """Weigh the classes by how often the training split has them, where that is wanted."""
        if self.global_rank:  # dropout draws other numbers in each process
            torch.manual_seed(torch.initial_seed() + self.global_rank)
        if self.class_weights == "balanced":
            self.weigh(balanced(self.trainer.datamodule.class_counts()))  # type: ignore[attr-defined]

    def on_train_start(self) -> None:
        """Freeze what is frozen; refuse a last batch of one sample where BatchNorm would have one value per channel."""
        self.on_train_epoch_start()  # which Lightning leaves out where it resumes inside an epoch
        self._frozen.fold(self.net)
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
        """Go on with the scores of the resumed epoch."""
        if self.trainer.state.fn == "fit" and "train_meter" in checkpoint:
            progress = checkpoint["train_meter"]
            ours = (progress if isinstance(progress, list) else [progress])[self.global_rank :: self._ranks]
            if ours:  # none where there are more processes than there were
                self.train_meter.resume(*ours)
