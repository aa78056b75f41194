"""`src.report` on runs of strangers: scores of any name, and runs that monitor nothing they log are rows."""

from src.view.average import Row
from src.view.gather import Run
from src.view.points import curves
from src.view.table import all_scores, shown_scores


def test_scores_are_sorted_and_shown_by_the_split_that_their_names_say() -> None:
    scores = {"train_loss": 1.0, "valid_acc": 0.5, "acc/test": 0.4, "test_loss": 2.0, "speed": 3.0}
    run = Run(folder=None, name="a", state="done", monitor=("val/loss", "min"), scores=scores)  # type: ignore[arg-type]
    row = Row([run], [run])
    assert all_scores([row]) == ["best val/loss", "train_loss", "valid_acc", "acc/test", "test_loss", "speed"]
    assert shown_scores([row]) == ["best val/loss", "acc/test", "test_loss"]
    del scores["acc/test"], scores["test_loss"]
    assert shown_scores([row]) == ["best val/loss", "valid_acc"]
    del scores["valid_acc"]
    assert shown_scores([row]) == ["best val/loss", "speed"]


def test_the_page_has_the_curves_of_scores_of_any_name_and_of_nothing_else(tmp_path) -> None:  # noqa: ANN001
    rows = ["step,epoch,train_loss,test_acc,lr-Adam,seconds", "1,0,1.0,0.5,0.1,3", "2,0,2.0,,0.1,4"]
    (tmp_path / "metrics.csv").write_text("\n".join(rows))
    assert curves(tmp_path) == {"train_loss": ([1, 2], [1.0, 2.0])}
