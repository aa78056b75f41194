"""CIFAR-10 is read as it lies on disk; a corrupt or missing file is one clear error that names it."""

import pytest
import torch

from src.data.read.cifar10 import cifar10
from tests import toy


@pytest.mark.parametrize("train", [True, False])
def test_files_are_read_exactly_in_their_order(tmp_path, monkeypatch, train):
    written = toy.cifar10_files(tmp_path)
    toy.accept_cifar10(monkeypatch, tmp_path)
    images_NCHW, target_N = cifar10.read(str(tmp_path), split="train" if train else "test")
    assert images_NCHW.dtype == torch.uint8
    assert target_N.dtype == torch.int64
    assert images_NCHW.is_contiguous()
    assert torch.equal(images_NCHW, torch.from_numpy(written[train][0]))
    assert target_N.tolist() == written[train][1].tolist()


@pytest.mark.parametrize("name", ["data_batch_3", "test_batch", "batches.meta"])
@pytest.mark.parametrize("damage", ["flipped bit", "truncated"])
def test_a_corrupt_file_is_named(tmp_path, monkeypatch, name, damage):
    toy.cifar10_files(tmp_path)
    toy.accept_cifar10(monkeypatch, tmp_path)
    path = tmp_path / "cifar-10-batches-py" / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content if damage == "flipped bit" else content[:-10])
    with pytest.raises(ValueError, match=r"corrupt.*fetch it again") as error:
        cifar10.read(str(tmp_path), split="train")
    assert str(path) in str(error.value)
    assert "data_batch_1" not in str(error.value)


@pytest.mark.parametrize("name", ["data_batch_3", "test_batch", "batches.meta"])
def test_a_missing_file_without_network_is_named_with_its_folder_and_a_cure(tmp_path, monkeypatch, name):
    toy.cifar10_files(tmp_path)
    toy.accept_cifar10(monkeypatch, tmp_path)
    folder = tmp_path / "cifar-10-batches-py"
    (folder / name).unlink()
    with pytest.raises(FileNotFoundError, match="data_dir=") as error:
        cifar10.read(str(tmp_path), split="train")
    assert f"{name} not found in {folder}" in str(error.value)


def test_an_empty_folder_without_network_names_every_file_and_stays_empty(tmp_path):
    with pytest.raises(FileNotFoundError, match="download failed") as error:
        cifar10.read(str(tmp_path), split="train")
    assert all(f"data_batch_{k}" in str(error.value) for k in range(1, 6))
    assert list(tmp_path.iterdir()) == []


def test_batches_from_the_cache_are_those_of_the_files_and_a_changed_file_is_parsed_again(tmp_path, monkeypatch):
    monkeypatch.setenv("CACHE_DIR", str(tmp_path / "cache"))
    toy.cifar10_files(tmp_path)
    toy.accept_cifar10(monkeypatch, tmp_path)
    for split in ("train", "test"):
        plain = cifar10.read(str(tmp_path), cache=False, split=split)
        for _ in range(2):
            cached = cifar10.read(str(tmp_path), split=split)
            assert all(torch.equal(one, other) for one, other in zip(plain, cached, strict=True))
    assert len(list((tmp_path / "cache").glob("*.tensors"))) == 2
    path = tmp_path / "cifar-10-batches-py" / "data_batch_2"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"data_batch_2: corrupt"):
        cifar10.read(str(tmp_path), split="train")
