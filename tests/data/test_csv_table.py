"""A CSV file as data: what it tells, how its rows are divided, what of it a net sees, and what is refused."""

import itertools
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from src.config.build import build
from src.config.plain import fill, plain
from src.config.schema import CONF
from src.data.module import Data
from src.data.read.csv_text import sheet
from src.data.read.readable import label
from src.data.split.splitting import Splitting

KINDS = ("cat", "dog", "eel")


def filled(path: Path, **settings: Any) -> Any:
    """The config of data=csv with what the file tells."""
    config = OmegaConf.create({"seed": 0, "data": OmegaConf.load(CONF / "data" / "csv.yaml")})
    del config.data["defaults"]
    config.data.update({"file": str(path), "target": "kind"} | settings)
    fill(config)
    return config


def data(path: Path, **settings: Any) -> Data:
    made: Data = build(plain(filled(path, **settings))["data"])
    for stage in ("fit", "test"):
        made.setup(stage)
    return made


def write(path: Path, text: str, *, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


def animals(rows: int = 90, *, delimiter: str = ",", seed: int = 0) -> str:
    """Rows with a number that has holes, one that has none, a colour, a group and a kind of animal."""
    draw = np.random.default_rng(seed)
    lines = [["weight", "length", "colour", "owner", "kind"]]
    for row in range(rows):
        weight = "" if row % 9 == 4 else f"{50 + 10 * draw.standard_normal():.3f}"
        lines.append([weight, f"{draw.random():.4f}", ("red", "blue", "")[row % 3], f"o{row // 5}", KINDS[row % 3]])
    return "\n".join(delimiter.join(line) for line in lines) + "\n"


def test_a_file_tells_its_task_its_classes_and_what_its_columns_are(tmp_path: Path) -> None:
    config = filled(write(tmp_path / "a.csv", animals()), group="owner").data
    assert (config.task, list(config.labels), list(config.classes)) == ("multiclass", list(KINDS), list(KINDS))
    assert list(config.inputs) == ["weight", "length", "colour"]
    assert OmegaConf.to_container(config.categories) == [None, None, ["blue", "red"]]
    assert (list(config.holes), list(config.shape), list(config.official)) == (["weight"], [5], ["train"])


@pytest.mark.parametrize("target", ["kind", "length"])
def test_what_is_recorded_is_not_asked_again(tmp_path: Path, target: str) -> None:
    config = filled(path := write(tmp_path / "a.csv", animals()), target=target, drop=["owner"])
    before = plain(config)
    path.unlink()
    assert not fill(config)
    assert plain(config) == before


def test_what_a_net_sees_is_what_scikit_learn_makes_of_the_training_rows(tmp_path: Path) -> None:
    made = data(write(tmp_path / "a.csv", animals()), drop=["owner"])
    stored = {split: made.samples(split, range(len(made.indices[split]))) for split in ("train", "test")}
    scaler = StandardScaler().fit(stored["train"][:, :2].double())
    colours = OneHotEncoder(categories=[[0.0, 1.0]], handle_unknown="ignore", sparse_output=False).fit([[0], [1]])
    for split, x_NC in stored.items():
        number_N2 = torch.tensor(scaler.transform(x_NC[:, :2].double()))
        wanted = [number_N2.nan_to_num(0.0), x_NC[:, :1].isnan(), torch.tensor(colours.transform(x_NC[:, 2:]))]
        seen = torch.cat([x_BD for x_BD, _ in made.in_order(split)])
        torch.testing.assert_close(
            seen.double(), torch.cat([part.double() for part in wanted], dim=1), atol=1e-5, rtol=1e-5
        )
    assert stored["train"][:, 0].isnan().any()


def test_the_scale_is_of_the_training_rows_alone(tmp_path: Path) -> None:
    text = animals()
    made = data(write(tmp_path / "a.csv", text), drop=["owner"])
    lines = text.splitlines()
    for row in (*made.indices["val"].tolist(), *made.indices["test"].tolist()):
        fields = lines[row + 1].split(",")
        lines[row + 1] = ",".join(["9e9", "-7e7", *fields[2:]])
    other = data(write(tmp_path / "b.csv", "\n".join(lines)), drop=["owner"])
    assert (other.normalize.mean, other.normalize.std) == (made.normalize.mean, made.normalize.std)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp949", "utf-16"])
def test_delimiters_and_encodings_are_found(tmp_path: Path, delimiter: str, encoding: str) -> None:
    text = animals(delimiter=delimiter).replace("colour", "색").replace("cat", "고양이")
    config = filled(write(tmp_path / "a.csv", text, encoding=encoding), drop=["owner"]).data
    assert list(config.inputs) == ["weight", "length", "색"]
    assert list(config.labels) == ["dog", "eel", "고양이"]


def test_a_decimal_comma_is_read_where_commas_do_not_part_fields(tmp_path: Path) -> None:
    rows = "\n".join(f"{row},5;{'ab'[row % 2]}" for row in range(40))
    made = data(write(tmp_path / "a.csv", f"x;kind\n{rows}\n"))
    everything = torch.cat([made.samples(split, range(len(made.indices[split]))) for split in made.indices])
    assert sorted(everything.flatten().tolist()) == [row + 0.5 for row in range(40)]


@pytest.mark.parametrize(
    ("values", "task", "labels"),
    [
        (["yes", "no"], "binary", ["no", "yes"]),
        ([0, 1], "binary", ["0", "1"]),
        ([10, 9, 2], "multiclass", ["2", "9", "10"]),
        ([1.5, 2.5, 3.25], "regression", None),
        (range(40), "regression", None),
    ],
)
def test_text_and_few_whole_numbers_are_classes(tmp_path: Path, values: Any, task: str, labels: Any) -> None:
    rows = "\n".join(f"{row * 0.37},{value}" for row, value in zip(range(80), itertools.cycle(values)))
    config = filled(write(tmp_path / "a.csv", f"x,kind\n{rows}\n")).data
    found = config.labels if config.labels is None else list(config.labels)
    assert (config.task, found) == (task, labels)


def test_several_targets_are_numbers_with_a_scale_each(tmp_path: Path) -> None:
    rows = "\n".join(f"{row % 7},{row},{1000 - 3 * row}" for row in range(50))
    made = data(write(tmp_path / "a.csv", f"x,a,b\n{rows}\n"), target=["b", "a"])
    assert made.target_names == ["b", "a"]
    target_N2 = made.targets("train")
    assert torch.equal(target_N2[:, 0], 1000 - 3 * target_N2[:, 1])
    header = made.collection.header
    np.testing.assert_allclose(header.target_mean, target_N2.double().mean(dim=0), rtol=1e-6)
    np.testing.assert_allclose(header.target_std, target_N2.double().std(dim=0, correction=0), rtol=1e-6)


def test_values_are_never_divided_by_255(tmp_path: Path) -> None:
    made = data(write(tmp_path / "a.csv", animals()), drop=["owner"], normalize=False)
    seen, stored = next(iter(made.in_order("test")))[0], made.samples("test", range(len(made.indices["test"])))
    torch.testing.assert_close(seen[:, 1], stored[: len(seen), 1], rtol=0, atol=0)


def test_groups_stay_together_and_splits_are_disjoint(tmp_path: Path) -> None:
    text = animals(200)
    made = data(write(tmp_path / "a.csv", text), group="owner")
    owner = [line.split(",")[3] for line in text.splitlines()[1:]]
    of = {split: {owner[row] for row in rows_N.tolist()} for split, rows_N in made.indices.items()}
    assert all(not of[a] & of[b] for a, b in itertools.combinations(of, 2))
    assert sorted(row for rows_N in made.indices.values() for row in rows_N.tolist()) == list(range(200))
    assert all(of.values())


def test_a_column_says_which_split_a_row_is_in(tmp_path: Path) -> None:
    rows = [f"{row},{KINDS[row % 3]},{('train', 'Validation', 'TEST', 'train')[row % 4]}" for row in range(48)]
    made = data(write(tmp_path / "a.csv", "x,kind,part\n" + "\n".join(rows)), split_column="part")
    stored = {
        split: made.samples(split, range(len(made.indices[split])))[:, 0].int().tolist() for split in made.indices
    }
    assert stored == {
        "train": [row for row in range(48) if row % 4 in (0, 3)],
        "val": list(range(1, 48, 4)),
        "test": list(range(2, 48, 4)),
    }


@pytest.mark.parametrize("fraction", [0.1, 0.2, 0.37])
def test_a_stratified_cut_gives_each_split_its_share_of_each_class(fraction: float) -> None:
    class_N = torch.tensor([0] * 50 + [1] * 30 + [2] * 15 + [3])[
        torch.randperm(96, generator=torch.Generator().manual_seed(3))
    ]
    splitting = Splitting(official=["train"], val_fraction=fraction, test_fraction=0.2)
    parts = splitting.parts("train", 96, class_N=class_N)
    assert torch.cat(list(parts.values())).sort().values.tolist() == list(range(96))
    assert (len(parts["val"]), len(parts["test"])) == (round(96 * fraction), round(96 * 0.2))
    for split, share in (("val", fraction), ("test", 0.2)):
        for number, count in enumerate((50, 30, 15)):
            assert abs(int((class_N[parts[split]] == number).sum()) - count * share) < 1.5
    assert 3 in class_N[parts["train"]]  # alone of its class


def test_stratified_folds_hold_every_sample_once_and_their_share_of_each_class() -> None:
    class_N = torch.arange(60) % 4 % 3
    folds = [
        Splitting(official=["train"], splits=["train", "val"], folds=5, fold=fold).parts("train", 60, class_N=class_N)
        for fold in range(5)
    ]
    assert torch.cat([parts["val"] for parts in folds]).sort().values.tolist() == list(range(60))
    for parts in folds:
        assert torch.bincount(class_N[parts["val"]]).tolist() == [6, 3, 3]


def test_columns_that_tell_nothing_are_left_out(tmp_path: Path) -> None:
    rows = "\n".join(f"{row},name{row},7,,{row % 5},{KINDS[row % 3]}" for row in range(1200))
    config = filled(write(tmp_path / "a.csv", f",name,same,nothing,x,kind\n{rows}\n")).data
    assert list(config.inputs) == ["x"]


def test_a_config_resolves_nothing_in_names_of_classes(tmp_path: Path) -> None:
    names = ("=SUM(A1)", "${oc.env:HOME}", "???")
    rows = "\n".join(f"{row},{names[row % 3]}" for row in range(60))
    config = filled(write(tmp_path / "a.csv", f"x,kind\n{rows}\n"))
    assert sorted(plain(config)["data"]["classes"]) == sorted(map(label, names))
    assert len(data(tmp_path / "a.csv").class_counts()) == 3


ROWS = "".join(f"{row},{KINDS[row % 3]}\n" for row in range(30))
SPLIT = {"split_column": "s"}
REFUSED: dict[str, tuple[str, dict[str, Any], list[str]]] = {
    "a missing column": (f"x,kind\n{ROWS}", {"target": "kin"}, ["data.target=kin:", "did you mean kind?"]),
    "a missing group": (f"x,kind\n{ROWS}", {"group": "patient"}, ["data.group=patient:", "it has x, kind"]),
    "one value": ("x,kind\n1,a\n2,a\n", {}, ["data.target=kind:", "same value"]),
    "a hole": (f"x,kind\n{ROWS}7,\n", {}, ["line 32: data.target=kind is empty", "remove the row"]),
    "text among numbers": (f"x,kind\n{ROWS}abc,cat\n", {}, ["line 32: column x ", "here 'abc'", "data.drop=[x]"]),
    "text in a target": (
        f"kind,x\n{ROWS.replace('cat', '7').replace('dog', '8').replace('eel', '9')}half,7\n",
        {},
        ["line 32: column kind ", "here 'half'", "data.task=multiclass"],
    ),
    "nothing": ("", {}, ["a.csv is empty", "CSV"]),
    "names alone": ("x,kind\n", {}, ["no rows"]),
    "a row too long": (f"x,kind\n{ROWS}1,cat,2\n", {}, ["line 32: 3 fields, and 2 columns", "quotes"]),
    "one name twice": ("x,x,kind\n1,2,a\n2,3,b\n", {}, ["two columns are called x", "rename one"]),
    "no input": ("kind\na\nb\n", {}, ["no column to predict kind from", "it has kind"]),
    "a class of test alone": ("x,kind,s\n1,a,train\n2,b,train\n3,c,test\n4,a,val\n", SPLIT, ["class c is in train"]),
    "no split": ("x,kind,s\n1,a,train\n2,b,later\n", SPLIT, ["line 3: s is 'later'", "train, val or test"]),
    "two targets of text": ("x,kind,b\n1,a,u\n2,b,v\n", {"target": ["kind", "b"]}, ["are numbers", "one column"]),
    "a NUL": (f"x,kind\n{ROWS}\x00,cat\n", {}, ["column x ", "here"]),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_learnt_is_refused_in_a_line(tmp_path: Path, case: str) -> None:
    text, settings, words = REFUSED[case]
    path = write(tmp_path / "a.csv", text)
    with pytest.raises(ValueError, match=".*".join(map(re.escape, words)) + r"[^\n]*\Z"):
        filled(path, **settings)


@pytest.mark.parametrize(
    ("start", "word"), [(b"PK\x03\x04rest", "zip archive"), (b"\x1f\x8brest", "compressed"), (b"PAR1rest", "Parquet")]
)
def test_another_kind_of_file_is_named(tmp_path: Path, start: bytes, word: str) -> None:
    (tmp_path / "a.csv").write_bytes(start)
    with pytest.raises(ValueError, match=word):
        filled(tmp_path / "a.csv")


def test_bytes_of_no_known_encoding_ask_for_one(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", f"x,kind\n{ROWS}1,caf\xe9 \n", encoding="latin-1")
    with pytest.raises(ValueError, match=re.escape("data.encoding=latin-1")):
        filled(path)
    assert "café" in filled(path, encoding="latin-1").data.labels
    for encoding, word in (("utf-8", "is written in another"), ("klingon", "Python knows no such encoding")):
        with pytest.raises(ValueError, match=rf"data\.encoding={encoding}.*{word}"):
            filled(path, encoding=encoding)


def test_a_file_that_is_not_there_suggests_one(tmp_path: Path) -> None:
    write(tmp_path / "iris.csv", animals())
    with pytest.raises(FileNotFoundError, match=r"did you mean .*iris\.csv"):
        sheet(str(tmp_path / "irs.csv"))


def test_a_column_that_is_called_like_a_number_needs_no_quotes(tmp_path: Path) -> None:
    rows = "".join(f"{n % 7},{n},{n * n}\n" for n in range(60))
    path = write(tmp_path / "years.csv", f"2024,2025,0.5\n{rows}")
    told = filled(path, target=2024, inputs=[2025], drop=[0.5]).data
    assert (told.target, told.inputs, told.drop, told.task) == ("2024", ["2025"], ["0.5"], "multiclass")
