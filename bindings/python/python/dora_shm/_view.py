"""Frames in place."""

from __future__ import annotations

from types import TracebackType
from typing import Any, NoReturn, Self, cast

import numpy as np
import numpy.typing as npt

from . import _dora_shm
from ._chunk import Chunk
from ._errors import ClosedError, OverwrittenError
from ._description import Description


class View:
    """Frames lent in place by `Reader.view`: nothing is copied, and the writer may overwrite them at any moment.

    Use it in a ``with`` block. Do not act on anything computed from the arrays before the block has ended and `whole` is
    true. Leaving the block gives the view back and moves the reader behind it. Frames that were overwritten count in `lost`,
    the view's and the reader's.

    The arrays are read-only. They keep their memory mapped as long as they live, even longer than the view, its reader and
    the stream. They may later show newer frames.

    Attributes
    ----------
    parts : tuple of numpy.ndarray
        The samples in order: one array, or two where the ring wraps; no array if there was nothing to read. Shapes
        ``(frames, *frame_shape)``, of the stream's dtype.
    times_parts : tuple of numpy.ndarray
        The times, in parts as `parts`: float64, shapes ``(frames,)``.
    first : int
        Position of the first frame in its generation.
    generation : int or None
        The generation of the frames.
    description : Description or None
        The description of these frames.
    description_missed : bool
        As `Chunk.description_missed`.
    """

    def __init__(self, reader: _dora_shm.Reader | None, raw: _dora_shm.View | None, raise_lost: bool) -> None:
        self._reader = reader
        self._raw = raw
        self._raise_lost = raise_lost
        self._frames, self.first = 0, 0
        self._lost: int | None = 0
        self.generation: int | None = None
        self.description: Description | None = None
        self.description_missed = False
        self.parts: tuple[npt.NDArray[Any], ...] = ()
        self.times_parts: tuple[npt.NDArray[np.float64], ...] = ()
        if raw is not None:
            self._frames, self.first, self.generation = raw.frames, raw.first, raw.generation
            self._lost = None
            self.description, self.description_missed = raw.description, raw.missed
            # The generated stub cannot express the buffer protocol.
            samples, times = cast("list[Any]", raw.samples()), cast("list[Any]", raw.times())
            shape = (-1, *(raw.shape or ()))
            self.parts = tuple(np.frombuffer(part, raw.dtype).reshape(shape) for part in samples)
            self.times_parts = tuple(np.frombuffer(part, np.float64) for part in times)

    @classmethod
    def _empty(cls, description: Description | None) -> View:
        """A view of no frames."""
        made = cls(None, None, False)
        made.description = description
        return made

    @classmethod
    def _of_copies(cls, chunk: Chunk) -> View:
        """A view of frames that are a copy already."""
        made = cls(None, None, False)
        made.description, made.description_missed = chunk.description, chunk.description_missed
        made._frames, made.first, made.generation = len(chunk), chunk.first, chunk.generation
        for array in (chunk.samples, chunk.times):
            array.flags.writeable = False
        made.parts, made.times_parts = (chunk.samples,), (chunk.times,)
        return made

    def __len__(self) -> int:
        """Number of frames."""
        return self._frames

    def __bool__(self) -> bool:
        return self._frames > 0

    def __repr__(self) -> str:
        state = "open" if self._lost is None else f"{self._lost} lost"
        return f"<View of {self._frames} frames from {self.first} of generation {self.generation}, {state}>"

    @property
    def positions(self) -> npt.NDArray[np.int64]:
        """Position of each frame in its generation: int64, shape ``(frames,)``."""
        return np.arange(self.first, self.first + self._frames, dtype=np.int64)

    @property
    def lost(self) -> int:
        """Number of frames that were overwritten, always the first ones: up to now, or in all once the view has been left."""
        if self._lost is not None:
            return self._lost
        whole_from = self._raw.whole_from() if self._raw is not None else None
        return 0 if whole_from is None else whole_from - self.first

    @property
    def whole(self) -> bool:
        """Whether all frames are whole: up to now, or in the end once the view has been left."""
        return self.lost == 0

    def release(self) -> None:
        """Gives the view back, as leaving the ``with`` block does. Calling it again does nothing.

        Raises
        ------
        OverwrittenError
            With ``raise_lost=True``, if frames were overwritten.
        """
        if self._lost is not None:
            return
        self._lost = self.lost
        if self._reader is not None and self._raw is not None:
            try:
                self._reader.finish(self._raw)
            except ClosedError:
                # The reader was closed inside the block.
                pass
        if self._raise_lost and self._lost:
            message = f"{self._lost} of {self._frames} frames of a view were overwritten while they were used"
            raise OverwrittenError(f"{message}; view fewer at a time, or write to a longer ring", self._lost)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a view cannot be pickled or copied; copy its parts")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is None:
            self.release()
            return
        try:
            self.release()
        except OverwrittenError:
            # The block's own exception takes precedence.
            pass
