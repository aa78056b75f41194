"""Class weights are those of the losses, and balanced ones those of the training split."""

import pytest
import torch
from torch import nn

from tests import toy


def model(class_weights):
    options = {"outputs": 3, "loss": nn.CrossEntropyLoss(), "optimizer": torch.optim.SGD}
    return toy.multiclass(nn.Linear(4, 3), class_weights=class_weights, **options)


def test_balanced_class_weights_are_inverse_to_the_frequencies_of_the_training_split(tmp_path):
    def read(*, split):
        target_N = torch.tensor([0] * 20 + [1] * 10 + [2] * 5)
        return torch.randn(35, 4), target_N

    data = toy.tabular(val_fraction=0.0)
    data.collection.read = read
    module = model("balanced")
    toy.trainer(tmp_path).fit(module, data)
    torch.testing.assert_close(module.loss.weight, torch.tensor([35 / 60, 35 / 30, 35 / 15]))


def test_stated_class_weights_are_cross_entropys():
    module = model([1.0, 2.0, 3.0])
    logits_BK, target_B = torch.randn(6, 3), torch.arange(6) % 3
    expected = nn.functional.cross_entropy(logits_BK, target_B, weight=torch.tensor([1.0, 2.0, 3.0]))
    torch.testing.assert_close(module.loss(logits_BK, target_B), expected)


def test_class_weights_of_two_classes_weigh_binary_cross_entropy():
    options = {"outputs": 1, "optimizer": torch.optim.SGD}
    module = toy.binary(nn.Linear(4, 1), loss=nn.BCEWithLogitsLoss(), class_weights=[1.0, 3.0], **options)
    logit_B, target_B = torch.randn(6), torch.arange(6) % 2
    weight_B = torch.where(target_B == 1, 3.0, 1.0)
    expected = nn.functional.binary_cross_entropy_with_logits(logit_B, target_B.float(), weight=weight_B)
    torch.testing.assert_close(module.loss(logit_B, module.task.target(target_B)), expected)


@pytest.mark.parametrize("weights", ["balance", [1.0, 2.0], [1.0, -1.0, 1.0]])
def test_class_weights_that_are_none_are_refused(weights):
    with pytest.raises(ValueError, match=r"model\.class_weights=.*for each of 3 classes, or balanced"):
        model(weights)


def test_numbers_have_no_class_weights():
    with pytest.raises(ValueError, match="Regression has no classes"):
        toy.regression(
            nn.Linear(4, 1), outputs=1, loss=nn.MSELoss(), optimizer=torch.optim.SGD, class_weights=[1.0, 2.0]
        )
