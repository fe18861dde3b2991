"""Cameras of a data set, read with the standard library alone; nothing in a file is executed."""

from __future__ import annotations

import ast
import math
import struct
from dataclasses import dataclass
from typing import Any

Vector = tuple[float, float, float]
_LARGEST = 64 << 20
_TYPES = {"f4": "f", "f8": "d", "i4": "i", "i8": "q", "f2": "e", "i2": "h"}


class CameraError(Exception):
    """A file holds no cameras; the message names it."""


@dataclass(frozen=True)
class Camera:
    """One camera: where it is, its axes (right, up, back) in the world, and what it sees.

    ``height`` and ``focal`` in pixels, ``aspect`` is width / height; ``fault`` is what makes it no
    camera, empty when it is one.
    """

    centre: Vector
    right: Vector
    up: Vector
    back: Vector
    height: float
    focal: float
    aspect: float
    fault: str = ""


def read_poses_bounds(path: str) -> list[Camera]:
    """The cameras of an LLFF ``poses_bounds.npy`` (N x 17: a 3 x 5 matrix with the axes down,
    right, back, the centre, and height, width, focal; then near and far).

    Raises:
        CameraError: no such array.
    """
    try:
        with open(path, "rb") as stream:
            data = stream.read(_LARGEST + 1)
    except (OSError, ValueError) as error:
        raise CameraError(f"{path} cannot be read: {error}") from None
    shape, values = _array(data, path)
    if len(shape) != 2 or shape[1] != 17 or not shape[0]:
        listed = " x ".join(map(str, shape)) or "a single number"
        raise CameraError(f"{path} holds an array of {listed}, not of N x 17")
    cameras = []
    for start in range(0, len(values), 17):
        row = values[start : start + 17]
        columns = [(row[i], row[i + 5], row[i + 10]) for i in range(5)]
        down, right, back, centre, (height, width, focal) = columns
        up = (-down[0], -down[1], -down[2])
        near, far = row[15:]
        good = height > 0 and width > 0 and focal > 0
        fault = _fault(right, up, back, centre)
        if not fault and not (good and math.isfinite(height * width * focal)):
            fault = "its height, width or focal length is not above 0"
        if not fault and not 0 < near < far < math.inf:
            fault = f"its depths {near:g} to {far:g} are none"
        aspect = width / height if good else 1.0
        cameras.append(Camera(centre, right, up, back, height, focal, aspect, fault))
    return cameras


def read_transforms(document: Any, path: str) -> list[tuple[str, Camera]]:
    """(picture, camera) of each frame of NeRF's ``transforms_*.json``, camera to world, OpenGL.

    Raises:
        CameraError: a field is missing or wrong.
    """
    if not isinstance(document, dict):
        raise CameraError(f"{path} must be one JSON object")
    angle = document.get("camera_angle_x")
    if angle is None or not _is_number(angle) or not 0 < angle < math.pi:
        raise CameraError(f'{path}: "camera_angle_x" must be a field of view in radians')
    frames = document.get("frames")
    if not isinstance(frames, list) or not frames:
        raise CameraError(f'{path}: "frames" must be a list of frames')
    found = []
    for index, frame in enumerate(frames):
        name = frame.get("file_path") if isinstance(frame, dict) else None
        rows = frame.get("transform_matrix") if isinstance(frame, dict) else None
        if not isinstance(name, str) or not name:
            raise CameraError(f'{path}: frame {index} has no "file_path"')
        if rows is None or not _is_matrix(rows):
            raise CameraError(f'{path}: the "transform_matrix" of frame {index} is not 4 x 4')
        columns = [(float(rows[0][i]), float(rows[1][i]), float(rows[2][i])) for i in range(4)]
        right, up, back, centre = columns
        fault = _fault(_unit(right), _unit(up), _unit(back), centre)
        if not fault and [float(one) for one in rows[3]] != [0.0, 0.0, 0.0, 1.0]:
            fault = "the last row of its matrix is not 0 0 0 1"
        focal = 0.5 / math.tan(0.5 * angle)  # of a picture one pixel wide and high
        camera = Camera(centre, _unit(right), _unit(up), _unit(back), 1.0, focal, 1.0, fault)
        found.append((name, camera))
    return found


def nearest_point(cameras: list[Camera]) -> Vector:
    """The point nearest to all optical axes: least squares of the distances to the lines.

    Solves sum(I - a a^T) p = sum(I - a a^T) c by Cramer's rule; the mean of the centres where the
    axes are parallel.
    """
    matrix = [[0.0] * 3 for _ in range(3)]
    right_side = [0.0] * 3
    for camera in cameras:
        for i in range(3):
            for j in range(3):
                across = float(i == j) - camera.back[i] * camera.back[j]
                matrix[i][j] += across
                right_side[i] += across * camera.centre[j]
    whole = _determinant(matrix)
    if abs(whole) < 1e-9 * max(1, len(cameras)) ** 3:
        mean = [sum(camera.centre[i] for camera in cameras) / len(cameras) for i in range(3)]
        return mean[0], mean[1], mean[2]
    solution = []
    for column in range(3):
        changed = [list(row) for row in matrix]
        for row in range(3):
            changed[row][column] = right_side[row]
        solution.append(_determinant(changed) / whole)
    return solution[0], solution[1], solution[2]


def _determinant(m: list[list[float]]) -> float:
    return (
        m[0][0] * (m[1][1] * m[2][2] - m[1][2] * m[2][1])
        - m[0][1] * (m[1][0] * m[2][2] - m[1][2] * m[2][0])
        + m[0][2] * (m[1][0] * m[2][1] - m[1][1] * m[2][0])
    )


def _fault(right: Vector, up: Vector, back: Vector, centre: Vector) -> str:
    if not all(map(math.isfinite, (*right, *up, *back, *centre))):
        return "it holds numbers that are infinite or none"
    axes = (right, up, back)
    for i in range(3):
        for j in range(3):
            if abs(_dot(axes[i], axes[j]) - float(i == j)) > 1e-2:
                return "its axes are not perpendicular and of length 1"
    if _determinant([list(axis) for axis in axes]) < 0:
        return "its axes are mirrored"
    return ""


def _dot(a: Vector, b: Vector) -> float:
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def _unit(a: Vector) -> Vector:
    length = math.sqrt(min(_dot(a, a), 1e300)) or 1.0
    return a[0] / length, a[1] / length, a[2] / length


def _is_number(value: Any) -> bool:
    good = isinstance(value, int | float) and not isinstance(value, bool)
    return good and abs(value) < 1e30  # also false for what is not a number


def _is_matrix(rows: Any) -> bool:
    return (
        isinstance(rows, list)
        and len(rows) == 4
        and all(isinstance(row, list) and len(row) == 4 for row in rows)
        and all(_is_number(one) for row in rows for one in row)
    )


def _array(data: bytes, path: str) -> tuple[tuple[int, ...], list[float]]:
    """Shape and values of a ``.npy`` file (NumPy's format specification, versions 1 to 3)."""
    wrong = CameraError(f"{path} is no NumPy array of numbers that can be read")
    if len(data) > _LARGEST:
        raise CameraError(f"{path} is larger than 64 MB, which no array of cameras is")
    if not data.startswith(b"\x93NUMPY") or len(data) < 12:
        raise wrong
    wide = data[6] >= 2
    (length,) = struct.unpack_from("<I" if wide else "<H", data, 8)
    begin = 12 if wide else 10
    try:
        header = ast.literal_eval(data[begin : begin + length].decode("latin-1").strip())
        kind, shape = header["descr"], tuple(int(one) for one in header["shape"])
        fortran = bool(header["fortran_order"])
        code = _TYPES[kind[1:]]
        order = {"<": "<", ">": ">", "|": "<", "=": "="}[kind[0]]
    except (ValueError, KeyError, TypeError, SyntaxError, IndexError, MemoryError, RecursionError):
        raise wrong from None
    count = math.prod(shape)
    size = struct.calcsize(order + code)
    body = data[begin + length :]
    if not 0 <= count * size <= len(body):
        raise CameraError(f"{path} is shorter than the array that it should hold")
    values = [float(one) for one in struct.unpack_from(f"{order}{count}{code}", body)]
    if fortran and len(shape) == 2:
        rows, columns = shape
        values = [values[column * rows + row] for row in range(rows) for column in range(columns)]
    return shape, values
