"""Events of a stream, and the result of a wait."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from ._description import Description
from ._info import State


class Wait(StrEnum):
    """Result of `Reader.wait`. True if there is something to read, else false. Members equal their names in lower case."""

    READY = "ready"
    """There is something to read: frames, a new generation, or the stream's end."""
    TIMED_OUT = "timed_out"
    """The time is over."""
    WRITER_DEAD = "writer_dead"
    """The writer has died without closing the stream. This ends a wait early when it happens. Later waits last until
    their time is over, and then report it again."""

    def __bool__(self) -> bool:
        return self is Wait.READY


class EventKind(StrEnum):
    """What happened. Members equal their names in lower case: ``event.kind == "writer_gone"``."""

    NEW_GENERATION = "new_generation"
    """The dtype, frame shape, rate, length or key changed, or a stream appeared. `Reader.info` has the new values."""
    NEW_DESCRIPTION = "new_description"
    """Labels, units or attributes changed, and nothing else."""
    WRITER_RESTARTED = "writer_restarted"
    """Another writer has the stream: it took over from a dead one, or created the stream again after it was closed."""
    WRITER_GONE = "writer_gone"
    """The writer closed the stream (`Event.state` is closed) or died (dead). If another process later closes a dead writer's
    stream, that is a second event."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a stream, in order with its frames.

    Attributes
    ----------
    kind : EventKind
        What happened.
    generation : int or None
        The generation that was read then; None before the stream's first generation.
    position : int
        Position in that generation of the first frame after the event.
    state : State
        State of the stream when the reader came to the event.
    description : Description or None
        The description that was held then: that of the frames after the event.
    """

    kind: EventKind
    generation: int | None
    position: int
    state: State
    description: Description | None


def event_of(
    kind: str, generation: int | None, position: int, state: str, description: Description | None
) -> Event:
    """Makes an event from what the compiled module returns."""
    return Event(EventKind(kind), generation, position, State(state), description)
