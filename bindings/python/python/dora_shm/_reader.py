"""The reading half."""

from __future__ import annotations

import contextlib
import os
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from types import TracebackType
from typing import Any, NamedTuple, NoReturn, Self

import numpy as np
import numpy.typing as npt

from . import _dora_shm
from ._arguments import MOST, count, deadline_of, name_of_stream, number, timeout_of, whole
from ._arguments import seconds as seconds_of
from ._chunk import Chunk
from ._cursor import Cursor
from ._errors import BadArgumentError, ClosedError, ForkedError
from ._events import Event, Wait
from ._description import Description
from ._info import State, StreamInfo
from ._room import Room
from ._start import name_replacements, start_of
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
    """Frames written and not yet read."""
    seconds: float
    """Time since the oldest of them was written."""


class Reader:
    """A cursor over the frames of a stream. It cannot slow, block or damage the stream.

    Every frame is either read whole or counted as lost, exactly once. The reader follows the stream from generation to
    generation and from writer to writer. It can be opened before the stream exists; it then begins with the stream's first
    frame. It also reads streams that ezmsg itself writes; ``info.kind`` is then ``"ezmsg"``.

    Only `wait`, `read` and `view` with a timeout, and iteration block. While they sleep, and while many bytes are copied,
    other threads run; Ctrl-C ends them within a quarter of a second. Several threads can share a reader. They take turns,
    and each frame goes to one of them.

    Parameters
    ----------
    name : str
        Name of the stream.
    start : {"newest", "oldest"}, int, str or datetime.timedelta
        Where to begin in a stream that exists already:

        - ``"newest"``: with the next frame that is written (default).
        - ``"oldest"``: with the oldest frame that is still in the ring.
        - ``500``: with the newest 500 frames.
        - ``"5s"``: with the frames of the newest 5 seconds, counted as in `latest`. Units are those of the command line:
          ``ns``, ``us``, ``ms``, ``s``, ``min``, ``h`` and ``d``. ``timedelta(seconds=5)`` is the same.
    owner : int, optional
        Read the stream of this user id. Default: only streams of this process's user or of root.
    follow : bool
        Whether iteration continues with the next writer when the stream is closed, instead of ending.
    on_event : callable, optional
        Called with each `Event`, in order with the frames: before the call that notices the event returns the frames after
        it. Default: `events` returns them.
    idle_after : float
        A live stream without a new message for this many seconds is idle.
    spin : float
        For steady streams: instead of sleeping, poll from this many seconds before the next message is due until as many
        seconds after. The message is seen within some microseconds instead of after the 10 to 50 us that the system takes
        to wake a thread. It costs that much of a core's time for each message, and needs a core that is otherwise idle.
        Useful values are 100e-6 to 300e-6. Default: always sleep.
    max_bytes : int, optional
        Largest ring to map, in bytes. Default: no limit.

    Raises
    ------
    BadNameError
        The name cannot be a stream's.
    BadArgumentError, TypeError
        Another argument cannot be used.
    CorruptError, VersionError, WrongOwnerError, StreamPermissionError, EzmsgError, TooLargeError
        What has that name cannot be read. (A stream that does not exist yet is not an error.)

    Examples
    --------
    >>> with Reader("demo") as reader:                      # doctest: +SKIP
    ...     for chunk in reader:
    ...         print(chunk.times[-1], chunk.samples.shape, chunk.lost)
    """

    @name_replacements
    def __init__(
        self,
        name: str,
        start: str | int | timedelta = "newest",
        *,
        owner: int | None = None,
        follow: bool = False,
        on_event: Callable[[Event], object] | None = None,
        idle_after: float = 1.0,
        spin: float = 0.0,
        max_bytes: int | None = None,
    ) -> None:
        begin = start_of(start)
        if on_event is not None and not callable(on_event):
            raise TypeError(f"on_event is {on_event!r}, expected a function that takes an Event")
        self._name = name_of_stream(name)
        self._follow = bool(follow)
        if owner is not None and not 0 <= whole("owner", owner, "a user id") <= _MOST_OF_IDS:
            raise BadArgumentError(f"owner is {owner!r}, expected a user id")
        if max_bytes is not None:
            max_bytes = count("max_bytes", max_bytes, "bytes")
        self._owner, self._max_bytes = owner, max_bytes
        self._idle_after = seconds_of("idle_after", idle_after)
        self._spin = seconds_of("spin", spin)
        # A second reader, for the newest frames only. It is opened when it is first needed.
        self._newest_reader: _dora_shm.Reader | None = None
        self._notifier: _dora_shm.Notifier | None = None
        self._notifier_process = 0
        noticed: list[Event] = []
        self._raw = self._open(begin, noticed)
        self._cursor = Cursor(self._raw, noticed, on_event)
        # Where the reader was when it was closed.
        self._final_position: _dora_shm.Position | None = None
        _readers.add(self)

    def _open(self, start: str | float, events: list[Event] | None) -> _dora_shm.Reader:
        """A reader that adds the events that it notices to `events`; with None, one for the newest frames only."""
        each_description = events is not None
        return _dora_shm.Reader(
            self._name, start, self._owner, self._idle_after, self._max_bytes, each_description, self._spin, events
        )

    @property
    def name(self) -> str:
        """Name of the stream."""
        return self._name

    @property
    def follow(self) -> bool:
        """Whether iteration continues with the next writer when the stream is closed."""
        return self._follow

    def _begin(self) -> None:
        """Every call that reads begins with this."""
        if self._notifier is not None:
            self._notifier.clear()
        if self._cursor.noticed:
            self._cursor.deliver()

    def _end(self) -> None:
        """Every call that reads ends with this: it wakes a loop that waits on the descriptor for what is left."""
        if self._notifier is not None and (self._cursor.noticed or self._cursor.owes or self._raw.is_ready()):
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

        ``read()`` returns all new frames and never blocks; ``read(n)`` returns at most `n` and does not block either. With a
        `timeout` it waits until there are `n` frames (without `n`: any). It returns fewer when the time is over, or when the
        next frames do not belong into the same chunk, because the stream ended, frames were lost, or a new generation or
        description began.

        Parameters
        ----------
        n : int, optional
            Most frames to read. Default: all new frames, or as many as `out` holds.
        timeout : float or None
            Seconds to wait. 0 (default) and less: do not wait. None: wait as long as it takes.
        out : numpy.ndarray, optional
            Destination of the samples, instead of a new array: shape ``(room, *frame_shape)``, of the stream's dtype,
            contiguous in C order and writable. The chunk's `samples` is a view of its first frames.
        times_out : numpy.ndarray, optional
            Destination of the times: float64, shape ``(room,)``, aligned. Needs `out`.

        Returns
        -------
        Chunk
            Empty, and false, when there was nothing. It never spans two generations or two descriptions.

        Raises
        ------
        BadArgumentError
            `out` does not fit the stream's frames. Nothing was read.
        CorruptError
            Shared memory contradicts the protocol. The reader has detached and attaches again on its next call.
        ClosedError
            The reader is closed.
        KeyboardInterrupt
            Ctrl-C while it waited. Frames that it had read by then are returned by the next call.
        """
        limit = MOST if n is None else count("n", n)
        deadline = None
        if timeout != 0:
            timeout, deadline = deadline_of(timeout)
        cursor = self._cursor
        room = None if out is None and times_out is None else Room(out, times_out)
        if room is not None:
            limit = min(limit, room.frames)
        self._begin()
        try:
            if limit == 0:
                return cursor.empty(out)
            if cursor.held is not None:
                return cursor.take_held(cursor.held, limit, room)
            while (chunk := cursor.step(limit, room)) is None:
                if cursor.return_end() or timeout == 0 or not cursor.sleep(deadline):
                    return cursor.empty(out)
            if n is None or timeout == 0 or len(chunk) >= limit:
                return chunk
            return cursor.go_on(chunk, limit, room, deadline)
        finally:
            if self._notifier is not None:
                self._end()

    def wait(self, timeout: float | None = None) -> Wait:
        """Sleeps until there is something to read: frames, a new generation, or the stream's end.

        Parameters
        ----------
        timeout : float or None
            Most seconds to wait. 0 and less: do not wait. None (default): wait as long as it takes.

        Returns
        -------
        Wait
            True if there is something to read: ``if reader.wait(1.0): ...``. Otherwise false, and either ``"timed_out"`` or
            ``"writer_dead"``. The writer's death ends a wait early, once.

        Raises
        ------
        ClosedError
            The reader is closed, or another thread closed it meanwhile.
        """
        timeout = timeout_of(timeout)
        self._begin()
        if self._cursor.owes:
            return Wait.READY
        waited = self._cursor.wait(timeout)
        self._cursor.deliver()
        if waited:
            self._end()
        return waited

    def latest(self, n: int | None = None, seconds: float | None = None) -> Chunk:
        """Copies the newest frames of the stream without moving the cursor. Never blocks.

        For displays: it returns frames of the stream's newest generation at once, regardless of what `read` has yet to
        read. Frames that it returns count neither as read nor as lost.

        Parameters
        ----------
        n : int, optional
            How many frames; fewer if there are fewer.
        seconds : float, optional
            Instead of `n`: the frames of the newest seconds. If the stream states a rate, these are ``seconds * rate``
            frames, rounded; otherwise those whose times are less than this many seconds before the newest frame's.

        Returns
        -------
        Chunk
            Its description is that of the newest frame. Empty when there is no stream, when it has no frames, or when it was
            closed.
        """
        if (n is None) == (seconds is None):
            raise BadArgumentError("expected either n or seconds")
        frames = 0 if n is None else count("n", n)
        within = None if seconds is None else seconds_of("seconds", seconds)
        found = self._at_newest().latest(frames, within)
        return found if isinstance(found, Chunk) else self._cursor.empty()

    def _at_newest(self) -> _dora_shm.Reader:
        self._check_open()
        if self._newest_reader is None:
            self._newest_reader = self._open("newest", None)
        return self._newest_reader

    def _newest_info(self) -> StreamInfo:
        """As `info`, but of the newest generation instead of the one that is read."""
        newest = self._at_newest()
        newest.latest(0, None)
        return StreamInfo._from_raw(newest.info())

    @property
    def held(self) -> range:
        """Positions of the frames that the ring holds now, in the generation that is read. Empty before the first ring.

        The oldest may be overwritten at any moment.
        """
        return range(*self._raw.held())

    def read_at(self, first: int, n: int) -> Chunk:
        """Copies frames by their positions, without moving the cursor. Never blocks.

        Frames that it returns count neither as read nor as lost.

        Parameters
        ----------
        first : int
            Position of the first frame, in the generation that is read: see `generation` and `held`.
        n : int
            How many frames.

        Returns
        -------
        Chunk
            The frames of that range that the ring still holds and that are written already: `Chunk.first` and its length say
            which. Its description is that of the frames that were read last.
        """
        first = min(count("first", first, "as a position"), MOST)
        chunk: Chunk = self._raw.read_at(first, min(count("n", n), MOST - first))
        return chunk

    def position_at(self, time: float) -> int:
        """Position of the first frame that the ring holds whose time is `time` or later. Never blocks.

        Parameters
        ----------
        time : float
            A value on the buffered axis, as in `Chunk.times`: seconds for a time axis.

        Returns
        -------
        int
            ``held.stop`` when every frame is earlier. It is found by binary search, so the frames' times must not decrease.
        """
        return self._raw.position_at(number("time", time))

    def skip_to_newest(self) -> None:
        """Skips all frames written so far, without copying them. They count neither as read nor as lost. Never blocks.

        The next `read` returns only frames that are written after this call.
        """
        self._begin()
        try:
            self._cursor.held = None
            self._cursor.came_to(self._raw.skip_to_newest())
            self._cursor.deliver()
        finally:
            self._end()

    def view(self, n: int | None = None, timeout: float | None = 0.0, *, raise_lost: bool = False) -> View:
        """Lends new frames in place, without copying them.

        Parameters
        ----------
        n : int, optional
            Most frames to lend. Default: all new frames.
        timeout : float or None
            Seconds to wait for frames. 0 (default) and less: do not wait. None: wait as long as it takes.
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
            if cursor.held is not None and limit > 0:
                return View._of_copies(cursor.take_held(cursor.held, limit))
            while True:
                found = self._raw.view(limit)
                cursor.came_to("data" if isinstance(found, _dora_shm.View) else found)
                cursor.deliver()
                if isinstance(found, _dora_shm.View):
                    return View(self._raw, found, raise_lost)
                if found == "generation":
                    continue
                if cursor.return_end() or timeout == 0 or limit == 0 or not cursor.sleep(deadline):
                    return View._empty(self.description)
        finally:
            self._end()

    def __iter__(self) -> Iterator[Chunk]:
        """Yields chunks as frames arrive, each with all that is new, and sleeps in between.

        Ends when the stream was closed and read to its end (with `follow`, it waits for the next writer instead), or when
        another thread closes the reader. Before the stream exists, and after its writer died, it waits.
        """
        self._check_open()
        # After the end of a stream, a new loop does not wait for the next writer, but reads what it has written by now.
        timeout = 0.0 if self._cursor.at_end and not self._follow else None
        try:
            while True:
                chunk = self.read(timeout=timeout)
                timeout = None
                if chunk:
                    yield chunk
                elif self._cursor.at_end and not self._follow:
                    return
        except ClosedError:
            return

    async def __aiter__(self) -> AsyncIterator[Chunk]:
        """As a plain ``for`` loop, for asyncio: the event loop runs while there is nothing to read."""
        # Imported here, because importing it takes longer than importing the rest of the package.
        import asyncio

        self._check_open()
        descriptor = os.dup(self.fileno())
        loop = asyncio.get_running_loop()
        try:
            while True:
                chunk = self.read()
                if chunk:
                    yield chunk
                    # Lets other tasks run even if there is always more to read.
                    await asyncio.sleep(0)
                    continue
                if self._cursor.at_end and not self._follow:
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
        wherever an object with a ``fileno`` can. Whenever it is readable, call `read`; if more is left, it stays readable.
        Sometimes a `read` then finds nothing. Use the descriptor for waiting only: never read from it.

        The first call starts a thread that sleeps on the stream. It neither spins nor runs Python code.
        """
        self._check_open()
        if self._notifier is None or self._notifier_process != os.getpid():
            # A forked child has no copy of its parent's thread.
            self._notifier = _dora_shm.Notifier(self._name, self._owner, self._max_bytes)
            self._notifier_process = os.getpid()
        return self._notifier.fileno()

    def events(self) -> list[Event]:
        """Events up to the chunk that was returned last, oldest first. Each event is returned once.

        An event precedes the frames after it: handle the events, then the chunk. Calls that read or wait notice events. If
        this is not called, the newest thousand are kept. Empty if there is an `on_event`.
        """
        events = list(self._cursor.events)
        self._cursor.events.clear()
        return events

    @property
    def lost(self) -> int:
        """All frames lost since the reader was opened: exact. After `close`: until then."""
        return self._position().lost

    @property
    def lag(self) -> Lag:
        """How far the reader is behind the writer, in frames and in seconds."""
        return Lag(*self._raw.lag())

    @property
    def state(self) -> State:
        """State of the stream now."""
        return State(self._raw.state())

    @property
    def generation(self) -> int | None:
        """The generation that is read; None before the stream's first. After `close`: the last one that was read."""
        return self._position().generation

    @property
    def position(self) -> int:
        """Position of the next frame in its generation. After `close`: where the reader was."""
        return self._position().position

    def _position(self) -> _dora_shm.Position:
        return self._raw.position() if self._final_position is None else self._final_position

    @property
    def description(self) -> Description | None:
        """Description of the frames that were read last; before the first read, of the next frames."""
        description: Description | None = self._raw.description()[0]
        return description

    @property
    def info(self) -> StreamInfo:
        """What is known of the stream now: dtype, shape, dims, axes, rate, attrs and more."""
        return StreamInfo._from_raw(self._raw.info())

    @property
    def closed(self) -> bool:
        """Whether this reader was closed. For the stream, see `state`."""
        return self._raw.is_closed()

    def close(self) -> None:
        """Detaches from the stream, and ends other threads' waits. Closing again does nothing."""
        if self._final_position is None:
            with contextlib.suppress(ForkedError, ClosedError):
                self._final_position = self._raw.position()
        self._raw.close()
        if self._newest_reader is not None:
            self._newest_reader.close()
        if self._notifier is not None:
            # Wakes threads that sleep on a copy of the descriptor.
            self._notifier.set()
            self._notifier.close()

    def _check_open(self) -> None:
        if self.closed:
            raise ClosedError("this reader is closed")

    def _after_fork(self) -> None:
        self._raw.after_fork()
        if self._newest_reader is not None:
            self._newest_reader.after_fork()

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
            return f"<Reader of {self._name!r}, closed>"
        at = self._raw.position()
        return f"<Reader of {self._name!r}, at {at.position} of generation {at.generation}, {at.lost} lost>"
