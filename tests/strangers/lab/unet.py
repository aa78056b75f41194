from __future__ import annotations

import lightning.pytorch as pl
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, Dataset

SIZE = 24


def draw(rng) -> tuple[np.ndarray, np.ndarray]:
    """A noisy picture of a disc (class 1) and a square (class 2), and its mask."""
    yy, xx = np.mgrid[:SIZE, :SIZE]
    mask = np.zeros((SIZE, SIZE), dtype=np.int64)
    cy, cx, half = rng.integers(5, SIZE - 5), rng.integers(5, SIZE - 5), rng.integers(2, 5)
    mask[cy - half : cy + half, cx - half : cx + half] = 2
    cy, cx, r = rng.integers(5, SIZE - 5), rng.integers(5, SIZE - 5), rng.integers(2, 6)
    mask[(yy - cy) ** 2 + (xx - cx) ** 2 <= r * r] = 1
    image = 255 * np.stack([mask == 1, mask == 2, mask > 0], -1) * 0.5 + rng.normal(60, 30, (SIZE, SIZE, 3))
    return image.clip(0, 255).astype(np.uint8), mask


class ShapesDataset(Dataset):
    def __init__(self, n: int, seed: int, augment: bool = False):
        rng = np.random.default_rng(seed)
        self.items = [draw(rng) for _ in range(n)]
        self.augment = augment

    def __len__(self):
        return len(self.items)

    def __getitem__(self, i):
        image, mask = self.items[i]
        if self.augment:
            if np.random.rand() < 0.5:
                image, mask = image[:, ::-1], mask[:, ::-1]
            k = np.random.randint(4)
            image, mask = np.rot90(image, k), np.rot90(mask, k)
        image = torch.from_numpy(image.transpose(2, 0, 1).copy())
        return {"image": image, "mask": torch.from_numpy(mask.copy()), "filename": f"shape_{i:04d}.png"}


class ShapesDataModule(pl.LightningDataModule):
    def __init__(self, batch_size: int = 16, num_workers: int = 0, n_train: int = 160):
        super().__init__()
        self.save_hyperparameters()

    def setup(self, stage: str | None = None):
        self.train_ds = ShapesDataset(self.hparams.n_train, seed=0, augment=True)
        self.val_ds = ShapesDataset(40, seed=1)
        self.test_ds = ShapesDataset(40, seed=2)

    def on_after_batch_transfer(self, batch, dataloader_idx: int):
        # bytes travel, floats are made on the device
        batch["image"] = batch["image"].float().div(255).sub(0.3).div(0.25)
        return batch

    def train_dataloader(self):
        return DataLoader(
            self.train_ds, self.hparams.batch_size, shuffle=True, num_workers=self.hparams.num_workers, drop_last=True
        )

    def val_dataloader(self):
        return DataLoader(self.val_ds, self.hparams.batch_size, num_workers=self.hparams.num_workers)

    def test_dataloader(self):
        return DataLoader(self.test_ds, batch_size=self.hparams.batch_size, num_workers=self.hparams.num_workers)

    predict_dataloader = test_dataloader


class DoubleConv(nn.Sequential):
    def __init__(self, cin: int, cout: int):
        super().__init__(
            nn.Conv2d(cin, cout, 3, padding=1, bias=False),
            nn.BatchNorm2d(cout),
            nn.ReLU(inplace=True),
            nn.Conv2d(cout, cout, 3, padding=1, bias=False),
            nn.BatchNorm2d(cout),
            nn.ReLU(inplace=True),
        )


class UNet(nn.Module):
    def __init__(self, in_channels: int = 3, classes: int = 3, base: int = 8):
        super().__init__()
        self.inc = DoubleConv(in_channels, base)
        self.down1 = DoubleConv(base, 2 * base)
        self.down2 = DoubleConv(2 * base, 4 * base)
        self.up1 = DoubleConv(6 * base, 2 * base)
        self.up2 = DoubleConv(3 * base, base)
        self.outc = nn.Conv2d(base, classes, 1)

    def forward(self, x):
        x1 = self.inc(x)
        x2 = self.down1(F.max_pool2d(x1, 2))
        x3 = self.down2(F.max_pool2d(x2, 2))
        x = self.up1(torch.cat([F.interpolate(x3, scale_factor=2.0), x2], dim=1))
        x = self.up2(torch.cat([F.interpolate(x, scale_factor=2.0), x1], dim=1))
        return self.outc(x)


def dice_score(probs: torch.Tensor, mask: torch.Tensor, eps: float = 1e-6) -> torch.Tensor:
    onehot = F.one_hot(mask, probs.size(1)).permute(0, 3, 1, 2).to(probs.dtype)
    inter = (probs * onehot).sum((0, 2, 3))[1:]
    total = (probs + onehot).sum((0, 2, 3))[1:]
    return ((2 * inter + eps) / (total + eps)).mean()


class SegModule(pl.LightningModule):
    def __init__(self, classes: int = 3, base: int = 8, max_lr: float = 1e-2, dice_weight: float = 0.5):
        super().__init__()
        self.save_hyperparameters()
        self.net = UNet(classes=classes, base=base)

    def forward(self, x):
        return self.net(x)

    def shared_step(self, batch, stage: str):
        logits = self(batch["image"])
        probs = logits.softmax(1)
        ce = F.cross_entropy(logits, batch["mask"])
        loss = ce + self.hparams.dice_weight * (1 - dice_score(probs, batch["mask"]))
        hard = F.one_hot(probs.argmax(1), probs.size(1)).permute(0, 3, 1, 2).to(probs.dtype)
        n = batch["mask"].size(0)
        self.log(f"{stage}/loss", loss, batch_size=n, on_step=stage == "train", on_epoch=True, prog_bar=True)
        self.log(f"{stage}/dice", dice_score(hard, batch["mask"]), batch_size=n, on_step=False, on_epoch=True)
        return {"loss": loss, "ce": ce.detach()}

    def training_step(self, batch, batch_idx):
        return self.shared_step(batch, "train")

    def validation_step(self, batch, batch_idx):
        return self.shared_step(batch, "val")

    def test_step(self, batch, batch_idx):
        return self.shared_step(batch, "test")

    def predict_step(self, batch, batch_idx, dataloader_idx=0):
        return {"filename": batch["filename"], "mask": self(batch["image"]).argmax(1).byte()}

    def configure_optimizers(self):
        optimizer = torch.optim.AdamW(self.parameters(), lr=self.hparams.max_lr)
        scheduler = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, max_lr=self.hparams.max_lr, total_steps=int(self.trainer.estimated_stepping_batches)
        )
        return [optimizer], [{"scheduler": scheduler, "interval": "step"}]
