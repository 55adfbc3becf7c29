"""Events of a stream come in order with its frames."""

from __future__ import annotations

import time

import numpy as np
import pytest

import dora_shm
from dora_shm import Reader, Writer

from .conftest import PATIENCE_S, wait_until
from .test_reading import counting, stream

WRITER = """
    writer = dora_shm.Writer(name, "int64", (4,), 1000.0)
    writer.write(np.full((3, 4), int(sys.argv[2])))
    report("written")
    read_line()
    writer.close()
"""


def kinds(reader: Reader) -> list[str]:
    return [str(event.kind) for event in reader.events()]


def test_a_new_generation_and_a_new_description_come_before_their_frames(name: str) -> None:
    with stream(name, attrs={"run": 1}) as writer, Reader(name) as reader:
        writer.write(counting(0, 3))
        writer.describe(attrs={"run": 2})
        writer.write(counting(3, 4))
        writer.begin(shape=(2,), attrs={"run": 3})
        writer.write(np.zeros((5, 2), int))
        seen = []
        for _ in range(3):
            chunk = reader.read()
            seen.append(([(str(e.kind), e.generation, e.position) for e in reader.events()], len(chunk)))
        assert seen == [
            ([], 3),
            ([("new_description", 0, 3)], 4),
            ([("new_generation", 1, 0)], 5),
        ]
        assert not reader.events()


def test_events_that_come_after_the_frames_of_a_long_read_wait_for_the_next_one(name: str) -> None:
    with stream(name) as writer, Reader(name) as reader:
        writer.write(counting(0, 3))
        writer.begin(shape=(2,))
        writer.write(np.zeros((5, 2), int))
        assert len(reader.read(100, timeout=PATIENCE_S)) == 3 and kinds(reader) == []
        assert len(reader.read(5, timeout=PATIENCE_S)) == 5 and kinds(reader) == ["new_generation"]


def test_an_unchanged_description_is_not_an_event(name: str) -> None:
    with stream(name, attrs={"run": 1}) as writer, Reader(name) as reader:
        for run in (1, 2, 1, 1):
            writer.describe(attrs={"run": run})
            writer.write(counting(0, 1))
            assert reader.read()
        assert kinds(reader) == ["new_description", "new_description"]


def test_a_callback_is_called_in_order_with_the_frames(name: str) -> None:
    log: list[object] = []
    with stream(name) as writer, Reader(name, on_event=lambda event: log.append(str(event.kind))) as reader:
        writer.write(counting(0, 3))
        writer.begin(shape=(2,))
        writer.write(np.zeros((5, 2), int))
        for chunk in reader:
            log.append(len(chunk))
            if len(log) == 3:
                writer.close()
        assert log == [3, "new_generation", 5, "writer_gone"] and reader.events() == []


@pytest.mark.parametrize("way", ["read", "short", "out", "view"])
def test_a_callback_that_raises_costs_no_frame(name: str, way: str) -> None:
    log: list[str] = []

    def refuse(event: dora_shm.Event) -> None:
        log.append(str(event.kind))
        raise ZeroDivisionError

    def read(reader: Reader) -> np.ndarray:
        if way == "view":
            with reader.view() as view:
                return np.concatenate([np.empty((0, 4), int), *view.parts])
        out = np.zeros((10, 4), np.int64) if way == "out" else None
        return reader.read(2 if way == "short" else None, out=out).samples.copy()

    with stream(name, attrs={"run": 1}) as writer, Reader(name, on_event=refuse) as reader:
        writer.write(counting(0, 3))
        writer.describe(attrs={"run": 2})
        writer.write(counting(3, 4))
        assert len(reader.read()) == 3
        with pytest.raises(ZeroDivisionError):
            read(reader)
        assert reader.wait(0), "they have not been read yet"
        got = [read(reader), read(reader)]
        np.testing.assert_array_equal(np.concatenate(got), counting(3, 4))
        writer.begin(shape=(2,))
        writer.write(np.zeros((5, 2), int))
        with pytest.raises(ZeroDivisionError):
            reader.read()
        chunk = reader.read()
        assert (chunk.generation, len(chunk), reader.lost) == (1, 5, 0)
        assert log == ["new_description", "new_generation"]


def test_a_callback_may_read(name: str) -> None:
    chunks: list[dora_shm.Chunk] = []
    with stream(name) as writer, Reader(name, on_event=lambda event: chunks.append(reader.read())) as reader:
        writer.write(counting(0, 3))
        writer.begin(shape=(2,))
        writer.write(np.zeros((5, 2), int))
        chunks += [reader.read(), reader.read()]
        assert sorted(len(chunk) for chunk in chunks) == [0, 3, 5]


def test_a_closed_writer_and_the_next_one_are_events(name: str) -> None:
    with Reader(name, "oldest") as reader:
        with stream(name) as writer:
            writer.write(counting(0, 1))
            assert len(reader.read()) == 1 and kinds(reader) == ["new_generation"]
        assert not reader.read()
        (gone,) = reader.events()
        assert gone.kind == "writer_gone" and gone.state == "closed"
        assert not reader.read() and kinds(reader) == []
        with stream(name) as writer:
            writer.write(counting(0, 1))
            assert len(reader.read()) == 1 and kinds(reader) == ["writer_restarted", "new_generation"]


def test_a_killed_writer_and_the_one_that_takes_over_are_events(name: str, actor) -> None:
    first = actor(WRITER, "1")
    first.expect("written")
    with Reader(name, "oldest") as reader:
        assert len(reader.read()) == 3
        first.kill()
        started = time.monotonic()
        assert reader.wait(PATIENCE_S) == "writer_dead", "its death ends a wait early"
        assert time.monotonic() - started < PATIENCE_S
        assert not reader.wait(0.01) and reader.wait(0.01) == dora_shm.Wait.WRITER_DEAD, "and later waits report it again"
        assert reader.state == "dead"
        (gone,) = reader.events()
        assert (gone.kind, gone.state) == ("writer_gone", "dead")
        assert not reader.read() and kinds(reader) == []
        second = actor(WRITER, "2")
        second.expect("written")
        chunk = reader.read(3, timeout=PATIENCE_S)
        assert chunk.samples[:, 0].tolist() == [2, 2, 2] and chunk.lost == 0
        assert kinds(reader) == ["writer_restarted", "new_generation"]
        assert reader.info.epoch == 2 and reader.state == "live" or reader.state == "idle"


def test_a_writer_that_has_taken_over_but_not_written_yet_is_an_event(name: str, actor) -> None:
    first = actor(WRITER, "1")
    first.expect("written")
    with Reader(name, "oldest") as reader:
        assert len(reader.read()) == 3
        first.kill()
        wait_until(lambda: reader.state == "dead", "the writer is seen dead")
        with Writer(name):
            assert not reader.read()
            assert kinds(reader) == ["writer_gone", "writer_restarted"]


def test_events_that_are_never_taken_do_not_pile_up(name: str) -> None:
    with stream(name) as writer, Reader(name) as reader:
        for run in range(1500):
            writer.describe(attrs={"run": run})
            writer.write(counting(0, 1))
            assert reader.read()
        events = reader.events()
        assert len(events) == 1000 and events[-1].description.attrs == {"run": 1499}


def test_streams_and_watch_report_streams_that_come_and_go(name: str) -> None:
    watch = dora_shm.watch(interval=0.01)
    mine = lambda changes: [(str(c.kind), str(c.stream.state)) for c in changes if c.stream.name == name]  # noqa: E731
    assert mine(watch.poll()) == []
    with Writer(name) as writer:
        assert mine(watch.poll()) == [("appeared", "waiting")]
        writer.begin("float32", (2,), 100.0, key="k")
        writer.write(np.zeros((3, 2), "float32"))
        assert mine(watch.poll()) == [("changed", "live")]
        assert mine(watch.poll()) == []
        (info,) = [info for info in dora_shm.streams() if info.name == name]
        assert (info.dtype, info.shape, info.rate, info.key, info.dims) == (
            np.float32,
            (2,),
            100.0,
            "k",
            ("time", "dim_1"),
        )
        changes = iter(watch)
        writer.describe(attrs={"a": 1})
        writer.write(np.zeros((3, 2), "float32"))
        change = next(change for change in changes if change.stream.name == name)
        assert change.kind == "changed" and change.before.attrs == {} and change.stream.attrs == {"a": 1}
    change = next(change for change in changes if change.stream.name == name)
    assert change.kind == "vanished"
