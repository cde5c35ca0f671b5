"""The joints of NTU RGB+D: a Kinect v2's ``.skeleton`` texts."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from stroi.cache.layouts import KINECT_V2
from stroi.cache.rois import PAPER_PEOPLE
from stroi.cache.skeletons3d import JointClip
from stroi.stages.sensors.bodies import main_bodies
from stroi.stages.sensors.ntu_skeleton import read_ntu_skeleton

FPS = 30.0
"""Of the sensor; the files do not hold it."""


def read_joints(path: Path, people: int = PAPER_PEOPLE) -> JointClip:
    """The people of a ``.skeleton`` file, `people` of them at most.

    Raises:
        ClipRejected: As `read_ntu_skeleton` and `main_bodies`: a file that is not as it has to
            be, or shows nobody.
    """
    skeleton = read_ntu_skeleton(path)
    chosen = main_bodies(skeleton, path.name, people)
    joints = len(KINECT_V2.joints)
    position = np.zeros((skeleton.frames, people, joints, 3), np.float32)
    state = np.zeros((skeleton.frames, people, joints), np.uint8)
    for number, person in enumerate(chosen):
        position[:, number], state[:, number] = person.joints, person.states
    return JointClip(position, state, len(chosen), KINECT_V2, FPS)
