"""Names that come from a disk, whatever they are, go through a run: no value of the environment, no crash, no loss."""

import csv
import json
import os
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest
import yaml
from omegaconf import OmegaConf
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from src.config.plain import fill
from src.config.recorded import recorded
from src.config.schema import register
from src.data.read.image_folder import image_folder
from src.data.read.readable import label, readable
from src.run.record import keep
from tests.conftest import Command

CLASSES = [
    b"${oc.env:SECRET}",
    b"caf\xe9",
    b"=1+1",
    b"a\nb",
    b"[bold]x",
    b"$a$ & <b>_",
    b"???",
    b"-x",
    b"'",
    "사진".encode(),
]
SMALL = ("data=image_folder", "model=softmax_regression", "trainer.max_epochs=1", "data.image_size=8")
PLAIN = ("data.random_resized_crop=null", "data.crop_from=null", "data.batch_size=8")
ALL = "callback=[checkpoint,guard,progress,predictions,figures,hparams,pr_curves,embeddings]"
SECRET = uuid4().hex  # a word to look for


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    """A folder that is no text, of classes and of files that are none or mean something elsewhere."""
    root = os.path.join(os.fsencode(tmp_path), b"my \xe9 ${oc.env:SECRET}")
    random = np.random.default_rng(0)
    for number, name in enumerate(CLASSES):
        folder = os.path.join(root, name)
        os.makedirs(folder)
        for file in (b"p\xe9.png", b"${oc.env:SECRET}.png", b"=2+2\n.png", b"-rf.png"):
            pixels = random.integers(0, 30, (8, 8, 3), dtype=np.uint8) + 20 * number
            with open(os.path.join(folder, file), "wb") as stream:
                Image.fromarray(pixels).save(stream, "png")
    return Path(os.fsdecode(root))


def test_a_run_on_odd_names_is_recorded_scored_pictured_and_predicted(
    tmp_path: Path, odd: Path, train: Command, evaluate: Command, predict: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET", SECRET)
    ended = train(*SMALL, *PLAIN, ALL, f"data.root={odd}", "data.test_fraction=0.5")
    assert ended.code == 0, ended.err
    labels = [label(os.fsdecode(name)) for name in sorted(CLASSES, key=os.fsdecode)]
    config = yaml.safe_load((ended.run / ".hydra" / "config.yaml").read_text())
    assert config["data"]["labels"] == labels
    assert json.loads((ended.run / "run.json").read_text())["state"] == "done"
    with (ended.run / "predictions" / "test.csv").open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    assert [name for name in header if name.startswith("P(")] == [f"P({name})" for name in labels]
    names = {readable(os.fsdecode(path)) for path in odd.glob("*/*")}
    assert len(rows) == 20
    assert {row[header.index("path")] for row in rows} <= names
    figures = {path.stem for path in (ended.run / "figures").glob("*.png")}
    assert figures >= {"confusion", "class_accuracy", "curves"}
    assert "is not drawn" not in ended.err
    events = EventAccumulator(str(ended.run / "tensorboard")).Reload()
    assert f"test/{labels[0]}" in events.Tags()["tensors"]
    assert evaluate(f"run={ended.run}").code == 0
    said = predict(f"run={ended.run}", f"input={odd}")
    assert (said.code, "40 samples, 0 that cannot be read" in said.out) == (0, True), said.err
    for text in (ended.out, ended.err, said.out, said.err):
        assert SECRET not in text
    for path in filter(Path.is_file, tmp_path.rglob("*")):
        assert SECRET.encode() not in path.read_bytes(), path


def test_labels_of_any_name_come_back_from_a_recorded_config_as_they_were(tmp_path, monkeypatch):
    monkeypatch.setenv("SECRET", SECRET)
    odd = [
        "1e3",
        "007",
        "null",
        "~",
        "yes",
        " x ",
        "#1",
        "a: b",
        "- a",
        "{a}",
        "[a]",
        "\ufeffa",
        "2024-01-01",
        "12:30:45",
    ]
    odd += [
        *map(os.fsdecode, CLASSES),
        r"\${x}",
        "${",
        "a\\",
        "@",
        "`",
        "%",
        "!tag",
        "&a",
        "*a",
        "|",
        ">",
        "\x7f",
        "\x85",
    ]
    for name in odd:
        for part in ("0.png", "1.png"):
            path = tmp_path / "root" / name / part
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("L", (8, 8)).save(path)
    config = OmegaConf.create(
        {"data": {"_target_": "src.data.read.image_folder.image_folder", "labels": None}, "run": "x", "trainer": {}}
    )
    for key in ("channels", "image_size", "official", "mean", "std"):
        config.data[key] = None
    config.data.root = str(tmp_path / "root")
    fill(config)
    register()
    keep(tmp_path, "config", config)
    found = OmegaConf.to_container(recorded(tmp_path).data.labels, resolve=True)
    assert found == [label(name) for name in sorted(odd)]
    files, _ = image_folder.read(config.data.root, labels=found, split="train")
    assert len(files) == 2 * len(odd)


@pytest.mark.parametrize("told", ["${oc.env:SECRET}", "a ${x}", "???"])
@pytest.mark.parametrize("listed", [True, False])
def test_what_data_tell_is_refused_where_a_config_would_resolve_it(monkeypatch, told, listed):
    monkeypatch.setenv("SECRET", SECRET)
    monkeypatch.setattr(image_folder, "facts", lambda **settings: {"labels": [told, "b"] if listed else told})
    monkeypatch.setattr(image_folder, "tells", ("labels",))
    config = OmegaConf.create({"data": {"_target_": "src.data.read.image_folder.image_folder", "labels": None}})
    with pytest.raises(ValueError, match=r"data\.labels: the data tell .*, which a config would replace") as refused:
        fill(config)
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("plain name", "plain name"),
        (os.fsdecode(b"caf\xe9"), r"caf\xe9"),
        ("café", "café"),
        ("写真\u3000一", "写真\u3000一"),
        ("a\u200db\u202fPM", "a\u200db\u202fPM"),
        ("a\nb\tc\x1b[31m\x7f", r"a\nb\tc\x1b[31m\x7f"),
        ("a\u2028b\u202eexe", r"a\u2028b\u202eexe"),
        ("${x}", "${x}"),
    ],
)
def test_a_readable_name_is_the_name_but_for_what_no_terminal_or_file_takes(name, text):
    assert readable(name) == text
    assert readable(text) == text
