"""Whole shards out of clips in memory: the stages put theirs together from finished clips."""

from __future__ import annotations

from collections.abc import Sequence

from stroi.cache.ids import ids_to_array
from stroi.cache.mosaics import Mosaics, mosaic_fields
from stroi.cache.skeletons3d import JointClip, joint_fields
from stroi.cache.storage.assemble import Encoded, assemble, assemble_clips
from stroi.cache.storage.formats import JOINTS, MOSAICS
from stroi.cache.storage.schema import ID_FIELD


def assemble_mosaics(parts: Sequence[Mosaics]) -> Encoded:
    """One shard of mosaics that follow one another by id; their pixels are not copied.

    Raises:
        RefusedInput: If shapes, types, ids or values are not as `Mosaics` says, or there are
            more than a file can hold.
    """
    named = ({ID_FIELD.name: ids_to_array(part.ids), **mosaic_fields(part)} for part in parts)
    return assemble(MOSAICS, list(named))


def assemble_joints(ids: Sequence[str], clips: Sequence[JointClip]) -> Encoded:
    """One shard; equal bytes for equal clips, whose joints are not copied.

    Args:
        ids: N sample ids, sorted.
        clips: Clip of each id, all of one layout.

    Raises:
        ValueError: If there are not as many clips as ids.
        RefusedInput: If ids, shapes, types or values are not as `JointClip` says, or there are
            more than a file can hold.
    """
    return assemble_clips(JOINTS, ids, [joint_fields(clip) for clip in clips])
