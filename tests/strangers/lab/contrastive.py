import random

import lightning as L
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, Dataset


def augment(img):
    dx, dy = random.randint(-1, 1), random.randint(-1, 1)
    img = torch.roll(img, (dy, dx), dims=(1, 2))
    img = img * (0.7 + 0.6 * torch.rand(1)) + 0.1 * torch.randn_like(img)
    if random.random() < 0.3:
        y, x = random.randrange(6), random.randrange(6)
        img = img.clone()
        img[:, y : y + 2, x : x + 2] = 0
    return img


class TwoViews(Dataset):
    """Unlabelled: the second item is always -1."""

    def __init__(self, images, n_views=2):
        self.images = images
        self.n_views = n_views

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        return tuple(augment(self.images[index]) for _ in range(self.n_views)), -1


class UnlabelledDigits(L.LightningDataModule):
    def __init__(self, batch_size=64, num_workers=0):
        super().__init__()
        self.batch_size = batch_size
        self.num_workers = num_workers

    def setup(self, stage=None):
        imgs = torch.tensor(load_digits().images / 16, dtype=torch.float32).unsqueeze(1)
        self.train, self.val = TwoViews(imgs[:768]), TwoViews(imgs[768:1024])

    def train_dataloader(self):
        return DataLoader(
            self.train,
            batch_size=self.batch_size,
            shuffle=True,
            drop_last=True,
            num_workers=self.num_workers,
            persistent_workers=self.num_workers > 0,
        )

    def val_dataloader(self):
        return DataLoader(self.val, batch_size=self.batch_size, drop_last=True, num_workers=self.num_workers)


class SimCLR(L.LightningModule):
    def __init__(self, hidden_dim=64, out_dim=16, lr=3e-3, temperature=0.2, weight_decay=1e-4, max_epochs=100):
        super().__init__()
        self.save_hyperparameters()
        self.backbone = nn.Sequential(nn.Conv2d(1, 16, 3, 2, 1), nn.ReLU(), nn.Flatten(), nn.Linear(256, hidden_dim))
        self.projector = nn.Sequential(nn.ReLU(), nn.Linear(hidden_dim, out_dim))

    def forward(self, x):
        return self.backbone(x)

    def step(self, batch, mode):
        (x1, x2), _ = batch
        z = F.normalize(self.projector(self(torch.cat([x1, x2]))), dim=1)
        sim = z @ z.T / self.hparams.temperature
        sim.fill_diagonal_(float("-inf"))
        n = len(x1)
        partner = torch.arange(2 * n, device=z.device).roll(n)
        nll = F.cross_entropy(sim, partner)
        rank = (sim > sim.gather(1, partner[:, None])).sum(1)
        self.log(mode + "_loss", nll)
        self.log(mode + "_top1", (rank == 0).float().mean())
        self.log(mode + "_mean_rank", 1 + rank.float().mean())
        return nll

    def training_step(self, batch, batch_idx):
        return self.step(batch, "train")

    def validation_step(self, batch, batch_idx):
        self.step(batch, "val")

    def configure_optimizers(self):
        opt = torch.optim.AdamW(self.parameters(), lr=self.hparams.lr, weight_decay=self.hparams.weight_decay)
        sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt, T_max=self.hparams.max_epochs)
        return [opt], [sched]


class LinearProbe(L.LightningModule):
    """A linear layer on a frozen backbone; give it the checkpoint of a SimCLR run."""

    def __init__(self, checkpoint=None, num_classes=10, lr=3e-2):
        super().__init__()
        self.save_hyperparameters()
        simclr = SimCLR.load_from_checkpoint(checkpoint) if checkpoint else SimCLR()
        self.backbone = simclr.backbone
        for p in self.backbone.parameters():
            p.requires_grad = False
        self.fc = nn.Linear(simclr.hparams.hidden_dim, num_classes)

    def forward(self, x):
        with torch.no_grad():
            feats = self.backbone(x)
        return self.fc(feats)

    def training_step(self, batch, batch_idx):
        x, y = batch
        loss = F.cross_entropy(self(x), y)
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch, batch_idx):
        x, y = batch
        self.log("valid_acc", (self(x).argmax(1) == y).float().mean(), prog_bar=True)

    def configure_optimizers(self):
        return torch.optim.Adam(filter(lambda p: p.requires_grad, self.parameters()), lr=self.hparams.lr)
