"""All streams of the machine."""

from __future__ import annotations

import math
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from . import _dora_shm
from ._arguments import seconds
from ._errors import BadArgumentError
from ._info import StreamInfo


def streams() -> list[StreamInfo]:
    """All streams of the machine, sorted by the names of their segments.

    Besides the streams that this user can read, it lists those of ezmsg and of other users, and unreadable ones: see
    `StreamInfo.kind`.

    Raises
    ------
    IoError
        The folder of shared memory cannot be listed.
    """
    return [StreamInfo._from_raw(raw) for raw in _dora_shm.streams()]


class ChangeKind(StrEnum):
    """What changed. Members equal their names in lower case."""

    APPEARED = "appeared"
    """A stream is new, or was created again."""
    VANISHED = "vanished"
    """A stream is gone."""
    CHANGED = "changed"
    """Its state, generation, writer or description changed."""


@dataclass(frozen=True, slots=True)
class Change:
    """A change among the streams of the machine.

    Attributes
    ----------
    kind : ChangeKind
        What changed.
    stream : StreamInfo
        The stream as it is now; if it vanished, as it last was.
    before : StreamInfo or None
        The stream as it was before; None if it appeared.
    """

    kind: ChangeKind
    stream: StreamInfo
    before: StreamInfo | None


class Watch:
    """An iterator of changes, plain or asynchronous: what `watch` returns."""

    def __init__(self, interval: float) -> None:
        self._interval = seconds("interval", interval)
        if self._interval == math.inf:
            raise BadArgumentError(f"interval is {interval!r}, expected a finite number of seconds")
        self._known: dict[str, StreamInfo] = {}

    def poll(self) -> list[Change]:
        """The changes since the last call. Never blocks."""
        now = {stream.segment: stream for stream in streams()}
        changes = []
        for segment, before in self._known.items():
            if segment not in now or now[segment].stream_id != before.stream_id:
                changes.append(Change(ChangeKind.VANISHED, before, before))
        for segment, stream in now.items():
            known = self._known.get(segment)
            if known is None or known.stream_id != stream.stream_id:
                changes.append(Change(ChangeKind.APPEARED, stream, None))
            elif _lasting(stream) != _lasting(known):
                changes.append(Change(ChangeKind.CHANGED, stream, known))
        self._known = now
        return changes

    def __iter__(self) -> Iterator[Change]:
        while True:
            yield from self.poll()
            time.sleep(self._interval)

    async def __aiter__(self) -> AsyncIterator[Change]:
        import asyncio

        while True:
            for change in self.poll():
                yield change
            await asyncio.sleep(self._interval)


def _lasting(stream: StreamInfo) -> StreamInfo:
    """What is known of a stream, without the members that every message changes."""
    return replace(stream, position=0, stream_position=0, chunks=0, measured_rate=None)


def watch(interval: float = 0.25) -> Watch:
    """Watches the streams of the machine: iterate over the changes with ``for`` or ``async for``. The iteration never ends.

    Streams that exist already come first, as appeared. `Watch.poll` returns the changes without waiting.

    Parameters
    ----------
    interval : float
        Seconds between two polls.
    """
    return Watch(interval)
