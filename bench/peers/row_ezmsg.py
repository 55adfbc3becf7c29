"""ezmsg-tools: its sink ShMemCircBuff, called without a graph around it, and its reader EZShmMirror.

A message is frames of 64 float32 values. There are at least two, because the mirror never returns a lone frame. The ring
is one frame longer than whole messages, because the mirror returns the whole ring again on every poll while the write
index equals the ring's length. If the two lengths have no common divisor, that happens once in as many messages as the
ring has frames: after the end of any measurement.
"""

import logging
import mmap

import numpy as np
from ezmsg.core import logger
from ezmsg.tools.shmem.shmem import ShMemCircBuff, ShMemCircBuffSettings
from ezmsg.tools.shmem.shmem_mirror import EZShmMirror
from ezmsg.util.messages.axisarray import AxisArray

from control import now_ns

CHANNELS = 64
# From linux/mman.h; the mmap module does not have it.
MADV_POPULATE_READ = 22
MADV_POPULATE_WRITE = 23

logger.setLevel(logging.WARNING)


def populate(segment, advice):
    """Maps all pages in, as the other rows do, instead of a lap of 256 MiB in Python."""
    try:
        segment._mmap.madvise(advice)
    except OSError as error:
        # Kernels before 5.14.
        logger.debug("not populated: %s", error)


def axis(offset=0.0):
    """The time axis: one frame per second, so that the ring's length in seconds is exactly its length in frames."""
    return AxisArray.LinearAxis(unit="s", gain=1.0, offset=offset)


def message(data):
    """The message that a producer makes of samples. Only the time axis of the metadata changes, which is the common case."""
    return AxisArray(data, dims=["time", "ch"], axes={"time": axis()}, key="bench", stream_dim="time")


class StampedTimes(np.ndarray):
    """The ring's times, which the sink stores last before it advances its write index: just before the commit."""

    stored_ns = 0

    def __setitem__(self, key, value):
        super().__setitem__(key, value)
        self.stored_ns = now_ns()


class Writer:
    """The sink. Messages are made beforehand, so that the write is only `on_message`."""

    def __init__(self, task, source):
        frames = task.payload // (4 * CHANNELS)
        self._frames = frames
        data = source.rows.view(np.float32).reshape(source.buffers, frames, CHANNELS)
        self._messages = [message(chunk) for chunk in data]
        self._empty = message(data[0, :0])
        settings = ShMemCircBuffSettings(shmem_name=task.name, buf_dur=float(task.ring_messages * frames + 1))
        self._sink = ShMemCircBuff(settings)
        self._sink._instantiate_state()
        self._times = None

    async def open(self, stamped):
        await self._sink.initialize()
        # Makes the ring.
        await self._sink.on_message(self._empty)
        state = self._sink.STATE
        populate(state.buffer_shmem, MADV_POPULATE_WRITE)
        if stamped:
            self._times = state.times_arr = state.times_arr.view(StampedTimes)

    def wait_for_reader(self):
        pass

    async def send(self, sequence):
        message = self._messages[sequence % len(self._messages)]
        message.axes["time"].offset = float(sequence * self._frames)
        await self._sink.on_message(message)
        return self._times.stored_ns if self._times is not None else 0

    async def close(self):
        self._times = None
        await self._sink.shutdown()


async def writer(task, source):
    made = Writer(task, source)
    # The stamp costs a microsecond, so it is taken only if there is a reader's stamp to compare it with.
    await made.open(stamped=task.has_reader)
    return made


class Reader:
    """The mirror, polled."""

    def __init__(self, task):
        self._frames = task.payload // (4 * CHANNELS)
        self._mirror = EZShmMirror(task.name)
        self._mirror.auto_view()
        if not self._mirror.connected:
            raise RuntimeError("the mirror does not connect")
        populate(self._mirror._mirror_state.buffer_shmem, MADV_POPULATE_READ)

    def run(self, receipts):
        auto_view, frames = self._mirror.auto_view, self._frames
        received = receipts.message
        target = received.array.view(np.float32).reshape(frames, CHANNELS)
        newest = -1
        while True:
            view, overflow = auto_view()
            if len(view) < frames:
                if receipts.is_over():
                    break
                continue
            seen_ns = now_ns()
            # A view ends with the newest message.
            start = len(view) % frames
            if overflow:
                # This is usually a false one, with everything the ring holds. The new frames are at its end.
                start = self._first_new(view, newest)
            while start < len(view):
                np.copyto(target, view[start : start + frames])
                done_ns = now_ns()
                # The view is the live ring, so a message that was overwritten meanwhile does not count as received.
                if received.is_whole() and received.sequence() > newest:
                    newest = received.sequence()
                    receipts.note(seen_ns, done_ns)
                start += frames
        # The mirror cannot close memory of which there is still a view.
        del view
        self._mirror.disconnect()

    def _first_new(self, view, newest):
        start = len(view)
        while start >= self._frames and int(view[start - self._frames, :2].view(np.uint64)[0]) > newest:
            start -= self._frames
        return start


def reader(task):
    return Reader(task)
