"""On top of Lightning's own demos."""

import random
from pathlib import Path

import lightning as L
import torch
from lightning.pytorch.demos.boring_classes import BoringModel, RandomDictDataset
from lightning.pytorch.demos.transformer import Transformer, WikiText2
from torch.utils.data import DataLoader


class DictBoring(BoringModel):
    """Learns b = a + 2 from {"a": ..., "b": ...}; brings its own loaders as well."""

    def __init__(self, size=32, lr=0.1):
        super().__init__()
        self.save_hyperparameters()
        self.layer = torch.nn.Linear(size, size)

    def step(self, batch):
        return self.loss(self(batch["a"]), batch["b"])

    def validation_step(self, batch, batch_idx):
        self.log("x", self.step(batch))

    def predict_step(self, batch, batch_idx):
        return self(batch["a"])

    def train_dataloader(self):
        return DataLoader(RandomDictDataset(self.hparams.size, 64), batch_size=4)

    val_dataloader = test_dataloader = predict_dataloader = train_dataloader


class DictBoringData(L.LightningDataModule):
    def __init__(self, size=32, length=128, batch_size=4):
        super().__init__()
        self.size, self.length, self.batch_size = size, length, batch_size

    def train_dataloader(self):
        return DataLoader(RandomDictDataset(self.size, self.length), self.batch_size, shuffle=True)

    def val_dataloader(self):
        return DataLoader(RandomDictDataset(self.size, self.length // 2), batch_size=self.batch_size)

    test_dataloader = predict_dataloader = val_dataloader


class TinyWiki(L.LightningDataModule):
    """WikiText2 of the demo, on a text made up here instead of downloaded."""

    def __init__(self, data_dir="./data", block_size=12, batch_size=8, n_lines=150):
        super().__init__()
        self.save_hyperparameters()
        self.data_dir = Path(data_dir)

    def prepare_data(self):
        path = self.data_dir / "wikitext-2.txt"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            rng = random.Random(0)
            who, does = ["a cat", "a dog", "the cook", "the queen"], ["sees", "likes", "follows"]
            where = ["in the garden", "on the stairs", "by the river"]
            lines = [
                " ".join([rng.choice(who), rng.choice(does), rng.choice(who), rng.choice(where), "."])
                for _ in range(self.hparams.n_lines)
            ]
            path.write_text("\n".join(lines) + "\n", encoding="utf8")

    def setup(self, stage=None):
        dataset = WikiText2(self.data_dir, block_size=self.hparams.block_size, download=False)
        n = len(dataset) - 20
        self.train = torch.utils.data.Subset(dataset, range(n))
        self.val = torch.utils.data.Subset(dataset, range(n, len(dataset)))

    def train_dataloader(self):
        return DataLoader(self.train, self.hparams.batch_size, shuffle=True)

    def val_dataloader(self):
        return DataLoader(self.val, self.hparams.batch_size)


class WikiTransformer(L.LightningModule):
    """Two inputs to forward."""

    def __init__(self, vocab_size=32, ninp=16, nlayers=1, lr=0.01):
        super().__init__()
        self.save_hyperparameters()
        self.model = Transformer(vocab_size=vocab_size, ninp=ninp, nhid=2 * ninp, nlayers=nlayers)

    def forward(self, inputs, target):
        return self.model(inputs, target)

    def _nll(self, batch):
        inputs, target = batch
        return torch.nn.functional.nll_loss(self(inputs, target), target.view(-1))

    def training_step(self, batch, batch_idx):
        loss = self._nll(batch)
        self.log("train_loss", loss, prog_bar=True)
        return loss

    def validation_step(self, batch, batch_idx):
        self.log("val_loss", self._nll(batch), prog_bar=True)

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=self.hparams.lr)
