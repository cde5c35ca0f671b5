"""Painting of shaded solids into a picture, each within its bounding box.

Edges are antialiased by the signed distance to the outline. Pictures are float32 (H, W, 3), blue,
green, red, 0 to 255; positions are pixels, pixel centres at whole numbers; the light is a unit
vector: image right, image down, towards the camera.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.float32]
Vector = tuple[float, float]
Light = tuple[float, float, float]

AMBIENT, DIFFUSE = 0.44, 0.68


def _box(image: Image, low: Vector, high: Vector) -> tuple[Image, Image, Image] | None:
    """Part of `image` between two corners, and its pixels' x (1, w) and y (h, 1)."""
    height, width = image.shape[:2]
    x0, y0 = max(int(low[0]) - 1, 0), max(int(low[1]) - 1, 0)
    x1, y1 = min(int(high[0]) + 3, width), min(int(high[1]) + 3, height)
    if x0 >= x1 or y0 >= y1:
        return None
    xs = np.arange(x0, x1, dtype=np.float32)[None, :]
    ys = np.arange(y0, y1, dtype=np.float32)[:, None]
    return image[y0:y1, x0:x1], xs, ys


def _blend(patch: Image, alpha: Image, colour: Image) -> None:
    """Lay `colour` (h, w, 3) over `patch` with opacity `alpha` (h, w)."""
    colour -= patch
    colour *= alpha[..., None]
    patch += colour


def _shade(light: Light, across: Image, nx: float, ny: float) -> Image:
    """Brightness of a round surface seen from the side.

    Args:
        light: Direction to the light.
        across: (h, w) place between the axis (0) and the outlines (-1, 1).
        nx: Image right part of the direction in which `across` grows.
        ny: Image down part of it.

    Returns:
        (h, w) factors on the colour.
    """
    side = light[0] * nx + light[1] * ny
    lit = across * side + np.sqrt(np.maximum(1 - across * across, 0)) * light[2]
    shade: Image = AMBIENT + DIFFUSE * np.maximum(lit, 0)
    return shade


def _texture(texels: Image, along: Image, across: Image) -> Image:
    """Cloth colours (h, w, 3) at texel coordinates, repeated without end."""
    size = texels.shape[0]
    rows, columns = along.astype(np.int32) % size, across.astype(np.int32) % size
    # (S, S, 3) -> (S * S, 3) -> (h, w, 3)
    colours: Image = texels.reshape(-1, 3).take(rows * size + columns, axis=0)
    return colours


def capsule(
    image: Image, light: Light, ends: tuple[Vector, Vector], radii: Vector, texels: Image
) -> None:
    """Paint a limb: a tapered capsule covered in cloth or skin.

    Args:
        image: Picture, changed in place.
        light: Direction to the light.
        ends: Both ends of the axis.
        radii: Radius at both ends, pixels.
        texels: (S, S, 3) colours.
    """
    (ax, ay), (bx, by) = ends
    ra, rb = radii
    low = min(ax - ra, bx - rb), min(ay - ra, by - rb)
    box = _box(image, low, (max(ax + ra, bx + rb), max(ay + ra, by + rb)))
    if box is None:
        return
    patch, xs, ys = box
    ex, ey = bx - ax, by - ay
    square = max(ex * ex + ey * ey, 1e-3)
    length = square**0.5
    dx, dy = xs - np.float32(ax), ys - np.float32(ay)
    share = (dx * np.float32(ex / square) + dy * np.float32(ey / square)).clip(0, 1)
    off_x, off_y = dx - share * np.float32(ex), dy - share * np.float32(ey)
    distance = np.sqrt(off_x * off_x + off_y * off_y)
    radius = np.float32(ra) + share * np.float32(rb - ra)
    alpha = (radius - distance + np.float32(0.5)).clip(0, 1)
    px, py = -ey / length, ex / length
    across = ((dx * np.float32(px) + dy * np.float32(py)) / radius).clip(-1, 1)
    colour = _texture(texels, share * np.float32(length) + 64, across * np.float32(ra) + 64)
    colour *= _shade(light, across, px, py)[..., None]
    _blend(patch, alpha, colour)


def barrel(
    image: Image, light: Light, ends: tuple[Vector, Vector], profile: Image, texels: Image
) -> None:
    """Paint a trunk: a solid of changing half width about an axis.

    Args:
        image: Picture, changed in place.
        light: Direction to the light.
        ends: Upper and lower end of the axis.
        profile: (P,) half widths in pixels at equal steps from the upper to the lower end.
        texels: (S, S, 3) colours.
    """
    (ax, ay), (bx, by) = ends
    wide = float(profile.max())
    box = _box(image, (min(ax, bx) - wide, min(ay, by) - 1), (max(ax, bx) + wide, max(ay, by) + 1))
    if box is None:
        return
    patch, xs, ys = box
    length = max(((bx - ax) ** 2 + (by - ay) ** 2) ** 0.5, 1.0)
    ex, ey = (bx - ax) / length, (by - ay) / length
    dx, dy = xs - np.float32(ax), ys - np.float32(ay)
    along = dx * np.float32(ex) + dy * np.float32(ey)
    across = dx * np.float32(ey) - dy * np.float32(ex)
    steps = np.linspace(0, length, len(profile), dtype=np.float32)
    half = np.interp(along, steps, profile).astype(np.float32)
    alpha = (half - np.abs(across) + np.float32(0.5)).clip(0, 1)
    alpha *= (np.minimum(along, np.float32(length) - along) + np.float32(0.5)).clip(0, 1)
    turn = (across / half).clip(-1, 1)
    colour = _texture(texels, along + 64, np.arcsin(turn) * np.float32(wide * 0.8) + 64)
    colour *= _shade(light, turn * np.float32(0.93), ey, -ex)[..., None]
    _blend(patch, alpha, colour)


def ball(
    image: Image, light: Light, centre: Vector, radii: Vector, axes: Image, globe: Image
) -> None:
    """Paint a head: an ellipsoid with a painted map of its whole surface.

    Args:
        image: Picture, changed in place.
        light: Direction to the light.
        centre: Middle.
        radii: Half width and half height, pixels.
        axes: (3, 3) rows left, up, front of the head, seen as image right, image up, to the camera.
        globe: (R, 2R, 3) colours by latitude (top to bottom) and longitude (right to left ear's
            side, front in the middle).
    """
    (cx, cy), (rx, ry) = centre, radii
    box = _box(image, (cx - rx, cy - ry), (cx + rx, cy + ry))
    if box is None:
        return
    patch, xs, ys = box
    nx, ny = np.broadcast_arrays((xs - np.float32(cx)) / rx, (ys - np.float32(cy)) / ry)
    square = nx * nx + ny * ny
    edge = (1 - np.sqrt(square)) * np.float32(min(rx, ry))
    nz = np.sqrt(np.maximum(1 - square, 0))
    normal = np.stack([nx, -ny, nz], axis=-1) @ axes.T.astype(np.float32)
    rows = len(globe)
    latitude = np.arcsin(normal[..., 1].clip(-1, 1)) * np.float32(rows / np.pi)
    longitude = np.arctan2(normal[..., 0], normal[..., 2]) * np.float32(rows / np.pi)
    row = (rows / 2 - latitude).astype(np.int32).clip(0, rows - 1)
    column = (rows + longitude).astype(np.int32).clip(0, 2 * rows - 1)
    # (R, 2R, 3) -> (2 * R * R, 3) -> (h, w, 3)
    colour = globe.reshape(-1, 3).take(row * (2 * rows) + column, axis=0)
    lit = nx * light[0] + ny * light[1] + nz * light[2]
    shade = np.float32(AMBIENT + 0.08) + np.float32(DIFFUSE) * np.maximum(lit, 0)
    colour *= shade.astype(np.float32)[..., None]
    _blend(patch, (edge + np.float32(0.5)).clip(0, 1).astype(np.float32), colour)


def shadow(image: Image, centre: Vector, radii: Vector, depth: float) -> None:
    """Darken a soft ellipse on the floor by the share `depth` at its middle."""
    (cx, cy), (rx, ry) = centre, radii
    box = _box(image, (cx - rx, cy - ry), (cx + rx, cy + ry))
    if box is None:
        return
    patch, xs, ys = box
    square = ((xs - np.float32(cx)) / rx) ** 2 + ((ys - np.float32(cy)) / ry) ** 2
    patch *= (1 - np.float32(depth) * np.maximum(1 - square, 0))[..., None].astype(np.float32)


def picture(image: Image, centre: Vector, right: Vector, up: Vector, sprite: Image) -> None:
    """Paint a flat object: a square picture laid on a parallelogram.

    Args:
        image: Picture, changed in place.
        centre: Middle of the parallelogram.
        right: From the middle to its right edge.
        up: From the middle to its upper edge.
        sprite: (S, S, 4) blue, green, red times opacity (0 to 255), opacity (0 to 1).
    """
    reach_x, reach_y = abs(right[0]) + abs(up[0]), abs(right[1]) + abs(up[1])
    low = centre[0] - reach_x, centre[1] - reach_y
    box = _box(image, low, (centre[0] + reach_x, centre[1] + reach_y))
    if box is None:
        return
    patch, xs, ys = box
    half = (len(sprite) - 1) / 2
    x, y = centre[0] - float(xs[0, 0]), centre[1] - float(ys[0, 0])
    forward = np.array(
        [
            [right[0] / half, -up[0] / half, x - right[0] + up[0]],
            [right[1] / half, -up[1] / half, y - right[1] + up[1]],
        ]
    )
    drawn = cv2.warpAffine(
        sprite, forward, (patch.shape[1], patch.shape[0]),
        flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT,
    )  # fmt: skip
    patch *= 1 - drawn[..., 3:]
    patch += drawn[..., :3]
