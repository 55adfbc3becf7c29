"""Times of frames: those that the writer makes, and what follows those that the caller gave."""

from __future__ import annotations

import time

import numpy as np
import pytest

from dora_shm import BadArgumentError, Reader, Writer


def written_between(writer: Writer, frames: int) -> tuple[float, float]:
    """Writes frames without times. Returns `time.monotonic` before and after."""
    before = time.monotonic()
    writer.write(np.zeros(frames, "int32"))
    return before, time.monotonic()


@pytest.mark.parametrize("rate", [1000.0, None])
@pytest.mark.parametrize("frames", [1, 10])
def test_a_block_ends_now(name: str, rate: float | None, frames: int) -> None:
    with Writer(name, "int32", (), rate, buf_frames=100) as writer, Reader(name) as reader:
        before, after = written_between(writer, frames)
        times = reader.read().times_on("monotonic")
        assert before - 1e-6 <= times[-1] <= after + 1e-6
        if rate:
            np.testing.assert_allclose(np.diff(times), 1 / rate, rtol=0, atol=1e-6)


def test_times_by_rate_are_even_and_rise_strictly_however_frames_are_written(name: str) -> None:
    with Writer(name, "int32", (), 1000.0, buf_frames=10_000) as writer, Reader(name) as reader:
        for frames in [1] * 2000 + [7, 1, 30] * 100:
            writer.write(np.zeros(frames, "int32"))
        chunk = reader.read()
        steps = np.diff(chunk.times)
        # 5 % while they are led, of a rate that is learned within 3 %.
        assert len(chunk) == 5800 and steps.min() > 0.00091 and steps.max() < 0.00109
        assert writer.generation == 0 and not any(message.discontinuity for message in chunk.messages)


def test_the_newest_seconds_are_a_number_of_frames(name: str) -> None:
    with Writer(name, "int32", (), 1000.0, buf_dur=10.0) as writer, Reader(name) as reader:
        for _ in range(6000):
            writer.write(np.int32(0))
        assert len(reader.latest(seconds=5)) == 5000 and len(reader.latest(seconds=0.1)) == 100


def test_without_a_rate_frames_are_of_when_they_are_written_and_none_is_before_another(name: str) -> None:
    with Writer(name, "int32", (), buf_frames=100) as writer, Reader(name) as reader:
        before, after = written_between(writer, 1)
        last_before, last_after = written_between(writer, 5)
        times = reader.read().times_on("monotonic")
        assert before - 1e-6 <= times[0] <= after + 1e-6
        assert last_before - 1e-6 <= times[-1] <= last_after + 1e-6
        assert (np.diff(times) >= 0).all() and times[1] <= times[-1]


@pytest.mark.parametrize("rate", [1000.0, 30_000.0])
def test_frames_without_times_follow_a_given_time_by_the_rate_and_no_rounding_adds_up(name: str, rate: float) -> None:
    start = 1_700_000_000.0
    with Writer(name, "int32", (), rate, buf_frames=10_100) as writer, Reader(name) as reader:
        writer.write(np.int32(0), times=start)
        for _ in range(10_000):
            writer.write(np.int32(0))
        chunk = reader.read()
        assert chunk.clock == "source" and writer.generation == 0
        exact = start + np.arange(10_001) / rate
        assert (np.abs(chunk.times - exact) <= np.spacing(start)).all()
        assert not any(message.discontinuity for message in chunk.messages)


def test_frames_without_times_go_on_from_the_newest_time_that_was_given(name: str) -> None:
    with Writer(name, "int32", (), 100.0, buf_frames=100) as writer, Reader(name) as reader:
        writer.write([0, 0], times=[5.0, 6.0])
        writer.write([0, 0])
        writer.write(np.zeros(0, int), times=[])
        writer.write([0], times=[3.0])
        writer.write([0])
        np.testing.assert_allclose(reader.read().times, [5.0, 6.0, 6.01, 6.02, 3.0, 3.01], rtol=0, atol=1e-12)
        assert writer.generation == 0


@pytest.mark.parametrize("rate", [None, 100.0])
def test_frames_on_the_sources_clock_that_follow_nothing_need_times(name: str, rate: float | None) -> None:
    with Writer(name, "int32", (), rate, buf_frames=100, clock="source") as writer:
        if rate is None:
            writer.write([1], times=[5.0])
        with pytest.raises(BadArgumentError, match="expected one for each frame; or use the clock unix"):
            writer.write([2])
        assert writer.position == (rate is None), "nothing was written"
        writer.write(np.zeros(0, int))


def test_a_generation_never_mixes_clocks(name: str) -> None:
    with Writer(name, "int32", (), 100.0, buf_frames=100) as writer, Reader(name) as reader:
        writer.write([1])
        writer.write([2], times=[5.0])
        for _ in range(3):
            writer.write([3])
            writer.write([4], times=[6.0])
        first, second = reader.read(), reader.read()
        assert (first.generation, first.clock, len(first)) == (0, "unix", 1)
        assert (second.generation, second.clock, len(second)) == (1, "source", 7)
        assert first.times[0] > 1e9 and second.times.max() < 7.0


@pytest.mark.parametrize("clock", ["unix", "monotonic"])
def test_times_that_are_made_are_never_before_one_that_was_given_on_a_named_clock(name: str, clock: str) -> None:
    with Writer(name, "int32", (), 100.0, buf_frames=100, clock=clock) as writer, Reader(name) as reader:
        future = (time.time() if clock == "unix" else time.monotonic()) + 1000.0
        writer.write([1], times=[future])
        writer.write([2, 3])
        chunk = reader.read()
        assert (chunk.clock, writer.generation) == (clock, 0)
        np.testing.assert_allclose(chunk.times, future + np.array([0.0, 0.01, 0.02]), rtol=0, atol=1e-6)
