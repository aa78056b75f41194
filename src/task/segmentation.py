"""A class for every pixel, told by K logits of each.

Shapes: B batch, K classes, H height, W width.
"""

import inspect

import torch
import torchmetrics.classification
from torch import Tensor, nn
from torchmetrics import Metric

from src.task.metric import classes_in, metric_class, word
from src.task.seen import Counts
from src.task.task import Task

IGNORED = 255  # the number of a pixel that counts nowhere, of no class or beyond an image's edge

OF_EACH = ("F1Score", "JaccardIndex", "Precision", "Recall", "Specificity", "NegativePredictiveValue")
OF_ALL = ("Accuracy", "HammingDistance", "CohenKappa", "MatthewsCorrCoef")
_FOUND = classes_in(torchmetrics.classification, "Multiclass")
METRICS = {name: _FOUND[name] for name in (*OF_EACH, *OF_ALL)}  # those of class numbers: probabilities are not kept
METRICS |= {"Miou": _FOUND["JaccardIndex"], "Dice": _FOUND["F1Score"]}
SEVERAL = ("cohenkappa", "matthewscorrcoef", "specificity", "negativepredictivevalue")  # no value for one class alone


class PixelCrossEntropy(nn.CrossEntropyLoss):
    """Cross-entropy, the mean over the pixels that count; 0 where none does."""

    def forward(self, output_BKHW: Tensor, target_BHW: Tensor) -> Tensor:
        """Return a scalar."""
        target_BHW = target_BHW.masked_fill(target_BHW == IGNORED, self.ignore_index)
        if (target_BHW != self.ignore_index).any():
            return super().forward(output_BKHW, target_BHW)
        return output_BKHW.sum() * 0


class Segmentation(Task):
    """A logit per class and pixel; the loss is cross-entropy over the pixels that are not IGNORED.

    Scores such as miou (jaccard_index) and dice (f1) are the mean over the classes that some pixel has; accuracy is the
    share of pixels that are right. `class_weights` weigh the classes of pixels.
    """

    form = "masks"

    def metric(self, name: str) -> Metric:
        """Return the metric of that name: of all pixels, or for each class."""
        kind = metric_class(name, METRICS)
        of_each = kind in [METRICS[each] for each in OF_EACH]
        options = {"average": "none" if of_each else "micro"} if "average" in inspect.signature(kind).parameters else {}
        return kind(num_classes=self.outputs, ignore_index=IGNORED, validate_args=False, **options)

    def example(self) -> tuple[Tensor, Tensor]:
        """Return an image with a pixel of each class, the first of them wrong, and one that is ignored."""
        target_11W = torch.tensor([*range(self.outputs), 0, IGNORED])[None, None]
        label_11W = target_11W.clamp(max=self.outputs - 1)
        label_11W[..., 0] = self.outputs - 1
        return label_11W, target_11W

    def seen(self) -> Counts:
        """Count the pixels of each class."""
        return Counts(self.outputs)

    def undefined(self, name: str, seen: Metric) -> str:
        """Say where no pixel is of a class, or all are of one and the metric compares several."""
        present = seen.compute().nonzero().flatten().tolist()
        if not present:
            return "no pixel is of a class"
        return f"all pixels are of class {present[0]}" if word(name) in SEVERAL and len(present) == 1 else ""

    def averaged(self, name: str, value: Tensor, seen: Metric) -> tuple[Tensor, str]:
        """Return the mean over the classes that have pixels, and which have none."""
        if value.shape != (self.outputs,):
            return value, ""
        present_K = seen.compute() > 0
        absent = ", ".join(map(str, (~present_K).nonzero().flatten().tolist()))
        return value[present_K].mean(), f"the mean over the classes that have pixels, not {absent}" if absent else ""

    def output(self, output_BKHW: Tensor) -> Tensor:
        """Return the logits of each pixel; raises ValueError where they are of another shape."""
        if output_BKHW.ndim != 4 or output_BKHW.shape[1] != self.outputs:
            shape = list(output_BKHW.shape)
            raise ValueError(
                f"its output has shape {shape}, expected [{len(output_BKHW)}, {self.outputs}, height, width]: choose a "
                "net that gives a class per pixel, model=unet"
            )
        return output_BKHW

    def label(self, target_BHW: Tensor) -> Tensor:
        """Return the class of each pixel in a byte, as many are kept; raises ValueError for targets that are others."""
        if target_BHW.ndim != 3:
            raise ValueError(
                f"targets have shape {list(target_BHW.shape)}, and each pixel needs a class: let the data give masks"
            )
        return target_BHW.to(torch.uint8)

    def mass(self, target_BHW: Tensor) -> Tensor | None:
        """Return the number of pixels that count, by the weights of their classes: the loss divides by that."""
        weight_K = getattr(self.loss, "weight", None)
        if weight_K is None:
            return (target_BHW != IGNORED).sum().float()
        return torch.cat([weight_K, weight_K.new_zeros(1)])[target_BHW.clamp(max=self.outputs)].sum()

    def weigh(self, weight_K: Tensor) -> None:
        """Weigh the classes in the loss."""
        if not isinstance(self.loss, nn.CrossEntropyLoss):
            raise ValueError(f"model.class_weights={self.class_weights}: {type(self.loss).__name__} takes no weights")
        self.loss.weight = weight_K

    def kept(self, output_BKHW: Tensor) -> Tensor:
        """Return the class of each pixel in a byte."""
        return output_BKHW.argmax(dim=1).to(torch.uint8)

    def scored(self, kept_BHW: Tensor) -> Tensor:
        """Return the class of each pixel."""
        return kept_BHW.long()

    def predict(self, output_BKHW: Tensor) -> Tensor:
        """Return the class_BHW of each pixel."""
        return output_BKHW.argmax(dim=1)
