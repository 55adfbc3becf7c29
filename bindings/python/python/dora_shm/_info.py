"""What is known of a stream."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np

from ._description import Axis, Description


class State(StrEnum):
    """State of a stream. Members equal their names in lower case: ``reader.state == "live"``."""

    ABSENT = "absent"
    """There is no stream of that name."""
    EZMSG = "ezmsg"
    """ezmsg itself wrote it. Whether its writer lives cannot be known."""
    WAITING = "waiting"
    """Its writer lives and has no ring yet."""
    LIVE = "live"
    """Its writer lives."""
    IDLE = "idle"
    """Its writer lives, but has written nothing for `idle_after` seconds."""
    DEAD = "dead"
    """Its writer died without closing it. Frames that are left can be read; the next writer takes the stream over."""
    CLOSED = "closed"
    """Its writer closed it."""


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """What is known of a stream.

    Attributes
    ----------
    kind : str
        ``"stream"``, or ``"ezmsg"`` for a stream that ezmsg itself writes. `streams` also lists ``"other_user"`` (to open
        it, name its owner) and ``"unreadable"`` (see `reason`).
    name : str or None
        The stream's name; None if it is unknown. `streams` does not know the names of ezmsg's streams.
    segment : str
        Name of its header in shared memory.
    state : State or None
        Its state; None for streams that were not opened.
    dtype : numpy.dtype or None
        Element type. None before the first ring; so are `shape`, `rate` and `generation`.
    shape : tuple of int or None
        Shape of one frame; () for one number per frame.
    rate : float or None
        Frames per second that the stream states; 0.0: irregular or unknown.
    measured_rate : float or None
        Frames per second as measured over the last messages.
    ring_frames : int
        Number of frames that the ring holds.
    ring_bytes : int
        Bytes of shared memory that the ring takes.
    generation : int or None
        Number of the generation.
    clock : str or None
        What the times of this generation are of: ``"unix"`` (seconds since 1970, UTC), ``"monotonic"``
        (`time.monotonic` on the writer's machine) or ``"source"`` (the source's own). None before the first ring, and for
        streams that ezmsg wrote; so are `clock_id` and `clock_pair`.
    clock_id : str or None
        Which monotonic clock that is, as a UUID: times of two generations can be compared if it is the same. None if it is
        unknown.
    clock_pair : tuple of int or None
        When the generation was created: nanoseconds since 1970 (UTC), and the same moment in nanoseconds of the monotonic
        clock. Their difference converts times between the two clocks (`Chunk.times_on`).
    refused : int or None
        Messages that the current or last writer was given and did not write, since it began. None if it does not count.
    dropped : int or None
        Messages that the queue of the writer's input dropped, as far as it knows.
    gaps : int or None
        Messages that are missing by the source's own sequence.
    position : int
        Frames written in this generation.
    stream_position : int
        Frames written in all generations.
    chunks : int
        Messages written in this generation.
    description : Description or None
        What the frames mean. Its members are properties here, too: `dims`, `axes`, `attrs`, `key`, `layout`.
    owner : int or None
        User id of the writer.
    writer_pid : int or None
        Process id of the writer as it states it, in its own PID namespace: a hint.
    epoch : int or None
        1 for the stream's first writer, one more for each that took over from a dead one.
    stream_id : int or None
        Identity of the stream. It differs each time the stream is created again.
    created_ns : int or None
        When it was created, nanoseconds since 1970 (UTC).
    struct_version : int or None
        ezmsg's version of its segments, for streams that ezmsg wrote.
    reason : str or None
        Why the stream is unreadable; for a stream that ezmsg wrote, why its description is unreadable.
    left_out : tuple of str
        Parts of an ezmsg description that this package has no equivalent for.
    """

    kind: str
    name: str | None
    segment: str
    state: State | None
    dtype: np.dtype[Any] | None = None
    shape: tuple[int, ...] | None = None
    rate: float | None = None
    measured_rate: float | None = None
    ring_frames: int = 0
    ring_bytes: int = 0
    generation: int | None = None
    position: int = 0
    stream_position: int = 0
    chunks: int = 0
    description: Description | None = None
    owner: int | None = None
    writer_pid: int | None = None
    epoch: int | None = None
    stream_id: int | None = None
    created_ns: int | None = None
    struct_version: int | None = None
    reason: str | None = None
    left_out: tuple[str, ...] = ()
    clock: str | None = None
    clock_id: str | None = None
    clock_pair: tuple[int, int] | None = None
    refused: int | None = None
    dropped: int | None = None
    gaps: int | None = None

    @property
    def dims(self) -> tuple[str, ...]:
        """A name for each dimension of a chunk's samples; () if they are unknown."""
        return self.description.dims if self.description else ()

    @property
    def axes(self) -> dict[str, Axis]:
        """Axes by the names of their dimensions."""
        return self.description.axes if self.description else {}

    @property
    def attrs(self) -> dict[str, Any]:
        """Other facts about the signal, from its source."""
        return self.description.attrs if self.description else {}

    @property
    def key(self) -> str:
        """The source's own name for the signal; empty if the source gives none."""
        return self.description.key if self.description else ""

    @property
    def layout(self) -> dict[str, Any] | None:
        """How a dora message is rebuilt from frames, or None."""
        return self.description.layout if self.description else None

    @property
    def buffered_axis(self) -> str | None:
        """Name of the axis along which frames follow each other, or None."""
        return self.description.buffered_axis if self.description else None

    @property
    def stream_dim(self) -> str | None:
        """The dimension along which messages accumulate, if the source states one."""
        return self.description.stream_dim if self.description else None

    def labels(self, dim: str) -> tuple[str, ...]:
        """The labels along a dimension; () if it has none."""
        return self.description.labels(dim) if self.description else ()

    @classmethod
    def _from_raw(cls, raw: dict[str, Any]) -> StreamInfo:
        """Makes it from what the compiled module returns."""
        kind = raw["kind"]
        if kind != "stream":
            return cls(
                kind=kind,
                name=None,
                segment=raw["segment"],
                state=State.EZMSG if kind == "ezmsg" else None,
                owner=raw.get("owner"),
                struct_version=raw.get("struct_version"),
                reason=raw.get("reason"),
                description=Description(key=raw["key"]) if raw.get("key") else None,
            )
        dtype, shape = raw["dtype"], raw["shape"]
        return cls(
            kind="stream" if raw["struct_version"] is None else "ezmsg",
            name=raw["name"],
            segment=raw["segment"],
            state=State(raw["state"]),
            dtype=None if dtype is None else np.dtype(dtype),
            shape=None if shape is None else tuple(shape),
            rate=raw["rate"],
            measured_rate=raw["measured_rate"],
            ring_frames=raw["ring_frames"],
            ring_bytes=raw["ring_bytes"] or 0,
            generation=raw["generation"],
            position=raw["position"],
            stream_position=raw["stream_position"],
            chunks=raw["chunks"],
            description=raw["description"],
            owner=raw["owner"],
            writer_pid=raw["writer_pid"],
            epoch=raw["epoch"],
            stream_id=raw["stream_id"],
            created_ns=raw["created_ns"],
            struct_version=raw["struct_version"],
            reason=raw["reason"],
            left_out=tuple(raw["left_out"]),
            clock=raw["clock"],
            clock_id=raw["clock_id"],
            clock_pair=raw["clock_pair"],
            refused=raw["refused"],
            dropped=raw["dropped"],
            gaps=raw["gaps"],
        )
