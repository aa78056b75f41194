from typing import NamedTuple, Optional

import lightning as L
import torch
from sklearn.datasets import load_linnerud, make_regression
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, random_split
from torchmetrics.regression import MeanAbsoluteError, R2Score


class Sample(NamedTuple):
    inputs: Tensor
    targets: Tensor


class TableDataset(Dataset):
    def __init__(self, x, y):
        x, y = torch.as_tensor(x, dtype=torch.float32), torch.as_tensor(y, dtype=torch.float32)
        self.x = (x - x.mean(0)) / x.std(0)
        self.y = (y - y.mean(0)) / y.std(0)

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int) -> Sample:
        return Sample(self.x[index], self.y[index])


class _Table(L.LightningDataModule):
    batch_size: int

    def load(self) -> TableDataset:
        raise NotImplementedError

    def setup(self, stage: Optional[str] = None) -> None:
        generator = torch.Generator().manual_seed(0)
        self.train, self.val, self.test = random_split(self.load(), [0.6, 0.2, 0.2], generator)

    def train_dataloader(self) -> DataLoader:
        return DataLoader(self.train, batch_size=self.batch_size, shuffle=True)

    def val_dataloader(self) -> DataLoader:
        return DataLoader(self.val, batch_size=len(self.val))

    def test_dataloader(self) -> DataLoader:
        return DataLoader(self.test, batch_size=len(self.test))

    def predict_dataloader(self) -> DataLoader:
        return self.test_dataloader()


class FiveTargets(_Table):
    def __init__(self, n_samples: int = 1000, n_features: int = 12, batch_size: int = 32) -> None:
        super().__init__()
        self.n_samples = n_samples
        self.n_features = n_features
        self.batch_size = batch_size

    def load(self) -> TableDataset:
        return TableDataset(
            *make_regression(self.n_samples, self.n_features, n_informative=6, n_targets=5, noise=5.0, random_state=3)
        )


class Linnerud(_Table):
    """Twenty men: chins, situps and jumps against weight, waist and pulse."""

    def __init__(self, batch_size: int = 4) -> None:
        super().__init__()
        self.batch_size = batch_size

    def load(self) -> TableDataset:
        return TableDataset(*load_linnerud(return_X_y=True))


class MultiTargetRegressor(L.LightningModule):
    def __init__(
        self,
        in_features: int = 12,
        target_names: tuple[str, ...] = ("a", "b", "c", "d", "e"),
        hidden: int = 32,
        lr: float = 5e-3,
        weight_decay: float = 1e-4,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.target_names = list(target_names)
        k = len(self.target_names)
        self.trunk = nn.Sequential(nn.Linear(in_features, hidden), nn.SiLU())
        self.heads = nn.ModuleDict({name: nn.Linear(hidden, 1) for name in self.target_names})
        self.val_mae = MeanAbsoluteError(num_outputs=k)
        self.val_r2 = R2Score(multioutput="uniform_average")
        self.test_r2 = R2Score(multioutput="uniform_average")

    def forward(self, x: Tensor) -> Tensor:
        h = self.trunk(x)
        return torch.cat([self.heads[name](h) for name in self.target_names], dim=1)

    def training_step(self, batch: Sample, batch_idx: int) -> Tensor:
        errors = (self(batch.inputs) - batch.targets).pow(2).mean(0)
        self.log("train_mse", errors.mean(), on_step=True, on_epoch=True)
        return errors.mean()

    def validation_step(self, batch: Sample, batch_idx: int) -> None:
        y_hat = self(batch.inputs)
        self.val_mae.update(y_hat, batch.targets)
        self.val_r2.update(y_hat, batch.targets)
        self.log("val_mse", nn.functional.mse_loss(y_hat, batch.targets), prog_bar=True)

    def on_validation_epoch_end(self) -> None:
        for name, value in zip(self.target_names, self.val_mae.compute(), strict=True):
            self.log(f"val_mae/{name}", value)
        self.log("val_r2", self.val_r2.compute())
        self.val_mae.reset()
        self.val_r2.reset()

    def test_step(self, batch: Sample, batch_idx: int) -> None:
        self.test_r2(self(batch.inputs), batch.targets)
        self.log("test_r2", self.test_r2)

    def predict_step(self, batch: Sample, batch_idx: int) -> dict[str, Tensor]:
        return dict(zip(self.target_names, self(batch.inputs).unbind(1), strict=True))

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=self.hparams.lr, weight_decay=self.hparams.weight_decay)
