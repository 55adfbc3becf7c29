from _typeshed import SupportsGetItem
from typing import Any, Final, SupportsFloat, SupportsIndex, final

__all__ = ["__version__", "Notifier", "Part", "Reader", "View", "Writer", "shorten", "streams"]

__version__: Final[str]

@final
class Notifier:
    def __new__(cls, /, name: str, owner: SupportsIndex | None = None, max_bytes: SupportsIndex | None = None) -> Notifier: ...
    def clear(self, /) -> None:
        """
        Not readable until something is new.
        """
    def close(self, /) -> None: ...
    def fileno(self, /) -> int: ...
    def set(self, /) -> None:
        """
        Readable.
        """

@final
class Part:
    """
    Bytes of a ring, lent out by the buffer protocol. They stay mapped as long as this object or anything over it lives.
    """
    def __len__(self, /) -> int: ...

@final
class Reader:
    def __new__(cls, /, name: str, start: str, last: SupportsIndex, owner: SupportsIndex | None, idle_after: SupportsFloat | SupportsIndex, max_bytes: SupportsIndex | None, each_description: bool, spin: SupportsFloat | SupportsIndex) -> Reader:
        """
        `start` is "newest", "oldest" or "last", the last `last` frames.
        """
    def advance(self, /) -> int:
        """
        Moves on to the next generation, or to the end, if nothing is left in this one.
        """
    def after_fork(self, /) -> None: ...
    def close(self, /) -> None: ...
    def cursor(self, /) -> tuple[int | None, int, int]:
        """
        `(generation, position, lost)`
        """
    def description(self, /) -> tuple[bytes | None, bool]: ...
    def finish(self, /, view: View) -> None:
        """
        Takes a view back and moves behind it.
        """
    def format(self, /) -> tuple[str, list[int], float, int] | None: ...
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
    def latest(self, /, frames: SupportsIndex, seconds: SupportsFloat | SupportsIndex | None) -> tuple[int, Any | None, Any | None, int, int, int, int, bytes | None, bytes | None, bool]:
        """
        Follows the stream to its newest generation without reading, then copies its newest frames into new arrays: `frames`
        of them, or those of the newest `seconds`.
        """
    def read(self, /, max_frames: SupportsIndex) -> tuple[int, Any | None, Any | None, int, int, int, int, bytes | None, bytes | None, bool]:
        """
        Copies what is new into new arrays, at most `max_frames` frames.
        """
    def read_into(self, /, samples: Any, times: Any, of: SupportsIndex | None, from_: SupportsIndex | None) -> tuple[int, Any | None, Any | None, int, int, int, int, bytes | None, bytes | None, bool]:
        """
        Copies what is new into the arrays, as many frames as `times` holds, if it is of the generation `of`, for which the
        arrays are; with a position `from`, only what goes on from there without a gap. Another thread may have moved on.
        """
    def skip_to_last(self, /, seconds: SupportsFloat | SupportsIndex) -> None:
        """
        Of a reader that has just begun at the oldest frames: moves on to those that are less than `seconds` older than the
        newest.
        """
    def status(self, /, idle_after: SupportsFloat | SupportsIndex) -> tuple[str, tuple[int, int] | None, tuple[int, int] | None]:
        """
        How the stream is, the writer that made the ring that is read, and the one that has the stream now.
        """
    def view(self, /, max_frames: SupportsIndex) -> tuple[int, View | None, bytes | None, bool, tuple[str, list[int], float, int] | None]:
        """
        Lends what is new in place, at most `max_frames` frames, with the description and whether it was missed.
        """
    def wait(self, /, seconds: SupportsFloat | SupportsIndex | None, death_is_known: bool) -> str:
        """
        Sleeps until there is something to read, at most `seconds`, or until a signal's handler raises: "ready", or how the
        stream is. Unless it is known that the writer is dead, its death ends it early.
        """

@final
class View:
    """
    Frames lent in place.
    """
    @property
    def first(self, /) -> int: ...
    @property
    def frames(self, /) -> int: ...
    @property
    def generation(self, /) -> int: ...
    def samples(self, /) -> list[Part]:
        """
        The samples: one part, or two where the ring wraps.
        """
    def times(self, /) -> list[Part]:
        """
        The times, as float64 numbers, in parts as the samples are.
        """
    def whole_from(self, /) -> int | None:
        """
        Position of the first frame that has been whole up to now; `None` once the view has been given back.
        """

@final
class Writer:
    def __new__(cls, /, name: str, mode: SupportsIndex, max_bytes: SupportsIndex | None = None) -> Writer: ...
    def after_fork(self, /) -> None: ...
    def begin(self, /, dtype: str, shape: SupportsGetItem[int, SupportsIndex], rate: SupportsFloat | SupportsIndex, frames: SupportsIndex, chunk_frames: SupportsIndex, description: bytes) -> None:
        """
        Starts a generation of a ring of `frames` frames.
        """
    def close(self, /) -> None: ...
    def describe(self, /, description: bytes) -> None: ...
    def is_closed(self, /) -> bool: ...
    def maintain(self, /) -> None: ...
    def status(self, /) -> tuple[int | None, int, int, int, int, int]:
        """
        `(generation, position, stream_position, ring_frames, epoch, stream_id)`
        """
    def warnings(self, /) -> list[str]: ...
    def write(self, /, samples: Any, times: Any | None, start: SupportsFloat | SupportsIndex, step: SupportsFloat | SupportsIndex, send_ns: SupportsIndex) -> None:
        """
        Writes one chunk, whose frames are at `times`, or at `start`, `start + step`, ...
        """

def shorten(long_name: str) -> str:
    """
    Name of the segment of `long_name` in shared memory.
    """

def streams() -> list[dict]:
    """
    All streams of the machine.
    """
