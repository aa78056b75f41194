import lightning as L
import torch
import torch.nn.functional as F
from lightning.pytorch.utilities import CombinedLoader
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class SemiSupervisedDigits(L.LightningDataModule):
    """A few labelled digits, many unlabelled ones; validation on clean and on noisy ones."""

    def __init__(self, labelled=400, batch_size=32, mode="max_size_cycle"):
        super().__init__()
        self.save_hyperparameters()

    def setup(self, stage=None):
        x, y = load_digits(return_X_y=True)
        x, y = torch.tensor(x).float().div(16), torch.tensor(y)
        k = self.hparams.labelled
        self.labelled = TensorDataset(x[:k], y[:k])
        self.unlabelled = TensorDataset(x[k:1400])
        g = torch.Generator().manual_seed(0)
        self.clean = TensorDataset(x[1400:], y[1400:])
        self.noisy = TensorDataset(x[1400:] + 0.2 * torch.randn(x[1400:].shape, generator=g), y[1400:])

    def train_dataloader(self):
        bs = self.hparams.batch_size
        loaders = {
            "labelled": DataLoader(self.labelled, bs, shuffle=True),
            "unlabelled": DataLoader(self.unlabelled, 2 * bs, shuffle=True),
        }
        return CombinedLoader(loaders, self.hparams.mode)

    def val_dataloader(self):
        return [DataLoader(self.clean, batch_size=100), DataLoader(self.noisy, batch_size=100)]

    def test_dataloader(self):
        return self.val_dataloader()

    def predict_dataloader(self):
        return self.val_dataloader()


class PiModel(L.LightningModule):
    """Two noisy passes over the unlabelled have to agree."""

    def __init__(self, hidden=64, noise=0.15, consistency=1.0, lr=3e-3):
        super().__init__()
        self.save_hyperparameters()
        self.net = nn.Sequential(nn.Linear(64, hidden), nn.ReLU(), nn.Dropout(0.1), nn.Linear(hidden, 10))

    def forward(self, x):
        return self.net(x)

    def perturb(self, x):
        return x + self.hparams.noise * torch.randn_like(x)

    def training_step(self, batch, batch_idx):
        x, y = batch["labelled"]
        (u,) = batch["unlabelled"]
        sup = F.cross_entropy(self(self.perturb(x)), y)
        con = F.mse_loss(self(self.perturb(u)).softmax(-1), self(self.perturb(u)).softmax(-1).detach())
        loss = sup + self.hparams.consistency * con
        self.log_dict({"train_loss": loss, "train_sup": sup, "train_con": con}, batch_size=len(x))
        return loss

    def validation_step(self, batch, batch_idx, dataloader_idx=0):
        x, y = batch
        logits = self(x)
        self.log("val_loss", F.cross_entropy(logits, y), prog_bar=True)
        self.log("val_acc", (logits.argmax(-1) == y).float().mean(), prog_bar=True)

    def test_step(self, batch, batch_idx, dataloader_idx=0):
        x, y = batch
        name = ["clean", "noisy"][dataloader_idx]
        acc = (self(x).argmax(-1) == y).float().mean()
        self.log(f"test_acc_{name}", acc, add_dataloader_idx=False)

    def predict_step(self, batch, batch_idx, dataloader_idx=0):
        return self(batch[0]).argmax(-1)

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=self.hparams.lr)


class NamedPiModel(PiModel):
    """The same, but each validation set under its own name."""

    def validation_step(self, batch, batch_idx, dataloader_idx=0):
        x, y = batch
        name = ["clean", "noisy"][dataloader_idx]
        self.log(f"val_loss/{name}", F.cross_entropy(self(x), y), add_dataloader_idx=False)
