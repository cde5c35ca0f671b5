"""The pages in a real browser: nothing is loaded, nothing sticks out, the keyboard is enough.

`make test-browser` installs what it needs; elsewhere it is skipped with the reason.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from small_folds import FOLDS, POOL, add_folds

from stroi.pipeline.cli import run as stroi
from stroi.pipeline.params.load import load_run
from stroi.pipeline.workspace import Workspace
from stroi.stages.gcn_report import build_gcn_report

playwright = pytest.importorskip(
    "playwright.sync_api", reason="no playwright: `make test-browser` installs it"
)
PAGES = ("small-xsub/report.html", "small-xsub/gcn-report.html", f"{POOL}/report.html")
STICKS_OUT = """() => [...document.querySelectorAll("body *")]
  .filter(each => each.getBoundingClientRect().right > innerWidth + 1 && !each.closest(".scroll"))
  .map(each => each.outerHTML.slice(0, 80))"""


@pytest.fixture(scope="module")
def runs(written: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run, its two pages, and the page of a pool."""
    root = tmp_path_factory.mktemp("browser")
    shutil.copytree(written, root, dirs_exist_ok=True)
    workspace, here = Workspace(root), ("--root", str(root))
    add_folds(workspace)
    for command in (("report", "small-xsub"), *(("ensemble", name) for name in FOLDS)):
        assert stroi([*command, *here]) == 0
    assert stroi(["pool", POOL, *here]) == 0
    build_gcn_report(workspace, load_run(root, "small-xsub"))
    return root / "runs"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as started:
        path = shutil.which("chromium") or shutil.which("google-chrome")
        try:
            found = started.chromium.launch(executable_path=path, args=["--no-sandbox"])
        except playwright.Error as error:
            pytest.skip(f"no Chromium, `make test-browser` installs it: {str(error)[:80]}")
        yield found
        found.close()


def _open(
    browser: Any, path: Path, width: int = 1280, scheme: str = "light"
) -> tuple[Any, list[str]]:
    """A page, and what it asked for or complained of while it was loaded."""
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    heard: list[str] = []
    page.on("console", lambda message: heard.append(message.text))
    page.on("pageerror", lambda error: heard.append(str(error)))
    page.on("request", lambda request: heard.append(request.url[:80]))
    page.goto(path.as_uri())
    heard.remove(path.as_uri()[:80])
    return page, [each for each in heard if not each.startswith("data:image/")]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [420, 1280])
@pytest.mark.parametrize("name", PAGES)
def test_a_page_loads_nothing_and_fits(
    browser: Any, runs: Path, name: str, width: int, scheme: str
) -> None:
    page, heard = _open(browser, runs / name, width, scheme)
    assert heard == []
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.evaluate(STICKS_OUT) == []
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (background == "rgb(253, 253, 252)") == (scheme == "light")
    page.close()


def test_the_keyboard_filters_clips_and_follows_links(browser: Any, runs: Path) -> None:
    page, _ = _open(browser, runs / PAGES[0])
    cards = page.locator(".card:visible")
    assert cards.count() == 8
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.hash") == "#verdict"
    page.focus("#show-all")
    page.keyboard.press("ArrowRight")
    assert page.locator("#show-wrong").is_checked()
    assert page.locator(".card.right:visible").count() == 0
    assert cards.count() == 2
    page.focus("#show-wrong")
    page.keyboard.press("ArrowLeft")
    page.focus("#class-choice")
    page.keyboard.type("wave")
    assert page.locator(".group:visible h3 a").all_inner_texts() == ["wave"]
    # A number of the confusion matrix leads to its class, whatever the filter hides.
    page.locator(".matrix-table td a").nth(1).focus()
    page.keyboard.press("Enter")
    assert page.url.endswith("#clips-1")
    assert page.locator("#clips-1").is_visible()
    page.locator("#clips-1 h3 a").focus()
    page.keyboard.press("Enter")
    assert page.locator("#class-1 th").inner_text() == "drink"
    page.close()
