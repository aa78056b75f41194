"""Each pixel has a class or counts nowhere; scores are those of a confusion matrix counted by hand."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from src.model.meter import MAX_VALUES, Meter
from src.task.segmentation import IGNORED, PixelCrossEntropy, Segmentation

K = 3
NAMES = ("miou", "jaccard_index", "dice", "f1", "accuracy")


def task(**settings: object) -> Segmentation:
    return Segmentation(outputs=K, loss=PixelCrossEntropy(), **settings)  # type: ignore[arg-type]


def images(count: int, *, seed: int = 0, classes: int = K) -> tuple[Tensor, Tensor]:
    """Logits of images of 4 x 5 pixels and their classes, a fifth of them ignored."""
    random = torch.Generator().manual_seed(seed)
    logits_BKHW = torch.randn(count, K, 4, 5, generator=random)
    target_BHW = torch.randint(classes, (count, 4, 5), generator=random)
    return logits_BKHW, target_BHW.masked_fill(torch.rand(count, 4, 5, generator=random) < 0.2, IGNORED)


def by_hand(logits_BKHW: Tensor, target_BHW: Tensor) -> dict[str, float]:
    """The scores, from counts of numpy."""
    label, target = logits_BKHW.argmax(dim=1).numpy().ravel(), target_BHW.numpy().ravel()
    label, target = label[target != IGNORED], target[target != IGNORED]
    present = np.unique(target)
    both = np.array([((label == k) & (target == k)).sum() for k in present])
    either = np.array([((label == k) | (target == k)).sum() for k in present])
    miou, dice = (both / either).mean(), (2 * both / (both + either)).mean()
    return {"miou": miou, "jaccard_index": miou, "dice": dice, "f1": dice, "accuracy": (label == target).mean()}


@pytest.mark.parametrize("classes", [2, 3])
def test_the_scores_are_those_of_the_counted_pixels_over_the_classes_that_there_are(classes: int) -> None:
    logits_BKHW, target_BHW = images(7, classes=classes)
    meter, made = Meter(task(metrics=NAMES)), task()
    for part in (slice(0, 3), slice(3, 7)):
        meter.add(torch.tensor(1.0), logits_BKHW[part], made.label(target_BHW[part]))
    found = meter.compute()
    assert {name: found[name].item() for name in NAMES} == pytest.approx(by_hand(logits_BKHW, target_BHW), rel=1e-5)
    assert ("miou" in meter.notes) == (classes == 2)


def test_ignored_pixels_change_neither_loss_nor_score() -> None:
    logits_BKHW, target_BHW = images(4)
    others_BKHW = torch.where((target_BHW == IGNORED)[:, None], torch.randn_like(logits_BKHW), logits_BKHW)
    made = task()
    assert made.loss(logits_BKHW, target_BHW) == made.loss(others_BKHW, target_BHW)
    counts = target_BHW != IGNORED
    flat_PK = logits_BKHW.permute(0, 2, 3, 1)[counts]
    torch.testing.assert_close(
        made.loss(logits_BKHW, target_BHW), nn.functional.cross_entropy(flat_PK, target_BHW[counts])
    )


def test_a_batch_in_which_no_pixel_counts_has_loss_zero_and_no_gradient() -> None:
    logits_BKHW = torch.randn(2, K, 3, 3, requires_grad=True)
    loss = task().loss(logits_BKHW, torch.full((2, 3, 3), IGNORED))
    loss.backward()
    assert loss.item() == 0
    assert logits_BKHW.grad is not None
    assert not logits_BKHW.grad.any()


@pytest.mark.parametrize("weight", [None, [1.0, 2.0, 5.0]])
def test_parts_of_a_batch_weighed_by_their_mass_have_the_loss_of_the_whole(weight: list[float] | None) -> None:
    made, (logits_BKHW, target_BHW) = task(class_weights=weight), images(5)
    parts = [
        (made.loss(logits_BKHW[rows], target_BHW[rows]), made.mass(target_BHW[rows]))
        for rows in (slice(2), slice(2, 5))
    ]
    whole = sum(loss * mass for loss, mass in parts) / sum(mass for _, mass in parts)
    torch.testing.assert_close(whole, made.loss(logits_BKHW, target_BHW))


def test_pixels_are_kept_in_a_byte_each_and_no_more_of_them_than_a_bound() -> None:
    meter, made = Meter(task(metrics=["miou"])), task()
    target_BHW = made.label(torch.zeros(1, 1024, 1024, dtype=torch.long))
    for _ in range(9):
        meter.add(torch.tensor(0.0), torch.zeros(1, K, 1024, 1024), target_BHW)
        assert sum(kept_B.numel() for _, kept_B, _ in meter._pending) < MAX_VALUES
        assert {part.dtype for _, *parts in meter._pending for part in parts} <= {torch.uint8}
    assert meter.samples() == 9


def test_a_score_of_probabilities_is_no_score_of_masks() -> None:
    with pytest.raises(ValueError, match="auroc"):
        task(metrics=["auroc"])


def test_a_net_that_gives_a_class_per_image_is_one_line() -> None:
    with pytest.raises(ValueError, match=r"expected \[2, 3, height, width\]: choose a net .* model=unet"):
        task().output(torch.zeros(2, K))
