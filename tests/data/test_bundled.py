"""The tables of scikit-learn are what conf/data says of them, divided and scaled as any table."""

from typing import Any

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf
from sklearn import datasets

from src.config.build import build
from src.config.plain import fill, plain
from src.config.schema import CONF
from src.data.read.bundled import NAMES


def made(table: str, **settings: Any) -> Any:
    base, own = (OmegaConf.load(CONF / "data" / file) for file in ("part/bundled.yaml", f"{table}.yaml"))
    config = OmegaConf.create({"seed": 0, "data": OmegaConf.merge(base, own, settings)})
    del config.data["defaults"]
    fill(config)
    data = build(plain(config)["data"])
    for stage in ("fit", "test"):
        data.setup(stage)
    return data


@pytest.mark.parametrize("name", NAMES)
def test_all_rows_are_there_once_scaled_by_the_training_rows(name: str) -> None:
    data, bunch = made(name), getattr(datasets, f"load_{name}")(**({"scaled": False} if name == "diabetes" else {}))
    row_N = torch.cat([data.indices[split] for split in ("train", "val", "test")])
    assert row_N.sort().values.tolist() == list(range(len(bunch.target)))
    target_N = torch.cat([data.targets(split) for split in ("train", "val", "test")])
    np.testing.assert_allclose(target_N, bunch.target[row_N], rtol=1e-6)
    seen = torch.cat([x_BD for x_BD, _ in data.in_order("train")])
    torch.testing.assert_close(seen.mean(dim=0), torch.zeros(seen.shape[1]), atol=1e-4, rtol=0)
    torch.testing.assert_close(seen.std(dim=0, correction=0), torch.ones(seen.shape[1]), atol=1e-4, rtol=0)
    if data.classes:
        assert data.classes == [str(label) for label in bunch.target_names]
        shares = [torch.bincount(data.targets(split)) / len(data.targets(split)) for split in ("train", "test")]
        torch.testing.assert_close(*shares, atol=0.05, rtol=0)
    else:
        assert len(data.target_names) == (bunch.target.reshape(len(row_N), -1)).shape[1]


def test_names_of_several_targets_are_scikit_learns() -> None:
    assert made("linnerud").target_names == datasets.load_linnerud().target_names


def test_an_epoch_has_a_hundred_steps_or_more() -> None:
    for name in NAMES:
        assert 100 <= len(made(name).train_dataloader()) < 200


def test_another_table_is_refused() -> None:
    with pytest.raises(ValueError, match=r"data\.name=titanic: choose from iris"):
        made("iris", name="titanic")
