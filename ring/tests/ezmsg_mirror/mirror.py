"""Drives the unmodified EZShmMirror of ezmsg-tools: reads one command and prints one result per line of JSON."""

import base64
import ctypes
import json
import math
import pickletools
import sys

import numpy as np
from ezmsg.tools.shmem.aux_meta import decode_aux
from ezmsg.tools.shmem.shmem import ShmemArrMeta
from ezmsg.tools.shmem.shmem_mirror import EZShmMirror


def plain(value):
    """A value as JSON, with its type if JSON would lose it."""
    if isinstance(value, np.ndarray):
        kind = "struct" if value.dtype.names else value.dtype.kind
        rows = [list(row) for row in value.tolist()] if value.dtype.names else value.tolist()
        return {"array": kind, "names": list(value.dtype.names or []), "values": rows}
    if isinstance(value, np.datetime64):
        return {"datetime64[ns]": int(value.astype("datetime64[ns]").astype(np.int64))}
    if isinstance(value, dict):
        return {name: plain(member) for name, member in value.items()}
    if isinstance(value, list):
        return [plain(member) for member in value]
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": str(value)}
    return value


def header_of(meta):
    return {
        "magic": meta.magic,
        "struct_version": meta.struct_version,
        "bvalid": meta.bvalid,
        "dtype": meta.dtype.decode(),
        "srate": meta.srate,
        "shape": list(meta.shape[: meta.ndim]),
        "buffer_generation": meta.buffer_generation,
        "wrap_counter": meta.wrap_counter,
        "key": meta.key,
        "write_index": meta.write_index,
        "meta_generation": meta.meta_generation,
        "aux_nbytes": meta.aux_nbytes,
    }


class Commands:
    def __init__(self):
        self.mirror = None
        self.buffer_changes = 0
        self.metadata_changes = 0

    def open(self, name):
        self.mirror = EZShmMirror(name)
        self.mirror.register_change_callback(self._buffer_changed)
        self.mirror.register_metadata_callback(self._metadata_changed)
        return self.mirror.meta is not None

    def _buffer_changed(self):
        self.buffer_changes += 1

    def _metadata_changed(self):
        self.metadata_changes += 1

    def poll(self, n=None):
        frames, times, overflow = self.mirror.timed_view(n)
        return {
            "connected": self.mirror.connected,
            "shape": list(frames.shape),
            "dtype": frames.dtype.name,
            "samples": base64.b64encode(np.ascontiguousarray(frames).tobytes()).decode(),
            "times": times.tolist(),
            "overflow": bool(overflow),
            "buffer_changes": self.buffer_changes,
            "metadata_changes": self.metadata_changes,
        }

    def ring(self):
        """The whole content of the ring, as the mirror maps it."""
        state = self.mirror._mirror_state
        return {
            "shape": list(state.buffer_arr.shape),
            "dtype": state.buffer_arr.dtype.name,
            "samples": base64.b64encode(state.buffer_arr.tobytes()).decode(),
            "times": state.times_arr.tolist(),
        }

    def describe(self):
        mirror = self.mirror
        return plain(
            {
                "dims": mirror.dims,
                "axes": mirror.axes,
                "attrs": mirror.attrs,
                "stream_dim": mirror.stream_dim,
                "buffered_axis": mirror.buffered_axis,
                "key": mirror._aux and mirror._aux["key"],
                "metadata_changes": self.metadata_changes,
            }
        )

    def header(self):
        return header_of(self.mirror.meta)

    def decode(self, header, aux):
        """The content of the files of a header and of a metadata segment."""
        meta = ShmemArrMeta.from_buffer_copy(open(header, "rb").read(ctypes.sizeof(ShmemArrMeta)))
        blob = open(aux, "rb").read()[: meta.aux_nbytes]
        names = []
        strings = []
        for opcode, argument, _ in pickletools.genops(blob):
            if isinstance(argument, str):
                strings.append(argument)
            if opcode.name in ("GLOBAL", "STACK_GLOBAL", "INST"):
                names.append(argument or ".".join(strings[-2:]))
        return {"header": header_of(meta), "description": plain(decode_aux(blob)), "names": sorted(set(names))}


def main():
    commands = Commands()
    print("ready", flush=True)
    for line in sys.stdin:
        command = json.loads(line)
        try:
            answer = {"answer": getattr(commands, command.pop("do"))(**command)}
        except Exception as error:  # noqa: BLE001 - the test decides what an exception means
            answer = {"raised": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


main()
