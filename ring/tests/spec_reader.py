"""A reader of streams written from SPEC.md alone, with only the standard library.

It executes lines of standard input and prints one line of JSON for each; see `main`. Python has no fences: this reader is
right on x86, where loads are not reordered with loads, and where its only use is to test the page.
"""

import base64
import fcntl
import hashlib
import json
import math
import mmap
import os
import stat
import struct
import sys
import time
import uuid

FOLDER = "/dev/shm/"
NO_GENERATION = 0xFFFFFFFF
UNKNOWN = 0xFFFFFFFFFFFFFFFF
OPEN, CLOSED = 1, 2
# code: name, bytes, letter of `struct`
DTYPES = {
    1: ("bool", 1, "B"), 2: ("int8", 1, "b"), 3: ("uint8", 1, "B"), 4: ("int16", 2, "h"), 5: ("uint16", 2, "H"),
    6: ("int32", 4, "i"), 7: ("uint32", 4, "I"), 8: ("int64", 8, "q"), 9: ("uint64", 8, "Q"), 10: ("float16", 2, "e"),
    11: ("float32", 4, "f"), 12: ("float64", 8, "d"),
}  # fmt: skip

CLOCKS = {0: "source", 1: "unix", 2: "monotonic"}


class Corrupt(Exception):
    """Shared memory contradicts the page."""


def expect(condition, what):
    if not condition:
        raise Corrupt(what)


def segment_name(long_name):
    digest = base64.urlsafe_b64encode(hashlib.sha256(long_name.encode()).digest())
    return "sm_" + digest[:20].decode()


def open_segment(long_name, owners):
    """A descriptor and the result of fstat; None if the file is absent."""
    try:
        fd = os.open(FOLDER + segment_name(long_name), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    status = os.fstat(fd)
    expect(stat.S_ISREG(status.st_mode), "no regular file")
    expect(status.st_uid in owners, "another owner")
    return fd, status


def read_only(fd, length):
    return mmap.mmap(fd, length, mmap.MAP_SHARED, mmap.PROT_READ)


def check_version(magic, expected, major, must_understand):
    expect(magic == expected, "another magic")
    expect(major == 1 and must_understand == 0, "a version that I cannot read")


class Header:
    def __init__(self, name, fd, status):
        self.name, self.fd = name, fd
        expect(status.st_size >= 4096, "not ready, or ezmsg's")
        self.owner = status.st_uid
        self.file = (status.st_dev, status.st_ino)
        self.memory = read_only(fd, 4096)
        copy = self.memory[:4096]
        magic, major, _minor, must_understand, self.stream_id, self.created_ns = struct.unpack_from("<8sHHIQq", copy, 2048)
        check_version(magic, b"DORASHMH", major, must_understand)
        (name_len,) = struct.unpack_from("<I", copy, 2304)
        expect(1 <= name_len <= 1024, "name_len")
        expect(copy[2308 : 2308 + name_len] == name.encode(), "the header of another stream")
        expect(self.stream_id != 0, "stream_id")

    def _u32(self, offset):
        return struct.unpack_from("<I", self.memory, offset)[0]

    wake = property(lambda self: self._u32(2176))
    state = property(lambda self: self._u32(2180))
    generation = property(lambda self: self._u32(2184))
    meta_generation = property(lambda self: self._u32(2188))
    epoch = property(lambda self: self._u32(2192))

    @property
    def final_position(self):
        return struct.unpack_from("<Q", self.memory, 2200)[0]

    @property
    def counted(self):
        """refused, dropped, gaps; None if the newest writer keeps no counts."""
        counted_by = self._u32(3480)
        counts = list(struct.unpack_from("<QQQ", self.memory, 3456))
        return counts if counted_by == self.epoch else None

    def is_locked(self):
        question = struct.pack("hhqqi4x", fcntl.F_RDLCK, os.SEEK_SET, 0, 0, 0)
        answer = fcntl.fcntl(self.fd, fcntl.F_OFD_GETLK, question)
        return struct.unpack("hhqqi4x", answer)[0] != fcntl.F_UNLCK

    def is_replaced(self):
        try:
            status = os.stat(FOLDER + segment_name(self.name), follow_symlinks=False)
        except FileNotFoundError:
            return False
        return (status.st_dev, status.st_ino) != self.file


class Ring:
    """A ring, each of whose numbers is read from shared memory only once."""

    # Stop in the middle of the next copy, print that, and continue at the next line of input.
    pause = False

    def __init__(self, header, generation, fd, status):
        length = status.st_size
        expect(length >= 16384 and length % 16384 == 0, "length of a ring")
        self.memory = read_only(fd, length)
        os.close(fd)
        self.trailer = trailer = length - 4096
        copy = self.memory[trailer : trailer + 256]
        magic, major, _minor, must_understand = struct.unpack_from("<8sHHI", copy, 0)
        check_version(magic, b"DORASHMR", major, must_understand)
        stream_id, self.generation, self.epoch, self.base = struct.unpack_from("<QIIQ", copy, 16)
        self.is_mine = stream_id == header.stream_id and self.generation == generation
        if not self.is_mine:
            return
        self.frames, self.frame_bytes, self.rate, samples_offset, self.index_offset = struct.unpack_from("<QQdQQ", copy, 40)
        self.records, record_bytes, dtype, rank = struct.unpack_from("<IIII", copy, 80)
        dims = struct.unpack_from("<8Q", copy, 96)
        (self.meta_generation,) = struct.unpack_from("<I", copy, 160)
        self.created_ns, self.created_mono_ns, clock = struct.unpack_from("<qQ8xI", copy, 168)
        self.clock = CLOCKS.get(clock, "source")
        self.clock_id = uuid.UUID(bytes=copy[208:224])
        expect(dtype in DTYPES, "dtype")
        expect(rank <= 8, "rank")
        self.dtype, item_bytes, self.letter = DTYPES[dtype]
        self.shape = dims[:rank]
        expect(all(dim >= 1 for dim in self.shape) and not any(dims[rank:]), "dims")
        expect(math.prod(self.shape) * item_bytes == self.frame_bytes, "frame_bytes")
        expect(1 <= self.frames <= 0xFFFFFFFF, "frames")
        expect(math.isfinite(self.rate) and self.rate >= 0, "rate")
        expect(samples_offset == 8 * self.frames, "samples_offset")
        expect(samples_offset + self.frames * self.frame_bytes <= self.index_offset, "the samples' end")
        expect(self.index_offset % 64 == 0 and record_bytes == 64, "index_offset")
        expect(64 <= self.records <= 65536 and self.records & (self.records - 1) == 0, "records")
        expect(self.index_offset + 64 * self.records <= trailer, "the records' end")

    def _u64(self, offset):
        return struct.unpack_from("<Q", self.memory, self.trailer + offset)[0]

    reserved = property(lambda self: self._u64(256))
    reserved_chunks = property(lambda self: self._u64(264))
    committed = property(lambda self: self._u64(384))
    committed_chunks = property(lambda self: self._u64(392))

    def copy(self, low, high):
        """R4: times and samples of the positions low..high."""
        times, samples = [], []
        for p in range(low, high):
            if self.pause and p == (low + high) // 2:
                self.pause = False
                print(json.dumps("half-way"), flush=True)
                sys.stdin.readline()
            slot = p % self.frames
            times.append(self.memory[8 * slot : 8 * slot + 8])
            start = 8 * self.frames + slot * self.frame_bytes
            samples.append(self.memory[start : start + self.frame_bytes])
        return times, samples

    def record(self, i):
        """A copy of record i; None if it is not whole."""
        start = self.index_offset + 64 * (i % self.records)
        copy = self.memory[start : start + 64]
        if self.reserved_chunks > i + self.records:
            return None
        names = ("first", "frames", "send_ns", "mono_ns", "meta_generation", "flags")
        return dict(zip(names, struct.unpack_from("<QQqQII", copy)))


def whole(times, samples, letter):
    """Checked bytes as numbers."""
    count = len(samples[0]) // struct.calcsize(letter) if samples else 0
    return {
        "times": [struct.unpack("<d", time)[0] for time in times],
        "samples": [list(struct.unpack(f"<{count}{letter}", sample)) for sample in samples],
    }


class Reader:
    def __init__(self, name, start):
        self.name, self.start = name, start
        self.header = self.ring = None
        self.next = self.next_chunk = 0
        self.lost = self.pending = 0
        self.description = None
        self.held = 0
        self.waited = False
        self.attach()
        self.waited = True

    def lose(self, frames):
        expect(frames >= 0, "positions go back")
        self.lost += frames
        self.pending += frames

    def attach(self):
        """A1 to A5. "ring", "not yet" or "end"."""
        if self.header is None:
            opened = open_segment(self.name, (os.geteuid(), 0))
            if opened is None:
                return "not yet"
            header = Header(self.name, *opened)
            if header.state == CLOSED:
                return "not yet"
            self.header = header
        seen = self.ring.base + self.next if self.ring else 0
        ring = None
        generation = None
        while generation != self.header.generation:
            generation = self.header.generation
            if generation == NO_GENERATION:
                break
            opened = open_segment(f"{self.name}/buffer{generation}", (self.header.owner,))
            ring = Ring(self.header, generation, *opened) if opened else None
            if ring and ring.is_mine:
                break
            ring = None
        if ring is None:
            if self.header.state != CLOSED:
                return "not yet"
            self.leave(seen)
            return "end"
        first = self.ring is None and not self.waited
        self.ring = ring
        self.next = self.next_chunk = 0
        if first:
            self.begin()
        else:
            self.lose(ring.base - seen)
        return "ring"

    def leave(self, seen):
        total = self.header.final_position
        if self.header.state == CLOSED and total != UNKNOWN:
            self.lose(total - seen)
        self.header = self.ring = None
        self.next = self.next_chunk = 0

    def begin(self):
        """A5, and the same for messages."""
        ring = self.ring
        while True:
            c, cc = ring.committed, ring.committed_chunks
            oldest = min(c, max(0, ring.reserved - ring.frames))
            self.next = {"oldest": oldest, "newest": c}.get(self.start)
            if self.next is None:
                self.next = max(oldest, c - int(self.start))
            if not isinstance(self, MessageReader):
                return
            while cc > 0 and (record := ring.record(cc - 1)) and record["first"] + record["frames"] > c:
                cc -= 1
            if cc > 0 and record is None:
                continue
            self.next, self.next_chunk = c, cc
            wanted = {"oldest": cc, "newest": 0}.get(self.start)
            for i in reversed(range(cc - (int(self.start) if wanted is None else wanted), cc)):
                record = ring.record(i) if i >= 0 else None
                if record is None or record["first"] < oldest:
                    return
                self.next, self.next_chunk = record["first"], i
            return

    def look(self):
        """R1 to R3, and R8."""
        if self.ring is None:
            outcome = {"ring": "generation", "end": "closed", "not yet": "nothing"}[self.attach()]
            return outcome, 0, 0
        header, ring = self.header, self.ring
        self.wake = header.wake
        state, generation = header.state, header.generation
        c = ring.committed
        cc = ring.committed_chunks
        expect(c >= self.next and cc >= self.next_chunk, "committed went back")
        if self.is_news(c, cc):
            return "data", c, cc
        if generation != ring.generation:
            self.lose(c - self.next)
            self.next = c
            return {"ring": "generation", "end": "closed", "not yet": "nothing"}[self.attach()], c, cc
        if state == CLOSED:
            self.lose(c - self.next)
            self.leave(ring.base + c)
            return "closed", c, cc
        return "nothing", c, cc

    def describe(self, meta_generation):
        """Holds this description, if it still exists; returns whether it does."""
        if meta_generation in (0, self.held):
            return True
        opened = open_segment(f"{self.name}/meta{meta_generation}", (self.header.owner,))
        if opened is None:
            return False
        fd, status = opened
        expect(status.st_size <= 64 << 20, "length of a description")
        with os.fdopen(fd, "rb") as file:
            copy = file.read()
        footer = len(copy) - 64
        magic, major, _minor, must_understand, stream_id, number = struct.unpack_from("<8sHHIQI", copy, footer)
        check_version(magic, b"DORASHMM", major, must_understand)
        aux_len, json_offset, json_len = struct.unpack_from("<QQQ", copy, footer + 32)
        expect(aux_len <= json_offset and json_offset + json_len <= footer and json_len <= 16 << 20, "json_len")
        if (stream_id, number) != (self.header.stream_id, meta_generation):
            return False
        document = json.loads(copy[json_offset : json_offset + json_len].decode())
        expect(document["version"] == 1, "version of the JSON")
        self.description, self.held = document, meta_generation
        return True

    def liveness(self):
        if self.header is None:
            return "absent"
        held = self.header.is_locked()  # L1
        if self.header.state == CLOSED:  # L2
            return "closed"
        if not held:
            return "dead"
        return "waiting" if self.header.generation == NO_GENERATION else "live"

    def format(self):
        ring = self.ring
        if ring is None:
            return None
        return {
            "dtype": ring.dtype, "shape": ring.shape, "rate": ring.rate, "frames": ring.frames, "base": ring.base,
            "generation": ring.generation, "records": ring.records, "meta_generation": ring.meta_generation,
        }  # fmt: skip


class FrameReader(Reader):
    def is_news(self, c, _cc):
        return c > self.next

    def description_of_newest(self):
        """Number of the description of the newest committed chunk, or the ring's own; None if overtaken."""
        cc = self.ring.committed_chunks
        for i in range(cc - 1, max(cc - 3, -1), -1):
            record = self.ring.record(i)
            if record is None:
                return None
            if record["first"] + record["frames"] <= self.ring.committed:
                return record["meta_generation"]
        return self.ring.meta_generation

    def take(self, most):
        outcome, c, _ = self.look()
        if outcome != "data":
            return {"outcome": outcome}
        ring = self.ring
        newest = self.header.meta_generation
        if newest != self.held:
            of_frames = self.description_of_newest()
            gone = of_frames is None or not self.describe(of_frames)
            if gone and self.header.generation == ring.generation:
                self.describe(newest)
        n = ring.frames
        ahead = c - max(1, n // 2)
        low = self.next if self.next >= c - n else ahead
        high = min(c, low + most)
        times, samples = ring.copy(low, high)  # R4
        r = ring.reserved  # R6
        expect(r >= c, "reserved is below committed")
        ok = min(max(r - n, low), c)  # R7
        if ok > low:
            low = max(ok, ahead)
            self.lose(low - self.next)
            self.next = low
            return {"outcome": "again"}
        self.lose(low - self.next)
        self.next = high
        lost, self.pending = self.pending, 0
        return {"outcome": "data", "first": low, "lost": lost, **whole(times, samples, ring.letter)}


class MessageReader(Reader):
    def is_news(self, _c, cc):
        return cc > self.next_chunk

    def take(self, _most):
        outcome, c, cc = self.look()
        if outcome != "data":
            return {"outcome": outcome}
        ring, i = self.ring, self.next_chunk
        record = ring.record(i)
        if record is not None:
            expect(record["first"] == self.next, "records that are not contiguous")
            if record["first"] + record["frames"] > c:
                return {"outcome": "nothing"}
        if record is None or record["first"] < c - ring.frames:
            self.skip(c, cc)
            return {"outcome": "again"}
        self.describe(record["meta_generation"])
        end = record["first"] + record["frames"]
        times, samples = ring.copy(record["first"], end)
        is_whole = ring.reserved - ring.frames <= record["first"] or record["frames"] == 0
        self.next, self.next_chunk = end, i + 1
        if not is_whole:
            self.lose(record["frames"])
            return {"outcome": "again"}
        lost, self.pending = self.pending, 0
        return {"outcome": "data", "chunk": i, "lost": lost, **record, **whole(times, samples, ring.letter)}

    def skip(self, c, cc):
        ring = self.ring
        newer = [(i, ring.record(i)) for i in range(max(self.next_chunk, cc - ring.records // 2), cc)]
        newer = [(i, record) for i, record in newer if record and record["first"] + record["frames"] <= c]
        if not newer:
            return
        ahead = c - max(1, ring.frames // 2)
        i, record = next((found for found in newer if found[1]["first"] >= ahead), newer[-1])
        if record["first"] < c - ring.frames:
            i, to = i + 1, record["first"] + record["frames"]
        else:
            to = record["first"]
        self.lose(to - self.next)
        self.next, self.next_chunk = to, i


def storm(reader, channels):
    """Reads until the stream is closed, and checks every frame: int64 samples p, ~p, p, ... at time p / 1000."""
    totals = {"read": 0, "generations": 0, "again": 0}
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        got = reader.take(64)
        if got["outcome"] == "closed":
            return {**totals, "lost": reader.lost}
        if got["outcome"] == "data":
            for i, (at, sample) in enumerate(zip(got["times"], got["samples"])):
                p = got["first"] + i
                expect(sample == [p if c % 2 == 0 else ~p for c in range(channels)], f"the frame at {p} is {sample}")
                expect(at == p / 1000, f"the time at {p} is {at}")
            totals["read"] += len(got["times"])
        totals["generations"] += got["outcome"] == "generation"
        totals["again"] += got["outcome"] == "again"
    raise Corrupt("the stream does not end")


def follow(name):
    """Prints what is read, line by line, until the stream is closed."""
    reader = FrameReader(name, "newest")
    print(json.dumps({"outcome": "waits"}), flush=True)
    outcome = None
    while outcome != "closed":
        got = reader.take(4096)
        outcome = got["outcome"]
        if outcome == "nothing":
            time.sleep(0.002)
        elif outcome != "again":
            generation = {"generation": reader.ring.generation} if reader.ring else {}
            samples = [sample for frame in got.pop("samples", []) for sample in frame]
            print(json.dumps({**got, **generation, "samples": samples, "lost_in_all": reader.lost}), flush=True)


def main():
    """Lines: `open KIND NAME START`, `take MOST`, `format`, `description`, `liveness`, `lost`, `pause`,
    `storm CHANNELS`. Or, as arguments, `follow NAME`."""
    if sys.argv[1:2] == ["follow"]:
        follow(sys.argv[2])
        return
    reader = None
    for line in sys.stdin:
        command, *rest = line.split()
        try:
            if command == "open":
                kind = {"frames": FrameReader, "messages": MessageReader}[rest[0]]
                reader = kind(rest[1], rest[2])
                answer = reader.ring is not None
            elif command == "take":
                answer = reader.take(int(rest[0]))
                while answer["outcome"] == "again":
                    answer = reader.take(int(rest[0]))
            elif command == "pause":
                answer = reader.ring.pause = True
            elif command == "description":
                answer = reader.description
            elif command == "storm":
                answer = storm(reader, int(rest[0]))
            elif command == "lost":
                answer = reader.lost
            else:
                answer = getattr(reader, command)()
        except Corrupt as error:
            answer = {"corrupt": str(error)}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
