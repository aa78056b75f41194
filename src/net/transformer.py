"""The encoder of a transformer over the tokens of a text (Vaswani et al. 2017, arXiv:1706.03762).

Shapes: B batch, L tokens, E embedding, K outputs.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from src.net.padding import PADDING, check_vocabulary


class Transformer(nn.Module):
    """Embeds tokens and their positions, lets them attend to one another, and judges by the mean of what comes out.

    Positions are learnt, and layers normalise first. Padding is neither attended to nor averaged. `vocabulary` is the
    number of tokens that there are, `shape` (L,) the most that a text has.
    """

    def __init__(
        self,
        shape: Sequence[int],
        outputs: int,
        *,
        vocabulary: int | None,
        embedding: int = 64,
        heads: int = 4,
        layers: int = 2,
        widening: int = 4,
        dropout: float = 0.3,
    ):
        if embedding % heads:
            raise ValueError(
                f"model.net.heads={heads}: model.net.embedding={embedding} is parted among them: set a divisor"
            )
        super().__init__()
        self.embedding = nn.Embedding(check_vocabulary(vocabulary, "transformer"), embedding, padding_idx=PADDING)
        self.position = nn.Parameter(0.02 * torch.randn(shape[0], embedding))
        self.dropout = nn.Dropout(dropout)
        layer = nn.TransformerEncoderLayer(
            embedding, heads, widening * embedding, dropout, activation="gelu", batch_first=True, norm_first=True
        )
        self.encoder = nn.TransformerEncoder(layer, layers, nn.LayerNorm(embedding), enable_nested_tensor=False)
        self.output = nn.Linear(embedding, outputs)

    def forward(self, token_BL: Tensor) -> Tensor:
        """Return output_BK for token numbers of any dtype; a text of padding alone is read as one token of it."""
        token_BL = token_BL.long()
        is_padding_BL = token_BL == PADDING
        is_padding_BL[:, 0] = False  # else nothing is left to attend to
        x_BLE = self.dropout(self.embedding(token_BL) + self.position[: token_BL.shape[1]])
        x_BLE = self.encoder(x_BLE, src_key_padding_mask=is_padding_BL)
        there_BL1 = (~is_padding_BL).unsqueeze(2).to(x_BLE.dtype)
        return self.output(self.dropout((x_BLE * there_BL1).sum(dim=1) / there_BL1.sum(dim=1)))
