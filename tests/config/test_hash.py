"""Two runs have one hash exactly where their results must be the same."""

import copy
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from src.config.hash import config_hash, relevant
from src.config.plain import plain
from tests.config.test_groups import ASKED, composed, options, pairs

SAME = [
    ["tags=[a]"],
    ["sweep=other"],
    ["retry_failed=true"],
    ["fail_fast=true"],
    ["run=elsewhere"],
    ["data_dir=elsewhere"],
    ["logger=[]"],
    ["logger.csv.folder=elsewhere"],
    ["~callback.progress"],
    ["callback.progress.refresh_s=9"],
    ["+callback=lr_monitor"],
    ["+callback=model_summary"],
    ["+callback=checkpoint_every"],
    ["callback.checkpoint.every_n_steps=5"],
    ["+callback.mine._target_=src.callback.graph.Graph"],
    ["callback.figures.folder=elsewhere"],
    ["test=false"],
    ["trainer.log_every_n_steps=7"],
    ["data.workers=5"],
    ["data.cache=false"],
]
OTHER = [
    ["seed=1"],
    ["model=fashion_dnn"],
    ["model.net.dropout=0.5"],
    ["optimizer=sgd"],
    ["optimizer.lr=2e-3"],
    ["scheduler=step"],
    ["data=mnist"],
    ["data.batch_size=33"],
    ["data.split_seed=1"],
    ["data.val_fraction=0.2"],
    ["model.metrics=[f1]"],
    ["monitor=val/accuracy"],
    ["+callback=early_stopping"],
    ["trainer.max_epochs=11"],
    ["trainer.precision=bf16-mixed"],
    ["trainer.gradient_clip_val=1"],
    ["model.loss.label_smoothing=0.1"],
]


def hashed(folder: Path, *overrides: str) -> str:
    return config_hash(plain(composed(folder, *overrides)))


@pytest.mark.parametrize("overrides", SAME, ids=str)
def test_where_things_lie_and_how_they_are_shown_is_no_part_of_the_identity(
    overrides: list[str], tmp_path: Path
) -> None:
    assert hashed(tmp_path, *(o for o in overrides if not o.startswith("run="))) == hashed(tmp_path / "other")


def test_what_changes_the_result_changes_the_hash_and_no_two_agree(tmp_path: Path) -> None:
    hashes = {str(overrides): hashed(tmp_path, *overrides) for overrides in [[], *OTHER]}
    assert len(set(hashes.values())) == len(hashes)


def test_a_hash_is_64_hexadecimal_digits_and_does_not_depend_on_order() -> None:
    first, second = config_hash({"a": 1, "b": {"c": [1, 2]}}), config_hash({"b": {"c": [1, 2]}, "a": 1})
    assert first == second
    assert len(bytes.fromhex(first)) == 32
    assert first != config_hash({"a": 1, "b": {"c": [2, 1]}})


def test_hashing_leaves_the_config_as_it_is() -> None:
    config = {"run": "x", "data": {"data_dir": "y"}, "trainer": {"callbacks": [1]}}
    config_hash(config)
    assert config == {"run": "x", "data": {"data_dir": "y"}, "trainer": {"callbacks": [1]}}


GROUPS = ("model", "data", "optimizer", "scheduler", "trainer", "callback", "logger", "experiment", "debug")
# What a person would say of the default run with every callback, and of no other key.
PAPER = ("axes", "cache", "data_dir", "every_minutes", "every_n_steps", "log_every_n_steps", "timeout_s", "workers")
WATCHERS = ("embeddings", "figures", "graph", "guard", "histograms", "hparams", "lr_monitor", "model_summary")
WATCHERS += ("checkpoint_every", "pr_curves", "predictions", "progress", "samples")


def with_option(folder: Path, group: str, option: str) -> Any:
    name = f"[{option}]" if group in ("callback", "logger") else option
    return composed(folder, f"{group}={name}", *ASKED.get(option, []))


@pytest.mark.parametrize(("group", "option"), pairs(*GROUPS))
def test_where_a_run_and_its_data_lie_changes_no_options_hash(group: str, option: str, tmp_path: Path) -> None:
    config = with_option(tmp_path, group, option)
    hashes = set()
    for run, data_dir in ((None, "data"), ("outputs/x", "data"), (str(tmp_path), "/elsewhere"), ("outputs/x y", "..")):
        config.run, config.data_dir = run, data_dir
        hashes.add(config_hash(plain(config)))
        assert run is None or run not in json.dumps(relevant(plain(config)))
    assert len(hashes) == 1


@pytest.mark.parametrize("group", ["model", "data", "optimizer", "scheduler", "trainer"])
def test_two_options_have_one_hash_only_where_they_say_the_same(group: str, tmp_path: Path) -> None:
    found = [plain(with_option(tmp_path, group, option)) for option in options(group)]
    said = {json.dumps(config[group], sort_keys=True) for config in found}
    assert len({config_hash(config) for config in found}) == len(said)


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The default run with every callback and several processes."""
    callbacks = [name for name in options("callback") if name != "tensorboard"]
    words = [
        f"callback=[{','.join(callbacks)}]",
        "trainer=ddp_cpu",
        "data.workers=3",
        "data.cache=true",
        "data.axes=[a,b]",
    ]
    words += ["callback.checkpoint.every_n_steps=3", "callback.checkpoint.every_minutes=3"]
    return plain(composed(tmp_path_factory.mktemp("run"), *words))


def leaves(node: Any, *path: Any) -> Iterator[tuple[Any, ...]]:
    if isinstance(node, (dict, list)) and node:
        for key in node if isinstance(node, dict) else range(len(node)):
            yield from leaves(node[key], *path, key)
    else:
        yield path


def changed(config: Any, path: tuple[Any, ...]) -> Any:
    other = copy.deepcopy(config)
    node = other
    for key in path[:-1]:
        node = node[key]
    value = node[path[-1]]
    node[path[-1]] = not value if isinstance(value, bool) else "another"
    return other


def test_every_leaf_changes_the_hash_but_those_of_which_a_person_would_say_so(everything: Any) -> None:
    tried, wrong = 0, []
    for path in [path for group in GROUPS[:6] for path in leaves(everything[group], group)]:
        if path[:2] in (("trainer", "callbacks"), ("trainer", "logger")) or path[-1] == "_target_":
            continue
        is_paper = path[0] == "callback" and path[1] in WATCHERS and path[-1] != "_changes_no_result_"
        is_paper = is_paper or set(path) & {*PAPER, "enable_progress_bar", "enable_model_summary", "default_root_dir"}
        is_paper = is_paper or path[:3] == ("callback", "checkpoint", "folder")
        is_paper = is_paper or path[:2] == ("model", "task")  # what it is told of the data, which say it too
        if path[-1] != "_changes_no_result_":
            tried += 1
            if (config_hash(changed(everything, path)) == config_hash(everything)) != bool(is_paper):
                wrong.append(path)
    assert tried > 60
    assert not wrong


def test_an_own_class_changes_the_result_unless_it_says_otherwise_and_is_not_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "laboratory").mkdir()
    (tmp_path / "laboratory" / "parts.py").write_text(
        "raise SystemExit('imported')\n"
        "from src.data.dataset import dataset\n"
        "class Loud:\n    pass\n"
        "class Silent:\n    changes_no_result = True\n"
        "class Half:\n    changes_no_result = ('colour',)\n"
        "@dataset()\ndef birds(*, split): ...\n"
        "def fish(): ...\nfish.changes_no_result = ('colour',)\n"
    )
    monkeypatch.chdir(tmp_path)

    def of(name: str, **arguments: Any) -> str:
        node = {"_target_": f"laboratory.parts.{name}", **arguments}
        return config_hash({"run": "outputs/1", "callback": {"mine": node}, "seed": 0})

    nothing = config_hash({"callback": {}, "seed": 0})
    assert of("Silent", colour="red") == nothing
    assert of("Loud", colour="red", folder="outputs/1/mine") == of("Loud", colour="red")
    assert len({nothing, of("Loud"), of("Loud", colour="red"), of("Half"), of("gone"), of("birds"), of("fish")}) == 7
    assert of("Half", colour="red") == of("Half")
    assert of("fish", colour="red") == of("fish")
    assert of("birds", workers=7) == of("birds")
    assert of("Loud", _changes_no_result_=["colour"], colour="red") == of("Loud")


def test_a_setting_may_stand_at_its_owner_or_above_it(tmp_path: Path) -> None:
    assert hashed(tmp_path, "model.metrics=[f1]") == hashed(tmp_path, "~model.metrics", "+model.task.metrics=[f1]")


def test_a_hash_needs_no_torch(tmp_path: Path) -> None:
    OmegaConf.save(OmegaConf.create(plain(composed(tmp_path))), tmp_path / "config.yaml")
    program = (
        "import sys; from omegaconf import OmegaConf; from src.config.hash import config_hash; "
        "print(config_hash(OmegaConf.to_container(OmegaConf.load(sys.argv[1]))), 'torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "config.yaml")], capture_output=True, text=True, env=os.environ
    )
    assert done.stdout.split() == [hashed(tmp_path), "False"], done.stderr
