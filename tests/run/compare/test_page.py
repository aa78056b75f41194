"""The page opens from disk, in a real browser, with no network, and does what its controls say."""

import base64
import hashlib
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.conftest import Command, Made

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

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
