"""The page opens from disk, in a real browser, with no network, and does what its controls say."""

import base64
import hashlib
import itertools
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.conftest import Command, Made

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

Point = tuple[float, float]
EVIL = "</script><script>window.hacked = 1</script><img src=x onerror='window.hacked = 1'>"
LR = [0.01, 0.1, 0.001, 1.0]


@pytest.fixture
def sweep(make: Made, report: Command, tmp_path: Path) -> Path:
    """The page over four settings with two seeds each, and a stranger's run."""
    for k, lr in enumerate(LR):
        for seed in (0, 1):
            settings = {"optimizer.lr": lr, "data.batch_size": 16 * (1 + k % 2), "seed": seed}
            make(f"lr{lr}-{seed}", settings=settings, score=0.3 + k + seed / 100)
    make("stranger", settings={"optimizer.lr": EVIL}, tags=[EVIL], model=EVIL, state="failed", error={"message": EVIL})
    ended = report("run=outputs")
    assert ended.code == 0, ended.err
    return tmp_path / "outputs" / "report" / "index.html"


@pytest.fixture
def page(browser: "Chrome", sweep: Path) -> "Chrome":
    browser.get_log("browser")  # what other pages left
    browser.get(sweep.as_uri())
    return browser


def texts(page: "Chrome", column: str) -> list[str]:
    """The column's cells, from the first row on screen to the last."""
    names = [each.text for each in page.find_elements("css selector", "thead th")]
    place = names.index(column) + 1
    return [each.text for each in page.find_elements("css selector", f"tbody td:nth-child({place})")]


def head(page: "Chrome", column: str) -> None:
    next(each for each in page.find_elements("css selector", "thead th") if each.text == column).click()


def drawn(page: "Chrome", figure: str, shape: str) -> int:
    return len(page.find_elements("css selector", f"#{figure} {shape}[data-row]"))


def test_the_page_shows_the_rows_best_first_and_no_error(page: "Chrome") -> None:
    assert texts(page, "optimizer.lr") == [*(str(lr) for lr in LR), EVIL]
    assert texts(page, "n") == ["2", "2", "2", "2", "0"]
    assert texts(page, "state")[-1] == "failed"
    count = page.find_element("css selector", "#count").text
    assert count.endswith("in 5 rows, best val/loss first, what is not done last")
    assert page.get_log("browser") == []


def test_nothing_is_asked_of_any_network(page: "Chrome") -> None:
    assert page.execute_script("return performance.getEntriesByType('resource').map((each) => each.name)") == []


def test_a_click_on_a_header_sorts_by_number_and_another_turns_it_round(page: "Chrome") -> None:
    head(page, "optimizer.lr")
    assert texts(page, "optimizer.lr") == ["0.001", "0.01", "0.1", "1.0", EVIL]
    head(page, "optimizer.lr")
    assert texts(page, "optimizer.lr") == ["1.0", "0.1", "0.01", "0.001", EVIL]
    head(page, "best val/loss")
    assert texts(page, "best val/loss") == sorted(texts(page, "best val/loss")[:-1]) + ["—"]


def test_the_filter_keeps_the_rows_and_pictures_in_which_every_word_occurs(page: "Chrome") -> None:
    page.find_element("id", "filter").send_keys("0.1 DONE")
    assert texts(page, "optimizer.lr") == ["0.1"]
    assert drawn(page, "curves", "path") == 2
    page.find_element("id", "filter").send_keys(" nowhere")
    assert texts(page, "optimizer.lr") == []
    assert drawn(page, "curves", "path") == 0


def test_unticking_a_row_takes_its_curves_away(page: "Chrome") -> None:
    before = drawn(page, "curves", "path")
    page.find_element("css selector", "tbody input").click()
    assert drawn(page, "curves", "path") == before - 2  # one for each seed
    page.find_element("id", "none").click()
    assert drawn(page, "curves", "path") == 0
    page.find_element("id", "all").click()
    assert drawn(page, "curves", "path") == before


def test_a_point_for_each_row_lies_where_its_setting_and_score_are(page: "Chrome") -> None:
    choose = page.find_element("css selector", "#scatter .x")
    next(each for each in choose.find_elements("tag name", "option") if each.text == "data.batch_size").click()
    log = page.find_element("css selector", "#scatter .log")
    if log.is_selected():
        log.click()
    points = {
        int(each.get_attribute("data-row") or -1): (float(each.get_attribute("cx")), float(each.get_attribute("cy")))
        for each in page.find_elements("css selector", "#scatter circle")
    }
    assert set(points) == {0, 1, 2, 3}
    assert points[0][0] == points[2][0] < points[1][0] == points[3][0]
    steps = [points[k][1] - points[k + 1][1] for k in range(3)]
    assert steps == pytest.approx([steps[0]] * 3)  # the scores are a whole number apart
    assert steps[0] > 0


def test_parallel_coordinates_have_an_axis_for_each_setting_and_one_for_the_score(page: "Chrome") -> None:
    titles = [each.text for each in page.find_elements("css selector", "#parallel .title")]
    assert titles == ["model", "data.batch_size", "optimizer.lr", "best val/loss"]
    assert drawn(page, "parallel", "path") == 4


SWEPT = {
    "model.net.hidden_features": (8, 16, 32),
    "data.batch_size": (16, 32, 64),
    "data.val_fraction": (0.1, 0.2, 0.30000000000000004),
    "optimizer.lr": (0.0021505054581090672, 0.26380952869724966, 0.026380952869724966),
    "optimizer.weight_decay": (363.60737879256806, 1028984.710130272, 9.882619763745957e22),
    "optimizer.label_smoothing_factor_of_the_loss": (0, 0.1, 0.2),
    "scheduler.warmup_fraction": (0.8033450541554623, 0.8033461541554623, 0.1),
    "trainer.max_epochs": (1, 2, 3),
    "trainer.limit_train_batches": (0.5, 1.0, 0.25),
    "trainer.gradient_clip_val": (None, 1.0, 2.0),
}


@pytest.fixture
def wide(browser: "Chrome", make: Made, report: Command, tmp_path: Path) -> "Chrome":
    """The page over twelve runs that differ in ten settings, with numbers as a random search draws them."""
    for k in range(12):
        settings = {path: values[k // (1 + place % 3) % 3] for place, (path, values) in enumerate(SWEPT.items())}
        settings["optimizer.weight_decay"] *= 1.1**-k  # more than an axis has labels for
        make(f"a{k:02}", settings=settings, score=0.1 + k / 7, metrics={"val/top5": 10.0 ** (15 + k)})
    assert report("run=outputs").code == 0
    browser.get_log("browser")
    browser.get((tmp_path / "outputs" / "report" / "index.html").as_uri())
    assert browser.get_log("browser") == []
    return browser


def corners(page: "Chrome", selector: str) -> list[list[Point]]:
    """The corners of each text on screen, which may be turned; clockwise."""
    return page.execute_script(  # type: ignore[no-any-return]
        """return [...document.querySelectorAll(arguments[0])].map((text) => {
          const { x, y, width, height } = text.getBBox(), matrix = text.getScreenCTM();
          const ends = [[x, y], [x + width, y], [x + width, y + height], [x, y + height]];
          return ends.map(([x, y]) => new DOMPoint(x, y).matrixTransform(matrix)).map((at) => [at.x, at.y]);
        })""",
        selector,
    )


def meet(one: list[Point], other: list[Point]) -> bool:
    """Whether two rectangles overlap: no line along a side of either has them on its two sides."""
    for box in (one, other):
        for (x, y), (to_x, to_y) in itertools.pairwise(box[:3]):
            spans = [[(to_x - x) * a + (to_y - y) * b for a, b in each] for each in (one, other)]
            if max(spans[0]) <= min(spans[1]) or max(spans[1]) <= min(spans[0]):
                return False
    return True


def test_the_titles_of_ten_settings_stand_apart_and_inside_their_picture(wide: "Chrome") -> None:
    boxes = corners(wide, "#parallel text.title")
    assert len(boxes) == len(SWEPT) + 1
    assert not [pair for pair in itertools.combinations(boxes, 2) if meet(*pair)]
    picture = wide.find_element("css selector", "#parallel svg").rect
    for x, y in itertools.chain(*boxes):
        assert picture["x"] <= x <= picture["x"] + picture["width"]
        assert picture["y"] <= y + wide.execute_script("return scrollY") <= picture["y"] + picture["height"]


def test_numbers_on_axes_are_short_and_tell_values_apart(wide: "Chrome") -> None:
    labels = [each.text for each in wide.find_elements("css selector", "#parallel text:not(.title)")]
    assert {"0.1", "0.2", "0.3", "0.2638", "0.02638", "1e23"} <= set(labels)
    assert {"0.803345", "0.803346"} <= set(labels)
    assert not [label for label in labels if not re.fullmatch(r"null|[\d.]{1,8}|[\d.]{1,5}e-?\d+", label)]


def test_a_power_of_ten_that_no_float_is_has_a_short_label(wide: "Chrome") -> None:
    choose = wide.find_element("css selector", "#scatter .y")
    next(each for each in choose.find_elements("tag name", "option") if each.text == "val/top5").click()
    labels = [each.text for each in wide.find_elements("css selector", "#scatter text[text-anchor=end]")]
    assert labels == ["1e15", "1e17", "1e19", "1e21", "1e23", "1e25"]


def test_ten_settings_leave_the_state_in_sight_and_scroll_in_their_own_box(wide: "Chrome") -> None:
    seen = """const cell = document.querySelectorAll("td:last-child")[3];
        const { x, y, width, height } = cell.getBoundingClientRect();
        return document.elementFromPoint(x + width / 2, y + height / 2) === cell"""
    assert wide.execute_script(seen)
    assert wide.execute_script("return document.documentElement.scrollWidth <= innerWidth")
    wide.execute_script("document.querySelector('.scroll').scrollLeft = 1e6")
    assert wide.execute_script(seen)


def test_numbers_with_many_digits_are_short_in_the_table_and_whole_under_the_pointer(wide: "Chrome") -> None:
    assert set(texts(wide, "optimizer.lr")) == {"0.002151", "0.2638", "0.02638"}
    assert len(set(texts(wide, "scheduler.warmup_fraction"))) == 3
    titles = {each.get_attribute("title") for each in wide.find_elements("css selector", "tbody td[title]")}
    assert {str(value) for value in SWEPT["optimizer.lr"]} <= titles


def test_runs_of_one_epoch_open_on_what_they_monitor_with_a_dot_for_each(
    make: Made, report: Command, browser: "Chrome", tmp_path: Path
) -> None:
    for k in range(3):
        metrics = make(f"a{k}", settings={"optimizer.lr": k + 1}, score=k / 10) / "metrics.csv"
        lines = [
            "step,epoch,train/loss,val/loss,test/loss",
            "50,0,2.0,,",
            f"81,0,,{k / 10},",
            "81,0,1.0,,",
            "81,1,,,3.0",
        ]
        metrics.write_text("\n".join(lines))
    assert report("run=outputs").code == 0
    browser.get((tmp_path / "outputs" / "report" / "index.html").as_uri())
    choose = browser.find_element("css selector", "#curves .y")
    assert choose.get_attribute("value") == "val/loss"
    assert [each.text for each in choose.find_elements("tag name", "option")] == ["train/loss", "val/loss"]
    assert (drawn(browser, "curves", "circle"), drawn(browser, "curves", "path")) == (3, 0)
    heights = {float(each.get_attribute("cy") or 0) for each in browser.find_elements("css selector", "#curves circle")}
    assert len(heights) == 3
    choose.find_elements("tag name", "option")[0].click()
    assert (drawn(browser, "curves", "circle"), drawn(browser, "curves", "path")) == (0, 3)


@pytest.mark.parametrize("damage", ["nothing", "no curves", "no record", "no config"])
def test_a_page_about_one_run_opens_whatever_it_lacks(
    damage: str, make: Made, report: Command, browser: "Chrome", tmp_path: Path
) -> None:
    run = make("a")
    lost = {"nothing": [], "no curves": ["metrics.csv"], "no record": ["run.json"], "no config": [".hydra/config.yaml"]}
    for name in lost[damage]:
        (run / name).unlink()
    assert report("run=outputs").code == 0
    browser.get_log("browser")
    browser.get((tmp_path / "outputs" / "report" / "index.html").as_uri())
    assert browser.get_log("browser") == []
    assert texts(browser, "state") == ["done" if damage in ("nothing", "no curves") else "damaged"]
    visible = [each.get_attribute("id") for each in browser.find_elements("tag name", "figure") if each.is_displayed()]
    assert visible == ([] if damage == "no curves" else ["curves"])


def test_text_of_a_stranger_is_shown_and_never_run(page: "Chrome") -> None:
    assert page.execute_script("return window.hacked") is None
    assert len(page.find_elements("tag name", "script")) == 2
    assert page.find_elements("tag name", "img") == []
    assert EVIL in page.find_element("css selector", "#unfinished").text


def test_the_name_of_the_folder_is_text_too(make: Made, report: Command, tmp_path: Path) -> None:
    make("<i>&{{data}}/a")
    assert report("run=outputs/<i>&{{data}}").code == 0
    text = (tmp_path / "outputs" / "<i>&{{data}}" / "report" / "index.html").read_text()
    assert "<h1>&lt;i&gt;&amp;{{data}}</h1>" in text


def test_the_page_names_no_other_place_and_lets_no_other_script_run(sweep: Path) -> None:
    text = sweep.read_text()
    assert set(re.findall(r"https?://[^\s\"']+", text)) == {"http://www.w3.org/2000/svg"}
    assert text.count("<script") == 2
    (script,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'" in text
