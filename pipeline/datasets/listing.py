"""What an adapter yields: a clip as its data set lists it, before anyone opened the video."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Listed:
    """One listed clip; fields as in `stroi.pipeline.index.Sample`."""

    id: str
    video: str
    label: str
    subject: str
    camera: str
    split: str = ""
    skeleton: str = ""
