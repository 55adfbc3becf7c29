"""One exception for each thing that can go wrong; the messages are the library's."""

import errno


class Error(Exception):
    """What every exception of this package is."""


class BadNameError(Error, ValueError):
    """The stream's name cannot be used."""


class UnknownDtypeError(Error, ValueError):
    """Not one of the twelve element types that a stream can have."""


class BadFormatError(Error, ValueError):
    """A format that no ring can have."""


class BadArgumentError(Error, ValueError):
    """An argument that does not fit the stream."""


class LiveError(Error):
    """Another live process writes this stream."""


class ObstructedError(Error):
    """No live writer, but another process holds a read lock, which readers never need."""


class NameTakenError(Error, FileExistsError):
    """The public name belongs to something that is not ours to remove."""


class WrongOwnerError(Error, PermissionError):
    """The stream belongs to a user that was not asked for; see `owner`."""


class AccessError(Error, PermissionError):
    """The stream's writer does not let this user read it."""


class VersionError(Error):
    """The stream was written by a version of the protocol that this one cannot read."""


class ForeignError(Error):
    """The stream was written by a version of ezmsg that this one cannot read."""


class UnsupportedError(Error):
    """ezmsg wrote the stream, in order, but its frames are nothing that there is a format for."""


class CorruptError(Error):
    """Bytes in shared memory contradict the protocol. The reader has let go and attaches anew when it is used again."""


class TooLargeError(Error, ValueError):
    """A ring is larger than `max_bytes` allows."""


class NoSpaceError(Error, OSError):
    """Shared memory has no room for the ring; `errno` is ENOSPC."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.errno = errno.ENOSPC


class NoGenerationError(Error):
    """The stream has no ring yet."""


class ForkedError(Error):
    """The object was inherited by a forked child, in which it cannot be used."""


class IoError(Error, OSError):
    """The operating system refused."""


class ClosedError(Error, ValueError):
    """The reader or writer was closed by its own program."""


class OverwrittenError(Error):
    """Frames of a view were overwritten while they were looked at.

    Attributes
    ----------
    lost : int
        How many: the first ones of the view.
    """

    def __init__(self, message: str, lost: int = 0) -> None:
        super().__init__(message)
        self.lost = lost
