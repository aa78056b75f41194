"""Shapes lie where their masks say, over parts of photographs that train and test do not share."""

import numpy as np

from src.data.read.discs_squares import DISC, SQUARE, discs_squares


def test_a_mask_is_a_disc_or_a_square_that_stands_out_of_its_image() -> None:
    images_NCHW, masks_NHW = discs_squares.read(split="test")
    assert set(np.unique(masks_NHW)) == {0, DISC, SQUARE}
    alone = 0
    for image_CHW, mask_HW in zip(images_NCHW.numpy().astype(float), masks_NHW.numpy(), strict=True):
        for kind in (DISC, SQUARE):
            rows, columns = np.nonzero(mask_HW == kind)
            if not len(rows) or ((mask_HW != kind) & (mask_HW != 0)).any():
                continue
            height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
            is_inside = rows.min() > 0 and columns.min() > 0 and rows.max() < 31 and columns.max() < 31
            if height == width and is_inside and (kind == SQUARE) == (len(rows) == height * width):
                alone += 1
                if kind == DISC:
                    assert abs(len(rows) / (np.pi * (height / 2) ** 2) - 1) < 0.2
                assert image_CHW[:, mask_HW == kind].std(axis=1).max() < 50
    assert alone > 20


def test_the_images_are_the_same_at_every_call_and_others_for_the_test() -> None:
    (train, _), (again, _), (test, _) = (discs_squares.read(split=split) for split in ("train", "train", "test"))
    assert (train == again).all()
    assert (train[:500] != test).flatten(1).any(dim=1).all()


def test_shapes_that_are_not_told_apart_are_one_class() -> None:
    (images, masks), (same, merged) = (discs_squares.read(told_apart=apart, split="test") for apart in (True, False))
    assert (images == same).all()
    assert ((masks > 0) == (merged == 1)).all()
