"""The reading half."""

from __future__ import annotations

import contextlib
import os
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from types import TracebackType
from typing import Any, Literal, NamedTuple, NoReturn, Self

import numpy as np
import numpy.typing as npt

from . import _dora_shm
from ._arguments import MOST, count, deadline_of, name_of_stream, timeout_of, whole
from ._arguments import seconds as seconds_of
from ._chunk import Chunk
from ._cursor import CLOSED, DATA, GENERATION, Cursor
from ._errors import BadArgumentError, ClosedError, ForkedError
from ._events import Event
from ._description import Description, Parsed
from ._info import State, StreamInfo
from ._room import Room
from ._view import View

_MOST_OF_IDS = 2**32 - 1

_readers: weakref.WeakSet[Reader] = weakref.WeakSet()


def _after_fork() -> None:
    for reader in list(_readers):
        reader._after_fork()


os.register_at_fork(after_in_child=_after_fork)


class Lag(NamedTuple):
    """How far a reader is behind its writer."""

    frames: int
    """Frames that are there and not read."""
    seconds: float
    """Time since the oldest of them was written."""




class Reader:
    """A cursor over the frames of a stream. It cannot slow, block or hurt the stream.

    Every frame is read whole or counted as lost, exactly once. The reader follows the stream's generations and its
    writers. It may come before the stream does; then it begins with the stream's first frame. A stream that ezmsg itself
    writes is read as well as can be: ``info.kind`` is then ``"ezmsg"``.

    Only `wait`, a `read` or `view` with a timeout, and iteration sleep. While they do, and while frames are copied, other
    threads run; Ctrl-C ends them within a quarter of a second. A reader can be used by several threads, which take turns;
    each frame goes to one of them.

    Parameters
    ----------
    name : str
        Name of the stream.
    start : {"newest", "oldest"}
        Where to begin in a stream that is there already: with what comes from now on, or with the oldest frame that is
        still there.
    last : int, optional
        Begin with the last so many frames instead.
    last_seconds : float, optional
        Begin with the frames of the last so many seconds, by their times, instead.
    owner : int, optional
        Read the stream of this user id. Default: only streams of this process's user or root.
    follow : bool
        Whether iterating goes on with the next writer when the stream is closed, instead of ending.
    on_event : callable, optional
        Called with each `Event`, in order with the frames: before the call that it happened in returns the frames after
        it. Default: `events` gives them.
    idle_after : float
        A live stream without a new message for so many seconds is called idle.
    spin : float
        For a steady stream: waiting does not sleep but polls from so many seconds before the next message is due until so
        many after. The message is seen within some microseconds instead of after the 10 to 50 us in which a system wakes a
        thread, for that much of a core's time each message, and it takes a core that nobody else wants. 100e-6 to 300e-6
        are of use; default: always sleep.
    max_bytes : int, optional
        Largest ring that is mapped, in bytes. Default: no limit.

    Raises
    ------
    BadNameError
        The name cannot be a stream's.
    CorruptError, VersionError, WrongOwnerError, StreamPermissionError, EzmsgError, TooLargeError
        What is found under that name cannot be read. (That there is nothing yet is no error.)

    Examples
    --------
    >>> with Reader("demo") as reader:                      # doctest: +SKIP
    ...     for chunk in reader:
    ...         print(chunk.times[-1], chunk.samples.shape, chunk.lost)
    """

    def __init__(
        self,
        name: str,
        start: Literal["newest", "oldest"] = "newest",
        last: int | None = None,
        last_seconds: float | None = None,
        owner: int | None = None,
        *,
        follow: bool = False,
        on_event: Callable[[Event], object] | None = None,
        idle_after: float = 1.0,
        spin: float = 0.0,
        max_bytes: int | None = None,
    ) -> None:
        if start not in ("newest", "oldest"):
            raise BadArgumentError(f'start is {start!r}, expected "newest" or "oldest"')
        if last is not None and last_seconds is not None:
            raise BadArgumentError("both last and last_seconds are given, expected one of them")
        if on_event is not None and not callable(on_event):
            raise TypeError(f"on_event is {on_event!r}, expected a function that takes an Event")
        self.name = name_of_stream(name)
        self.follow = follow
        if owner is not None and not 0 <= whole("owner", owner, "a user id") <= _MOST_OF_IDS:
            raise BadArgumentError(f"owner is {owner!r}, expected a user id")
        if max_bytes is not None:
            max_bytes = count("max_bytes", max_bytes, "bytes")
        self._options = (owner, seconds_of("idle_after", idle_after), max_bytes)
        self._spin = seconds_of("spin", spin)
        self._spy: _dora_shm.Reader | None = None
        self._notifier: _dora_shm.Notifier | None = None
        self._notifier_process = 0
        if last_seconds is not None:
            last_s = seconds_of("last_seconds", last_seconds)
            self._raw = self._open("oldest", 0)
            self._raw.skip_to_last(last_s)
        elif last is not None:
            self._raw = self._open("last", count("last", last))
        else:
            self._raw = self._open(start, 0)
        self._cursor = Cursor(self._raw, self._options[1], on_event)
        # Of the newest frames, and of what `info` told last: neither changes often.
        self._newest, self._told = Parsed(), Parsed()
        # Where it was when it was closed.
        self._left: tuple[int | None, int, int] | None = None
        _readers.add(self)

    def _open(self, start: str, last: int, each_description: bool = True) -> _dora_shm.Reader:
        return _dora_shm.Reader(self.name, start, last, *self._options, each_description, self._spin)

    def _begin(self) -> None:
        """What every call that reads begins with."""
        if self._notifier is not None:
            self._notifier.clear()
        self._cursor.deliver_late()

    def _end(self) -> None:
        """What every call that reads ends with: a loop that sleeps on the descriptor must hear of what is left."""
        if self._notifier is not None and (self._cursor.late or self._cursor.owes or self._raw.is_ready()):
            self._notifier.set()

    def read(
        self,
        n: int | None = None,
        timeout: float | None = 0.0,
        *,
        out: npt.NDArray[Any] | None = None,
        times_out: npt.NDArray[np.float64] | None = None,
    ) -> Chunk:
        """Copies new frames.

        ``read()`` gives all that is new, be it a single frame, and never blocks. ``read(n)`` gives at most `n` of them and
        does not block either. With a `timeout` it waits for them: until there are `n` (without `n`: any), or the time is
        over, or what comes next does not belong into the same chunk because the stream ended, frames were lost, or a new
        generation or description began. Then there are fewer.

        Parameters
        ----------
        n : int, optional
            Most frames to read. Default: as many as there are, or as `out` has room for.
        timeout : float or None
            Seconds to wait for them; None: as long as it takes; below 0 is 0. Default: not at all.
        out : numpy.ndarray, optional
            Where the samples go, instead of into a new array: shape ``(room, *frame_shape)``, of the stream's dtype,
            contiguous in C order and writable. The chunk's `samples` is then a view of its beginning.
        times_out : numpy.ndarray, optional
            The same for the times: float64, shape ``(room,)``, aligned.

        Returns
        -------
        Chunk
            Empty, and false, when there was nothing. It never spans two generations or two descriptions.

        Raises
        ------
        BadArgumentError
            `out` does not fit the stream's frames; nothing was read.
        CorruptError
            Shared memory contradicts the protocol. The reader has let go of the stream and attaches anew.
        ClosedError
            The reader is closed.
        KeyboardInterrupt
            Ctrl-C while it waited. Frames that it had taken by then are returned by the next call.
        """
        limit = MOST if n is None else count("n", n)
        timeout, deadline = deadline_of(timeout)
        cursor = self._cursor
        room = None if out is None and times_out is None else Room(out, times_out)
        if room is not None:
            limit = min(limit, room.frames)
        self._begin()
        try:
            if limit == 0:
                return cursor.empty(out)
            if held := cursor.take_held(limit, room):
                return held
            while (read := cursor.step(limit, room)) is None:
                if cursor.tell_end() or timeout == 0 or not cursor.sleep(deadline):
                    return cursor.empty(out)
            if n is None or timeout == 0 or read[4] >= limit:
                return cursor.chunk(read)
            return cursor.go_on(read, limit, room, deadline)
        finally:
            self._end()

    def wait(self, timeout: float | None = None) -> bool:
        """Sleeps until there is something to read: frames, a new generation or the stream's end.

        Parameters
        ----------
        timeout : float, optional
            Seconds to wait at most. Default: as long as it takes.

        Returns
        -------
        bool
            False when the time was over, or when the writer died meanwhile, which ends a wait early, once: `state` tells.
        """
        timeout = timeout_of(timeout)
        self._begin()
        ready = self._cursor.owes or self._cursor.wait(timeout)
        if ready:
            self._end()
        return ready

    def latest(self, n: int | None = None, seconds: float | None = None) -> Chunk:
        """Copies the newest frames of the stream without moving the cursor. Never blocks.

        For displays: they see the stream's newest generation at once, whatever `read` has still to read, and nothing that
        they see counts as read or lost.

        Parameters
        ----------
        n : int, optional
            How many frames; fewer if there are fewer.
        seconds : float, optional
            The frames that are less than so many seconds older than the newest, by their times, instead.

        Returns
        -------
        Chunk
            Its description is that of the newest frame. Empty when the stream is not there, has no frames, or was closed.
        """
        if (n is None) == (seconds is None):
            raise BadArgumentError("expected either n or seconds")
        frames = 0 if n is None else count("n", n)
        within = None if seconds is None else seconds_of("seconds", seconds)
        read: tuple[Any, ...] = self._at_newest().latest(frames, within)
        code, samples, times, first, frames, _, generation, messages, raw, missed = read
        if code != DATA:
            return self._cursor.empty()
        described = self._newest.of(raw)
        return Chunk(samples[:frames], times[:frames], first, 0, generation, described, missed, messages)

    def _at_newest(self) -> _dora_shm.Reader:
        """A second reader, which only looks at the newest frames."""
        self._check_open()
        if self._spy is None:
            self._spy = self._open("newest", 0, each_description=False)
        return self._spy

    def _newest_info(self) -> StreamInfo:
        """As `info`, of the newest generation instead of the one that is read."""
        spy = self._at_newest()
        spy.latest(0, None)
        return self._info(spy)

    def view(self, n: int | None = None, timeout: float | None = 0.0, *, raise_lost: bool = False) -> View:
        """Lends new frames in place, without copying them.

        Parameters
        ----------
        n : int, optional
            Most frames to lend. Default: all that is new.
        timeout : float or None
            Seconds to wait until there is something; None: as long as it takes. Default: not at all.
        raise_lost : bool
            Whether leaving the view raises `OverwrittenError` if frames of it were overwritten.

        Returns
        -------
        View
            To be used in a ``with`` block. Empty, and false, when there is nothing.

        Examples
        --------
        >>> with reader.view() as view:                     # doctest: +SKIP
        ...     peak = max(part.max() for part in view.parts) if view else None
        >>> if view.whole: print(peak)                      # doctest: +SKIP
        """
        limit = MOST if n is None else count("n", n)
        timeout, deadline = deadline_of(timeout)
        cursor = self._cursor
        self._begin()
        try:
            if held := cursor.take_held(limit):
                return View._of_copies(held)
            while True:
                code, raw, description, missed, found = self._raw.view(limit)
                if raw is not None and found is not None:
                    cursor.take(description, raw.first)
                    described = cursor.describe(description)
                    return View(self._raw, raw, np.dtype(found[0]), tuple(found[1]), described, missed, raise_lost)
                if code in (GENERATION, CLOSED):
                    cursor.move(code)
                else:
                    cursor.look_at_writer()
                if code == GENERATION:
                    continue
                if cursor.tell_end() or timeout == 0 or limit == 0 or not cursor.sleep(deadline):
                    return View(None, None, None, (), self.description, False, raise_lost)
        finally:
            self._end()

    def __iter__(self) -> Iterator[Chunk]:
        """Gives chunks as they come, each with all that is new, and sleeps in between.

        Ends when the stream was closed and read to its end (with `follow`, it waits for the next writer instead), or when
        another thread closes the reader. Before the stream exists, and after its writer died, it waits.
        """
        self._check_open()
        # Of a stream that was read to its end before, only what the next writer has brought by now is waited for.
        timeout = 0.0 if self._cursor.at_end and not self.follow else None
        try:
            while True:
                chunk = self.read(timeout=timeout)
                timeout = None
                if chunk:
                    yield chunk
                elif self._cursor.at_end and not self.follow:
                    return
        except ClosedError:
            return

    async def __aiter__(self) -> AsyncIterator[Chunk]:
        """As iterating in a plain ``for`` loop, for asyncio: the event loop runs while there is nothing to read."""
        # Not imported by those who do not use it: it takes longer than all the rest.
        import asyncio

        self._check_open()
        descriptor = os.dup(self.fileno())
        loop = asyncio.get_running_loop()
        try:
            while True:
                chunk = self.read()
                if chunk:
                    yield chunk
                    # A stream that is always ahead must not keep others from running.
                    await asyncio.sleep(0)
                    continue
                if self._cursor.at_end and not self.follow:
                    return
                ready = asyncio.Event()
                loop.add_reader(descriptor, ready.set)
                try:
                    await ready.wait()
                finally:
                    loop.remove_reader(descriptor)
        except ClosedError:
            return
        finally:
            os.close(descriptor)

    def fileno(self) -> int:
        """A file descriptor that is readable when there is something to read.

        For `select`, `selectors`, `asyncio.loop.add_reader` and Qt's `QSocketNotifier`; the reader itself can be registered
        where an object with a ``fileno`` can. Whenever it is readable, call `read`: it is readable again when there is more.
        Now and then a `read` then finds nothing. It is for waiting only: never read from it.

        Behind it, a thread sleeps on the stream, from the first call on. It does not spin and does not run Python.
        """
        self._check_open()
        if self._notifier is None or self._notifier_process != os.getpid():
            # A forked child has no copy of its parent's thread.
            self._notifier = _dora_shm.Notifier(self.name, self._options[0], self._options[2])
            self._notifier_process = os.getpid()
        return self._notifier.fileno()

    def events(self) -> list[Event]:
        """What happened up to the chunk that was returned last, oldest first; each event once.

        An event stands before the frames that come after it: handle the events, then the chunk. It is noticed by the calls
        that read or wait. Of events that nobody asks for, the newest thousand are kept. Empty when there is an `on_event`.
        """
        events = list(self._cursor.events)
        self._cursor.events.clear()
        return events

    @property
    def lost(self) -> int:
        """Frames lost since the reader began, in all: exact. Of a closed reader, until then."""
        return self._where()[2]

    @property
    def lag(self) -> Lag:
        """How far the reader is behind the writer, in frames and in seconds."""
        return Lag(*self._raw.lag())

    @property
    def state(self) -> State:
        """How the stream is, at this moment."""
        return self._cursor.state()

    @property
    def generation(self) -> int | None:
        """The generation that is read; None before a stream's first. Of a closed reader, that it was in."""
        return self._where()[0]

    @property
    def position(self) -> int:
        """Position of the next frame in its generation. Of a closed reader, where it was."""
        return self._where()[1]

    def _where(self) -> tuple[int | None, int, int]:
        return self._raw.cursor() if self._left is None else self._left

    @property
    def description(self) -> Description | None:
        """What the frames that were read last mean; before the first, what the next ones do."""
        return self._cursor.describe(self._raw.description()[0])

    @property
    def info(self) -> StreamInfo:
        """Everything that can be told of the stream: dtype, shape, dims, axes, rate, attrs and so on, at this moment."""
        return self._info(self._raw)

    def _info(self, reader: _dora_shm.Reader) -> StreamInfo:
        raw = reader.info()
        return StreamInfo._from_raw(raw, self._told.of(raw["description"]))

    @property
    def closed(self) -> bool:
        """Whether this reader was closed (not the stream: see `state`)."""
        return self._raw.is_closed()

    def close(self) -> None:
        """Lets go of the stream. Another thread's wait ends. The second time it does nothing."""
        if self._left is None:
            with contextlib.suppress(ForkedError):
                self._left = self._raw.cursor()
        self._raw.close()
        if self._spy is not None:
            self._spy.close()
        if self._notifier is not None:
            # Whoever sleeps on a copy of the descriptor finds out.
            self._notifier.set()
            self._notifier.close()

    def _check_open(self) -> None:
        if self.closed:
            raise ClosedError("this reader is closed")

    def _after_fork(self) -> None:
        self._raw.after_fork()
        if self._spy is not None:
            self._spy.after_fork()

    def __reduce__(self) -> NoReturn:
        raise TypeError("a reader cannot be pickled or copied; open one where it is used")

    def __enter__(self) -> Self:
        self._check_open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        if self.closed:
            return f"<Reader of {self.name!r}, closed>"
        generation, position, lost = self._raw.cursor()
        return f"<Reader of {self.name!r}, at {position} of generation {generation}, {lost} lost>"
