"""A multilayer perceptron of any widths, its layers named as a text would name them.

Shapes: B batch, K outputs.
"""

import math
from collections import OrderedDict
from collections.abc import Sequence
from difflib import get_close_matches

from torch import Tensor, nn

ACTIVATIONS = {name.lower(): cls for name, cls in vars(nn.modules.activation).items() if isinstance(cls, type)}


class MLP(nn.Sequential):
    """Linear layers of `widths` with an activation after each, and an output layer, on the flattened input.

    `activation` is the name of one of torch.nn's in lower case, such as tanh, sigmoid, relu or gelu. The layers are
    called `hidden_linear`, `hidden_activation` and `output_linear`; of several hidden ones the first `hidden_linear_1`.
    """

    def __init__(self, shape: Sequence[int], outputs: int, *, widths: Sequence[int], activation: str = "tanh"):
        if activation not in ACTIVATIONS:
            near = get_close_matches(activation, ACTIVATIONS, n=1)
            hint = f"did you mean {near[0]}?" if near else "choose tanh, sigmoid, relu or another of torch.nn's"
            raise ValueError(f"model.net.activation={activation}: {hint}")
        layers: OrderedDict[str, nn.Module] = OrderedDict(flatten=nn.Flatten())
        inputs = math.prod(shape)
        for number, width in enumerate(widths, start=1):
            suffix = f"_{number}" if len(widths) > 1 else ""
            layers[f"hidden_linear{suffix}"] = nn.Linear(inputs, width)
            layers[f"hidden_activation{suffix}"] = ACTIVATIONS[activation]()
            inputs = width
        layers["output_linear"] = nn.Linear(inputs, outputs)
        super().__init__(layers)

    def forward(self, x: Tensor) -> Tensor:
        """Return output_BK for x of shape (B, ...)."""
        return super().forward(x)
