"""`dora_shm.ezmsg.EZShmMirror`: the original's methods, without its defects (D1 and so on are their numbers)."""

from __future__ import annotations

import copy
import json
import os
import pickle
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dora_shm
from dora_shm import Writer
from dora_shm.ezmsg import SHMEM_META_MAGIC, EZShmMirror, ShmemArrMeta, ShmemVersionError, shorten_shmem_name

from .conftest import PATIENCE_S, PRELUDE, segments
from .test_reading import counting, stream

GOLDEN = Path(__file__).parents[3] / "tests/vectors/ezmsg"


@pytest.fixture
def mirror(name: str) -> Iterator[EZShmMirror]:
    made = EZShmMirror(name)
    yield made
    made.disconnect()


def test_a_mirror_without_a_stream_returns_and_does_not_raise(name: str, mirror: EZShmMirror) -> None:
    for one in (EZShmMirror(), EZShmMirror(None), mirror):
        frames, times, overflow = one.timed_view()
        assert frames.shape == (1, 0) and times.shape == (0,) and overflow is False
        assert (one.meta, one.buffer, one.write_index, one.connected) == (None, None, None, False)
        assert (one.axes, one.attrs, one.dims, one.stream_dim, one.buffered_axis) == (None,) * 5
        assert one.metadata_available is False


def test_every_frame_is_returned_once(name: str, mirror: EZShmMirror) -> None:
    """D1: a write index at the end of the ring; D2: a lone frame; D15: no delay before the first."""
    with stream(name, 64) as writer:
        got = []
        for first, frames in [(0, 1), (1, 31), (32, 32), (64, 1), (65, 63), (128, 64), (192, 7)]:
            writer.write(counting(first, frames), times=np.arange(first, first + frames))
            view, times, overflow = mirror.timed_view()
            assert len(view) == frames and not overflow
            np.testing.assert_array_equal(times, np.arange(first, first + frames))
            got.append(view)
            for _ in range(3):
                view, overflow = mirror.auto_view()
                assert view.shape == (0, 4) and view.dtype == np.int64 and not overflow
        np.testing.assert_array_equal(np.concatenate(got), counting(0, 199))


def test_exactly_n_frames_are_returned_or_none(name: str, mirror: EZShmMirror) -> None:
    with stream(name, 64) as writer:
        writer.write(counting(0, 10))
        assert [len(mirror.auto_view(4)[0]) for _ in range(4)] == [4, 4, 0, 0]
        writer.write(counting(10, 10))
        np.testing.assert_array_equal(mirror.auto_view(12)[0], counting(8, 12))
        assert len(mirror.auto_view(0)[0]) == 0
        writer.write(counting(20, 1))
        assert len(mirror.auto_view(1)[0]) == 1
        with pytest.raises(ValueError, match="0 or more"):
            mirror.auto_view(-3)


def test_overflow_is_set_only_if_frames_were_lost(name: str, mirror: EZShmMirror) -> None:
    """D3: exactly a ring of unread frames is not an overflow; D4: a gap is reported by views of n, too."""
    with stream(name, 64) as writer:
        assert mirror.auto_view()[0].shape == (0, 4)
        for first in range(0, 64, 16):
            writer.write(counting(first, 16))
        view, overflow = mirror.auto_view()
        assert len(view) == 64 and not overflow
        for first in range(64, 64 + 160, 16):
            writer.write(counting(first, 16))
        view, overflow = mirror.auto_view(8)
        assert overflow and len(view) == 8
        np.testing.assert_array_equal(view, counting(int(view[0, 0]) // 4, 8))
        view, overflow = mirror.auto_view()
        assert not overflow and view[-1, 0] == 223 * 4


def test_views_stay_as_they_were_returned(name: str, mirror: EZShmMirror) -> None:
    """D5: neither the writer nor the reader changes the other's frames."""
    with stream(name, 64) as writer:
        writer.write(counting(0, 60))
        view, times, _ = mirror.timed_view()
        kept = times.copy()
        writer.write(counting(60, 64))
        np.testing.assert_array_equal(view, counting(0, 60))
        np.testing.assert_array_equal(times, kept)
        view[:] = -1
        np.testing.assert_array_equal(mirror.auto_view()[0], counting(60, 64))


def test_a_chunk_longer_than_the_ring_leaves_its_newest_frames(name: str, mirror: EZShmMirror) -> None:
    """D8"""
    with stream(name, 64) as writer:
        mirror.auto_view()
        writer.write(counting(0, 100))
        view, overflow = mirror.auto_view()
        assert overflow and view[-1, 0] == 99 * 4


def test_other_formats_are_followed_without_a_frame_of_the_wrong_kind(name: str, mirror: EZShmMirror) -> None:
    """D6, D7, D9"""
    changes: list[tuple[int, ...]] = []
    mirror.register_change_callback(lambda: changes.append(tuple(mirror.meta.shape[: mirror.meta.ndim])[1:]))
    with stream(name, 64) as writer:
        writer.write(counting(0, 5))
        assert len(mirror.auto_view(3)[0]) == 3
        writer.write(counting(5, 1))
        writer.begin(dtype="float32", shape=(2,), rate=50.0, buf_dur=1.0)
        writer.write(np.ones((4, 2), "float32"))
        view, _ = mirror.auto_view(4)
        np.testing.assert_array_equal(view, counting(3, 3)), "the last ones of the old ring"
        assert mirror.meta.dtype == b"l"
        view, _ = mirror.auto_view(4)
        assert view.shape == (4, 2) and view.dtype == np.float32
        meta = mirror.meta
        assert (meta.dtype, meta.srate, meta.buffer_generation) == (b"f", 50.0, 1)
    assert changes == [(4,), (2,)]
    mirror.unregister_change_callback()


def test_the_header_describes_the_ring(name: str, mirror: EZShmMirror) -> None:
    with Writer(name, "uint16", (3, 2), 100.0, key="k\u00f6y", buf_frames=64) as writer:
        writer.write(np.zeros((70, 3, 2), "uint16"))
        meta = mirror.meta
        assert isinstance(meta, ShmemArrMeta) and meta.magic == SHMEM_META_MAGIC and meta.bvalid
        assert np.dtype(meta.dtype) == np.uint16 and meta.srate == 100.0 and meta.ndim == 3
        assert meta.shape[: meta.ndim] == [64, 3, 2] and meta.key == "k\u00f6y"
        assert (meta.wrap_counter, meta.write_index, mirror.write_index) == (1, 6, 6)
        meta.shape[0] = 7
        assert mirror.meta.shape[0] == 64, "it is a copy"
        assert mirror.connected


def test_a_key_is_cut_between_characters_and_never_read_beyond_its_bytes() -> None:
    """D14, D20"""
    meta = ShmemArrMeta()
    meta.key = "\u00fc" * 600
    assert meta.key == "\u00fc" * 512
    meta.key = "a" + "\u00fc" * 600
    assert meta.key == "a" + "\u00fc" * 511
    meta._key_len = 5000
    assert len(meta.key) <= 1024


def test_the_buffer_is_the_ring_as_it_is_in_memory(name: str, mirror: EZShmMirror) -> None:
    with stream(name, 64) as writer:
        writer.write(counting(0, 10))
        buffer = mirror.buffer
        assert buffer.shape == (64, 4) and not buffer.flags.writeable
        np.testing.assert_array_equal(buffer[:10], counting(0, 10))
        assert not buffer[10:].any()
        writer.write(counting(10, 60))
        np.testing.assert_array_equal(mirror.buffer[:6], counting(64, 6))
        np.testing.assert_array_equal(mirror.buffer[6:], counting(6, 58))


def test_metadata_comes_as_ezmsg_has_it(name: str, mirror: EZShmMirror) -> None:
    axes = {
        "ch": [{"bank": "A", "elec": 1, "label": "Fp1"}, {"bank": "B", "elec": 12, "label": "Cz"}],
        "freq": dora_shm.LinearAxis("Hz", 0.5),
        "time": dora_shm.LinearAxis("s", 0.01),
    }
    with Writer(name, "float32", (2, 3), 100.0, ("time", "ch", "freq"), axes, {"unit": "uV"}, "k", clock="unix") as writer:
        assert mirror.metadata_available, "before the first frame"
        assert mirror.dims == ["time", "ch", "freq"] and mirror.attrs == {"unit": "uV"}
        assert (mirror.buffered_axis, mirror.stream_dim) == ("time", None)
        found = mirror.axes
        assert found["time"] == {"kind": "linear", "unit": "s", "gain": 0.01}
        assert found["freq"] == {"kind": "linear", "unit": "Hz", "gain": 0.5, "offset": 0.0}
        assert (found["ch"]["kind"], found["ch"]["dims"]) == ("coord", ["ch"])
        data = found["ch"]["data"]
        assert data.dtype.names == ("bank", "elec", "label") and data["elec"].tolist() == [1, 12]
        assert data["label"].tolist() == ["Fp1", "Cz"]
        writer.write(np.zeros((1, 2, 3), "float32"))
        assert len(mirror.auto_view()[0]) == 1


@pytest.mark.parametrize(
    ("labels", "dtype"),
    [(["a", "bcd"], "<U3"), ([1, 2], "<i8"), ([0.5, 2.0], "<f8"), ([1, 0.5], "<f8"), ([True, False], "?"),
     (["a", 1], "O"), ([2**53 + 1, 0.5], "O"), ([2**63, 1], "<u8"), ([{"a": 1}, {"b": 1}], "O"), ([[1, 2], [3, 4]], "O")],
)
def test_labels_are_an_array_of_one_type_if_it_represents_all(
    name: str, mirror: EZShmMirror, labels: list[Any], dtype: str
) -> None:
    with Writer(name, "uint8", (2,), 1.0, ("time", "ch"), {"ch": labels}, clock="unix"):
        data = mirror.axes["ch"]["data"]
        assert data.dtype == np.dtype(dtype) and data.tolist() == labels


def test_labels_that_are_a_structured_array_come_back_as_one(name: str, mirror: EZShmMirror) -> None:
    labels = np.array([("A", 1), ("B", 2)], [("bank", "U2"), ("elec", "<i4")])
    with Writer(name, "uint8", (2,), 1.0, ("time", "ch"), {"ch": labels}, clock="unix"):
        data = mirror.axes["ch"]["data"]
        assert data.dtype.names == ("bank", "elec") and data.tolist() == labels.tolist()


def test_a_buffered_axis_without_a_description_is_made_from_the_rate(name: str, mirror: EZShmMirror) -> None:
    with Writer(name, "uint8", (2,), 4.0, clock="unix"):
        assert mirror.axes == {"time": {"kind": "linear", "unit": "s", "gain": 0.25}}
    mirror.auto_view()
    with Writer(name, "uint8", (2,), buf_frames=4, dims=("n", "ch"), clock="unix") as writer:
        writer.write(np.zeros((1, 2), "uint8"))
        mirror.auto_view()
        assert mirror.axes == {"n": {"kind": "coord", "unit": "", "dims": ["n"]}} and mirror.meta.srate == 0.0


def test_changed_metadata_is_announced_with_its_frames(name: str, mirror: EZShmMirror) -> None:
    """D19"""
    announced: list[Any] = []
    mirror.register_metadata_callback(lambda: announced.append((mirror._aux_generation, mirror.attrs)))
    with stream(name, attrs={"run": 1}) as writer:
        writer.write(counting(0, 2))
        mirror.auto_view(1)
        writer.describe(attrs={"run": 2})
        writer.write(counting(2, 2))
        assert mirror.attrs == {"run": 1}
        assert len(mirror.auto_view()[0]) == 3 and mirror.attrs == {"run": 2}
        mirror.auto_view()
        assert announced == [(1, {"run": 1}), (2, {"run": 2})]
        mirror.unregister_metadata_callback()
        writer.describe(attrs={"run": 3})
        writer.write(counting(4, 1))
        mirror.auto_view()
        assert len(announced) == 2 and mirror.attrs == {"run": 3}


def test_without_reading_the_newest_metadata_is_shown(name: str, mirror: EZShmMirror) -> None:
    with stream(name, attrs={"run": 1}) as writer:
        writer.write(counting(0, 2))
        assert mirror.attrs == {"run": 1}
        writer.describe(attrs={"run": 2})
        writer.write(counting(2, 2))
        assert mirror.attrs == {"run": 2}
        writer.begin(shape=(2,), attrs={"run": 3})
        assert mirror.attrs == {"run": 3} and mirror.meta.shape[1] == 2
        assert len(mirror.auto_view()[0]) == 4, "and every frame is still returned"


def test_it_continues_with_the_next_writer(name: str, mirror: EZShmMirror, actor) -> None:
    """D10: after an orderly end and after a kill."""
    code = """
        writer = dora_shm.Writer(name, "int64", (4,), 1000.0)
        writer.write(np.full((3, 4), int(sys.argv[2])))
        report("written")
        read_line()
        writer.close()
    """
    for round_, end in enumerate(["end", "kill", "end"]):
        writer = actor(code, str(round_))
        writer.expect("written")
        deadline = time.monotonic() + PATIENCE_S
        while not len(view := mirror.auto_view(3)[0]) or not view.size:
            assert time.monotonic() < deadline
        assert view[:, 0].tolist() == [round_] * 3 and mirror.connected
        getattr(writer, end)()
        mirror.auto_view()
        assert not mirror.connected
    mirror.auto_view()


def test_the_end_of_a_mirrors_program_leaves_the_stream_alone(name: str) -> None:
    """D11, D13: no resource tracker, no pickle."""
    with stream(name) as writer:
        writer.write(counting(0, 3))
        code = PRELUDE + textwrap.dedent("""
            from dora_shm.ezmsg import EZShmMirror
            mirror = EZShmMirror(name)
            assert len(mirror.auto_view()[0]) == 3 and mirror.axes is not None
            assert "multiprocessing.resource_tracker" not in sys.modules
            assert not any(name.startswith("ezmsg") for name in sys.modules)
        """)
        subprocess.run([sys.executable, "-W", "error", "-c", code, name], check=True, timeout=PATIENCE_S)
        assert segments(name)
        mirror = EZShmMirror(name)
        assert len(mirror.auto_view()[0]) == 3
        mirror.disconnect()


def test_every_new_mirror_gets_what_the_ring_holds(name: str) -> None:
    """D21"""
    with stream(name, 64) as writer:
        for first in range(0, 200, 10):
            writer.write(counting(first, 10))
            newcomer = EZShmMirror(name)
            frames, overflow = newcomer.auto_view()
            assert len(frames) == min(64, first + 10) and not overflow
            newcomer.disconnect()


def test_single_numbers_come_in_a_column(name: str, mirror: EZShmMirror) -> None:
    """D16"""
    with Writer(name, "float64", (), 10.0) as writer:
        writer.write([1.0, 2.0])
        assert mirror.dims == ["time", "ch"]
        assert mirror.auto_view()[0].tolist() == [[1.0], [2.0]] and mirror.meta.ndim == 2
        assert mirror.buffer.shape == (20, 1)


def test_connecting_elsewhere_and_nowhere(name: str, mirror: EZShmMirror) -> None:
    with stream(name) as writer:
        writer.write(counting(0, 3))
        assert len(mirror.auto_view()[0]) == 3
        mirror.connect(name)
        assert mirror.auto_view()[0].shape == (0, 4), "the same name again changes nothing"
        mirror.connect(name + "/other")
        assert mirror.auto_view()[0].shape == (1, 0)
        mirror.connect(name)
        assert len(mirror.auto_view()[0]) == 3
        mirror.connect(None)
        assert mirror.auto_view()[0].shape == (1, 0) and not mirror.connected
        mirror.disconnect()


@pytest.mark.parametrize(("size", "magic", "version"), [
    (1334, 0xDEAD, 2), (1334, 0, 0), (8192, 7, 7), (1334, SHMEM_META_MAGIC, 3),
])
def test_a_segment_that_is_not_a_header_is_refused(name: str, size: int, magic: int, version: int) -> None:
    """D14, D15: but only after the time that a writer may take to fill in a header."""
    path = Path("/dev/shm", shorten_shmem_name(name))
    header = bytearray(size)
    header[:8] = magic.to_bytes(4, "little") + version.to_bytes(4, "little")
    path.write_bytes(header)
    words = "Upgrade both ends together" if magic == SHMEM_META_MAGIC else "does not carry this build's header"
    with pytest.raises(ShmemVersionError, match=words):
        EZShmMirror(name)
    path.unlink()


def test_a_callback_that_raises_costs_no_frame(name: str, mirror: EZShmMirror) -> None:
    def refuse() -> None:
        raise ZeroDivisionError

    with stream(name, 64, attrs={"run": 1}) as writer:
        writer.write(counting(0, 3))
        assert len(mirror.auto_view()[0]) == 3
        writer.write(counting(3, 2))
        writer.describe(attrs={"run": 2})
        writer.write(counting(5, 4))
        mirror.register_metadata_callback(refuse)
        with pytest.raises(ZeroDivisionError):
            mirror.auto_view()
        np.testing.assert_array_equal(mirror.auto_view()[0], counting(3, 6))
        mirror.register_change_callback(refuse)
        writer.begin(shape=(2,))
        writer.write(np.ones((5, 2), int))
        with pytest.raises(ZeroDivisionError):
            mirror.auto_view()
        mirror.unregister_metadata_callback()
        assert mirror.auto_view()[0].shape == (5, 2)


def test_a_mirror_that_is_copied_or_pickled_connects_again(name: str, mirror: EZShmMirror) -> None:
    assert pickle.loads(pickle.dumps(EZShmMirror())).meta is None
    with stream(name, 64) as writer:
        writer.write(counting(0, 3))
        assert len(mirror.auto_view()[0]) == 3
        for made in (copy.copy(mirror), copy.deepcopy(mirror), pickle.loads(pickle.dumps(mirror))):
            np.testing.assert_array_equal(made.auto_view()[0], counting(0, 3))
            made.disconnect()


def test_a_wrong_number_of_frames_is_refused(name: str, mirror: EZShmMirror) -> None:
    """D20: the original moves its cursor back."""
    with stream(name, 64) as writer:
        writer.write(counting(0, 3))
        for wrong, error in [(-3, ValueError), (1.5, TypeError), ("2", TypeError)]:
            with pytest.raises(error, match="n is"):
                mirror.auto_view(wrong)
        assert len(mirror.auto_view(0)[0]) == 0 and len(mirror.auto_view(10**30)[0]) == 0
        assert len(mirror.auto_view(np.int64(3))[0]) == 3


def test_a_request_for_more_than_comes_loses_the_oldest_and_keeps_a_ring(name: str, mirror: EZShmMirror) -> None:
    with stream(name, 64) as writer:
        mirror.auto_view()
        for first in range(0, 1000, 10):
            writer.write(counting(first, 10))
            assert len(mirror.auto_view(1000)[0]) == 0
        assert 64 <= mirror._unread < 84
        view, overflow = mirror.auto_view()
        assert overflow and view[-1, 0] == 999 * 4
        np.testing.assert_array_equal(view, counting(1000 - len(view), len(view)))


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("case", ["eeg_f32_wrapped", "image_u8"])
def test_real_segments_of_ezmsg_are_read(name: str, version: int, case: str) -> None:
    folder = GOLDEN / f"v{version}" / case
    expected = json.loads((folder / "expected.json").read_text())
    for file, long_name in [("header.bin", name), ("data.bin", f"{name}/buffer0"), ("aux.bin", f"{name}/meta1")]:
        Path("/dev/shm", shorten_shmem_name(long_name)).write_bytes((folder / file).read_bytes())
    mirror = EZShmMirror(name)
    try:
        header, aux = expected["header"], expected["aux"]
        frames, times, overflow = mirror.timed_view()
        ring = np.array(expected["ring"], header["dtype"])
        laps, index = header["wrap_counter"], header["write_index"]
        order = np.roll(np.arange(len(ring)), -index) if laps else np.arange(index)
        np.testing.assert_array_equal(frames, ring[order])
        if expected["times"] is not None:
            np.testing.assert_array_equal(times, np.array(expected["times"])[order])
        assert not overflow and frames.dtype == np.dtype(header["dtype"])
        meta = mirror.meta
        assert (meta.srate, meta.key, meta.shape[: meta.ndim]) == (header["srate"], header["key"], header["shape"])
        assert mirror.dims == aux["dims"] and mirror.attrs == aux["attrs"]
        assert mirror.axes["time"] == aux["axes"]["time"]
        if case == "eeg_f32_wrapped":
            data = mirror.axes["ch"]["data"]
            assert [list(row) for row in data.tolist()] == aux["axes"]["ch"]["data"]["values"]
            assert data.dtype.names == ("bank", "elec", "label")
    finally:
        mirror.disconnect()
        for path in segments(name):
            path.unlink()


def test_a_mirror_can_be_dropped_at_any_time(name: str) -> None:
    before = len(os.listdir("/proc/self/fd"))
    with stream(name) as writer:
        writer.write(counting(0, 3))
        open_ = len(os.listdir("/proc/self/fd"))
        for _ in range(20):
            made = EZShmMirror(name)
            assert made.axes is not None and len(made.auto_view()[0]) == 3
            del made
        assert len(os.listdir("/proc/self/fd")) == open_
    assert len(os.listdir("/proc/self/fd")) == before
