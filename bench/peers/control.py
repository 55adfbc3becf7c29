"""The control segment, as defined in `bench/src/control.rs`.

Words and stamps are plain 8-byte stores and loads of aligned memory, each one instruction in CPython. x86-64 guarantees that
others see the stores in order.
"""

import enum
import mmap
import time

WORD_STRIDE = 128
WORDS = 32
STAMPS = 5
PATIENCE_NS = 20_000_000_000

# The clock of `bench/src/clock.rs`, by the name under which Python reads it fastest.
now_ns = time.monotonic_ns
assert time.get_clock_info("monotonic").implementation == "clock_gettime(CLOCK_MONOTONIC)"


class Word(enum.IntEnum):
    """Indices of 64-bit cells: those of `enum Word` of control.rs that a peer needs."""

    WRITER_READY = 0 * WORD_STRIDE // 8
    READER_READY = 1 * WORD_STRIDE // 8
    FAILED = 2 * WORD_STRIDE // 8
    ACKNOWLEDGED = 5 * WORD_STRIDE // 8
    STOP = 6 * WORD_STRIDE // 8
    SENT = 9 * WORD_STRIDE // 8
    RECEIVED = 10 * WORD_STRIDE // 8
    ELAPSED = 11 * WORD_STRIDE // 8


class Stamp(enum.IntEnum):
    """`enum Stamp` of control.rs."""

    STARTED = 0
    COMMITTING = 1
    RETURNED = 2
    SEEN = 3
    DONE = 4


class Control:
    """The mapped segment; `cells` are its 64-bit cells."""

    def __init__(self, path):
        with open(path, "r+b") as file:
            memory = mmap.mmap(file.fileno(), 0)
        self.cells = memoryview(memory).cast("Q")
        self.capacity = (len(self.cells) - WORDS * WORD_STRIDE // 8) // STAMPS

    def stamps(self, stamp):
        """The cells of one array of stamps."""
        start = WORDS * WORD_STRIDE // 8 + stamp * self.capacity
        return self.cells[start : start + self.capacity]

    def fail(self):
        """Records that this process has failed."""
        self.cells[Word.FAILED] = 1

    def wait_for(self, word):
        """Waits until the word is not 0, for set-up and tear-down."""
        deadline = now_ns() + PATIENCE_NS
        while self.cells[word] == 0:
            self.check(deadline, f"{word.name} was not set in time")
            time.sleep(0.001)

    def spin_until_acknowledged(self, messages, patience_ns=PATIENCE_NS):
        """Spins until the reader has acknowledged `messages` messages: this belongs to the time that is measured."""
        cells, word, polls = self.cells, int(Word.ACKNOWLEDGED), 0
        deadline = None
        while cells[word] < messages:
            polls += 1
            if polls % 4096 == 0:
                deadline = deadline or now_ns() + patience_ns
                self.check(deadline, f"{cells[word]} of {messages} messages arrived")

    def check(self, deadline, otherwise):
        """Raises an exception if the other process has failed, or the deadline has passed."""
        if self.cells[Word.FAILED]:
            raise RuntimeError("the other process has failed")
        if now_ns() > deadline:
            raise TimeoutError(otherwise)
