"""Every frame that is written is read once, in order, or counted as lost."""

from __future__ import annotations

import threading
import time
from datetime import timedelta

import numpy as np
import pytest

import dora_shm
from dora_shm import BadArgumentError, BadFormatError, Chunk, Reader, Writer
from dora_shm.ezmsg import shorten_shmem_name

from .conftest import PATIENCE_S, wait_until, wait_until_a_reader_waits

DTYPES = "bool int8 uint8 int16 uint16 int32 uint32 int64 uint64 float16 float32 float64".split()


def counting(first: int, frames: int, channels: int = 4) -> np.ndarray:
    """Frames whose samples encode their position."""
    return np.arange(first * channels, (first + frames) * channels, dtype=np.int64).reshape(frames, channels)


def stream(name: str, frames: int = 100, **arguments: object) -> Writer:
    """A stream whose first generation has begun, since its clock is named."""
    return Writer(name, "int64", (4,), 1000.0, **dict(buf_frames=frames, clock="unix") | arguments)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (3,), (2, 3, 4)])
def test_every_dtype_and_rank_comes_out_as_it_went_in(name: str, dtype: str, shape: tuple[int, ...]) -> None:
    random = np.random.default_rng(7)
    frames = random.integers(0, 2 if dtype == "bool" else 100, (10, *shape)).astype(dtype)
    with Writer(name, dtype, shape, 100.0) as writer, Reader(name, "oldest") as reader:
        writer.write(frames[:9])
        writer.write(frames[9])
        chunk = reader.read()
    assert chunk.samples.dtype == np.dtype(dtype)
    assert chunk.samples.shape == (10, *shape)
    assert chunk.samples.flags.c_contiguous and chunk.samples.flags.writeable
    np.testing.assert_array_equal(chunk.samples, frames)
    assert chunk.times.dtype == np.float64 and chunk.times.shape == (10,)
    assert chunk.positions.tolist() == list(range(10))


def test_read_returns_all_that_is_new_even_a_single_frame(name: str) -> None:
    with stream(name) as writer, Reader(name) as reader:
        assert not reader.read() and len(reader.read()) == 0
        assert reader.read().samples.shape == (0, 4) and reader.read().samples.dtype == np.int64
        for first, frames in [(0, 1), (1, 30), (31, 1), (32, 64)]:
            writer.write(counting(first, frames))
            chunk = reader.read()
            np.testing.assert_array_equal(chunk.samples, counting(first, frames))
            assert (chunk.first, len(chunk), chunk.lost) == (first, frames, 0)
            assert not reader.read()


def test_read_of_n_never_waits_without_a_timeout(name: str) -> None:
    with stream(name) as writer, Reader(name) as reader:
        writer.write(counting(0, 10))
        assert [len(reader.read(4)) for _ in range(4)] == [4, 4, 2, 0]
        assert len(reader.read(0)) == 0


def test_read_of_n_waits_until_there_are_n(name: str, actor) -> None:
    writer = actor("""
        with dora_shm.Writer(name, "int64", (4,), 1000.0, buf_frames=100) as writer:
            report("begun")
            while word := read_line():
                first, frames = map(int, word.split())
                writer.write(np.arange(first * 4, (first + frames) * 4).reshape(frames, 4))
                report("written")
    """)
    writer.expect("begun")
    with Reader(name, "oldest") as reader:
        writer.send_line("0 3")
        writer.expect("written")
        started = time.monotonic()
        chunk = reader.read(5, timeout=0.1)
        assert len(chunk) == 3 and time.monotonic() - started >= 0.1
        for first in range(3, 10):
            writer.send_line(f"{first} 1")
        chunk = reader.read(5, timeout=PATIENCE_S)
        np.testing.assert_array_equal(chunk.samples, counting(3, 5))
        assert chunk.messages[0].first == 3 and len(chunk.messages) == 5
        chunk = reader.read(2, timeout=None)
        np.testing.assert_array_equal(chunk.samples, counting(8, 2))
        started = time.monotonic()
        assert len(reader.read(timeout=0.05)) == 0 and time.monotonic() - started >= 0.05


def test_read_of_n_ends_with_the_stream(name: str, actor) -> None:
    writer = actor("""
        with dora_shm.Writer(name, "int64", (4,), 1000.0, buf_frames=100) as writer:
            writer.write(np.zeros((3, 4), "int64"))
            report("written")
            read_line()
    """)
    writer.expect("written")
    with Reader(name, "oldest") as reader:
        writer.send_line("end")
        chunk = reader.read(1000, timeout=PATIENCE_S)
        assert len(chunk) == 3
        assert len(reader.read(1, timeout=0.01)) == 0
        assert [event.kind for event in reader.events()] == ["writer_gone"]


def test_a_read_after_the_end_waits_for_the_next_writer(name: str) -> None:
    with Reader(name, "oldest") as reader:
        with stream(name) as writer:
            assert not reader.read()
            writer.write(counting(0, 1))
            assert reader.read()
        assert not reader.read(1, timeout=PATIENCE_S), "it ends with the stream"
        for read in (reader.read, reader.view):
            started = time.monotonic()
            assert not read(timeout=0.1) and time.monotonic() - started >= 0.1, "and does not spin afterwards"


def test_a_stream_that_ends_within_a_read_of_n_ends_a_loop_of_such_reads(name: str) -> None:
    """The end comes after frames that have not been returned yet: the next call returns it, and does not wait for a writer."""
    for way in ("read", "view", "wait"):
        with Reader(name, "oldest") as reader:
            with stream(name) as writer:
                assert not reader.read()
                writer.write(counting(0, 7))
                assert len(reader.read(5, timeout=None)) == 5
            assert len(reader.read(5, timeout=None)) == 2 and reader.events()[-1].kind == "new_generation"
            if way == "wait":
                assert reader.wait(None) and reader.wait(None), "the end has not been read yet"
            assert not (reader.view(timeout=None) if way == "view" else reader.read(5, timeout=None))
            assert [event.kind for event in reader.events()] == ["writer_gone"]
            assert not reader.wait(0.01) and not reader.read(timeout=0.01), "it was read"


def test_more_frames_can_be_requested_than_memory_can_hold(name: str) -> None:
    with stream(name) as writer, Reader(name) as reader:
        writer.write(counting(0, 10))
        assert len(reader.read(10**30, timeout=0.05)) == 10
        writer.write(counting(10, 100))
        assert len(reader.read(2**40, timeout=0.05)) == 100 and len(reader.latest(2**64)) == 100
        assert len(reader.view(10**30)) == 0


def test_a_closed_reader_still_has_its_losses(name: str) -> None:
    with stream(name, 64) as writer:
        with Reader(name) as reader:
            writer.write(counting(0, 100))
            chunk = reader.read()
        assert (reader.lost, reader.position, reader.generation) == (chunk.lost, 100, 0) and reader.lost > 0
        with pytest.raises(dora_shm.ClosedError):
            reader.state
    assert (writer.position, writer.stream_position, writer.generation) == (100, 100, 0)


def test_more_frames_than_the_ring_holds_can_be_read_at_once(name: str) -> None:
    with stream(name, 200) as writer, Reader(name, "oldest") as reader:
        chunks: list[dora_shm.Chunk] = []
        reading = threading.Thread(target=lambda: chunks.append(reader.read(1000, timeout=PATIENCE_S)))
        reading.start()
        for first in range(0, 1000, 10):
            wait_until(lambda: reader.lag.frames <= 100, "the reader keeps up")
            writer.write(counting(first, 10))
        reading.join(PATIENCE_S)
        (chunk,) = chunks
        np.testing.assert_array_equal(chunk.samples, counting(0, 1000))
        assert len(chunk.messages) > 1


def test_losses_are_counted_exactly(name: str) -> None:
    with stream(name, 64) as writer, Reader(name) as reader:
        writer.write(counting(0, 10))
        assert len(reader.read()) == 10
        for first in range(10, 210, 20):
            writer.write(counting(first, 20))
        chunk = reader.read()
        np.testing.assert_array_equal(chunk.samples, counting(chunk.first, len(chunk)))
        assert chunk.lost == chunk.first - 10 > 0 and chunk.first + len(chunk) == 210
        assert reader.lost == chunk.lost
        writer.write(counting(210, 1))
        assert reader.read().lost == 0 and reader.lost == chunk.lost


def test_a_read_of_n_does_not_join_frames_over_a_loss(name: str) -> None:
    with stream(name, 64) as writer, Reader(name) as reader:
        writer.write(counting(0, 10))
        chunks = []
        import threading

        def overtake() -> None:
            # The chunk is longer than the ring, so a reader of ten frames cannot continue from them.
            writer.write(counting(10, 100))

        timer = threading.Timer(0.05, overtake)
        timer.start()
        chunks.append(reader.read(100, timeout=PATIENCE_S))
        timer.join()
        chunks.append(reader.read())
    assert [(chunk.first, len(chunk)) for chunk in chunks] == [(0, 10), (78, 32)]
    assert [chunk.lost for chunk in chunks] == [0, 68]


def test_a_reader_begins_where_start_states(name: str) -> None:
    with Writer(name, "int64", (4,), buf_frames=64) as writer:
        writer.write(counting(0, 40), times=np.arange(40))
        starts: list[tuple[object, int]] = [
            ("newest", 0),
            ("oldest", 40),
            (5, 5),
            (np.int16(5), 5),
            (0, 0),
            (10**30, 40),
            ("10s", 10),
            (" 10 sec ", 10),
            ("9500ms", 10),
            ("1e7us", 10),
            ("1e7\N{MICRO SIGN}s", 10),
            ("10000000000ns", 10),
            (".5min", 30),
            ("0.5m", 30),
            ("1h", 40),
            ("2d", 40),
            ("0s", 0),
            (timedelta(seconds=10), 10),
            (timedelta(milliseconds=9500), 10),
            (np.timedelta64(10, "s"), 10),
        ]
        readers = [Reader(name), *(Reader(name, start) for start, _ in starts)]
        writer.write(counting(40, 1), times=[40.0])
        for (start, frames), reader in zip([("by default", 0), *starts], readers, strict=True):
            chunk = reader.read()
            assert (start, len(chunk), chunk.lost, reader.lost) == (start, frames + 1, 0, 0)
            reader.close()


def test_a_reader_that_comes_before_its_stream_begins_with_the_first_frame(name: str) -> None:
    readers = [Reader(name, start) for start in ("newest", "oldest", 2, "1ms")]
    with stream(name) as writer:
        writer.write(counting(0, 10))
        for reader in readers:
            assert reader.read(10, timeout=PATIENCE_S).first == 0 and reader.position == 10
            reader.close()


def test_frames_can_be_read_by_their_positions_and_found_by_their_times(name: str) -> None:
    with Reader(name, "oldest") as reader:
        assert reader.held == range(0) and not reader.read_at(0, 5) and reader.position_at(1.0) == 0
        with stream(name, 64, clock="source") as writer:
            writer.write(counting(0, 100), times=np.arange(100) * 0.5)
            assert reader.wait(PATIENCE_S) and not reader.read_at(0, 36), "these frames are overwritten"
            assert reader.held == range(36, 100)
            chunk = reader.read_at(40, 3)
            assert (chunk.first, len(chunk), chunk.lost, chunk.generation) == (40, 3, 0, 0)
            np.testing.assert_array_equal(chunk.samples, counting(40, 3))
            np.testing.assert_array_equal(chunk.times, [20.0, 20.5, 21.0])
            assert [message.frames for message in chunk.messages] == [100]
            assert (reader.read_at(30, 10).first, len(reader.read_at(30, 10))) == (36, 4)
            assert len(reader.read_at(90, 10**30)) == 10 and len(reader.read_at(0, 2**64)) == 64
            assert not reader.read_at(100, 5) and not reader.read_at(50, 0)
            assert [reader.position_at(time) for time in (-1.0, 20.0, 20.1, 49.5, 50.0)] == [36, 40, 41, 99, 100]
            assert reader.position == 0 and reader.lost == 0, "neither moves the cursor"
            assert len(reader.read()) + reader.lost == 100
            for wrong, error in [((-1, 5), BadArgumentError), ((1.5, 5), TypeError), ((0, "5"), TypeError)]:
                with pytest.raises(error):
                    reader.read_at(*wrong)
            with pytest.raises(TypeError, match="time is '1'"):
                reader.position_at("1")


def test_latest_returns_the_newest_frames_and_moves_nothing(name: str) -> None:
    with Writer(name, "int64", (4,), buf_frames=64) as writer, Reader(name, "oldest") as reader:
        assert not reader.latest(5) and not reader.latest(seconds=1)
        writer.write(counting(0, 20), times=np.arange(20))
        np.testing.assert_array_equal(reader.latest(5).samples, counting(15, 5))
        np.testing.assert_array_equal(reader.latest(seconds=10.0).samples, counting(10, 10))
        assert len(reader.latest(1000)) == 20 and len(reader.latest(0)) == 0
        assert reader.position == 0 and len(reader.read()) == 20
        with pytest.raises(BadArgumentError):
            reader.latest()
        with pytest.raises(BadArgumentError):
            reader.latest(1, 1.0)


def test_latest_seconds_of_a_stream_with_a_rate_are_a_number_of_frames(name: str) -> None:
    with Writer(name, "uint8", (), 1000.0, buf_frames=6000, chunk_frames=7) as writer, Reader(name) as reader:
        for start in range(0, 7000, 7):
            # A clock that follows its source is never exactly at the rate, and Unix seconds are rounded.
            writer.write(np.zeros(7, "uint8"), times=1.7e9 + np.arange(start, start + 7) * 0.000999)
            there = min(start + 7, 6000)
            assert len(reader.latest(seconds=5)) == min(there, 5000)
            assert len(reader.latest(seconds=0.1)) == min(there, 100)
        with Reader(name, "100ms") as late:
            assert len(late.read()) == 100


def test_latest_follows_the_stream_regardless_of_the_cursor(name: str) -> None:
    with Reader(name, "oldest") as reader:
        assert not reader.latest(5)
        with stream(name) as writer:
            assert not reader.read(), "it is attached now"
            writer.write(counting(0, 10))
            assert len(reader.latest(5)) == 5
            writer.begin(dtype="float32", shape=(2,))
            writer.write(np.ones((3, 2)))
            chunk = reader.latest(5)
            assert chunk.samples.shape == (3, 2) and chunk.generation == 1
            assert len(reader.read()) == 10, "the cursor is still before the first frame"
        with stream(name) as writer:
            writer.write(counting(0, 2))
            assert len(reader.latest(5)) == 2


def test_frames_go_into_the_callers_arrays(name: str) -> None:
    out, times = np.zeros((50, 4), np.int64), np.zeros(50)
    with stream(name) as writer, Reader(name) as reader:
        writer.write(counting(0, 10))
        chunk = reader.read(out=out, times_out=times)
        assert chunk.samples.base is out and np.shares_memory(chunk.times, times)
        np.testing.assert_array_equal(out[:10], counting(0, 10))
        writer.write(counting(10, 60))
        assert len(reader.read(out=out)) == 50 and len(reader.read(3, out=out)) == 3
        np.testing.assert_array_equal(out[:3], counting(60, 3))
        assert len(reader.read(out=out)) == 7
        writer.write(counting(70, 5))
        assert len(reader.read(20, timeout=0.05, out=out)) == 5
        np.testing.assert_array_equal(out[:5], counting(70, 5))


@pytest.mark.parametrize(
    ("out", "words"),
    [
        (np.zeros((5, 4), np.int32), "out is int32"),
        (np.zeros((5, 3), np.int64), r"expected int64 of shape \(room, 4\)"),
        (np.zeros((4, 5), np.int64).T, "not contiguous"),
        (np.zeros((5, 8), np.int64)[:, ::2], "not contiguous"),
        (np.frombuffer(bytes(160), np.int64).reshape(5, 4), "not writable"),
        (np.zeros((), np.int64), "not an array of frames"),
    ],
)
def test_arrays_that_do_not_fit_are_refused_and_nothing_is_read(name: str, out: np.ndarray, words: str) -> None:
    with stream(name) as writer, Reader(name) as reader:
        writer.write(counting(0, 5))
        with pytest.raises(BadArgumentError, match=words):
            reader.read(out=out)
        with pytest.raises(BadArgumentError, match="times_out is float32"):
            reader.read(out=np.zeros((5, 4), np.int64), times_out=np.zeros(5, np.float32))
        with pytest.raises(BadArgumentError, match="shares memory with out"):
            both = np.zeros(20, np.int64)
            reader.read(out=both.reshape(5, 4), times_out=both[5:10].view(np.float64))
        with pytest.raises(BadArgumentError, match="without out"):
            reader.read(times_out=np.zeros(5))
        assert len(reader.read()) == 5


def test_send_times_are_those_of_the_messages_that_brought_the_frames(name: str) -> None:
    with stream(name) as writer, Reader(name) as reader:
        writer.write(counting(0, 3), send_ns=1000)
        writer.write(counting(3, 0), send_ns=1500)
        writer.write(counting(3, 2), send_ns=2000)
        chunk = reader.read(4)
        assert chunk.send_ns.tolist() == [1000, 1000, 1000, 2000]
        assert chunk.send_times.dtype == np.dtype("datetime64[ns]")
        assert chunk.messages == [(0, 3, 1000, False), (3, 0, 1500, False), (3, 2, 2000, False)]
        before = time.time_ns()
        writer.write(counting(5, 1))
        chunk = reader.read()
        assert chunk.send_ns[0] == 2000 and before <= chunk.send_ns[1] <= time.time_ns()


def test_an_empty_message_comes_with_the_frame_that_follows_it(name: str) -> None:
    with stream(name) as writer, Reader(name) as reader:

        def write(start: int, frames: int, send_ns: int) -> None:
            writer.write(counting(start, frames), send_ns=send_ns)

        def sent(chunk: Chunk) -> list[tuple[int, int, int]]:
            return [(message.first, message.frames, message.send_ns) for message in chunk.messages]

        write(0, 0, 1)
        assert not reader.read() and not reader.wait(0), "an empty message alone is no news"
        write(0, 4, 2)
        # Two that are alike are two.
        write(4, 0, 3)
        write(4, 0, 3)
        assert sent(reader.read(2)) == [(0, 0, 1), (0, 4, 2)]
        assert sent(reader.read(2)) == [(0, 4, 2)]
        write(4, 2, 4)
        write(6, 0, 5)

        def write_when_it_waits() -> None:
            wait_until_a_reader_waits(name)
            write(6, 2, 6)

        other = threading.Thread(target=write_when_it_waits)
        other.start()
        chunk = reader.read(4, timeout=PATIENCE_S)
        other.join()
        assert sent(chunk) == [(4, 0, 3), (4, 0, 3), (4, 2, 4), (6, 0, 5), (6, 2, 6)], "a chunk of two reads"
        assert len(sent(reader.read_at(0, 8))) == 7 and sent(reader.read_at(5, 2)) == [(4, 2, 4), (6, 0, 5), (6, 2, 6)]
        assert sent(reader.latest(2)) == [(6, 0, 5), (6, 2, 6)]
        write(8, 0, 7)
        writer.begin(dtype="float32", shape=(2,))
        writer.write(np.zeros((0, 2)), send_ns=8)
        writer.write(np.zeros((3, 2)), send_ns=9)
        chunk = reader.read()
        assert (chunk.generation, sent(chunk)) == (1, [(0, 0, 7), (0, 0, 8), (0, 3, 9)])
        assert chunk.send_ns.tolist() == [9, 9, 9]


def test_forgotten_send_times_are_not_a_time(name: str) -> None:
    with Writer(name, "uint8", (), buf_frames=5000, chunk_frames=5000) as writer, Reader(name, "oldest") as reader:
        for i in range(4000):
            writer.write(np.uint8(i % 256))
        chunk = reader.read()
        assert len(chunk) == 4000
        forgotten = np.isnat(chunk.send_times)
        assert forgotten[0] and not forgotten[-1]


def test_a_chunk_has_one_description_and_does_not_span_a_change(name: str) -> None:
    with stream(name, attrs={"run": 1}) as writer, Reader(name) as reader:
        writer.write(counting(0, 3))
        writer.describe(attrs={"run": 2})
        writer.write(counting(3, 4))
        writer.begin(dtype="float32")
        writer.write(np.zeros((5, 4)))
        chunks = [reader.read(100, timeout=0.05) for _ in range(3)]
    assert [len(chunk) for chunk in chunks] == [3, 4, 5]
    assert [chunk.description.attrs["run"] for chunk in chunks] == [1, 2, 2]
    assert [chunk.generation for chunk in chunks] == [0, 0, 1]
    assert [chunk.samples.dtype.name for chunk in chunks] == ["int64", "int64", "float32"]
    assert not any(chunk.description_missed for chunk in chunks)


def test_lag_position_and_generation_describe_where_the_reader_is(name: str) -> None:
    with Reader(name) as reader:
        assert (reader.position, reader.generation, reader.lag, reader.lost) == (0, None, (0, 0.0), 0)
        assert reader.state == "absent" and reader.info.dtype is None and reader.description is None
        with stream(name) as writer:
            writer.write(counting(0, 10))
            assert reader.wait(PATIENCE_S)
            assert len(reader.read(3)) == 3
            assert (reader.position, reader.generation, reader.lag.frames) == (3, 0, 7)
            assert 0 <= reader.lag.seconds < PATIENCE_S


def test_info_describes_the_whole_stream(name: str) -> None:
    axes = {
        "ch": [{"label": "Cz", "x": 0.5}, "Fp1", "O1", "O2"],
        "time": dora_shm.LinearAxis("s", 0.001),
        "freq": {"kind": "linear", "unit": "Hz", "gain": 0.5, "offset": 10.0},
    }
    attrs = {
        "montage": "10-20",
        "gain": 24,
        "reference": [1, 2],
        "ranges": np.array([0.5, 1.5]),
        "names": ["a", "b"],
        "on": True,
        "nan": float("nan"),
        "started": np.datetime64("2024-05-06T07:08:09.123456789"),
        "count": np.int16(7),
    }
    with Writer(
        name, "float32", (4, 2), 1000.0, ("time", "ch", "freq"), axes, attrs, "eeg/1", buf_dur=0.5, mode=0o640, clock="unix"
    ):
        info = Reader(name).info
    assert (info.name, info.kind, info.state) == (name, "stream", "live")
    assert (info.dtype, info.shape, info.rate, info.ring_frames) == (np.float32, (4, 2), 1000.0, 504)
    assert (info.dims, info.key, info.layout, info.buffered_axis) == (("time", "ch", "freq"), "eeg/1", None, "time")
    assert info.labels("ch") == ("Cz", "Fp1", "O1", "O2") and info.labels("freq") == ()
    assert info.axes["ch"].data[0] == {"label": "Cz", "x": 0.5}
    assert info.axes["time"] == dora_shm.LinearAxis("s", 0.001, None)
    np.testing.assert_array_equal(info.axes["freq"].values(3), [10.0, 10.5, 11.0])
    assert np.isnan(info.attrs.pop("nan"))
    assert info.attrs == {
        "montage": "10-20",
        "gain": 24,
        "reference": [1, 2],
        "ranges": [0.5, 1.5],
        "names": ["a", "b"],
        "on": True,
        "started": np.datetime64("2024-05-06T07:08:09.123456789", "ns"),
        "count": 7,
    }
    assert info.ring_bytes >= 500 * 32 and info.epoch == 1 and info.generation == 0
    assert info.segment == shorten_shmem_name(name)


def test_wait_returns_whether_there_is_something(name: str, actor) -> None:
    with Reader(name) as reader:
        assert reader.wait(0.01) == "timed_out" and not reader.wait(0.01)
        writer = actor("""
            with dora_shm.Writer(name, "int64", (4,), 1000.0, clock="unix") as writer:
                report("begun")
                read_line()
                writer.write(np.zeros(4, "int64"))
                read_line()
        """)
        writer.expect("begun")
        assert reader.wait(PATIENCE_S), "a stream has come"
        assert not reader.read() and reader.wait(0.01) == dora_shm.Wait.TIMED_OUT
        writer.send_line("go")
        assert reader.wait() and len(reader.read()) == 1
        writer.send_line("end")
        assert reader.wait(PATIENCE_S), "the stream has ended"


def test_a_for_loop_ends_with_the_stream(name: str, actor) -> None:
    code = """
        import time
        with dora_shm.Writer(name, "int64", (4,), 1000.0, buf_frames=1000, clock="unix") as writer:
            report("begun")
            read_line()
            for i in range(50):
                writer.write(np.full(4, i))
                time.sleep(0.001)
    """
    writer = actor(code)
    writer.expect("begun")
    with Reader(name) as reader:
        writer.send_line("go")
        values = [value for chunk in reader for value in chunk.samples[:, 0]]
        assert values == list(range(50))
        assert list(reader) == [], "the stream is over"
        writer = actor(code)
        writer.expect("begun")
        assert reader.wait(PATIENCE_S) and not reader.read(), "it is attached to the next writer's stream"
        writer.send_line("go")
        assert [value for chunk in reader for value in chunk.samples[:, 0]] == list(range(50)), "the next writer's"


def test_a_for_loop_that_follows_continues_with_the_next_writer(name: str, actor) -> None:
    # It closes on command, because a reader can miss a stream that ends at once.
    code = """
        with dora_shm.Writer(name, "int64", (4,), 1000.0, clock="unix") as writer:
            report("begun")
            read_line()
            writer.write(np.full(4, int(sys.argv[2])))
            read_line()
    """
    writer = actor(code, "1")
    writer.expect("begun")
    seen = []
    with Reader(name, follow=True) as reader:
        writer.send_line("write")
        for chunk in reader:
            seen.extend(chunk.samples[:, 0].tolist())
            assert writer.end() == 0
            if len(seen) == 3:
                break
            writer = actor(code, str(len(seen) + 1))
            writer.expect("begun")
            writer.send_line("write")
    assert seen == [1, 2, 3]


def test_a_closed_reader_or_writer_raises(name: str) -> None:
    with stream(name) as writer:
        reader = Reader(name)
        reader.close()
        reader.close()
        assert reader.closed
        for call in (reader.read, reader.view, reader.fileno, lambda: reader.latest(1), lambda: reader.lag,
                     lambda: next(iter(reader)), lambda: reader.wait(0), lambda: reader.info):
            with pytest.raises(dora_shm.ClosedError, match="this reader is closed"):
                call()
        assert "closed" in repr(reader)
    with pytest.raises(dora_shm.ClosedError, match="this writer is closed"):
        writer.write(counting(0, 1))
    assert isinstance(dora_shm.ClosedError("x"), ValueError)


def test_frames_of_another_kind_are_refused_before_anything_is_written(name: str) -> None:
    with stream(name) as writer, Reader(name) as reader:
        for wrong in (np.zeros((3, 5)), np.zeros(3), np.zeros((2, 3, 4)), np.zeros((2, 4)), np.zeros(4, complex)):
            with pytest.raises(BadFormatError):
                writer.write(wrong)
        with pytest.raises(BadArgumentError, match="expected one each"):
            writer.write(counting(0, 3), times=[1.0, 2.0])
        assert not reader.read()
        writer.write([[1, 2, 3, 4]])
        writer.write([5, 6, 7, 8], times=3.5)
        writer.write(np.arange(24)[::3].reshape(2, 4))
        writer.write(np.asfortranarray(counting(0, 3)))
        writer.write(np.zeros((1, 4), ">i2"))
        chunk = reader.read()
        assert chunk.samples[:2].tolist() == [[1, 2, 3, 4], [5, 6, 7, 8]] and chunk.times[1] == 3.5
        np.testing.assert_array_equal(chunk.samples[2:4], np.arange(24)[::3].reshape(2, 4))
        np.testing.assert_array_equal(chunk.samples[4:7], counting(0, 3))
