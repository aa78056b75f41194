import random

import numpy as np
import torch
from lightning.pytorch import LightningDataModule, LightningModule
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchmetrics.classification import MulticlassF1Score


class RandomShift:
    def __init__(self, p=0.5):
        self.p = p

    def __call__(self, image):
        if random.random() < self.p:
            image = np.roll(image, random.choice([-1, 1]), axis=random.choice([0, 1]))
        return image


class GaussianNoise:
    def __init__(self, std=0.1):
        self.std = std

    def __call__(self, image):
        return image + np.random.normal(0.0, self.std, image.shape)


class Digits(Dataset):
    def __init__(self, images, labels, transforms=()):
        self.images, self.labels, self.transforms = images, labels, transforms

    def __len__(self):
        return len(self.images)

    def __getitem__(self, i):
        image = self.images[i]
        for t in self.transforms:
            image = t(image)
        return torch.tensor(image, dtype=torch.float32)[None], int(self.labels[i])


class AugmentedDigits(LightningDataModule):
    def __init__(self, batch_size=64, num_workers=2, persistent_workers=True):
        super().__init__()
        self.batch_size = batch_size
        self.kw = {"num_workers": num_workers, "persistent_workers": persistent_workers and num_workers > 0}

    def setup(self, stage):
        d = load_digits()
        x, y = d.images / 16, d.target
        self.sets = {
            "train": Digits(x[:1200], y[:1200], [RandomShift(0.3), GaussianNoise(0.1)]),
            "val": Digits(x[1200:1500], y[1200:1500]),
            "test": Digits(x[1500:], y[1500:]),
        }

    def train_dataloader(self):
        return DataLoader(self.sets["train"], self.batch_size, shuffle=True, **self.kw)

    def val_dataloader(self):
        return DataLoader(self.sets["val"], self.batch_size, **self.kw)

    def test_dataloader(self):
        return DataLoader(self.sets["test"], self.batch_size)


class PlateauNet(LightningModule):
    def __init__(self, channels=12, p_drop=0.3, lr=0.1, patience=1, factor=0.5):
        super().__init__()
        self.save_hyperparameters()
        self.body = nn.Sequential(
            nn.Conv2d(1, channels, 3, padding=1),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Dropout2d(p_drop / 2),
            nn.Flatten(),
            nn.Linear(channels * 16, 48),
            nn.ReLU(),
            nn.Dropout(p_drop),
            nn.Linear(48, 10),
        )
        self.f1 = MulticlassF1Score(10)

    def forward(self, x):
        return self.body(x)

    def training_step(self, batch, n):
        x, y = batch
        loss = nn.functional.cross_entropy(self(x), y)
        self.log("train/loss", loss)
        self.log("lr", self.optimizers().param_groups[0]["lr"], prog_bar=True)
        return loss

    def validation_step(self, batch, n):
        x, y = batch
        out = self(x)
        self.f1.update(out, y)
        self.log("val/loss", nn.functional.cross_entropy(out, y))
        self.log("val/f1", self.f1, prog_bar=True)

    def test_step(self, batch, n):
        x, y = batch
        self.f1.update(self(x), y)
        self.log("test/f1", self.f1)

    def configure_optimizers(self):
        optimizer = torch.optim.SGD(self.parameters(), lr=self.hparams.lr, momentum=0.9, nesterov=True)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {
                "scheduler": torch.optim.lr_scheduler.ReduceLROnPlateau(
                    optimizer, mode="max", factor=self.hparams.factor, patience=self.hparams.patience
                ),
                "monitor": "val/f1",
            },
        }
