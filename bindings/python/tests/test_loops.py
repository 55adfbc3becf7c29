"""Event loops: asyncio, and loops that wait on file descriptors, as Qt does."""

from __future__ import annotations

import asyncio
import selectors
import time

import dora_shm
from dora_shm import Reader

from .conftest import PATIENCE_S, threads, wait_until
from .test_reading import counting, stream

WRITER = """
    import time
    with dora_shm.Writer(name, "int64", (4,), 1000.0, buf_frames=10_000, clock="unix") as writer:
        report("begun")
        read_line()
        for i in range(300):
            writer.write(np.full(4, i))
            time.sleep(0.0005)
"""


def test_a_loop_that_sleeps_on_descriptors_gets_every_frame(name: str, actor) -> None:
    writer = actor(WRITER)
    writer.expect("begun")
    seen: list[int] = []
    with Reader(name) as reader, selectors.DefaultSelector() as selector:
        selector.register(reader, selectors.EVENT_READ)
        writer.send_line("go")
        over = False
        while not over:
            assert selector.select(PATIENCE_S), f"no frame after {len(seen)} frames"
            seen.extend(reader.read().samples[:, 0].tolist())
            over = any(event.kind == "writer_gone" for event in reader.events())
    assert seen == list(range(300))


def test_frames_that_a_short_read_leaves_keep_the_descriptor_readable(name: str) -> None:
    with stream(name) as writer, Reader(name) as reader, selectors.DefaultSelector() as selector:
        selector.register(reader, selectors.EVENT_READ)
        writer.write(counting(0, 10))
        for first in range(0, 10, 2):
            assert selector.select(PATIENCE_S)
            assert reader.read(2).first == first
        with_nothing = 0
        while selector.select(0.1):
            assert not reader.read()
            with_nothing += 1
            assert with_nothing < 5
        writer.write(counting(10, 1))
        assert selector.select(PATIENCE_S)
        with reader.view() as view:
            assert len(view) == 1


def test_a_stream_that_is_not_read_does_not_wake_the_thread(name: str) -> None:
    with stream(name) as writer, Reader(name) as reader, selectors.DefaultSelector() as selector:
        selector.register(reader, selectors.EVENT_READ)
        while selector.select(0.1):
            reader.read()
        writer.write(counting(0, 1))
        assert selector.select(PATIENCE_S)
        (thread,) = threads("dora-shm-notify")
        before, started = switches(thread), time.monotonic()
        for _ in range(2000):
            writer.write(counting(0, 1))
        # It polls a few times per second, however long this takes.
        assert switches(thread) - before <= 5 + 10 * (time.monotonic() - started)


def test_an_idle_stream_wakes_the_thread_a_few_times_per_second(name: str) -> None:
    for absent in (False, True):
        writer = None if absent else stream(name)
        with Reader(name) as reader, selectors.DefaultSelector() as selector:
            selector.register(reader, selectors.EVENT_READ)
            while selector.select(0.1):
                reader.read()
            (thread,) = threads("dora-shm-notify")
            before, started = switches(thread), time.monotonic()
            wait_until(lambda: switches(thread) >= before + 5, "five wake-ups")
            # On a busy machine, they can only come later.
            assert time.monotonic() - started >= 0.4, "more than ten per second"
        if writer is not None:
            writer.close()


def switches(thread: str) -> int:
    with open(f"{thread}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("voluntary_ctxt_switches"))


def test_async_for_gets_every_frame_and_lets_other_tasks_run(name: str, actor) -> None:
    writer = actor(WRITER)
    writer.expect("begun")

    async def main() -> tuple[list[int], int]:
        seen: list[int] = []
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                ticks += 1
                await asyncio.sleep(0.005)

        ticking = asyncio.create_task(tick())
        with Reader(name) as reader:
            writer.send_line("go")
            async for chunk in reader:
                seen.extend(chunk.samples[:, 0].tolist())
        ticking.cancel()
        return seen, ticks

    seen, ticks = asyncio.run(asyncio.wait_for(main(), PATIENCE_S))
    assert seen == list(range(300)) and ticks > 1


def test_an_async_loop_can_be_cancelled_and_begun_again(name: str) -> None:
    async def main() -> None:
        with stream(name) as writer, Reader(name) as reader:

            async def first() -> int:
                async for chunk in reader:
                    return len(chunk)
                return 0

            for _ in range(3):
                try:
                    await asyncio.wait_for(first(), 0.05)
                except TimeoutError:
                    pass
                else:
                    raise AssertionError("nothing was written")
            writer.write(counting(0, 3))
            assert await asyncio.wait_for(first(), PATIENCE_S) == 3

    asyncio.run(main())


def test_watch_can_be_awaited(name: str) -> None:
    async def main() -> dora_shm.Change:
        async def mine() -> dora_shm.Change:
            async for change in dora_shm.watch(0.01):
                if change.stream.name == name:
                    return change
            raise AssertionError("the watch does not end")

        return await asyncio.wait_for(mine(), PATIENCE_S)

    with stream(name):
        assert asyncio.run(main()).kind == "appeared"


def test_a_closed_reader_ends_an_async_loop(name: str) -> None:
    async def main() -> None:
        with stream(name) as writer:
            reader = Reader(name)

            async def read() -> None:
                async for _ in reader:
                    reader.close()

            async def begin_to_read() -> asyncio.Task[None]:
                before = threads("dora-shm-notify")
                task = asyncio.create_task(read())
                async with asyncio.timeout(PATIENCE_S):
                    # The thread that wakes the loop begins when the task first waits.
                    while threads("dora-shm-notify") <= before:
                        await asyncio.sleep(0)
                return task

            task = await begin_to_read()
            writer.write(counting(0, 1))
            await asyncio.wait_for(task, PATIENCE_S)

            reader = Reader(name)
            task = await begin_to_read()
            reader.close()
            await asyncio.wait_for(task, PATIENCE_S)

    asyncio.run(main())


def test_the_interpreter_ends_with_a_reader_that_is_being_watched(name: str, actor) -> None:
    program = actor("""
        import threading
        reader = dora_shm.Reader(name)
        reader.fileno()
        threading.Thread(target=reader.wait, daemon=True).start()
        report("watching")
        read_line()
    """)
    program.expect("watching")
    assert program.end() == 0
