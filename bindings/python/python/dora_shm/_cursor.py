"""How a reader follows a stream: what it reads next, and the events between frames."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _dora_shm
from ._chunk import Chunk
from ._events import Event, Wait
from ._info import State
from ._room import Room

EVENTS_KEPT = 1000
MIN_ROOM = 64


class Cursor:
    """Turns the outcomes of the compiled reader into chunks and events.

    Events are ordered with the frames. An event is delivered before the call that returns the frames after it. If it is
    noticed behind frames that have not been returned yet, it waits for the next call.
    """

    def __init__(
        self, raw: _dora_shm.Reader, noticed: list[Event], on_event: Callable[[Event], object] | None
    ) -> None:
        self.raw = raw
        self.noticed = noticed
        """Events that have not been delivered yet; `raw` adds to them."""
        self.events: deque[Event] = deque(maxlen=EVENTS_KEPT)
        self.held: Chunk | None = None
        """Frames that were read by a call which then raised: the next call returns them."""
        self.at_end = False
        """The stream was closed and read to its end, and the next one has not been entered."""
        self._end_returned = False
        self._on_event = on_event
        self._format: tuple[np.dtype[Any], tuple[int, ...]] | None = None
        self._format_generation: int | None = None
        self._refresh_format()

    def _refresh_format(self) -> None:
        self._format, self._format_generation = self.raw.format(), self.raw.position().generation

    def empty(self, out: npt.NDArray[Any] | None = None) -> Chunk:
        chunk: Chunk = self.raw.empty(None if out is None else out[:0])
        return chunk

    def deliver(self) -> None:
        """Delivers the events that were noticed. Every call that reads begins with this."""
        while self.noticed:
            event = self.noticed.pop(0)
            if self._on_event is None:
                self.events.append(event)
            else:
                self._on_event(event)

    def came_to(self, outcome: str) -> None:
        """Records the outcome of a call: "data", "nothing", "generation" or "closed"."""
        if outcome == "closed":
            self.at_end, self._end_returned = True, False
        elif outcome != "nothing":
            self.at_end = False
            if outcome == "generation":
                self._refresh_format()

    @property
    def owes(self) -> bool:
        """Whether frames were held back, or the stream has ended and no call has returned empty because of that."""
        return self.held is not None or (self.at_end and not self._end_returned)

    def return_end(self) -> bool:
        """Whether this call is the one that returns empty because of the stream's end: the first one."""
        owed, self._end_returned = self.at_end and not self._end_returned, True
        return owed

    # Frames.

    def step(self, limit: int, room: Room | None) -> Chunk | None:
        """New frames, at most `limit`. None: nothing, or the stream has just ended."""
        while True:
            found = self.raw.read(limit) if room is None else self._read_into(room, limit)
            if isinstance(found, Chunk):
                self.at_end = False
                if self.noticed:
                    try:
                        self.deliver()
                    except BaseException:
                        self.hold(found)
                        raise
                return found
            if found == "stale":
                continue
            self.came_to(found)
            self.deliver()
            if found != "generation":
                return None

    def _read_into(self, room: Room, limit: int) -> Chunk | str:
        found: Chunk | str
        if room.fits(self._format):
            found = self.raw.read_into(*room.rest(0, limit), self._format_generation, None)
        elif (found := self.raw.advance()) == "data":
            if self.raw.position().generation == self._format_generation:
                room.check(self._format)
            found = "stale"
        if found == "stale":
            # Another thread has moved the reader.
            self._refresh_format()
        return found

    def go_on(self, chunk: Chunk, limit: int, room: Room | None, deadline: float | None) -> Chunk:
        """Waits for the rest of `limit` frames, of which `chunk` has the first."""
        frames = len(chunk)
        ours = room is None
        if room is None:
            room = Room(chunk.samples, chunk.times)
        messages = chunk._messages
        try:
            while frames < limit:
                if ours and frames == room.frames:
                    # Not for all requested frames: there may never be as many.
                    room = room.grown(min(limit, max(2 * frames, MIN_ROOM)))
                more = self.raw.read_into(*room.rest(frames, limit), chunk.generation, chunk.first + frames)
                if isinstance(more, Chunk):
                    frames += len(more)
                    messages += more._messages
                    continue
                if more not in ("nothing", "stale"):
                    self.came_to(more)
                    break
                if self.raw.is_ready() or not self.sleep(deadline, late=True):
                    # The next frames do not continue from these, or the time is over.
                    break
        except BaseException:
            self.hold(chunk._with_frames(room.samples[:frames], room.times[:frames], messages))
            raise
        return chunk._with_frames(room.samples[:frames], room.times[:frames], messages)

    def hold(self, chunk: Chunk) -> None:
        """Keeps frames for the next call. Their arrays may be the caller's, so they are copied."""
        self.held = chunk._with_frames(chunk.samples.copy(), chunk.times.copy(), chunk._messages)

    def take_held(self, held: Chunk, limit: int, room: Room | None = None) -> Chunk:
        """Frames that were held back, at most `limit`."""
        if room is not None:
            room.check((held.samples.dtype, held.samples.shape[1:]))
        now, later = held._split(min(limit, len(held)))
        self.held = later or None
        if room is None:
            return now
        frames = len(now)
        room.samples[:frames], room.times[:frames] = now.samples, now.times
        return now._with_frames(room.samples[:frames], room.times[:frames], now._messages)

    # Waiting.

    def sleep(self, deadline: float | None, late: bool = False) -> bool:
        """Waits until there is something to read. False: the time is over. Events are delivered at once, unless `late`."""
        while True:
            left = None if deadline is None else max(deadline - time.monotonic(), 0.0)
            waited = self.wait(left)
            if not late:
                self.deliver()
            if waited:
                return True
            if left == 0.0:
                return False

    def wait(self, timeout: float | None) -> Wait:
        """Sleeps until there is something to read, the time is over, or the writer has just died."""
        found = self.raw.wait(timeout)
        if found == Wait.READY:
            return Wait.READY
        return Wait.WRITER_DEAD if found == State.DEAD else Wait.TIMED_OUT
