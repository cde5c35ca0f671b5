"""A listing of any adapter: one id, one clip."""

from __future__ import annotations

import pytest

from stroi.cache.errors import RefusedInput
from stroi.pipeline.datasets.listing import DatasetListing
from stroi.pipeline.index.table import ClipEntry

ALONE = ClipEntry("a", "x/a.avi", "wave")


@pytest.mark.parametrize(
    ("twin", "told"),
    [
        (ClipEntry("a", "y/a.avi", "wave"), "'x/a.avi' and 'y/a.avi' would both be sample 'a'"),
        (ClipEntry("A", "x/A.avi", "wave"), "'x/a.avi' and 'x/A.avi' would both be sample 'A'"),
        (ClipEntry("a", "x/a.avi", "wave"), "'x/a.avi' and 'x/a.avi' would both be"),
        (ClipEntry("a", "", "wave", skeleton="a.json"), "'x/a.avi' and 'a.json' would both be"),
        (ClipEntry("a", "x/a.avi", "sit", start=9), "'x/a.avi' and 'x/a.avi' from frame 9 would"),
    ],
)
def test_two_clips_of_one_id_are_refused_with_both_files(twin: ClipEntry, told: str) -> None:
    with pytest.raises(RefusedInput) as caught:
        DatasetListing((ALONE, twin))
    assert caught.value.code == "ID_DUPLICATE"
    assert told in caught.value.message


def test_clips_of_their_own_ids_are_listed() -> None:
    assert DatasetListing.of([ClipEntry("b", "x/a.avi", "wave", start=9), ALONE]).clips[0] == ALONE
