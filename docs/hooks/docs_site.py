"""Hooks of MkDocs: pages that are made from the code, and files outside docs that pages link to.

The README is the first page. Links are those of the repository: they work there and on the site.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from error_pages import errors_page, sites_by_code
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from param_pages import all_keys, params_page
from stage_pages import stage_sections

ROOT = Path(__file__).resolve().parents[2]
HOME = "README.md"
GENERATED = frozenset({"errors.md", "params.md"})
FENCED = re.compile(r"(^```.*?^```$)", re.M | re.S)
NAME = re.compile(r"(?<!\[)`([A-Za-z0-9_.]+)`(?!\])")
LINK = re.compile(r"(!?\[[^\]]*\]\()([^)\s#]+)(#[^)\s]*)?\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages, the README, and what pages link to outside docs."""
    for name, text in (("errors.md", errors_page(ROOT)), ("params.md", params_page())):
        files.append(File.generated(config, name, content=text))
    files.append(File.generated(config, "index.md", abs_src_path=str(ROOT / HOME)))
    for path in sorted(_linked(files)):
        files.append(File.generated(config, path, abs_src_path=str(ROOT / path)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Add the generated part of a stage's page, and turn the repository's links into the site's."""
    source = page.file.src_uri
    if source.startswith("stages/"):
        markdown += "\n" + stage_sections(ROOT, PurePosixPath(source).stem)
    repository = _in_repository(source)

    def moved(match: re.Match[str]) -> str:
        target = _target(repository, match[2])
        if target is None:
            return match[0]
        there = os.path.relpath(_on_site(target), PurePosixPath(source).parent)
        return f"{match[1]}{there}{match[3] or ''})"

    return with_references(LINK.sub(moved, markdown), source)


def with_references(markdown: str, source: str) -> str:
    """The page with a link at every error code and param that its text names."""
    up = "../" * source.count("/")
    anchors = {code: f"errors.md#{code.lower()}" for code in sites_by_code(ROOT)}
    # The table has a line per key, its section an anchor.
    anchors |= {key: f"params.md#{key.partition('.')[0]}" for key in all_keys() if "." in key}

    def linked(match: re.Match[str]) -> str:
        anchor = anchors.get(match[1])
        return f"[{match[0]}]({up}{anchor})" if anchor else match[0]

    if source in GENERATED:
        return markdown
    blocks = FENCED.split(markdown)
    # Every second one is a box of code.
    blocks[::2] = [NAME.sub(linked, text) for text in blocks[::2]]
    return "".join(blocks)


def _linked(files: Files) -> set[str]:
    """Files outside docs that pages link to, and those that these link to."""
    linked: set[str] = set()
    todo = [_in_repository(file.src_uri) for file in files.documentation_pages()]
    while todo:
        page = todo.pop()
        for target in _targets(page):
            outside = not target.startswith("docs/") and target != HOME
            if outside and target not in linked and (ROOT / target).is_file():
                linked.add(target)
                todo += [target] if target.endswith(".md") else []
    return linked


def _targets(page: str) -> Iterator[str]:
    if (ROOT / page).is_file():
        for match in LINK.finditer((ROOT / page).read_text(encoding="utf-8")):
            target = _target(page, match[2])
            if target:
                yield target


def _target(page: str, link: str) -> str | None:
    """What a link of a page is, relative to the repository; None if it leads elsewhere."""
    if ":" in link:
        return None
    return os.path.normpath(PurePosixPath(page).parent / link)


def _in_repository(uri: str) -> str:
    """Where a page of the site is in the repository."""
    if uri == "index.md":
        return HOME
    outside = uri.startswith("benchmarks/") or (ROOT / uri).is_file()
    return uri if outside else f"docs/{uri}"


def _on_site(path: str) -> str:
    """Where a file of the repository is on the site."""
    return "index.md" if path == HOME else path.removeprefix("docs/")
