"""What several processes make of the parts of a batch adds up to what one makes of the whole."""

import pytest
import torch
from torch.nn import functional as F

from src.model.share import share_of_mean


@pytest.mark.parametrize("sizes", [(4, 4), (3, 2, 2), (1, 1, 0)])
def test_what_the_parts_of_a_batch_add_is_its_mean_loss(sizes):
    torch.manual_seed(0)
    logits_BK, target_B = torch.randn(sum(sizes), 3), torch.arange(sum(sizes)) % 3
    added = 0.0
    for rows in torch.arange(sum(sizes)).split(sizes):
        count, rows = len(rows), rows if len(rows) else torch.tensor([0])  # one that counts for nothing
        loss = F.cross_entropy(logits_BK[rows], target_B[rows])
        added += share_of_mean(loss, count=count, samples=sum(sizes), mass=None).item()
    assert added == pytest.approx(F.cross_entropy(logits_BK, target_B).item(), rel=1e-6)
