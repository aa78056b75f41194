import lightning.pytorch as pl
import torch
import torchmetrics
from sklearn.datasets import make_multilabel_classification
from sklearn.model_selection import train_test_split
from torch.utils.data import DataLoader, TensorDataset


class TagsData(pl.LightningDataModule):
    def __init__(self, n_labels=6, n_features=24, batch_size=32):
        super().__init__()
        self.n_labels, self.n_features, self.batch_size = n_labels, n_features, batch_size

    def setup(self, stage=None):
        X, Y = make_multilabel_classification(
            n_samples=1200, n_features=self.n_features, n_classes=self.n_labels, n_labels=2, length=40, random_state=7
        )
        X = torch.tensor(X).float()
        Y = torch.tensor(Y).float()
        X_train, X_rest, Y_train, Y_rest = train_test_split(X, Y, test_size=400, random_state=7)
        X_val, X_test, Y_val, Y_test = train_test_split(X_rest, Y_rest, test_size=200, random_state=7)
        mean, std = X_train.mean(0), X_train.std(0) + 1e-6
        self.ds = {
            "train": TensorDataset((X_train - mean) / std, Y_train),
            "val": TensorDataset((X_val - mean) / std, Y_val),
            "test": TensorDataset((X_test - mean) / std, Y_test),
        }
        # rare tags count for more
        positives = Y_train.sum(0).clamp(min=1)
        self.pos_weight = (len(Y_train) - positives) / positives

    def train_dataloader(self):
        return DataLoader(self.ds["train"], batch_size=self.batch_size, shuffle=True)

    def val_dataloader(self):
        return DataLoader(self.ds["val"], batch_size=2 * self.batch_size)

    def test_dataloader(self):
        return DataLoader(self.ds["test"], batch_size=2 * self.batch_size)

    def predict_dataloader(self):
        # new samples have no labels
        return DataLoader(TensorDataset(self.ds["test"].tensors[0]), batch_size=2 * self.batch_size)


class Tagger(pl.LightningModule):
    def __init__(self, n_features=24, n_labels=6, hidden=48, threshold=0.5, learning_rate=3e-3):
        super().__init__()
        self.save_hyperparameters()
        self.model = torch.nn.Sequential(
            torch.nn.Linear(n_features, hidden),
            torch.nn.ReLU(),
            torch.nn.Dropout(0.1),
            torch.nn.Linear(hidden, n_labels),
        )
        self.register_buffer("pos_weight", torch.ones(n_labels))
        metrics = torchmetrics.MetricCollection(
            {
                "f1": torchmetrics.classification.MultilabelF1Score(num_labels=n_labels, threshold=threshold),
                "f1_micro": torchmetrics.classification.MultilabelF1Score(num_labels=n_labels, average="micro"),
                "map": torchmetrics.classification.MultilabelAveragePrecision(num_labels=n_labels),
            }
        )
        self.val_metrics = metrics.clone(prefix="val_")
        self.test_metrics = metrics.clone(prefix="test_")

    def setup(self, stage):
        if stage == "fit":
            self.pos_weight.copy_(self.trainer.datamodule.pos_weight)

    def forward(self, x):
        return self.model(x)

    def loss(self, logits, y):
        return torch.nn.functional.binary_cross_entropy_with_logits(logits, y, pos_weight=self.pos_weight)

    def training_step(self, batch, batch_idx):
        x, y = batch
        loss = self.loss(self(x), y)
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch, batch_idx):
        x, y = batch
        logits = self(x)
        self.val_metrics.update(logits.sigmoid(), y.long())
        self.log("val_loss", self.loss(logits, y), prog_bar=True)

    def on_validation_epoch_end(self):
        self.log_dict(self.val_metrics.compute(), prog_bar=True)
        self.val_metrics.reset()

    def test_step(self, batch, batch_idx):
        x, y = batch
        self.test_metrics.update(self(x).sigmoid(), y.long())

    def on_test_epoch_end(self):
        self.log_dict(self.test_metrics.compute())
        self.test_metrics.reset()

    def predict_step(self, batch, batch_idx):
        return self(batch[0]).sigmoid() > self.hparams.threshold

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=self.hparams.learning_rate)
