from _typeshed import SupportsGetItem
from typing import Any, Final, SupportsFloat, SupportsIndex, final

__all__ = ["__version__", "GenerationClock", "Notifier", "Part", "Position", "Progress", "Reader", "View", "Writer", "shorten", "streams"]

__version__: Final[str]

@final
class GenerationClock:
    """
    What the times of a generation are of, and one moment on both of the machine's clocks.
    """
    def convert(self, /, clock: str, times: Any) -> None:
        """
        Converts an array of times in place.
        """
    @property
    def name(self, /) -> str:
        """
        "source", "unix" or "monotonic".
        """

@final
class Notifier:
    def __new__(cls, /, name: str, owner: SupportsIndex | None = None, max_bytes: SupportsIndex | None = None) -> Notifier: ...
    def clear(self, /) -> None:
        """
        Makes the descriptor unreadable until there is something new.
        """
    def close(self, /) -> None: ...
    def fileno(self, /) -> int: ...
    def set(self, /) -> None:
        """
        Makes the descriptor readable.
        """

@final
class Part:
    """
    Bytes of a ring, lent by the buffer protocol. They stay mapped as long as this object or an array over it lives.
    """
    def __len__(self, /) -> int: ...

@final
class Position:
    """
    Where a reader is.
    """
    @property
    def generation(self, /) -> int | None: ...
    @property
    def lost(self, /) -> int: ...
    @property
    def position(self, /) -> int: ...

@final
class Progress:
    """
    How far a writer is.
    """
    @property
    def epoch(self, /) -> int: ...
    @property
    def generation(self, /) -> int | None: ...
    @property
    def position(self, /) -> int: ...
    @property
    def ring_frames(self, /) -> int: ...
    @property
    def stream_position(self, /) -> int: ...

@final
class Reader:
    def __new__(cls, /, name: str, start: str | SupportsIndex | SupportsFloat, owner: SupportsIndex | None, idle_after: SupportsFloat | SupportsIndex, max_bytes: SupportsIndex | None, each_description: bool, spin: SupportsFloat | SupportsIndex, events: list | None) -> Reader:
        """
        `start` is "newest", "oldest", a number of frames (int) or of seconds (float).
        """
    def advance(self, /) -> Any:
        """
        Moves on to the next generation, or to the end, if nothing is left in this one. Returns as `read`, or "data".
        """
    def after_fork(self, /) -> None: ...
    def close(self, /) -> None: ...
    def description(self, /) -> tuple[Any | None, bool]:
        """
        The description in force, and whether the one of the frames that were read last was missed.
        """
    def empty(self, /, samples: Any | None = None) -> Any:
        """
        A `Chunk` without frames, at the reader's position. Its samples are `samples`, or a new array.
        """
    def finish(self, /, view: View) -> None:
        """
        Takes a view back and moves behind it.
        """
    def format(self, /) -> tuple[Any, tuple] | None:
        """
        dtype and frame shape of the ring that is read.
        """
    def held(self, /) -> tuple[int, int]:
        """
        Positions of the frames that the ring holds: the first, and the one behind the last.
        """
    def info(self, /) -> dict: ...
    def is_closed(self, /) -> bool: ...
    def is_ready(self, /) -> bool:
        """
        Whether there is something to read.
        """
    def lag(self, /) -> tuple[int, float]:
        """
        Frames that are committed and not read, and seconds since the oldest of them was committed.
        """
    def latest(self, /, frames: SupportsIndex, seconds: SupportsFloat | SupportsIndex | None) -> Any:
        """
        Follows the stream to its newest generation without reading, then copies its newest frames into new arrays: `frames`
        of them, or those of the newest `seconds`. Returns a `Chunk`, or "nothing" before the first ring.
        """
    def position(self, /) -> Position: ...
    def position_at(self, /, time: SupportsFloat | SupportsIndex) -> int: ...
    def read(self, /, max_frames: SupportsIndex) -> Any:
        """
        Copies new frames into new arrays, at most `max_frames`. Returns a `Chunk`; or "nothing", "generation" or "closed".
        """
    def read_at(self, /, first: SupportsIndex, frames: SupportsIndex) -> Any:
        """
        Copies the frames from position `first` on, at most `frames`, as far as the ring holds them. Returns a `Chunk`.
        """
    def read_into(self, /, samples: Any, times: Any, of: SupportsIndex | None, from_: SupportsIndex | None) -> Any:
        """
        Copies new frames into the arrays, at most as many as `times` holds. With a position `from_`, only frames that
        continue from there without a gap. Returns as `read`; "stale" if the reader is not in the generation `of`, for which
        the arrays were checked.
        """
    def skip_to_newest(self, /) -> Any:
        """
        Skips everything written so far, generations included, without counting it as lost. Returns as `advance`.
        """
    def state(self, /) -> str:
        """
        State of the stream.
        """
    def view(self, /, max_frames: SupportsIndex) -> Any:
        """
        Lends what is new in place, at most `max_frames` frames. Returns a `View`, or as `read`.
        """
    def wait(self, /, seconds: SupportsFloat | SupportsIndex | None) -> str:
        """
        Sleeps until there is something to read, at most `seconds`, or until a signal handler raises. Returns "ready", or the
        state of the stream. The writer's death ends it early when it is noticed.
        """

@final
class View:
    """
    Frames lent in place.
    """
    @property
    def description(self, /) -> Any | None:
        """
        The description of these frames.
        """
    @property
    def dtype(self, /) -> Any | None:
        """
        The numpy dtype of a sample.
        """
    @property
    def first(self, /) -> int: ...
    @property
    def frames(self, /) -> int: ...
    @property
    def generation(self, /) -> int: ...
    @property
    def missed(self, /) -> bool:
        """
        Whether the description of these frames was gone before it could be read.
        """
    def samples(self, /) -> list[Part]:
        """
        The samples: one part, or two where the ring wraps.
        """
    @property
    def shape(self, /) -> tuple | None:
        """
        The shape of a frame.
        """
    def times(self, /) -> list[Part]:
        """
        The times, as float64 numbers, in parts as the samples are.
        """
    def whole_from(self, /) -> int | None:
        """
        Position of the first frame that is whole up to now; `None` once the view has been given back.
        """

@final
class Writer:
    def __new__(cls, /, name: str, mode: SupportsIndex, max_bytes: SupportsIndex | None = None) -> Writer: ...
    def after_fork(self, /) -> None: ...
    def begin(self, /, dtype: str, shape: SupportsGetItem[int, SupportsIndex], rate: SupportsFloat | SupportsIndex, frames: SupportsIndex, chunk_frames: SupportsIndex, description: bytes, clock: str | None) -> None:
        """
        Begins a generation with a ring of `frames` frames, whose times are on `clock`. With `None`, checks it, and begins
        it with its first message, which decides the clock.
        """
    def close(self, /) -> None: ...
    def describe(self, /, description: bytes) -> None: ...
    def is_closed(self, /) -> bool: ...
    def last_progress(self, /) -> Progress:
        """
        The progress of a writer that is about to be closed.
        """
    def maintain(self, /) -> None: ...
    def progress(self, /) -> Progress: ...
    def warnings(self, /) -> list[str]: ...
    def write(self, /, samples: Any, times: Any | None, send_ns: SupportsIndex) -> None:
        """
        Writes one message, whose frames have the times `times`; with `None`, they get them now.
        """

def shorten(long_name: str) -> str:
    """
    Name of the segment of `long_name` in shared memory.
    """

def streams() -> list[dict]:
    """
    All streams of the machine.
    """
