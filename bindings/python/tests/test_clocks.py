"""Which clock times are on, how they are converted, and what a writer did not write."""

from __future__ import annotations

import struct
import time

import numpy as np
import pytest

from dora_shm import BadArgumentError, Reader, Writer
from dora_shm.ezmsg import shorten_shmem_name


def clock_of(name: str) -> str | None:
    with Reader(name, "oldest") as reader:
        return reader.info.clock


def test_times_that_the_writer_makes_are_unix_time_by_the_generations_pair(name: str) -> None:
    with Writer(name, "int32", (), rate=100.0) as writer, Reader(name) as reader:
        before = time.monotonic()
        writer.write(np.zeros(1, "int32"))
        after = time.monotonic()
        chunk = reader.read()
        info = reader.info
        assert (info.clock, chunk.clock, writer.generation) == ("unix", "unix", 0)
        assert info.clock_id is not None and len(info.clock_id) == 36 and info.clock_pair is not None
        unix_ns, mono_ns = info.clock_pair
        assert abs(time.time_ns() - unix_ns) < 3600 * 10**9 and mono_ns <= after * 1e9
        (monotonic,) = chunk.times_on("monotonic")
        assert before - 1e-6 <= monotonic <= after + 1e-6
        np.testing.assert_array_equal(chunk.times_on("unix"), chunk.times)
        np.testing.assert_allclose(chunk.times, monotonic + (unix_ns - mono_ns) * 1e-9, rtol=0, atol=1e-6)


def test_times_that_the_caller_gives_are_the_sources_own_unless_it_names_their_clock(name: str) -> None:
    with Writer(name, "int32", (), rate=100.0) as writer:
        writer.write([1, 2], times=[5.0, 5.01])
        assert clock_of(name) == "source"
        with Reader(name, "oldest") as reader:
            chunk = reader.read()
            assert chunk.times.tolist() == [5.0, 5.01] and chunk.clock == "source"
            for clock in ("unix", "monotonic"):
                with pytest.raises(BadArgumentError, match="source's own clock"):
                    chunk.times_on(clock)
        writer.begin()
        writer.write([4], times=[9.0])
        assert (clock_of(name), writer.generation) == ("source", 1)
        writer.begin(clock="monotonic")
        writer.write([4], times=[9.0])
        assert (clock_of(name), writer.generation) == ("monotonic", 2)


def test_a_writer_on_the_monotonic_clock_makes_monotonic_times(name: str) -> None:
    with Writer(name, "int32", (), rate=100.0, clock="monotonic") as writer, Reader(name) as reader:
        before = time.monotonic()
        writer.write(np.zeros(1, "int32"))
        after = time.monotonic()
        chunk = reader.read()
        assert chunk.clock == "monotonic" and before <= chunk.times[0] <= after
        unix = chunk.times_on("unix")
        assert abs(unix[0] - time.time()) < 3600 and unix is not chunk.times


def test_an_unknown_clock_is_refused(name: str) -> None:
    with pytest.raises(BadArgumentError, match="expected one of source, unix, monotonic"):
        Writer(name, "int32", (), rate=100.0, clock="utc")
    with Writer(name, "int32", (), rate=100.0) as writer, Reader(name) as reader:
        with pytest.raises(BadArgumentError, match="expected one of"):
            writer.begin(clock="tai")
        writer.write([1])
        chunk = reader.read()
        for clock in ("source", "tai"):
            with pytest.raises(BadArgumentError, match="expected|unix"):
                chunk.times_on(clock)


def test_messages_say_whether_their_times_follow_those_before_them(name: str) -> None:
    with Writer(name, "int32", (), rate=100.0, clock="unix") as writer, Reader(name) as reader:
        for start in (5.0, 5.01, 5.03):
            writer.write([1], times=[start])
        messages = reader.read().messages
        assert [message.discontinuity for message in messages] == [False, False, True]


def test_what_the_writer_did_not_write_is_in_the_info(name: str) -> None:
    with Writer(name, "int32", (), rate=100.0) as writer, Reader(name) as reader:
        writer.write([1])
        info = reader.info
        assert (info.refused, info.dropped, info.gaps) == (0, 0, 0)
        # As a sink stores them (SPEC.md, counts of what was not written).
        with open(f"/dev/shm/{shorten_shmem_name(name)}", "r+b") as header:
            header.seek(3456)
            header.write(struct.pack("<QQQ", 3, 4, 5))
        info = reader.info
        assert (info.refused, info.dropped, info.gaps) == (3, 4, 5)
        with open(f"/dev/shm/{shorten_shmem_name(name)}", "r+b") as header:
            header.seek(3480)
            header.write(struct.pack("<I", 7))
        info = reader.info
        assert (info.refused, info.dropped, info.gaps) == (None, None, None), "another writer's counts"
