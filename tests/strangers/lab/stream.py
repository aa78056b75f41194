import itertools
import math

import lightning.pytorch as pl
import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, IterableDataset, get_worker_info


class SineStream(IterableDataset):
    """Windows of sine waves with the value that follows; no length. `count=None` never stops."""

    def __init__(self, count=None, window=16):
        super().__init__()
        self.count, self.window = count, window

    def __iter__(self):
        info = get_worker_info()
        todo = self.count
        if info is not None and todo is not None:
            todo = len(range(info.id, todo, info.num_workers))
        for _ in itertools.count() if todo is None else range(todo):
            freq, phase = np.random.uniform(0.1, 0.6), np.random.uniform(0, 2 * math.pi)
            wave = np.sin(freq * np.arange(self.window + 1) + phase) + 0.02 * np.random.randn(self.window + 1)
            wave = torch.from_numpy(wave).float()
            yield wave[:-1], wave[-1:]


class StreamData(pl.LightningDataModule):
    def __init__(self, samples_per_epoch=1024, batch_size=32, num_workers=0, val_samples=None):
        super().__init__()
        self.samples_per_epoch = samples_per_epoch
        self.batch_size = batch_size
        self.num_workers = num_workers
        self.val_samples = val_samples
        if val_samples:
            # only when asked for, lightning skips validation otherwise
            self.val_dataloader = self._val_dataloader

    def train_dataloader(self):
        return DataLoader(SineStream(self.samples_per_epoch), self.batch_size, num_workers=self.num_workers)

    def _val_dataloader(self):
        return DataLoader(SineStream(self.val_samples), self.batch_size)


class Forecaster(pl.LightningModule):
    def __init__(self, window=16, width=32, lr=3e-3):
        super().__init__()
        self.save_hyperparameters()
        self.net = nn.Sequential(nn.Linear(window, width), nn.Tanh(), nn.Linear(width, 1))

    def forward(self, past):
        return self.net(past)

    def training_step(self, batch, batch_idx):
        past, future = batch
        loss = nn.functional.mse_loss(self(past), future)
        self.log("train loss", loss, prog_bar=True)
        return loss

    def validation_step(self, batch, batch_idx):
        past, future = batch
        self.log("val loss", nn.functional.mse_loss(self(past), future), prog_bar=True)

    def configure_optimizers(self):
        return torch.optim.RMSprop(self.net.parameters(), self.hparams.lr)
