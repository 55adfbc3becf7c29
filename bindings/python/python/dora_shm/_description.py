"""What the frames of a stream mean."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from ._errors import BadArgumentError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class LinearAxis:
    """Evenly spaced coordinates: entry `i` is at ``offset + gain * i``.

    Parameters
    ----------
    unit : str
        Unit of the coordinates, e.g. ``"s"``; empty if unknown.
    gain : float
        Step from one entry to the next; for a time axis, the inverse of the rate.
    offset : float, optional
        Coordinate of the first entry. None for the buffered axis, whose coordinates are the frames' times.
    """

    unit: str = ""
    gain: float = 1.0
    offset: float | None = None

    def __post_init__(self) -> None:
        for name, value in (("gain", self.gain), ("offset", self.offset or 0.0)):
            if isinstance(value, str | bytes) or not hasattr(value, "__float__"):
                raise TypeError(f"the {name} of an axis is {value!r}, expected a number")

    def values(self, n: int) -> npt.NDArray[np.float64]:
        """The coordinates of the first `n` entries, float64, in `unit`."""
        return (self.offset or 0.0) + self.gain * np.arange(n, dtype=np.float64)


@dataclass(frozen=True, slots=True)
class CoordAxis:
    """One coordinate or label per entry.

    Parameters
    ----------
    unit : str
        Unit of the coordinates; empty for labels.
    data : sequence, optional
        Strings, numbers, or dicts such as ``{"label": "Cz", "x": 0.0, "y": 0.1}``, one per entry. None for the buffered
        axis, whose coordinates are the frames' times.
    """

    unit: str = ""
    data: tuple[Any, ...] | None = None

    def __post_init__(self) -> None:
        if self.data is None:
            return
        if not np.iterable(self.data) or isinstance(self.data, str | bytes | Mapping | Set):
            raise TypeError(f"the coordinates of an axis are {self.data!r}, expected a list of them")
        data = plain(self.data) if isinstance(self.data, np.ndarray) else plain(list(self.data))
        for entry in data:
            _check_entry(entry, entry)
        object.__setattr__(self, "data", tuple(data))

    @property
    def labels(self) -> tuple[str, ...]:
        """One string per entry: its label, or its coordinate as text. Empty without `data`."""
        named = (entry.get("label", entry) if isinstance(entry, Mapping) else entry for entry in self.data or ())
        return tuple(str(entry) for entry in named)


Axis: TypeAlias = LinearAxis | CoordAxis


@dataclass(frozen=True, slots=True)
class Description:
    """What the frames of a stream mean. A stream's description changes rarely.

    Attributes
    ----------
    dims : tuple of str
        A name for each dimension of a chunk's samples: the buffered axis (usually ``"time"``), then the dimensions of a
        frame. Empty if they are unknown.
    axes : dict
        Axes by the names of their dimensions. The coordinates of a dimension without an entry are unknown.
    attrs : dict
        Other facts about the signal, from its source: bool, int, float, str, lists of int, float or str, and
        `numpy.datetime64`.
    key : str
        The source's own name for the signal; empty if the source gives none.
    stream_dim : str or None
        The dimension along which messages accumulate, if the source states one.
    layout : dict or None
        How a dora message is rebuilt from frames (its Arrow type, shape and dims); `SPEC.md` defines the members. None if
        the stream's writer is not a dora node.
    """

    dims: tuple[str, ...] = ()
    axes: dict[str, Axis] = field(default_factory=dict)
    attrs: dict[str, Any] = field(default_factory=dict)
    key: str = ""
    stream_dim: str | None = None
    layout: dict[str, Any] | None = None

    @property
    def buffered_axis(self) -> str | None:
        """Name of the axis along which frames follow each other, or None."""
        return self.dims[0] if self.dims else None

    def labels(self, dim: str) -> tuple[str, ...]:
        """The labels along a dimension; () if it has none."""
        axis = self.axes.get(dim)
        return axis.labels if isinstance(axis, CoordAxis) else ()

    @classmethod
    def _from_json(cls, text: bytes) -> Description:
        """Parses the JSON that a stream holds in shared memory; `SPEC.md` defines it."""
        found = json.loads(text)
        axes = {dim: _axis_from_json(axis) for dim, axis in found["axes"].items()}
        attrs = {name: _attr_from_json(attr) for name, attr in found["attrs"].items()}
        key, stream_dim, layout = found["key"], found["stream_dim"], found["message"]
        return cls(tuple(found["dims"]), axes, attrs, key, stream_dim, layout)

    def _to_json(self) -> bytes:
        """The JSON that a stream holds in shared memory."""
        described = {
            "version": 1,
            "dims": list(self.dims),
            "buffered_axis": self.buffered_axis,
            "axes": {str(dim): _axis_to_json(axis) for dim, axis in self.axes.items()},
            "attrs": {str(name): _attr_to_json(str(name), attr) for name, attr in self.attrs.items()},
            "key": self.key,
            "stream_dim": self.stream_dim,
            "message": self.layout,
        }
        text = json.dumps(described, allow_nan=False, ensure_ascii=False)
        try:
            return text.encode()
        except UnicodeEncodeError as error:
            wrong = text[max(error.start - 20, 0) : error.end]
            message = f"{wrong!r} in the description is not Unicode text, expected text without lone surrogates"
            raise BadArgumentError(message) from None


def _axis_from_json(axis: dict[str, Any]) -> Axis:
    if axis["kind"] == "linear":
        return LinearAxis(axis["unit"], _value_from_json(axis["gain"]), _value_from_json(axis.get("offset")))
    data = axis.get("data")
    return CoordAxis(axis["unit"], None if data is None else tuple(_value_from_json(entry) for entry in data))


def _axis_to_json(axis: Axis) -> dict[str, Any]:
    if isinstance(axis, LinearAxis):
        made = {"kind": "linear", "unit": axis.unit, "gain": _value_to_json(float(axis.gain))}
        return made if axis.offset is None else made | {"offset": _value_to_json(float(axis.offset))}
    made = {"kind": "coord", "unit": axis.unit}
    return made if axis.data is None else made | {"data": _value_to_json(list(axis.data))}


def _value_from_json(value: Any) -> Any:
    """A value from JSON, where `{"$float": "nan"}` stands for a number that JSON cannot express."""
    if isinstance(value, dict):
        if len(value) == 1 and "$float" in value:
            return float(value["$float"])
        return {name: _value_from_json(member) for name, member in value.items()}
    return [_value_from_json(entry) for entry in value] if isinstance(value, list) else value


def _value_to_json(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return {"$float": "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"}
    if isinstance(value, dict):
        return {name: _value_to_json(member) for name, member in value.items()}
    return [_value_to_json(entry) for entry in value] if isinstance(value, list) else value


def _attr_from_json(attr: Any) -> Any:
    if isinstance(attr, dict):
        if "$timestamp_ns" in attr:
            return np.datetime64(attr["$timestamp_ns"], "ns")
        # Every tag other than that of floats stands for an empty list.
        return _value_from_json(attr) if "$float" in attr else []
    return _value_from_json(attr)


def _check_entry(part: Any, entry: Any) -> None:
    if isinstance(part, dict | list):
        for member in part.values() if isinstance(part, dict) else part:
            _check_entry(member, entry)
    elif not (part is None or isinstance(part, bool | int | float | str)):
        raise BadArgumentError(f"a coordinate is {entry!r}, expected a string, a number, or a dict of such")


def _attr_to_json(name: str, attr: Any) -> Any:
    value = plain(attr)
    if isinstance(value, list):
        kinds = {type(entry) for entry in value}
        if not kinds:
            return {"$floats": []}
        if kinds == {int, float}:
            value = [float(entry) for entry in value]
        if not kinds <= {int, float} and kinds != {str}:
            raise _unfit(name, attr)
    for entry in value if isinstance(value, list) else [value]:
        if isinstance(entry, int) and not -(2**63) <= entry < 2**63:
            raise _unfit(name, attr)
    if isinstance(value, dict) and "$timestamp_ns" not in value:
        raise _unfit(name, attr)
    if not isinstance(value, bool | int | float | str | dict | list):
        raise _unfit(name, attr)
    return _value_to_json(value)


def _unfit(name: str, attr: Any) -> BadArgumentError:
    expected = "a bool, an integer of 64 bits, a float, a string, a list of integers, floats or strings, or a time"
    return BadArgumentError(f"attribute {name!r} is {attr!r}, expected {expected}")


def as_axis(axis: Axis | Mapping[str, Any] | Sequence[Any] | npt.NDArray[Any]) -> Axis:
    """An axis as users write it: an axis, its JSON form as a dict, or its labels or coordinates."""
    if isinstance(axis, LinearAxis | CoordAxis):
        return axis
    if isinstance(axis, Mapping):
        kinds: dict[Any, type[Axis]] = {"linear": LinearAxis, "coord": CoordAxis}
        members = {name: value for name, value in axis.items() if name != "kind"}
        made = kinds.get(axis.get("kind"))
        if made is None:
            raise BadArgumentError(f'an axis of kind {axis.get("kind")!r}, expected "linear" or "coord"')
        known = [member.name for member in fields(made)]
        if unknown := [name for name in members if name not in known]:
            raise BadArgumentError(f"a {axis['kind']} axis with {unknown[0]!r}, expected of {known}")
        return made(**members)
    # A set's entries have no defined order.
    if not np.iterable(axis) or isinstance(axis, str | bytes | Set):
        raise TypeError(f"an axis is {axis!r}, expected a list of labels or coordinates, LinearAxis or CoordAxis")
    return CoordAxis(data=tuple(plain(axis) if isinstance(axis, np.ndarray) else axis))


def as_axes(axes: Mapping[str, Any]) -> dict[str, Axis]:
    """Axes by the names of their dimensions."""
    if not isinstance(axes, Mapping):
        raise TypeError(f"axes is {axes!r}, expected a dict with an axis for each name of a dimension")
    return {dim: as_axis(axis) for dim, axis in axes.items()}


def as_attrs(attrs: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes by their names."""
    if not isinstance(attrs, Mapping):
        raise TypeError(f"attrs is {attrs!r}, expected a dict")
    for name in attrs:
        if not isinstance(name, str):
            raise TypeError(f"an attribute is called {name!r}, expected a string")
    return dict(attrs)


def as_dims(dims: Sequence[str]) -> tuple[str, ...]:
    """Names of dimensions."""
    found = tuple(dims) if np.iterable(dims) and not isinstance(dims, str | bytes) else None
    if found is None or not all(isinstance(dim, str) for dim in found):
        raise TypeError(f"dims is {dims!r}, expected a name for each dimension, such as ('time', 'ch')")
    return found


def plain(value: Any) -> Any:
    """`value` in Python's own types: numpy numbers and arrays are converted, and times become nanoseconds."""
    if isinstance(value, np.datetime64):
        # Some versions of numpy wrap a time that does not fit.
        try:
            made = value.astype("datetime64[ns]")
        except OverflowError:
            return value
        return {"$timestamp_ns": int(made.astype(np.int64))} if np.isnat(value) or made.astype(value.dtype) == value else value
    if isinstance(value, np.ndarray) and value.dtype.names is not None:
        return [dict(zip(value.dtype.names, entry, strict=True)) for entry in value.tolist()]
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, datetime):
        # Without a time zone, it is local time, as in Python. Integers keep the microseconds.
        try:
            return {"$timestamp_ns": (value.astimezone(UTC) - _EPOCH) // timedelta(microseconds=1) * 1000}
        except (ValueError, OverflowError):
            return value
    if isinstance(value, Mapping):
        return {str(name): plain(member) for name, member in value.items()}
    if isinstance(value, list | tuple):
        return [plain(entry) for entry in value]
    return value
