import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Optional

import lightning.pytorch as pl
import torch
import torchmetrics
from lightning.pytorch.loggers.logger import Logger, rank_zero_experiment
from lightning.pytorch.utilities import rank_zero_only
from sklearn.datasets import load_wine
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler
from torch.utils.data import DataLoader, TensorDataset, random_split

# --- optimizer and scheduler ---


class SignMomentum(torch.optim.Optimizer):
    """Steps of one size, in the direction of the sign of the running mean of the gradients."""

    def __init__(self, params, lr=1e-3, beta=0.9, weight_decay=0.0):
        if lr <= 0:
            raise ValueError(f"Invalid learning rate: {lr}")
        super().__init__(params, {"lr": lr, "beta": beta, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure=None):
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                if not state:
                    state["step"] = 0
                    state["mean"] = torch.zeros_like(p)
                state["step"] += 1
                state["mean"].lerp_(p.grad, 1 - group["beta"])
                p.mul_(1 - group["lr"] * group["weight_decay"])
                p.sub_(state["mean"].sign(), alpha=group["lr"])
        return loss


class WarmupThenDecay(LRScheduler):
    """Linear warm-up over `warmup` steps, then the inverse square root."""

    def __init__(self, optimizer, warmup=20, last_epoch=-1):
        self.warmup = warmup
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        n = self.last_epoch + 1
        scale = min(n / self.warmup, (self.warmup / n) ** 0.5)
        return [base * scale for base in self.base_lrs]


# --- net, loss, metric ---


@dataclass
class Output:
    logits: Tensor
    hidden: Optional[Tensor] = None


class OutputTuple(NamedTuple):
    logits: Tensor
    hidden: Tensor


class ObjectNet(nn.Module):
    """Gives an object, not a tensor; `as_tuple` a named tuple."""

    def __init__(self, in_features: int = 13, hidden: int = 32, classes: int = 3, as_tuple: bool = False):
        super().__init__()
        self.norm = nn.LayerNorm(in_features)
        self.fc1 = nn.Linear(in_features, hidden)
        self.fc2 = nn.Linear(hidden, classes)
        self.as_tuple = as_tuple

    def forward(self, x: Tensor):
        hidden = torch.relu(self.fc1(self.norm(x.flatten(1))))
        logits = self.fc2(hidden)
        return OutputTuple(logits, hidden) if self.as_tuple else Output(logits=logits, hidden=hidden)


class PlainNet(nn.Module):
    """The same with a plain tensor."""

    def __init__(self, in_features: int = 13, hidden: int = 32, classes: int = 3):
        super().__init__()
        self.inner = ObjectNet(in_features, hidden, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x).logits


class FocalLoss(nn.Module):
    """Cross entropy in which what is already certain weighs less."""

    def __init__(self, gamma: float = 1.0, reduction: str = "mean"):
        super().__init__()
        self.gamma = gamma
        self.reduction = reduction

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        logp = logits.log_softmax(-1).gather(-1, target[:, None]).squeeze(-1)
        loss = -((1 - logp.exp()) ** self.gamma) * logp
        return loss.mean() if self.reduction == "mean" else loss


class BalancedAccuracy(torchmetrics.Metric):
    """Mean of the recalls of the classes seen."""

    higher_is_better = True
    is_differentiable = False
    full_state_update = False

    def __init__(self, num_classes: int = 3, **kwargs):
        super().__init__(**kwargs)
        self.add_state("hits", default=torch.zeros(num_classes), dist_reduce_fx="sum")
        self.add_state("seen", default=torch.zeros(num_classes), dist_reduce_fx="sum")

    def update(self, preds: Tensor, target: Tensor) -> None:
        if preds.ndim > target.ndim:
            preds = preds.argmax(-1)
        n = self.seen.numel()
        self.seen += torch.bincount(target, minlength=n)
        self.hits += torch.bincount(target[preds == target], minlength=n)

    def compute(self) -> Tensor:
        there = self.seen > 0
        return (self.hits[there] / self.seen[there]).mean()


# --- callback and logger ---


class GradNorm(pl.Callback):
    """Logs the norm of the gradients, and keeps the largest one."""

    def __init__(self, every_n_steps: int = 1):
        self.every_n_steps = every_n_steps
        self.largest = 0.0
        self.seconds = []

    def on_train_epoch_start(self, trainer, pl_module):
        self._start = time.perf_counter()

    def on_before_optimizer_step(self, trainer, pl_module, optimizer):
        if trainer.global_step % self.every_n_steps:
            return
        grads = [p.grad for p in pl_module.parameters() if p.grad is not None]
        norm = torch.stack([g.norm() for g in grads]).norm()
        self.largest = max(self.largest, float(norm))
        pl_module.log("grad_norm", norm)

    def on_train_epoch_end(self, trainer, pl_module):
        self.seconds.append(time.perf_counter() - self._start)

    def state_dict(self):
        return {"largest": self.largest, "seconds": self.seconds}

    def load_state_dict(self, state_dict):
        self.largest, self.seconds = state_dict["largest"], list(state_dict["seconds"])


class _File:
    def __init__(self, path):
        self.path = path

    def write(self, **row):
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a") as f:
            f.write(json.dumps(row, default=str) + "\n")


class JsonLinesLogger(Logger):
    """One line of JSON for the hyperparameters and one for each call of log_metrics."""

    def __init__(self, save_dir: str = ".", name: str = "log", version: Optional[str] = None):
        super().__init__()
        self._save_dir = Path(save_dir)
        self._name = name
        self._version = version or "0"
        self._experiment = None

    @property
    def name(self):
        return self._name

    @property
    def version(self):
        return self._version

    @property
    def save_dir(self):
        return str(self._save_dir)

    @property
    @rank_zero_experiment
    def experiment(self):
        if self._experiment is None:
            self._experiment = _File(self._save_dir / f"{self._name}.jsonl")
        return self._experiment

    @rank_zero_only
    def log_hyperparams(self, params, *args, **kwargs):
        self.experiment.write(hparams=dict(params) if hasattr(params, "keys") else vars(params))

    @rank_zero_only
    def log_metrics(self, metrics, step=None):
        self.experiment.write(step=step, **metrics)

    @rank_zero_only
    def finalize(self, status):
        if self._experiment is not None:
            self._experiment.write(status=status)


# --- what puts them together ---


class PartsModule(pl.LightningModule):
    def __init__(self, net, loss, metric, optimizer, scheduler=None):
        super().__init__()
        self.save_hyperparameters(ignore=["net", "loss", "metric"])
        self.net = net
        self.loss = loss
        self.val_metric = metric
        self.test_metric = metric.clone()

    def forward(self, x):
        return self.net(x)

    def training_step(self, batch, batch_idx):
        x, y = batch
        out = self(x)
        loss = self.loss(out.logits, y) + 1e-4 * out.hidden.pow(2).mean()
        self.log("train_loss", loss, on_step=True, on_epoch=True)
        return loss

    def validation_step(self, batch, batch_idx):
        x, y = batch
        out = self(x)
        self.val_metric(out.logits, y)
        self.log("val_loss", self.loss(out.logits, y))
        self.log("val_balanced_acc", self.val_metric, prog_bar=True)

    def test_step(self, batch, batch_idx):
        x, y = batch
        self.test_metric(self(x).logits, y)
        self.log("test_balanced_acc", self.test_metric)

    def predict_step(self, batch, batch_idx):
        return self(batch[0])

    def configure_optimizers(self):
        optimizer = self.hparams.optimizer(self.parameters())
        if self.hparams.scheduler is None:
            return optimizer
        scheduler = {"scheduler": self.hparams.scheduler(optimizer), "interval": "step", "name": "warmup"}
        return [optimizer], [scheduler]


class Wine(pl.LightningDataModule):
    def __init__(self, batch_size: int = 16):
        super().__init__()
        self.batch_size = batch_size

    def setup(self, stage=None):
        X, y = load_wine(return_X_y=True)
        X = torch.tensor((X - X.mean(0)) / X.std(0), dtype=torch.float32)
        data = TensorDataset(X, torch.tensor(y))
        self.parts = random_split(data, [110, 34, 34], generator=torch.Generator().manual_seed(1))

    def train_dataloader(self):
        return DataLoader(self.parts[0], self.batch_size, shuffle=True)

    def val_dataloader(self):
        return DataLoader(self.parts[1], self.batch_size)

    def test_dataloader(self):
        return DataLoader(self.parts[2], batch_size=self.batch_size)

    def predict_dataloader(self):
        return DataLoader(self.parts[2], batch_size=self.batch_size)
