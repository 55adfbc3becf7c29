"""One of the two processes of a measurement, for a row whose package is in Python, as `bench/src/peer.rs` for other rows.

A row is a module `row_<name>` with `writer(task, source)`, a coroutine, and `reader(task)`. The probe of the cores' distance
is not made here, because it would measure the interpreter's round trip.
"""

import argparse
import asyncio
import dataclasses
import gc
import importlib
import json
import os

from control import Control, Stamp, Word, now_ns
from message import Receipt, Source

LAST_WAIT_NS = 2_000_000_000


@dataclasses.dataclass(frozen=True)
class Task:
    """`struct Task` of task.rs, and what follows from it."""

    row: str
    name: str
    mode: str
    payload: int
    ring: int
    warm_up: int
    messages: int
    limit_ns: int
    writer_cpu: int
    reader_cpu: int
    period_ns: int
    ring_messages: int
    window: int

    @property
    def has_reader(self):
        return self.mode in ("paced", "lossless")

    @property
    def is_paced(self):
        return self.mode in ("paced", "alone-paced")


def settle(cpu):
    """Binds this thread to a processor (threads that a package has started are not bound), and keeps the garbage collector
    from scanning the objects of the benchmark itself."""
    os.sched_setaffinity(0, {cpu})
    gc.freeze()


async def write(row, task, control):
    """Runs the writer."""
    source = Source(task.payload)
    writer = await row.writer(task, source)
    settle(task.writer_cpu)
    cells = control.cells
    cells[Word.WRITER_READY] = 1
    control.wait_for(Word.READER_READY)
    if task.has_reader:
        writer.wait_for_reader()

    for sequence in range(task.warm_up):
        if task.has_reader:
            control.spin_until_acknowledged(sequence + 1 - task.window)
        source.stamp(source.number(sequence), now_ns())
        await writer.send(sequence)
    if task.has_reader:
        control.spin_until_acknowledged(task.warm_up)

    start = now_ns()
    if task.mode == "lossless":
        sent = await send_lossless(writer, source, task, control)
        control.spin_until_acknowledged(task.warm_up + sent)
    else:
        sent = await send_stamped(writer, source, task, control)
    cells[Word.ELAPSED] = now_ns() - start
    cells[Word.SENT] = sent
    if task.mode == "paced":
        try:
            control.spin_until_acknowledged(task.warm_up + sent, LAST_WAIT_NS)
        except TimeoutError:
            # Lost messages are counted rather than waited for without end.
            pass
    cells[Word.STOP] = 1
    await writer.close()


async def send_stamped(writer, source, task, control):
    """Sends with stamps for each message."""
    starts, commits, returns = (control.stamps(stamp) for stamp in (Stamp.STARTED, Stamp.COMMITTING, Stamp.RETURNED))
    period_ns = task.period_ns if task.is_paced else 0
    begin = now_ns()
    for index in range(task.messages):
        sequence = task.warm_up + index
        cell = source.number(sequence)
        due = begin + (index + 1) * period_ns
        while period_ns and now_ns() < due:
            pass
        started = now_ns()
        if not period_ns and started - begin > task.limit_ns:
            return index
        source.stamp(cell, started)
        committing = await writer.send(sequence)
        returned = now_ns()
        starts[index] = started
        commits[index] = committing
        returns[index] = returned
    return task.messages


async def send_lossless(writer, source, task, control):
    """Sends back to back, never further ahead of the reader than the window."""
    begin = now_ns()
    for index in range(task.messages):
        sequence = task.warm_up + index
        control.spin_until_acknowledged(sequence + 1 - task.window)
        now = now_ns()
        if now - begin > task.limit_ns:
            return index
        source.stamp(source.number(sequence), now)
        await writer.send(sequence)
    return task.messages


class Receipts:
    """Where a reader records what it has received."""

    def __init__(self, task, control):
        self.message = Receipt(task.payload)
        self._cells = control.cells
        self._stop, self._failed = int(Word.STOP), int(Word.FAILED)
        self._seen, self._done = control.stamps(Stamp.SEEN), control.stamps(Stamp.DONE)
        self._capacity = control.capacity
        self._warm_up = task.warm_up
        self._received = 0

    def is_over(self):
        """Whether the writer has sent all messages, or has failed."""
        return self._cells[self._stop] != 0 or self._cells[self._failed] != 0

    def note(self, seen_ns, done_ns):
        """Notes the message that was copied. The stamps come first, since the writer may end the run on the acknowledgement."""
        cells, sequence = self._cells, self.message.sequence()
        index = sequence - self._warm_up
        if index >= 0:
            self._received += 1
            if index < self._capacity:
                self._seen[index] = seen_ns
                self._done[index] = done_ns
            cells[Word.RECEIVED] = self._received
        cells[Word.ACKNOWLEDGED] = sequence + 1


def read(row, task, control):
    """Runs the reader."""
    control.wait_for(Word.WRITER_READY)
    reader = row.reader(task) if task.has_reader else None
    receipts = Receipts(task, control)
    settle(task.reader_cpu)
    control.cells[Word.READER_READY] = 1
    if reader:
        reader.run(receipts)
    else:
        control.wait_for(Word.STOP)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("role", choices=["write", "read"])
    parser.add_argument("--task", type=json.loads)
    parser.add_argument("--control")
    arguments = parser.parse_args()
    task = Task(**arguments.task)
    control = Control(arguments.control)
    try:
        row = importlib.import_module(f"row_{task.row}")
        if arguments.role == "write":
            asyncio.run(write(row, task, control))
        else:
            read(row, task, control)
    except BaseException:
        control.fail()
        raise


if __name__ == "__main__":
    main()
