"""The page as a whole: what it holds, what it must never hold, what it refuses."""

from __future__ import annotations

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest

from stroi.cache.errors import RefusedInput
from stroi.pipeline.cli import run as stroi
from stroi.pipeline.params.load import RunParams
from stroi.pipeline.workspace import Workspace
from stroi.stages.report import build_report

VOID = {"meta", "img", "br", "input"}
RUN = Path("runs/small-xsub")


class Page(HTMLParser):
    """Tags, attributes and text of a page; fails on tags that do not nest."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.open: list[str] = []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] != ["style"]:
            self.text.append(data)

    def words(self) -> str:
        """All text with single blanks."""
        return re.sub(r"\s+", " ", " ".join(self.text))


@pytest.fixture
def html(workspace: Workspace, run: RunParams) -> str:
    return build_report(workspace, run).read_text(encoding="utf-8")


def test_the_seven_rows_stand_on_the_page(html: str) -> None:
    # 8 test clips: row 1 errs on 3, rows 2 to 4 on 4, 1 and 2. In every ensemble the ResNet's
    # higher certainty decides, so rows 5 to 7 err where it does.
    words = Page(html).words()
    for text in (
        "1 ST-GCN train - 62.5 0.0",
        "2 ResNet18 - train 50.0 0.0",
        "3 ResNet18 + weights train train 87.5 0.0",
        "4 ResNet18 + weights eval train 75.0 0.0",
        "7 Ensemble 1+4 eval eval 75.0 0.0",
        "87.5 % of 8 test clips (95 % interval 62.5 to 100.0; chance 25.0 %).",
        "Few test clips: with 8 one clip is 12.5 points",
        "Above chance, except rows 1, 2, 5.",
        "11 of 11 comparisons are open",
        "chance, 25.0 %. One clip is worth 12.5 points.",
        "mean over 2 seeds",
        "xsub: by subject; train all others; test s3, s4",
    ):
        assert text in words


def test_pairs_classes_and_confusions_stand_on_the_page(html: str) -> None:
    words = Page(html).words()
    # drink / wave: 4 clips; row 1 has 1 right, row 4 errs on one.
    assert "hands drink / wave 25.0 100.0 75.0 75.0" in words
    # drink: rows 2, 4, 7 and the gain of row 4 over row 2.
    assert "drink 2 100.0 50.0 50.0 -50.0" in words
    assert "drink wave wave drink 2 of 2 1 of 2" in words
    assert "give 2 0.0 50.0 50.0 +50.0" in words


def test_tests_and_intervals_stand_on_the_page(html: str) -> None:
    words = Page(html).words()
    # Rows 2 and 3 differ in 3 of 8 clips, all won by row 3: p = 2 / 2^3, with both seeds.
    found = re.search(
        r"\(end to end\) \u2212 ResNet18 \+37.5 ([^ ]+) … ([^ ]+) 3 : 0 0.250 3 : 0 0.250 0.250",
        words,
    )
    assert found is not None
    assert float(found[1]) <= 37.5 <= float(found[2])
    assert words.count(" \u2212 ") >= 22
    assert "a p that stands against all of them is below 0.0045" in words
    assert "95 % interval over test clips and seeds (bootstrap)" in words
    assert re.search(r"drink 2 100.0 50.0 50.0 -50.0 -100.0 … 0.0", words)
    # Both clips gave the same, so nothing is known of the spread.
    assert re.search(r"wave 2 [0-9. ]+ 0.0 \u2013", words)


def test_weights_of_the_sum_are_told_where_they_are_not_one(
    workspace: Workspace, run: RunParams
) -> None:
    path = workspace.root / RUN / "ensemble" / "table.json"
    table = json.loads(path.read_text())
    table["rows"][4]["alphas"] = [0.5, 2.0]
    path.write_text(json.dumps(table))
    words = Page(build_report(workspace, run).read_text(encoding="utf-8")).words()
    assert "Weight of the RGB branch in the sum, as given: row 5: 0.5, 2." in words


def test_mosaics_weights_and_losses_stand_on_the_page(html: str) -> None:
    page = Page(html)
    words = page.words()
    pictures = [attrs for tag, attrs in page.tags if tag == "img"]
    assert len(pictures) == 9
    assert all((each["src"] or "").startswith("data:image/png;base64,") for each in pictures)
    assert {(each["width"], each["height"]) for each in pictures} == {("100", "100")}
    assert "k0_s3 · 2 of 25 cells black: joint not found or out of frame" in words
    assert "k2_s3 · all 50 half cells filled" in words
    assert "give 1 of 2 wrong" in words
    assert "✗ taken for <script>" in words
    assert "frames 0, 1, 2, 3, 4 of k2_s3.avi" in words
    assert "index 17 17 0 skeletons 17 16 1 mosaics 16 16 0" in words
    assert "skeletons lost VIDEO_OPEN cannot read <b>any</b> frame" in words
    # 12 clips of 25 cells and 4 clips of 50 half cells.
    assert "Of all 500 cells (or parts of cells, where several persons are shown), 2 (0.4" in words
    assert "head 2.0 right hand 0.0" in words


def test_origin_names_models_checkpoints_and_params(html: str) -> None:
    words = Page(html).words()
    assert "model " + "ab" * 32 in words
    assert "runs/small-xsub/weights/seed-1 checkpoint " + "1d" * 32 in words
    assert "runs/small-xsub/resnet-fixed/seed-0/scores checkpoint " + "0c" * 32 in words
    assert "schedule.milestones 45, 55" in words
    assert "start resnet18.safetensors" in words


def test_nothing_hostile_gets_through_and_nothing_is_loaded(html: str) -> None:
    page = Page(html)
    assert not {"script", "link", "iframe", "object", "b"} & {tag for tag, _ in page.tags}
    assert re.search(r"https?:|@import|url\(", html) is None
    for _, attrs in page.tags:
        assert not any(name.startswith("on") for name in attrs)
        assert (attrs.get("src") or "data:").startswith("data:")
        assert (attrs.get("href") or "#").startswith("#")
    targets = {attrs.get("href") for tag, attrs in page.tags if tag == "a"}
    assert targets <= {f"#{attrs.get('id')}" for _, attrs in page.tags}
    assert html.count("&lt;script&gt;") > 5


def test_page_is_small_and_says_nothing_of_when_and_where(
    html: str, workspace: Workspace, run: RunParams, tmp_path: Path
) -> None:
    assert len(html.encode()) < 5_000_000
    assert str(tmp_path) not in html
    assert "secret" not in html
    copy = tmp_path / "elsewhere"
    shutil.copytree(workspace.root, copy, ignore=shutil.ignore_patterns("elsewhere"))
    assert build_report(Workspace(copy), run).read_text(encoding="utf-8") == html


def test_run_without_pairs_has_no_section_of_pairs(workspace: Workspace, run: RunParams) -> None:
    profile = run.profile.model_copy(
        update={"ensemble": run.profile.ensemble.model_copy(update={"pairs": {}})}
    )
    table = workspace.root / RUN / "ensemble" / "table.json"
    document = json.loads(table.read_text())
    document["pairs"] = {}
    for row in document["rows"]:
        row["pairs"] = {}
    table.write_text(json.dumps(document))
    html = build_report(workspace, RunParams(run.name, run.run, profile)).read_text()
    assert 'id="pairs"' not in html
    assert 'href="#pairs"' not in html


@pytest.mark.parametrize(
    ("lacking", "code"),
    [
        ("data/small/index/samples.csv", "CSV_MISSING"),
        ("data/small/skeletons/ledger.csv", "CSV_MISSING"),
        ("data/small/skeletons/manifest.json", "MANIFEST_MISSING"),
        ("data/small/mosaics/manifest.json", "MANIFEST_MISSING"),
        ("data/small/mosaics/mosaics-00000.h5", "FILE_MISSING"),
        (f"{RUN}/ensemble/table.json", "TABLE_MISSING"),
        (f"{RUN}/ensemble/predictions.csv", "CSV_MISSING"),
        (f"{RUN}/weights/seed-0/manifest.json", "MANIFEST_MISSING"),
        (f"{RUN}/resnet-end-to-end/seed-1/curve.csv", "CSV_MISSING"),
    ],
)
def test_missing_input_is_named_and_no_page_written(
    workspace: Workspace, run: RunParams, lacking: str, code: str
) -> None:
    (workspace.root / lacking).unlink()
    with pytest.raises(RefusedInput) as caught:
        build_report(workspace, run)
    assert caught.value.code == code
    assert Path(lacking).name in caught.value.message
    assert caught.value.remedy
    assert not (workspace.root / RUN / "report.html").exists()


def test_command_writes_the_page(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    assert stroi(["report", "small-xsub", "--root", str(workspace.root)]) == 0
    assert "small-xsub: " in capsys.readouterr().out
    assert (workspace.root / RUN / "report.html").read_bytes().startswith(b"<!DOCTYPE html>")


def test_command_tells_in_one_line_what_is_missing(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(workspace.root / RUN / "ensemble")
    assert stroi(["report", "small-xsub", "--root", str(workspace.root)]) == 3
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "table.json does not exist; run `stroi ensemble` again" in error
