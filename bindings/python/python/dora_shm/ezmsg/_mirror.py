"""The mirror: ezmsg's class, method for method."""

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
"""How long a header may be all zeros: its writer makes it in less than a millisecond."""


class _Ring(NamedTuple):
    """A generation, as a mirror sees it."""

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
    """Frames that were read and not given out yet."""

    chunk: Chunk
    ring: _Ring


class EZShmMirror:
    """A local picture of a stream of dora-shm or ezmsg, as ezmsg-tools has it.

    What is different from the original:

    - Every frame is given out once, a lone one too, and none twice. What it gives out are the caller's own copies.
    - The overflow flag says that frames were lost just before those of this call, and only then.
    - Whoever comes to a stream that runs gets what the ring still holds.
    - It goes on with the stream's next writer. `connected` says whether there is one.
    - A ring that is replaced is read to its end first: with `n`, its last frames may be fewer.
    - There is no pause between two attempts to connect; nothing is printed; nothing is unpickled; no resource tracker removes
      segments when the program ends.
    - Frames of single numbers have shape ``(frames, 1)``.
    - `buffer` is a copy, and read-only.
    - Attributes that were arrays are lists; those that are of no other kind than numbers, strings and times are left out.

    It raises `ShmemVersionError` where the original does, and this package's errors where the original crashes.

    Parameters
    ----------
    shmem_name : str, optional
        Name of the stream, which need not exist yet. None: connects to nothing until `connect`.
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
        # How many of the pieces the ring and the description were told of.
        self._told = 0
        # The ring that the reader is at; None: to be asked for.
        self._at: _Ring | None = None
        # The ring whose frames were given out last, or come next.
        self._ring: _Ring | None = None
        self._description: Description | None = None
        self._aux_generation = 0
        self._viewed = False
        self._gone = False
        self._unmade_since: float | None = None

    def connect(self, name: str | None) -> None:
        """Connects to a stream, or will as soon as it is there. The same name again changes nothing; None disconnects.

        Raises
        ------
        ShmemVersionError
            Something else has the name, or a version of ezmsg that is not known.
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
        # A copy, also in another process, connects anew, and has no callbacks.
        return type(self), (self._shmem_name,)

    def disconnect(self) -> None:
        """Lets go of the stream."""
        if self._reader is not None:
            self._reader.close()
        self._reader = None
        self._shmem_name = None
        self._forget()

    def _check_header(self) -> bool:
        """Whether what has the name may be a header.

        Raises
        ------
        ShmemVersionError
            It is none, and none that is just being made.
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
        """The frames that came since the last call, and whether some were lost just before them.

        Parameters
        ----------
        n : int, optional
            Exactly so many, or none as long as there are fewer. Default: all that there are.

        Returns
        -------
        frames : numpy.ndarray
            Shape ``(frames, *frame_shape)``; no frames when there is nothing (new), ``(1, 0)`` while there is no stream.
        overflow : bool
            Whether frames were overwritten before they were read.
        """
        frames, _, overflow = self.timed_view(n)
        return frames, overflow

    def timed_view(
        self, n: int | None = None
    ) -> tuple[npt.NDArray[Any], npt.NDArray[np.float64], bool]:
        """As `auto_view`, with the time of each frame in between: its value on the buffered axis, float64."""
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
        self._tell_of(ring, 1)
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
        self._tell_of(ring, n)
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
                self._told -= 1
        if not samples:
            return self._nothing()[:2] + (overflow,)
        joined = samples[0] if len(samples) == 1 else np.concatenate(samples)
        return joined.reshape(-1, *ring.shape), times[0] if len(times) == 1 else np.concatenate(times), overflow

    def _tell_of(self, ring: _Ring, n: int) -> None:
        """Comes to the ring and the descriptions of the next `n` frames before any is taken, to each once: a callback that
        raises costs no frame."""
        for number, piece in enumerate(list(self._pieces)):
            if n <= 0 or piece.ring != ring:
                break
            if number >= self._told:
                self._told = number + 1
                self._enter(ring, piece.chunk.description)
            n -= len(piece.chunk)

    def _read(self) -> None:
        """Reads all that is new."""
        reader = self._reader
        assert reader is not None
        try:
            # A writer that is always ahead is not chased for ever.
            for _ in range(16):
                chunk = reader.read()
                for event in reader.events():
                    self._gone = event.kind == EventKind.WRITER_GONE
                    if event.kind != EventKind.NEW_DESCRIPTION:
                        self._at = None
                if not chunk:
                    self._check_header()
                    return
                self._at = self._at or _Ring.of(reader.info)
                if self._at is not None:
                    self._pieces.append(_Piece(chunk, self._at))
                    self._unread += len(chunk)
                    self._drop_oldest(self._at)
        except (EzmsgError, VersionError) as error:
            raise _meta.version_error(f"{error}. Upgrade both ends together.") from error

    def _drop_oldest(self, ring: _Ring) -> None:
        """Who waits for many frames and never takes them loses the oldest, as he would if they were left in the ring."""
        while len(self._pieces) > 1 and self._unread - len(self._pieces[0].chunk) >= ring.frames:
            dropped = self._pieces.popleft().chunk
            self._told = max(self._told - 1, 0)
            self._unread -= len(dropped)
            self._pieces[0].chunk.lost += dropped.lost + len(dropped)

    def _has_moved_on(self, ring: _Ring) -> bool:
        """Whether no frame of `ring` can come any more."""
        reader = self._reader
        return reader is None or self._gone or reader.generation != ring.generation

    # What there is to tell.

    def _arrive(self) -> None:
        """Shows the ring and the description that the reader is at, while no frame of it was given out."""
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
        # Who only asks sees the newest, whatever there is to be read before it; but the reader has to have come to the
        # stream, if it is to read it from its first frame.
        reader.wait(0.0)
        return reader._newest_info()

    def _enter(self, ring: _Ring, description: Description | None) -> None:
        """Comes to another ring or description, and says so."""
        if ring != self._ring:
            self._ring = ring
            if description is None:
                # That of another ring says nothing of this one.
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
        """The stream's header, as of the frames that were given out last; None while there is no stream."""
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
        """Frames written to `ring`, as far as is known."""
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
        """By name, ``{"kind": "linear", "unit", "gain", "offset"}`` or ``{"kind": "coord", "unit", "dims", "data"}``.

        `data` is an array of labels or coordinates, structured where they are objects. The buffered axis has neither offset
        nor data. None while there is no description.
        """
        described = self._described()
        return None if described is None else _meta.axes(described, self._ring.rate if self._ring else 0.0)

    @property
    def attrs(self) -> dict[str, Any] | None:
        """What the source says of its signal besides; None while there is no description."""
        described = self._described()
        return None if described is None else dict(described.attrs)

    @property
    def dims(self) -> list[str] | None:
        """Names of the dimensions in the ring's order: the buffered axis first. None while there is no description."""
        described = self._described()
        return None if described is None else _meta.dims(described)

    @property
    def stream_dim(self) -> str | None:
        """The dimension along which the source says that its messages accumulate, or None."""
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
        """Calls `callback` without arguments whenever there is another description."""
        self._metadata_callback = callback

    def unregister_metadata_callback(self) -> None:
        """Calls nothing any more when there is another description."""
        self._metadata_callback = None

    def register_change_callback(self, callback: Callable[[], object]) -> None:
        """Calls `callback` without arguments whenever there is another ring: another dtype, shape, rate, length or key."""
        self._change_callback = callback

    def unregister_change_callback(self) -> None:
        """Calls nothing any more when there is another ring."""
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
