import os

import lightning as L
import numpy as np
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split
from torchmetrics import Accuracy


class MNISTLikeDataModule(L.LightningDataModule):
    def __init__(self, data_dir: str = "./data", batch_size: int = 64, num_workers: int = 0):
        super().__init__()
        self.data_dir = data_dir
        self.batch_size = batch_size
        self.num_workers = num_workers
        self.dims = (1, 8, 8)
        self.num_classes = 10

    @property
    def path(self):
        return os.path.join(self.data_dir, "digits.npz")

    def prepare_data(self):
        # "download"; one process only, no state here
        if not os.path.exists(self.path):
            os.makedirs(self.data_dir, exist_ok=True)
            x, y = load_digits(return_X_y=True)
            np.savez(self.path, x=x.reshape(-1, *self.dims) / 16, y=y)

    def setup(self, stage: str):
        with np.load(self.path) as f:
            x, y = torch.from_numpy(f["x"]).float(), torch.from_numpy(f["y"])

        if stage in ("fit", "validate"):
            full = TensorDataset(x[:1500], y[:1500])
            self.train, self.val = random_split(full, [1250, 250], generator=torch.Generator().manual_seed(42))

        if stage == "test":
            self.test = TensorDataset(x[1500:], y[1500:])

        if stage == "predict":
            self.predict = TensorDataset(x[1500:], y[1500:])

    def train_dataloader(self):
        return DataLoader(self.train, batch_size=self.batch_size, num_workers=self.num_workers, shuffle=True)

    def val_dataloader(self):
        return DataLoader(self.val, batch_size=self.batch_size, num_workers=self.num_workers)

    def test_dataloader(self):
        return DataLoader(self.test, batch_size=self.batch_size, num_workers=self.num_workers)

    def predict_dataloader(self):
        return DataLoader(self.predict, batch_size=self.batch_size, num_workers=self.num_workers)


class LitMNISTLike(L.LightningModule):
    def __init__(self, channels=1, width=8, height=8, num_classes=10, hidden_size=64, learning_rate=2e-3):
        super().__init__()
        self.save_hyperparameters()
        self.example_input_array = torch.zeros(1, channels, width, height)
        self.model = nn.Sequential(
            nn.Flatten(),
            nn.Linear(channels * width * height, hidden_size),
            nn.ReLU(),
            nn.Dropout(0.1),
            nn.Linear(hidden_size, hidden_size),
            nn.ReLU(),
            nn.Dropout(0.1),
            nn.Linear(hidden_size, num_classes),
        )
        self.val_accuracy = Accuracy(task="multiclass", num_classes=num_classes)
        self.test_accuracy = Accuracy(task="multiclass", num_classes=num_classes)

    def forward(self, x):
        return F.log_softmax(self.model(x), dim=1)

    def training_step(self, batch, batch_idx):
        x, y = batch
        loss = F.nll_loss(self(x), y)
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch, batch_idx):
        x, y = batch
        logits = self(x)
        loss = F.nll_loss(logits, y)
        self.val_accuracy.update(logits.argmax(dim=1), y)
        self.log("val_loss", loss, prog_bar=True)
        self.log("val_acc", self.val_accuracy, prog_bar=True)
        return loss

    def test_step(self, batch, batch_idx):
        x, y = batch
        logits = self(x)
        self.test_accuracy.update(logits.argmax(dim=1), y)
        self.log("test_loss", F.nll_loss(logits, y))
        self.log("test_acc", self.test_accuracy)

    def predict_step(self, batch, batch_idx, dataloader_idx=0):
        x, y = batch
        return self(x)

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=self.hparams.learning_rate)
