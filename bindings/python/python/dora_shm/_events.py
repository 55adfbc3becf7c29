"""What happens to a stream besides frames."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from ._description import Description
from ._info import State


class EventKind(StrEnum):
    """What happened. Members equal their names in lower case: ``event.kind == "writer_gone"``."""

    NEW_GENERATION = "new_generation"
    """Dtype, frame shape, rate, length or key have changed, or a stream has come: `Reader.info` has the new ones."""
    NEW_DESCRIPTION = "new_description"
    """Labels, units or attributes have changed, and nothing else."""
    WRITER_RESTARTED = "writer_restarted"
    """Another writer has the stream: it took over from a dead one, or began anew after the stream was closed."""
    WRITER_GONE = "writer_gone"
    """The writer closed the stream (`Event.state` is closed) or died (dead). A dead one's stream may be closed by others
    later, which is told, too."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a stream, in order with its frames.

    Attributes
    ----------
    kind : EventKind
        What happened.
    generation : int or None
        The generation from which on it holds; None before a stream's first.
    position : int
        Position in that generation of the first frame after it.
    state : State
        How the stream was when the reader came to it.
    description : Description or None
        What the frames after it mean.
    """

    kind: EventKind
    generation: int | None
    position: int
    state: State
    description: Description | None
