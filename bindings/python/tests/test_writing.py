"""The writer: formats, times, descriptions, names."""

from __future__ import annotations

import numpy as np
import pytest

import dora_shm
from dora_shm import BadArgumentError, BadFormatError, Reader, Writer
from dora_shm.ezmsg import shorten_shmem_name

from .conftest import segments
from .test_reading import counting, stream


def test_a_missing_format_is_taken_from_the_first_array(name: str) -> None:
    with Writer(name, rate=100.0) as writer:
        assert (writer.dtype, writer.shape, writer.generation) == (None, None, None)
        with pytest.raises(BadFormatError, match=r"expected shape=\(\)"):
            writer.write(3.0)
        writer.write(np.zeros((5, 3, 2), "float32"))
        assert (writer.dtype, writer.shape, writer.generation, writer.position) == (np.float32, (3, 2), 0, 5)
    with Writer(name, shape=(), rate=100.0) as writer:
        writer.write(3)
        assert writer.dtype == np.int64 and writer.position == 1


def test_the_length_is_given_in_seconds_or_frames(name: str) -> None:
    for arguments, frames in [
        (dict(rate=100.0), 200),
        (dict(rate=100.0, buf_dur=0.5), 50),
        (dict(buf_frames=10), 10),
        (dict(rate=1e-3), 1),
    ]:
        with Writer(name, "uint8", (1,), **arguments) as writer:
            assert frames <= writer.ring_frames < frames + 8
    for wrong, words in [
        (dict(), "expected buf_frames"),
        (dict(rate=1.0, buf_dur=1.0, buf_frames=1), "both"),
        (dict(rate=1.0, buf_dur=0.0), "more than 0"),
        (dict(buf_frames=0), "buf_frames is 0, expected 1 or more"),
        (dict(rate=float("nan"), buf_frames=1), "rate"),
        (dict(rate=1.0, dims=("time",)), "dims"),
        (dict(rate=1.0, axes={"ch": ["a"]}), "expected one of the dims"),
        (dict(rate=1.0, axes={"dim_1": ["a", "b"]}), "2 coordinates for 'dim_1', expected 1"),
        (dict(rate=1.0, attrs={"a": object()}), "attribute 'a' is"),
        (dict(rate=1.0, attrs={"a": [1, "b"]}), "attribute 'a' is"),
        (dict(rate=1.0, attrs={"a": 2**64}), "integer of 64 bits"),
        (dict(rate=1.0, mode=0o666), "mode 0666"),
    ]:
        with pytest.raises(ValueError, match=words):
            Writer(name, "uint8", (1,), **wrong)
        assert not segments(name), "a writer that cannot be made leaves nothing"


@pytest.mark.parametrize(
    ("dtype", "number"),
    [("int64", 1_800_000_000_123_456_789), ("int64", -(2**53) - 1), ("uint64", 2**53 + 1), ("uint64", 2**64 - 1)],
)
def test_integers_that_a_float_would_round_are_refused(name: str, dtype: str, number: int) -> None:
    with Writer(name, "float64", buf_frames=10) as writer, Reader(name) as reader:
        with pytest.raises(BadFormatError, match=f"{dtype} {number}, which float64 cannot hold"):
            writer.write(np.array([number], dtype))
        writer.write(np.array([number - number % 4096, 2**53], dtype))
        assert reader.read().samples.tolist() == [number - number % 4096, 2**53]
        with pytest.raises(BadArgumentError, match=f"{dtype} {number}, which a float64 cannot hold; give seconds"):
            writer.write([1.0], times=np.array([number], dtype))


def test_masked_numbers_are_nan_among_floats_and_refused_among_integers(name: str) -> None:
    masked = np.ma.array([1.0, 999.0], mask=[False, True])
    whole = np.ma.array([1, 999], mask=[False, True])
    with Writer(name, "float64", (2,), buf_frames=10) as writer, Reader(name) as reader:
        for frames in [masked, [masked], (masked,), np.ma.array([masked]), masked.astype("float32")]:
            writer.write(frames)
            [frame] = reader.read().samples
            assert frame[0] == 1.0 and np.isnan(frame[1]), frames
        with pytest.raises(BadFormatError, match="int64 with 1 masked numbers: only floats have a NaN"):
            writer.write(whole)
        writer.write(np.ma.array([1, 2], mask=False))
        assert reader.read().samples.tolist() == [[1.0, 2.0]]
        with pytest.raises(BadArgumentError, match="some are masked"):
            writer.write([masked, masked], times=masked)
    assert masked.data.tolist() == [1.0, 999.0], "what was given is not changed"


def test_a_cell_that_is_run_twice_is_told_to_close_its_first_writer(name: str) -> None:
    writer = Writer(name, "float32", (8,), rate=100.0)
    with pytest.raises(dora_shm.StreamBusyError, match="a live writer in this process; close that one first"):
        Writer(name, "float32", (8,), rate=100.0)
    writer.close()
    Writer(name, "float32", (8,), rate=100.0).close()


def test_a_ring_that_is_too_large_is_refused(name: str) -> None:
    with pytest.raises(dora_shm.TooLargeError, match="more than the limit of 1048576"):
        Writer(name, "uint8", (1000,), buf_frames=2000, max_bytes=1 << 20)
    with pytest.raises(dora_shm.NoSpaceError, match="no room in shared memory") as caught:
        Writer(name, "uint8", (1 << 30,), buf_frames=1 << 20, max_bytes=1 << 60)
    assert isinstance(caught.value, OSError) and caught.value.errno == 28


def test_only_begin_changes_the_format_and_it_begins_a_generation(name: str) -> None:
    with stream(name, axes={"dim_1": ["a", "b", "c", "d"]}, attrs={"x": 1}, key="k") as writer:
        reader = Reader(name)
        with pytest.raises(BadFormatError, match="see Writer.begin"):
            writer.write(np.zeros((2, 5), "int64"))
        with pytest.raises(BadFormatError, match="float64, which int64 cannot hold"):
            writer.write(np.zeros((2, 4)))
        writer.begin(dtype="float64")
        assert writer.generation == 1 and writer.description.labels("dim_1") == ("a", "b", "c", "d")
        writer.begin(shape=(5,))
        assert writer.description.axes == {} and writer.description.attrs == {"x": 1}
        writer.begin(shape=(2, 2), dims=("time", "y", "x"), rate=50.0, buf_dur=4.0)
        writer.write(np.zeros((2, 2)))
        assert reader.read().samples.shape == (1, 2, 2)
        info = reader.info
        assert (info.rate, info.dims, info.key, info.generation) == (50.0, ("time", "y", "x"), "k", 3)
        with pytest.raises(BadArgumentError):
            writer.begin(dims=("time", "x"))
        with pytest.raises(dora_shm.UnknownDtypeError, match="complex64"):
            writer.begin(dtype="complex64")
        assert writer.shape == (2, 2) and writer.dtype == np.float64 and writer.generation == 3
        writer.write(np.zeros((2, 2)))


def test_a_generation_begins_with_its_first_frames(name: str) -> None:
    with Writer(name, "int64", (4,), 1000.0, buf_frames=100, attrs={"a": 1}) as writer, Reader(name) as reader:
        assert reader.state == "waiting" and reader.generation is None
        assert (writer.generation, writer.position, writer.stream_position) == (0, 0, 0)
        assert 100 <= writer.ring_frames < 108
        # What comes before the first frames begins nothing.
        writer.describe(attrs={"a": 2})
        writer.begin(dtype="float32", buf_frames=50)
        writer.begin(rate=500.0)
        writer.describe(attrs={"a": 3})
        assert reader.state == "waiting" and writer.description.attrs == {"a": 3}
        with pytest.raises(BadFormatError):
            writer.write(np.zeros(5))
        with pytest.raises(BadArgumentError):
            writer.describe(dims=("time", "x", "y"))
        writer.write(np.zeros((3, 4)), times=[1.0, 1.002, 1.004])
        chunk = reader.read()
        assert (chunk.generation, chunk.clock, len(chunk), chunk.description.attrs) == (0, "source", 3, {"a": 3})
        info = reader.info
        assert (info.dtype, info.rate, info.generation, info.state) == (np.float32, 500.0, 0, "live")
        for expected in (1, 2):
            writer.begin(shape=(expected,))
            assert (writer.generation, writer.position, writer.stream_position) == (expected, 0, 2 + expected)
            with Reader(name) as later:
                assert writer.shape == (expected,) and later.info.generation == expected - 1
            writer.write(np.zeros((1, expected)))
            assert (reader.read().generation, writer.position) == (expected, 1)
        writer.begin(shape=(9,))
        writer.close()
        assert (writer.generation, writer.position, writer.stream_position) == (2, 1, 5)


def test_a_generation_whose_clock_is_named_begins_at_once(name: str) -> None:
    with Writer(name, "int64", (4,), 1000.0, buf_frames=100, clock="source") as writer, Reader(name) as reader:
        assert (reader.state, reader.info.generation, writer.generation) == ("live", 0, 0)
        writer.begin(shape=(2,))
        with Reader(name) as later:
            assert (later.info.generation, writer.generation) == (1, 1)


def test_descriptions_that_do_not_fit_are_refused_and_the_old_one_stays(name: str) -> None:
    with Writer(name, buf_frames=5) as writer:
        with pytest.raises(dora_shm.NoGenerationError):
            writer.describe(attrs={"a": 1})
    with stream(name, attrs={"a": 1}) as writer, Reader(name) as reader:
        with pytest.raises(BadArgumentError):
            writer.describe(dims=("time", "x", "y"))
        with pytest.raises(BadArgumentError, match="attribute 'b' is"):
            writer.describe(attrs={"b": {"nested": 1}})
        writer.write(counting(0, 1))
        assert reader.read().description == writer.description
        assert writer.description.attrs == {"a": 1} and writer.generation == 0


def test_a_second_writer_of_a_name_is_refused(name: str, actor) -> None:
    other = actor("""
        with dora_shm.Writer(name, "int64", (4,), 1000.0):
            report("begun")
            read_line()
    """)
    other.expect("begun")
    with pytest.raises(dora_shm.StreamBusyError, match=f"process {other.process.pid}"):
        Writer(name)
    assert other.end() == 0
    Writer(name).close()


def test_names_that_cannot_be_used_are_refused(name: str) -> None:
    for wrong in ("", "a\0b", "x" * 1025, "a/buffer0"):
        for make in (Reader, Writer):
            with pytest.raises(dora_shm.BadNameError, match="choose another name") as caught:
                make(wrong)
            assert isinstance(caught.value, ValueError) and isinstance(caught.value, dora_shm.Error)


def test_a_program_that_ends_closes_the_streams_of_its_global_writers(name: str, actor) -> None:
    program = actor("""
        writer = dora_shm.Writer(name, "int64", (4,), 1000.0)
        writer.itself = writer
        report("begun")
        read_line()
    """)
    program.expect("begun")
    with Reader(name) as reader:
        assert program.end() == 0
        assert list(reader) == [] and reader.events()[-1].state == "closed"
    assert not segments(name)


def test_an_empty_message_is_a_message_without_frames(name: str) -> None:
    with stream(name) as writer, Reader(name) as reader:
        writer.write(np.zeros((0, 4), "int64"))
        assert not reader.read() and reader.info.chunks == 1 and writer.position == 0


def test_names_in_shared_memory_are_ezmsgs() -> None:
    assert shorten_shmem_name("demo") == "sm_KpdRbDVLaISM29j1SiJq"
    assert shorten_shmem_name("demo/buffer0") == "sm_EbUZRBVI4CmwsJ_eTvd0"
