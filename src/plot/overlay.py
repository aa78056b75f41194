"""What each pixel says for a class, beside the image and laid over it.

Shapes: H height, W width, C channels (1 grey, 3 RGB).
"""

import numpy as np
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from src.plot.names import plain

CLIP = 99  # percent: some pixels of a gradient are far above all others, and would leave the rest blank


def overlay(image_HWC: np.ndarray, value_HW: np.ndarray, *, title: str) -> Figure:
    """Return three panels: the image, values in [0, 1]; what its pixels say; and that laid over the image in grey.

    What speaks for the class is orange, what speaks against it purple; where there is nothing against it, bright.
    """
    is_signed = bool((value_HW < 0).any())
    extreme = float(np.percentile(np.abs(value_HW), CLIP)) or float(np.abs(value_HW).max()) or 1.0
    color_map, limits = ("PuOr_r", (-extreme, extreme)) if is_signed else ("viridis", (0.0, extreme))
    scale = Normalize(*limits, clip=True)
    grey_HW = image_HWC.mean(axis=-1)
    height = 3.0 * value_HW.shape[0] / value_HW.shape[1]
    figure = Figure(figsize=(10, height + 0.7), dpi=110, layout="constrained")
    figure.suptitle(plain(title), fontsize=10)
    panels = figure.subplots(1, 3)
    panels[0].imshow(grey_HW if image_HWC.shape[-1] == 1 else image_HWC, cmap="gray", vmin=0, vmax=1)
    shown = panels[1].imshow(value_HW, cmap=color_map, norm=scale)
    panels[2].imshow(grey_HW, cmap="gray", vmin=0, vmax=1)
    panels[2].imshow(value_HW, cmap=color_map, norm=scale, alpha=0.75 * np.minimum(np.abs(value_HW) / extreme, 1))
    for axes, name in zip(panels, ("image", "attribution", "laid over the image"), strict=True):
        axes.set_axis_off()
        axes.set_title(name, fontsize=8)
    figure.colorbar(shown, ax=panels[1], fraction=0.046, extend="both" if is_signed else "max")
    return figure
