"""Skeletons of one's own: every form that is read, and every file that is refused."""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from own_people import CAMERA, LAYOUT, person, pixels

from stroi.cache.errors import ClipRejected
from stroi.pipeline.params.own_skeletons import CameraParams, OwnSkeletonParams
from stroi.stages.sensors.own import project, read_joints, read_own

T, V = 6, 13


def params(**changes: Any) -> OwnSkeletonParams:
    fields = {"layout": LAYOUT, "cameras": {"any": CAMERA}} | changes
    return OwnSkeletonParams.model_validate_json(json.dumps(fields))


def write_csv(path: Path, joints: np.ndarray, *, columns: str = "xyz", one: int = 0) -> Path:
    rows = ["frame,person,joint," + ",".join(columns)]
    rows += [
        f"{frame},{one},{LAYOUT['joints'][joint]},"
        + ",".join(f"{value:.9g}" for value in joints[frame, joint])
        for frame, joint in np.ndindex(joints.shape[:2])
    ]
    path.write_text("\n".join(rows) + "\n")
    return path


def test_npz_and_csv_are_the_same_clip(tmp_path: Path) -> None:
    joints = person("kick", 1, T)
    np.savez(tmp_path / "a.npz", position=joints[:, None], fps=30)
    np.savez_compressed(tmp_path / "b.npz", position=np.asfortranarray(joints))
    write_csv(tmp_path / "c.csv", joints)
    clips = [read_joints(tmp_path / name, params()) for name in ("a.npz", "b.npz", "c.csv")]
    for clip in clips:
        assert clip.position.shape == (T, 2, V, 3)
        assert (clip.person_count, clip.layout.name, clip.fps) == (1, "stick13", 0.0)
        np.testing.assert_allclose(clip.position[:, 0], joints, atol=1e-6)
        assert (clip.state[:, 0] == 2).all()
        assert not clip.state[:, 1].any()


def test_nan_zeros_and_missing_rows_are_absent_joints(tmp_path: Path) -> None:
    joints = person("bow", 2, T)
    joints[2, 3] = 0
    joints[3, 4, 1] = np.nan
    np.savez(tmp_path / "a.npz", position=joints)
    table = write_csv(tmp_path / "c.csv", joints)
    lines = [line for line in table.read_text().splitlines() if not line.startswith("2,0,RWr,")]
    table.write_text("\n".join(lines).replace("nan", "") + "\n")
    for name in ("a.npz", "c.csv"):
        clip = read_joints(tmp_path / name, params())
        assert np.argwhere(clip.state[:, 0] == 0).tolist() == [[2, 3], [3, 4]]
        assert not clip.position[2, 0, 3].any()
        assert not clip.position[3, 0, 4].any()


def test_the_camera_is_opencv_s(tmp_path: Path) -> None:
    rotation, _ = cv2.Rodrigues(np.array([0.2, -0.4, 0.1]))
    camera = CameraParams(
        size=(640, 480), focal=(500.0, 510.0), centre=(318.0, 242.0),
        distortion=(0.1, -0.05, 0.001, 0.002, 0.01),
        rotation=tuple(map(tuple, rotation.tolist())), translation=(0.1, 0.2, 4.0),
    )  # fmt: skip
    points = np.random.default_rng(0).normal(0, 0.5, (50, 3))
    matrix = np.array([[500.0, 0, 318], [0, 510, 242], [0, 0, 1]])
    expected, _ = cv2.projectPoints(
        points, np.array([0.2, -0.4, 0.1]), np.array([0.1, 0.2, 4.0]), matrix,
        np.array(camera.distortion),
    )  # fmt: skip
    np.testing.assert_allclose(project(points, camera), expected[:, 0], atol=1e-9)
    behind = project(np.array([[0.0, 0, -100]]), camera)
    assert np.isnan(behind).all()


def test_the_person_further_left_in_the_picture_comes_first(tmp_path: Path) -> None:
    one, other = person("kick", 1, T), person("bow", 2, T)
    both = np.stack([one + np.array([0.5, 0, 0]), other - np.array([0.5, 0, 0])], axis=1)
    empty = np.full_like(both[:, :1], np.nan)
    np.savez(tmp_path / "a.npz", position=np.concatenate([both, empty], axis=1))
    clip = read_joints(tmp_path / "a.npz", params())
    assert clip.person_count == 2
    np.testing.assert_allclose(clip.position[:, 0], both[:, 1], atol=1e-6)
    # Seen from behind, left and right change places, and the order with them.
    behind = CAMERA | {"rotation": [[-1, 0, 0], [0, -1, 0], [0, 0, -1]]}
    turned = read_joints(tmp_path / "a.npz", params(cameras={"any": behind}))
    np.testing.assert_array_equal(turned.position[:, 0], clip.position[:, 1])
    # The file's own pixels come first; without a camera x in space decides.
    places = np.stack([pixels(both[:, 0]), pixels(both[:, 1])], axis=1)
    np.savez(tmp_path / "b.npz", position=both, pixels=places, size=(320, 240))
    own = read_own(tmp_path / "b.npz", params(cameras={"any": behind}))
    assert own.size == (320, 240)
    assert own.pixels is not None
    np.testing.assert_allclose(own.pixels[:, 0], places[:, 1], atol=1e-3)
    no_camera = read_own(tmp_path / "a.npz", params(cameras={}))
    assert no_camera.pixels is None
    np.testing.assert_array_equal(no_camera.position[:, 0], clip.position[:, 0])


def test_units_and_cameras_by_name(tmp_path: Path) -> None:
    joints = person("kick", 1, T)
    np.savez(tmp_path / "a.npz", position=joints * 1000)
    metres = CAMERA | {"translation": [0, 900, 3000]}
    own = params(unit="mm", cameras={"front": metres, "side": CAMERA})
    found = read_own(tmp_path / "a.npz", own, "front")
    np.testing.assert_allclose(found.position[:, 0], joints, atol=1e-6)
    assert found.pixels is not None
    np.testing.assert_allclose(found.pixels[:, 0], pixels(joints), atol=1e-3)
    assert read_own(tmp_path / "a.npz", own, "other").pixels is None


def test_a_part_of_a_file(tmp_path: Path) -> None:
    joints = person("kick", 1, 20)
    np.savez(tmp_path / "a.npz", position=joints)
    part = read_joints(tmp_path / "a.npz", params(), "", 5, 15)
    np.testing.assert_allclose(part.position[:, 0], joints[5:15], atol=1e-6)
    with pytest.raises(ClipRejected, match="SKEL_SEGMENT"):
        read_joints(tmp_path / "a.npz", params(), "", 10, 40)


def npz(**members: bytes) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in members.items():
                archive.writestr(f"{name}.npy", data)

    return write


def saved(**arrays: Any) -> Callable[[Path], None]:
    return lambda path: np.savez(path, **arrays)


def npy(array: Any, **options: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, **options)
    return buffer.getvalue()


def code(path: Path) -> bytes:
    """A pickle in an array that would write a file."""
    return npy(np.array([_Write(str(path))], object), allow_pickle=True)


class _Write:
    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path(self.path),))


GOOD = person("kick", 0, T)[:, None]
LIE = npy(GOOD).replace(b"(6, 1, 13, 3)", b"(9, 9, 13, 3)")
HEAD = "frame,joint,x,y,z\n"
WRONG: dict[str, tuple[str, Any, str]] = {
    "other joints": ("a.npz", saved(position=GOOD[:, :, :12]),
                     "SKEL_COUNT: 'a.npz': position has 12 joints, stick13 has 13"),
    "three people": ("a.npz", saved(position=GOOD.repeat(3, axis=1)),
                     "SKEL_COUNT: 'a.npz': 3 people, a clip has at most 2 (skeletons.people); keep"
                     " those who act, or set skeletons.people to 3"),
    "five people": ("a.npz", saved(position=GOOD.repeat(5, axis=1)),
                    "SKEL_COUNT: 'a.npz': 5 people, a clip has at most 2 (skeletons.people); keep"
                    " those who act"),
    "two axes": ("a.npz", saved(position=GOOD[..., :2]),
                 "SKEL_FORMAT: 'a.npz': position is (6, 1, 13, 2), want (T, M, V, 3)"),
    "no position": ("a.npz", saved(joints=GOOD), "SKEL_FORMAT: 'a.npz': it has no array position"),
    "pixels of other frames": ("a.npz", saved(position=GOOD, pixels=GOOD[:5, ..., :2]),
                               "SKEL_FORMAT: 'a.npz': pixels is (5, 1, 13, 2), position is (6, 1"),
    "size": ("a.npz", saved(position=GOOD, pixels=GOOD[..., :2], size=3),
             "SKEL_FORMAT: 'a.npz': size is no width and height in px"),
    "text": ("a.npz", saved(position=np.full(GOOD.shape, "a")),
             "SKEL_FORMAT: 'a.npz': position has no numbers, but <U1"),
    "infinity": ("a.npz", saved(position=np.where(GOOD > 1.6, np.inf, GOOD)),
                 "SKEL_NONFINITE: 'a.npz': a coordinate is infinite"),
    "millimetres": ("a.npz", saved(position=GOOD * 1000),
                    "SKEL_NONFINITE: 'a.npz': frame 0: beyond 100 m; set skeletons.own.unit, which"
                    " is m, to the unit of the files"),
    "nobody": ("a.npz", saved(position=GOOD * 0), "SKEL_EMPTY: 'a.npz': not one joint in 6 frames"),
    "no frame": ("a.npz", saved(position=GOOD[:0]), "SKEL_EMPTY: 'a.npz': not one joint in 0"),
    "no zip": ("a.npz", b"PK nothing", "SKEL_FORMAT: 'a.npz': is no .npz file (File is not a zip"),
    "no npy": ("a.npz", npz(position=b"nothing"), "SKEL_FORMAT: 'a.npz': "),
    "cut": ("a.npz", npz(position=npy(GOOD)[:-8]),
            "SKEL_FORMAT: 'a.npz': position does not have the (6, 1, 13, 3) numbers"),
    "larger than it is": ("a.npz", npz(position=LIE),
                          "SKEL_FORMAT: 'a.npz': position does not have the (9, 9, 13, 3) numbers"),
    "bomb": ("a.npz", npz(position=bytes(65 * 2**20)),
             "SKEL_FORMAT: 'a.npz': position.npy has 68157440 bytes, at most 67108864 are read"),
    "no such file": ("a.npz", None, "SKEL_OPEN: 'a.npz': cannot be read (No such file or dir"),
    "unknown joint": ("a.csv", HEAD + "0,tail,1,2,3\n",
                      "SKEL_FORMAT: 'a.csv': line 2: stick13 has no joint 'tail'"),
    "no number": ("a.csv", HEAD + "0,top,1,2,3\n0,RSh,1,b,3\n",
                  "SKEL_FORMAT: 'a.csv': line 3: y 'b' is no number"),
    "twice": ("a.csv", HEAD + "0,top,1,2,3\n0,top,1,2,3\n",
              "SKEL_FORMAT: 'a.csv': line 3: this joint stands there twice"),
    "frame": ("a.csv", HEAD + "1.5,top,1,2,3\n",
              "SKEL_FORMAT: 'a.csv': line 2: frame '1.5' is no whole number from 0 to 99999"),
    "columns": ("a.csv", "frame,x,y,z\n0,1,2,3\n", "SKEL_FORMAT: "),
    "no row": ("a.csv", HEAD, "SKEL_EMPTY: 'a.csv': not one row"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_what_is_refused(tmp_path: Path, case: str) -> None:
    name, content, text = WRONG[case]
    path = tmp_path / name
    if callable(content):
        content(path)
    elif content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ClipRejected) as caught:
        read_own(path, params())
    assert str(caught.value).startswith(text)
    assert str(caught.value).isprintable()


@settings(max_examples=300, deadline=None, derandomize=True)
@given(data=st.data())
def test_a_damaged_file_is_refused_or_read_in_one_piece(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged.npz"
    np.savez_compressed(path, position=GOOD)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))] or content)
    with suppress(ClipRejected):
        assert read_own(path, params()).position.shape == GOOD.shape


def test_nothing_in_a_file_is_executed(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    data = code(trace)
    pickle.loads(data[data.index(b"\x80") :])  # noqa: S301 - the attack works
    assert trace.exists()
    trace.unlink()
    npz(position=data)(tmp_path / "a.npz")
    with pytest.raises(ClipRejected, match=r"SKEL_FORMAT: 'a.npz': position has no numbers"):
        read_own(tmp_path / "a.npz", params())
    assert not trace.exists()
