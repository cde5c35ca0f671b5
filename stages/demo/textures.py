"""Colours of a person's surface: cloth, skin, and the painted head."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from stroi.stages.demo.randomisation import Body, Colour, Outfit
from stroi.stages.demo.raster import Image

_SIZE = 64
_ROWS = 72


@dataclass(frozen=True)
class Appearance:
    """Surfaces of one person in one clip, float32 blue, green, red.

    Attributes:
        shirt: (S, S, 3) texels of the shirt.
        trousers: (S, S, 3).
        shoes: (S, S, 3).
        skin: (S, S, 3).
        hair: (S, S, 3).
        sleeve: (S, S, 3) of the forearm: cloth or skin.
        globe: (R, 2R, 3) map of the head.
    """

    shirt: Image
    trousers: Image
    shoes: Image
    skin: Image
    hair: Image
    sleeve: Image
    globe: Image


def paint_appearance(body: Body, outfit: Outfit) -> Appearance:
    """Paint the surfaces of one person.

    Args:
        body: Gives skin and hair.
        outfit: Gives the clothes and the seed of the weave.

    Returns:
        The surfaces; the same bytes for the same arguments.
    """
    rng = np.random.Generator(np.random.PCG64(outfit.seed))
    shirt = _weave(rng, outfit.shirt, 0.10)
    _decorate(shirt, outfit)
    skin = _weave(rng, body.skin, 0.035)
    hair = _streaks(rng, body.hair)
    return Appearance(
        shirt=shirt,
        trousers=_weave(rng, outfit.trousers, 0.12),
        shoes=_weave(rng, outfit.shoes, 0.05),
        skin=skin,
        hair=hair,
        sleeve=shirt if outfit.sleeve else skin,
        globe=_head_map(rng, body, hair),
    )


def _weave(rng: np.random.Generator, colour: Colour, strength: float) -> Image:
    """(S, S, 3) cloth of one colour with soft irregularities."""
    grain = rng.standard_normal((_SIZE, _SIZE)).astype(np.float32)
    soft = cv2.GaussianBlur(grain, (0, 0), 2.0)
    bumps = 1 + strength * (0.4 * grain + 2.5 * soft)
    cloth: Image = np.array(colour, np.float32) * bumps[..., None].astype(np.float32)
    return cloth.clip(0, 255)


def _streaks(rng: np.random.Generator, colour: Colour) -> Image:
    """(S, S, 3) hair: streaks along the rows."""
    grain = rng.standard_normal((_SIZE, _SIZE)).astype(np.float32)
    streaks = cv2.GaussianBlur(grain, (0, 0), sigmaX=0.8, sigmaY=5.0)
    hair: Image = np.array(colour, np.float32) * (1 + 0.9 * streaks[..., None])
    return hair.clip(0, 255)


def _decorate(shirt: Image, outfit: Outfit) -> None:
    """Print the outfit's pattern on the cloth, in place."""
    rows, columns = np.mgrid[0:_SIZE, 0:_SIZE]
    masks = {
        "plain": np.zeros((_SIZE, _SIZE), bool),
        "stripes": columns % 8 < 3,
        "bands": rows % 16 < 6,
        "checks": (rows // 8 + columns // 8) % 2 == 0,
        "dots": ((rows % 16 - 8) ** 2 + (columns % 16 - 8) ** 2) < 16,
    }
    mask = masks[outfit.cloth]
    shirt[mask] = 0.45 * shirt[mask] + 0.55 * np.array(outfit.print, np.float32)


def _head_map(rng: np.random.Generator, body: Body, hair: Image) -> Image:
    """(R, 2R, 3) map of the head: skin, hair, eyes, brows, nose, mouth."""
    fine = 4
    rows, columns = _ROWS * fine, 2 * _ROWS * fine
    globe = np.empty((rows, columns, 3), np.float32)
    globe[:] = body.skin
    per_degree = rows / 180.0

    def spot(lon: float, lat: float, wide: float, tall: float, colour: Colour) -> None:
        centre = (round(columns / 2 + lon * per_degree), round(rows / 2 - lat * per_degree))
        axes = (round(wide * per_degree), round(tall * per_degree))
        cv2.ellipse(globe, centre, axes, 0, 0, 360, colour, -1)

    dark = _toned(body.skin, 0.62)
    for sign in (-1, 1):
        spot(sign * 46, -14, 16, 12, _toned(body.skin, 0.93, red=12))
        spot(sign * 24, 8, 13, 9, _toned(body.skin, 0.80))
        spot(sign * 24, 8, 10, 5.5, (235, 235, 235))
        spot(sign * 24, 8, 4.5, 5.5, (30, 26, 24))
        spot(sign * 25, 20, 13, 3.2, _toned(body.hair, 0.8))
        spot(sign * 7, -16, 4, 3, dark)
    spot(0, -6, 4, 12, _toned(body.skin, 1.10))
    spot(0, -34, 20, 6, _toned(body.skin, 0.66, red=45))
    spot(0, -34, 17, 1.6, _toned(body.skin, 0.35))
    _lay_hair(globe, body, hair)
    small = cv2.resize(globe, (2 * _ROWS, _ROWS), interpolation=cv2.INTER_AREA)
    return small.astype(np.float32)


def _lay_hair(globe: Image, body: Body, hair: Image) -> None:
    """Cover the top, the sides and the back of the head with hair, in place."""
    rows, columns = globe.shape[:2]
    longitude = np.abs(np.linspace(-180, 180, columns))
    side = -8.0 if not body.long_hair else -38.0
    line = np.interp(longitude, [0, 35, 62, 78, 105, 180], [44, 40, 26, side + 14, side, -40])
    latitude = np.linspace(90, -90, rows)[:, None]
    mask = latitude > line[None, :]
    tiled = np.tile(hair, (rows // _SIZE + 1, columns // _SIZE + 1, 1))[:rows, :columns]
    globe[mask] = tiled[mask]


def _toned(colour: Colour, factor: float, red: float = 0.0) -> Colour:
    """`colour` darker or lighter by `factor`, with `red` added to the red."""
    b, g, r = colour
    return min(b * factor, 255.0), min(g * factor, 255.0), min(r * factor + red, 255.0)
