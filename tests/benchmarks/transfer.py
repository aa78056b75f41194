"""Feature extraction on photographs: a normal run against the loop as published, epochs of both in turns.

The published loop decodes, resizes, crops and flips each photograph in 8 worker processes, in every epoch. A normal run
decodes once, which is counted as a part of each of its 13 epochs. Neither computes gradients of the backbone; both
write a checkpoint per epoch.
"""

import tempfile
import time
from collections.abc import Callable
from itertools import product
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader
from torchvision import models, transforms
from torchvision.datasets import ImageFolder

from src.data.read.image_folder import image_folder
from tests.benchmarks.row import Row
from tests.benchmarks.turns import Turns, normal_run

EPOCHS, BATCH_SIZE, WORKERS = 13, 32, 8
PHOTOGRAPHS, SIDES = 192, (500, 375)  # made where there are none: noise, as large as the real ones


def over_published_transfer(data_dir: Path, *, asked: float, rounds: int) -> Row:
    """A normal run of catdog_feature_extraction, from random weights, against the published loop."""
    with tempfile.TemporaryDirectory() as scratch:
        root = data_dir if (data_dir / "catdog" / "train").is_dir() else photographs(Path(scratch))
        return _row(root, Path(scratch), asked=asked, rounds=rounds)


def _row(root: Path, scratch: Path, *, asked: float, rounds: int) -> Row:
    turns = Turns(published(root / "catdog" / "train", scratch / "net.pt"))
    overrides = ["experiment=catdog_feature_extraction", "model.weights=null", f"data_dir={root}", "trainer=cpu"]
    normal_run([*overrides, "data.val_fraction=0", "data.drop_last=false", "monitor=train/loss", "mode=min"], turns,
               epochs=rounds + 1)  # fmt: skip
    decoding_s = decoding(root / "catdog") / EPOCHS
    ours_s, theirs_s = [s + decoding_s for s in turns.run_seconds[1:]], turns.other_seconds[1:]  # the first warms up
    ratios = [theirs / ours for ours, theirs in zip(ours_s, theirs_s, strict=True)]
    return Row("catdog: normal run / published loop", ratios, asked, sides=f"{ours_s[0]:.1f} / {theirs_s[0]:.1f} s")


def published(folder: Path, checkpoint: Path) -> Callable[[], None]:
    """Return a function that trains the head of a frozen resnet18 for an epoch and writes the net."""
    steps = [transforms.Resize([256, 256]), transforms.RandomResizedCrop(224), transforms.RandomHorizontalFlip()]
    loader = DataLoader(
        ImageFolder(str(folder), transforms.Compose([*steps, transforms.ToTensor()])),
        batch_size=BATCH_SIZE, num_workers=WORKERS, shuffle=True,
    )  # fmt: skip
    net = models.resnet18(weights=None).requires_grad_(False)
    net.fc = nn.Linear(512, 2)
    optimizer = torch.optim.Adam(net.fc.parameters())

    def epoch() -> None:
        net.train()
        for x_BCHW, target_B in loader:
            optimizer.zero_grad()
            F.cross_entropy(net(x_BCHW), target_B).backward()
            optimizer.step()
        torch.save(net.state_dict(), checkpoint)

    return epoch


def decoding(root: Path) -> float:
    """The seconds that reading, decoding and resizing the training set takes, once."""
    start_s = time.perf_counter()
    data = image_folder(
        root=str(root), labels=sorted(path.name for path in (root / "train").iterdir()), shape=[3, 224, 224],
        classes=["Cat", "Dog"], task="multiclass", image_size=224, crop_from=256, random_resized_crop=[0.08, 1.0],
        val_fraction=0.0,
    )  # fmt: skip
    data.setup("fit")
    return time.perf_counter() - start_s


def photographs(scratch: Path) -> Path:
    """Write noise as photographs in class folders."""
    random = np.random.default_rng(0)
    for split, name, number in product(("train", "test"), ("Cat", "Dog"), range(PHOTOGRAPHS // 2)):
        path = scratch / "catdog" / split / name / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        small = Image.fromarray(random.integers(0, 256, (24, 32, 3), dtype=np.uint8))
        small.resize(SIDES).save(path)
    return scratch
