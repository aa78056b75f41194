"""MNIST and Fashion-MNIST are read as they lie on disk; a damaged file is one clear error that names it."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from src.data.read.mnist import fashionmnist, mnist
from tests import toy

READERS = {"MNIST": mnist, "FashionMNIST": fashionmnist}


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("train", [True, False])
def test_files_are_read_exactly(tmp_path, name, train):
    written = toy.mnist_files(tmp_path, name=name)
    images_NCHW, target_N = READERS[name].read(str(tmp_path), split="train" if train else "test")
    assert images_NCHW.dtype == torch.uint8
    assert target_N.dtype == torch.int64
    assert images_NCHW.shape[1:] == (1, 28, 28)
    assert torch.equal(images_NCHW[:, 0], torch.from_numpy(written[train][0]))
    assert target_N.tolist() == written[train][1].tolist()


def test_the_two_datasets_are_not_mistaken_for_each_other(tmp_path):
    toy.mnist_files(tmp_path, name="MNIST")
    with pytest.raises(FileNotFoundError, match="FashionMNIST"):
        fashionmnist.read(str(tmp_path), split="train")


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def lengthened(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\0")


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def cut_in_its_header(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:6])


def wrong_magic(path: Path) -> None:
    path.write_bytes(b"\x89PNG" + path.read_bytes()[4:])


def of_floats(path: Path) -> None:
    path.write_bytes(b"\0\0\x0d" + path.read_bytes()[3:])


def no_dimensions(path: Path) -> None:
    path.write_bytes(b"\0\0\x08\0" + path.read_bytes()[4:])


DAMAGES = [truncated, lengthened, emptied, cut_in_its_header, wrong_magic, of_floats, no_dimensions, toy.gzipped]


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize(("train", "kind"), [(True, 0), (True, 1), (False, 0), (False, 1)])
def test_a_damaged_file_is_named(tmp_path, damage, train, kind):
    toy.mnist_files(tmp_path)
    path = tmp_path / "MNIST" / "raw" / toy.IDX_NAMES[train][kind]
    damage(path)
    with pytest.raises(ValueError, match="fetch it again") as error:
        mnist.read(str(tmp_path), split="train" if train else "test")
    assert str(path) in str(error.value)
    mnist.read(str(tmp_path), split="test" if train else "train")  # the other set is whole


@pytest.mark.parametrize(("source", "target"), [(0, 1), (1, 0)])
def test_labels_in_place_of_images_and_images_in_place_of_labels_are_named(tmp_path, source, target):
    toy.mnist_files(tmp_path)
    names = [tmp_path / "MNIST" / "raw" / name for name in toy.IDX_NAMES[True]]
    names[target].write_bytes(names[source].read_bytes())
    with pytest.raises(ValueError, match="fetch it again") as error:
        mnist.read(str(tmp_path), split="train")
    assert str(names[target]) in str(error.value)


def test_more_images_than_labels_is_an_error_that_names_both_files(tmp_path):
    written = toy.mnist_files(tmp_path)
    labels = tmp_path / "MNIST" / "raw" / toy.IDX_NAMES[True][1]
    labels.write_bytes(toy.idx(written[True][1][:-1]))
    with pytest.raises(ValueError, match=r"60 images.* 59 labels") as error:
        mnist.read(str(tmp_path), split="train")
    assert all(name in str(error.value) for name in toy.IDX_NAMES[True])


@pytest.mark.parametrize("name", READERS)
def test_missing_files_without_network_are_named_with_their_folder_and_a_cure(tmp_path, name, capfd):
    toy.mnist_files(tmp_path, name=name)
    folder = tmp_path / name / "raw"
    missing = toy.IDX_NAMES[True][0]
    (folder / missing).unlink()
    with pytest.raises(FileNotFoundError, match="data_dir=") as error:
        READERS[name].read(str(tmp_path), split="train")
    assert f"{missing} not found in {folder}" in str(error.value)
    assert toy.IDX_NAMES[False][0] not in str(error.value)
    assert capfd.readouterr().out == ""


def test_a_download_that_fails_leaves_no_folder_behind(tmp_path):
    with pytest.raises(FileNotFoundError):
        mnist.read(str(tmp_path / "new"), split="train")
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def read_only() -> Iterator[Path]:
    """A folder with toy MNIST that this process cannot write, root or not."""
    with tempfile.TemporaryDirectory() as name:  # pytest's own folders are closed to others
        root = Path(name)
        toy.mnist_files(root)
        folders = [root, *(path for path in root.rglob("*") if path.is_dir())]
        for folder in folders:
            folder.chmod(0o555)
        user = os.getresuid()
        if user[1] == 0:  # permissions do not bind root: become nobody for a while
            os.setresuid(65534, 65534, 0)
        try:
            yield root
        finally:
            os.setresuid(*user)
            for folder in folders:
                folder.chmod(0o755)


def test_a_read_only_folder_is_read(read_only):
    assert not os.access(read_only, os.W_OK)
    images_NCHW, target_N = mnist.read(str(read_only), split="train")
    assert len(images_NCHW) == len(target_N) == 60


def test_files_missing_from_a_read_only_folder_are_named_before_any_download(read_only):
    with pytest.raises(PermissionError, match=r"read-only.*data_dir=") as error:
        fashionmnist.read(str(read_only), split="train")
    assert toy.IDX_NAMES[True][0] in str(error.value)
    assert str(read_only) in str(error.value)
