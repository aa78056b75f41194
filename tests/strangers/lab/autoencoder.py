import torch
import torch.nn.functional as F
from lightning.pytorch import LightningDataModule, LightningModule
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split


def mlp(*sizes):
    layers = []
    for i, o in zip(sizes, sizes[1:], strict=False):
        layers += [nn.Linear(i, o), nn.GELU()]
    return nn.Sequential(*layers[:-1])


class AutoEncoder(LightningModule):
    def __init__(self, hidden=48, latent=8, lr=3e-3):
        super().__init__()
        self.save_hyperparameters()
        self.encoder = mlp(64, hidden, latent)
        self.decoder = mlp(latent, hidden, 64)

    def forward(self, x):
        return self.encoder(x.flatten(1))

    def reconstruction_error(self, batch):
        (x,) = batch
        return F.mse_loss(self.decoder(self(x)), x.flatten(1))

    def training_step(self, batch, batch_idx):
        loss = self.reconstruction_error(batch)
        self.log("train_loss", loss, prog_bar=True)
        return loss

    def validation_step(self, batch, batch_idx):
        self.log("val_loss", self.reconstruction_error(batch), prog_bar=True)

    def test_step(self, batch, batch_idx):
        self.log("test_loss", self.reconstruction_error(batch))

    def predict_step(self, batch, batch_idx, dataloader_idx=0):
        (x,) = batch
        z = self(x)
        return {"embedding": z, "reconstruction": self.decoder(z).view_as(x)}

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=self.hparams.lr)


class DigitImages(LightningDataModule):
    def __init__(self, batch_size=64):
        super().__init__()
        self.batch_size = batch_size

    def setup(self, stage=None):
        images = torch.tensor(load_digits().images, dtype=torch.float32)[:, None] / 16
        self.train_set, self.val_set, self.test_set = random_split(TensorDataset(images), [1297, 250, 250])

    def train_dataloader(self):
        return DataLoader(self.train_set, batch_size=self.batch_size, shuffle=True)

    def val_dataloader(self):
        return DataLoader(self.val_set, batch_size=self.batch_size)

    def test_dataloader(self):
        return DataLoader(self.test_set, batch_size=self.batch_size)

    def predict_dataloader(self):
        return DataLoader(self.test_set, batch_size=self.batch_size)
