import os

import lightning as L
import torch
from litdata import StreamingDataLoader, StreamingDataset, optimize, train_test_split
from sklearn.datasets import load_digits


def one(row):
    pixels, label = row
    return {"x": torch.tensor(pixels).view(1, 8, 8) / 16, "y": label}


class ShardedDigits(L.LightningDataModule):
    """Digits in chunks on the disk, written once."""

    def __init__(self, folder="shards", batch_size=32, num_workers=0, count=600):
        super().__init__()
        self.save_hyperparameters()

    def prepare_data(self):
        if not os.path.exists(f"{self.hparams.folder}/index.json"):
            x, y = load_digits(return_X_y=True)
            rows = [(pixels.tolist(), int(label)) for pixels, label in zip(x, y, strict=True)][: self.hparams.count]
            optimize(one, rows, output_dir=self.hparams.folder, chunk_size=50, num_workers=1)

    def setup(self, stage=None):
        whole = StreamingDataset(self.hparams.folder)
        self.train, self.val, self.test = train_test_split(whole, [0.6, 0.2, 0.2])

    def loader(self, dataset, shuffle=False):
        return StreamingDataLoader(
            dataset,
            batch_size=self.hparams.batch_size,
            num_workers=self.hparams.num_workers,
            shuffle=shuffle,
            collate_fn=lambda rows: (torch.stack([r["x"] for r in rows]), torch.tensor([r["y"] for r in rows])),
        )

    def train_dataloader(self):
        return self.loader(self.train, shuffle=True)

    def val_dataloader(self):
        return self.loader(self.val)

    def test_dataloader(self):
        return self.loader(self.test)
