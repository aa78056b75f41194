"""Makes the folder of a project of one's own, which trains at once: `python -m src.new NAME`; torch-free."""

import keyword
import sys
from importlib.machinery import PathFinder
from pathlib import Path

from src.command.entry import one_line_errors
from src.config.schema import CONF

MODEL = '''\
"""A classifier of small images, in plain Lightning."""

import torch
from lightning import LightningModule
from torch import nn
from torch.nn import functional as F


class Classifier(LightningModule):
    """Pixels in, one score per class out."""

    def __init__(self, hidden: int = 64, lr: float = 0.01):
        super().__init__()
        self.save_hyperparameters()
        self.example_input_array = torch.zeros(2, 1, 8, 8)
        self.net = nn.Sequential(nn.Flatten(), nn.Linear(64, hidden), nn.ReLU(), nn.Linear(hidden, 10))

    def forward(self, images):
        return self.net(images)

    def training_step(self, batch, batch_idx):
        return self._step(batch, "train")

    def validation_step(self, batch, batch_idx):
        self._step(batch, "val")

    def test_step(self, batch, batch_idx):
        self._step(batch, "test")

    def predict_step(self, batch, batch_idx):
        images, _ = batch
        return self(images).softmax(dim=1)

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=self.hparams.lr)

    def _step(self, batch, split):
        images, labels = batch
        scores = self(images)
        loss = F.cross_entropy(scores, labels)
        accuracy = (scores.argmax(dim=1) == labels).float().mean()
        self.log(f"{split}/loss", loss, on_step=False, on_epoch=True, batch_size=len(labels))
        self.log(f"{split}/accuracy", accuracy, on_step=False, on_epoch=True, batch_size=len(labels))
        return loss
'''
DATA = '''\
"""1,797 handwritten digits of 8 x 8 pixels, which scikit-learn brings along."""

import torch
from lightning import LightningDataModule
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, TensorDataset, random_split


class Digits(LightningDataModule):
    """Three splits, the same ones every time."""

    def __init__(self, batch_size: int = 64):
        super().__init__()
        self.batch_size = batch_size

    def setup(self, stage):
        digits = load_digits()
        images = torch.tensor(digits.images, dtype=torch.float32).unsqueeze(1) / 16
        dataset = TensorDataset(images, torch.tensor(digits.target))
        self.train, self.val, self.test = random_split(dataset, [1297, 250, 250], torch.Generator().manual_seed(0))

    def train_dataloader(self):
        return DataLoader(self.train, batch_size=self.batch_size, shuffle=True)

    def val_dataloader(self):
        return DataLoader(self.val, batch_size=self.batch_size)

    def test_dataloader(self):
        return DataLoader(self.test, batch_size=self.batch_size)

    def predict_dataloader(self):
        return DataLoader(self.test, batch_size=self.batch_size)
'''
README = """\
# NAME

    python -m src.train model=NAME data=NAME                        # in this folder; src-train does the same
    python -m src.train model=NAME data=NAME model.lr=0.001 trainer.max_epochs=20
    python -m src.train -m model=NAME data=NAME seed=0,1,2 sweep=first
    python -m src.report run=outputs/sweeps/first
    python -m src.train run=last                                    # goes on where a run was stopped

`NAME/model.py` and `NAME/data.py` are plain Lightning, `conf/model/NAME.yaml` and `conf/data/NAME.yaml` name them and
set their arguments. A run is a folder under `outputs`, which records the commit of this code, too, after `git init`.
"""
FILES = {
    "NAME/__init__.py": '"""NAME: a model and its data."""\n',
    "NAME/model.py": MODEL,
    "NAME/data.py": DATA,
    "conf/model/NAME.yaml": "_target_: NAME.model.Classifier\nhidden: 64\nlr: 0.01\n",
    "conf/data/NAME.yaml": "_target_: NAME.data.Digits\nbatch_size: 64\n",
    "README.md": README,
    ".gitignore": "__pycache__/\n/outputs/\n/data/\n/conf/local/\n",
}
TAKEN = ("src", "conf", "data", "outputs")  # folders that the project has or gets


def main() -> None:
    """Make the folder that the command line names, and say what to type there."""
    with one_line_errors():
        arguments = sys.argv[1:]
        if arguments in (["--help"], ["-h"]):
            print(__doc__)
            return
        if len(arguments) != 1:
            raise ValueError("src.new takes one name: python -m src.new NAME")
        (name,) = arguments
        make(Path(name), name)
        print(f"next: cd {name}\n      python -m src.train model={name} data={name}")


def make(folder: Path, name: str) -> None:
    """Write a project whose package is called `name` into `folder`; raises ValueError where that is not possible."""
    check_name(name)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(f"{name}: {folder.absolute()} holds something already: choose another name")
    for file, text in FILES.items():
        path = folder / file.replace("NAME", name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace("NAME", name), encoding="utf-8")


def check_name(name: str) -> None:
    """Raise ValueError where no package can have `name`, or something else has it."""
    if not name.isidentifier() or keyword.iskeyword(name):
        raise ValueError(f"{name}: no name of a Python package: use letters, digits and _, such as my_project")
    elsewhere = [place for place in sys.path if Path(place).resolve() != Path.cwd()]
    if name in (*TAKEN, *sys.stdlib_module_names) or PathFinder.find_spec(name, elsewhere):
        raise ValueError(f"{name}: there is a package or folder of this name already: choose another")
    for group in ("model", "data"):
        if (CONF / group / f"{name}.yaml").exists():
            raise ValueError(f"{name}: {group}={name} is an option of the framework's: choose another name")


if __name__ == "__main__":
    main()
