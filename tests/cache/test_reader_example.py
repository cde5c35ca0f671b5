"""docs/cache-format.md is enough to read a cache: its own examples do."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from small_caches import add_sources, write_every_kind

from stroi.cache.manifest import read_manifest
from stroi.cache.mosaics import MosaicCache
from stroi.cache.storage.formats import FORMATS
from stroi.cache.storage.schema import ID_FIELD, SCHEMA
from stroi.cache.verify import verify

DOCUMENT = (Path(__file__).parents[2] / "docs" / "cache-format.md").read_text(encoding="utf-8")


def example(name: str) -> str:
    """The Python example of that name."""
    [found] = re.findall(rf'```python\n("""{name}: .*?)```', DOCUMENT, re.DOTALL)
    return str(found)


def commands() -> list[str]:
    """The shell lines."""
    return [
        line
        for block in re.findall(r"```sh\n(.*?)```", DOCUMENT, re.DOTALL)
        for line in block.splitlines()
    ]


def run(folder: Path, name: str, script: str, *arguments: object) -> bytes:
    """What a script prints that imports an example, in a process of its own."""
    (folder / name).write_text(example(name))
    done = subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)],
        cwd=folder,
        capture_output=True,
        timeout=60,
    )
    assert done.stderr == b""
    return done.stdout


def test_the_examples_need_h5py_and_numpy_only() -> None:
    assert len(example("reader.py").splitlines()) <= 30
    for name in ("reader.py", "digests.py"):
        imported = set()
        for node in ast.walk(ast.parse(example(name))):
            if isinstance(node, ast.Import):
                imported |= {each.name.split(".")[0] for each in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add(str(node.module).split(".")[0])
        assert imported - sys.stdlib_module_names == {"h5py", "numpy"}


def test_example_reads_what_we_read(folder: Path, tmp_path: Path) -> None:
    add_sources(folder)
    cache = MosaicCache(folder)
    ids = [cache.ids[row] for row in (6, 0, 3, 3, 1)]
    script = (
        "import sys; from reader import Mosaics\n"
        "sys.stdout.buffer.write(Mosaics(sys.argv[1]).batch(sys.argv[2:]).tobytes())\n"
    )
    found = run(tmp_path, "reader.py", script, folder, *ids)
    batch = np.frombuffer(found, np.uint8).reshape(5, *cache.shape)
    np.testing.assert_array_equal(batch, cache.batch(ids))


@pytest.mark.parametrize("kind", ["skeletons", "mosaics_compact"])
def test_example_refuses_other_kinds(tmp_path: Path, kind: str) -> None:
    write_every_kind(tmp_path / "all")
    script = (
        "import sys; from reader import Mosaics\n"
        "try: Mosaics(sys.argv[1])\n"
        "except ValueError as error: print(error)\n"
    )
    folder = tmp_path / "all" / kind
    found = run(tmp_path, "reader.py", script, folder)
    assert found.decode() == f"{folder} is not a cache of mosaics of schema 2\n"


def test_example_computes_every_digest(tmp_path: Path) -> None:
    write_every_kind(tmp_path / "all")
    script = (
        "import json, sys; from pathlib import Path; import digests\n"
        "found = {}\n"
        "for folder in Path(sys.argv[1]).iterdir():\n"
        "    text = (folder / 'manifest.json').read_bytes()\n"
        "    params = json.loads(text)['params']\n"
        "    paths = folder.glob('*.h5')\n"
        "    samples = {p.name: digests.sample_digests(p, folder.name) for p in paths}\n"
        "    found[folder.name] = digests.seal(text), digests.params_digest(params), samples\n"
        "print(json.dumps(found))\n"
    )
    found = json.loads(run(tmp_path, "digests.py", script, tmp_path / "all"))
    assert sorted(found) == sorted(FORMATS)
    for kind, (seal, params, samples) in found.items():
        document = json.loads((tmp_path / "all" / kind / "manifest.json").read_bytes())
        manifest = read_manifest(tmp_path / "all" / kind)
        assert (seal, params) == (document["digest"], manifest.params_digest)
        assert samples == {
            entry.name: list(entry.sample_sha256) for entry in manifest.files if entry.ids
        }


@pytest.mark.parametrize(
    "params",
    [
        {
            "b": 1,
            "a": [True, None, "é\U0001f600\n"],
            "c": {"z": 0.1, "y": 1e-5, "x": 1e22, "w": 5.0},
        },
        {},
    ],
)
def test_example_digests_any_params(tmp_path: Path, params: dict[str, object]) -> None:
    from stroi.cache.files.digests import digest

    script = (
        "import json, sys, digests\nprint(digests.params_digest(json.loads(sys.argv[1])), end='')\n"
    )
    found = run(tmp_path, "digests.py", script, json.dumps(params))
    assert found.decode() == digest(params)


def test_shell_lines_check_a_folder(folder: Path) -> None:
    add_sources(folder)
    check, seal = commands()

    def shell(line: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["sh", "-c", line], cwd=folder, capture_output=True, text=True)

    assert shutil.which("sha256sum")
    assert verify(folder) == []
    done = shell(check)
    assert done.returncode == 0
    assert done.stdout.splitlines() == [
        "ledger.csv: OK",
        "mosaics-00000.h5: OK",
        "mosaics-00001.h5: OK",
    ]
    document = json.loads((folder / "manifest.json").read_bytes())
    assert shell(seal).stdout.split()[0] == document["digest"]
    data = bytearray((folder / "mosaics-00001.h5").read_bytes())
    data[len(data) // 2] ^= 1
    (folder / "mosaics-00001.h5").write_bytes(data)
    done = shell(check)
    assert done.returncode != 0
    assert "mosaics-00001.h5: FAILED" in done.stdout


def test_document_has_every_kind_and_field() -> None:
    assert f"# The cache format, schema {SCHEMA}\n" in DOCUMENT
    sections = dict(re.findall(r"^### `(\w+)`\n(.*?)(?=^##)", DOCUMENT, re.DOTALL | re.MULTILINE))
    assert set(sections) == set(FORMATS)
    types = {"|i1": "int8", "|u1": "uint8", "<i4": "int32", "<f4": "float32", "<f8": "float64"}
    for kind, fmt in FORMATS.items():
        text = sections[kind] + (sections["mosaics"] if kind == "mosaics_compact" else "")
        for field in fmt.fields:
            if field is ID_FIELD:
                continue
            shape = ", ".join(map(str, field.dims))
            kept_as = types.get(field.dtype, field.dtype)
            row = rf"^\| [^|]*`{field.name}`[^|]* \| {kept_as} \| \({shape}\) \|"
            assert re.search(row, text, re.MULTILINE), (kind, field)


def test_document_has_every_key(tmp_path: Path) -> None:
    write_every_kind(tmp_path)
    document = json.loads((tmp_path / "mosaics_compact" / "manifest.json").read_bytes())
    for key in (*document, *document["files"][0], *document["extra"], *document["extra"]["packed"]):
        assert f"`{key}`" in DOCUMENT or f"`extra.{key}`" in DOCUMENT, key
