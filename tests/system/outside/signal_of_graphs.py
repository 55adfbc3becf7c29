"""The signal that the signal-source of dataflows/ sends, and a judge of the frames that arrive."""

from __future__ import annotations

import os
import time

import dora_shm
import numpy as np

STREAM = os.environ["STREAM"]
FRAMES = int(os.environ["FRAMES"])
CHANNELS, RATE, FRAMES_PER_MESSAGE = 64, 1000, 10
WAVE = (50.0 * np.sin(2 * np.pi * np.arange(RATE) / RATE)).astype(np.float32)
LABELS = ("frame", *(f"sine {hz} Hz" for hz in range(1, CHANNELS)))


def expected(frames: np.ndarray) -> np.ndarray:
    """The samples of these frames: channel 0 counts frames, channel c is a sine of c Hz."""
    signal = WAVE[(frames[:, None] % RATE * np.arange(CHANNELS)) % RATE]
    signal[:, 0] = frames
    return signal


class Judge:
    """Checks frames one after the other. Every frame of the source is written, so positions are its frame numbers."""

    def __init__(self) -> None:
        self.next = 0
        self.lost = 0
        self.read = 0
        self.last_time = 0.0

    def check(self, positions: np.ndarray, samples: np.ndarray, times: np.ndarray, lost: int) -> None:
        assert samples.dtype == np.float32 and samples.shape == (len(positions), CHANNELS), samples.shape
        assert positions[0] == self.next + lost and (np.diff(positions) == 1).all(), (positions, self.next, lost)
        np.testing.assert_array_equal(samples, expected(positions))
        self.check_times(positions, times)
        self.lost += lost
        self.read += len(positions)
        self.next = int(positions[-1]) + 1

    def check_times(self, positions: np.ndarray, times: np.ndarray) -> None:
        """The source stamps each message with the current time. Times within a message are evenly spaced."""
        assert times.dtype == np.float64 and times.shape == positions.shape
        inside = np.diff(times)[np.diff(positions // FRAMES_PER_MESSAGE) == 0]
        np.testing.assert_allclose(inside, 1 / RATE, rtol=0, atol=1e-9)
        # The times are of the same clock as `time.monotonic`. No machine is behind by a minute.
        now = time.monotonic()
        assert now - 60 < times[0] and times[-1] <= now and times[0] > self.last_time - 0.05
        self.last_time = float(times[-1])

    def finish(self) -> None:
        assert (self.next, self.read + self.lost) == (FRAMES, FRAMES), (self.next, self.read, self.lost)


def check_description(description: dora_shm.Description) -> None:
    assert description.dims == ("time", "ch") and description.buffered_axis == "time"
    assert description.axes["time"] == dora_shm.LinearAxis("s", 1 / RATE, None)
    assert description.labels("ch") == LABELS
    assert description.key == "synthetic signal" and description.attrs == {"unit": "uV"}
    assert description.layout is not None
