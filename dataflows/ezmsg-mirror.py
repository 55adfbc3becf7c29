"""Reads the stream of dora-to-ezmsg.yml with ezmsg's own, unmodified EZShmMirror.

`python ezmsg-mirror.py [STREAM] [FRAMES]` reads STREAM (default: `dora`) until FRAMES frames have arrived (default:
until Ctrl-C). It needs ezmsg-tools 0.10. It prints the stream's description once, then the number of frames every
second. It fails if a frame is missing or differs from what was sent.
"""

import sys
import time

import numpy as np
from ezmsg.tools.shmem.shmem_mirror import EZShmMirror

CHANNELS, RATE = 64, 1000
WAVE = (50.0 * np.sin(2 * np.pi * np.arange(RATE) / RATE)).astype(np.float32)


def expected(first: int, count: int) -> np.ndarray:
    """The frames that the signal-source of this folder sends: channel 0 counts frames, channel c is a sine of c Hz."""
    frames = np.arange(first, first + count)
    signal = WAVE[(frames[:, None] % RATE * np.arange(CHANNELS)) % RATE]
    signal[:, 0] = frames % (1 << 24)
    return signal


def main() -> None:
    stream = sys.argv[1] if len(sys.argv) > 1 else "dora"
    wanted = int(sys.argv[2]) if len(sys.argv) > 2 else sys.maxsize
    mirror = EZShmMirror(shmem_name=stream)
    next_frame, seen, reported = None, 0, time.monotonic()
    while seen < wanted:
        view, overflow = mirror.auto_view()
        # Before it is connected it returns one frame without content.
        if not mirror.connected or view is None or view.size == 0:
            time.sleep(0.005)
            continue
        if next_frame is None:
            labels = mirror.axes["ch"]["data"]
            print(f"dims {mirror.dims}, {len(labels)} channels from {labels[0]!r} to {labels[-1]!r}, attrs {mirror.attrs}")
        first = int(view[0, 0])
        if overflow or next_frame not in (None, first):
            sys.exit(f"found frame {first}, expected {next_frame}")
        np.testing.assert_array_equal(view, expected(first, len(view)))
        seen += len(view)
        next_frame = first + len(view)
        if time.monotonic() - reported >= 1.0:
            reported = time.monotonic()
            print(f"ezmsg: {seen} frames", flush=True)
    print(f"ezmsg: {seen} frames in total")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        pass
