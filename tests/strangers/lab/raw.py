import lightning as L
import numpy as np
import torch
import torch.nn as nn
from lightning.pytorch import LightningDataModule
from sklearn.datasets import load_diabetes, load_iris
from torch.utils.data import BatchSampler, DataLoader, Dataset, RandomSampler, Sampler


class DiabetesDataset(Dataset):
    SPLITS = {"train": slice(0, 300), "val": slice(300, 370), "test": slice(370, None)}

    def __init__(self, split="train", jitter=0.0):
        X, y = load_diabetes(return_X_y=True)
        X, y = X * 20, (y - 150) / 75
        self.X, self.y = X[self.SPLITS[split]].astype(np.float32), y[self.SPLITS[split]].astype(np.float32)
        self.jitter = jitter

    def __getitem__(self, i):
        x = self.X[i]
        if self.jitter:
            x = x + self.jitter * np.random.randn(len(x)).astype(np.float32)
        return x, self.y[i]

    def __len__(self):
        return len(self.y)


class IrisDataset(Dataset):
    """Samples are dicts."""

    def __init__(self, train=True):
        X, y = load_iris(return_X_y=True)
        keep = (np.arange(len(y)) % 3 != 0) == train
        self.X, self.y = torch.tensor(X - X.mean(0), dtype=torch.float32)[keep], torch.tensor(y)[keep]

    def __getitem__(self, i):
        return {"features": self.X[i], "species": self.y[i]}

    def __len__(self):
        return len(self.y)


def datamodule(batch_size=32, num_workers=0, **datasets):
    """datamodule(train=..., val=..., test=...) from plain datasets."""
    return LightningDataModule.from_datasets(
        batch_size=batch_size, num_workers=num_workers, **{f"{k}_dataset": v for k, v in datasets.items()}
    )


class SimilarTargets(Sampler):
    """Batches of rows whose targets are near each other, in random order."""

    def __init__(self, targets, batch_size):
        self.order = np.argsort(targets)
        self.batch_size = batch_size

    def __len__(self):
        return -(-len(self.order) // self.batch_size)

    def __iter__(self):
        batches = [self.order[i : i + self.batch_size].tolist() for i in range(0, len(self.order), self.batch_size)]
        np.random.shuffle(batches)
        yield from batches


class BucketedDiabetes(L.LightningDataModule):
    """own_sampler: batches of similar targets instead of torch's BatchSampler."""

    def __init__(self, batch_size=32, own_sampler=True):
        super().__init__()
        self.batch_size, self.own_sampler = batch_size, own_sampler

    def train_dataloader(self):
        ds = DiabetesDataset("train")
        if self.own_sampler:
            sampler = SimilarTargets(ds.y, self.batch_size)
        else:
            sampler = BatchSampler(RandomSampler(ds), self.batch_size, drop_last=True)
        return DataLoader(ds, batch_sampler=sampler)

    def val_dataloader(self):
        return DataLoader(DiabetesDataset("val"), batch_size=self.batch_size)

    def test_dataloader(self):
        return DataLoader(DiabetesDataset("test"), batch_size=self.batch_size)


class TwoTasks(L.LightningDataModule):
    """A dict of loaders: training batches are dicts, one batch a task."""

    def __init__(self, batch_size=20):
        super().__init__()
        self.batch_size = batch_size

    def train_dataloader(self):
        return {
            "diabetes": DataLoader(DiabetesDataset("train"), batch_size=2 * self.batch_size, shuffle=True),
            "iris": DataLoader(IrisDataset(True), batch_size=self.batch_size, shuffle=True),
        }

    def val_dataloader(self):
        return DataLoader(IrisDataset(False), batch_size=self.batch_size)


class Regressor(L.LightningModule):
    def __init__(self, in_dim=10, hidden=16, lr=1e-2):
        super().__init__()
        self.lr = lr
        self.net = nn.Sequential(nn.Linear(in_dim, hidden), nn.ReLU(), nn.Linear(hidden, 1), nn.Flatten(0))

    def forward(self, x):
        return self.net(x)

    def training_step(self, batch, batch_idx):
        x, y = batch
        return nn.functional.huber_loss(self(x), y)

    def validation_step(self, batch, batch_idx):
        x, y = batch
        self.log("val_mae", (self(x) - y).abs().mean())

    def test_step(self, batch, batch_idx):
        x, y = batch
        self.log("test_mae", (self(x) - y).abs().mean())

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), self.lr)


class TwoTaskNet(L.LightningModule):
    def __init__(self, hidden=16, lr=1e-2):
        super().__init__()
        self.lr = lr
        self.into = nn.ModuleDict({"diabetes": nn.Linear(10, hidden), "iris": nn.Linear(4, hidden)})
        self.shared = nn.Sequential(nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU())
        self.out = nn.ModuleDict({"diabetes": nn.Linear(hidden, 1), "iris": nn.Linear(hidden, 3)})

    def forward(self, x, task):
        return self.out[task](self.shared(self.into[task](x)))

    def training_step(self, batch, batch_idx):
        x, y = batch["diabetes"]
        mse = nn.functional.mse_loss(self(x, "diabetes").squeeze(1), y)
        ce = nn.functional.cross_entropy(self(batch["iris"]["features"], "iris"), batch["iris"]["species"])
        self.log_dict({"train/mse": mse, "train/ce": ce}, on_step=True, on_epoch=True, batch_size=len(y))
        return mse + ce

    def validation_step(self, batch, batch_idx):
        logits = self(batch["features"], "iris")
        self.log("val/iris_acc", (logits.argmax(1) == batch["species"]).float().mean())

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), self.lr)
