"""The real ezmsg-tools with our mirror: its sink writes what the mirror reads, and its plot code uses the mirror."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from dora_shm import Writer
from dora_shm.ezmsg import EZShmMirror, ShmemArrMeta, ShmemVersionError, shorten_shmem_name

from .conftest import segments

pytest.importorskip("ezmsg.tools.shmem")

from ezmsg.tools.plot.describe import describe_mirror, flatten_for_plot  # noqa: E402
from ezmsg.tools.shmem import shmem as original  # noqa: E402
from ezmsg.tools.shmem.shmem_mirror import EZShmMirror as OriginalMirror  # noqa: E402
from ezmsg.util.messages.axisarray import AxisArray  # noqa: E402

CHANNELS = np.array([("A", 1, "Fp1"), ("A", 2, "Cz")], [("bank", "U2"), ("elec", "<i4"), ("label", "U16")])


@pytest.fixture
def sink(name: str) -> Iterator[Callable[[AxisArray], None]]:
    """The original's sink, driven without a graph."""
    made = original.ShMemCircBuff(original.ShMemCircBuffSettings(shmem_name=name, buf_dur=1.0, axis="time"))
    made.STATE = original.ShMemCircBuff.STATE()
    made._reset_meta()
    yield lambda message: asyncio.run(made.on_message(message))
    made._cleanup_buffer()
    made._cleanup_meta()
    # It does not remove rings that it has replaced.
    for path in segments(name):
        path.unlink()


def message(first: int, frames: int, dtype: str = "float32", **attrs: Any) -> AxisArray:
    data = (np.arange(first, first + frames)[:, None] * np.ones((1, 2))).astype(dtype)
    axes = {
        "time": AxisArray.TimeAxis(fs=100.0, offset=1000.0 + first / 100),
        "ch": AxisArray.CoordinateAxis(data=CHANNELS, dims=["ch"], unit=""),
    }
    return AxisArray(data, dims=["time", "ch"], axes=axes, attrs=attrs, key="k")


def test_frames_of_the_original_sink_carry_their_times_across_a_wrap(
    name: str, sink: Callable[[AxisArray], None]
) -> None:
    mirror = EZShmMirror(name)
    frames, times = [], []
    for first in range(0, 400, 40):
        sink(message(first, 40))
        view, at, overflow = mirror.timed_view()
        assert not overflow and len(view) == 40
        frames.append(view[:, 0])
        times.append(at)
    np.testing.assert_array_equal(np.concatenate(frames), np.arange(400))
    np.testing.assert_allclose(np.concatenate(times), 1000.0 + np.arange(400) / 100)
    assert mirror.dims == ["time", "ch"] and mirror.axes["ch"]["data"]["label"].tolist() == ["Fp1", "Cz"]
    mirror.disconnect()


def test_it_follows_the_original_sink_to_another_dtype_and_other_attributes(
    name: str, sink: Callable[[AxisArray], None]
) -> None:
    mirror = EZShmMirror(name)
    announced: list[Any] = []
    mirror.register_metadata_callback(lambda: announced.append(mirror.attrs))
    sink(message(0, 10, unit="uV"))
    assert mirror.auto_view()[0].dtype == np.float32
    sink(message(10, 10, "float16", unit="mV"))
    view, _ = mirror.auto_view()
    assert view.dtype == np.float16 and len(view) == 10
    assert announced[-1] == {"unit": "mV"}
    mirror.disconnect()


@pytest.mark.parametrize("ours", [False, True])
def test_the_originals_plot_code_describes_and_flattens_our_mirror(
    name: str, ours: bool, sink: Callable[[AxisArray], None]
) -> None:
    mirror = EZShmMirror(name + "/ours" if ours else name)
    assert describe_mirror(mirror) is None
    labels = [dict(zip(CHANNELS.dtype.names, row, strict=True)) for row in CHANNELS.tolist()]
    writer = Writer(name + "/ours", "float32", (2,), 100.0, ("time", "ch"), {"ch": labels}, {"unit": "uV"})
    with writer:
        writer.write(np.zeros((10, 2), "float32"))
        sink(message(0, 10, unit="uV"))
        samples, times, _ = mirror.timed_view()
        shape = describe_mirror(mirror, label_fields=("bank", "elec"))
        assert (shape.n_channels, shape.srate, shape.unit) == (2, 100.0, "uV")
        assert shape.channel_labels == ["A-1", "A-2"]
        assert flatten_for_plot(samples, shape).shape == (10, 2) and len(times) == 10
        samples, _, _ = mirror.timed_view()
        assert flatten_for_plot(samples, shape).shape == (0, 2)
        mirror.disconnect()


class Stand:
    """A stand-in for any object of Qt or of the plot, since there is no display. It accepts every call."""

    pushed: list[Any] = []

    def __init__(self, *_: Any, **__: Any) -> None: ...

    def push_data(self, samples: Any, timestamps: Any) -> None:
        self.pushed.append((samples, timestamps))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Stand()

    def __call__(self, *_: Any, **__: Any) -> Any:
        return Stand()


def test_the_originals_sweep_plot_draws_from_our_mirror(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for module, members in {
        "PySide6": {"QtCore": Stand(), "QtWidgets": SimpleNamespace(QWidget=Stand, QVBoxLayout=Stand, QLabel=Stand)},
        "phosphor": {"ChannelPlotControlsWidget": Stand},
        "phosphor.sweep_widget": {"SweepConfig": dict, "SweepWidget": Stand},
    }.items():
        made = ModuleType(module)
        vars(made).update(members)
        monkeypatch.setitem(sys.modules, module, made)
    monkeypatch.delitem(sys.modules, "ezmsg.tools.plot.shmem_sweep", raising=False)
    sweep = importlib.import_module("ezmsg.tools.plot.shmem_sweep")
    # The one import that a program changes.
    monkeypatch.setattr(sweep, "EZShmMirror", EZShmMirror)
    monkeypatch.setattr(Stand, "pushed", [])
    try:
        widget = sweep.ShmemSweepWidget(name)
        widget._on_tick()
        with Writer(name, "float32", (2,), 100.0, ("time", "ch"), {"ch": [{"label": "a"}, {"label": "b"}]}) as writer:
            for first in range(3):
                writer.write(np.full((1, 2), first, "float32"), times=[float(first)])
                widget._on_tick()
                widget._on_tick()
            assert widget.error is None and widget.stream_shape.channel_labels == ["a", "b"]
            assert [samples.tolist() for samples, _ in Stand.pushed] == [[[i, i]] for i in (0.0, 1.0, 2.0)]
            assert [times.tolist() for _, times in Stand.pushed] == [[0.0], [1.0], [2.0]]
            writer.begin(shape=(3,))
            writer.write(np.zeros((2, 3), "float32"))
            widget._on_tick()
            assert widget.stream_shape.n_channels == 3 and Stand.pushed[-1][0].shape == (2, 3)
            widget.shutdown()
    finally:
        sys.modules.pop("ezmsg.tools.plot.shmem_sweep", None)


def test_the_original_mirror_and_ours_see_the_same_of_our_stream(name: str) -> None:
    with Writer(name, "float32", (2, 3), 100.0, ("time", "y", "x"), {"y": ["a", "b"]}, {"n": 1}, "k", buf_frames=64) as w:
        w.write(np.arange(60, dtype="float32").reshape(10, 2, 3))
        ours, theirs = EZShmMirror(name), OriginalMirror(name)
        try:
            for one, other in zip(ours.timed_view(), theirs.timed_view(), strict=True):
                np.testing.assert_array_equal(one, other)
            for attribute in ("dims", "attrs", "stream_dim", "buffered_axis", "connected", "write_index"):
                assert getattr(ours, attribute) == getattr(theirs, attribute), attribute
            np.testing.assert_equal(ours.axes, theirs.axes)
            np.testing.assert_array_equal(ours.buffer, theirs.buffer)
            # Ours has no pickle, so no aux_nbytes, and it counts descriptions by itself.
            for field, *_ in ShmemArrMeta._fields_[:-2]:
                one, other = (getattr(mirror.meta, field) for mirror in (ours, theirs))
                if isinstance(one, bool | int | float | bytes):
                    assert one == other, field
                else:
                    assert list(one) == list(other), field
        finally:
            ours.disconnect()
            # At the program's end, its resource tracker would remove our segments if the writer did not exist.
            theirs.disconnect()


def test_code_that_catches_the_originals_exception_catches_ours(name: str) -> None:
    path = Path("/dev/shm", shorten_shmem_name(name))
    path.write_bytes(bytes([1]) * 1334)
    try:
        for theirs in (original.ShmemVersionError, ShmemVersionError):
            with pytest.raises(theirs, match="does not carry this build's header"):
                EZShmMirror(name)
    finally:
        path.unlink()


def test_every_public_name_of_the_original_is_there() -> None:
    public = {member for member in dir(OriginalMirror) if not member.startswith("_")}
    assert public <= set(dir(EZShmMirror))
    for member in public | {"__init__"}:
        theirs, ours = (getattr(mirror, member) for mirror in (OriginalMirror, EZShmMirror))
        if not isinstance(theirs, property):
            parameters = [list(inspect.signature(method).parameters.values()) for method in (theirs, ours)]
            for one, other in zip(*parameters, strict=True):
                assert (one.name, one.default, one.kind) == (other.name, other.default, other.kind), member
    assert [field[0] for field in ShmemArrMeta._fields_] == [field[0] for field in original.ShmemArrMeta._fields_]
    assert len(bytes(ShmemArrMeta())) == len(bytes(original.ShmemArrMeta())) == 1334
    assert shorten_shmem_name("demo") == original.shorten_shmem_name("demo")
    assert shorten_shmem_name(None) is None
