"""Images beside their masks: what is true, what a net says, and where it is wrong.

Shapes: N images, H height, W width, C channels, K classes.
"""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from src.plot.names import plain, shortened
from src.plot.room import stack, widest
from src.plot.style import BLUE, VERMILION

INCHES = 1.7  # an image's width
SHARE = 0.55  # of a class's colour over an image
NAMED = 12  # classes with a name below
IGNORED = 255
TITLES = ("image", "mask", "prediction", "wrong")
GREY, RED = (0.75, 0.75, 0.75), (0.84, 0.37, 0.0)


def palette(classes: int) -> np.ndarray:
    """Return a colour for each class in [0, 1], (K, 3): black first, then far apart, as VOC's masks have them."""
    colour_K3 = np.zeros((classes, 3), dtype=np.uint8)
    for number in range(classes):
        code, bits = number, 7
        while code:
            for channel in range(3):
                colour_K3[number, channel] |= (code >> channel & 1) << bits
            code, bits = code >> 3, bits - 1
    return colour_K3 / 255


def coloured(mask_HW: np.ndarray, classes: int) -> np.ndarray:
    """Return a mask in the colours of its classes (H, W, 3); what does not count is grey."""
    table = np.tile(np.array(GREY), (256, 1))
    table[:classes] = palette(classes)
    return table[mask_HW]


def over(image_HWC: np.ndarray, mask_HW: np.ndarray, classes: int) -> np.ndarray:
    """Return an image, in [0, 1], under the colours of a mask; what is of the first class stays as it is."""
    rgb_HW3 = np.broadcast_to(image_HWC, (*image_HWC.shape[:2], 3))
    share_HW1 = np.where((mask_HW > 0) & (mask_HW < classes), SHARE, 0)[..., None]
    return (1 - share_HW1) * rgb_HW3 + share_HW1 * coloured(mask_HW, classes)


def mask_rows(
    images_NHWC: np.ndarray,
    target_NHW: np.ndarray,
    label_NHW: np.ndarray,
    captions: Sequence[str],
    *,
    classes: Sequence[str],
    title: str,
) -> Figure:
    """Return a row of four for each image, in [0, 1]: itself, both masks, and its wrong pixels."""
    N, (H, W) = len(images_NHWC), target_NHW.shape[1:]
    height = INCHES * H / W
    figure = Figure(figsize=(4 * INCHES + 1.6, N * (height + 0.12) + 0.9), layout="constrained", dpi=100)
    figure.suptitle(plain(title), fontsize=10)
    panels = figure.subplots(N, 4, squeeze=False)
    for row, (image_HWC, target_HW, label_HW) in enumerate(zip(images_NHWC, target_NHW, label_NHW, strict=True)):
        wrong_HW = (label_HW != target_HW) & (target_HW != IGNORED)
        grey_HW3 = np.repeat(0.35 + 0.5 * image_HWC.mean(axis=-1, keepdims=True), 3, axis=-1)
        shown = (
            np.broadcast_to(image_HWC, (H, W, 3)),
            coloured(target_HW, len(classes)),
            coloured(label_HW, len(classes)),
            np.where(wrong_HW[..., None], RED, grey_HW3),
        )
        for axes, pixels_HW3, name in zip(panels[row], shown, TITLES, strict=True):
            axes.imshow(pixels_HW3, interpolation="nearest")
            axes.set(xticks=[], yticks=[])
            if row == 0:
                axes.set_title(name, fontsize=9)
        panels[row][0].set_ylabel(captions[row], fontsize=8)
    colour_K3 = palette(len(classes))
    handles = [
        Patch(color=tuple(colour_K3[k]), label=plain(shortened(classes[k]))) for k in range(min(NAMED, len(classes)))
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=4, fontsize=8, frameon=False)
    return figure


def class_iou(count_KK: np.ndarray, classes: Sequence[str], *, split: str, most: int = 40) -> Figure:
    """Return a bar of each class's intersection over union, the worst on top; of many the worst alone."""
    both_K, true_K = np.diag(count_KK), count_KK.sum(axis=1)
    score_K = both_K / np.maximum(true_K + count_KK.sum(axis=0) - both_K, 1)
    there_K = [k for k in np.argsort(score_K, kind="stable") if true_K[k]]
    shown = there_K[:most]
    figure = Figure(figsize=(7, 1.4 + 0.3 * len(shown)), dpi=100)
    axes = figure.subplots()
    names = [f"{plain(shortened(classes[k]))} ({true_K[k] / true_K.sum():.1%})" for k in shown]
    bars = axes.barh(range(len(shown)), score_K[shown], color=BLUE)
    axes.bar_label(bars, [f"{score_K[k]:.3f}" for k in shown], padding=4, fontsize=9)
    axes.set_yticks(range(len(shown)), names, fontsize=9)
    axes.set_ylim(len(shown) - 0.4, -0.6)
    mean = score_K[there_K].mean()
    axes.axvline(mean, color=VERMILION, label=f"mean: {mean:.3f}")
    axes.set(xlim=(0, 1.12), xlabel="intersection over union per class (share of the pixels in brackets)")
    axes.set_xticks(np.linspace(0, 1, 6))
    figure.legend(loc="upper right", fontsize=9)
    axes.set_title(f"{split}: {len(shown)} of {len(there_K)} classes", loc="left", fontsize=11, y=1)
    stack([axes], above=0.4, names=widest(names, size=9))
    return figure
