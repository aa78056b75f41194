"""What a user can get wrong: each is one line with key, value and cure, before anything is written."""

import pickle
from pathlib import Path

import pytest

from src.run.record import read
from tests.conftest import FAST, Command
from tests.toy import mnist_files

BEFORE_COMPUTE = {  # arguments: what the line names
    "unknown key, near": (["optimizer=sgd", "optimizer.momentun=0.9"], ["optimizer.momentun=0.9", "momentum?"]),
    "unknown key of this option, near one of another": (
        ["optimizer.momentun=0.9"],
        ["optimizer.momentun=0.9", "Adam", "optimizer=sgd optimizer.momentum"],
    ),
    "unknown key, near nothing": (["optimizer.xyzzy=1"], ["optimizer.xyzzy=1", "Adam", "weight_decay"]),
    "another working folder": (["hydra.job.chdir=true"], ["hydra.job.chdir=true"]),
    "a key without its group": (["lr=0.1"], ["did you mean optimizer.lr?"]),
    "a key without its group, forced": (["+batch_size=4"], ["did you mean data.batch_size?"]),
    "another framework's key": (["epochs=3"], ["did you mean trainer.max_epochs?"]),
    "an argument without its group, which no file lists": (["val_fraction=0.2"], ["did you mean data.val_fraction?"]),
    "an argument of what a group holds": (["dropout=0.2"], ["did you mean model.net.dropout?"]),
    "unknown key, value with an apostrophe": (["seed=don't"], ["don't", "Integer"]),
    "unknown key at the top": (["sead=1"], ["sead", "did you mean seed?"]),
    "unknown key at the top, forced": (["+sead=1"], ["sead", "did you mean seed?"]),
    "several values without -m": (["seed=0,1"], ["seed=0,1", "with -m", "'seed=[0,1]'"]),
    "an interval in a grid": (["-m", "optimizer.lr=interval(1,2)"], ["optimizer.lr=interval(1,2)", "search=random"]),
    "a list in place of a path": (["data=image_folder", "data.root=[a,b]"], ["data.root=['a', 'b']", "expects str"]),
    "unknown group": (["modle=lenet5"], ["modle", "did you mean mode"]),
    "unknown option": (["model=fashion_cn"], ["model=fashion_cn", "fashion_cnn", "softmax_regression"]),
    "unknown option, near nothing": (["data=xyzzy"], ["data=xyzzy", "digits", "mnist"]),
    "unknown callback": (["+callback=early_stoping"], ["early_stoping", "did you mean early_stopping?"]),
    "a callback to remove that is not there": (["~callback.progres"], ["~callback.progres", "--cfg job"]),
    "wrong type at the top": (["seed=many"], ["seed=many"]),
    "wrong type of a flag": (["test=perhaps"], ["test=perhaps"]),
    "wrong type in a group": (["trainer.max_epochs=ten"], ["trainer.max_epochs='ten'", "int"]),
    "wrong type of a number": (["optimizer.lr=fast"], ["optimizer.lr='fast'", "float"]),
    "unknown argument, nested": (["model.net.outpust=3"], ["model.net.outpust=3", "did you mean outputs?"]),
    "unknown argument, three deep": (["model.loss.labelsmoothing=1"], ["model.loss", "did you mean label_smoothing?"]),
    "unknown argument, in a list": (
        ["trainer.plugins=[{_target_:src.run.checkpoint_io.CheckpointIO,x:1}]"],
        ["trainer.plugins[0].x=1", "CheckpointIO"],
    ),
    "unknown argument with an underscore": (["trainer._foo=1"], ["trainer._foo=1", "Trainer"]),
    "unknown argument of a callback": (["callback.progress.refresh=1"], ["callback.progress", "refresh_s?"]),
    "missing argument": (["~callback.checkpoint.monitor"], ["callback.checkpoint", "needs monitor", "set "]),
    "what a node makes": (["~model.net._target_"], ["model.net={", "expects Module"]),
    "missing argument, nested": (["~model.net.outputs"], ["model.net", "needs outputs", "set model.net.outputs="]),
    "an interpolation of nothing": (["optimizer.lr=${nowhere}"], ["optimizer.lr", "nowhere"]),
    "monitor that nothing logs": (["monitor=val/acuracy"], ["monitor=val/acuracy", "set monitor=val/accuracy"]),
    "monitor of a split that is empty": (["data.val_fraction=0"], ["monitor=val/loss", "set monitor=train/loss"]),
    "monitor of the test split": (["monitor=test/accuracy"], ["monitor=test/accuracy", "set monitor="]),
    "monitor of one callback": (
        ["+callback=early_stopping", "callback.early_stopping.monitor=loss"],
        ["callback.early_stopping.monitor=loss", "val/loss"],
    ),
    "mode": (["mode=maximum"], ["checkpoint.mode='maximum'", "'min' or 'max'"]),
    "mode, where nothing keeps the best": (["debug=fast", "mode=maximum"], ["mode=maximum", "min or max"]),
    "a metric that does not exist": (["model.metrics=[acuracy]"], ["acuracy", "did you mean accuracy?"]),
    "target outside the list": (["model.net._target_=os.system"], ["os.system", "ALLOWED_TARGETS"]),
    "target that is not there": (["model.net._target_=src.net.nothing.Nothing"], ["src.net.nothing.Nothing"]),
    "no samples in a batch": (["data.batch_size=0"], ["data.batch_size=0", "at least 1"]),
    "a share that is none": (["data.val_fraction=1.5"], ["data.val_fraction=1.5"]),
    "a fold that there is not": (["data.folds=5", "data.fold=5"], ["data.fold=5", "data.folds=5", "0 to 4"]),
    "a fold of how many": (["data.fold=0"], ["data.fold=0", "set data.folds=5"]),
    "one fold": (["data.folds=1", "data.fold=0"], ["data.folds=1", "at least 2"]),
    "folds of what has no val": (["data=karate", "model=gcn", "data.folds=2", "data.fold=0"], ["data.folds=2", "val"]),
    "an impossible rate": (["optimizer.lr=-1"], ["optimizer", "-1"]),
    "no way to scale a rate": (["optimizer.scale_lr=cubic"], ["optimizer.scale_lr=cubic", "none, linear, sqrt"]),
    "a batch smaller than the processes": (
        ["trainer=cpu", "trainer.devices=4", "trainer.strategy=ddp", "data.batch_size=3"],
        ["data.batch_size=3 is shared by all 4 processes", "set data.batch_size=4"],
    ),
    "an image too small": (["model=lenet5", "data.image_size=8"], ["[1, 8, 8]", "set data.image_size=16"]),
    "an image made too small": (["data=mnist", "data.image_size=3"], ["[1, 3, 3]", "set data.image_size="]),
    "more devices than there are": (["trainer.devices=99"], ["trainer.devices=99", "set trainer.devices="]),
    "a strategy that does not exist": (["trainer.strategy=ddq"], ["trainer.strategy=ddq", "did you mean ddp?"]),
    "several machines for one process": (["trainer=dp", "trainer.num_nodes=2"], ["trainer.num_nodes=2", "ddp"]),
    "a setting of a callback that debug= took away": (
        ["debug=limit", "callback.checkpoint.every_n_steps=5"],
        ["callback.checkpoint.every_n_steps", "no callback.checkpoint", "leave it out"],
    ),
    "a callback set to null": (["callback.checkpoint=null"], ["callback.checkpoint", "~callback.checkpoint"]),
    "no key": (["optimizer"], ["optimizer"]),
}


@pytest.mark.parametrize(("arguments", "named"), BEFORE_COMPUTE.values(), ids=BEFORE_COMPUTE)
def test_bad_input_is_one_line_and_leaves_nothing(
    arguments: list[str], named: list[str], train: Command, tmp_path: Path
) -> None:
    error = train(*arguments).error
    for word in named:
        assert word in error
    assert list(tmp_path.iterdir()) == []


def test_the_override_named_for_a_small_image_cures_it(train: Command) -> None:
    cure = train("model=lenet5", "data.image_size=8", "debug=fast").error.split("set ")[-1]
    assert train("model=lenet5", "data.image_size=8", "debug=fast", cure).code == 0


def test_the_overrides_named_for_an_argument_of_another_option_cure_it(train: Command) -> None:
    error = train(*FAST, "optimizer.momentun=0.9").error
    option, key = error.split("did you mean ")[-1].rstrip("?").split()
    assert train(*FAST, option, f"{key}=0.9").code == 0


@pytest.mark.parametrize(
    "bad",
    [
        "trainer.max_epochs=1,ten",
        "model=softmax_regression,xai_vgg",
        "model=softmax_regression,lenet",
        "trainer.strategy=auto,ddq",
        "trainer.devices=1,99",
    ],
)
def test_a_bad_job_ends_a_sweep_before_its_first_job_starts(bad: str, train: Command, tmp_path: Path) -> None:
    error = train("-m", "model=softmax_regression", "debug=fast", bad).error
    assert bad.rsplit(",", 1)[1] in error
    assert list(tmp_path.iterdir()) == []


def test_a_flag_that_does_not_exist_says_so_on_its_last_line(train: Command, tmp_path: Path) -> None:
    ended = train("--hlep")
    assert ended.code == 2
    assert "--hlep" in ended.err.splitlines()[-1]
    assert "Traceback" not in ended.err
    assert list(tmp_path.iterdir()) == []


def failed(train: Command, *arguments: str) -> str:
    """The one line of a run that failed while it ran; its folder says the same, and the log has the traceback."""
    ended = train("model=softmax_regression", "debug=fast", *arguments)
    line, record, log = ended.error, read(ended.run), (ended.run / "train.log").read_text()
    assert record["state"] == "failed"
    assert set(record["error"]) == {"type", "message"}
    assert record["error"]["message"] in line
    assert record["ended"] > record["started"]
    assert "Traceback (most recent call last)" in log
    assert record["error"]["message"] in log
    return line


def test_missing_dataset_files_are_named_with_the_folder_they_belong_in(train: Command, tmp_path: Path) -> None:
    line = failed(train, "data=mnist", f"data_dir={tmp_path / 'nothing'}")
    for word in ("train-images-idx3-ubyte", "t10k-labels-idx1-ubyte", str(tmp_path / "nothing/MNIST/raw"), "DATA_DIR"):
        assert word in line


def test_missing_cifar_files_are_named_with_the_folder_they_belong_in(train: Command, tmp_path: Path) -> None:
    line = failed(train, "data=cifar10", f"data_dir={tmp_path / 'nothing'}")
    for word in ("data_batch_1", "test_batch", str(tmp_path / "nothing/cifar-10-batches-py")):
        assert word in line


@pytest.mark.parametrize("share", [0.0, 0.00001, 0.5, 0.99])
def test_a_truncated_dataset_file_is_named(share: float, train: Command, tmp_path: Path) -> None:
    mnist_files(tmp_path)
    path = tmp_path / "MNIST" / "raw" / "train-images-idx3-ubyte"
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    line = failed(train, "data=mnist", f"data_dir={tmp_path}")
    assert str(path) in line
    assert "delete it" in line


def test_a_cifar_file_that_was_changed_does_not_run_the_code_in_it(train: Command, tmp_path: Path) -> None:
    class Touch:
        def __reduce__(self) -> tuple[object, tuple[Path]]:
            return Path.touch, (tmp_path / "mark",)

    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    for name in ("test_batch", "batches.meta", *(f"data_batch_{k}" for k in range(1, 6))):
        (folder / name).write_bytes(pickle.dumps(Touch()))
    line = failed(train, "data=cifar10", f"data_dir={tmp_path}")
    assert str(folder) in line
    assert not (tmp_path / "mark").exists()


def test_a_label_outside_the_classes_is_named(train: Command, tmp_path: Path) -> None:
    mnist_files(tmp_path)
    path = tmp_path / "MNIST" / "raw" / "train-labels-idx1-ubyte"
    path.write_bytes(path.read_bytes()[:-1] + bytes([77]))
    line = failed(train, "data=mnist", f"data_dir={tmp_path}")
    assert "77" in line
    assert "data." in line


def test_a_last_batch_of_one_sample_is_cured_by_the_override_it_names(train: Command, tmp_path: Path) -> None:
    mnist_files(tmp_path, train=20)
    toy = ("model=resnet18", "data=mnist", f"data_dir={tmp_path}", "data.batch_size=17", "data.image_size=32")
    toy += ("trainer.max_epochs=1", "callback=[progress]", "logger=[]", "trainer.enable_checkpointing=false")
    ended = train(*toy)
    assert ended.code == 1
    assert ended.err.splitlines()[-1].endswith("set data.drop_last=true")
    assert train(*toy, "data.drop_last=true").code == 0


def test_more_classes_than_outputs_is_found_before_compute(train: Command, tmp_path: Path) -> None:
    assert "expected [2, 10]" in train("model.net.outputs=5").error
    assert list(tmp_path.iterdir()) == []


def test_hydra_full_error_still_shows_the_traceback(train: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    for arguments in (["seed=many"], ["data.batch_size=0"], [*FAST, "data=mnist", "data_dir=nothing"]):
        ended = train(*arguments)
        assert ended.code == 1
        assert "Traceback (most recent call last)" in ended.err
        assert ended.err.splitlines()[-1].startswith("error: ")


def test_a_failing_job_of_a_sweep_leaves_the_others_done(train: Command, tmp_path: Path) -> None:
    mnist_files(tmp_path / "toy")
    places = f"data_dir={tmp_path / 'toy'},{tmp_path / 'nothing'}"
    ended = train("-m", *FAST, "data=mnist", "data.batch_size=4", places, "hydra.sweep.subdir=${hydra.job.num}")
    assert ended.code != 0
    assert [read(run)["state"] for run in ended.runs] == ["done", "failed"]
    assert "Traceback" not in ended.err
