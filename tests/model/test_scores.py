"""Losses and metrics of the three tasks are scikit-learn's and torch's, counted over every sample once."""

from pathlib import Path
from typing import Any

import pytest
import torch
from sklearn import metrics
from torch import Tensor, nn
from torch.nn import functional as F

from src.model.supervised import Supervised
from tests import toy

MODELS = {
    "binary": (nn.BCEWithLogitsLoss, 2),
    "multiclass": (nn.CrossEntropyLoss, 3),
    "regression": (nn.MSELoss, 0),
}
SIZES = {"train": 103, "test": 57, "val_fraction": 0.4, "batch_size": 10}  # uneven last batches everywhere


def model(task: str, *, lr: float = 0.05, **settings: Any) -> Any:
    torch.manual_seed(0)
    loss, classes = MODELS[task]
    outputs = classes if task == "multiclass" else 1

    def sgd(parameters: Any) -> torch.optim.Optimizer:
        return torch.optim.SGD(parameters, lr=lr)

    return toy.supervised(
        task, nn.Linear(4, outputs), **{"outputs": outputs, "loss": loss(), "optimizer": sgd} | settings
    )


def data(task: str, **settings: Any) -> Any:
    return toy.tabular(outputs=MODELS[task][1], task=task, **SIZES | settings)


def scored(folder: Path, task: str, names: list[str], split: str) -> tuple[dict[str, float], Tensor, Tensor]:
    """Return a trained model's scores on a split, and by hand: the net's outputs (N, K) and the targets (N,)."""
    trained, module, trainer = model(task, metrics=names), data(task), toy.trainer(folder, log_every_n_steps=1000)
    trainer.fit(trained, module)
    (trainer.validate if split == "val" else trainer.test)(trained, module, verbose=False)
    x_ND, target_N = toy.table(
        SIZES["train" if split == "val" else "test"], 4, MODELS[task][1], seed=2 - (split == "val")
    )
    if split == "val":
        x_ND, target_N = x_ND[module.indices["val"]], target_N[module.indices["val"]]
    with torch.no_grad():
        return {name: value.item() for name, value in trainer.callback_metrics.items()}, trained.net(x_ND), target_N


def calibration_error(confidence_N: Tensor, correct_N: Tensor) -> float:
    """The mean distance of confidence and accuracy over 15 bins, weighted by their samples (Naeini et al. 2015)."""
    total = 0.0
    bin_N = (confidence_N * 15).long().clamp(max=14)
    for number in range(15):
        chosen = bin_N == number
        if chosen.any():
            gap = confidence_N[chosen].mean() - correct_N[chosen].float().mean()
            total += gap.abs().item() * chosen.float().mean().item()
    return total


@pytest.mark.parametrize("split", ["val", "test"])
def test_multiclass_scores_are_scikit_learns(tmp_path, split):
    names = ["accuracy", "f1", "auroc", "calibration_error", "cohen_kappa"]
    scores, logits_NK, target_N = scored(tmp_path, "multiclass", names, split)
    p_NK = logits_NK.double().softmax(dim=1)
    p_NK /= p_NK.sum(dim=1, keepdim=True)
    top_N = p_NK.argmax(dim=1)
    hits = sum(int(a == b) for a, b in zip(top_N.tolist(), target_N.tolist(), strict=True))
    expected = {
        "loss": F.cross_entropy(logits_NK, target_N).item(),
        "accuracy": hits / len(target_N),
        "f1": metrics.f1_score(target_N, top_N, average="macro"),
        "auroc": metrics.roc_auc_score(target_N, p_NK, multi_class="ovr"),
        "calibration_error": calibration_error(p_NK.max(dim=1).values, top_N == target_N),
        "cohen_kappa": metrics.cohen_kappa_score(target_N, top_N),
    }
    assert scores == pytest.approx({f"{split}/{name}": value for name, value in expected.items()}, rel=1e-5)


@pytest.mark.parametrize("split", ["val", "test"])
def test_binary_scores_are_scikit_learns(tmp_path, split):
    names = ["accuracy", "f1", "auroc", "calibration_error", "average_precision"]
    scores, logits_N1, target_N = scored(tmp_path, "binary", names, split)
    p_N = logits_N1.squeeze(1).sigmoid().double()
    side_N = (p_N > 0.5).long()
    expected = {
        "loss": F.binary_cross_entropy(p_N, target_N.double()).item(),
        "accuracy": (side_N == target_N).float().mean().item(),
        "f1": metrics.f1_score(target_N, side_N),
        "auroc": metrics.roc_auc_score(target_N, p_N),
        "calibration_error": calibration_error(p_N, target_N),  # of class 1
        "average_precision": metrics.average_precision_score(target_N, p_N),
    }
    assert scores == pytest.approx({f"{split}/{name}": value for name, value in expected.items()}, rel=1e-5)


@pytest.mark.parametrize("split", ["val", "test"])
def test_regression_scores_are_scikit_learns(tmp_path, split):
    names = ["mean_absolute_error", "r2", "pearson_corr_coef"]
    scores, output_N1, target_N = scored(tmp_path, "regression", names, split)
    output_N = output_N1.squeeze(1)
    expected = {
        "loss": metrics.mean_squared_error(target_N, output_N),
        "mean_absolute_error": metrics.mean_absolute_error(target_N, output_N),
        "r2": metrics.r2_score(target_N, output_N),
        "pearson_corr_coef": torch.corrcoef(torch.stack([output_N, target_N]))[0, 1].item(),
    }
    assert scores == pytest.approx({f"{split}/{name}": value for name, value in expected.items()}, rel=1e-4)


@pytest.mark.parametrize("task", MODELS)
def test_the_loss_of_a_split_is_the_mean_over_samples_and_not_over_batches(tmp_path, task):
    trained, module, trainer = model(task), data(task), toy.trainer(tmp_path)
    trainer.fit(trained, module)
    means, sizes = [], []
    for x_BD, target_B in module.val_dataloader():
        with torch.no_grad():
            means.append(trained.loss(trained(x_BD), target_B.float() if task != "multiclass" else target_B))
        sizes.append(len(target_B))
    assert sizes == [10, 10, 10, 10, 1]
    by_samples = sum(mean * size for mean, size in zip(means, sizes, strict=True)) / sum(sizes)
    assert trainer.callback_metrics["val/loss"].item() == pytest.approx(by_samples.item(), rel=1e-5)
    assert by_samples.item() != pytest.approx(torch.stack(means).mean().item(), rel=1e-4)


@pytest.mark.parametrize("task", MODELS)
@pytest.mark.parametrize("accumulate", [1, 3])
def test_a_fit_is_a_bare_torch_loop_bit_for_bit_and_its_train_loss_that_loops_mean(tmp_path, task, accumulate):
    trained, module = model(task, metrics=[]), data(task)
    trainer = toy.trainer(tmp_path, max_epochs=3, accumulate_grad_batches=accumulate)
    trainer.fit(trained, module)

    net, again = model(task).net, data(task)
    again.setup("fit")
    cost = {"binary": F.binary_cross_entropy_with_logits, "multiclass": F.cross_entropy, "regression": F.mse_loss}[task]
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05)
    loader = again.train_dataloader()
    for epoch in range(3):
        loader.sampler.set_epoch(epoch)
        total = samples = 0.0
        for number, (x_BD, target_B) in enumerate(loader, start=1):
            output = net(x_BD) if task == "multiclass" else net(x_BD).squeeze(1)
            loss = cost(output, target_B if task == "multiclass" else target_B.float())
            (loss / accumulate).backward()
            if number % accumulate == 0 or number == len(loader):
                optimizer.step()
                optimizer.zero_grad()
            total, samples = total + loss.item() * len(target_B), samples + len(target_B)
    assert torch.equal(trained.net.weight, net.weight)
    assert torch.equal(trained.net.bias, net.bias)
    assert trainer.callback_metrics["train/loss"].item() == pytest.approx(total / samples, rel=1e-5)


def test_binary_predicts_the_probability_of_class_1_and_multiclass_of_each():
    logit_B, logits_BK = torch.randn(5), torch.randn(5, 3)
    torch.testing.assert_close(model("binary").predict(logit_B), 1 / (1 + (-logit_B).exp()))
    p_BK = model("multiclass").predict(logits_BK)
    torch.testing.assert_close(p_BK, logits_BK.exp() / logits_BK.exp().sum(dim=1, keepdim=True))
    torch.testing.assert_close(model("regression").predict(logit_B), logit_B)


@pytest.mark.parametrize(("task", "outputs"), [("binary", ()), ("regression", ()), ("multiclass", (3,))])
def test_one_output_is_a_vector_also_for_a_batch_of_one(task, outputs):
    for size in (1, 4):
        assert model(task)(torch.randn(size, 4)).shape == (size, *outputs)


def test_accuracy_is_over_samples_and_not_averaged_over_classes(tmp_path):
    class Constant(nn.Module):
        def forward(self, x_BD: Tensor) -> Tensor:
            return torch.tensor([1.0, 0.0, 0.0]).expand(len(x_BD), 3)

    x_ND, target_N = torch.zeros(10, 4), torch.tensor([0] * 8 + [1, 2])  # says 0: right in 8 of 10, in 1 class of 3
    module = toy.tabular()
    module.collection.read = lambda *, split: (x_ND, target_N)
    trained = model("multiclass", metrics=["accuracy"])
    trained.net = Constant()
    trainer = toy.trainer(tmp_path)
    trainer.test(trained, module, verbose=False)
    assert trainer.callback_metrics["test/accuracy"].item() == pytest.approx(0.8)


def multiclass(name: str) -> Supervised:
    loss, optimizer = nn.CrossEntropyLoss(), torch.optim.SGD
    return toy.multiclass(nn.Linear(3, 5), outputs=5, loss=loss, optimizer=optimizer, metrics=[name])


def test_a_metric_of_many_numbers_is_refused_by_name():
    with pytest.raises(ValueError, match=r"model\.metrics names confusion_matrix, which is 25 numbers"):
        multiclass("confusion_matrix")
