"""`src.new`: a folder that is a project, and one line where it cannot be made."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT, Command, call
from tests.test_start_up import TORCH_FREE


@pytest.fixture
def new(tmp_path: Path) -> Command:
    """`src.new` in the test's own folder."""
    return lambda *arguments: call("new", tmp_path, *arguments)


def test_the_project_composes_from_its_own_conf(new: Command, tmp_path: Path) -> None:
    assert new("mine").out == "next: cd mine\n      python -m src.train model=mine data=mine\n"
    shown = call("train", tmp_path / "mine", "model=mine", "data=mine", "--cfg", "job")
    assert "_target_: mine.model.Classifier" in shown.out, shown.err
    assert "_target_: mine.data.Digits" in shown.out


def test_the_project_is_plain_lightning(new: Command, tmp_path: Path) -> None:
    new("mine")
    code = (
        "from lightning import Trainer; from mine.model import Classifier; from mine.data import Digits\n"
        "quiet = dict(enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False)\n"
        "trainer = Trainer(max_epochs=8, accelerator='cpu', logger=False, **quiet)\n"
        "trainer.fit(model := Classifier(), data := Digits())\n"
        "(scores,) = trainer.test(model, data, verbose=False); assert scores['test/accuracy'] > 0.9, scores\n"
        "import sys; assert 'src' not in sys.modules\n"
    )
    words = [sys.executable, "-P", "-W", "ignore", "-c", code]
    environment = {"PYTHONPATH": str(tmp_path / "mine"), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ((), "takes one name"),
        (("a", "b"), "takes one name"),
        (("1x",), "no name of a Python package"),
        (("class",), "no name of a Python package"),
        (("a-b",), "no name of a Python package"),
        (("../a",), "no name of a Python package"),
        (("",), "no name of a Python package"),
        (("torch",), "a package or folder of this name"),
        (("json",), "a package or folder of this name"),
        (("src",), "a package or folder of this name"),
        (("conf",), "a package or folder of this name"),
        (("gcn",), "model=gcn is an option of the framework's"),
        (("mnist",), "data=mnist is an option of the framework's"),
        (("full",), "holds something already"),
        (("file",), "holds something already"),
    ],
)
def test_a_name_that_cannot_be_is_one_line_and_nothing_is_written(
    words: tuple[str, ...], why: str, new: Command, tmp_path: Path
) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").touch()
    (tmp_path / "file").touch()
    before = set(tmp_path.rglob("*"))
    assert why in new(*words).error
    assert set(tmp_path.rglob("*")) == before


def test_an_empty_folder_is_filled(new: Command, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    assert new("mine").code == 0
    assert (tmp_path / "mine" / "mine" / "model.py").exists()


def test_it_needs_no_torch(tmp_path: Path) -> None:
    code = f"import sys; sys.argv[1:] = ['mine']; from src.new import main; main(){TORCH_FREE}"
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, check=True)
