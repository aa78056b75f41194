import random

import lightning as L
import torch
from sklearn.datasets import load_digits
from torch.utils.data import Dataset
from torchdata.stateful_dataloader import StatefulDataLoader


class NoisyDigits(Dataset):
    def __init__(self, start, stop, noise=0.0):
        x, y = load_digits(return_X_y=True)
        self.x = torch.tensor(x[start:stop]).float().view(-1, 1, 8, 8) / 16
        self.y = torch.tensor(y[start:stop])
        self.noise = noise

    def __len__(self):
        return len(self.x)

    def __getitem__(self, i):
        x = self.x[i]
        if self.noise and random.random() < 0.5:
            x = x.roll(random.choice([-1, 1]), -1)
        return x + self.noise * torch.randn_like(x), self.y[i]


class ResumableDigits(L.LightningDataModule):
    def __init__(self, batch_size=64, num_workers=0):
        super().__init__()
        self.save_hyperparameters()

    def setup(self, stage=None):
        self.train, self.val, self.test = NoisyDigits(0, 1297, 0.1), NoisyDigits(1297, 1547), NoisyDigits(1547, 1797)

    def loader(self, dataset, shuffle=False):
        return StatefulDataLoader(
            dataset, batch_size=self.hparams.batch_size, shuffle=shuffle, num_workers=self.hparams.num_workers
        )

    def train_dataloader(self):
        return self.loader(self.train, shuffle=True)

    def val_dataloader(self):
        return self.loader(self.val)

    def test_dataloader(self):
        return self.loader(self.test)
