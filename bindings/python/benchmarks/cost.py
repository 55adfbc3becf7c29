"""Measures `read()` and `view()` next to plain numpy copies of the same sizes.

    python cost.py
"""

from __future__ import annotations

import os
import platform
import statistics
import timeit
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

import dora_shm
from dora_shm.ezmsg import EZShmMirror

SIZES = [("1 KiB", 256), ("64 KiB", 16 * 1024), ("1 MiB", 256 * 1024), ("6.2 MB", 1920 * 1080 * 3 // 4)]
ROUNDS = 7
RING_BYTES = 64 << 20


def micros(call: Callable[[], object], before: Callable[[], object], repeats: int) -> float:
    """Median time of one call, in microseconds; `before` is called before each, and not counted."""
    times = []
    for _ in range(ROUNDS):
        total = 0.0
        for _ in range(repeats):
            before()
            start = timeit.default_timer()
            call()
            total += timeit.default_timer() - start
        times.append(total / repeats)
    return statistics.median(times) * 1e6


class PlainRing:
    """An ordinary array as long as the ring, written and copied in the same way, to measure numpy alone."""

    def __init__(self, frames: int, frame: npt.NDArray[np.float32]) -> None:
        self.ring = np.zeros((frames, len(frame)), np.float32)
        self.frame, self.at = frame, 0

    def write(self) -> None:
        self.at = (self.at + 1) % len(self.ring)
        self.ring[self.at] = self.frame

    def newest(self) -> npt.NDArray[np.float32]:
        return self.ring[self.at : self.at + 1]


def row(samples: int) -> tuple[list[float], float]:
    name = f"cost/{os.getpid()}"
    frame = np.random.default_rng(1).random(samples, np.float32)
    frames = max(3, min(1024, RING_BYTES // (4 * samples)))
    out, times = np.empty((1, samples), np.float32), np.empty(1)
    plain = PlainRing(frames, frame)
    repeats = max(20, 20_000_000 // (samples * 4 + 10_000))
    with (
        dora_shm.Writer(name, "float32", (samples,), 1000.0, buf_frames=frames) as writer,
        dora_shm.Reader(name) as reader,
    ):
        write = lambda: writer.write(frame)  # noqa: E731
        mirror = EZShmMirror(name)

        def look() -> None:
            with reader.view() as view:
                assert len(view) == 1

        def write_read_by_mirror() -> None:
            mirror.auto_view()
            writer.write(frame)

        found = [
            micros(reader.read, write, repeats),
            micros(lambda: reader.read(out=out, times_out=times), write, repeats),
            micros(look, write, repeats),
            micros(lambda: plain.newest().copy(), plain.write, repeats),
            micros(lambda: np.copyto(out, plain.newest()), plain.write, repeats),
            micros(mirror.auto_view, write_read_by_mirror, repeats),
            micros(write, lambda: None, repeats),
            micros(plain.write, lambda: None, repeats),
        ]
        nothing = micros(reader.read, reader.read, 2000)
        mirror.disconnect()
    return found, nothing


def main() -> None:
    columns = ["read()", "read(out=)", "view()", "numpy copy", "numpy copyto", "auto_view()", "write()", "numpy store"]
    print(f"Python {platform.python_version()}, numpy {np.__version__}, {platform.machine()}\n")
    print(f"| a frame of | {' | '.join(columns)} |\n| --- |{' --- |' * len(columns)}")
    for label, samples in SIZES:
        found, nothing = row(samples)
        print(f"| {label} | " + " | ".join(f"{value:.1f} us" for value in found) + " |")
    print(f"\nA read() that finds nothing new: {nothing:.1f} us.")


if __name__ == "__main__":
    main()
