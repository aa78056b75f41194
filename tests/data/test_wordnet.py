"""Definitions of WordNet: read as its manual describes the files, and through the life of a run."""

import json
from pathlib import Path
from statistics import mean

import pytest
import torch
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from torch import Tensor

from src.data.read.tokens import hashed
from src.data.read.wordnet import wordnet
from src.run import load
from src.run.record import read
from tests.conftest import Command
from tests.toy import ANIMAL, PLANT, wordnet_files

REAL = Path("/usr/share/wordnet")
SHORT = ("trainer.max_epochs=3", "scheduler=none", "data.batch_size=16", "~callback.figures")


@pytest.fixture
def files(tmp_path: Path) -> Path:
    return wordnet_files(tmp_path)


def definitions(*texts: str) -> Tensor:
    return hashed(texts, unit="word", length=8)


def test_a_line_is_a_definition_without_examples_and_the_number_of_its_kind(files: Path) -> None:
    token_NL, kind_N = wordnet.read(str(files), unit="word", length=8, split="train")
    assert token_NL.shape == (80, 8)
    assert torch.equal(token_NL[:2], definitions(ANIMAL.format("beast0").partition(";")[0], PLANT.format("herb0")))
    assert kind_N.tolist() == [2, 17] * 40  # lexnames(5WN): noun.animal is file 5, noun.plant 20, noun.Tops 3


def test_files_that_are_not_there_say_where_to_get_them(tmp_path: Path) -> None:
    if REAL.exists():
        pytest.skip("they are there")
    with pytest.raises(FileNotFoundError, match="apt-get install wordnet-base"):
        wordnet.read(str(tmp_path), unit="word", length=8, split="train")


@pytest.mark.parametrize("net", ["rnn", "transformer"])
def test_a_run_on_texts_learns_scores_and_predicts_from_its_folder_alone(
    net: str, files: Path, train: Command, predict: Command
) -> None:
    words = (f"data.root={files}", "data=wordnet", "data.classes=[animal,plant]")
    run = train(f"model={net}", *words, *SHORT, "optimizer.lr=0.01").run
    assert read(run)["metrics"]["test/accuracy"] == 1.0
    (files / "data.noun").unlink()  # what was learnt of its words is in the run
    trained = load(run)
    with torch.no_grad():
        said = trained.net(trained.preprocess("a small thing that lives in water")).argmax(dim=1)
    assert trained.classes == ["animal", "plant"]
    assert said.tolist() == [0]


def test_a_net_of_images_says_which_nets_read_texts(files: Path, train: Command) -> None:
    assert "model=rnn or model=transformer" in train("model=mlp", "data=wordnet", f"data.root={files}").error


def test_a_net_of_texts_says_which_data_it_needs(train: Command) -> None:
    assert "data=text" in train("model=rnn", "data=digits").error


@pytest.mark.skipif(not REAL.exists(), reason="Debian's wordnet-base is not installed")
def test_the_real_files_have_the_published_number_of_synsets() -> None:
    token_NL, kind_N = wordnet.read(str(REAL), unit="word", length=8, split="train")
    assert len(token_NL) == 82_115  # wnstats(7WN)
    assert kind_N.bincount().argmax() == 3  # artifacts


@pytest.mark.soak
@pytest.mark.skipif(not REAL.exists(), reason="Debian's wordnet-base is not installed")
def test_three_seeds_tell_kinds_as_well_as_tf_idf_and_a_logistic_regression_less_two_hundredths(train: Command) -> None:
    runs = train("-m", "experiment=wordnet_gru", "seed=0,1,2", "sweep=wordnet").runs
    assert mean(read(run)["metrics"]["test/accuracy"] for run in runs) >= baseline(runs[0]) - 0.02


def baseline(run: Path) -> float:
    """The test accuracy of a logistic regression on TF-IDF of the texts of a run, as strong as val chooses."""
    lines = [line for line in (REAL / "data.noun").read_text(encoding="latin-1").splitlines() if line[0] != " "]
    class_of = [int(line.split()[1]) for line in lines]
    text_of = [line.split(" | ")[1].partition(";")[0].strip() for line in lines]
    listed = json.loads((run / "splits.json").read_text())["splits"]
    parts = {
        split: [[cells[int(row)] for row in listed[split]["samples"]] for cells in (text_of, class_of)]
        for split in ("train", "val", "test")
    }
    models = [
        make_pipeline(TfidfVectorizer(), LogisticRegression(C=strength, max_iter=300)).fit(*parts["train"])
        for strength in (1, 3, 10, 30)
    ]
    return float(max(models, key=lambda model: model.score(*parts["val"])).score(*parts["test"]))
