"""``stroi cache audit`` against the real DVC: what DVC believes, and what we refuse."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from stroi.pipeline.cli import run

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "hostile"))
from measured import most_seconds, run_measured
from projects import dvc, flip_bit

FILES = {"mosaics-00000.h5": b"one" * 500, "sub/manifest.json": b"{}"}


class Lab:
    """A DVC project with one out, ``data``, and a remote folder."""

    def __init__(self, base: Path) -> None:
        self.base, self.root, self.remote = base, base / "project", base / "remote"
        self.cache = self.root / ".dvc" / "cache"
        (self.root / ".dvc").mkdir(parents=True)
        (self.root / ".dvc" / ".gitignore").write_text("/config.local\n/tmp\n/cache\n")
        (self.root / ".dvc" / "config").write_text(
            "[core]\n    analytics = false\n    remote = lab\n"
            "['remote \"lab\"']\n    url = ../../remote\n"
        )
        subprocess.run(["git", "init", "-q"], cwd=self.root, check=True)

    def dvc(self, *arguments: str) -> str:
        done = dvc(self.root, *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def put(self, data: bytes, suffix: str = "", *, store: Path | None = None) -> str:
        """Put an object into the remote (or another store) as DVC lays it out; its name."""
        name = hashlib.md5(data).hexdigest() + suffix
        path = self.object(name, store)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        path.chmod(0o444)
        return name

    def object(self, name: str, store: Path | None = None) -> Path:
        return (store or self.remote) / "files" / "md5" / name[:2] / name[2:]

    def track(self, name: str, out: str = "data") -> None:
        text = f"outs:\n- md5: {name}\n  hash: md5\n  path: {out}\n"
        (self.root / f"{out}.dvc").write_text(text)

    def push_folder(self, files: dict[str, bytes], **names: str) -> str:
        """Make ``data`` a folder of `files`; `names` replaces objects by other names."""
        listed = [
            {"md5": names.get(relpath, self.put(data)), "relpath": relpath}
            for relpath, data in files.items()
        ]
        name = self.put(json.dumps(listed, sort_keys=True).encode(), ".dir")
        self.track(name)
        return name


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path / "lab")


@pytest.fixture
def audit(lab: Lab, capfd: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """Run the audit; its exit status, and the line of result or the last one on stderr."""

    def audited(*arguments: str) -> tuple[int, str]:
        capfd.readouterr()
        status = run(["cache", "audit", "--root", str(lab.root), "--jobs", "2", *arguments])
        shown = capfd.readouterr()
        return status, (shown.err if status else shown.out).splitlines()[-1]

    return audited


Audited = Callable[..., tuple[int, str]]


def test_what_was_fetched_well_passes(lab: Lab, audit: Audited) -> None:
    lab.push_folder(FILES)
    lab.track(lab.put(b"alone"), "report.html")
    lab.dvc("fetch")
    assert audit() == (0, "4 objects, 1.7 kB: each is what its name says")
    assert audit("report.html") == (0, "1 object, 5 B: each is what its name says")
    assert sorted(path.name for path in lab.root.glob("[!.]*")) == ["data.dvc", "report.html.dvc"]


def test_fetch_audit_checkout_in_one_go(lab: Lab, audit: Audited) -> None:
    lab.push_folder(FILES)
    lab.track("a" * 32, "never-pushed")
    status, line = audit("--fetch")
    assert status == 0, line
    assert line.endswith("each is what its name says; 1 not in the cache")
    lab.dvc("checkout", "data")
    assert (lab.root / "data" / "sub" / "manifest.json").read_bytes() == b"{}"


def test_a_list_that_writes_outside_is_refused_before_checkout(lab: Lab, audit: Audited) -> None:
    name = lab.push_folder({**FILES, "../../planted": b"evil", "../.git/hooks/x": b"evil"})
    lab.dvc("fetch")
    status, line = audit()
    assert status == 3
    path = lab.object(name, lab.cache)
    assert line == (
        f"error: DVC_PATH: list {path} of data: '../../planted' does not stay inside its folder; "
        "do not check this out: ask whoever pushed it for a clean folder"
    )
    assert not (lab.base / "planted").exists()
    # Were this no longer so, docs/sharing.md would say less.
    lab.dvc("checkout")
    assert (lab.base / "planted").read_bytes() == b"evil"
    assert (lab.root / ".git" / "hooks" / "x").read_bytes() == b"evil"


def test_a_list_that_makes_fetch_overwrite_files_is_refused_before(
    lab: Lab, audit: Audited
) -> None:
    victim = lab.root / ".dvc" / "victim"
    victim.write_bytes(b"mine")
    (lab.base / "victim").write_bytes(b"evil")  # beside the remote, as the name leads
    name = lab.push_folder({"a": b"one", "b": b"two"}, b="../../../victim")
    status, line = audit("--fetch")
    assert status == 3
    assert line == (
        f"error: DVC_LIST: list {name} of data in the remote gives 'b' an md5 that is none: "
        "'../../../victim'; do not check this out: ask whoever pushed it for a clean folder"
    )
    assert victim.read_bytes() == b"mine"
    assert not lab.cache.exists()
    lab.dvc("fetch")
    assert victim.read_bytes() == b"evil"
    assert audit()[1].startswith("error: DVC_LIST: list ")


def test_a_flipped_bit_that_dvc_takes_on_trust(lab: Lab, audit: Audited) -> None:
    lab.push_folder(FILES)
    lab.dvc("fetch")
    good = hashlib.md5(FILES["mosaics-00000.h5"]).hexdigest()
    path = lab.object(good, lab.cache)
    flip_bit(path)
    found = hashlib.md5(path.read_bytes()).hexdigest()
    lab.dvc("checkout")
    assert lab.dvc("status") == "Data and pipelines are up to date.\n"
    assert audit() == (
        3,
        f"error: DIGEST: object {path} (mosaics-00000.h5 of data): its MD5 is {found}; "
        "remove it and fetch again; if it comes back like this, it must be pushed again",
    )
    path.unlink()
    assert audit("--fetch")[0] == 0


def test_a_flipped_bit_in_the_remote(lab: Lab, audit: Audited) -> None:
    name = lab.push_folder(FILES)
    flip_bit(lab.object(hashlib.md5(b"{}").hexdigest()))
    status, line = audit("--fetch")
    assert status == 3
    assert "(sub/manifest.json of data): its MD5 is " in line
    flip_bit(lab.object(name))
    for path in lab.cache.rglob("*.dir"):
        path.unlink()
    status, line = audit("--fetch")
    assert status == 3
    assert f"DIGEST: list {name} of data in the remote: its MD5 is " in line


def test_every_problem_is_told_and_counted(lab: Lab, audit: Audited) -> None:
    lab.push_folder({str(number): b"x" * (100 + number) for number in range(4)})
    lab.dvc("fetch")
    for number in range(3):
        flip_bit(lab.object(hashlib.md5(b"x" * (100 + number)).hexdigest(), lab.cache))
    status, line = audit()
    assert status == 3
    assert line.count("DIGEST") == 1
    assert " (and 2 more); remove it" in line


@pytest.mark.parametrize("kind", ["link", "pipe", "folder", "linked folder"])
def test_only_regular_files_are_objects(lab: Lab, audit: Audited, kind: str) -> None:
    lab.push_folder(FILES)
    lab.dvc("fetch")
    path = lab.object(hashlib.md5(b"{}").hexdigest(), lab.cache)
    if kind == "linked folder":
        path.parent.rename(lab.base / "away")
        path.parent.symlink_to(lab.base / "away")
    else:
        path.unlink()
        {
            "link": lambda: path.symlink_to("/dev/zero"),
            "pipe": lambda: os.mkfifo(path),
            "folder": path.mkdir,
        }[kind]()
    status, line = audit()
    assert status == 3
    assert line.startswith("error: DVC_OBJECT: ")
    assert str(path.parent) in line


def test_a_link_that_came_with_the_project(lab: Lab, audit: Audited) -> None:
    outside = lab.base / "outside"
    outside.mkdir()
    (lab.root / "place").symlink_to(outside)
    name = lab.push_folder(FILES)
    (lab.root / "data.dvc").unlink()
    lab.track(name, "data")
    (lab.root / "data.dvc").write_text(
        (lab.root / "data.dvc").read_text().replace("path: data", "path: place/data")
    )
    lab.dvc("fetch")
    assert audit()[0] == 0  # the user's own link to a larger disk
    subprocess.run(["git", "add", "place"], cwd=lab.root, check=True)
    assert audit() == (
        3,
        "error: DVC_PATH: out 'place/data' lies behind the link place, which came with the "
        "project; check nothing out of this project",
    )
    lab.dvc("checkout")
    assert (outside / "data" / "mosaics-00000.h5").exists()


@pytest.mark.parametrize("name", ["../../../../victim", "a" * 31, "a" * 32 + ".dir.dir"])
def test_an_object_must_be_named_by_an_md5_in_the_lock_too(
    lab: Lab, audit: Audited, name: str
) -> None:
    lab.track(name)
    status, line = audit("--fetch")
    assert status == 3
    assert line.startswith(f"error: DVC_LOCK: out data: its md5 is none: {name!a}; ")


def test_dvc_2_hashed_texts_without_carriage_returns(lab: Lab, audit: Audited) -> None:
    text, pixels = b"sample_id,label\r\nx,y\r\n", bytes(range(256)) * 4
    for data, hashed in ((text, text.replace(b"\r\n", b"\n")), (pixels, pixels)):
        name = hashlib.md5(hashed).hexdigest()
        path = lab.cache / name[:2] / name[2:]
        path.parent.mkdir(parents=True)
        path.write_bytes(data)
        (lab.root / f"{name}.dvc").write_text(f"outs:\n- md5: {name}\n  path: {name}\n")
    lab.dvc("checkout")
    assert audit()[0] == 0
    flip_bit(path)
    assert audit()[0] == 3


def test_all_looks_at_what_others_share_as_well(lab: Lab, audit: Audited, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    lab.dvc("config", "cache.dir", str(shared))
    lab.push_folder(FILES)
    lab.dvc("fetch")
    strange = lab.object(lab.put(b"of another project", store=shared), shared)
    hostile = lab.put(b'[{"md5": "%s", "relpath": "/x"}]' % (b"0" * 32), ".dir", store=shared)
    (strange.parent / "tmp.Xa3").write_bytes(b"left by a killed fetch")
    assert audit()[0] == 0
    assert audit("--all")[1].startswith(f"error: DVC_PATH: list {lab.object(hostile, shared)}: ")
    lab.object(hostile, shared).unlink()
    assert audit("--all")[0] == 0
    flip_bit(strange)
    assert audit()[0] == 0
    assert audit("--all")[1].startswith(f"error: DIGEST: object {strange}: its MD5 is ")


def test_what_cannot_be_audited_says_so(lab: Lab, audit: Audited, tmp_path: Path) -> None:
    lab.push_folder(FILES)
    assert audit() == (
        1,
        f"error: DVC_EMPTY: nothing of this is in the cache, {lab.cache}/files/md5; "
        "add --fetch, or name what was fetched",
    )
    assert audit("dat") == (2, "error: DVC_OUT: no out 'dat'; the outs are: data")
    assert audit("--fetch", "--remote", "nowhere")[0] == 1
    (lab.remote / "files").rename(lab.remote / "gone")
    assert audit("--fetch") == (
        1,
        "error: DVC_REMOTE: the remote has none of these outs; ask for `dvc push`",
    )
    assert run(["cache", "audit", "--root", str(tmp_path)]) == 1


def _many(count: int) -> bytes:
    entries = (f'{{"md5": "{number:032x}", "relpath": "{number}"}}' for number in range(count))
    return f"[{', '.join(entries)}]".encode()


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"[" + b"[], " * 4_000_000 + b"[]]", "JSON_SIZE"),
        (b"[" * 16_000_000, "JSON_DEPTH"),
        (b'[{"md5": "' + b"\\u0041" * 2_700_000 + b'"}]', "DVC_LIST"),
        (_many(100_000)[:-1] + b', {"md5": "../x", "relpath": "z"}]', "DVC_LIST"),
        (b" " * (1 << 28), "DVC_OBJECT"),
    ],
    ids=["brackets", "deep", "escapes", "many", "large"],
)
def test_a_refusal_is_quick_and_small(lab: Lab, data: bytes, code: str) -> None:
    lab.track(lab.put(data, ".dir", store=lab.cache))
    main = "from stroi.pipeline.cli import main; main()"
    done = run_measured([sys.executable, "-c", main, "cache", "audit", "--root", str(lab.root)])
    assert done.returncode == 3, done.stderr
    assert done.last_error.startswith(f"error: {code}: ")
    assert "Traceback" not in done.stderr
    assert done.peak_bytes < 300e6
    assert done.seconds < most_seconds()
