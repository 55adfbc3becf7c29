"""ezmsg's mirror class, method for method."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from .._arguments import count
from .._chunk import Chunk
from .._errors import CorruptError, EzmsgError, VersionError
from .._events import EventKind
from .._description import Description
from .._info import State, StreamInfo
from .._reader import Reader
from . import _meta
from ._meta import ShmemArrMeta, ShmemVersionError

MAKING_S = 0.1
"""How long a header may be all zeros: a writer fills it in less than a millisecond."""


class _Ring(NamedTuple):
    """What a mirror knows of a generation."""

    generation: int
    stream_id: int | None
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    frames: int
    rate: float

    @classmethod
    def of(cls, info: StreamInfo) -> _Ring | None:
        if info.generation is None or info.dtype is None or info.shape is None:
            return None
        # ezmsg has no rings of single numbers.
        shape = info.shape or (1,)
        return cls(info.generation, info.stream_id, info.dtype, shape, info.ring_frames, info.rate or 0.0)


class _Piece(NamedTuple):
    """Frames that were read, but not returned yet."""

    chunk: Chunk
    ring: _Ring


class EZShmMirror:
    """Reads a stream of dora-shm or ezmsg, with the interface of ezmsg-tools.

    Differences from the original:

    - Every frame is returned exactly once, even a single new frame. The arrays are copies that belong to the caller.
    - The overflow flag is set if and only if frames were lost just before those of this call.
    - A mirror that connects to a running stream gets what the ring still holds.
    - It continues with the stream's next writer. `connected` states whether there is one.
    - A ring that is replaced is read to its end first: with `n`, its last frames may be fewer.
    - It does not pause between two attempts to connect, prints nothing, unpickles nothing, and no resource tracker removes
      segments when the program ends.
    - Frames of single numbers have shape ``(frames, 1)``.
    - `buffer` is a copy, and read-only.
    - Attributes that were arrays are lists. Attributes that are not numbers, strings, times or lists are left out.

    It raises `ShmemVersionError` where the original does, and this package's errors where the original crashes.

    Parameters
    ----------
    shmem_name : str, optional
        Name of the stream, which need not exist yet. None: not connected until `connect`.
    """

    def __init__(self, shmem_name: str | None = None) -> None:
        self._reader: Reader | None = None
        self._shmem_name: str | None = None
        self._change_callback: Callable[[], object] | None = None
        self._metadata_callback: Callable[[], object] | None = None
        self._forget()
        self.connect(shmem_name)

    def _forget(self) -> None:
        self._pieces: deque[_Piece] = deque()
        self._unread = 0
        # Number of pieces for which the callbacks were called.
        self._announced = 0
        # The ring that the reader is in; None: it may have changed.
        self._reading: _Ring | None = None
        # The ring whose frames were returned last, or come next.
        self._ring: _Ring | None = None
        self._description: Description | None = None
        self._aux_generation = 0
        self._viewed = False
        self._gone = False
        self._unmade_since: float | None = None

    def connect(self, name: str | None) -> None:
        """Connects to a stream, now or as soon as it exists. The same name again does nothing; None disconnects.

        Raises
        ------
        ShmemVersionError
            Something else has the name, or an unknown version of ezmsg wrote the stream.
        """
        if name is not None and name == self._shmem_name:
            return
        self.disconnect()
        if name is None:
            return
        try:
            self._reader = Reader(name, "oldest")
        except (EzmsgError, VersionError) as error:
            raise _meta.version_error(f"{error}. Upgrade both ends together.") from error
        except CorruptError as error:
            magic = _meta.found_magic(name)
            if magic is None or magic == _meta.SHMEM_META_MAGIC:
                raise
            raise _no_header(name, magic) from error
        self._shmem_name = name
        try:
            while not self._check_header():
                time.sleep(MAKING_S / 20)
        except ShmemVersionError:
            self.disconnect()
            raise
        self._arrive()

    def __reduce__(self) -> tuple[type[EZShmMirror], tuple[str | None]]:
        # A copy, also one in another process, connects again and has no callbacks.
        return type(self), (self._shmem_name,)

    def disconnect(self) -> None:
        """Disconnects from the stream."""
        if self._reader is not None:
            self._reader.close()
        self._reader = None
        self._shmem_name = None
        self._forget()

    def _check_header(self) -> bool:
        """Whether the segment of that name may be a header.

        Raises
        ------
        ShmemVersionError
            It is not a header, nor one that is being created.
        """
        if self._reader is None or self._shmem_name is None or self._reader.state != State.ABSENT:
            self._unmade_since = None
            return True
        magic = _meta.found_magic(self._shmem_name)
        if magic is None or magic == _meta.SHMEM_META_MAGIC:
            self._unmade_since = None
            return True
        now = time.monotonic()
        self._unmade_since = self._unmade_since or now
        if magic == 0 and now - self._unmade_since < MAKING_S:
            return False
        raise _no_header(self._shmem_name, magic)

    # Reading.

    def auto_view(self, n: int | None = None) -> tuple[npt.NDArray[Any], bool]:
        """The frames since the last call, and whether some were lost just before them.

        Parameters
        ----------
        n : int, optional
            Exactly this many frames, or no frames while there are fewer. Default: all new frames.

        Returns
        -------
        frames : numpy.ndarray
            Shape ``(frames, *frame_shape)``; 0 frames if there are none; shape ``(1, 0)`` while there is no stream.
        overflow : bool
            Whether frames were overwritten before they were read.
        """
        frames, _, overflow = self.timed_view(n)
        return frames, overflow

    def timed_view(
        self, n: int | None = None
    ) -> tuple[npt.NDArray[Any], npt.NDArray[np.float64], bool]:
        """As `auto_view`, with the frames' times as second result: values on the buffered axis, float64."""
        if n is not None:
            n = count("n", n)
        if self._reader is not None:
            self._viewed = True
            self._read()
        if not self._pieces:
            self._arrive()
            return self._nothing()
        ring = self._pieces[0].ring
        there = sum(len(piece.chunk) for piece in self._pieces if piece.ring == ring)
        over = any(piece.ring != ring for piece in self._pieces) or self._has_moved_on(ring)
        self._announce(ring, 1)
        if n is not None and there < n and not over:
            return self._nothing()
        return self._take(ring, there if n is None else min(n, there))

    def _nothing(self) -> tuple[npt.NDArray[Any], npt.NDArray[np.float64], bool]:
        no_times = np.empty(0)
        if self._ring is None:
            return np.array([[]]), no_times, False
        return np.empty((0, *self._ring.shape), self._ring.dtype), no_times, False

    def _take(self, ring: _Ring, n: int) -> tuple[npt.NDArray[Any], npt.NDArray[np.float64], bool]:
        samples, times, overflow = [], [], False
        self._announce(ring, n)
        while n > 0 and self._pieces and self._pieces[0].ring == ring:
            chunk = self._pieces[0].chunk
            overflow |= chunk.lost > 0
            taken = min(n, len(chunk))
            samples.append(chunk.samples[:taken])
            times.append(chunk.times[:taken])
            n -= taken
            self._unread -= taken
            if taken < len(chunk):
                self._pieces[0] = _Piece(_rest(chunk, taken), ring)
            else:
                self._pieces.popleft()
                self._announced -= 1
        if not samples:
            return self._nothing()[:2] + (overflow,)
        joined = samples[0] if len(samples) == 1 else np.concatenate(samples)
        return joined.reshape(-1, *ring.shape), times[0] if len(times) == 1 else np.concatenate(times), overflow

    def _announce(self, ring: _Ring, n: int) -> None:
        """Calls the callbacks for the ring and the descriptions of the next `n` frames, once each, before a frame is taken: a
        callback that raises costs no frame."""
        for number, piece in enumerate(list(self._pieces)):
            if n <= 0 or piece.ring != ring:
                break
            if number >= self._announced:
                self._announced = number + 1
                self._enter(ring, piece.chunk.description)
            n -= len(piece.chunk)

    def _read(self) -> None:
        """Reads all that is new."""
        reader = self._reader
        assert reader is not None
        try:
            # Bounded, in case the writer is faster than this loop.
            for _ in range(16):
                chunk = reader.read()
                for event in reader.events():
                    self._gone = event.kind == EventKind.WRITER_GONE
                    if event.kind != EventKind.NEW_DESCRIPTION:
                        self._reading = None
                if not chunk:
                    self._check_header()
                    return
                self._reading = self._reading or _Ring.of(reader.info)
                if self._reading is not None:
                    self._pieces.append(_Piece(chunk, self._reading))
                    self._unread += len(chunk)
                    self._drop_oldest(self._reading)
        except (EzmsgError, VersionError) as error:
            raise _meta.version_error(f"{error}. Upgrade both ends together.") from error

    def _drop_oldest(self, ring: _Ring) -> None:
        """Drops the oldest frames that a caller does not take, as the ring would."""
        while len(self._pieces) > 1 and self._unread - len(self._pieces[0].chunk) >= ring.frames:
            dropped = self._pieces.popleft().chunk
            self._announced = max(self._announced - 1, 0)
            self._unread -= len(dropped)
            self._pieces[0].chunk.lost += dropped.lost + len(dropped)

    def _has_moved_on(self, ring: _Ring) -> bool:
        """Whether `ring` has no more frames to come."""
        reader = self._reader
        return reader is None or self._gone or reader.generation != ring.generation

    # Properties.

    def _arrive(self) -> None:
        """Enters the ring and the description that the reader has come to, if all frames before were returned."""
        reader = self._reader
        if reader is None or self._pieces:
            return
        info = self._info(reader)
        ring = _Ring.of(info)
        if ring is not None:
            self._enter(ring, info.description)

    def _info(self, reader: Reader) -> StreamInfo:
        if self._viewed:
            return reader.info
        # Before the first view, the properties show the newest generation. The reader must have attached to the stream by
        # then, to read it from its first frame.
        reader.wait(0.0)
        return reader._newest_info()

    def _enter(self, ring: _Ring, description: Description | None) -> None:
        """Enters another ring or description, and calls the callbacks."""
        if ring != self._ring:
            self._ring = ring
            if description is None:
                # The description of another ring does not apply.
                self._description = None
            if self._change_callback is not None:
                self._change_callback()
        if description is not None and description != self._description:
            self._description = description
            self._aux_generation += 1
            if self._metadata_callback is not None:
                self._metadata_callback()

    @property
    def meta(self) -> ShmemArrMeta | None:
        """The stream's header, as of the frames that were returned last; None while there is no stream."""
        self._arrive()
        ring, reader = self._ring, self._reader
        if ring is None or reader is None:
            return None
        meta = ShmemArrMeta(magic=_meta.SHMEM_META_MAGIC, struct_version=_meta.SHMEM_META_STRUCT_VERSION)
        meta.bvalid = True
        meta.dtype = ring.dtype.char.encode()
        meta.srate = ring.rate
        shape = (ring.frames, *ring.shape)
        meta.ndim = len(shape)
        meta.shape[: len(shape)] = list(shape)
        meta.buffer_generation = ring.generation
        position = self._position(ring)
        meta.wrap_counter, meta.write_index = divmod(position, ring.frames)
        meta.key = self._description.key if self._description else ""
        meta.meta_generation = self._aux_generation
        return meta

    def _position(self, ring: _Ring) -> int:
        """Frames written to `ring`, as far as known."""
        reader = self._reader
        if reader is None:
            return 0
        info = self._info(reader)
        if info.generation == ring.generation:
            return info.position
        last = [piece.chunk for piece in self._pieces if piece.ring == ring]
        return last[-1].first + len(last[-1]) if last else 0

    @property
    def buffer(self) -> npt.NDArray[Any] | None:
        """A copy of the ring as it is in memory: shape ``(ring_frames, *frame_shape)``, frame `p` at index ``p % ring_frames``.

        None while there is no stream. It is read-only, and costs a copy of the ring each time.
        """
        self._arrive()
        ring, reader = self._ring, self._reader
        if ring is None or reader is None:
            return None
        made = np.zeros((ring.frames, *ring.shape), ring.dtype)
        newest = reader.latest(ring.frames)
        if newest and (newest.generation, newest.samples.dtype) == (ring.generation, ring.dtype):
            made[newest.positions % ring.frames] = newest.samples.reshape(-1, *ring.shape)
        made.flags.writeable = False
        return made

    @property
    def write_index(self) -> int | None:
        """Index in the ring of the next frame that is written; None while there is no stream."""
        meta = self.meta
        return None if meta is None else int(meta.write_index)

    @property
    def connected(self) -> bool:
        """Whether there is a stream with a ring, and its writer has neither closed it nor died."""
        self._arrive()
        reader = self._reader
        if reader is None or self._ring is None:
            return False
        return reader.state not in (State.ABSENT, State.CLOSED, State.DEAD)

    @property
    def axes(self) -> dict[str, dict[str, Any]] | None:
        """Axes by name: ``{"kind": "linear", "unit", "gain", "offset"}`` or ``{"kind": "coord", "unit", "dims", "data"}``.

        `data` is an array of labels or coordinates, structured where they are objects. The buffered axis has neither offset
        nor data. None while there is no description.
        """
        described = self._described()
        return None if described is None else _meta.axes(described, self._ring.rate if self._ring else 0.0)

    @property
    def attrs(self) -> dict[str, Any] | None:
        """Other facts about the signal, from its source; None while there is no description."""
        described = self._described()
        return None if described is None else dict(described.attrs)

    @property
    def dims(self) -> list[str] | None:
        """Names of the dimensions in the ring's order: the buffered axis first. None while there is no description."""
        described = self._described()
        return None if described is None else _meta.dims(described)

    @property
    def stream_dim(self) -> str | None:
        """The dimension along which messages accumulate, or None if the source states none."""
        described = self._described()
        return None if described is None else described.stream_dim

    @property
    def buffered_axis(self) -> str | None:
        """Name of the axis along which frames follow each other, or None."""
        described = self._described()
        return None if described is None else described.buffered_axis

    @property
    def metadata_available(self) -> bool:
        """Whether there is a description."""
        return self._described() is not None

    def _described(self) -> Description | None:
        self._arrive()
        return self._description

    def register_metadata_callback(self, callback: Callable[[], object]) -> None:
        """Calls `callback` without arguments whenever the description changes."""
        self._metadata_callback = callback

    def unregister_metadata_callback(self) -> None:
        """Removes the callback of `register_metadata_callback`."""
        self._metadata_callback = None

    def register_change_callback(self, callback: Callable[[], object]) -> None:
        """Calls `callback` without arguments whenever a new ring begins: dtype, shape, rate, length or key changed."""
        self._change_callback = callback

    def unregister_change_callback(self) -> None:
        """Removes the callback of `register_change_callback`."""
        self._change_callback = None


def _no_header(name: str, magic: int) -> ShmemVersionError:
    return _meta.version_error(
        f"Shared memory segment for {name!r} does not carry this build's header (magic 0x{magic:08X}, expected "
        f"0x{_meta.SHMEM_META_MAGIC:08X}): the name belongs to something else. Choose another one."
    )


def _rest(chunk: Chunk, taken: int) -> Chunk:
    """What is left of a chunk."""
    samples, times = chunk.samples[taken:], chunk.times[taken:]
    return Chunk(samples, times, chunk.first + taken, 0, chunk.generation, chunk.description, chunk.description_missed)
