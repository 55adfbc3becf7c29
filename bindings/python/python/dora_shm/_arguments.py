"""Checks of arguments: each raises an exception that says what was expected."""

from __future__ import annotations

import math
import operator
import time
from typing import Any

from ._errors import BadArgumentError, BadNameError

MOST = 2**64 - 1
"""A limit above every possible number of frames."""


def name_of_stream(name: Any) -> str:
    """A stream's name. Only a name that cannot be passed to the library is refused here; the library checks the rest."""
    if not isinstance(name, str):
        raise TypeError(f"the stream's name is {name!r}, expected a string")
    try:
        name.encode()
    except UnicodeEncodeError:
        raise BadNameError(f"stream name {name!r} cannot be used: it is not Unicode text; choose another name") from None
    return name


def count(name: str, value: Any, unit: str = "frames", least: int = 0) -> int:
    """A whole number of something."""
    try:
        found = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} is {value!r}, expected a whole number of {unit}") from None
    if found < least:
        raise BadArgumentError(f"{name} is {value!r}, expected {least} or more {unit}")
    return min(found, MOST)


def seconds(name: str, value: Any) -> float:
    """A number of seconds, 0 or more; may be infinite."""
    found = number(name, value)
    if not found >= 0:
        raise BadArgumentError(f"{name} is {value!r}, expected 0 or more seconds")
    return found


def timeout_of(value: Any) -> float | None:
    """Seconds to wait; None: as long as it takes."""
    if value is None:
        return None
    found = number("timeout", value)
    if math.isnan(found):
        raise BadArgumentError(f"timeout is {value!r}, expected seconds, or None to wait as long as it takes")
    return None if found == math.inf else max(found, 0.0)


def whole(name: str, value: Any, what: str) -> int:
    """A whole number of 64 bits, of either sign."""
    try:
        found = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} is {value!r}, expected {what}") from None
    if not -(2**63) <= found < 2**63:
        raise BadArgumentError(f"{name} is {value!r}, expected {what} of 64 bits")
    return found


def shown(first: str, shape: tuple[int, ...]) -> str:
    """The shape of an array of frames as text, with a word for their number."""
    return f"({', '.join([first, *map(str, shape)])}{'' if shape else ','})"


def deadline_of(timeout: Any) -> tuple[float | None, float | None]:
    """A timeout, and the `time.monotonic` at which it is over; None: never, or, with a timeout of 0, not needed."""
    if timeout == 0:
        return 0.0, None
    found = timeout_of(timeout)
    return found, None if found is None else time.monotonic() + found


def number(name: str, value: Any) -> float:
    """A number of seconds."""
    if isinstance(value, str | bytes):
        raise TypeError(f"{name} is {value!r}, expected a number of seconds")
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf
    except (TypeError, ValueError):
        raise TypeError(f"{name} is {value!r}, expected a number of seconds") from None
