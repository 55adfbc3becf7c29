"""Where a reader begins, as users write it."""

from __future__ import annotations

import functools
import math
import numbers
import operator
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any, ParamSpec

import numpy as np

from ._arguments import MOST
from ._errors import BadArgumentError

UNITS_S = {
    "s": 1.0,
    "sec": 1.0,
    "ms": 1e-3,
    "us": 1e-6,
    "\N{MICRO SIGN}s": 1e-6,
    "\N{GREEK SMALL LETTER MU}s": 1e-6,
    "ns": 1e-9,
    "m": 60.0,
    "min": 60.0,
    "h": 3600.0,
    "d": 86_400.0,
}
"""The units of time that the command line takes, in seconds."""

_TIME = re.compile(r"\s*([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)\s*([^\W\d_]*)\s*")
_EXPECTED = 'expected "newest", "oldest", a number of frames such as 500, or a time such as "5s", "250ms" or "1.5min"'


def start_of(start: Any) -> str | int | float:
    """A word, a number of frames (int), or a number of seconds (float)."""
    if isinstance(start, str):
        return start if start in ("newest", "oldest") else _seconds(start)
    if isinstance(start, timedelta):
        return _not_negative(start, start.total_seconds())
    if isinstance(start, np.timedelta64):
        return _not_negative(start, float(start / np.timedelta64(1, "s")))
    if isinstance(start, bool | np.bool_):
        raise TypeError(f"start is {start!r}, {_EXPECTED}")
    try:
        frames = operator.index(start)
    except TypeError:
        if isinstance(start, numbers.Real) and math.isfinite(start):
            raise TypeError(_both(repr(float(start)), float(start))) from None
        raise TypeError(f"start is {start!r}, {_EXPECTED}") from None
    if frames < 0:
        raise BadArgumentError(f"start is {start!r}, expected 0 or more frames")
    return min(frames, MOST)


def _both(shown: str, value: float) -> str:
    """The message that shows how to write frames and seconds, for a number that may mean either."""
    return f'start is {shown}, which may be frames or seconds: write start={value:.0f} for frames, start="{value:g}s" for a time'


def _seconds(text: str) -> float:
    found = _TIME.fullmatch(text)
    if found is None:
        raise BadArgumentError(f"start is {text!r}, {_EXPECTED}")
    value = float(found[1])
    if not found[2]:
        raise BadArgumentError(_both(repr(text), value))
    if found[2] not in UNITS_S:
        raise BadArgumentError(f"start is {text!r}, whose unit {found[2]!r} is unknown, {_EXPECTED}")
    return _not_negative(text, value * UNITS_S[found[2]])


def _not_negative(start: Any, seconds: float) -> float:
    if not 0 <= seconds < math.inf:
        raise BadArgumentError(f"start is {start!r}, expected a time of 0 or more")
    return seconds


P = ParamSpec("P")


def name_replacements(init: Callable[P, None]) -> Callable[P, None]:
    """Raises an exception for an argument that `Reader` does not have; it names the argument to use instead."""

    @functools.wraps(init)
    def checked(*arguments: P.args, **keywords: P.kwargs) -> None:
        if "last" in keywords:
            last = keywords["last"]
            raise TypeError(f"Reader has no argument last: write start={last if isinstance(last, int) else 500}")
        if "last_seconds" in keywords:
            seconds = keywords["last_seconds"]
            shown = f"{seconds:g}" if isinstance(seconds, numbers.Real) else "5"
            raise TypeError(f'Reader has no argument last_seconds: write start="{shown}s"')
        if len(arguments) > 3:
            raise TypeError("Reader takes a name and a start; write the other arguments with their names, such as owner=0")
        init(*arguments, **keywords)

    return checked
