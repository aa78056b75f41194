"""A person's own code and configs in the working folder: found without ceremony, and no gain for a stranger."""

import os
import sys
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from src.config.allow import check_name, check_recorded, resolve
from src.config.own import CONFIG_DIR, FOLDER, started_here
from src.config.schema import CONF, options
from tests.conftest import Command, forget

RAW = "lab.raw.datamodule"  # a function, which conf/data/raw_helper.yaml names


@pytest.fixture
def here(lab: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The strangers' folder as the current one, without what is imported from it afterwards."""
    monkeypatch.chdir(lab)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield lab
    forget(lab)


def test_no_option_of_the_strangers_has_a_name_of_ours() -> None:  # which each of their commands would be refused for
    theirs, ours = (
        {str(path.relative_to(folder)) for path in folder.rglob("*.yaml")}
        for folder in (Path(__file__).parents[1] / "strangers" / "conf", Path(__file__).parents[2] / "conf")
    )
    assert theirs
    assert not theirs & ours


LIBRARIES = {"timm": "timm.", "torchdata": "lab.stateful.", "litdata": "lab.shards."}  # that need not be there


def own_targets() -> list[str]:
    folder = Path(__file__).parents[1] / "strangers" / "conf"
    nodes = [OmegaConf.to_container(OmegaConf.load(path)) for path in sorted(folder.rglob("*.yaml"))]
    found: set[str] = set()
    while nodes:
        node = nodes.pop()
        if isinstance(node, dict):
            found |= {node["_target_"]} & {str(node["_target_"])} if "_target_" in node else set()
        nodes += node.values() if isinstance(node, dict) else node if isinstance(node, list) else []
    return sorted(found)


@pytest.mark.parametrize("target", own_targets())
def test_what_strangers_name_in_their_conf_may_be_named(
    target: str, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for library in [library for library, start in LIBRARIES.items() if target.startswith(start)]:
        pytest.importorskip(library)
        monkeypatch.setenv("ALLOWED_TARGETS", "timm")
    found = resolve(target)
    assert found.__qualname__.endswith(target.rpartition(".")[2])
    check_recorded(target)


@pytest.mark.parametrize(
    ("target", "why"),
    [
        ("lab.raw.IrisDataset.__getitem__", "no class of a kind"),
        ("lab.raw.np.load", "not in the folder"),
        ("lab.raw.nn.Linear", "not in the folder"),
        ("lab.raw.torch.load", "not in the folder"),
        ("lab.raw.Nothing", "there is no such class"),
        ("lab.raw.Regresor", "did you mean lab.raw.Regressor?"),
        ("lab.nothing.Net", "there is no such class"),
        ("lab", "not on the allow-list"),
        ("lab.", "not on the allow-list"),
        ("lab..raw", "not on the allow-list"),
        ("lab.raw.Regressor ", "not on the allow-list"),
        ("lab.raw.Regressor()", "not on the allow-list"),
        ("other.Net", "not on the allow-list"),
        ("os.system", "not on the allow-list"),
    ],
)
def test_the_folder_is_no_way_to_what_lies_elsewhere(target: str, why: str, here: Path) -> None:
    with pytest.raises(ValueError, match=why):
        resolve(target)


def test_a_folder_called_like_an_installed_package_allows_nothing_of_it(here: Path) -> None:
    for name in ("os", "shutil", "torch"):
        (here / name).mkdir()
    for target in ("os.system", "shutil.copy", "torch.load"):
        with pytest.raises(ValueError, match="not in the folder"):
            resolve(target)


def test_a_function_is_allowed_where_conf_names_it_and_only_there(here: Path) -> None:
    assert resolve(RAW).__name__ == "datamodule"
    (here / "conf" / "data" / "raw_helper.yaml").write_text(f"# {RAW}\n_target_: lab.raw.DiabetesDataset\n")
    with pytest.raises(ValueError, match="name it in a YAML of your own conf"):
        resolve(RAW)


def test_a_single_file_and_a_folder_without_init_are_own_code(here: Path) -> None:
    (here / "mine.py").write_text("from torch import nn\nclass Net(nn.Linear): pass\n")
    (here / "theirs").mkdir()
    (here / "theirs" / "nets.py").write_text("from torch import nn\nclass Net(nn.Linear): pass\n")
    assert resolve("mine.Net").__module__ == "mine"
    assert resolve("theirs.nets.Net").__module__ == "theirs.nets"


def test_src_is_the_frameworks_name(here: Path) -> None:
    (here / "src").mkdir()
    (here / "src" / "evil.py").write_text("class Net: pass\n")
    with pytest.raises(ValueError, match="not on the allow-list"):
        check_name("src.evil.Net")


def test_code_that_fails_when_it_is_imported_is_one_line(here: Path) -> None:
    (here / "lab" / "broken.py").write_text("import sys\nsys.exit('usage: broken')\n")
    with pytest.raises(ValueError, match=r"importing lab\.broken ends in SystemExit: usage: broken"):
        resolve("lab.broken.Net")


# Recorded configs

HOSTILE = [
    "lab.evil.Net",  # a module that no YAML names
    "lab.raw.evil.Net",  # reached through one that is named
    "lab.Net",
    "evil.Net",
    "outputs.evil.Net",
    "data.evil.Net",
]


@pytest.mark.parametrize("target", HOSTILE)
def test_a_recorded_config_names_no_module_that_conf_does_not(
    target: str, lab: Path, finished: Path, stranger: Command
) -> None:
    mark = lab.parent / "mark"
    for place in ("lab", ".", "outputs", "data"):
        (lab / place).mkdir(exist_ok=True)
        (lab / place / "evil.py").write_text(f"open({str(mark)!r}, 'w')\nfrom torch.nn import Linear as Net\n")
    (lab / "conf" / "model" / "note.yaml").write_text("# lab.evil.Net, evil.Net\nnote: lab\n")
    path = finished / ".hydra" / "config.yaml"
    config = OmegaConf.load(path)
    OmegaConf.update(config, "model.net", {"_target_": target}, force_add=True, merge=False)
    OmegaConf.save(config, path)
    commands = (("eval", "run"), ("train", "run"), ("train", "rerun"), ("predict", "run"), ("export", "run"))
    for command, key in commands if target == HOSTILE[0] else commands[:1]:
        error = stranger(command, f"{key}={finished}").error
        assert f"_target_={target}: a run folder may only name modules of yours" in error
    assert not mark.exists()


def test_a_run_of_own_code_is_opened_again_where_its_conf_is(stranger: Command, lab: Path) -> None:
    ended = stranger("train", "model=linnerud", "data=gym", "trainer.max_epochs=1", "trainer.accelerator=cpu")
    assert ended.code == 0, ended.err
    assert stranger("eval", f"run={ended.run}", "split=val").code == 0
    (lab / "conf").rename(lab / "configs")
    error = stranger("eval", f"run={ended.run}", "split=val").error
    assert "a run folder may only name modules of yours that a YAML of your own conf names" in error
    assert stranger("eval", f"run={ended.run}", "split=val", "--config-dir=configs").code == 0


def test_the_person_may_allow_the_module_or_say_it_again(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match=r"ALLOWED_TARGETS=lab\.other"):
        check_recorded("lab.other.Net")
    monkeypatch.setenv("ALLOWED_TARGETS", "lab")
    with pytest.raises(ValueError, match="a run folder may only name"):  # a whole package is for what is typed
        check_recorded("lab.other.Net")
    monkeypatch.setenv("ALLOWED_TARGETS", "lab.other")
    check_recorded("lab.other.Net")


# The own conf


def test_the_own_conf_adds_its_options_to_each_group(stranger: Command, lab: Path) -> None:
    (lab / "conf" / "local").mkdir()
    (lab / "conf" / "local" / "default.yaml").write_text("# @package _global_\nseed: 31\n")
    (lab / "conf" / "experiment").mkdir()
    text = "# @package _global_\ndefaults:\n  - override /model: lm\ntags: [mine]\n"
    (lab / "conf" / "experiment" / "mine.yaml").write_text(text)
    shown = OmegaConf.create(stranger("train", "experiment=mine", "data=lm", "--cfg", "job").out)
    assert (shown.model._target_, shown.data._target_) == ("lab.lm.CharRNN", "lab.lm.CharData")
    assert (shown.seed, shown.tags) == (31, ["mine"])


def test_help_and_errors_list_the_own_options_beside_the_frameworks(stranger: Command) -> None:
    listed = next(line for line in stranger("train", "--help").out.splitlines() if line.startswith("model: "))
    assert {"tutorial", "fashion_cnn"} <= set(listed.removeprefix("model: ").split(", "))
    error = stranger("train", "model=tutrial").error
    assert "did you mean tutorial?" in error
    assert "fashion_cnn" in error


def test_config_dir_names_another(lab: Path, stranger: Command) -> None:
    (lab / "conf").rename(lab / "configs")
    assert "no such option" in stranger("train", "model=tutorial").error
    for words in (("--config-dir", "configs"), ("--config-dir=configs",), ("-cd", str(lab / "configs"))):
        shown = stranger("train", *words, "model=tutorial", "--cfg", "job")
        assert "lab.tutorial.LitMNISTLike" in shown.out, shown.err
    assert "did you mean tutorial?" in stranger("train", "--config-dir=configs", "model=tutrial").error


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("model/mlp", CONF),
        ("callback/guard", CONF),
        ("train", CONF),
        ("hydra/launcher/basic", "the framework"),
        ("hydra/job_logging/none", "hydra"),
        ("train_schema", "the framework"),
        ("recorded", "the framework"),
    ],
)
@pytest.mark.parametrize("words", [(), ("--help",), ("--config-dir", "conf"), ("hydra.searchpath",)], ids=str)
def test_a_name_in_both_is_one_line(
    name: str, other: object, words: tuple[str, ...], lab: Path, stranger: Command
) -> None:
    path = lab / "conf" / f"{name}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("_target_: lab.tutorial.LitMNISTLike\n")
    if "searchpath" in str(words):
        (lab / "conf").rename(lab / "elsewhere")
        path, words = Path("elsewhere", f"{name}.yaml"), ("hydra.searchpath=[file://elsewhere]",)
    error = stranger("train", *words).error
    assert f"{path}: {name} stands in " in error
    assert str(other) in error
    assert "rename or remove yours" in error


def test_the_checkouts_conf_is_no_second_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(CONF.parent)
    assert options("model") == sorted(path.stem for path in (CONF / "model").glob("*.yaml"))


def test_the_processes_that_a_command_starts_know_where_it_was_started(
    lab: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(lab)
    with started_here(["model=lm", "--config-dir", "conf"]):
        monkeypatch.chdir(tmp_path)
        assert "lm" in options("model")
        check_recorded("lab.lm.CharRNN")
        assert os.environ[FOLDER] == str(lab)
    assert not {FOLDER, CONFIG_DIR} & set(os.environ)
