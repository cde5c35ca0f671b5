"""A part of NTU RGB+D 120 by the index: the same part of a minute is enough.

benchmarks/index_scale.py does it with all 113,945, and weighs the memory.
"""

from __future__ import annotations

import time
from pathlib import Path

from stroi.pipeline.datasets.ntu_lists import NTU_120, good_names
from stroi.pipeline.index.table import read_index
from stroi.pipeline.parallel.executor import Workers
from stroi.pipeline.params.profile import IndexParams
from stroi.stages.index import build_index

SHARE = 300
SECONDS = 60 / SHARE
"""What one in `SHARE` clips may take."""


def test_time_of_a_part(tmp_path: Path) -> None:
    some = good_names(NTU_120)[::SHARE]
    raw = tmp_path / "raw"
    raw.mkdir()
    for name in some:
        (raw / f"{name}.skeleton").write_text(name)
    arguments = (raw, tmp_path / "index", IndexParams(adapter="ntu120"), Workers(1), tmp_path / "s")
    start = time.process_time()
    ledger = build_index(*arguments)
    assert time.process_time() - start < 5 * SECONDS + 2  # what does not grow, and a slow machine
    assert ledger.done == tuple(sorted(some))
    assert [one.id for one in read_index(tmp_path / "index").samples] == sorted(some)
