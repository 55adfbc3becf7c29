"""Writes a stream that looks like EEG, for trying readers: eight labelled channels in microvolts.

    python write_signal.py my-signal
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import numpy.typing as npt

import dora_shm

CHANNELS = ("Fp1", "Fp2", "C3", "Cz", "C4", "P3", "P4", "Oz")
RATE = 250.0
FRAMES = 10


def signal(first: int, frames: int, random: np.random.Generator) -> npt.NDArray[np.float32]:
    """Frames from position `first` on: shape ``(frames, 8)``, in microvolts."""
    t = (first + np.arange(frames)[:, np.newaxis]) / RATE
    channel = np.arange(len(CHANNELS))
    waxing = 0.5 + 0.5 * np.sin(2 * np.pi * (0.15 * t + channel / 11))
    alpha = (4 + 4 * channel) * waxing * np.sin(2 * np.pi * (10 + channel / 9) * t + channel)
    slow = 9 * np.sin(2 * np.pi * (0.7 + channel / 23) * t + 2 * channel)
    # A blink every three seconds, which is strongest at the front of the head.
    blink = 90 * np.exp(-(((t + 1) % 3 - 1.5) ** 2) / 0.008) * np.exp(-channel / 1.2)
    noise = random.normal(0, 3, (frames, len(CHANNELS)))
    mixed: npt.NDArray[np.float32] = (alpha + slow + blink + noise).astype(np.float32)
    return mixed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", help="name of the stream")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="how long to write; default: until Ctrl-C")
    arguments = parser.parse_args()

    random = np.random.default_rng(1)
    writer = dora_shm.Writer(
        arguments.name,
        "float32",
        (len(CHANNELS),),
        RATE,
        dims=("time", "ch"),
        axes={"time": dora_shm.LinearAxis("s", 1 / RATE), "ch": CHANNELS},
        attrs={"unit": "µV", "montage": "10-20"},
        key="synthetic EEG",
        buf_dur=20.0,
    )
    with writer:
        started = time.monotonic()
        while (written := writer.position / RATE) < arguments.seconds:
            writer.write(signal(writer.position, FRAMES, random))
            time.sleep(max(0.0, started + written - time.monotonic()))


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        pass
