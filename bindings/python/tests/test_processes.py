"""Threads, forks, spawned processes, signals: nothing crashes, hangs or is shared by mistake."""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import subprocess
import sys
import textwrap
import threading
import time

import numpy as np
import pytest

import dora_shm
from dora_shm import ForkedError, Reader, Writer

from .conftest import PATIENCE_S, PRELUDE, wait_until, wait_until_a_reader_waits
from .test_reading import counting, stream


def test_threads_that_share_a_reader_get_every_frame_once(name: str) -> None:
    seen: list[np.ndarray] = []
    wrong: list[dora_shm.Chunk] = []
    with stream(name, 100_000) as writer, Reader(name) as reader:
        done = threading.Event()

        def read() -> None:
            while not done.is_set():
                chunk = reader.read(7, timeout=0.05)
                if chunk:
                    seen.append(chunk.samples[:, 0] // 4)
                    if (seen[-1] != chunk.positions).any():
                        wrong.append(chunk)
                _ = reader.lag, reader.lost, reader.state, reader.latest(3), reader.info

        threads = [threading.Thread(target=read) for _ in range(4)]
        for thread in threads:
            thread.start()
        for first in range(0, 3000, 3):
            writer.write(counting(first, 3))
        wait_until(lambda: reader.lag.frames == 0, "all is read")
        done.set()
        for thread in threads:
            thread.join(PATIENCE_S)
            assert not thread.is_alive()
    assert sorted(np.concatenate(seen).tolist()) == list(range(3000))
    assert not wrong, "frames of one chunk are consecutive, even if another thread reads in between"


def test_another_thread_can_use_and_close_a_reader_that_waits(name: str) -> None:
    with stream(name) as writer:
        reader = Reader(name)
        ended: list[BaseException | None] = []

        def wait() -> None:
            try:
                reader.wait()
                ended.append(None)
            except dora_shm.ClosedError as error:
                ended.append(error)

        waiting = threading.Thread(target=wait)
        waiting.start()
        wait_until_a_reader_waits(name)
        started = time.monotonic()
        for _ in range(200):
            assert reader.lost == 0 and not reader.read()
        # This does not measure speed: 200 slices of a wait are 50 seconds.
        assert time.monotonic() - started < 20, "they do not wait for the thread that sleeps"
        assert waiting.is_alive()
        reader.close()
        waiting.join(PATIENCE_S)
        assert not waiting.is_alive() and isinstance(ended[0], dora_shm.ClosedError)
        writer.write(counting(0, 1))


def test_other_threads_run_while_one_waits(name: str) -> None:
    with stream(name, 1000) as writer, Reader(name) as reader:
        waiting = threading.Thread(target=reader.wait, args=(PATIENCE_S,))
        waiting.start()
        # Only a thread that runs meanwhile sees the lock of one that waits, and wakes it.
        wait_until_a_reader_waits(name)
        writer.write(counting(0, 1))
        waiting.join(PATIENCE_S)
        assert not waiting.is_alive()


def test_threads_that_share_a_writer_take_turns(name: str) -> None:
    with stream(name, 10_000) as writer, Reader(name) as reader:
        threads = [
            threading.Thread(target=lambda: [writer.write(counting(0, 2)) for _ in range(200)]) for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE_S)
        assert len(reader.read()) == 1600


@pytest.mark.parametrize(
    "call",
    ["reader.wait()", "reader.read(5, timeout=None)", "next(iter(reader))", "reader.view(timeout=60)"],
)
def test_ctrl_c_ends_every_call_that_waits(name: str, call: str) -> None:
    # If these tests run as a shell's background job, they may ignore SIGINT, and processes inherit that.
    code = PRELUDE + textwrap.dedent(f"""
        import signal
        signal.signal(signal.SIGINT, signal.default_int_handler)
        reader = dora_shm.Reader(name)
        report("waiting")
        try:
            {call}
        except KeyboardInterrupt:
            report("interrupted")
    """)
    with stream(name), subprocess.Popen([sys.executable, "-c", code, name], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == "waiting"
        wait_until_a_reader_waits(name)
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline().strip() == "interrupted"


def in_child(child) -> int:
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            status = int(child() or 0)
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_an_exception_in_the_middle_of_a_long_read_costs_no_frame(name: str) -> None:
    """The exception comes from a signal handler, as for Ctrl-C."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        with stream(name) as writer, Reader(name) as reader:
            out = np.zeros((20, 4), np.int64)
            for array in (None, out):
                first = reader.position
                writer.write(counting(first, 3))
                signal.setitimer(signal.ITIMER_REAL, 0.1)
                with pytest.raises(KeyboardInterrupt):
                    reader.read(20, timeout=PATIENCE_S, out=array)
                out[:] = 0
                writer.write(counting(first + 3, 2))
                chunks = [reader.read(2), reader.read(timeout=PATIENCE_S), reader.read()]
                assert [len(chunk) for chunk in chunks] == [2, 1, 2]
                np.testing.assert_array_equal(np.concatenate([chunk.samples for chunk in chunks]), counting(first, 5))
                assert [chunk.first for chunk in chunks] == [first, first + 2, first + 3]
                assert [len(chunk.messages) for chunk in chunks] == [1, 1, 1] and reader.lost == 0
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_a_forked_child_can_continue_with_its_parents_reader(name: str) -> None:
    with stream(name) as writer, Reader(name) as reader:
        writer.write(counting(0, 5))
        descriptor = reader.fileno()
        view = reader.view(2)

        def child() -> int:
            np.testing.assert_array_equal(view.parts[0], counting(0, 2))
            assert len(reader.read()) == 5
            assert reader.fileno() != descriptor and len(reader.latest(2)) == 2
            assert reader.wait(0.01) == "timed_out"
            reader.close()
            return 0

        assert in_child(child) == 0
        view.release()
        assert len(reader.read()) == 3, "the child's position is its own"


def test_a_reader_that_another_thread_was_using_raises_in_the_child(name: str) -> None:
    with stream(name), Reader(name) as reader:
        waiting = threading.Thread(target=reader.wait, args=(2.0,))
        waiting.start()
        wait_until_a_reader_waits(name)

        def child() -> int:
            try:
                reader.read()
            except ForkedError:
                with Reader(name) as own:
                    own.read()
                return 7
            return 1

        assert in_child(child) == 7
        waiting.join(PATIENCE_S)


def test_a_forked_child_cannot_write_and_does_not_close(name: str) -> None:
    with stream(name) as writer, Reader(name) as reader:

        def child() -> int:
            try:
                writer.write(counting(0, 1))
            except ForkedError:
                writer.close()
                return 7
            return 1

        assert in_child(child) == 7
        writer.write(counting(0, 1))
        assert len(reader.read()) == 1 and reader.state == "live"


def _read_some(name: str, results) -> None:
    with Reader(name, "oldest") as reader:
        results.put(len(reader.read(10, timeout=PATIENCE_S)))


def _write_some(name: str, seen) -> None:
    with Writer(name, "int64", (4,), 1000.0) as writer:
        writer.write(counting(0, 10))
        seen.wait(PATIENCE_S)


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_processes_of_multiprocessing_can_read_and_write(name: str, method: str) -> None:
    context = multiprocessing.get_context(method)
    results = context.Queue()
    with stream(name) as writer:
        writer.write(counting(0, 10))
        process = context.Process(target=_read_some, args=(name, results))
        process.start()
        assert results.get(timeout=PATIENCE_S) == 10
        process.join(PATIENCE_S)
        assert process.exitcode == 0
    with Reader(name) as reader:
        seen = context.Event()
        process = context.Process(target=_write_some, args=(name, seen))
        process.start()
        assert len(reader.read(10, timeout=PATIENCE_S)) == 10
        seen.set()
        assert list(reader) == []
        process.join(PATIENCE_S)
        assert process.exitcode == 0


def test_no_resource_tracker_is_started(name: str) -> None:
    code = PRELUDE + textwrap.dedent("""
        writer = dora_shm.Writer(name, "int64", (4,), 1000.0)
        reader = dora_shm.Reader(name)
        writer.write(np.zeros(4, "int64"))
        reader.read()
        assert "multiprocessing" not in sys.modules, "multiprocessing was imported"
    """)
    subprocess.run([sys.executable, "-W", "error", "-c", code, name], check=True, timeout=PATIENCE_S)


def resident_kib() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize() // 1024


def test_a_million_reads_take_no_more_memory_than_a_thousand(name: str) -> None:
    with stream(name, 64) as writer, Reader(name) as reader:
        frame = counting(0, 1)
        out, times = np.zeros((8, 4), np.int64), np.zeros(8)

        def work(times_over: int) -> None:
            for i in range(times_over):
                if i % 10 == 0:
                    writer.write(frame)
                if i % 100 == 0:
                    reader.read(out=out, times_out=times)
                    reader.latest(5)
                    with reader.view():
                        pass
                    _ = reader.info, reader.events()
                reader.read()

        work(20_000)
        before = resident_kib()
        work(1_000_000)
        grown = resident_kib() - before
        assert grown < 2048, f"{grown} KiB more"


def test_readers_that_come_and_go_leave_no_descriptors_threads_or_mappings(name: str) -> None:
    def counts() -> tuple[int, int, int]:
        with open("/proc/self/maps") as maps:
            mapped = sum("/dev/shm" in line for line in maps)
        return len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task")), mapped

    with stream(name) as writer:
        writer.write(counting(0, 5))
        before = counts()
        for _ in range(50):
            with Reader(name, "oldest") as reader:
                reader.fileno()
                reader.latest(1)
                view = reader.view()
                del view
            reader = Reader(name)
            reader.fileno()
        del reader
        # The kernel lists a thread for a moment after it was joined.
        wait_until(lambda: counts() == before, f"what was there before: {before}")


def test_importing_loads_no_module_that_is_not_needed() -> None:
    code = textwrap.dedent("""
        import sys
        import numpy
        before = set(sys.modules)
        import dora_shm
        print(*sorted({name.split(".")[0] for name in set(sys.modules) - before}))
    """)
    loaded = set(subprocess.check_output([sys.executable, "-c", code], text=True).split())
    slow = {"asyncio", "concurrent", "ezmsg", "http", "logging", "matplotlib", "multiprocessing", "pyarrow", "ssl", "subprocess"}
    assert "dora_shm" in loaded and not loaded & slow, sorted(loaded)
