"""How much each pixel of an image says for a class, most by captum (Kokhlikyan et al. 2020, arXiv:2009.07896).

Every method takes a net that gives scores (1, K) of an image (1, C, H, W), and gives (H, W), summed over channels.
Where one needs an image that says nothing, it takes zeros: the mean colour, where images are normalised.

Shapes: B batch, C channels, H height, W width, K classes.
"""

import math
from types import ModuleType

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from src.net.layers import as_map, find_layer, map_of

STEPS = 64  # points on the line from zeros to the image
AT_ONCE = 16  # images that go through the net at once, of those that a method makes of one
PATCHES = 8  # a side, of which occlusion hides one, by half of one further


def saliency(net: nn.Module, x_1CHW: Tensor, *, target: int) -> Tensor:
    """Return the size of the score's gradient, >= 0 (Simonyan et al. 2014, arXiv:1312.6034)."""
    return _summed(_captum().Saliency(net).attribute(_leaf(x_1CHW), target=target))


def integrated_gradients(net: nn.Module, x_1CHW: Tensor, *, target: int) -> Tensor:
    """Return the gradient over the line from zeros to the image, times the image (Sundararajan et al. 2017).

    It adds up to the image's score minus that of zeros. arXiv:1703.01365
    """
    method = _captum().IntegratedGradients(net)
    return _summed(method.attribute(_leaf(x_1CHW), target=target, n_steps=STEPS, internal_batch_size=AT_ONCE))


def occlusion(net: nn.Module, x_1CHW: Tensor, *, target: int) -> Tensor:
    """Return by how much the score falls where a patch is zeros, the mean over patches (Zeiler and Fergus 2014).

    A patch is an eighth of the image a side. arXiv:1311.2901
    """
    _, C, H, W = x_1CHW.shape
    patch = (C, math.ceil(H / PATCHES), math.ceil(W / PATCHES))
    strides = (C, math.ceil(patch[1] / 2), math.ceil(patch[2] / 2))
    with torch.no_grad():
        found_1CHW = (
            _captum()
            .Occlusion(net)
            .attribute(
                x_1CHW, sliding_window_shapes=patch, strides=strides, target=target, perturbations_per_eval=AT_ONCE
            )
        )
    return found_1CHW[0].mean(dim=0)  # the same in every channel: all are hidden at once


def grad_cam(net: nn.Module, x_1CHW: Tensor, *, target: int, layer: str) -> Tensor:
    """Return a layer's map, its channels weighed by their mean gradient, >= 0 (Selvaraju et al. 2017).

    Raises ValueError where the layer has no map. arXiv:1610.02391
    """
    map_of(net, layer, x_1CHW)
    outputs: list[Tensor] = []

    def keep(module: nn.Module, inputs: object, output: Tensor) -> Tensor:
        outputs.append(output)
        return output.clone()  # an in-place activation after the layer would write into its output

    hook = find_layer(net, layer).register_forward_hook(keep)
    try:
        with torch.enable_grad():
            score = net(_leaf(x_1CHW))[0, target]
    finally:
        hook.remove()
    (gradient,) = torch.autograd.grad(score, outputs[-1])
    map_1Chw, gradient_1Chw = as_map(outputs[-1], x_1CHW), as_map(gradient, x_1CHW)
    assert map_1Chw is not None
    assert gradient_1Chw is not None
    found_11hw = (gradient_1Chw.mean(dim=(2, 3), keepdim=True) * map_1Chw).sum(dim=1, keepdim=True).relu().detach()
    return F.interpolate(found_11hw, size=x_1CHW.shape[2:], mode="bilinear", align_corners=False)[0, 0]


class Scores(nn.Module):
    """A net's score for each output (B, K): the first of several tensors; of maps their mean.

    Where there are two `classes` and one logit, of class 1, its negative is the score of class 0.
    """

    def __init__(self, net: nn.Module, *, classes: bool = True):
        super().__init__()
        self.net = net
        self.classes = classes

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Return score_BK."""
        output = self.net(x_BCHW)
        logit_BK = output[0] if isinstance(output, tuple) else output
        logit_BK = logit_BK.view(len(logit_BK), -1) if logit_BK.ndim < 3 else logit_BK.flatten(2).mean(dim=2)
        return torch.cat([-logit_BK, logit_BK], dim=1) if self.classes and logit_BK.shape[1] == 1 else logit_BK


def _leaf(x_1CHW: Tensor) -> Tensor:
    return x_1CHW.detach().clone().requires_grad_()


def _summed(found_1CHW: Tensor) -> Tensor:
    return found_1CHW.detach()[0].sum(dim=0)


def _captum() -> ModuleType:
    try:
        import captum.attr
    except ModuleNotFoundError as error:
        raise ValueError(
            "this method needs the package captum, of the extra explain: pip install captum, or -e '.[explain]'"
        ) from error
    return captum.attr
