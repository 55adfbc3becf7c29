"""Live arrays in shared memory: read and write the streams of dora-shm.

A stream is a sequence of frames of one type and shape. The newest frames are kept in a ring in shared memory. One process
writes it (a node of a dora graph, or a `Writer`), and any number of processes read it, each with a `Reader`. Only the stream's
name connects them.
"""

from ._chunk import Chunk, Message
from ._dora_shm import __version__
from ._errors import (
    BadArgumentError,
    BadFormatError,
    BadNameError,
    ClosedError,
    CorruptError,
    Error,
    EzmsgError,
    ForkedError,
    IoError,
    NameTakenError,
    NoGenerationError,
    NoSpaceError,
    ObstructedError,
    OverwrittenError,
    StreamBusyError,
    StreamPermissionError,
    TooLargeError,
    UnknownDtypeError,
    UnsupportedError,
    VersionError,
    WrongOwnerError,
)
from ._events import Event, EventKind, Wait
from ._description import Axis, CoordAxis, Description, LinearAxis
from ._info import State, StreamInfo
from ._reader import Lag, Reader
from ._streams import Change, ChangeKind, Watch, streams, watch
from ._view import View
from ._writer import Writer

__all__ = [
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
    "EzmsgError",
    "ForkedError",
    "IoError",
    "Lag",
    "LinearAxis",
    "Message",
    "NameTakenError",
    "NoGenerationError",
    "NoSpaceError",
    "ObstructedError",
    "OverwrittenError",
    "Reader",
    "State",
    "StreamBusyError",
    "StreamInfo",
    "StreamPermissionError",
    "TooLargeError",
    "UnknownDtypeError",
    "UnsupportedError",
    "VersionError",
    "View",
    "Wait",
    "Watch",
    "Writer",
    "WrongOwnerError",
    "__version__",
    "streams",
    "watch",
]
