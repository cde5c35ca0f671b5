"""A reader of a shared cache needs numpy and h5py, and nothing else."""

from __future__ import annotations

import pkgutil
import subprocess
from collections.abc import Callable

import stroi.cache

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
        "import stroi.cache.files, stroi.cache.locks, stroi.cache.errors\n"
        "print({'numpy', 'h5py'} & set(sys.modules))\n"
    )
    assert (done.stdout, done.stderr) == ("set()\n", "")
