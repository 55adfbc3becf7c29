"""`dora_shm.Reader` on the stream of a graph. outside.rs starts a graph for each test and runs the test."""

from __future__ import annotations

import asyncio
import selectors
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from dora_shm import Chunk, Reader
from signal_of_graphs import FRAMES, FRAMES_PER_MESSAGE, RATE, STREAM, Judge, check_description

PATIENCE_S = 60.0


def check_chunk(judge: Judge, chunk: Chunk) -> None:
    judge.check(chunk.positions, chunk.samples, chunk.times, chunk.lost)
    assert chunk.generation == 0 and not chunk.description_missed
    check_description(chunk.description)
    # Unix time at which the source sent the message.
    age = time.time() - chunk.send_ns * 1e-9
    assert (age >= 0).all() and (age < 60).all()
    for message in chunk.messages:
        assert message.frames == FRAMES_PER_MESSAGE and message.first % FRAMES_PER_MESSAGE == 0


def by_iterating(reader: Reader, judge: Judge) -> None:
    for chunk in reader:
        check_chunk(judge, chunk)


def by_awaiting(reader: Reader, judge: Judge) -> None:
    async def main() -> None:
        async for chunk in reader:
            check_chunk(judge, chunk)

    asyncio.run(main())


def by_reads_of_a_number(reader: Reader, judge: Judge) -> None:
    while chunk := reader.read(37, timeout=PATIENCE_S):
        assert len(chunk) == 37 or judge.next + len(chunk) == FRAMES
        check_chunk(judge, chunk)


def by_reads_into_arrays(reader: Reader, judge: Judge) -> None:
    assert reader.wait(PATIENCE_S)
    reader.read(0)
    out, times = np.empty((50, 64), np.float32), np.empty(50)
    while chunk := reader.read(timeout=PATIENCE_S, out=out, times_out=times):
        assert chunk.samples.base is out
        check_chunk(judge, chunk)


def by_views(reader: Reader, judge: Judge) -> None:
    while view := reader.view(timeout=PATIENCE_S):
        with view:
            samples, times = np.concatenate(view.parts), np.concatenate(view.times_parts)
        assert view.whole
        check_description(view.description)
        judge.check(view.positions, samples, times, 0)


def by_a_selector(reader: Reader, judge: Judge) -> None:
    with selectors.DefaultSelector() as selector:
        selector.register(reader, selectors.EVENT_READ)
        while True:
            assert selector.select(PATIENCE_S)
            if chunk := reader.read():
                check_chunk(judge, chunk)
            elif any(event.kind == "writer_gone" for event in reader.events()):
                return


WAYS = [
    by_iterating,
    by_awaiting,
    by_reads_of_a_number,
    by_reads_into_arrays,
    by_views,
    by_a_selector,
]


def follow(reader: Reader, way: Callable[[Reader, Judge], None]) -> None:
    judge = Judge()
    with reader:
        way(reader, judge)
        judge.finish()
        assert (judge.lost, reader.lost, reader.lag.frames) == (0, 0, 0)
        if way is not by_a_selector:
            assert [str(event.kind) for event in reader.events()] == ["new_generation", "writer_gone"]


def test_every_way_to_read_gets_every_frame() -> None:
    readers = [Reader(STREAM) for _ in WAYS]
    with Reader(STREAM) as looking, ThreadPoolExecutor(len(WAYS)) as pool:
        assert looking.state == "absent"
        followers = [pool.submit(follow, *pair) for pair in zip(readers, WAYS, strict=True)]
        print("ready", flush=True)
        assert looking.wait(PATIENCE_S)
        # As a display does while the stream runs.
        while looking.info.position < FRAMES // 2:
            assert any(not follower.done() for follower in followers)
            newest = looking.latest(200)
            assert not newest or newest.samples[-1, 0] == newest.positions[-1]
            time.sleep(0.01)
        looking.read()
        info = looking.info
        assert (info.kind, str(info.state), info.dtype, info.shape) == ("stream", "live", np.float32, (64,))
        assert (info.rate, info.generation, info.name, info.dims) == (RATE, 0, STREAM, ("time", "ch"))
        assert info.measured_rate is not None and RATE / 2 < info.measured_rate < RATE * 2
        assert 0.5 < np.ptp(looking.latest(seconds=1.0).times) <= 1.0
        for follower in followers:
            follower.result()


def test_a_slow_reader_accounts_for_every_frame() -> None:
    judge = Judge()
    with Reader(STREAM) as reader:
        print("ready", flush=True)
        check_chunk(judge, reader.read(100, timeout=PATIENCE_S))
        while reader.info.position < FRAMES // 2:
            time.sleep(0.01)
        # The ring has 500 frames, so the reader was lapped.
        assert reader.lag.frames > 500
        chunk = reader.read()
        assert chunk.lost > FRAMES // 2 - 100 - 510 and reader.lost == chunk.lost
        check_chunk(judge, chunk)
        for chunk in reader:
            check_chunk(judge, chunk)
        judge.finish()
        assert reader.lost == judge.lost
