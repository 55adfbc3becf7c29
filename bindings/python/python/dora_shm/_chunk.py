"""Frames that were read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from . import _dora_shm
from ._description import Description
from ._errors import BadArgumentError

if TYPE_CHECKING:
    import pyarrow

UNKNOWN_NS = np.iinfo(np.int64).min
"""Send time of frames whose message is no longer known; as `datetime64[ns]` it is NaT."""


class Message(NamedTuple):
    """A message that brought frames of a chunk, or an empty one directly before one of its frames."""

    first: int
    """Position of its first frame, which may be before the chunk; for an empty message, of the frame that follows it."""
    frames: int
    """Number of frames that it brought. Some may be outside the chunk. 0 for an empty message."""
    send_ns: int
    """When it was sent, nanoseconds since 1970 (UTC)."""
    discontinuity: bool = False
    """Whether the time of its first frame does not follow that of the frame before it, of the same generation. With a rate:
    it is off by more than half a step and more than 1 us; without one: it is lower."""


class Chunk:
    """Consecutive frames of one generation and one description.

    Empty, and false, if there was nothing to read.

    Attributes
    ----------
    samples : numpy.ndarray
        Shape ``(frames, *frame_shape)``, of the stream's dtype, contiguous. A copy that belongs to the caller.
    times : numpy.ndarray
        Shape ``(frames,)``, float64: the value of each frame on the buffered axis, in seconds for a time axis.
    first : int
        Position of the first frame in its generation.
    lost : int
        Frames lost just before the first one, since the previous chunk: exact.
    generation : int or None
        The generation of the frames; None for an empty chunk of a stream that has no generation yet.
    description : Description or None
        The description of these frames.
    description_missed : bool
        Whether that description was gone before it could be read. If so, `description` is a different one of the same
        generation, or None.
    """

    __slots__ = ("_clock", "_messages", "description", "description_missed", "first", "generation", "lost", "samples", "times")

    def __init__(
        self,
        samples: npt.NDArray[Any],
        times: npt.NDArray[np.float64],
        first: int,
        lost: int,
        generation: int | None,
        description: Description | None = None,
        description_missed: bool = False,
        messages: bytes = b"",
        clock: _dora_shm.GenerationClock | None = None,
    ) -> None:
        self.samples = samples
        self.times = times
        self.first = first
        self.lost = lost
        self.generation = generation
        self.description = description
        self.description_missed = description_missed
        self._messages = messages
        self._clock = clock

    def __len__(self) -> int:
        """Number of frames."""
        return len(self.times)

    def __bool__(self) -> bool:
        return len(self.times) > 0

    def __repr__(self) -> str:
        what = f"{len(self)} frames from {self.first} of generation {self.generation}"
        return f"<Chunk of {what}, {self.samples.dtype} {self.samples.shape[1:]}, {self.lost} lost before>"

    @property
    def positions(self) -> npt.NDArray[np.int64]:
        """Position of each frame in its generation: int64, shape ``(frames,)``. They are consecutive."""
        return np.arange(self.first, self.first + len(self), dtype=np.int64)

    @property
    def clock(self) -> str | None:
        """What `times` are of: ``"unix"`` (seconds since 1970, UTC), ``"monotonic"`` (`time.monotonic` on the writer's
        machine) or ``"source"`` (the source's own). None if the stream names no clock, as those that ezmsg wrote.
        """
        return None if self._clock is None else self._clock.name

    def times_on(self, clock: str) -> npt.NDArray[np.float64]:
        """`times` as seconds of another clock: ``"unix"`` or ``"monotonic"``. A new array.

        The times are converted by the moment at which the generation was created, which its writer read on both clocks.
        A float64 holds Unix seconds in steps of 238 ns.

        Raises
        ------
        BadArgumentError
            The times are on the source's own clock, or the writer could not name its monotonic clock, or `clock` is
            neither of the two.
        """
        if self._clock is None:
            raise BadArgumentError("these frames name no clock, expected a stream whose writer does; read `times` as they are")
        made = np.array(self.times, dtype=np.float64)
        self._clock.convert(clock, made)
        return made

    @property
    def messages(self) -> list[Message]:
        """The messages that brought the frames, and the empty ones directly before each frame, oldest first.

        An empty message thus comes with the frame that follows it, over consecutive chunks exactly once: those at the end of
        a generation with the first chunk of the next. An empty message alone is no news: no call returns early because of
        it. Those behind the last frame of a stream that is closed are not seen.

        A ring may forget messages sooner than their frames. Such messages are missing.
        """
        end = self.first + len(self)
        found: list[Message] = []
        for first, frames, send_ns, jumps in self._message_numbers().tolist():
            is_here = first < end and (first >= self.first or first + frames > self.first)
            message = Message(first, frames, send_ns, bool(jumps))
            # A message with frames that was read in parts has one entry for each part.
            if is_here and not (frames and found and found[-1] == message):
                found.append(message)
        return found

    @property
    def send_ns(self) -> npt.NDArray[np.int64]:
        """When the message that brought each frame was sent: int64 nanoseconds since 1970 (UTC), shape ``(frames,)``.

        If the time is no longer known, it is the smallest int64, which `send_times` shows as NaT.
        """
        made = np.full(len(self), UNKNOWN_NS, dtype=np.int64)
        for first, frames, send_ns, _ in self._message_numbers().tolist():
            made[max(first - self.first, 0) : max(first + frames - self.first, 0)] = send_ns
        return made

    @property
    def send_times(self) -> npt.NDArray[np.datetime64]:
        """As `send_ns`, but `datetime64[ns]`."""
        return self.send_ns.view("datetime64[ns]")

    def _with_frames(self, samples: npt.NDArray[Any], times: npt.NDArray[np.float64], messages: bytes) -> Chunk:
        """The same chunk with other frames, which begin at the same position."""
        described, missed = self.description, self.description_missed
        return Chunk(samples, times, self.first, self.lost, self.generation, described, missed, messages, self._clock)

    def _split(self, frames: int) -> tuple[Chunk, Chunk]:
        """The first `frames` frames, and the rest."""
        now = self._with_frames(self.samples[:frames], self.times[:frames], self._messages)
        later = self._with_frames(self.samples[frames:], self.times[frames:], self._messages)
        later.first, later.lost = self.first + frames, 0
        return now, later

    def _message_numbers(self) -> npt.NDArray[np.int64]:
        return np.frombuffer(self._messages, dtype=np.int64).reshape(-1, 4)

    def to_arrow(self) -> pyarrow.RecordBatch:
        """The chunk as a `pyarrow.RecordBatch`, one row per frame. Needs pyarrow.

        The columns are ``time`` (float64), ``position`` (int64), ``send_time`` (timestamp in ns, UTC) and ``samples``: the
        numbers themselves, or fixed-size lists of them, nested as a frame's dimensions are. The schema's metadata has
        ``generation``, ``lost``, and the description's ``dims`` (separated by commas) and ``key``.
        """
        import pyarrow as pa

        samples = pa.array(np.ascontiguousarray(self.samples).reshape(-1))
        for length in reversed(self.samples.shape[1:]):
            samples = pa.FixedSizeListArray.from_arrays(samples, length)
        send_times = pa.array(self.send_times, type=pa.timestamp("ns", tz="UTC"))
        metadata = {"generation": str(self.generation), "lost": str(self.lost)}
        if self.description is not None:
            metadata |= {"dims": ",".join(self.description.dims), "key": self.description.key}
        columns = {
            "time": pa.array(self.times),
            "position": pa.array(self.positions),
            "send_time": send_times,
            "samples": samples,
        }
        fields = [pa.field(name, column.type) for name, column in columns.items()]
        return pa.record_batch(list(columns.values()), schema=pa.schema(fields, metadata=metadata))
