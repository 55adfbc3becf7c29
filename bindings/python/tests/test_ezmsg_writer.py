"""Streams that the real ezmsg-tools are writing, 0.6 (struct version 1) and 0.10 (2), each in its own process."""

from __future__ import annotations

import asyncio
import json
import os
import selectors
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dora_shm
from dora_shm import Chunk, Reader
from dora_shm.ezmsg import EZShmMirror

from .conftest import PATIENCE_S, segments, wait_until

SCRIPT = Path(__file__).parents[3] / "ring/tests/ezmsg_writer/writer.py"
RELEASES = [(1, "DORA_SHM_EZMSG06_PYTHON"), (2, "DORA_SHM_EZMSG_PYTHON")]
RATE = 1000.0


class Original:
    """A `ShMemCircBuff` in a process, driven by commands."""

    def __init__(self, version: int, python: str, name: str) -> None:
        self.version = version
        # Its resource tracker warns about what it leaks.
        self.process = subprocess.Popen(
            [python, str(SCRIPT)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert self.process.stdout is not None and self.process.stdout.readline() == "ready\n"
        self.name = name

    def begin(self, do: str, **arguments: Any) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
        self.process.stdin.flush()

    def answer(self) -> Any:
        assert self.process.stdout is not None
        answer = json.loads(self.process.stdout.readline())
        assert "raised" not in answer, answer
        return answer["answer"]

    def __call__(self, do: str, **arguments: Any) -> Any:
        self.begin(do, **arguments)
        return self.answer()

    def end(self) -> None:
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()
        self.process.wait(PATIENCE_S)


@pytest.fixture(params=RELEASES, ids=["0.6", "0.10"])
def original(request: pytest.FixtureRequest, name: str) -> Iterator[Original]:
    version, variable = request.param
    python = os.environ.get(variable)
    if python is None:
        # A run by hand may skip this, but the task must not.
        assert "DORA_SHM_XTASK" not in os.environ, f"{variable} names no Python"
        pytest.skip(f"{variable} names no Python with ezmsg-tools; `cargo xtask python` makes one")
    made = Original(version, python, name)
    yield made
    made.end()
    # Its defect D7: rings that were replaced stay as long as its resource tracker runs.
    for path in segments(name):
        path.unlink(missing_ok=True)


def check(chunk: Chunk, original: Original, channels: int = 3) -> None:
    assert chunk.samples.dtype == np.int64 and chunk.samples.shape == (len(chunk), channels)
    expected = chunk.positions[:, None] * 31 + np.arange(channels) * 1_000_003
    np.testing.assert_array_equal(chunk.samples, expected)
    # Version 1 has no times, so they begin at 0 with the stream.
    since = 0.0 if original.version == 1 else 100.0
    np.testing.assert_allclose(chunk.times, since + chunk.positions / RATE, rtol=0, atol=1e-6)


def read_up_to(reader: Reader, end: int, original: Original) -> int:
    """Reads until `end` has been passed. Returns the number of frames that came."""
    deadline = time.monotonic() + PATIENCE_S
    frames = 0
    while reader.position < end:
        assert time.monotonic() < deadline, f"{reader.position} of {end}"
        chunk = reader.read(timeout=1.0)
        if chunk:
            check(chunk, original)
            frames += len(chunk)
    assert reader.position == end
    return frames


def test_a_reader_reports_everything_for_ezmsgs_streams(name: str, original: Original) -> None:
    with Reader(name) as reader:
        assert reader.state == "absent" and not reader.read()
        original("open", name=name, seconds=1.0)
        original("describe", attrs=True, labels="struct")
        original("write", frames=30)
        assert read_up_to(reader, 30, original) == 30
        assert reader.state == "ezmsg"
        info = reader.info
        assert (info.kind, info.struct_version, info.name, str(info.state)) == ("ezmsg", original.version, name, "ezmsg")
        assert (info.dtype, info.shape, info.rate, info.ring_frames) == (np.int64, (3,), RATE, 1000)
        assert (info.generation, info.position, info.key, info.reason) == (0, 30, "k", None)
        assert info.dims == ("time", "ch") and info.buffered_axis == "time" and info.layout is None
        assert info.axes["time"] == dora_shm.LinearAxis("s", 1 / RATE)
        assert info.labels("ch")[0] == str({"bank": "A", "elec": 1, "x": 0.5})
        assert info.axes["ch"].data[1] == {"bank": "B", "elec": 2, "x": -1.0}
        attrs = info.attrs
        assert (attrs["bool"], attrs["integer"], attrs["float"], attrs["text"]) == (True, -7, 2.5, "µV")
        assert (attrs["list"], attrs["strings"], attrs["empty"]) == ([1, 2, 3], ["a", "b"], [])
        assert attrs["then"] == np.datetime64("2024-01-02T03:04:05.000000006", "ns")
        assert any('"dict"' in what for what in info.left_out)
        assert [str(event.kind) for event in reader.events()] == ["new_generation"]
        original("describe", labels="plain")
        original("write", frames=5)
        chunk = reader.read(5, timeout=PATIENCE_S)
        assert len(chunk) == 5 and chunk.description.labels("ch") == ("Fp1", "größer", "Cz")
        check(chunk, original)
        assert [str(event.kind) for event in reader.events()] == ["new_description"]
        assert np.isnat(chunk.send_times).all() or (abs(chunk.send_ns * 1e-9 - time.time()) < PATIENCE_S).all()
        (listed,) = [stream for stream in dora_shm.streams() if stream.segment == info.segment]
        assert (listed.kind, listed.struct_version, listed.key) == ("ezmsg", original.version, "k")


def test_every_way_to_read_gives_every_frame_of_ezmsgs_streams(name: str, original: Original) -> None:
    original("open", name=name, seconds=1.0)
    original("write", frames=10)
    out, times = np.empty((1000, 3), np.int64), np.empty(1000)

    async def awaited(reader: Reader) -> Chunk:
        async for chunk in reader:
            return chunk
        raise AssertionError("the loop does not end")

    def selected(reader: Reader) -> Chunk:
        with selectors.DefaultSelector() as selector:
            selector.register(reader, selectors.EVENT_READ)
            while True:
                assert selector.select(PATIENCE_S)
                if chunk := reader.read():
                    return chunk

    def viewed(reader: Reader) -> Chunk:
        with reader.view(timeout=PATIENCE_S) as view:
            samples, at = np.concatenate(view.parts), np.concatenate(view.times_parts)
        assert view.whole
        return Chunk(samples, at, view.first, 0, view.generation)

    ways = [
        lambda reader: reader.read(),
        lambda reader: next(iter(reader)),
        lambda reader: reader.read(out=out, times_out=times),
        lambda reader: asyncio.run(asyncio.wait_for(awaited(reader), PATIENCE_S)),
        selected,
        viewed,
    ]
    with Reader(name, "oldest") as reader:
        assert read_up_to(reader, 10, original) == 10
        for turn in range(60):
            # Of all lengths, also such that the ring is exactly full (defect D1), and a lone frame (D2).
            frames = (1, 7, 250, 100)[turn % 4]
            end = original("write", frames=frames)
            chunk = ways[turn % len(ways)](reader)
            assert (chunk.first, len(chunk), chunk.lost) == (end - frames, frames, 0), turn
            check(chunk, original)
            assert len(reader.latest(5)) == 5 and reader.latest(1).positions[0] == end - 1
        assert not reader.read() and (reader.lost, reader.lag.frames) == (0, 0)


def test_losses_in_ezmsgs_streams_are_counted(name: str, original: Original) -> None:
    original("open", name=name, seconds=0.2)
    original("write", frames=10)
    with Reader(name, "oldest") as reader:
        assert read_up_to(reader, 10, original) == 10
        original("write", frames=50, messages=40)
        frames = read_up_to(reader, 2010, original)
        assert 0 < frames <= 200 and reader.lost == 2000 - frames
        # While it is writing at its own pace.
        original.begin("write", frames=10, messages=2000)
        frames += read_up_to(reader, 22010, original)
        original.answer()
        assert reader.lost == 22000 - frames


def test_other_formats_and_the_end_of_ezmsgs_streams_are_followed(name: str, original: Original) -> None:
    original("open", name=name, seconds=0.5)
    original("write", frames=4)
    with Reader(name, "oldest") as reader:
        assert read_up_to(reader, 4, original) == 4
        for generation, (shape, dtype) in enumerate([({"dtype": "float32"}, "f4"), ({"channels": 5}, "f4")], 1):
            original("shape", **shape)
            original("write", frames=6)
            chunk = reader.read(6, timeout=PATIENCE_S)
            assert (chunk.generation, chunk.samples.dtype, len(chunk)) == (generation, np.dtype(dtype), 6)
            assert [str(event.kind) for event in reader.events()] == ["new_generation"]
        original("close")
        wait_until(lambda: not reader.read() and reader.state in ("absent", "closed"), "the stream is gone")


def test_our_mirror_of_ezmsgs_gives_each_frame_of_the_real_sink_once(name: str, original: Original) -> None:
    mirror = EZShmMirror(name)
    assert not mirror.connected
    original("open", name=name, seconds=1.0)
    original("describe", labels="struct")
    next_position = 0
    for turn in range(80):
        frames = (1, 10, 250, 33)[turn % 4]
        end = original("write", frames=frames)
        samples, times, overflow = mirror.timed_view()
        assert not overflow and len(samples) == frames, turn
        check(Chunk(samples, times, next_position, 0, 0), original)
        next_position = end
        assert len(mirror.auto_view()[0]) == 0
    assert mirror.connected and mirror.dims == ["time", "ch"] and mirror.meta.srate == RATE
    assert mirror.axes["ch"]["data"].dtype.names == ("bank", "elec", "x")
    # More than a lap is lost, and reported.
    original("write", frames=100, messages=25)
    samples, times, overflow = mirror.timed_view()
    assert overflow and samples[-1, 0] == (next_position + 2499) * 31
    mirror.disconnect()
