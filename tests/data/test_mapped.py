"""A file of tensors gives back their bits, shares its memory, notices damage, and is never changed."""

from pathlib import Path

import pytest
import torch

from src.data.keep.mapped import mapped, packed, unpacked

TENSORS = [
    torch.arange(7, dtype=torch.uint8),
    torch.tensor([[1.5, -2.0], [float("inf"), 0.1]]),
    torch.arange(5) - 2,
    torch.zeros(0, 3),
    torch.tensor(True),
]


def written(folder: Path) -> Path:
    path = folder / "tensors"
    path.write_bytes(b"".join(packed(TENSORS)))
    return path


def test_tensors_come_back_with_dtype_shape_and_bits(tmp_path):
    found = unpacked(written(tmp_path))
    assert [(tensor.dtype, tensor.shape) for tensor in found] == [(tensor.dtype, tensor.shape) for tensor in TENSORS]
    assert all(torch.equal(one, other) for one, other in zip(found, TENSORS, strict=True))


def test_a_tensor_of_another_layout_is_written_in_order(tmp_path):
    turned = torch.arange(6).view(2, 3).T
    (tmp_path / "turned").write_bytes(b"".join(packed([turned])))
    assert torch.equal(unpacked(tmp_path / "turned")[0], turned)


def test_whoever_writes_into_a_tensor_leaves_the_file_and_the_other_readers_alone(tmp_path):
    path = written(tmp_path)
    before, other = path.read_bytes(), unpacked(path)[0]
    unpacked(path)[0].fill_(9)
    assert path.read_bytes() == before
    assert other.tolist() == list(range(7))


def test_a_removed_file_stays_whole_where_it_is_mapped(tmp_path):
    path = written(tmp_path)
    found = unpacked(path)
    path.unlink()
    assert torch.equal(found[0], TENSORS[0])


def test_a_flipped_bit_and_a_missing_end_are_noticed_wherever_they_are(tmp_path):
    path = written(tmp_path)
    whole = path.read_bytes()
    for place in range(0, len(whole), 5):
        spoilt = bytearray(whole)
        spoilt[place] ^= 1 << place % 8
        path.write_bytes(spoilt)
        with pytest.raises(ValueError, match="is damaged"):
            unpacked(path)
        path.write_bytes(whole[:place])
        with pytest.raises(ValueError, match="is damaged"):
            unpacked(path)


def test_a_file_that_is_not_there_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        mapped(tmp_path / "none")
