"""Every setting of a dataset has one owner, and is typed as data.KEY as it always was."""

import inspect

import pytest

from src.config.signature import check_call
from src.data.dataset import OWNERS
from src.data.module import Data
from src.data.read.digits import digits
from src.data.read.image_folder import image_folder

NEEDED = inspect.Parameter.empty
SETTINGS = {  # by owner, with their defaults, on which recorded runs rely
    "facts": {
        "shape": NEEDED,
        "classes": NEEDED,
        "task": NEEDED,
        "labels": None,
        "mean": (0.0,),
        "std": (1.0,),
        "axes": ("input", "target"),
        "graph": None,
    },
    "header": {
        "target": "target",
        "target_mean": None,
        "target_std": None,
        "inputs": None,
        "categories": None,
        "holes": (),
    },
    "tokenizing": {"unit": None, "text": "text", "length": 64, "vocabulary": 20_000},
    "splitting": {
        "splits": ("train", "val", "test"),
        "official": ("train", "test"),
        "shared_split": False,
        "val_fraction": 0.1,
        "test_fraction": 0.2,
        "split_seed": 0,
        "folds": None,
        "fold": None,
    },
    "keeping": {"in_memory": "auto", "cache": True, "on_bad_file": "stop", "image_size": None, "crop_from": None},
    "transforming": {
        "scale": None,
        "normalize": True,
        "random_resized_crop": None,
        "crop_padding": 0,
        "padding_mode": "constant",
        "horizontal_flip": False,
        "mixup": 0.0,
        "cutmix": 0.0,
    },
    "loading": {
        "batch_size": 100,
        "workers": 2,
        "drop_last": False,
        "shuffle": True,
        "passes": 1,
        "seed": 0,
        "sampler": None,
    },
}
KEYS = [key for settings in SETTINGS.values() for key in settings]
FACTS = {"shape": [1, 16, 16], "classes": ["0", "1"], "task": "binary"}


def defaults(call) -> dict:
    return {name: p.default for name, p in inspect.signature(call).parameters.items()}


@pytest.mark.parametrize("owner", SETTINGS)
def test_an_owner_takes_its_settings_of_which_there_are_eight_or_fewer(owner):
    assert defaults(OWNERS[owner]) == SETTINGS[owner]
    assert len(SETTINGS[owner]) <= 8


def test_a_setting_has_one_owner_and_data_is_composed_of_them():
    assert len(KEYS) == len(set(KEYS)) == 46
    assert list(OWNERS) == list(SETTINGS)
    assert set(inspect.signature(Data).parameters) == {"read", *OWNERS}


@pytest.mark.parametrize("key", KEYS)
def test_each_setting_is_typed_as_a_key_of_data(key):
    default = {**defaults(digits), **FACTS}[key]
    default = list(default) if isinstance(default, tuple) else default  # as YAML has it
    check_call("data", {**FACTS, key: default}, digits, elsewhere=lambda key: None)
    assert isinstance(digits(**{**FACTS, key: default}), Data)


def test_the_arguments_of_a_reader_are_typed_beside_them_and_what_both_take_both_get():
    assert set(inspect.signature(image_folder).parameters) == {"root", "channels", *KEYS}
    assert "labels" in inspect.signature(image_folder.read).parameters


@pytest.mark.parametrize(
    ("key", "near"),
    [("val_fractions", "val_fraction"), ("batchsize", "batch_size"), ("inmemory", "in_memory"), ("mixups", "mixup")],
)
def test_a_key_that_no_owner_takes_is_one_line_with_the_nearest_name(key, near):
    with pytest.raises(ValueError, match=rf"^data\.{key}=1: .* takes no argument '{key}': did you mean {near}\?$"):
        check_call("data", {**FACTS, key: 1}, digits, elsewhere=lambda key: None)
    with pytest.raises(TypeError, match=key):
        digits(**FACTS, **{key: 1})


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"val_fraction": 1.5}, r"data\.val_fraction=1\.5"),
        ({"in_memory": "maybe"}, r"data\.in_memory=maybe"),
        ({"horizontal_flip": "up"}, r"data\.horizontal_flip=up"),
        ({"passes": 0}, r"data\.passes=0"),
        ({"mean": [1.0, 2.0], "std": [1.0, 1.0]}, r"data\.mean=\[1\.0, 2\.0\]"),
        ({"shape": [4], "cutmix": 1.0}, r"data\.shape=\[4\]: crops and data\.cutmix are for images"),
    ],
)
def test_each_owner_refuses_what_cannot_be_before_anything_is_read(settings, said):
    with pytest.raises(ValueError, match=said):
        digits(**FACTS | settings)


TYPED = {
    "splitting": {"val_fraction": 0.3, "test_fraction": 0.4, "split_seed": 7, "folds": 3, "fold": 2},
    "keeping": {"in_memory": False, "cache": False, "on_bad_file": "skip", "image_size": 16, "crop_from": 20},
    "loading": {"batch_size": 9, "workers": 0, "drop_last": True, "shuffle": False, "passes": 2, "seed": 5},
}


@pytest.mark.parametrize("owner", TYPED)
def test_what_is_typed_reaches_its_owner(owner):
    found = getattr(digits(**FACTS, **TYPED[owner]), owner)
    assert {key: getattr(found, key) for key in TYPED[owner]} == TYPED[owner]


def test_what_is_typed_of_facts_and_transforms_reaches_the_batches():
    typed = {"mean": [0.5], "std": [0.25], "scale": 16, "crop_padding": 2, "horizontal_flip": "alternating"}
    data = digits(**FACTS, **typed, padding_mode="reflect", mixup=0.2, cutmix=0.3, axes=["x", "y"])
    assert (data.normalize.mean, data.normalize.std, data.normalize.scale) == ((0.5,), (0.25,), 16)
    augment = data.augment
    assert (augment.crop_padding, augment.horizontal_flip, augment.padding_mode) == (2, "alternating", "reflect")
    assert (data.mix.mixup, data.mix.cutmix, data.axes) == (0.2, 0.3, ("x", "y"))
    assert digits(**FACTS, random_resized_crop=[0.3, 1.0]).augment.random_resized_crop == (0.3, 1.0)
    assert digits(**FACTS, **typed, normalize=False).normalize.mean == (0.0,)


def test_texts_are_not_blended_and_only_images_are_mirrored() -> None:
    words = {"unit": "word", "length": 4, "vocabulary": 9, "shape": [4], "classes": ["a", "b"], "task": "binary"}
    with pytest.raises(ValueError, match=r"data\.mixup=0\.2: .* texts: set data\.mixup=0"):
        digits(**words, mixup=0.2)
    with pytest.raises(ValueError, match=r"data\.horizontal_flip=True is for images"):
        digits(**words, horizontal_flip=True)
    with pytest.raises(ValueError, match=r"data\.vocabulary=2: set at least 3"):
        digits(**words | {"vocabulary": 2})
