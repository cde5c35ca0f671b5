"""A reader of a shared cache needs numpy and h5py, and nothing else."""

from __future__ import annotations

import importlib.util
import pkgutil
import subprocess
import venv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from small_caches import add_sources

import stroi.cache
from stroi.cache.mosaics import MosaicCache
from stroi.cache.share.convert import pack

Child = Callable[..., "subprocess.CompletedProcess[str]"]


def test_no_module_loads_anything_but_numpy_and_h5py(child: Child) -> None:
    names = [module.name for module in pkgutil.iter_modules(stroi.cache.__path__)]
    assert {"mosaics", "verify", "layouts"} <= set(names)
    done = child(
        "import importlib, sys\n"
        "before = set(sys.modules)\n"
        "for name in sys.argv[1:]: importlib.import_module('stroi.cache.' + name)\n"
        "loaded = {name.split('.')[0] for name in set(sys.modules) - before}\n"
        "loaded -= sys.stdlib_module_names\n"
        "print(sorted(name for name in loaded if 'cython' not in name))\n",
        *names,
    )
    assert (done.stdout, done.stderr) == ("['h5py', 'numpy', 'stroi']\n", "")


def test_files_and_digests_load_neither(child: Child) -> None:
    done = child(
        "import sys\n"
        "import stroi.cache.files.atomic, stroi.cache.files.locks, stroi.cache.errors\n"
        "print({'numpy', 'h5py'} & set(sys.modules))\n"
    )
    assert (done.stdout, done.stderr) == ("set()\n", "")


@pytest.fixture(scope="module")
def sparse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Python of an environment that holds numpy, h5py and stroi.cache, and nothing else."""
    root = tmp_path_factory.mktemp("sparse") / "env"
    venv.EnvBuilder(symlinks=True).create(root)
    [packages] = root.glob("lib/python*/site-packages")
    (packages / "stroi").mkdir()
    (packages / "stroi" / "cache").symlink_to(stroi.cache.__path__[0])
    for name in ("numpy", "h5py"):
        spec = importlib.util.find_spec(name)
        assert spec is not None
        assert spec.origin is not None
        package = Path(spec.origin).parent
        for path in (package, package.with_name(f"{name}.libs")):
            if path.exists():
                (packages / path.name).symlink_to(path)
    return root / "bin" / "python"


def run_sparse(sparse: Path, script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sparse, "-I", "-c", script, folder], capture_output=True, text=True, timeout=60
    )


def test_a_batch_is_read_with_numpy_and_h5py_alone(sparse: Path, folder: Path) -> None:
    script = (
        "import importlib.util, sys\n"
        "import stroi.cache\n"
        "from stroi.cache.mosaics import MosaicCache\n"
        "assert not any(map(importlib.util.find_spec, ('cv2', 'torch', 'click', 'yaml', 'pip')))\n"
        "cache = MosaicCache(sys.argv[1])\n"
        "batch = cache.batch(cache.ids[2:5])\n"
        "print(cache.form, batch.shape, batch.sum(), cache.valid(cache.ids).sum())\n"
    )
    done = run_sparse(sparse, script, add_sources(folder))
    cache = MosaicCache(folder)
    batch = cache.batch(cache.ids[2:5])
    assert (done.stdout, done.stderr) == (
        f"training {batch.shape} {batch.sum()} {cache.valid(cache.ids).sum()}\n",
        "",
    )
    assert np.prod(batch.shape) == 3 * 20 * 12 * 3


def test_the_compact_form_says_what_it_needs_more(
    sparse: Path, folder: Path, tmp_path: Path
) -> None:
    pack(folder, tmp_path / "compact")
    script = (
        "import sys\n"
        "from stroi.cache.errors import StroiError\n"
        "from stroi.cache.mosaics import MosaicCache\n"
        "cache = MosaicCache(sys.argv[1])\n"
        "print(cache.form, cache.shape, cache.valid(cache.ids).sum())\n"
        "try: cache.batch(cache.ids)\n"
        "except StroiError as error: print(error.code, error.remedy)\n"
    )
    done = run_sparse(sparse, script, tmp_path / "compact")
    shown = MosaicCache(folder).valid(MosaicCache(folder).ids).sum()
    assert (done.stdout, done.stderr) == (
        f"compact (20, 12, 3) {shown}\nOPENCV_MISSING pip install opencv-python-headless\n",
        "",
    )
