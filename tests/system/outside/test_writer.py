"""`dora_shm.Writer`, whose stream a mirror sends into a graph. outside.rs starts the graph and runs each test."""

from __future__ import annotations

import itertools
import os
import time
from pathlib import Path

import dora_shm
import numpy as np
from signal_of_graphs import CHANNELS, FRAMES_PER_MESSAGE, LABELS, RATE, STREAM, expected


def test_the_signal() -> None:
    axes = {"ch": LABELS}
    attrs = {"unit": "uV"}
    with dora_shm.Writer(
        STREAM, "float32", (CHANNELS,), RATE, ("time", "ch"), axes, attrs, "synthetic signal", buf_dur=10.0
    ) as writer:
        print("ready", flush=True)
        begin = time.monotonic()
        for first in range(0, 2000, FRAMES_PER_MESSAGE):
            frames = np.arange(first, first + FRAMES_PER_MESSAGE)
            writer.write(expected(frames), times=frames / RATE)
            time.sleep(max(0.0, begin + (first + FRAMES_PER_MESSAGE) / RATE - time.monotonic()))
        assert writer.position == 2000 and writer.warnings() == []


def wait_for(receipt: Path) -> None:
    deadline = time.monotonic() + 60
    while not receipt.exists():
        assert time.monotonic() < deadline, f"no {receipt.name} within a minute"
        time.sleep(0.005)


def test_messages() -> None:
    """Messages of one frame, of several, of none, with other attributes, and in another format."""
    receipts = (Path(os.environ["RECORD"], f"{index:06}.json") for index in itertools.count())
    with dora_shm.Writer(STREAM, "int16", (2, 3), 100.0, ("time", "y", "x"), attrs={"run": 1}, buf_dur=10.0) as writer:
        print("ready", flush=True)
        writer.write(np.arange(6).reshape(2, 3).astype("int16"), times=1.5, send_ns=1_000_000_000)
        # Once the mirror has found the stream, it misses nothing.
        wait_for(next(receipts))
        writer.write(np.arange(24).reshape(4, 2, 3).astype("int16"), times=[2.0, 2.25, 2.5, 3.0])
        writer.write(np.empty((0, 2, 3), "int16"))
        writer.describe(attrs={"run": 2}, axes={"y": ["upper", "lower"]})
        writer.write(np.full((3, 2, 3), -7, "int16"), times=[4.0, 4.01, 4.02])
        writer.begin("float64", (), 50.0, dims=("time",), key="k")
        writer.write([0.5, np.nan])
        for _ in range(4):
            wait_for(next(receipts))
