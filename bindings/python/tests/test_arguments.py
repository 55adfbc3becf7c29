"""A wrong argument raises an exception that names it, and changes nothing."""

from __future__ import annotations

import copy
import datetime
import inspect
import pickle
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import dora_shm
from dora_shm import BadArgumentError, BadFormatError, BadNameError, CoordAxis, LinearAxis, Reader, Writer

from .test_reading import counting, stream

NAN, INF = float("nan"), float("inf")


@pytest.fixture
def writer(name: str) -> Iterator[Writer]:
    with stream(name) as made:
        made.write(counting(0, 10))
        yield made


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (dict(n=-1), BadArgumentError, "n is -1, expected 0 or more frames"),
        (dict(n=1.5), TypeError, "n is 1.5, expected a whole number of frames"),
        (dict(n="5"), TypeError, "n is '5'"),
        (dict(timeout=NAN), BadArgumentError, "timeout is nan"),
        (dict(timeout="1"), TypeError, "timeout is '1'"),
        (dict(timeout=[1]), TypeError, "expected a number of seconds"),
    ],
)
def test_wrong_arguments_of_reads_and_views_are_refused(
    name: str, writer: Writer, arguments: Any, error: type[Exception], words: str
) -> None:
    with Reader(name, "oldest") as reader:
        for call in (reader.read, reader.view, reader.wait):
            if call != reader.wait or "timeout" in arguments:
                with pytest.raises(error, match=words):
                    call(**arguments)
        assert len(reader.read()) == 10


def test_a_timeout_below_zero_is_zero_and_infinity_is_none(name: str, writer: Writer) -> None:
    with Reader(name) as reader:
        assert not reader.read(5, timeout=-1) and not reader.view(timeout=-INF) and not reader.wait(-0.5)
        writer.write(counting(0, 5))
        assert reader.wait(INF) and reader.wait(10**400) and len(reader.read(5, timeout=INF)) == 5
        assert not reader.read(0, timeout=None) and not reader.view(0, timeout=None)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (dict(n=-1), BadArgumentError, "n is -1"),
        (dict(seconds=-1), BadArgumentError, "seconds is -1, expected 0 or more seconds"),
        (dict(seconds=NAN), BadArgumentError, "seconds is nan"),
        (dict(seconds="1"), TypeError, "seconds is '1'"),
    ],
)
def test_wrong_arguments_of_latest_are_refused(
    name: str, writer: Writer, arguments: Any, error: type[Exception], words: str
) -> None:
    with Reader(name) as reader, pytest.raises(error, match=words):
        reader.latest(**arguments)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (dict(start=5.0), TypeError, r'start is 5.0, which may be frames or seconds: write start=5 .*start="5s"'),
        (dict(start=np.float32(2.5)), TypeError, r'start is 2.5, .*start="2.5s"'),
        (dict(start="5"), BadArgumentError, r"start is '5', which may be frames or seconds: write start=5 .*start=\"5s\""),
        (dict(start=True), TypeError, 'start is True, expected "newest", "oldest", a number of frames such as 500, or a time'),
        (dict(start=np.bool_(True)), TypeError, "start is (np.)?True"),
        (dict(start=NAN), TypeError, "start is nan, expected"),
        (dict(start=None), TypeError, "start is None, expected"),
        (dict(start=-1), BadArgumentError, "start is -1, expected 0 or more frames"),
        (dict(start="first"), BadArgumentError, "start is 'first', expected \"newest\""),
        (dict(start=""), BadArgumentError, "start is '', expected"),
        (dict(start="5 weeks"), BadArgumentError, "whose unit 'weeks' is unknown, expected"),
        (dict(start="-5s"), BadArgumentError, "start is '-5s', expected a time of 0 or more"),
        (dict(start=datetime.timedelta(-1)), BadArgumentError, "expected a time of 0 or more"),
        (dict(owner=-1), BadArgumentError, "owner is -1, expected a user id"),
        (dict(owner=2**32), BadArgumentError, "expected a user id"),
        (dict(owner="root"), TypeError, "owner is 'root', expected a user id"),
        (dict(idle_after=NAN), BadArgumentError, "idle_after is nan"),
        (dict(spin=-1), BadArgumentError, "spin is -1, expected 0 or more seconds"),
        (dict(max_bytes=-1), BadArgumentError, "max_bytes is -1, expected 0 or more bytes"),
        (dict(on_event=3), TypeError, "on_event is 3, expected a function"),
    ],
)
def test_wrong_arguments_of_readers_are_refused(name: str, arguments: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        Reader(name, **arguments)


@pytest.mark.parametrize(
    ("keywords", "words"),
    [
        (dict(last=500), "Reader has no argument last: write start=500$"),
        (dict(last="x"), "write start=500$"),
        (dict(last_seconds=2.5), 'Reader has no argument last_seconds: write start="2.5s"$'),
        (dict(last_seconds=None), 'write start="5s"$'),
        (dict(bogus=1), "bogus"),
    ],
)
def test_an_argument_that_a_reader_does_not_have_is_refused_with_the_one_to_use(
    name: str, keywords: Any, words: str
) -> None:
    with pytest.raises(TypeError, match=words):
        Reader(name, **keywords)
    with pytest.raises(TypeError, match="such as owner=0"):
        Reader(name, "oldest", 500)  # type: ignore[misc]


def test_the_signature_of_a_reader_shows_its_arguments() -> None:
    assert list(inspect.signature(Reader).parameters)[:3] == ["name", "start", "owner"]


def test_name_and_follow_cannot_be_changed(name: str, writer: Writer) -> None:
    with Reader(name, follow=True) as reader:
        assert (reader.name, reader.follow, writer.name) == (name, True, name)
        for thing, attribute in [(reader, "name"), (reader, "follow"), (writer, "name")]:
            with pytest.raises(AttributeError):
                setattr(thing, attribute, "other")


@pytest.mark.parametrize("make", [Reader, Writer])
def test_names_that_are_not_text_are_refused(make: Any) -> None:
    for wrong in (3, b"bytes", ["a"]):
        with pytest.raises(TypeError, match="expected a string"):
            make(wrong)
    with pytest.raises(BadNameError, match="not Unicode text"):
        make("\ud800")


def test_odd_names_are_names(name: str) -> None:
    for odd in ("/", "..", "../x", "a\nb", "ü" * 400, "💥", " "):
        whole = f"{name}{odd}"
        with Writer(whole, "uint8", (), buf_frames=4) as writer, Reader(whole, "oldest") as reader:
            writer.write([1, 2])
            assert reader.read().samples.tolist() == [1, 2] and reader.info.name == whole


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (dict(dtype="nonsense"), dora_shm.UnknownDtypeError, "unknown dtype 'nonsense'"),
        (dict(dtype=3), dora_shm.UnknownDtypeError, "unknown dtype 3"),
        (dict(dtype="U5"), dora_shm.UnknownDtypeError, "expected one of bool, int8"),
        (dict(shape=2.5), TypeError, "expected whole numbers"),
        (dict(shape="23"), TypeError, "expected whole numbers"),
        (dict(shape=(0,)), BadFormatError, "at least 1"),
        (dict(shape=(2**64,)), BadFormatError, "cannot be stored"),
        (dict(rate=NAN), BadFormatError, "the rate is nan Hz"),
        (dict(rate=INF), BadFormatError, "the rate is inf Hz"),
        (dict(rate="100"), TypeError, "the rate is '100'"),
        (dict(buf_frames=-1), BadArgumentError, "buf_frames is -1"),
        (dict(buf_frames=1.5), TypeError, "buf_frames is 1.5"),
        (dict(buf_frames=10**30), BadFormatError, "cannot be stored"),
        (dict(buf_dur=INF), BadArgumentError, "buf_dur is inf"),
        (dict(buf_dur=1e300), BadFormatError, "cannot be stored"),
        (dict(buf_dur="2"), TypeError, "buf_dur is '2'"),
        (dict(mode=-1), BadArgumentError, "mode is -1"),
        (dict(mode="0600"), TypeError, "mode is '0600'"),
        (dict(chunk_frames=0), BadArgumentError, "chunk_frames is 0"),
        (dict(max_bytes=-1), BadArgumentError, "max_bytes is -1"),
        (dict(key=3), BadArgumentError, "key is 3, expected a string"),
        (dict(key="\ud800"), BadArgumentError, "not Unicode text"),
        (dict(dims="tc"), TypeError, "dims is 'tc'"),
        (dict(dims=(1, 2)), TypeError, r"dims is \(1, 2\)"),
        (dict(axes=[("dim_1", "ab")]), TypeError, "expected a dict"),
        (dict(axes={"dim_1": None}), TypeError, "an axis is None"),
        (dict(axes={"dim_1": {"a", "b"}}), TypeError, "an axis is {"),
        (dict(axes={"dim_1": [b"a", b"b"]}), BadArgumentError, "a coordinate is b'a'"),
        (dict(axes={"dim_1": {"kind": "round"}}), BadArgumentError, "an axis of kind 'round'"),
        (dict(axes={"dim_1": {"kind": "linear", "bogus": 1}}), BadArgumentError, "a linear axis with 'bogus'"),
        (dict(axes={"dim_1": {"kind": "linear", "gain": "x"}}), TypeError, "the gain of an axis is 'x'"),
        (dict(attrs=5), TypeError, "attrs is 5, expected a dict"),
        (dict(attrs={3: 1}), TypeError, "an attribute is called 3"),
        (dict(attrs={"a": datetime.datetime(1, 1, 1)}), BadArgumentError, "attribute 'a' is"),
        (dict(attrs={"a": np.datetime64("9999-01-01")}), BadArgumentError, "attribute 'a' is"),
    ],
)
def test_wrong_arguments_of_writers_are_refused(name: str, arguments: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        Writer(name, **dict(dtype="uint8", shape=(2,), rate=10.0) | arguments)


def test_axes_that_are_not_lists_are_refused(name: str) -> None:
    for wrong in ("ab", 3, {"a": 1}):
        with pytest.raises(TypeError, match="expected a list"):
            CoordAxis("", wrong)
    with pytest.raises(TypeError, match="the offset of an axis"):
        LinearAxis("s", 1.0, "0")
    assert CoordAxis("", (f"E{i}" for i in range(2))).labels == ("E0", "E1")
    assert CoordAxis("mm", np.array([1.5, 2.0])).data == (1.5, 2.0)


def test_times_before_1970_are_kept_to_the_microsecond(name: str) -> None:
    then = datetime.datetime(1969, 12, 31, 23, 59, 59, 500_000, tzinfo=datetime.UTC)
    with stream(name, attrs={"then": then}) as writer, Reader(name, "oldest") as reader:
        writer.write(counting(0, 1))
        assert reader.read().description.attrs["then"] == np.datetime64("1969-12-31T23:59:59.500000", "ns")


@pytest.mark.parametrize(
    ("dtype", "frames", "words"),
    [
        ("uint8", [[300, 1]], "with the int64 300, which uint8 cannot hold"),
        ("int8", np.array([[1, 200]], "uint8"), "with the uint8 200"),
        ("uint64", [[1, -2]], "with the int64 -2"),
        ("int64", np.array([[2**63, 1]], "uint64"), "with the uint64 9223372036854775808"),
        ("int32", [[1.0, 2.0]], "frames of float64"),
        ("bool", [[1, 0]], "frames of int64"),
        ("float32", [[2**40 + 1, 1]], "with the int64 1099511627777"),
        ("float32", [[1e300, 1.0]], r"with the float64 1e\+300"),
        ("float16", [[70000, 1]], "with the int64 70000"),
        ("float64", [[1j, 1]], "frames of complex128"),
        ("float64", np.array([[1, 2]], object), "frames of object"),
        ("float64", [["1", "2"]], "frames of <U1"),
        ("float64", [[1, 2], [3]], "frames that are not an array"),
        ("float64", None, r"frames of shape \(\), expected \(2,\) or \(n, 2\)"),
    ],
)
def test_numbers_that_a_dtype_cannot_hold_are_refused(name: str, dtype: str, frames: Any, words: str) -> None:
    with Writer(name, dtype, (2,), 10.0) as writer, Reader(name) as reader:
        with pytest.raises(BadFormatError, match=words):
            writer.write(frames)
        assert not reader.read() and writer.position == 0


@pytest.mark.parametrize(
    ("dtype", "frames"),
    [
        ("uint8", [[255, 0]]),
        ("int8", np.array([[127, 0]], "uint64")),
        ("uint64", [[1, 2]]),
        ("float32", [[2**24, 2**40]]),
        ("float32", np.array([[0.1, NAN], [INF, -INF]])),
        ("float64", np.array([[2**53, True]], "uint64")),
        ("float32", np.array([[1.5, 2.5]], ">f4")),
        ("float32", np.array([[1, 2]], ">i2")),
        ("float64", np.arange(16.0).reshape(4, 4)[::-2, ::2]),
        ("float64", np.asfortranarray(np.arange(6.0).reshape(3, 2))),
        ("float32", np.broadcast_to(np.float32(3), (5, 2))),
        ("float32", memoryview(np.ones((2, 2), "float32"))),
        ("int16", np.zeros((0, 2), "int64")),
    ],
)
def test_numbers_that_a_dtype_holds_are_written_from_any_container(name: str, dtype: str, frames: Any) -> None:
    with Writer(name, dtype, (2,), 10.0) as writer, Reader(name, "oldest") as reader:
        writer.write(frames)
        np.testing.assert_array_equal(reader.read().samples, np.asarray(frames).astype(dtype))


@pytest.mark.parametrize(
    ("times", "words"),
    [
        (1.0, r"times of shape \(\) for 2 frames"),
        ([1.0], r"times of shape \(1,\) for 2 frames"),
        ([[1.0, 2.0]], r"times of shape \(1, 2\)"),
        (["1", "2"], "times of <U1, expected numbers"),
        ([None, 1], "times of object"),
        (np.array(["2024-01-01", "2024-01-02"], "datetime64[ns]"), "times of datetime64"),
        ([[1], [1, 2]], "times that are not an array"),
    ],
)
def test_invalid_times_are_refused(name: str, times: Any, words: str) -> None:
    with stream(name) as writer:
        with pytest.raises(BadArgumentError, match=words):
            writer.write(counting(0, 2), times)
        with pytest.raises(TypeError, match="send_ns is 1.5"):
            writer.write(counting(0, 2), send_ns=1.5)
        with pytest.raises(BadArgumentError, match="of 64 bits"):
            writer.write(counting(0, 2), send_ns=2**63)
        assert writer.position == 0


def test_a_nan_time_does_not_affect_later_times(name: str) -> None:
    with stream(name) as writer, Reader(name) as reader:
        writer.write(counting(0, 1), times=NAN)
        writer.write(counting(1, 1))
        times = reader.read().times
        assert np.isnan(times[0]) and times[1] > 1.7e9


def test_readers_writers_and_views_cannot_be_pickled_or_copied(name: str, writer: Writer) -> None:
    with Reader(name, "oldest") as reader, reader.view() as view:
        for thing in (reader, writer, view):
            for act in (pickle.dumps, copy.copy, copy.deepcopy):
                with pytest.raises(TypeError, match="cannot be pickled or copied"):
                    act(thing)
        assert pickle.loads(pickle.dumps(reader.info)) == reader.info


def test_wrong_arguments_of_watch_are_refused() -> None:
    for wrong in (-1, NAN, INF):
        with pytest.raises(BadArgumentError, match="interval is"):
            dora_shm.watch(wrong)
    with pytest.raises(TypeError, match="interval is 'x'"):
        dora_shm.watch("x")
