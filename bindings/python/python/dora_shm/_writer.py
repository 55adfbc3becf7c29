"""The writing half."""

from __future__ import annotations

import atexit
import contextlib
import math
import os
import time
import weakref
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, NoReturn, Self

import numpy as np
import numpy.typing as npt

from . import _dora_shm
from ._arguments import MOST, count, name_of_stream, whole
from ._arguments import seconds as seconds_of
from ._inputs import as_array, as_clock, as_dtype, as_frames, as_rate, as_shape, as_times
from ._description import Axis, Description, as_attrs, as_axes, as_dims
from ._errors import BadArgumentError, BadFormatError, ClosedError, Error, ForkedError

AxisLike = Axis | Mapping[str, Any] | Sequence[Any] | npt.NDArray[Any]

DEFAULT_SECONDS = 2.0

_writers: weakref.WeakSet[Writer] = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    """A program that ends closes its streams, even if their writers are in global variables."""
    for writer in list(_writers):
        if writer._process == os.getpid():
            with contextlib.suppress(Error):
                writer.close()


def _after_fork() -> None:
    for writer in list(_writers):
        writer._raw.after_fork()


os.register_at_fork(after_in_child=_after_fork)


class Writer:
    """The one writer of a stream. It creates the stream, or takes over the stream of a dead writer.

    Closing the writer (by `close`, a ``with`` block, or the program's end) closes the stream: readers read what is left, and
    nothing is left in shared memory. A killed program leaves a stream that readers see as dead and the next writer takes over.

    A generation begins with the first frames that are written, since they decide the clock of its times, or at once if `clock`
    is given. Until its first generation, a stream has a live writer and no ring. A format that cannot be used is refused by the
    constructor and by `begin` in both cases.

    A writer never waits for readers. To begin a generation takes 60 to 250 ms per GiB. The constructor waits up to 2 s while the previous writer is closing. Several threads
    can share a writer; they take turns.

    Parameters
    ----------
    name : str
        Name of the stream, 1 to 1024 bytes.
    dtype : dtype, optional
        Element type: bool, int8 to int64, uint8 to uint64, float16, float32 or float64. Default: that of the first array
        that is written. The stream then begins with that array.
    shape : tuple of int, optional
        Shape of one frame; () for one number per frame. Default: that of the first array, without its first dimension.
    rate : float, optional
        Frames per second; 0 or None: irregular or unknown.
    dims : sequence of str, optional
        A name for each dimension: the buffered axis, then the dimensions of a frame. Default: ``time``, ``dim_1``, ``dim_2``, ...
    axes : dict, optional
        By the name of a dimension: `LinearAxis`, `CoordAxis`, a list of labels or coordinates, or a dict such as
        ``{"kind": "linear", "unit": "Hz", "gain": 0.5, "offset": 0.0}``.
    attrs : dict, optional
        Other facts about the signal: bool, int, float, str, lists of int, float or str, and times.
    key : str
        The source's own name for the signal.
    buf_dur : float, optional
        Seconds that the ring holds. Default: 2. Needs a `rate`.
    buf_frames : int, optional
        Frames that the ring holds, instead of `buf_dur`. Required for an irregular stream.
    mode : int
        Who may read: ``0o600`` this user, ``0o640`` the group, too, ``0o644`` all users. Only this user may write.
    chunk_frames : int
        Frames that one `write` usually brings. It decides how many messages the ring remembers.
    max_bytes : int, optional
        Largest ring, in bytes of shared memory. Default: 1 GiB.
    clock : str, optional
        What the times are of: ``"unix"`` (seconds since 1970, UTC), ``"monotonic"`` (`time.monotonic` of this machine) or
        ``"source"`` (anything else, which only the caller can read). Default: ``"source"`` if the first frames of a
        generation are written with `times`, else ``"unix"``. If frames with `times` come later, they begin a generation on
        ``"source"``.

    Raises
    ------
    StreamBusyError
        Another live process writes this stream.
    BadNameError, BadFormatError, BadArgumentError, UnknownDtypeError, TooLargeError
        An argument cannot be used.
    NoSpaceError
        Shared memory has no room for the ring.
    NameTakenError, ObstructedError, WrongOwnerError
        Something else has the stream's name.

    Examples
    --------
    >>> with Writer("demo", dtype="float32", shape=(8,), rate=1000.0, dims=("time", "ch")) as writer:   # doctest: +SKIP
    ...     writer.write(np.zeros((10, 8), "float32"))
    """

    def __init__(
        self,
        name: str,
        dtype: npt.DTypeLike | None = None,
        shape: int | Sequence[int] | None = None,
        rate: float | None = None,
        dims: Sequence[str] | None = None,
        axes: Mapping[str, AxisLike] | None = None,
        attrs: Mapping[str, Any] | None = None,
        key: str = "",
        *,
        buf_dur: float | None = None,
        buf_frames: int | None = None,
        mode: int = 0o600,
        chunk_frames: int = 1,
        max_bytes: int | None = None,
        clock: str | None = None,
    ) -> None:
        self._name = name_of_stream(name)
        self._process = os.getpid()
        self._dtype: np.dtype[Any] | None = None if dtype is None else as_dtype(dtype)
        self._shape: tuple[int, ...] | None = None if shape is None else as_shape(shape)
        self._rate = as_rate(rate)
        self._dims = None if dims is None else as_dims(dims)
        self._axes = {} if axes is None else as_axes(axes)
        self._attrs = {} if attrs is None else as_attrs(attrs)
        self._key = key
        self._clock = None if clock is None else as_clock(clock)
        self._buf_dur, self._buf_frames = buf_dur, buf_frames
        self._chunk_frames = count("chunk_frames", chunk_frames, least=1)
        mode = count("mode", mode, "permission bits")
        if max_bytes is not None:
            max_bytes = count("max_bytes", max_bytes, "bytes")
        if self._rate or buf_dur is not None or buf_frames is not None:
            self._ring_frames()
        # The progress when the writer was closed.
        self._final_progress: _dora_shm.Progress | None = None
        self._raw = _dora_shm.Writer(self._name, min(mode, 0o7777), max_bytes)
        _writers.add(self)
        if self._dtype is not None and self._shape is not None:
            try:
                self._begin()
            except BaseException:
                self.close()
                raise

    def _ring_frames(self) -> int:
        if self._buf_dur is not None and self._buf_frames is not None:
            raise BadArgumentError("both buf_dur and buf_frames are given, expected one of them")
        if self._buf_frames is not None:
            return count("buf_frames", self._buf_frames, least=1)
        seconds = DEFAULT_SECONDS if self._buf_dur is None else seconds_of("buf_dur", self._buf_dur)
        if not (math.isfinite(seconds) and seconds > 0):
            raise BadArgumentError(f"buf_dur is {seconds} s, expected more than 0, and finite")
        if self._rate == 0:
            raise BadArgumentError("neither rate nor buf_frames is given, expected buf_frames: how many frames the ring holds")
        frames = seconds * self._rate
        return max(1, math.ceil(frames)) if frames < MOST else MOST

    def _description(self) -> Description:
        shape = self._shape or ()
        dims = self._dims
        if dims is None:
            dims = ("time", *(f"dim_{i + 1}" for i in range(len(shape))))
        axes = dict(self._axes)
        for dim in axes:
            if dim not in dims:
                raise BadArgumentError(f"an axis for {dim!r}, expected one of the dims {dims}")
        for dim, length in zip(dims[1:], shape, strict=False):
            axis = axes.get(dim)
            data = getattr(axis, "data", None)
            if data is not None and len(data) != length:
                raise BadArgumentError(f"{len(data)} coordinates for {dim!r}, expected {length}")
        return Description(dims, axes, self._attrs, self._key or "")

    def _begin(self) -> None:
        if self._dtype is None or self._shape is None:
            return
        description = self._description()._to_json()
        frames = self._ring_frames()
        self._raw.begin(self._dtype.name, list(self._shape), self._rate, frames, self._chunk_frames, description, self._clock)

    def begin(
        self,
        dtype: npt.DTypeLike | None = None,
        shape: int | Sequence[int] | None = None,
        rate: float | None = None,
        dims: Sequence[str] | None = None,
        axes: Mapping[str, AxisLike] | None = None,
        attrs: Mapping[str, Any] | None = None,
        key: str | None = None,
        *,
        buf_dur: float | None = None,
        buf_frames: int | None = None,
        clock: str | None = None,
    ) -> None:
        """Begins a new generation, with a different dtype, frame shape, rate, length, clock or key. Readers finish the old one first.

        It begins with the next message, or at once if a clock was named, here or before.

        Only this changes the format: `write` refuses frames of a different format, so that a mistake does not begin a new
        generation. Arguments that are left out keep their values. But `dims` and `axes` are reset if `shape` has another
        rank, and axes with coordinates are reset if their dimension's length changes.

        Parameters
        ----------
        dtype, shape, rate, dims, axes, attrs, key, buf_dur, buf_frames, clock
            As for `Writer`.

        Raises
        ------
        BadFormatError, BadArgumentError, UnknownDtypeError, TooLargeError, NoSpaceError
            The stream continues as it was.
        """
        names = ("_dtype", "_shape", "_rate", "_dims", "_axes", "_attrs", "_key", "_clock", "_buf_dur", "_buf_frames")
        before = {name: getattr(self, name) for name in names}
        try:
            old_shape = self._shape
            self._dtype = self._dtype if dtype is None else as_dtype(dtype)
            self._shape = self._shape if shape is None else as_shape(shape)
            self._rate = self._rate if rate is None else as_rate(rate)
            if old_shape is not None and self._shape is not None and len(old_shape) != len(self._shape):
                self._dims, self._axes = None, {}
            elif old_shape != self._shape:
                self._axes = {dim: axis for dim, axis in self._axes.items() if getattr(axis, "data", None) is None}
            self._dims = self._dims if dims is None else as_dims(dims)
            self._axes = self._axes if axes is None else as_axes(axes)
            self._attrs = self._attrs if attrs is None else as_attrs(attrs)
            self._key = self._key if key is None else key
            self._clock = self._clock if clock is None else as_clock(clock)
            if buf_dur is not None or buf_frames is not None:
                self._buf_dur, self._buf_frames = buf_dur, buf_frames
            if self._dtype is None or self._shape is None:
                raise BadFormatError("nothing was written or begun before; expected a dtype and the shape of a frame")
            self._begin()
        except BaseException:
            for name, value in before.items():
                setattr(self, name, value)
            raise

    def describe(
        self,
        axes: Mapping[str, AxisLike] | None = None,
        attrs: Mapping[str, Any] | None = None,
        dims: Sequence[str] | None = None,
    ) -> None:
        """Publishes new labels, units, attributes or names of dims, for the frames that are written from now on.

        Parameters
        ----------
        axes, attrs, dims
            As for `Writer`. Arguments that are left out keep their values. (A different `key` is set by `begin`.)

        Raises
        ------
        BadArgumentError
            They do not fit the frames' shape.
        NoGenerationError
            The format of the frames is not known yet.
        """
        before = self._axes, self._attrs, self._dims
        try:
            self._axes = self._axes if axes is None else as_axes(axes)
            self._attrs = self._attrs if attrs is None else as_attrs(attrs)
            self._dims = self._dims if dims is None else as_dims(dims)
            self._raw.describe(self._description()._to_json())
        except BaseException:
            self._axes, self._attrs, self._dims = before
            raise

    def write(
        self,
        frames: npt.ArrayLike,
        times: npt.ArrayLike | None = None,
        *,
        send_ns: int | None = None,
    ) -> None:
        """Writes one message: a frame, or an array of frames. Never waits for readers.

        Parameters
        ----------
        frames : array_like
            Shape ``frame_shape`` for one frame, ``(frames, *frame_shape)`` for several; ``(0, *frame_shape)`` is an empty
            message. Any strides and byte order. Numbers of another type are converted if the dtype can hold them: integers
            in its range, and floats rounded to shorter floats. Floats never become integers, and only bools become bools.
        times : array_like, optional
            One number per frame (or a single number for a single frame): seconds for a time axis. Default on the clocks
            ``"unix"`` and ``"monotonic"`` with a rate: the last frame was taken now, and the others follow by the rate:
            even, strictly rising. Their rate and their phase are learned from when messages are written: a late burst
            moves nothing, and a pause makes one jump, about half a second after it. Default without a rate: the
            last frame was taken now; the frames before it are spread over the time since the last message. In both cases,
            no frame is before the frame before it. Default on ``"source"``: they follow the newest frame by the rate.
        send_ns : int, optional
            When the message was sent, nanoseconds since 1970 (UTC). Default: now.

        Raises
        ------
        BadFormatError
            The frames have a different shape, or numbers that the dtype cannot hold; see `begin`.
        BadArgumentError
            There is not one time for each frame. Or frames on the clock ``"source"`` have no `times`, and there is no rate,
            or no frame before them.
        NoSpaceError
            The first message of a generation finds no room for its ring. The next call tries again.
        ForkedError
            The writer belongs to the parent process.
        """
        array = as_array(frames)
        if self._dtype is None or self._shape is None:
            array = self._begin_with(array)
            assert self._dtype is not None and self._shape is not None
        array = as_frames(array, self._dtype, self._shape)
        values = None if times is None else as_times(times, len(array))
        send_ns = time.time_ns() if send_ns is None else whole("send_ns", send_ns, "a whole number of nanoseconds")
        self._raw.write(array, values, send_ns)

    def _begin_with(self, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Begins with the format of the first array, where the caller did not give it."""
        if self._shape is None and array.ndim == 0:
            raise BadFormatError("the shape of a frame is not known and this is a single number, expected shape=()")
        dtype, shape = self._dtype, self._shape
        self._dtype = as_dtype(array.dtype) if dtype is None else dtype
        self._shape = array.shape[1:] if shape is None else shape
        try:
            self._begin()
        except BaseException:
            self._dtype, self._shape = dtype, shape
            raise
        return array

    def maintain(self) -> None:
        """Recreates segments that were removed from shared memory, for example by `rm` or at the end of a login session.

        `write` does the same. Call this about once a second while there is nothing to write.
        """
        self._raw.maintain()

    def warnings(self) -> list[str]:
        """Warnings that no call could report. Each warning is returned once.

        They are about a name that something else has, and about frames without `times` that come at another rate than the
        stream states, by more than 3 % for ten seconds.
        """
        return self._raw.warnings()

    @property
    def name(self) -> str:
        """Name of the stream."""
        return self._name

    @property
    def description(self) -> Description:
        """Description of the frames that are written next."""
        return self._description()

    @property
    def dtype(self) -> np.dtype[Any] | None:
        """Element type; None before it is known."""
        return self._dtype

    @property
    def shape(self) -> tuple[int, ...] | None:
        """Shape of one frame; None before it is known."""
        return self._shape

    @property
    def rate(self) -> float:
        """Frames per second; 0.0: irregular or unknown."""
        return self._rate

    def _progress(self) -> _dora_shm.Progress:
        return self._raw.progress() if self._final_progress is None else self._final_progress

    @property
    def generation(self) -> int | None:
        """Number of the generation of the frames that are written next; None while their format is unknown."""
        return self._progress().generation

    @property
    def position(self) -> int:
        """Frames written in this generation."""
        return self._progress().position

    @property
    def stream_position(self) -> int:
        """Frames written in all generations, including those of a dead writer that was taken over."""
        return self._progress().stream_position

    @property
    def ring_frames(self) -> int:
        """Frames that the ring of this generation holds; 0 while their format is unknown."""
        return self._progress().ring_frames

    @property
    def epoch(self) -> int:
        """1 for the stream's first writer, one more for each that took over from a dead one."""
        return self._progress().epoch

    @property
    def closed(self) -> bool:
        """Whether this writer was closed."""
        return self._raw.is_closed()

    def close(self) -> None:
        """Closes the stream: readers read what is left, and nothing is left in shared memory. Calling it again does nothing."""
        if self._final_progress is None:
            with contextlib.suppress(ForkedError):
                self._final_progress = self._raw.last_progress()
        self._raw.close()

    def __reduce__(self) -> NoReturn:
        raise TypeError("a writer cannot be pickled or copied: a stream has only one")

    def __enter__(self) -> Self:
        if self.closed:
            raise ClosedError("this writer is closed")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        if self.closed:
            return f"<Writer of {self._name!r}, closed>"
        progress = self._raw.progress()
        return f"<Writer of {self._name!r}, {progress.position} frames in generation {progress.generation}>"
