import lightning as L
import torch
from sklearn.datasets import load_iris
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split


class Iris(L.LightningDataModule):
    def __init__(self, batch_size=16):
        super().__init__()
        self.batch_size = batch_size

        X, y = load_iris(return_X_y=True)
        X = torch.tensor((X - X.mean(0)) / X.std(0)).float()
        self.train, self.held_out = random_split(TensorDataset(X, torch.tensor(y)), [110, 40])

    def train_dataloader(self):
        return DataLoader(self.train, batch_size=self.batch_size, shuffle=True)

    def val_dataloader(self):
        return DataLoader(self.held_out, batch_size=self.batch_size)


class Silent(L.LightningModule):
    # logs nothing
    def __init__(self, lr=0.01):
        super().__init__()
        self.lr = lr
        self.mlp = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 3))

    def forward(self, x):
        return self.mlp(x)

    def training_step(self, batch, batch_idx):
        x, y = batch
        return {"loss": nn.functional.cross_entropy(self(x), y), "n": len(x)}

    def validation_step(self, batch, batch_idx):
        x, y = batch
        return nn.functional.cross_entropy(self(x), y)

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=self.lr)


class TrainOnly(L.LightningModule):
    # no validation_step
    def __init__(self, lr=0.01):
        super().__init__()
        self.lr = lr
        self.mlp = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 3))

    def training_step(self, batch, batch_idx):
        x, y = batch
        if len(x) < 15:
            return None  # skip what is left over
        loss = nn.functional.cross_entropy(self.mlp(x), y)
        self.log("loss", loss, prog_bar=True)
        self.log("acc", (self.mlp(x).argmax(1) == y).float().mean(), on_step=False, on_epoch=True)
        return loss

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=self.lr)


class OddName(Silent):
    # one validation metric, whose name says neither val nor loss
    def __init__(self, lr=0.01):
        super().__init__(lr)
        self.outputs = []

    def validation_step(self, batch, batch_idx):
        x, y = batch
        self.outputs.append((self(x).argmax(1) != y).float())

    def on_validation_epoch_end(self):
        self.log("Held-out error (%)", 100 * torch.cat(self.outputs).mean(), prog_bar=True)
        self.outputs.clear()
