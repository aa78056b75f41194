"""Run folders and checkpoints from a stranger: the real commands run none of it and write nothing elsewhere.

Each hostile thing would leave a mark outside of the run folder, or change what lies there; each is named in one line.
"""

import io
import json
import os
import pickle
import shutil
import tarfile
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf

from src.config.error import one_line
from src.run import load
from tests.conftest import Command

SECRET = "hunter2-of-the-tests"
Node = dict[str, Any]


@pytest.fixture
def folder(finished: Path) -> Path:
    """A stranger's run, which says that it was interrupted, so that training goes on with it."""
    path = finished / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"state": "interrupted"}))
    return finished


@pytest.fixture
def refused(
    folder: Path, tmp_path: Path, train: Command, evaluate: Command, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], None]:
    """A check that all three ways to open `folder` name `cause`, and leave everything outside of it as it was."""
    monkeypatch.setenv("SECRET", SECRET)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "precious").write_text("precious")

    def check(cause: str) -> None:
        before = outside(tmp_path, folder)
        errors = [train(f"run={folder}", "trainer.max_epochs=3").error, evaluate(f"run={folder}").error]
        with pytest.raises(Exception) as caught:  # noqa: PT011  the message is checked below
            load(folder)
        errors.append(one_line(caught.value))
        assert outside(tmp_path, folder) == before
        for error in errors:
            assert cause in error, error
            assert SECRET not in error
        assert not any(SECRET.encode() in path.read_bytes() for path in files(folder))

    return check


def files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def outside(root: Path, run: Path) -> dict[Path, bytes | None]:
    """Everything under `root` but what is in `run`: a file's bytes, None for a folder."""
    found = (path for path in root.rglob("*") if run not in path.parents)
    return {path: path.read_bytes() if path.is_file() else None for path in found}


def edit(run: Path, **changes: Any) -> None:
    """Set keys of the recorded config; `__` stands for a dot."""
    path = run / ".hydra" / "config.yaml"
    config = OmegaConf.load(path)
    for key, value in changes.items():
        OmegaConf.update(config, key.replace("__", "."), value, force_add=True, merge=False)
    OmegaConf.save(config, path)


# Configs

CALLS: dict[str, Callable[[Path], Node]] = {
    "os.system": lambda mark: {"command": f"touch {mark}"},
    "shutil.copy": lambda mark: {"src": "precious", "dst": str(mark)},
    "shutil.rmtree": lambda mark: {"path": "precious"},
    "torch.hub.load": lambda mark: {"repo_or_dir": str(mark.parent), "model": "x", "source": "local"},
    "torch.utils.cpp_extension.load_inline": lambda mark: {"name": "x", "cpp_sources": "", "build_directory": "."},
    "builtins.open": lambda mark: {"file": str(mark), "mode": "w"},
    "builtins.exec": lambda mark: {"_args_": [f"open({str(mark)!r}, 'w')"]},
    "torch.nn.functional.torch.load": lambda mark: {"f": str(mark), "weights_only": False},
    "torch.nn.modules.module.torch.save": lambda mark: {"obj": 1, "f": str(mark)},
    "lightning.pytorch.callbacks.model_checkpoint.shutil.copy": lambda mark: {"src": "precious", "dst": str(mark)},
    "lightning.pytorch.callbacks.model_checkpoint.Path.touch": lambda mark: {"self": str(mark)},
    "src.run.checkpoint_io._write": lambda mark: {"path": str(mark), "content": ""},
    "src.command.entry.os.system": lambda mark: {"command": f"touch {mark}"},
    "hydra.utils.instantiate": lambda mark: {"config": {"_target_": "os.system", "command": f"touch {mark}"}},
    "urllib.request.urlretrieve": lambda mark: {"url": "file:precious", "filename": str(mark)},
}


@pytest.mark.parametrize("target", CALLS)
def test_a_target_that_is_none_is_named_and_not_called(
    target: str, folder: Path, refused: Callable[[str], None], tmp_path: Path
) -> None:
    edit(folder, model__net={"_target_": target, **CALLS[target](tmp_path / "mark")})
    refused(f"_target_={target} is not on the allow-list")


PLACES: dict[str, Callable[[Node], Any]] = {
    "model.loss": lambda node: node,
    "model.loss.weight": lambda node: [[node]],
    "model.net.shape": lambda node: ["${model.hidden}", {"deep": [node]}],
    "model.optimizer._args_": lambda node: [node],
    "model.optimizer.params": lambda node: {"_partial_": True, **node},
    "data.graph": lambda node: node,
    "trainer.plugins": lambda node: [{"_target_": "src.run.checkpoint_io.CheckpointIO"}, node],
    "trainer.strategy": lambda node: node,
    "trainer.profiler": lambda node: node,
    "callback.x": lambda node: node,
    "logger.x": lambda node: node,
    "expect.x": lambda node: node,
    "data.mean": lambda node: {"_target_": "torch.nn.ModuleList", "modules": [node]},
}


@pytest.mark.parametrize("place", PLACES)
def test_a_target_is_found_wherever_it_hides(
    place: str, folder: Path, refused: Callable[[str], None], tmp_path: Path
) -> None:
    node = {"_target_": "os.system", "command": f"touch {tmp_path / 'mark'}"}
    edit(folder, model__hidden=1, **{place.replace(".", "__"): PLACES[place](node)})
    refused("_target_=os.system is not on the allow-list")


def test_a_config_of_a_stranger_cannot_extend_the_allow_list(folder: Path, refused: Callable[[str], None]) -> None:
    edit(folder, ALLOWED_TARGETS="os", model__net={"_target_": "os.getcwd"})
    refused("unknown key 'ALLOWED_TARGETS'")


@pytest.mark.parametrize("key", ["hydra", "defaults"])
def test_what_hydra_itself_would_obey_is_refused(key: str, folder: Path, refused: Callable[[str], None]) -> None:
    callback = {"callbacks": {"x": {"_target_": "os.system", "command": "touch mark"}}}
    edit(folder, **{key: {"hydra": callback, "defaults": [{"override hydra/launcher": "basic"}]}[key]})
    refused(f"unknown key {key!r}")


@pytest.mark.parametrize(
    "text",
    [
        "x: !!python/object/apply:os.system ['touch mark']",
        "x: !!python/object/new:os.system ['touch mark']",
        "x: !!python/name:os.system",
        "x: !!python/object/apply:pathlib.PosixPath ['mark']",
        "!!python/object/apply:builtins.exec [\"open('mark', 'w')\"]: 1",
        "x: !mine 1",
        "a: &a [1]\nb: &b [*a, *a]\nc: [*b, *b]",
        "x: " + "[" * 2000 + "]" * 2000,
        "x: [" + "1, " * 500_000 + "]",
        "x: [",
        "\x00",
    ],
    ids=["apply", "new", "name", "path", "key", "own", "aliases", "deep", "long", "torn", "nul"],
)
def test_yaml_that_is_more_than_plain_data_is_refused(text: str, folder: Path, refused: Callable[[str], None]) -> None:
    path = folder / ".hydra" / "config.yaml"
    path.write_text(path.read_text() + "\n" + text + "\n")
    refused("config.yaml is damaged")


@pytest.mark.parametrize(
    "text",
    [
        "${oc.env:SECRET}",
        "${oc.${model.part}:SECRET}",
        "${oc.env:${model.name}}",
        "a${oc.decode:'${oc.env:SECRET}'}",
        "${oc.create:'{_target_: os.system}'}",
        "${oc.env:DATA_DIR,${oc.env:SECRET}}",
        "\\\\${oc.env:SECRET}",
        "${now:${oc.env:SECRET}}",
        "${job_folder:}",
        "${hydra:runtime.cwd}",
    ],
)
def test_an_interpolation_cannot_read_the_environment_or_build_a_node(
    text: str, folder: Path, refused: Callable[[str], None]
) -> None:
    edit(folder, model__part="env", model__name="SECRET", logger__tensorboard__name=text)
    refused("a recorded config may not call this resolver")


PATHS: list[tuple[str, Any]] = [
    ("callback__checkpoint__folder", "{out}"),
    ("callback__checkpoint__folder", "${{run}}/../../../elsewhere"),
    ("callback__checkpoint__folder", "elsewhere"),
    ("logger__csv__folder", "{out}"),
    ("logger__tensorboard__save_dir", "~/elsewhere"),
    ("logger__tensorboard__name", "../../../elsewhere"),
    ("logger__tensorboard__version", "{out}"),
    ("logger__tensorboard__filename_suffix", "/../../../elsewhere"),
    ("logger__x", {"_target_": "lightning.pytorch.loggers.CSVLogger", "save_dir": "."}),
    ("trainer__default_root_dir", "{out}"),
    ("trainer__profiler", {"_target_": "lightning.pytorch.profilers.SimpleProfiler", "dirpath": "{out}"}),
    ("trainer__profiler", {"_target_": "lightning.pytorch.profilers.SimpleProfiler", "filename": "../../elsewhere"}),
    ("callback__x", {"_target_": "lightning.pytorch.callbacks.ModelCheckpoint", "dirpath": "{out}"}),
    ("callback__x", {"_target_": "lightning.pytorch.callbacks.ModelCheckpoint", "filename": "{out}/{{epoch}}"}),
    ("callback__x", {"_target_": "lightning.pytorch.callbacks.OnExceptionCheckpoint", "dirpath": "${{data.hidden}}"}),
    ("trainer__logger", [{"_target_": "src.fit.csv_logger.CSV", "folder": "{out}"}]),
    ("trainer__logger", "${{data.nodes}}"),
]


@pytest.mark.parametrize(("key", "value"), PATHS, ids=lambda value: str(value)[-60:])
def test_a_path_that_leaves_the_run_folder_is_refused(
    key: str, value: Any, folder: Path, refused: Callable[[str], None], tmp_path: Path
) -> None:
    value = json.loads(
        json.dumps(value).replace("{out}", str(tmp_path / "elsewhere")).replace("{{", "{").replace("}}", "}")
    )
    nodes = (
        [{"_target_": "src.fit.csv_logger.CSV", "folder": str(tmp_path / "elsewhere")}]
        if "nodes" in str(value)
        else None
    )
    edit(folder, data__hidden=str(tmp_path / "elsewhere"), **({"data__nodes": nodes} if nodes else {}), **{key: value})
    refused("not in a recorded data" if nodes else "lies outside of the run folder")


def test_a_writer_in_the_place_of_a_net_is_refused(folder: Path, refused: Callable[[str], None]) -> None:
    edit(folder, model__loss={"_target_": "lightning.pytorch.loggers.CSVLogger", "save_dir": "${run}"})
    refused("not in a recorded model")


def test_a_path_that_the_user_says_again_is_the_users(folder: Path, train: Command, tmp_path: Path) -> None:
    there = tmp_path / "elsewhere"
    edit(folder, logger__csv__folder=str(there))
    ended = train(f"run={folder}", "trainer.max_epochs=3", f"logger.csv.folder={there}")
    assert ended.code == 0, ended.err
    assert (there / "metrics.csv").exists()


@pytest.mark.parametrize("name", ["WandbLogger", "wandb.WandbLogger", "MLFlowLogger", "CometLogger"])
def test_a_tracker_that_sends_is_not_started_by_a_folder(name: str, folder: Path, train: Command) -> None:
    edit(folder, logger__x={"_target_": f"lightning.pytorch.loggers.{name}"})
    error = train(f"run={folder}", "trainer.max_epochs=3").error
    assert "a run folder may not send elsewhere by itself" in error
    assert "~logger.x" in error


def test_the_default_folder_of_lightning_is_the_run(folder: Path, train: Command, tmp_path: Path) -> None:
    before = outside(tmp_path, folder)
    profiler = {"_target_": "lightning.pytorch.profilers.SimpleProfiler", "filename": "profile"}
    edit(folder, trainer__default_root_dir=None, trainer__logger=[], trainer__profiler=profiler, logger={})
    ended = train(f"run={folder}", "trainer.max_epochs=3")
    assert ended.code == 0, ended.err
    assert outside(tmp_path, folder) == before
    assert list(folder.glob("*profile.txt"))


def test_nothing_is_downloaded_to_where_a_folder_says(folder: Path, evaluate: Command, tmp_path: Path) -> None:
    there = tmp_path / "elsewhere"
    edit(folder, data___target_="src.data.read.mnist.mnist", data__data_dir=str(there))
    before = outside(tmp_path, folder)
    assert "nothing is downloaded to where a run folder says" in evaluate(f"run={folder}").error
    assert "nothing is downloaded" not in evaluate(f"run={folder}", f"data_dir={there}", "data.image_size=16").error
    assert outside(tmp_path, folder) == before


def test_a_dataset_in_the_folder_is_not_unpickled(folder: Path, evaluate: Command, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    batches = folder / "cifar-10-batches-py"
    batches.mkdir()
    for name in (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch", "batches.meta"):
        (batches / name).write_bytes(pickle.dumps(Call(os.system, f"touch {mark}")))
    edit(folder, data___target_="src.data.read.cifar10.cifar10", data__data_dir="${run}")
    assert "corrupt, its md5 is not CIFAR-10's" in evaluate(f"run={folder}").error
    assert not mark.exists()


# The folder

LINKS = ["checkpoints", "metrics.csv", "train.log", "eval.part", "run.part", "tensorboard", ".hydra/config.yaml"]


@pytest.mark.parametrize("name", LINKS)
def test_a_link_out_of_the_folder_is_refused(
    name: str, folder: Path, refused: Callable[[str], None], tmp_path: Path
) -> None:
    place, target = folder / name, tmp_path / f"target-{Path(name).name}"
    if place.exists():
        place.rename(target)
    else:
        target.write_text("precious")
    place.symlink_to(target)
    refused("is a link out of the run folder")


def test_a_pipe_in_the_folder_is_refused_and_not_waited_for(folder: Path, refused: Callable[[str], None]) -> None:
    (folder / "metrics.csv").unlink()
    os.mkfifo(folder / "metrics.csv")
    refused("is neither a file nor a folder")


def test_the_name_of_a_folder_is_no_interpolation(original: Path, evaluate: Command, tmp_path: Path) -> None:
    shutil.copytree(original, tmp_path / "home")
    shutil.copytree(original, tmp_path / "${oc.env:HERE}")
    os.environ["HERE"] = str(tmp_path / "home")
    before = outside(tmp_path, tmp_path / "${oc.env:HERE}")
    assert "rename it" in evaluate("run=${oc.env:HERE}").error
    assert outside(tmp_path, tmp_path / "${oc.env:HERE}") == before


@pytest.mark.parametrize(
    "best",
    [{"checkpoint": "../../precious"}, {"checkpoint": "/etc/passwd"}, {"checkpoint": ["x"]}, [1], "x"],
    ids=str,
)
def test_a_record_whose_best_checkpoint_lies_elsewhere_is_damaged(
    best: Any, folder: Path, train: Command, tmp_path: Path
) -> None:
    path = folder / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"best": best}))
    before = outside(tmp_path, folder)
    assert "run.json is damaged: best.checkpoint=" in train(f"run={folder}", "trainer.max_epochs=3").error
    assert outside(tmp_path, folder) == before


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"state": "done"', "[1]", "\udcff"], ids=["deep", "torn", "list", "bytes"]
)
def test_a_record_that_is_none_is_named(text: str, folder: Path, train: Command) -> None:
    (folder / "run.json").write_bytes(text.encode(errors="surrogateescape"))
    assert "run.json is damaged" in train(f"run={folder}").error


# Checkpoints


class Call:
    """Unpickled without care it calls `function`."""

    def __init__(self, function: Callable[..., object], *arguments: object):
        self.call = function, arguments

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return self.call


def saved(value: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


def rezipped(content: bytes, change: Callable[[str, bytes], bytes], *, compression: int = zipfile.ZIP_STORED) -> bytes:
    """The archive with each member's bytes changed by `change(name, bytes)`."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(buffer, "w", compression) as new:
        for name in old.namelist():
            new.writestr(name, change(name, old.read(name)))
    return buffer.getvalue()


def opcodes(call: str) -> Callable[[str, bytes], bytes]:
    """Put a pickle that calls `module name` with one string in the place of an archive's own."""
    module, name, argument = call.split("|")
    code = f"c{module}\n{name}\n(S{argument!r}\ntR.".encode()
    return lambda member, content: code if member.endswith("data.pkl") else content


def tarred(mark: Path) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name in ("storages", "tensors", "pickle"):
            content = pickle.dumps(Call(os.system, f"touch {mark}"))
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def overlapping() -> bytes:
    """An archive whose directory names one member a thousand times: a bomb without compression."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({"state_dict": {}}, protocol=2))
        archive.writestr("archive/data/0", bytes(10**6))
        archive.filelist += [archive.filelist[-1]] * 999
    return buffer.getvalue()


def view(sizes: tuple[int, ...], strides: tuple[int, ...]) -> bytes:
    """A checkpoint with a tensor of a size that its storage of eight bytes does not have."""

    class View:
        def __reduce__(self) -> Any:
            storage = torch.zeros(2).untyped_storage()
            typed = torch.storage.TypedStorage(wrap_storage=storage, dtype=torch.float32, _internal=True)
            return torch._utils._rebuild_tensor_v2, (typed, 0, sizes, strides, False, OrderedDict())

    return saved({"state_dict": {"net.0.weight": View()}})


def endless() -> dict[str, Any]:
    """A container that contains itself."""
    value: dict[str, Any] = {"state_dict": {}}
    value["again"] = [value]
    return value


def deep() -> list[Any]:
    value: list[Any] = []
    for _ in range(200):
        value = [value]
    return value


NOT_PLAIN = "does not load as plain data"
NO_ZIP = "it is no zip archive"
CHECKPOINTS: dict[str, tuple[Callable[[Path], bytes], str]] = {
    "os.system": (lambda mark: saved({"state_dict": Call(os.system, f"touch {mark}")}), NOT_PLAIN),
    "open": (lambda mark: saved({"state_dict": {"x": Call(open, str(mark), "w")}}), NOT_PLAIN),
    "exec": (lambda mark: saved(Call(exec, f"open({str(mark)!r}, 'w')")), NOT_PLAIN),
    "copy": (lambda mark: saved({"callbacks": Call(shutil.copy, "precious", str(mark))}), NOT_PLAIN),
    "touch": (lambda mark: saved({"loops": [Call(Path.touch, mark)]}), NOT_PLAIN),
    "plain pickle": (lambda mark: pickle.dumps(Call(os.system, f"touch {mark}")), NO_ZIP),
    "pickle, protocol 0": (lambda mark: pickle.dumps(Call(os.system, f"touch {mark}"), protocol=0), NO_ZIP),
    "before zips": (
        lambda mark: (
            (b := io.BytesIO(), torch.save(Call(open, str(mark), "w"), b, _use_new_zipfile_serialization=False))
            and b.getvalue()
        ),
        NO_ZIP,
    ),
    "tar": (tarred, NO_ZIP),
    "opcodes": (lambda mark: rezipped(saved({}), opcodes(f"os|system|touch {mark}")), NOT_PLAIN),
    "re-export": (lambda mark: rezipped(saved({}), opcodes(f"torch.serialization|os.system|touch {mark}")), NOT_PLAIN),
    "torch.load": (lambda mark: rezipped(saved({}), opcodes(f"torch|load|{mark}")), NOT_PLAIN),
    "torch.hub": (lambda mark: rezipped(saved({}), opcodes(f"torch.hub|load|{mark}")), NOT_PLAIN),
    "inline C": (lambda mark: rezipped(saved({}), opcodes("torch.utils.cpp_extension|load_inline|x")), NOT_PLAIN),
    "module": (lambda mark: saved({"state_dict": torch.nn.Linear(1, 1)}), NOT_PLAIN),
    "bomb": (lambda mark: rezipped(saved({"a": torch.zeros(10**6)}), lambda _, c: c, compression=8), "is compressed"),
    "bomb, one stream": (lambda mark: overlapping(), "its members hold"),
    "big view": (lambda mark: view((10**6,), (1,)), NOT_PLAIN),
    "huge view": (lambda mark: view((10**14,), (1,)), NOT_PLAIN),
    "stride 0": (lambda mark: view((10**12,), (0,)), "need more than"),
    "negative": (lambda mark: view((4,), (-1,)), NOT_PLAIN),
    "itself": (lambda mark: saved(endless()), "is of another net"),
    "deep": (lambda mark: saved({"state_dict": {"x": deep()}}), "is of another net"),
    "climbing path": (
        lambda mark: saved({"state_dict": {}, "callbacks": {"x": {"kth_best_model_path": "a/../../../precious"}}}),
        "which leaves its folder",
    ),
    "no dictionary": (lambda mark: saved([1]), "holds no state_dict"),
    "empty": (lambda mark: b"", NO_ZIP),
}


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_a_checkpoint_that_is_none_is_refused_by_every_way_to_open_it(
    name: str, folder: Path, train: Command, evaluate: Command, tmp_path: Path
) -> None:
    mark = tmp_path / "mark"
    (tmp_path / "precious").write_text("precious")
    make, cause = CHECKPOINTS[name]
    shutil.rmtree(folder / "checkpoints")
    (folder / "checkpoints").mkdir()
    for place in (folder / "checkpoints" / "best.ckpt", folder / "checkpoints" / "last.ckpt", tmp_path / "x.ckpt"):
        place.write_bytes(make(mark))
    before = outside(tmp_path, folder)
    errors = [evaluate(f"run={folder}", f"checkpoint={tmp_path / 'x.ckpt'}").error]
    with pytest.raises(ValueError) as caught:  # noqa: PT011  the message is checked below
        load(folder)
    errors.append(one_line(caught.value))
    for error in errors:
        assert cause in error, error
        assert ".ckpt" in error
    assert train(f"run={folder}", "trainer.max_epochs=3").code == 1
    assert outside(tmp_path, folder) == before


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"0  best.ckpt\n"])
def test_a_sha256_that_is_none_is_not_taken_for_one(content: bytes, folder: Path, evaluate: Command) -> None:
    (folder / "checkpoints" / "best.ckpt.sha256").write_bytes(content)
    assert "best.ckpt is damaged: its sha256" in evaluate(f"run={folder}").error
