"""Drives the unmodified ShMemCircBuff of ezmsg-tools: reads one command and prints one result per line of JSON."""

import asyncio
import json
import logging
import sys
import time

import numpy as np
from ezmsg.tools.shmem.shmem import ShMemCircBuff, ShMemCircBuffSettings
from ezmsg.util.messages.axisarray import AxisArray

logging.disable(logging.WARNING)

ATTRS = {
    "bool": True,
    "integer": -7,
    "float": 2.5,
    "text": "µV",
    "nothing": None,
    "complex": 1 + 2j,
    "huge": 2**70,
    "list": [1, 2, 3],
    "tuple": (1.5, 2),
    "strings": ["a", "b"],
    "empty": [],
    "bytes": b"raw",
    "float32": np.float32(0.5),
    "int16": np.int16(-3),
    "true": np.bool_(True),
    "string": np.str_("np"),
    "array": np.array([1.0, np.nan, np.inf]),
    "integers": np.arange(4, dtype=">i4")[::2],
    "names": np.array(["x", "größer"]),
    "noints": np.array([], dtype=np.int64),
    "matrix": np.zeros((2, 2)),
    "half": np.array([0.25], dtype=np.float16),
    "zero": np.array(3.5),
    "then": np.datetime64("2024-01-02T03:04:05.000000006", "ns"),
    "day": np.datetime64("2024-01-02", "D"),
    "span": np.timedelta64(3, "s"),
    "dict": {"a": 1},
}

LABELS = {
    "plain": np.array(["Fp1", "größer", "Cz"]),
    "struct": np.array(
        [("A", 1, 0.5), ("B", 2, -1.0), ("Bank", 3, 2.0)], dtype=[("bank", "U4"), ("elec", "i4"), ("x", "f8")]
    ),
    "object": np.array(["a", "bc", "d"], dtype=object),
    "bytes": np.array([b"Fp1", b"Cz", b"O"]),
    "numbers": np.array([1, 2, 3]),
    "floats": np.array([1.5, 2.5, -0.25], dtype=np.float32),
}


class Commands:
    def __init__(self):
        self.unit = None
        self.position = 0
        self.channels = 3
        self.dtype = "int64"
        self.rate = 1000.0
        self.key = "k"
        self.attrs = {}
        self.labels = None

    async def open(self, name, seconds):
        self.unit = ShMemCircBuff(ShMemCircBuffSettings(shmem_name=name, buf_dur=seconds, axis="time"))
        self.unit._instantiate_state()
        await self.unit.initialize()

    async def shape(self, channels=None, dtype=None, rate=None, key=None):
        self.channels = channels or self.channels
        self.dtype = dtype or self.dtype
        self.rate = rate or self.rate
        self.key = key or self.key
        self.position = 0

    async def describe(self, attrs=False, labels=None):
        self.attrs = dict(ATTRS) if attrs else {}
        self.labels = labels

    async def write(self, frames, messages=1, pause=0.0):
        axes = {"time": None}
        if self.labels is not None:
            axes["ch"] = AxisArray.CoordinateAxis(data=LABELS[self.labels], dims=["ch"], unit="")
        channels = np.arange(self.channels) * 1_000_003
        for _ in range(messages):
            positions = np.arange(self.position, self.position + frames)
            data = (positions[:, None] * 31 + channels).astype(self.dtype)
            axes["time"] = AxisArray.TimeAxis(fs=self.rate, offset=100.0 + self.position / self.rate)
            message = AxisArray(data, dims=["time", "ch"], axes=dict(axes), attrs=self.attrs, key=self.key)
            await self.unit.on_message(message)
            self.position += frames
            if pause:
                time.sleep(pause)
        return self.position

    async def close(self):
        await self.unit.shutdown()


async def main():
    commands = Commands()
    print("ready", flush=True)
    for line in sys.stdin:
        command = json.loads(line)
        try:
            answer = {"answer": await getattr(commands, command.pop("do"))(**command)}
        except Exception as error:  # noqa: BLE001 - the test decides what an exception means
            answer = {"raised": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


asyncio.run(main())
