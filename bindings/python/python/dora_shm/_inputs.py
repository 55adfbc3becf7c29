"""Formats, frames and times as users write them, in the form that a stream has."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ._arguments import shown
from ._errors import BadArgumentError, BadFormatError, UnknownDtypeError

_NUMBERS = "iuf"
CLOCKS = ("source", "unix", "monotonic")


def as_dtype(dtype: npt.DTypeLike) -> np.dtype[Any]:
    """An element type in the machine's byte order, which is the ring's. The library checks that a ring can have it."""
    try:
        return np.dtype(dtype).newbyteorder("=")
    except TypeError:
        raise UnknownDtypeError(f"unknown dtype {dtype!r}, expected one such as 'float32' or 'int16'") from None


def as_shape(shape: int | Sequence[int]) -> tuple[int, ...]:
    """The shape of a frame; a number is one dimension, as in numpy."""
    if isinstance(shape, str | bytes):
        raise TypeError(f"the shape of a frame is {shape!r}, expected whole numbers")
    try:
        found = tuple(operator.index(length) for length in shape) if np.iterable(shape) else (operator.index(shape),)
    except TypeError:
        raise TypeError(f"the shape of a frame is {shape!r}, expected whole numbers") from None
    if not all(1 <= length < 2**63 for length in found):
        raise BadFormatError(f"the frame shape {found} cannot be stored, expected lengths of at least 1")
    return found


def as_rate(rate: float | None) -> float:
    """Frames per second; 0 for None."""
    if rate is None:
        return 0.0
    if isinstance(rate, str | bytes):
        raise TypeError(f"the rate is {rate!r}, expected a number of frames per second")
    try:
        found = float(rate)
    except (TypeError, ValueError):
        raise TypeError(f"the rate is {rate!r}, expected a number of frames per second") from None
    except OverflowError:
        found = float("inf")
    if not 0 <= found < float("inf"):
        raise BadFormatError(f"the rate is {found} Hz, expected a finite number, 0 or more")
    return found


def as_clock(clock: str) -> str:
    """The name of a clock."""
    if clock not in CLOCKS:
        raise BadArgumentError(f"clock {clock!r}, expected one of {', '.join(CLOCKS)}")
    return clock


def as_array(frames: npt.ArrayLike) -> npt.NDArray[Any]:
    """Frames as a numpy array. What a mask hides is NaN."""
    try:
        if type(frames) is not np.ndarray and _has_mask(frames):
            return _unmasked(np.ma.array(frames))
        return np.asarray(frames)
    except ValueError as error:
        raise BadFormatError(f"frames that are not an array: {error}") from error


def as_frames(array: npt.NDArray[Any], dtype: np.dtype[Any], shape: tuple[int, ...]) -> npt.NDArray[Any]:
    """Frames in the form of a ring of this format: shape ``(n, *shape)``, of its dtype, contiguous."""
    if array.shape == shape:
        array = array[np.newaxis]
    if array.shape[1:] != shape or array.ndim != len(shape) + 1:
        raise BadFormatError(f"frames of shape {array.shape}, expected {shape} or {shown('n', shape)}; see Writer.begin")
    if array.dtype != dtype:
        array = _converted(array, dtype)
    return np.ascontiguousarray(array)


def as_times(times: npt.ArrayLike, frames: int) -> npt.NDArray[np.float64]:
    """One time per frame."""
    try:
        found = np.atleast_1d(np.asarray(times))
        if _has_mask(times) and np.ma.getmaskarray(np.ma.array(times)).any():
            raise BadArgumentError("times of which some are masked, expected one for each frame")
    except ValueError as error:
        raise BadArgumentError(f"times that are not an array: {error}") from error
    if found.shape != (frames,):
        raise BadArgumentError(f"times of shape {np.shape(times)} for {frames} frames, expected one each")
    if found.dtype.kind not in _NUMBERS and frames:
        raise BadArgumentError(f"times of {found.dtype}, expected numbers (of seconds, for a time axis)")
    made = np.require(found, np.float64, ["C", "A"])
    if found.dtype.kind in "iu" and (wrong := _rounded(found, made)).any():
        raise BadArgumentError(f"times with the {found.dtype} {found[wrong][0]}, which a float64 cannot hold; give seconds")
    return made


def _has_mask(array: npt.ArrayLike) -> bool:
    """Whether it is a masked array, or a sequence of some."""
    if isinstance(array, list | tuple):
        return any(isinstance(part, np.ma.MaskedArray) for part in array)
    return isinstance(array, np.ma.MaskedArray)


def _unmasked(array: np.ma.MaskedArray[Any, Any]) -> npt.NDArray[Any]:
    if array.dtype.kind == "f":
        return array.filled(np.nan)
    hidden = np.count_nonzero(np.ma.getmaskarray(array))
    if hidden:
        raise BadFormatError(
            f"frames of {array.dtype} with {hidden} masked numbers: only floats have a NaN; give frames of floats, or "
            "fill the masked numbers"
        )
    return array.data


def _converted(array: npt.NDArray[Any], dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """The same numbers in another type, if it can hold them. Floats are rounded to shorter floats."""
    # numpy counts 64-bit integers as safe in a float64, which rounds those beyond 2^53.
    is_rounded = dtype.kind == "f" and array.dtype.kind in "iu" and array.dtype.itemsize > 4
    if is_rounded and array.size:
        return _exact_floats(array, dtype)
    if np.can_cast(array.dtype, dtype, "safe") or not array.size and np.can_cast(array.dtype, dtype, "same_kind"):
        return array.astype(dtype)
    if dtype.kind in "iu" and array.dtype.kind in "iu":
        least, most = array.min(), array.max()
        for number in (int(least), int(most)):
            if not np.iinfo(dtype).min <= number <= np.iinfo(dtype).max:
                raise _unfit(f"frames with the {array.dtype} {number}", dtype)
        return array.astype(dtype)
    if dtype.kind != "f" or array.dtype.kind not in _NUMBERS:
        raise _unfit(f"frames of {array.dtype}", dtype)
    if array.dtype.kind in "iu":
        return _exact_floats(array, dtype)
    with np.errstate(over="ignore"):
        made = array.astype(dtype)
    wrong = np.isinf(made) & np.isfinite(array)
    if wrong.any():
        raise _unfit(f"frames with the {array.dtype} {array[wrong][0]}", dtype)
    return made


def _exact_floats(array: npt.NDArray[Any], dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """Integers as floats, none of them rounded."""
    with np.errstate(over="ignore"):
        made = array.astype(dtype)
    if (wrong := _rounded(array, made)).any():
        raise _unfit(f"frames with the {array.dtype} {array[wrong][0]}", dtype)
    return made


def _rounded(integers: npt.NDArray[Any], floats: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Which floats are not the integers that they are made of."""
    # A long double holds every 64-bit integer exactly.
    wrong: npt.NDArray[np.bool_] = floats.astype(np.longdouble) != integers.astype(np.longdouble)
    return wrong


def _unfit(found: str, dtype: np.dtype[Any]) -> BadFormatError:
    return BadFormatError(f"{found}, which {dtype} cannot hold; convert them, or see Writer.begin")
