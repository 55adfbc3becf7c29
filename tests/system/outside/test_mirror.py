"""`dora_shm.ezmsg.EZShmMirror` on the stream of a graph. outside.rs starts the graph and runs the test."""

from __future__ import annotations

import time

import numpy as np
from dora_shm.ezmsg import EZShmMirror
from signal_of_graphs import CHANNELS, FRAMES, LABELS, RATE, STREAM, Judge

PATIENCE_S = 60.0


def test_the_mirror_gets_every_frame() -> None:
    mirror = EZShmMirror(STREAM)
    changes: list[str] = []
    mirror.register_change_callback(lambda: changes.append("change"))
    mirror.register_metadata_callback(lambda: changes.append("metadata"))
    assert not mirror.connected and mirror.meta is None and not mirror.metadata_available
    print("ready", flush=True)
    judge = Judge()
    deadline = time.monotonic() + PATIENCE_S
    calls = 0
    while judge.next < FRAMES:
        assert time.monotonic() < deadline, judge.next
        calls += 1
        # As programs do, reads all new frames and a number of frames by turns.
        samples, times, overflow = mirror.timed_view(64 if calls % 2 and judge.next < FRAMES - 64 else None)
        assert not overflow
        if not samples.size:
            time.sleep(0.005)
            continue
        if judge.next == 0:
            check(mirror)
        positions = np.arange(judge.next, judge.next + len(samples))
        judge.check(positions, samples, times, 0)
    judge.finish()
    assert sorted(changes) == ["change", "metadata"]
    while mirror.connected:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    samples, overflow = mirror.auto_view()
    assert samples.shape == (0, CHANNELS) and not overflow
    mirror.disconnect()


def check(mirror: EZShmMirror) -> None:
    assert mirror.connected and mirror.metadata_available
    assert mirror.dims == ["time", "ch"] and mirror.buffered_axis == "time" and mirror.attrs == {"unit": "uV"}
    assert mirror.axes["time"] == {"kind": "linear", "unit": "s", "gain": 1 / RATE}
    assert tuple(mirror.axes["ch"]["data"]) == LABELS
    meta = mirror.meta
    assert (meta.srate, meta.key, meta.dtype, meta.bvalid) == (RATE, "synthetic signal", b"f", True)
    assert meta.shape[1 : meta.ndim] == [CHANNELS] and meta.shape[0] >= 1000
