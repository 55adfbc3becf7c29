"""Frames in place: nothing is copied, nothing crashes, and overwritten frames are reported."""

from __future__ import annotations

import gc
import itertools

import numpy as np
import pytest

from dora_shm import OverwrittenError, Reader, Writer

from .test_reading import counting, stream


def test_a_view_shows_the_frames_in_place(name: str) -> None:
    with stream(name, 64) as writer, Reader(name) as reader:
        writer.write(counting(0, 40), times=np.arange(40))
        with reader.view() as view:
            assert len(view) == 40 and view.first == 0 and view.whole
            (part,), (times,) = view.parts, view.times_parts
            np.testing.assert_array_equal(part, counting(0, 40))
            np.testing.assert_array_equal(times, np.arange(40))
            assert part.dtype == np.int64 and not part.flags.owndata and not part.flags.writeable
        assert view.whole and view.lost == 0 and reader.position == 40
        assert not reader.view() and reader.view().parts == ()


def test_a_view_has_two_parts_where_the_ring_wraps(name: str) -> None:
    with stream(name, 64) as writer, Reader(name) as reader:
        writer.write(counting(0, 50))
        assert len(reader.read()) == 50
        writer.write(counting(50, 30), times=np.arange(50, 80))
        with reader.view() as view:
            assert [len(part) for part in view.parts] == [14, 16] == [len(part) for part in view.times_parts]
            np.testing.assert_array_equal(np.concatenate(view.parts), counting(50, 30))
            np.testing.assert_array_equal(np.concatenate(view.times_parts), np.arange(50, 80))
            assert view.positions.tolist() == list(range(50, 80))
        assert view.whole


def test_a_view_can_be_limited_and_waited_for(name: str) -> None:
    with stream(name, 64) as writer, Reader(name) as reader:
        assert not reader.view(timeout=0.01)
        writer.write(counting(0, 10))
        for first, frames in [(0, 4), (4, 4), (8, 2)]:
            with reader.view(4, timeout=None) as view:
                assert (view.first, len(view)) == (first, frames)


def test_overwritten_frames_are_reported_on_leaving(name: str) -> None:
    with stream(name, 64) as writer, Reader(name) as reader:
        writer.write(counting(0, 60))
        with reader.view() as view:
            assert view.whole
            writer.write(counting(60, 30))
            assert not view.whole and view.lost == 26
        assert (view.whole, view.lost, reader.lost, reader.position) == (False, 26, 26, 60)
        with pytest.raises(OverwrittenError, match="12 of 30 frames") as caught:
            with reader.view(raise_lost=True):
                writer.write(counting(90, 46))
        assert caught.value.lost == 12
        with pytest.raises(ZeroDivisionError), reader.view(raise_lost=True) as view:
            writer.write(counting(136, 64))
            1 / 0
        assert view.lost == 46, "the block's own exception comes through, and the view is back"
        assert len(reader.view()) == 64


def test_the_arrays_of_a_view_cannot_be_written_to(name: str) -> None:
    with stream(name, 64) as writer, Reader(name) as reader:
        writer.write(counting(0, 10))
        with reader.view() as view:
            for array in (*view.parts, *view.times_parts):
                with pytest.raises(ValueError, match="read-only"):
                    array[0] = 1
                with pytest.raises(ValueError):
                    array.setflags(write=True)
                assert memoryview(array).readonly


@pytest.mark.parametrize("order", list(itertools.permutations(["writer", "reader", "view", "arrays"])), ids="-".join)
def test_things_can_be_dropped_in_any_order(name: str, order: tuple[str, ...]) -> None:
    things: dict[str, object] = {"writer": stream(name, 64)}
    things["writer"].write(counting(0, 50))
    things["reader"] = Reader(name, "oldest")
    things["view"] = things["reader"].view()
    things["arrays"] = [part[3:] for part in things["view"].parts] + list(things["view"].times_parts)
    for what in order:
        if what == "view":
            things["view"].release()
        del things[what]
        gc.collect()
        if "arrays" in things:
            np.testing.assert_array_equal(things["arrays"][0], counting(3, 47))


def test_views_notice_descriptions_and_generations_as_reads_do(name: str) -> None:
    with stream(name, 64, attrs={"run": 1}) as writer, Reader(name) as reader:
        writer.write(counting(0, 3))
        writer.describe(attrs={"run": 2})
        writer.write(counting(3, 4))
        writer.begin(dtype="float32", shape=(2, 2))
        writer.write(np.zeros((5, 2, 2)))
        seen = []
        while view := reader.view():
            with view:
                seen.append((len(view), view.generation, view.description.attrs["run"], view.parts[0].shape[1:]))
        assert seen == [(3, 0, 1, (4,)), (4, 0, 2, (4,)), (5, 1, 2, (2, 2))]
        assert [event.kind for event in reader.events()] == ["new_description", "new_generation"]


def test_a_reader_may_be_closed_and_read_from_while_a_view_is_held(name: str) -> None:
    with stream(name, 64) as writer, Reader(name) as reader:
        writer.write(counting(0, 10))
        with reader.view(5) as view:
            assert len(reader.read()) == 10
        assert view.whole and reader.position == 10 and reader.lost == 0
        writer.write(counting(10, 5))
        with reader.view() as view:
            reader.close()
            np.testing.assert_array_equal(view.parts[0], counting(10, 5))
        assert view.whole


def test_scalars_booleans_and_half_floats_can_be_viewed(name: str) -> None:
    for dtype in ("bool", "float16", "uint8"):
        with Writer(name, dtype, (), buf_frames=10) as writer, Reader(name) as reader:
            writer.write(np.array([1, 0, 1], dtype))
            with reader.view() as view:
                assert view.parts[0].dtype == np.dtype(dtype) and view.parts[0].tolist() == [1, 0, 1]
