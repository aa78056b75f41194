"""Data serves each split as the config states it, and refuses what the real samples contradict."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from torchvision.transforms import v2

from src.data.dataset import dataset
from src.data.keep import stored as stored_samples
from src.data.module import Data
from tests import toy

SHAPE = (3, 8, 8)
CLASSES = [f"class {number}" for number in range(10)]
MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)


def stored(split: str, shape: tuple[int, ...] = SHAPE) -> tuple[Tensor, Tensor]:
    pixels, labels_N = toy.images(20 if split == "test" else 60, shape, seed=split != "test")
    return torch.from_numpy(pixels), torch.from_numpy(labels_N)


def read(*, split: str) -> tuple[Tensor, Tensor]:
    return stored(split)


def data(read: Callable[..., Any] = read, **settings: Any) -> Data:
    defaults = {"shape": SHAPE, "classes": CLASSES, "task": "multiclass", "batch_size": 7, "mean": MEAN, "std": STD}
    return dataset()(read)(**defaults | settings)


class Lazy:
    """Images that are decoded one at a time, as files are."""

    def __init__(self, images_NCHW: Tensor):
        self.images_NCHW = images_NCHW
        self.decoded = 0

    def __len__(self) -> int:
        return len(self.images_NCHW)

    def __getitem__(self, index: int) -> Tensor:
        self.decoded += 1
        return self.images_NCHW[index]


def read_lazily(*, split: str) -> tuple[Lazy, Tensor]:
    images_NCHW, target_N = stored(split)
    return Lazy(images_NCHW), target_N


def epoch(loader: Any) -> tuple[Tensor, Tensor]:
    x, y = zip(*loader, strict=True)
    return torch.cat(x), torch.cat(y)


def test_every_sample_is_in_one_split_once_with_its_label():
    module = data(crop_padding=0, val_fraction=0.25)
    module.setup("fit")
    module.setup("test")
    fitted = [epoch(loader) for loader in (module.train_dataloader(), module.val_dataloader())]
    served = {
        "train": [torch.cat(parts) for parts in zip(*fitted, strict=True)],
        "test": list(epoch(module.test_dataloader())),
    }
    for split, (x_NCHW, y_N) in served.items():
        images_NCHW, target_N = stored(split)
        expected_NCHW = v2.functional.normalize(images_NCHW / 255, list(MEAN), list(STD))
        assert len(x_NCHW) == len(images_NCHW)
        nearest_N = torch.cdist(x_NCHW.flatten(1), expected_NCHW.flatten(1)).argmin(dim=1)
        assert sorted(nearest_N.tolist()) == list(range(len(images_NCHW)))
        torch.testing.assert_close(x_NCHW, expected_NCHW[nearest_N])
        assert torch.equal(y_N, target_N[nearest_N])


def test_fit_never_reads_the_test_set_and_reads_the_training_set_once(tmp_path):
    calls = []

    def recording(*, split: str) -> tuple[Tensor, Tensor]:
        calls.append(split)
        return stored(split)

    module, trainer = data(recording), toy.trainer(tmp_path)
    model = toy.multiclass(
        nn.Sequential(nn.Flatten(), nn.Linear(192, 10)),
        outputs=10,
        loss=nn.CrossEntropyLoss(),
        optimizer=torch.optim.SGD,
    )
    trainer.fit(model, module)
    trainer.validate(model, module, verbose=False)
    assert calls == ["train"]
    trainer.test(model, module, verbose=False)
    assert calls == ["train", "test"]


def test_only_training_batches_are_augmented_and_shuffled():
    module = data(crop_padding=2, horizontal_flip=True, val_fraction=0.5)
    plain = data(val_fraction=0.5)
    for one in (module, plain):
        one.setup("fit")
        one.setup("test")
    for loader in ("val_dataloader", "test_dataloader"):
        assert torch.equal(epoch(getattr(module, loader)())[0], epoch(getattr(plain, loader)())[0])
        first, again = getattr(module, loader)(), getattr(module, loader)()
        again.sampler.set_epoch(1)
        assert torch.equal(epoch(first)[0], epoch(again)[0])
    assert not torch.equal(epoch(module.train_dataloader())[0], epoch(plain.train_dataloader())[0])
    assert not torch.equal(epoch(plain.train_dataloader())[1], stored("train")[1][plain.indices["train"]])


def test_shuffle_false_serves_the_training_samples_in_their_order():
    module = data(shuffle=False)
    module.setup("fit")
    assert torch.equal(epoch(module.train_dataloader())[1], stored("train")[1][module.indices["train"]])


@pytest.mark.parametrize(("drop_last", "samples"), [(False, 60), (True, 56)])
def test_drop_last_leaves_out_the_incomplete_training_batch_only(drop_last, samples):
    module = data(drop_last=drop_last, val_fraction=0.0)
    module.setup("fit")
    module.setup("test")
    assert len(epoch(module.train_dataloader())[1]) == samples
    assert len(epoch(module.test_dataloader())[1]) == 20


def test_val_fraction_zero_serves_no_val_batch():
    module = data(val_fraction=0.0)
    module.setup("fit")
    assert list(module.val_dataloader()) == []
    assert len(module.indices["train"]) == 60


@pytest.mark.parametrize("reader", [read, read_lazily])
@pytest.mark.parametrize("workers", [0, 2])
def test_streaming_serves_the_same_bits_as_memory(reader, workers):
    augmented = {"crop_padding": 2, "horizontal_flip": True}
    streams = data(reader, in_memory=False, workers=workers, **augmented)
    holds = data(read, in_memory=True, **augmented)
    loaders = []
    for module in (streams, holds):
        module.setup("fit")
        module.setup("test")
        loaders.append([module.train_dataloader(), module.val_dataloader(), module.test_dataloader()])
    for streamed, held in zip(*loaders, strict=True):
        for mine, other in zip(epoch(streamed), epoch(held), strict=True):
            assert torch.equal(mine, other)


def test_streaming_trains_to_the_same_bits_as_memory(tmp_path):
    weights = []
    for in_memory in (True, False):
        torch.manual_seed(0)
        net = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(192, 10))
        model = toy.multiclass(net, outputs=10, loss=nn.CrossEntropyLoss(), optimizer=torch.optim.Adam)
        toy.trainer(tmp_path, max_epochs=2).fit(model, data(read_lazily, in_memory=in_memory, workers=0))
        weights.append(net[2].weight.detach())
    assert torch.equal(*weights)


@pytest.mark.parametrize("in_memory", [True, "auto"])
def test_what_fits_in_memory_is_decoded_once(in_memory):
    module = data(read_lazily, in_memory=in_memory)
    images, target_N = read_lazily(split="train")
    module.collection.read = lambda *, split: (images, target_N)
    module.setup("fit")
    decoded = images.decoded
    for _ in range(2):
        list(module.train_dataloader())
    assert images.decoded == decoded < 60 + 10  # a few looks at the first tell the shape


def test_what_does_not_fit_in_memory_is_streamed(monkeypatch, tmp_path):
    (tmp_path / "meminfo").write_text("MemTotal: 24684188 kB\nMemFree: 24684188 kB\nMemAvailable: 1 kB\n")
    monkeypatch.setattr(stored_samples, "MEMORY", tmp_path / "meminfo")
    images, target_N = read_lazily(split="train")
    module = data(lambda *, split: (images, target_N), workers=0)
    module.setup("fit")
    assert images.decoded < 5
    assert len(epoch(module.train_dataloader())[1]) == 54


def test_image_size_resizes_stored_images_as_torchvision_does():
    module = data(shape=(3, 12, 12), image_size=12, val_fraction=0.0, shuffle=False)
    module.setup("fit")
    resized_NCHW = v2.Resize((12, 12), antialias=True)(stored("train")[0])
    expected_NCHW = v2.functional.normalize(resized_NCHW / 255, list(MEAN), list(STD))
    torch.testing.assert_close(epoch(module.train_dataloader())[0], expected_NCHW)


def test_normalize_false_serves_pixels_between_zero_and_one():
    module = data(normalize=False, val_fraction=0.0, shuffle=False)
    module.setup("fit")
    torch.testing.assert_close(epoch(module.train_dataloader())[0], stored("train")[0] / 255)


@pytest.mark.parametrize(
    ("settings", "key", "cure"),
    [
        ({"shape": (1, 8, 8)}, r"data\.shape=\[1, 8, 8\]", r"data\.shape=\[3, 8, 8\]"),
        ({"shape": (3, 9, 9)}, r"data\.shape=\[3, 9, 9\]", r"data\.shape=\[3, 8, 8\]"),
        ({"shape": (1, 9, 9), "image_size": 9}, r"data\.shape=\[1, 9, 9\]", r"data\.shape=\[3, 9, 9\]"),
        ({"classes": CLASSES[:7]}, "label 9", r"data\.classes"),
        ({"classes": CLASSES[:9]}, "label 9", r"data\.classes"),
    ],
)
def test_facts_that_the_samples_contradict_are_refused_with_key_and_cure(settings, key, cure):
    module = data(**settings | {"mean": (0.5,), "std": (0.5,)})
    with pytest.raises(ValueError, match=key) as error:
        module.setup("fit")
    assert error.match(cure)


def test_the_test_set_is_verified_too():
    module = data(lambda *, split: (stored(split)[0], stored(split)[1] + 5 * (split == "test")))
    module.setup("fit")
    with pytest.raises(ValueError, match=r"label 14.*data\.classes"):
        module.setup("test")


def test_a_negative_label_is_refused():
    module = data(lambda *, split: (stored(split)[0], stored(split)[1] - 1))
    with pytest.raises(ValueError, match="label -1"):
        module.setup("fit")


@pytest.mark.parametrize("samples", [(60, 59), (0, 0)])
def test_missing_samples_are_refused(samples):
    images, targets = samples
    module = data(lambda *, split: (stored("train")[0][:images], stored("train")[1][:targets]))
    with pytest.raises(ValueError, match=f"{images} samples"):
        module.setup("fit")


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"batch_size": 0}, r"data\.batch_size=0"),
        ({"batch_size": -1}, r"data\.batch_size=-1"),
        ({"val_fraction": 1.0}, r"data\.val_fraction=1\.0"),
        ({"val_fraction": -0.1}, r"data\.val_fraction=-0\.1"),
        ({"val_fraction": float("nan")}, r"data\.val_fraction=nan"),
        ({"in_memory": "never"}, r"data\.in_memory=never"),
        ({"crop_padding": -1}, r"data\.crop_padding=-1"),
        ({"horizontal_flip": "sometimes"}, r"data\.horizontal_flip=sometimes: choose from true, false, alternating"),
        ({"padding_mode": "mirror"}, r"data\.padding_mode=mirror: choose from constant, reflect"),
        ({"padding_mode": "reflect", "crop_padding": 32}, r"data\.crop_padding=32: .* at most \d+ here"),
        ({"workers": -1}, r"data\.workers=-1"),
        ({"std": (0.2, 0.25, 0.0)}, r"data\.std="),
        ({"mean": (0.4, 0.5), "std": (0.2, 0.25)}, r"data\.mean="),
        ({"task": "binary"}, r"data\.task=binary"),
        ({"task": "ranking"}, r"data\.task=ranking"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_before_anything_is_read(settings, key):
    with pytest.raises(ValueError, match=key):
        data(lambda *, split: pytest.fail("read"), **settings)


@pytest.mark.parametrize("settings", [{"val_fraction": 0.999}, {"batch_size": 61, "drop_last": True}])
def test_a_fit_without_a_training_batch_is_refused(settings):
    module = data(**settings)
    with pytest.raises(ValueError, match=r"no training batch.*data\.batch_size"):
        module.setup("fit")


def test_numbers_are_targets_of_regression():
    module = toy.tabular(outputs=0, task="regression", val_fraction=0.0, shuffle=False, features=2)
    module.setup("fit")
    x_ND, y_N = epoch(module.train_dataloader())
    expected_ND, expected_N = toy.table(40, 2, 0, seed=1)
    torch.testing.assert_close(x_ND, expected_ND)
    assert torch.equal(y_N, expected_N)


def test_passes_serve_the_training_set_that_often_in_an_epoch_each_time_in_another_order():
    module = data(passes=3, val_fraction=0.0, batch_size=60)
    module.setup("fit")
    orders = [y_B.tolist() for _, y_B in module.train_dataloader()]
    assert [sorted(order) for order in orders] == [sorted(stored("train")[1].tolist())] * 3
    assert orders[0] != orders[1] != orders[2]


def test_a_shared_split_is_the_same_samples_three_times():
    module = data(shared_split=True, shuffle=False)
    for stage in ("fit", "validate", "test"):
        module.setup(stage)
    splits = [epoch(loader())[0] for loader in (module.train_dataloader, module.val_dataloader, module.test_dataloader)]
    assert len(splits[0]) == 60
    assert torch.equal(splits[0], splits[1])
    assert torch.equal(splits[0], splits[2])


def test_fewer_classes_are_those_samples_renumbered_in_the_order_of_their_names():
    module = data(labels=CLASSES, classes=["class 7", "class 2"], val_fraction=0.0, shuffle=False)
    module.setup("fit")
    x_NCHW, y_N = epoch(module.train_dataloader())
    images_NCHW, target_N = stored("train")
    keep_N = (target_N == 7) | (target_N == 2)
    torch.testing.assert_close(x_NCHW, v2.functional.normalize(images_NCHW[keep_N] / 255, list(MEAN), list(STD)))
    assert torch.equal(y_N, (target_N[keep_N] == 2).long())


@pytest.mark.parametrize(
    ("classes", "message"), [(["class 77", "class 1"], "did you mean class 7"), (["class 1"] * 2, "twice")]
)
def test_a_class_that_is_not_there_or_twice_is_refused(classes, message):
    with pytest.raises(ValueError, match=rf"data\.classes.*{message}"):
        data(labels=CLASSES, classes=classes)


def picture(mode: str, size: tuple[int, int] = (8, 8)) -> Image.Image:
    """Return a picture of a PIL mode, with colours where it has them."""
    random = np.random.default_rng(0)
    if mode == "I;16":
        return Image.fromarray(random.integers(0, 65536, size[::-1], dtype=np.uint16))
    return Image.fromarray(random.integers(0, 256, (*size[::-1], 3), dtype=np.uint8)).convert(mode)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "CMYK", "1", "LA", "I", "YCbCr"])
@pytest.mark.parametrize("channels", [1, 3])
def test_preprocess_shows_the_net_the_picture_that_pillow_shows(mode, channels):
    module = data(shape=(channels, 8, 8), mean=(0.5,), std=(0.25,))
    image = picture(mode)
    pixels = np.asarray(image.convert("L" if channels == 1 else "RGB")).reshape(8, 8, channels)
    expected_CHW = torch.from_numpy((pixels.transpose(2, 0, 1) / 255 - 0.5) / 0.25).float()
    torch.testing.assert_close(module.preprocess(image), expected_CHW[None])


@pytest.mark.parametrize("channels", [1, 3])
def test_preprocess_scales_sixteen_bits_down_and_does_not_clip_them(channels):
    image = picture("I;16")
    x_BCHW = data(shape=(channels, 8, 8), mean=(0.0,), std=(1.0,)).preprocess(image)
    expected_HW = torch.from_numpy(np.asarray(image) / 65535).float()
    torch.testing.assert_close(x_BCHW, expected_HW.expand(1, channels, 8, 8), atol=1 / 255, rtol=0)


@pytest.mark.parametrize("size", [(8, 8), (1, 1), (5, 30), (100, 3)])
@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 12, 12), (3, 6, 10)])
def test_preprocess_gives_the_stated_shape_for_a_picture_of_any_size(size, shape):
    module = data(shape=shape, mean=(0.5,), std=(0.5,))
    assert module.preprocess(picture("RGB", size)).shape == (1, *shape)


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 8, 8)])
def test_preprocess_gives_a_stored_image_the_bits_that_training_saw(shape):
    module = data(lambda *, split: stored(split, shape), shape=shape, mean=MEAN[: shape[0]], std=STD[: shape[0]])
    module.setup("test")
    images_NCHW, _ = stored("test", shape)
    seen_NCHW, _ = epoch(module.test_dataloader())
    assert torch.equal(module.preprocess(images_NCHW), seen_NCHW)
    for image_CHW, seen_CHW in zip(images_NCHW, seen_NCHW, strict=True):
        assert torch.equal(module.preprocess(image_CHW), seen_CHW[None])
        assert torch.equal(module.preprocess(v2.functional.to_pil_image(image_CHW)), seen_CHW[None])


@pytest.mark.parametrize("found", [1, 2, 3, 4])
@pytest.mark.parametrize("channels", [1, 3])
def test_preprocess_of_a_tensor_ignores_opacity_and_converts_between_grey_and_colour(found, channels):
    pixels = torch.randint(0, 256, (found, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    x_BCHW = data(shape=(channels, 8, 8), mean=(0.0,), std=(1.0,)).preprocess(pixels)
    image = v2.functional.to_pil_image(pixels, mode=("L", "LA", "RGB", "RGBA")[found - 1])
    expected_CHW = v2.functional.pil_to_tensor(image.convert("L" if channels == 1 else "RGB")) / 255
    torch.testing.assert_close(x_BCHW, expected_CHW[None], atol=1.01 / 255, rtol=0)


def test_a_val_fraction_that_rounds_to_no_sample_is_refused():
    with pytest.raises(ValueError, match=r"data\.val_fraction=0\.01 of 20 samples is none"):
        toy.tabular(train=20, val_fraction=0.01).setup("fit")
