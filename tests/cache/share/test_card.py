"""The data card: what is in it, and that it says no more than it should."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from stroi.cache.errors import ParamsError, RefusedInput
from stroi.cache.share.card import (
    About,
    card_bytes,
    find_estimator,
    flat,
    make_card,
    read_card,
    readme_bytes,
)
from stroi.cache.share.info import describe


@pytest.mark.parametrize("text", ["", "two\nlines", "bell\x07", "x" * 2001, "\u202ereversed"])
def test_what_the_publisher_says_is_one_line(text: str) -> None:
    with pytest.raises(ParamsError, match=r"CARD: the licence .* is no line of 1 to 2000"):
        About(licence=text)


def test_the_card_holds_what_the_cache_says(folder: Path, tmp_path: Path) -> None:
    info = describe(folder)
    card = make_card(About(title="Träume", licence="CC0-1.0"), info, labels=3)
    data = card_bytes(card)
    assert data.isascii()
    (tmp_path / "card.json").write_bytes(data)
    assert read_card(tmp_path) == json.loads(data) == json.loads(json.dumps(card))
    assert (card["title"], card["dataset"], card["labels"]) == ("Träume", "not stated", 3)
    assert card["cache"]["samples"] == 7
    assert card["estimator"] is None


def test_the_readme_says_it_to_people(folder: Path) -> None:
    info = describe(folder)
    card = make_card(About(title="Träume", dataset="a|b <i>"), info, labels=0)
    text = readme_bytes(card, info, {"mosaics-00000.h5": 12}).decode()
    assert text.startswith("# Träume\n\nMade by stroi ")
    assert "| data set | a\\|b &lt;i> |" in text
    assert "| licence | not stated |" in text
    assert "| samples | 7 in 2 files |" in text
    assert "| labels | none |" in text
    assert "- `frames`: 3\n" in text
    assert "| mosaics-00000.h5 | 12 |" in text
    assert info.manifest_sha256 in text
    assert text.endswith("needs numpy and h5py\n")
    one = replace(info, black_cells=1e-6)
    assert "| black cells | 0.0001% (" in readme_bytes(card, one, {}).decode()


def test_the_readme_shows_no_more_of_a_stranger_than_text(folder: Path) -> None:
    told = {"a\n# b": 1, "\ud800": {"\x1b[2J": "<i>"}}
    producer = {"estimator": "x\n\ud800|", "model": "\u202e", **told}
    info = replace(describe(folder), params=told, producer=producer, packed=told)
    info = replace(info, quarantined={"C\nD": 1})
    text = readme_bytes(make_card(About(), info, labels=0), info, {}).decode()
    assert text.isascii()
    assert "- `a\\n# b`: 1\n" in text
    assert "| pose estimator | x\\n\\ud800\\|, model \\u202e |\n" in text
    assert all(line.isprintable() for line in text.split("\n"))


def test_a_card_that_no_reader_takes_is_not_written() -> None:
    with pytest.raises(ParamsError, match=r"^CARD: a card of \d+ bytes, at most 1048576 are read"):
        card_bytes({"title": "x" * (1 << 20)})


def test_a_card_that_is_none_is_refused(tmp_path: Path) -> None:
    assert read_card(tmp_path) is None
    for data, code in ((b"[]", "MANIFEST"), (b"{", "JSON"), (b" " * (1 << 21), "CARD")):
        (tmp_path / "card.json").write_bytes(data)
        with pytest.raises(RefusedInput, match=f"^{code}: "):
            read_card(tmp_path)


def test_the_estimator_is_found_down_the_chain() -> None:
    deep = {"opencv": "4", "skeletons": {"estimator": "movenet", "model": "ab", "scipy": "1"}}
    assert find_estimator(deep) == {"estimator": "movenet", "model": "ab"}
    assert find_estimator({"estimator": "x"}) == {"estimator": "x", "model": None}
    assert find_estimator({"seed": 1}) is None


def test_leaves_are_dotted() -> None:
    assert list(flat({"b": {"y": [1, 2], "x": {}}, "a": "é"})) == [
        ("a", '"\\u00e9"'),
        ("b.x", "{}"),
        ("b.y", "[1, 2]"),
    ]
