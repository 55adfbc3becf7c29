"""The messages, as `bench/src/message.rs` makes them: number, time, filling, number inverted; all 64-bit."""

import numpy as np

SOURCE_BYTES = 8 << 20
ALL_ONES = (1 << 64) - 1


def buffers_of(payload):
    """Number of source buffers that are used in turn."""
    return max(SOURCE_BYTES // payload, 2)


class Source:
    """Buffers that are sent in turn; `rows[slot]` is one of them as 64-bit words."""

    def __init__(self, payload):
        self.words = payload // 8
        self.buffers = buffers_of(payload)
        filling = np.arange(self.buffers, dtype=np.uint64)[:, None] << np.uint64(32)
        self.rows = filling | np.arange(self.words, dtype=np.uint64)
        # Faster to store into, one by one, than an array.
        self._cells = memoryview(self.rows.reshape(-1))

    def number(self, sequence):
        """Numbers the message and returns where its time goes: the store that `started` must come before."""
        start = sequence % self.buffers * self.words
        self._cells[start] = sequence
        self._cells[start + self.words - 1] = sequence ^ ALL_ONES
        return start + 1

    def stamp(self, cell, started_ns):
        """Stores the time."""
        self._cells[cell] = started_ns


class Receipt:
    """Where a message is copied to, and whether it is whole there."""

    def __init__(self, payload):
        self.array = np.zeros(payload // 8, dtype=np.uint64)
        self._cells = memoryview(self.array)
        self._words = payload // 8
        self._buffers = buffers_of(payload)

    def sequence(self):
        """The message's number."""
        return self._cells[0]

    def places(self, parts):
        """For each of `parts` equal parts, which part of a message it is, by its filling."""
        words = self._words // parts
        return ((self.array.reshape(parts, words)[:, 2] & np.uint64(0xFFFF_FFFF)) - np.uint64(2)) // np.uint64(words)

    def is_whole(self):
        """Judged by its two ends and one word in between, which differs each time."""
        cells = self._cells
        sequence = cells[0]
        middle = 2 + sequence * 0x9E3779B9 % (self._words - 3)
        filling = sequence % self._buffers << 32 | middle
        return cells[self._words - 1] == sequence ^ ALL_ONES and cells[middle] == filling
