"""Draws a stream: traces of numbers over time, or pictures. Needs matplotlib.

    python plot.py my-signal                      a window
    python plot.py my-signal --save picture.png   a picture of the next seconds, without a window

Names, labels and units are the stream's own. The stream may begin after the plot, change, end and begin again.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import matplotlib
import numpy as np
import numpy.typing as npt
from matplotlib import pyplot as plt

import dora_shm

MAX_TRACES = 32
"""The eye cannot distinguish more channels than this, so only the first ones are drawn."""
MAX_POINTS = 4000
"""Points of a trace, about as many as a screen has columns; frames between them are left out."""
INK, PALE, PAPER = "#1f2933", "#9aa5b1", "#ffffff"


class Plot:
    """A figure that shows the newest frames of a stream."""

    def __init__(self, reader: dora_shm.Reader, seconds: float) -> None:
        self.reader = reader
        self.seconds = seconds
        self.figure: Any = plt.figure(figsize=(10, 5.6), facecolor=PAPER)
        self.axes: Any = self.figure.add_axes((0.09, 0.12, 0.88, 0.76))
        self.kind: object = None
        self.artists: list[Any] = []
        self.scale = 0.0
        self.title = self.figure.text(0.09, 0.935, "", color=INK, fontsize=13, weight="bold")
        self.status = self.figure.text(0.97, 0.938, "", color=PALE, fontsize=9.5, ha="right")

    def update(self, _: object = None) -> None:
        """Shows the newest frames."""
        self.reader.read()  # Moves the cursor, so that `lost` and the events are up to date.
        chunk = self.reader.latest(seconds=self.seconds)
        info = self.reader.info
        self.title.set_text(info.key or self.reader.name)
        rate = info.rate or info.measured_rate or 0.0
        what = f"{rate:g} Hz" if info.dtype is None else f"{info.dtype} at {rate:.4g} Hz"
        self.status.set_text(f"{info.state}   {what}   {self.reader.lost} lost" if chunk else str(info.state))
        if not chunk:
            return
        kind = (chunk.generation, info.stream_id, chunk.description)
        if kind != self.kind:
            self.kind = kind
            self.scale = 0.0
            self.prepare(chunk, info)
        if is_picture(chunk.samples):
            self.artists[0].set_data(chunk.samples[-1])
        else:
            self.draw_traces(chunk)

    def prepare(self, chunk: dora_shm.Chunk, info: dora_shm.StreamInfo) -> None:
        """Prepares the figure for frames of another kind."""
        axes = self.axes
        axes.clear()
        axes.set_facecolor(PAPER)
        for side in ("top", "right", "left", "bottom"):
            axes.spines[side].set_visible(False)
        axes.tick_params(colors=INK, length=0, labelsize=9.5)
        if is_picture(chunk.samples):
            axes.set_axis_off()
            self.artists = [axes.imshow(chunk.samples[-1], cmap="gray")]
            return
        traces = traces_of(chunk.samples)
        count = traces.shape[1]
        dims = info.dims
        labels = info.labels(dims[1])[:count] if chunk.samples.ndim == 2 and len(dims) > 1 else ()
        colors = matplotlib.colormaps["viridis"](np.linspace(0.0, 0.82, count))
        self.artists = [axes.plot([], [], lw=1.0, color=color, solid_joinstyle="round")[0] for color in colors]
        axes.set_yticks(-np.arange(count), labels or [str(i) for i in range(count)])
        for tick, color in zip(axes.get_yticklabels(), colors, strict=True):
            tick.set_color(color)
        axes.set_ylim(-count + 0.2, 0.8)
        axes.set_xlim(-self.seconds, 0)
        axes.grid(axis="x", color="#e4e7eb", lw=0.8)
        unit = unit_along(info)
        axes.set_xlabel(f"{dims[0] if dims else 'time'} before now ({unit})", color=INK, fontsize=10)
        # A bar for the scale of the samples, outside the traces.
        self.bar = axes.plot([0, 0], [0, 0], color=INK, lw=2.5, clip_on=False, solid_capstyle="butt")[0]
        self.bar_text = axes.text(0, 0, "", color=INK, fontsize=9.5, va="center", ha="right", clip_on=False)
        self.unit = str(info.attrs.get("unit", info.attrs.get("units", "")))

    def draw_traces(self, chunk: dora_shm.Chunk) -> None:
        step = max(1, len(chunk) // MAX_POINTS)
        # The same frames are left out in each picture. Otherwise the traces would flicker.
        keep = slice(-chunk.first % step, None, step)
        times = chunk.times[keep] - chunk.times[-1]
        traces = traces_of(chunk.samples)[keep].astype(np.float64)
        middle = np.nanmedian(traces, axis=0)
        spread = float(np.nanpercentile(np.abs(traces - middle), 99.5)) or 1.0
        if not 0.5 * self.scale < spread < self.scale:
            # The scale changes rarely, so that it can be read.
            self.scale = nice(1.4 * spread)
        for i, artist in enumerate(self.artists):
            artist.set_data(times, (traces[:, i] - middle[i]) / (2 * self.scale) - i)
        x = 0.006 * self.seconds
        self.bar.set_data([x, x], [0.5, 0.0])
        self.bar_text.set_position((-x, 0.62))
        self.bar_text.set_text(f"{self.scale:g} {self.unit}")


def is_picture(samples: npt.NDArray[Any]) -> bool:
    """Whether frames have rows and columns of bytes, and maybe colors."""
    return samples.dtype == np.uint8 and (samples.ndim == 3 or (samples.ndim == 4 and samples.shape[3] in (3, 4)))


def traces_of(samples: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The samples as traces over time: shape ``(frames, traces)``."""
    return samples.reshape(len(samples), -1)[:, :MAX_TRACES]


def unit_along(info: dora_shm.StreamInfo) -> str:
    """Unit of the buffered axis."""
    axis = info.axes.get(info.buffered_axis or "")
    return (axis.unit if axis is not None else "") or "s"


def nice(value: float) -> float:
    """The next 1, 2 or 5 times a power of ten."""
    power = 10.0 ** np.floor(np.log10(value))
    return float(next(factor * power for factor in (1, 2, 5, 10) if factor * power >= value))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", help="name of the stream")
    parser.add_argument("--seconds", type=float, default=5.0, help="how much of it to show (default: 5)")
    parser.add_argument("--save", metavar="FILE", help="save a picture of these seconds instead of opening a window")
    arguments = parser.parse_args()
    if arguments.save:
        matplotlib.use("Agg")
    with dora_shm.Reader(arguments.name) as reader:
        plot = Plot(reader, arguments.seconds)
        if arguments.save:
            plot.update()
            full_at = time.monotonic() + arguments.seconds
            # Until there is something to draw, and then for the given time or as long as the stream lasts.
            while plot.kind is None or (time.monotonic() < full_at and reader.state in ("live", "idle")):
                reader.wait(0.1)
                plot.update()
            plot.figure.savefig(arguments.save, dpi=100)
        else:
            timer = plot.figure.canvas.new_timer(interval=1000 // 30)

            def draw() -> None:
                plot.update()
                plot.figure.canvas.draw_idle()

            timer.add_callback(draw)
            timer.start()
            plt.show()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        pass
