"""What a `read()` and a `view()` cost beside plain numpy copies of the same sizes.

    python cost.py
"""

from __future__ import annotations

import os
import statistics
import timeit
from collections.abc import Callable

import numpy as np

import dora_shm

SIZES = [("1 KiB", 256), ("64 KiB", 16 * 1024), ("1 MiB", 256 * 1024), ("6.2 MB", 1920 * 1080 * 3 // 4)]
ROUNDS = 7


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


def main() -> None:
    print("| samples of a chunk | read() | read(out=) | view() | numpy copy | numpy copy, out= | write() |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for label, samples in SIZES:
        name = f"cost/{os.getpid()}"
        frame = np.random.default_rng(1).random(samples, np.float32)
        out, times = np.empty((1, samples), np.float32), np.empty(1)
        repeats = max(20, 20_000_000 // (samples * 4 + 10_000))
        with (
            dora_shm.Writer(name, "float32", (samples,), 1000.0, buf_frames=max(3, (64 << 20) // (4 * samples) + 1)
                            if samples > 16 * 1024 else 1024) as writer,
            dora_shm.Reader(name) as reader,
        ):
            write = lambda: writer.write(frame)  # noqa: E731

            def look() -> None:
                with reader.view() as view:
                    assert len(view) == 1

            row = [
                micros(reader.read, write, repeats),
                micros(lambda: reader.read(out=out, times_out=times), write, repeats),
                micros(look, write, repeats),
                micros(frame.copy, write, repeats),
                micros(lambda: np.copyto(out[0], frame), write, repeats),
                micros(write, lambda: None, repeats),
            ]
            nothing = micros(reader.read, reader.read, 2000)
        print(f"| {label} | " + " | ".join(f"{value:.1f} us" for value in row) + " |")
    print(f"\nA read() that finds nothing new: {nothing:.1f} us.")


if __name__ == "__main__":
    main()
