"""The cost of softmax regression is one number, however it is written."""

import math
from functools import partial

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.optim import SGD

from tests import toy

SAMPLES, CLASSES = 8, 5


def spellings(logits_BK, target_B):
    """The five ways of writing it, by hand first."""
    hot_BK = F.one_hot(target_B, CLASSES)
    softmax_BK = logits_BK.exp() / logits_BK.exp().sum(1, keepdim=True)
    return {
        "one-hot times -log softmax": (hot_BK * -softmax_BK.log()).sum(1).mean(),
        "with F.softmax": (hot_BK * -F.softmax(logits_BK, dim=1).log()).sum(1).mean(),
        "with F.log_softmax": (hot_BK * -F.log_softmax(logits_BK, dim=1)).sum(1).mean(),
        "F.nll_loss": F.nll_loss(F.log_softmax(logits_BK, dim=1), target_B),
        "F.cross_entropy": F.cross_entropy(logits_BK, target_B),
    }


def test_five_ways_of_writing_the_cost_are_one_number_with_one_gradient():
    torch.manual_seed(0)
    target_B = torch.arange(SAMPLES) % CLASSES
    logits_BK = torch.randn(SAMPLES, CLASSES, dtype=torch.float64, requires_grad=True)
    costs = spellings(logits_BK, target_B)
    rows = zip(logits_BK.tolist(), target_B.tolist(), strict=True)  # once more, without torch
    by_hand = sum(math.log(sum(map(math.exp, row))) - row[target] for row, target in rows) / SAMPLES
    assert [cost.item() for cost in costs.values()] == pytest.approx([by_hand] * 5, rel=1e-12)
    gradient_BK = (logits_BK.detach().softmax(1) - F.one_hot(target_B, CLASSES)) / SAMPLES
    for cost in costs.values():
        (found_BK,) = torch.autograd.grad(cost, logits_BK, retain_graph=True)
        torch.testing.assert_close(found_BK, gradient_BK)


def test_only_the_spellings_with_log_softmax_survive_large_logits():
    costs = spellings(torch.tensor([[0.0, 1000.0, 0.0, 0.0, 0.0]]), torch.tensor([0]))
    assert [cost.item() for cost in list(costs.values())[2:]] == [1000.0] * 3
    assert not any(cost.isfinite() for cost in list(costs.values())[:2])


def test_the_loss_that_a_run_scores_is_that_number(tmp_path):
    model = toy.multiclass(nn.Linear(4, 3), outputs=3, loss=nn.CrossEntropyLoss(), optimizer=partial(SGD, lr=0.1))
    data = toy.tabular(batch_size=5)
    trainer = toy.trainer(tmp_path)
    trainer.test(model, data, verbose=False)
    x_ND, target_N = data.collection["test"][:2]
    rows = zip(model(x_ND).tolist(), target_N.tolist(), strict=True)
    by_hand = sum(math.log(sum(map(math.exp, row))) - row[target] for row, target in rows) / len(target_N)
    assert trainer.callback_metrics["test/loss"].item() == pytest.approx(by_hand, rel=1e-5)
