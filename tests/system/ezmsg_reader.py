"""Reads a stream of the synthetic signal with the unmodified EZShmMirror, and checks the frames.

`ezmsg_reader.py STREAM FRAMES` succeeds once FRAMES consecutive frames have arrived and are correct.
"""

import sys
import time

import numpy as np
from ezmsg.tools.shmem.shmem_mirror import EZShmMirror

CHANNELS, RATE = 64, 1000
WAVE = (50.0 * np.sin(2 * np.pi * np.arange(RATE) / RATE)).astype(np.float32)


def expected(first: int, count: int) -> np.ndarray:
    frames = np.arange(first, first + count)
    signal = WAVE[(frames[:, None] % RATE * np.arange(CHANNELS)) % RATE]
    signal[:, 0] = frames % (1 << 24)
    return signal


def main() -> None:
    stream, wanted = sys.argv[1], int(sys.argv[2])
    mirror = EZShmMirror(shmem_name=stream)
    deadline = time.monotonic() + 60
    next_frame = None
    seen = 0
    while seen < wanted:
        if time.monotonic() > deadline:
            sys.exit(f"{seen} of {wanted} frames within a minute")
        view, overflow = mirror.auto_view()
        # Before it is connected it returns one frame without content.
        if view is None or view.size == 0:
            time.sleep(0.005)
            continue
        assert not overflow, "an overflow, although nothing was lost"
        assert view.shape[1:] == (CHANNELS,) and view.dtype == np.float32, (view.shape, view.dtype)
        first = int(view[0, 0])
        assert next_frame in (None, first), f"found frame {first}, expected {next_frame}"
        np.testing.assert_array_equal(view, expected(first, len(view)))
        seen += len(view)
        next_frame = first + len(view)
    print(f"ezmsg: {seen} frames")


main()
