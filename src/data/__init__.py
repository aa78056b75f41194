"""Datasets as tensors, and the path of a batch: split, order, augmentation, normalisation."""
