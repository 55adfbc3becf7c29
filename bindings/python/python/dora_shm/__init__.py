"""Live arrays in shared memory: read and write the streams of dora-shm.

A stream is a sequence of frames of one type and shape, the newest of which are kept in a ring in shared memory. One process
writes it (a node of a dora graph, or a `Writer`), any number of processes read it (each with a `Reader`), and its name is
all that connects them.
"""

from ._chunk import Chunk, Message
from ._dora_shm import __version__, shorten as _shorten
from ._errors import (
    AccessError,
    BadArgumentError,
    BadFormatError,
    BadNameError,
    ClosedError,
    CorruptError,
    Error,
    ForeignError,
    ForkedError,
    IoError,
    LiveError,
    NameTakenError,
    NoGenerationError,
    NoSpaceError,
    ObstructedError,
    OverwrittenError,
    TooLargeError,
    UnknownDtypeError,
    UnsupportedError,
    VersionError,
    WrongOwnerError,
)
from ._events import Event, EventKind
from ._description import Axis, CoordAxis, Description, LinearAxis
from ._info import State, StreamInfo
from ._reader import Lag, Reader
from ._streams import Change, ChangeKind, Watch, streams, watch
from ._view import View
from ._writer import Writer

__all__ = [
    "AccessError",
    "Axis",
    "BadArgumentError",
    "BadFormatError",
    "BadNameError",
    "Change",
    "ChangeKind",
    "Chunk",
    "ClosedError",
    "CoordAxis",
    "CorruptError",
    "Description",
    "Error",
    "Event",
    "EventKind",
    "ForeignError",
    "ForkedError",
    "IoError",
    "Lag",
    "LinearAxis",
    "LiveError",
    "Message",
    "NameTakenError",
    "NoGenerationError",
    "NoSpaceError",
    "ObstructedError",
    "OverwrittenError",
    "Reader",
    "State",
    "StreamInfo",
    "TooLargeError",
    "UnknownDtypeError",
    "UnsupportedError",
    "VersionError",
    "View",
    "Watch",
    "Writer",
    "WrongOwnerError",
    "__version__",
    "shorten_shmem_name",
    "streams",
    "watch",
]


def shorten_shmem_name(name: str) -> str:
    """Name of a segment in shared memory for a stream's (or ring's, or description's) long name.

    ``"sm_"`` and the first 20 characters of the URL-safe base64 of the name's SHA-256: ezmsg's rule.

    >>> shorten_shmem_name("demo")
    'sm_KpdRbDVLaISM29j1SiJq'
    """
    return _shorten(name)
