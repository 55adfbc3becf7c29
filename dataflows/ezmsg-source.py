"""An ezmsg program that writes the synthetic signal into shared memory, for ezmsg-to-dora.yml.

`python ezmsg-source.py [STREAM] [SECONDS]` writes STREAM (default: `ezmsg`) for SECONDS (default: until Ctrl-C). It
needs ezmsg-tools.
"""

import asyncio
import sys
import time
from collections.abc import AsyncGenerator

import ezmsg.core as ez
import numpy as np
from ezmsg.tools.shmem.shmem import ShMemCircBuff, ShMemCircBuffSettings
from ezmsg.util.messages.axisarray import AxisArray

CHANNELS, RATE, FRAMES_PER_MESSAGE = 64, 1000, 10
WAVE = (50.0 * np.sin(2 * np.pi * np.arange(RATE) / RATE)).astype(np.float32)
LABELS = np.array(["frame"] + [f"sine {hz} Hz" for hz in range(1, CHANNELS)])


class SourceSettings(ez.Settings):
    seconds: float


class Source(ez.Unit):
    """The frames that the signal-source of this folder sends: channel 0 counts frames, channel c is a sine of c Hz."""

    SETTINGS = SourceSettings
    OUTPUT_SIGNAL = ez.OutputStream(AxisArray)

    @ez.publisher(OUTPUT_SIGNAL)
    async def send(self) -> AsyncGenerator:
        labels = AxisArray.CoordinateAxis(data=LABELS, dims=["ch"], unit="")
        begin, frame = time.monotonic(), 0
        while frame < self.SETTINGS.seconds * RATE:
            frames = np.arange(frame, frame + FRAMES_PER_MESSAGE)
            signal = WAVE[(frames[:, None] % RATE * np.arange(CHANNELS)) % RATE]
            signal[:, 0] = frames % (1 << 24)
            yield self.OUTPUT_SIGNAL, AxisArray(
                signal,
                dims=["time", "ch"],
                axes={"time": AxisArray.TimeAxis(fs=RATE, offset=frame / RATE), "ch": labels},
                attrs={"unit": "uV"},
                key="synthetic signal",
            )
            frame += FRAMES_PER_MESSAGE
            await asyncio.sleep(max(0.0, begin + frame / RATE - time.monotonic()))
        # Readers of the shared memory get a moment for the last frames.
        await asyncio.sleep(0.5)
        raise ez.NormalTermination


def main() -> None:
    stream = sys.argv[1] if len(sys.argv) > 1 else "ezmsg"
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else float("inf")
    source = Source(SourceSettings(seconds=seconds))
    sink = ShMemCircBuff(ShMemCircBuffSettings(shmem_name=stream, buf_dur=10.0, axis="time"))
    ez.run(SOURCE=source, SINK=sink, connections=((source.OUTPUT_SIGNAL, sink.INPUT_SIGNAL),))


if __name__ == "__main__":
    main()
