"""How a reader follows a stream: what it reads next, and what it tells of besides frames."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _dora_shm
from ._chunk import Chunk
from ._events import Event, EventKind
from ._description import Description, Parsed
from ._info import State
from ._room import Room

DATA, NOTHING, GENERATION, CLOSED = range(4)
EVENTS_KEPT = 1000
MIN_ROOM = 64

Read = tuple[Any, ...]
"""What the compiled module gives of a read: outcome, samples, times, first, frames, lost, generation, messages, description,
whether that was missed."""


class Cursor:
    """The compiled reader, and what it takes to turn what it says into chunks and events.

    Events have their place among the frames: an event is delivered before the frames after it are returned, and one that
    is noticed after frames which are still to be returned is late: it waits for the next call.
    """

    def __init__(
        self, raw: _dora_shm.Reader, idle_after: float, on_event: Callable[[Event], object] | None
    ) -> None:
        self.raw = raw
        self.events: deque[Event] = deque(maxlen=EVENTS_KEPT)
        self.late: list[Event] = []
        self.at_end = False
        """The stream was closed and read to its end, and the next one has not been entered."""
        self._end_told = False
        self._on_event = on_event
        self._idle_after = idle_after
        self._gone = False
        self._parsed = Parsed()
        self._held: Chunk | None = None
        """Frames that were read by a call which then raised: the next one returns them."""
        self.format: tuple[np.dtype[Any], tuple[int, ...]] | None = None
        self._format_of: int | None = None
        self._refresh_format()
        self.describe(raw.description()[0])
        _, of_ring, newest = raw.status(idle_after)
        self._writer = newest or of_ring

    def _refresh_format(self) -> None:
        found, self._format_of = self.raw.format(), self.raw.cursor()[0]
        self.format = None if found is None else (np.dtype(found[0]), tuple(found[1]))

    def describe(self, raw: bytes | None) -> Description | None:
        """The description that `raw` is."""
        return self._parsed.of(raw)

    def state(self) -> State:
        return State(self.raw.status(self._idle_after)[0])

    def chunk(self, read: Read) -> Chunk:
        code, samples, times, first, frames, lost, generation, messages, raw, missed = read
        if code != DATA:
            return self.empty()
        if len(times) != frames:
            samples, times = samples[:frames], times[:frames]
        return Chunk(samples, times, first, lost, generation, self.describe(raw), missed, messages)

    def empty(self, out: npt.NDArray[Any] | None = None) -> Chunk:
        dtype, shape = self.format or (np.dtype(np.float64), ())
        samples = np.empty((0, *shape), dtype) if out is None else out[:0]
        generation, position, _ = self.raw.cursor()
        raw, missed = self.raw.description()
        return Chunk(samples, np.empty(0), position, 0, generation, self.describe(raw), missed)

    def deliver_late(self) -> None:
        """What every call that reads begins with: what came after the frames it last returned is told now."""
        while self.late:
            self._deliver(self.late.pop(0))

    def _deliver(self, event: Event) -> None:
        if self._on_event is None:
            self.events.append(event)
        else:
            self._on_event(event)

    def _tell(self, kind: EventKind, state: State, late: bool, first: int | None = None) -> None:
        generation, position, _ = self.raw.cursor()
        raw, _ = self.raw.description()
        event = Event(kind, generation, position if first is None else first, state, self.describe(raw))
        if late:
            self.late.append(event)
        else:
            self._deliver(event)

    @property
    def owes(self) -> bool:
        """There are frames that were kept, or the stream has ended and no call has come back empty to say so."""
        return self._held is not None or (self.at_end and not self._end_told)

    def tell_end(self) -> bool:
        """Whether the call that asks is the one to come back empty because of the stream's end: the first one."""
        owed, self._end_told = self.at_end and not self._end_told, True
        return owed

    def look_at_writer(self, late: bool = False) -> None:
        """Tells that the stream's writer is another one, or dead."""
        state, of_ring, newest = self.raw.status(self._idle_after)
        found = newest or of_ring
        if found is not None and self._writer is not None and found != self._writer:
            self._gone = False
            self._tell(EventKind.WRITER_RESTARTED, State(state), late)
        if found is not None:
            self._writer = found
        if state == State.DEAD and not self._gone:
            self._gone = True
            self._tell(EventKind.WRITER_GONE, State.DEAD, late)

    def move(self, code: int, late: bool = False) -> None:
        """Tells that the reader has come to a new generation, or to the end of the stream."""
        if code == CLOSED:
            self.at_end, self._end_told = True, False
            self._gone = True
            self._tell(EventKind.WRITER_GONE, State.CLOSED, late)
        elif code == GENERATION:
            self.at_end = False
            self._gone = False
            self._refresh_format()
            state, of_ring, _ = self.raw.status(self._idle_after)
            self.describe(self.raw.description()[0])
            if of_ring is not None and self._writer is not None and of_ring != self._writer:
                self._tell(EventKind.WRITER_RESTARTED, State(state), late)
            self._writer = of_ring or self._writer
            self._tell(EventKind.NEW_GENERATION, State(state), late)

    def take(self, raw: bytes | None, first: int) -> None:
        """Frames from `first` on were read that `raw` describes: tells if it is otherwise than those before."""
        self.at_end = False
        of, before = self._parsed.text, self._parsed.description
        if raw is None or raw is of:
            return
        described = self.describe(raw)
        if of is not None and described != before:
            self._tell(EventKind.NEW_DESCRIPTION, self.state(), late=False, first=first)

    def step(self, limit: int, room: Room | None) -> Read | None:
        """Frames that are there, at most `limit`. None: nothing, or the stream has just ended."""
        while True:
            read: Read | None = None
            if room is None:
                read = self.raw.read(limit)
                code = read[0]
            else:
                code = self.raw.advance()
                if code == DATA:
                    if self.raw.cursor()[0] != self._format_of:
                        # Another thread has moved on, and is about to tell.
                        self._refresh_format()
                    room.check(self.format)
                    read = self.raw.read_into(*room.rest(0, limit), self._format_of, None)
                    code = read[0]
            if read is not None and code == DATA:
                try:
                    self.take(read[8], read[3])
                except BaseException:
                    self.hold(self.chunk(read))
                    raise
                return read
            if code == NOTHING:
                self.look_at_writer()
                return None
            self.move(code)
            if code == CLOSED:
                return None

    def go_on(self, read: Read, limit: int, room: Room | None, deadline: float | None) -> Chunk:
        """Waits for the rest of `limit` frames, of which `read` are the first."""
        chunk = self.chunk(read)
        frames = len(chunk)
        ours = room is None
        if room is None:
            room = Room(chunk.samples, chunk.times)
        messages = read[7]
        generation, first = chunk.generation, chunk.first
        try:
            while frames < limit:
                if ours and frames == room.frames:
                    # Not for all that were asked for at once: they may be more than ever come.
                    room = room.grown(min(limit, max(2 * frames, MIN_ROOM)))
                more = self.raw.read_into(*room.rest(frames, limit), generation, first + frames)
                if more[0] == DATA:
                    frames += more[4]
                    messages += more[7] or b""
                    continue
                if more[0] != NOTHING:
                    self.move(more[0], late=True)
                    break
                if self.raw.is_ready() or not self.sleep(deadline, late=True):
                    # What is there does not go on from what was read; or the time is over.
                    break
        except BaseException:
            self.hold(chunk._with_frames(room.samples[:frames], room.times[:frames], messages))
            raise
        return chunk._with_frames(room.samples[:frames], room.times[:frames], messages)

    def hold(self, chunk: Chunk) -> None:
        """Keeps frames for the next call, whose arrays may be the caller's."""
        self._held = chunk._with_frames(chunk.samples.copy(), chunk.times.copy(), chunk._messages)

    def take_held(self, limit: int, room: Room | None = None) -> Chunk | None:
        """Frames that were kept, at most `limit`."""
        held = self._held
        if held is None or limit == 0:
            return None
        if room is not None:
            room.check((held.samples.dtype, held.samples.shape[1:]))
        now, later = held._split(min(limit, len(held)))
        self._held = later or None
        if room is None:
            return now
        frames = len(now)
        room.samples[:frames], room.times[:frames] = now.samples, now.times
        return now._with_frames(room.samples[:frames], room.times[:frames], now._messages)

    def sleep(self, deadline: float | None, late: bool = False) -> bool:
        """Sleeps until there is something to read. False: the time is over."""
        while True:
            left = None if deadline is None else max(deadline - time.monotonic(), 0.0)
            if self.wait(left, late):
                return True
            if left == 0.0:
                return False

    def wait(self, timeout: float | None, late: bool = False) -> bool:
        """Sleeps until there is something to read, the time is over, or the writer has just died."""
        if self.raw.wait(timeout, self._gone) == "ready":
            return True
        self.look_at_writer(late)
        return False
