"""What is seen in a picture is what went in: the artists of each Figure, read back, and the pixels they become."""

import subprocess
import sys
from io import BytesIO
from itertools import combinations

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from PIL import Image
from sklearn.metrics import confusion_matrix, recall_score

from src.callback.draw import lettering
from src.plot import style
from src.plot.confusion import SHOWN, class_accuracy, confusion, confusion_counts
from src.plot.curves import curves
from src.plot.fitted import agreement, fit
from src.plot.mistakes import caption, mistakes
from src.plot.probabilities import predictions
from tests.conftest import ROOT


def drawn(figure: Figure) -> np.ndarray:
    """The pixels (H, W, 3) of a picture; drawing finds what building does not."""
    file = BytesIO()
    figure.savefig(file, format="png")
    return np.asarray(Image.open(file).convert("RGB"))


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(lambda artist: hasattr(artist, "get_text"))]


def lines(figure: Figure, panel: int = 0) -> dict[str, np.ndarray]:
    """The points (2, P) of each line of a panel, by its label."""
    return {line.get_label(): np.array(line.get_data()) for line in figure.axes[panel].lines}


def assert_readable(figure: Figure) -> None:
    """No text is cut by the edge, and no label of an axis lies on its numbers or names."""
    with lettering():
        drawn(figure)
        whole, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
        assert min(whole.x0, whole.y0, width - whole.x1, height - whole.y1) >= 0, whole
        for axis in (axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis) if axis.label.get_text()):
            label = axis.label.get_window_extent()
            axis.label.set_visible(False)
            axis.offsetText.set_visible(False)  # 1e9, at the end of the axis
            assert not label.overlaps(axis.get_tightbbox()), axis.label


def labels(samples: int, classes: int, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    label_N = random.integers(0, classes, samples)
    return label_N, np.where(random.random(samples) < 0.7, label_N, random.integers(0, classes, samples))


def test_no_picture_of_a_run_touches_pyplot_or_imports_torch() -> None:
    code = "import sys, importlib; " + (
        "[importlib.import_module('src.plot.' + name) for name in "
        "('curves', 'confusion', 'mistakes', 'probabilities', 'fitted')]; "
        "print([m for m in ('torch', 'matplotlib.pyplot', 'src.run', 'src.data') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert found.strip() == "[]"


def test_colours_of_splits_differ_for_the_colour_blind() -> None:
    shown = [*style.SPLIT.values(), style.WRONG]
    deuteranopia = np.array([[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]])  # Machado 2009
    for one, other in combinations(shown, 2):
        difference = deuteranopia @ (np.array(to_rgb(one)) - np.array(to_rgb(other)))
        assert np.abs(difference).max() > 0.1, (one, other)


@pytest.mark.parametrize(("samples", "classes"), [(1, 2), (50, 2), (500, 10), (100, 150)])
def test_confusion_counts_are_those_of_scikit_learn(samples: int, classes: int) -> None:
    label_N, prediction_N = labels(samples, classes)
    expected = confusion_matrix(label_N, prediction_N, labels=range(classes))
    np.testing.assert_array_equal(confusion_counts(label_N, prediction_N, classes), expected)


def test_the_confusion_matrix_has_targets_as_rows_and_each_count_in_its_cell() -> None:
    count_KK = np.array([[5, 0, 2], [1, 7, 0], [0, 0, 1234]])
    figure = confusion(count_KK, ["ant", "bee", "cat"], split="test")
    drawn(figure)
    axes = figure.axes[0]
    (picture,) = axes.images
    np.testing.assert_allclose(picture.get_array(), count_KK / count_KK.sum(axis=1, keepdims=True))
    cells = {text.get_position()[::-1]: text.get_text() for text in axes.texts}
    assert cells == {(0, 0): "5", (0, 2): "2", (1, 0): "1", (1, 1): "7", (2, 2): "1,234"}
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("label (predicted)", "target (true)")
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["ant", "bee", "cat"]


@pytest.mark.parametrize("classes", [2, 21, 100, 1000])
def test_many_classes_stay_a_picture_of_bounded_size(classes: int) -> None:
    label_N, prediction_N = labels(3000, classes)
    count_KK = confusion_counts(label_N, prediction_N, classes)
    names = [f"class number {number} with a long name" for number in range(classes)]
    for figure in (confusion(count_KK, names, split="test"), class_accuracy(count_KK, names, split="test")):
        height, width, _ = drawn(figure).shape
        assert max(height, width) <= 2000
    assert len(figure.axes[0].patches) <= SHOWN


@pytest.mark.parametrize("classes", [2, 100])
@pytest.mark.parametrize("name", ["automobile {}", "W" * 20 + "{}"])
def test_no_name_of_a_class_is_cut_or_lies_on_a_label(name: str, classes: int) -> None:
    count_KK = confusion_counts(*labels(3000, classes), classes) * 1000
    names = [name.format(number) for number in range(classes)]
    for figure in (confusion(count_KK, names, split="test"), class_accuracy(count_KK, names, split="test")):
        assert_readable(figure)


@pytest.mark.parametrize("scale", [1e-7, -12345, 1e9])
def test_no_number_is_cut_or_lies_on_a_label(scale: float) -> None:
    random = np.random.default_rng(0)
    value_P = scale * (1 + random.random(50))
    names = ("train/calibration_error", "val/calibration_error", "train/loss", "val/f1", "val/auroc")
    line = np.arange(50) * 1_000_000, value_P
    assert_readable(curves(dict.fromkeys(names, line), best=("val/calibration_error", 49_000_000, value_P[-1])))
    assert_readable(agreement({"test": (value_P, value_P[::-1])}, target="price (€)"))
    assert_readable(fit({"val": (value_P, value_P)}, {"val": value_P}, (value_P, value_P), axes=["in (V)", "out (m)"]))
    target_N, probability_N = random.integers(0, 2, 500), random.random(500)
    assert_readable(predictions(dict.fromkeys(("train", "test"), (target_N, probability_N)), ["no", "automobile"]))


def test_class_accuracy_is_the_recall_of_each_class_the_worst_on_top() -> None:
    label_N, prediction_N = labels(400, 5)
    figure = class_accuracy(confusion_counts(label_N, prediction_N, 5), list("abcde"), split="test")
    drawn(figure)
    expected = recall_score(label_N, prediction_N, average=None)
    widths = [bar.get_width() for bar in figure.axes[0].patches]
    np.testing.assert_allclose(widths, sorted(expected))
    assert figure.axes[0].yaxis_inverted()
    assert f"all classes: {(label_N == prediction_N).mean():.1%}" in texts(figure)
    assert figure.axes[0].get_yticklabels()[0].get_text().startswith("abcde"[expected.argmin()])


def test_a_class_without_samples_has_no_bar() -> None:
    figure = class_accuracy(np.array([[3, 1, 0], [0, 0, 0], [0, 0, 2]]), ["a", "b", "c"], split="test")
    assert [tick.get_text() for tick in figure.axes[0].get_yticklabels()] == ["a (4)", "c (2)"]


def test_curves_are_the_points_given_a_panel_per_score_and_the_best_marked() -> None:
    loss, accuracy = (np.array([10, 20, 30]), np.array([3.0, 2.0, 1.0])), (np.array([30]), np.array([0.5]))
    figure = curves(
        {"val/accuracy": accuracy, "train/loss": loss, "val/loss": accuracy}, best=("val/accuracy", 30, 0.5)
    )
    drawn(figure)
    assert [axes.get_ylabel() for axes in figure.axes] == ["accuracy", "loss"]
    assert list(lines(figure, 1)) == ["train", "val"]
    np.testing.assert_array_equal(lines(figure, 1)["train"], loss)
    np.testing.assert_array_equal(lines(figure)["best val: 0.5 at step 30"], [[30], [0.5]])
    assert figure.axes[-1].get_xlabel() == "optimizer steps"


@pytest.mark.parametrize(
    ("values", "scale"),
    [
        ([1.0, 0.5], "linear"),
        ([1.0, 0.001], "log"),
        ([1.0, 0.0], "linear"),
        ([1.0, float("nan"), 0.001], "log"),
        ([float("nan")], "linear"),
        ([float("inf"), 1.0], "linear"),
    ],
)
def test_a_loss_that_falls_over_decades_is_read_on_a_logarithmic_scale(values: list[float], scale: str) -> None:
    figure = curves({"train/loss": (np.arange(len(values)), np.array(values))})
    drawn(figure)
    assert figure.axes[0].get_yscale() == scale


def test_no_curve_is_an_error_that_says_so() -> None:
    with pytest.raises(ValueError, match="no score"):
        curves({})


@pytest.mark.parametrize(("number", "channels"), [(1, 1), (3, 3), (25, 1)])
def test_mistakes_show_every_image_with_its_pixels_and_caption(number: int, channels: int) -> None:
    images_NHWC = np.random.default_rng(0).integers(0, 256, (number, 8, 6, channels), dtype=np.uint8)
    figure = mistakes(images_NHWC, [f"caption {place}" for place in range(number)], title="t")
    pictures = figure.axes[0].images
    assert len(pictures) == number
    for picture, image_HWC in zip(pictures, images_NHWC, strict=True):
        np.testing.assert_array_equal(picture.get_array(), np.repeat(image_HWC, 3 // channels, axis=2))
    assert {f"caption {place}" for place in range(number)} <= set(texts(figure))
    assert len(np.unique(drawn(figure).reshape(-1, 3), axis=0)) > 20


def test_a_caption_says_label_probability_and_target() -> None:
    assert caption("Shirt", "Coat", 0.987) == "Coat 98.7%\nis Shirt"


def test_names_are_no_mathematics() -> None:
    names = ["$a", "b$_{", "$" * 40]
    drawn(confusion(np.eye(3, dtype=int), names, split="test"))
    drawn(mistakes(np.zeros((3, 2, 2, 1), np.uint8), [caption(name, name, 1) for name in names], title="t"))


def test_classes_whose_names_begin_alike_are_told_apart_on_every_picture() -> None:
    names = [f"a_rather_long_class_name_{number}" for number in range(1, SHOWN + 1)]
    count_KK = np.eye(SHOWN, dtype=int)
    for figure in (confusion(count_KK, names, split="test"), class_accuracy(count_KK, names, split="test")):
        assert len({tick.get_text() for tick in figure.axes[0].get_yticklabels()}) == SHOWN
    for line in zip(*(caption(name, name, 0.5).split("\n") for name in names), strict=True):
        assert len(set(line)) == SHOWN


def test_a_picture_of_labels_says_of_which_split_they_are() -> None:
    count_KK = np.eye(SHOWN + 1, dtype=int)
    names = [str(number) for number in range(SHOWN + 1)]
    assert confusion(count_KK, names, split="val").axes[0].get_title() == "val: 41 of 41 right"
    assert class_accuracy(count_KK, names, split="val").axes[0].get_title("left") == "val: the 40 worst of 41 classes"
    few = class_accuracy(count_KK[:2, :2], names[:2], split="val")
    assert few.axes[0].get_title("left") == "val: 2 classes"


@pytest.mark.parametrize("number", [1, 2, 7])
def test_no_caption_of_a_mistake_and_no_title_is_cut_or_lies_on_another(number: int) -> None:
    words = [caption("automobile_sports", "Ankle_boot_of_leather", 0.5)] * number
    figure = mistakes(
        np.zeros((number, 8, 6, 1), np.uint8), words, title=f"test: the surest {number} of 1,234 mistakes"
    )
    assert_readable(figure)
    boxes = [text.get_window_extent() for text in figure.axes[0].texts]
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))


def test_binary_predictions_show_every_sample_of_each_split() -> None:
    random = np.random.default_rng(0)
    scored = {split: (random.integers(0, 2, n), random.random(n)) for split, n in (("train", 60), ("test", 7))}
    figure = predictions(scored, ["no", "yes"])
    drawn(figure)
    for axes, (split, (target_N, probability_N)) in zip(figure.axes, scored.items(), strict=True):
        right, wrong = (collection.get_offsets() for collection in axes.collections)
        assert sorted([*right[:, 1], *wrong[:, 1]]) == pytest.approx(sorted(probability_N))
        assert len(wrong) == ((probability_N > 0.5) != target_N).sum()
        np.testing.assert_array_equal(axes.lines[1].get_ydata(), sorted(target_N))
        assert f"{split}: {len(target_N)} samples" in axes.get_title("left")
        assert axes.get_ylabel() == "probability of yes"


def test_a_fit_shows_points_predictions_as_crosses_the_curve_and_what_is_left() -> None:
    x_N, target_N, said_N = np.array([1.0, 2.0]), np.array([5.0, 6.0]), np.array([4.0, 8.0])
    curve = np.array([0.0, 3.0]), np.array([4.0, 9.0])
    figure = fit({"train": (target_N, said_N)}, {"train": x_N}, curve, axes=["reading (V)", "height (m)"])
    drawn(figure)
    np.testing.assert_array_equal(lines(figure)["the net's output"], curve)
    np.testing.assert_array_equal(lines(figure)["train: points"], (x_N, target_N))
    np.testing.assert_array_equal(lines(figure)["train: predictions"], (x_N, said_N))
    assert next(line for line in figure.axes[0].lines if line.get_label() == "train: predictions").get_marker() == "x"
    np.testing.assert_array_equal(figure.axes[1].lines[-1].get_ydata(), [1, -2])
    assert (figure.axes[0].get_ylabel(), figure.axes[1].get_xlabel()) == ("height (m)", "reading (V)")
    assert figure.axes[1].get_ylabel() == "target - prediction (m)"


def test_agreement_puts_what_is_right_on_the_diagonal() -> None:
    target_N = np.array([1.0, 3.0, 2.0])
    figure = agreement({"test": (target_N, target_N)}, target="price")
    drawn(figure)
    np.testing.assert_array_equal(lines(figure)["test: predictions"], (target_N, target_N))
    np.testing.assert_array_equal(lines(figure)["prediction = target"], [[1, 3], [1, 3]])
    np.testing.assert_array_equal(figure.axes[1].lines[-1].get_ydata(), 0)
    assert figure.axes[1].get_ylabel() == "target - prediction"
