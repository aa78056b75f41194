"""A recurrent network over the tokens of a text: Elman's, LSTM or GRU.

Elman 1990, "Finding structure in time"; Hochreiter & Schmidhuber 1997; Cho et al. 2014, arXiv:1406.1078.

Shapes: B batch, L tokens, E embedding, H hidden, K outputs.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence

from src.net.padding import PADDING, check_vocabulary

CELLS = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}


class RNN(nn.Module):
    """Embeds the tokens, reads them with `layers` of a `cell`, rnn, lstm or gru, and judges by its last states.

    A `bidirectional` one reads from the end, too. Texts are packed: no step is taken on padding. `vocabulary` is the
    number of tokens that there are.
    """

    def __init__(
        self,
        shape: Sequence[int],
        outputs: int,
        *,
        vocabulary: int | None,
        cell: str = "gru",
        embedding: int = 64,
        width: int = 64,
        layers: int = 1,
        bidirectional: bool = True,
        dropout: float = 0.5,
    ):
        if cell not in CELLS:
            raise ValueError(f"model.net.cell={cell}: choose from {', '.join(CELLS)}")
        super().__init__()
        self.embedding = nn.Embedding(check_vocabulary(vocabulary, "rnn"), embedding, padding_idx=PADDING)
        self.dropout = nn.Dropout(dropout)
        self.recurrent = CELLS[cell](
            embedding,
            width,
            layers,
            batch_first=True,
            bidirectional=bidirectional,
            dropout=dropout if layers > 1 else 0.0,
        )
        self.directions = 2 if bidirectional else 1
        self.output = nn.Linear(width * self.directions, outputs)

    def forward(self, token_BL: Tensor) -> Tensor:
        """Return output_BK for token numbers of any dtype; a text of padding alone is read as one token of it."""
        token_BL = token_BL.long()
        length_B = (token_BL != PADDING).sum(dim=1).clamp(min=1)
        if token_BL.is_meta:  # shapes without numbers: all are as long as can be
            length_B = torch.full(length_B.shape, token_BL.shape[1], device="cpu")
        embedded_BLE = self.dropout(self.embedding(token_BL))
        packed = pack_padded_sequence(embedded_BLE, length_B.cpu(), batch_first=True, enforce_sorted=False)
        state = self.recurrent(packed)[1]
        last_DBH = (state[0] if isinstance(state, tuple) else state)[-self.directions :]
        return self.output(self.dropout(last_DBH.transpose(0, 1).flatten(1)))
