"""One exception class for each kind of failure. The messages are the library's."""

import errno


class Error(Exception):
    """Base class of all exceptions of this package."""


class BadNameError(Error, ValueError):
    """The stream's name cannot be used."""


class UnknownDtypeError(Error, ValueError):
    """The dtype is not one of the twelve element types that a stream can have."""


class BadFormatError(Error, ValueError):
    """No ring can have this format."""


class BadArgumentError(Error, ValueError):
    """An argument has a value that is not allowed or does not fit the stream."""


class StreamBusyError(Error):
    """Another live process writes this stream."""


class ObstructedError(Error):
    """No process writes the stream, but another process holds a lock on it that only writers need."""


class NameTakenError(Error, FileExistsError):
    """Something else has the stream's name in shared memory."""


class WrongOwnerError(Error, PermissionError):
    """The stream belongs to another user, who was not named with `owner`."""


class StreamPermissionError(Error, PermissionError):
    """The stream's mode does not let this user read it."""


class VersionError(Error):
    """The stream was written with a version of the protocol that this package cannot read."""


class EzmsgError(Error):
    """The stream was written by a version of ezmsg that this package cannot read."""


class UnsupportedError(Error):
    """ezmsg wrote the stream, and its frames have a type or shape that this package has no format for."""


class CorruptError(Error):
    """Bytes in shared memory contradict the protocol. The reader has detached and attaches again on its next call."""


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
    """A forked child cannot use this object of its parent."""


class IoError(Error, OSError):
    """A system call failed."""


class ClosedError(Error, ValueError):
    """This reader or writer is closed."""


class OverwrittenError(Error):
    """The writer overwrote frames of a view before the view ended.

    Attributes
    ----------
    lost : int
        How many frames: the first ones of the view.
    """

    def __init__(self, message: str, lost: int = 0) -> None:
        super().__init__(message)
        self.lost = lost
