"""The caller's arrays, as destination of a read."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ._arguments import shown
from ._errors import BadArgumentError


class Room:
    """Arrays for samples and times of frames."""

    __slots__ = ("frames", "samples", "times")

    def __init__(self, samples: npt.NDArray[Any] | None, times: npt.NDArray[np.float64] | None) -> None:
        if samples is None:
            raise BadArgumentError("times_out without out, expected both or only out")
        if not isinstance(samples, np.ndarray) or samples.ndim == 0:
            raise BadArgumentError("out is not an array of frames, expected a numpy.ndarray of shape (room, *frame_shape)")
        self.samples = samples
        self.frames = len(samples)
        self.times = np.empty(self.frames) if times is None else times
        _check_flags("out", samples)
        _check_flags("times_out", self.times)
        if self.times.dtype != np.float64 or self.times.ndim != 1 or len(self.times) < self.frames:
            found = f"{self.times.dtype} of shape {self.times.shape}"
            raise BadArgumentError(f"times_out is {found}, expected float64 of shape ({self.frames},)")
        if np.may_share_memory(samples, self.times):
            raise BadArgumentError("times_out shares memory with out, expected separate arrays")

    def fits(self, format: tuple[np.dtype[Any], tuple[int, ...]] | None) -> bool:
        """Whether the samples can be frames of this dtype and shape; not of a format that is unknown."""
        return format is not None and self.samples.dtype == format[0] and self.samples.shape[1:] == format[1]

    def check(self, format: tuple[np.dtype[Any], tuple[int, ...]] | None) -> None:
        """Raises an exception if they cannot."""
        if format is not None and not self.fits(format):
            expected = f"{format[0]} of shape {shown('room', format[1])}"
            raise BadArgumentError(f"out is {self.samples.dtype} of shape {self.samples.shape}, expected {expected}")

    def grown(self, frames: int) -> Room:
        """Larger arrays with the same content."""
        samples = np.empty((frames, *self.samples.shape[1:]), self.samples.dtype)
        times = np.empty(frames)
        samples[: self.frames], times[: self.frames] = self.samples, self.times
        return Room(samples, times)

    def rest(self, frames: int, limit: int) -> tuple[npt.NDArray[Any], npt.NDArray[np.float64]]:
        return self.samples[frames:limit], self.times[frames:limit]


def _check_flags(name: str, array: npt.NDArray[Any]) -> None:
    flags = array.flags
    if not (flags.c_contiguous and flags.writeable and flags.aligned):
        what = "contiguous in C order" if not flags.c_contiguous else "writable" if not flags.writeable else "aligned"
        raise BadArgumentError(f"{name} is not {what}, expected an array that is")
