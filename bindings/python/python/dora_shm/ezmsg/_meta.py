"""Headers and axes in ezmsg's own form: a ctypes struct, and plain dicts."""

from __future__ import annotations

import contextlib
import ctypes
import os
import stat
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .. import _dora_shm
from .._description import Axis, CoordAxis, Description, LinearAxis

SHMEM_META_MAGIC = 0x455A4D53
"""First word of a header."""
SHMEM_META_STRUCT_VERSION = 2
"""The version that `EZShmMirror.meta` has. Streams of version 1 are read, too."""
MAX_KEY_BYTES = 1024
MAX_RANK = 64
NO_GENERATION = 0xFFFFFFFF


class ShmemVersionError(RuntimeError):
    """Something else has the stream's name, or an unknown version of ezmsg wrote the stream."""


def version_error(message: str) -> ShmemVersionError:
    """The exception; if the program has loaded the original's class as well, it is an instance of both."""
    theirs = getattr(sys.modules.get("ezmsg.tools.shmem.shmem"), "ShmemVersionError", None)
    if not (isinstance(theirs, type) and issubclass(theirs, RuntimeError)):
        return ShmemVersionError(message)
    made: ShmemVersionError = type("ShmemVersionError", (ShmemVersionError, theirs), {})(message)
    return made


class ShmemArrMeta(ctypes.Structure):
    """The header of a stream in ezmsg's layout. `EZShmMirror.meta` returns a copy.

    `shape` has 64 entries, of which the first `ndim` are used: ``meta.shape[: meta.ndim]`` is the ring's shape, frames first.
    `dtype` is numpy's character, as bytes.
    """

    _pack_ = 1
    _fields_ = [
        ("magic", ctypes.c_uint32),
        ("struct_version", ctypes.c_uint32),
        ("bvalid", ctypes.c_bool),
        ("dtype", ctypes.c_char),
        ("srate", ctypes.c_double),
        ("ndim", ctypes.c_uint32),
        ("shape", ctypes.c_uint32 * MAX_RANK),
        ("buffer_generation", ctypes.c_uint32),
        ("wrap_counter", ctypes.c_uint64),
        ("_key_bytes", ctypes.c_ubyte * MAX_KEY_BYTES),
        ("_key_len", ctypes.c_uint32),
        ("write_index", ctypes.c_uint64),
        ("meta_generation", ctypes.c_uint32),
        ("aux_nbytes", ctypes.c_uint32),
    ]

    if TYPE_CHECKING:
        magic: int
        struct_version: int
        bvalid: bool
        dtype: bytes
        srate: float
        ndim: int
        shape: ctypes.Array[ctypes.c_uint32]
        buffer_generation: int
        wrap_counter: int
        _key_bytes: ctypes.Array[ctypes.c_ubyte]
        _key_len: int
        write_index: int
        meta_generation: int
        aux_nbytes: int

    @property
    def key(self) -> str:
        """The source's own name for the signal."""
        length = min(int(self._key_len), MAX_KEY_BYTES)
        return bytes(self._key_bytes[:length]).decode("utf-8", errors="replace")

    @key.setter
    def key(self, value: str) -> None:
        text = value.encode()[:MAX_KEY_BYTES].decode("utf-8", errors="ignore").encode()
        ctypes.memmove(self._key_bytes, text, len(text))
        self._key_len = len(text)


HEADER_BYTES = ctypes.sizeof(ShmemArrMeta)


def shorten_shmem_name(long_name: str | None) -> str | None:
    """Name of the shared-memory segment for a long name; None for None.

    ``"sm_"`` and the first 20 characters of the URL-safe base64 of the name's SHA-256.

    >>> shorten_shmem_name("demo")
    'sm_KpdRbDVLaISM29j1SiJq'
    """
    return None if long_name is None else _dora_shm.shorten(long_name)


def found_magic(name: str) -> int | None:
    """First word of the segment that has the stream's name; None if there is no such segment, or it cannot be a header.

    It is 0 while a writer fills the header.
    """
    path = f"/dev/shm/{_dora_shm.shorten(name)}"
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            return None
        found = os.pread(file, 4, 0)
    finally:
        os.close(file)
    return int.from_bytes(found, "little") if len(found) == 4 else None


def dims(description: Description) -> list[str]:
    """Names of the ring's dimensions, the buffered axis first. A ring of single numbers has one more dimension here."""
    names = list(description.dims)
    if len(names) == 1:
        names.append("value" if names[0] == "ch" else "ch")
    return names


def axes(description: Description, rate: float) -> dict[str, dict[str, Any]]:
    """Axes in ezmsg's form. The buffered axis has neither offset nor data: its coordinates are the frames' times."""
    made: dict[str, dict[str, Any]] = {}
    buffered = description.buffered_axis
    if buffered is not None:
        made[buffered] = _buffered(buffered, description.axes.get(buffered), rate)
    for name, axis in description.axes.items():
        if name == buffered:
            continue
        if isinstance(axis, LinearAxis):
            made[name] = _linear(axis.unit, axis.gain) | {"offset": axis.offset or 0.0}
        else:
            made[name] = _coord(name, axis.unit)
            if axis.data is not None:
                made[name]["data"] = _labels(axis.data)
    return made


def _buffered(name: str, axis: Axis | None, rate: float) -> dict[str, Any]:
    if isinstance(axis, LinearAxis):
        return _linear(axis.unit, axis.gain)
    if isinstance(axis, CoordAxis):
        return _coord(name, axis.unit)
    return _linear("s", 1 / rate) if rate > 0 else _coord(name, "s" if name == "time" else "")


def _linear(unit: str, gain: float) -> dict[str, Any]:
    return {"kind": "linear", "unit": unit, "gain": gain}


def _coord(name: str, unit: str) -> dict[str, Any]:
    return {"kind": "coord", "unit": unit, "dims": [name]}


def _labels(data: Sequence[Any]) -> npt.NDArray[Any]:
    """Coordinates as an array: of strings or numbers, or structured if all are dicts with the same members."""
    if data and all(isinstance(entry, dict) and entry.keys() == data[0].keys() and entry for entry in data):
        columns = {member: _labels([entry[member] for entry in data]) for member in data[0]}
        made = np.empty(len(data), [(member, column.dtype, column.shape[1:]) for member, column in columns.items()])
        for member, column in columns.items():
            made[member] = column
        return made
    kinds = {type(entry) for entry in data}
    dtypes: tuple[npt.DTypeLike | None, ...] = ()
    if kinds in ({str}, {bool}):
        dtypes = (None,)
    elif kinds == {int}:
        dtypes = (np.int64, np.uint64)
    elif kinds and kinds <= {int, float}:
        dtypes = (np.float64,)
    for dtype in dtypes:
        with contextlib.suppress(OverflowError):
            found = np.array(data, dtype)
            # One type represents all of them exactly. (A NaN does not equal itself.)
            if kinds == {float} or found.tolist() == list(data):
                return found
    made = np.empty(len(data), object)
    for i, entry in enumerate(data):
        made[i] = entry
    return made
