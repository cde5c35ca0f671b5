"""The site builds without a warning, and nothing on it asks another host."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from ruamel.yaml import YAML

MADE = {"index.md", "params.md", "errors.md"}
OUTSIDE = {"CONTRIBUTING.md", "CHANGELOG.md", "benchmarks/README.md"}
ELSEWHERE = re.compile(r"^(?:https?:)?//")
LOADED = {"script": "src", "img": "src", "iframe": "src", "source": "src", "link": "href"}
CSS_URL = re.compile(r"(?:@import\s+|url\(\s*)[\"']?((?:https?:)?//[^\"')\s]+)")


@pytest.fixture(scope="module")
def site(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site."""
    if importlib.util.find_spec("mkdocs") is None or importlib.util.find_spec("material") is None:
        pytest.skip("mkdocs-material is not installed: pip install -e '.[docs]'")
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=root,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return folder


def _pages(nav: object) -> Iterator[str]:
    if isinstance(nav, str):
        yield nav
    for inner in nav if isinstance(nav, list) else nav.values() if isinstance(nav, dict) else ():
        yield from _pages(inner)


def test_every_page_is_in_the_navigation(root: Path) -> None:
    config = YAML(typ="safe").load((root / "mkdocs.yml").read_text(encoding="utf-8"))
    docs = root / "docs"
    written = {page.relative_to(docs).as_posix() for page in docs.rglob("*.md")} - {"package.md"}
    assert sorted(_pages(config["nav"])) == sorted(written | MADE | OUTSIDE)


class _Loads(HTMLParser):
    """Addresses that a browser loads by itself with a page."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "link" and values.get("rel") in {"canonical", "next", "prev"}:
            return
        self.addresses.append(values.get(LOADED.get(tag, "")) or "")


def test_no_page_loads_anything_from_another_host(site: Path) -> None:
    foreign = {}
    for page in sorted(site.rglob("*.html")):
        loads = _Loads()
        loads.feed(page.read_text(encoding="utf-8"))
        foreign[page.name] = [at for at in loads.addresses if ELSEWHERE.match(at)]
    for sheet in sorted(site.rglob("*.css")):
        foreign[sheet.name] = CSS_URL.findall(sheet.read_text(encoding="utf-8"))
    assert {name: found for name, found in foreign.items() if found} == {}
    assert len(foreign) > 40


def test_generated_pages_are_there(site: Path) -> None:
    assert 'id="video_open"' in (site / "errors.html").read_text(encoding="utf-8")
    assert "resnet.schedule.lr" in (site / "params.html").read_text(encoding="utf-8")
    stage = (site / "stages" / "mosaics.html").read_text(encoding="utf-8")
    assert 'href="../errors.html#mosaic_black"' in stage
    assert "The stages" in (site / "index.html").read_text(encoding="utf-8")


def test_links_of_the_repository_lead_to_pages_of_the_site(site: Path) -> None:
    home = (site / "index.html").read_text(encoding="utf-8")
    assert 'href="first-day.html"' in home
    assert 'href="benchmarks/results/demo-xsub.html"' in home
    assert not (site / "hooks").exists()


def test_codes_and_params_in_the_text_lead_to_their_entries(site: Path) -> None:
    page = (site / "protocols.html").read_text(encoding="utf-8")
    assert 'href="errors.html#split_leak"' in page
    assert 'href="params.html#ensemble"' in page


def test_pictures_are_small(site: Path) -> None:
    pictures = [path for path in site.rglob("*") if path.suffix in {".png", ".jpg", ".webp"}]
    ours = [path for path in pictures if "assets" not in path.parts]
    assert 0 < sum(path.stat().st_size for path in ours) < 700_000
