"""Reads every stream of `streams/` with the reader that was written from SPEC.md alone, and compares the results with
each `expected.json`. The reader uses only the standard library: `mmap`, `struct`, `json`.
"""

import contextlib
import fcntl
import json
import math
import os
import pathlib
import sys
import uuid

HERE = pathlib.Path(__file__).resolve().parent
sys.dont_write_bytecode = True
sys.path.insert(0, str(HERE.parent.parent / "ring/tests"))

import spec_reader  # noqa: E402

SHM = pathlib.Path(spec_reader.FOLDER)
STATE = 2180


@contextlib.contextmanager
def in_shared_memory(segments):
    """Places the files in /dev/shm, under names that all processes share, until the end of the block."""
    folder = os.open(SHM, os.O_RDONLY)
    files = [(SHM / path.name, path.read_bytes()) for path in sorted(segments.iterdir())]
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        for path, content in files:
            path.unlink(missing_ok=True)
            path.write_bytes(content)
        yield
    finally:
        for path, _ in files:
            path.unlink(missing_ok=True)
        os.close(folder)


def number(value):
    """The value as `expected.json` represents it."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, int) and abs(value) > 1 << 53:
        return str(value)
    return value


def samples_of(got, dtype):
    kind = bool if dtype == "bool" else number
    return [kind(sample) for frame in got["samples"] for sample in frame]


def drain(reader, most):
    """Everything until nothing is new, and the outcome after it."""
    taken = []
    while True:
        got = reader.take(most)
        if got["outcome"] not in ("data", "again"):
            return taken, got["outcome"]
        taken += [got] if got["outcome"] == "data" else []


def read_frames(name, most):
    reader = spec_reader.FrameReader(name, "oldest")
    ring, header = reader.ring, reader.header
    first = reader.next
    taken, outcome = drain(reader, most)
    assert (outcome, reader.lost) == ("nothing", 0), (outcome, reader.lost)
    if reader.description is None:
        assert reader.describe(ring.meta_generation), "no description"
    found = {
        "name": reader.name,
        "generation": ring.generation,
        "epoch": header.epoch,
        "stream_id": f"{header.stream_id:016x}",
        "dtype": ring.dtype,
        "frame_shape": list(ring.shape),
        "rate_hz": ring.rate,
        "ring_frames": ring.frames,
        "base": ring.base,
        "counted": header.counted,
        "clock": ring.clock,
        "clock_id": str(ring.clock_id),
        "created_ns": number(ring.created_ns),
        "created_mono_ns": number(ring.created_mono_ns),
        "position": reader.next,
        "oldest": first,
        "times": [number(time) for got in taken for time in got["times"]],
        "samples": [sample for got in taken for sample in samples_of(got, ring.dtype)],
        "description": reader.description,
    }
    return reader, found


def read_messages(name, expected):
    reader = spec_reader.MessageReader(name, "oldest")
    dtype, width = reader.ring.dtype, math.prod(reader.ring.shape)
    taken, outcome = drain(reader, None)
    assert (outcome, reader.lost) == ("nothing", 0), (outcome, reader.lost)
    chunks = []
    for got in taken:
        chunk = {"first": got["first"], "frames": got["frames"], "send_ns": number(got["send_ns"])}
        if "clock" in expected:
            chunk["discontinuity"] = bool(got["flags"] & 1)
        else:
            assert got["flags"] == 0, "a writer of 1.0 flags nothing"
        chunks.append(chunk)
        low, high = got["first"] - expected["oldest"], got["first"] + got["frames"] - expected["oldest"]
        same([number(time) for time in got["times"]], expected["times"][low:high], "times of a message")
        same(samples_of(got, dtype), expected["samples"][low * width : high * width], "samples of a message")
    return reader, chunks


def same(found, expected, what):
    """Compares as JSON, so that 1 differs from 1.0, and -0.0 from 0.0."""
    found, expected = (json.dumps(value, sort_keys=True) for value in (found, expected))
    assert found == expected, f"{what}: found {found}, expected {expected}"


def ring_id(found):
    return uuid.UUID(found["clock_id"]).int


def store_state(name, state):
    with open(SHM / spec_reader.segment_name(name), "r+b") as header:
        header.seek(STATE)
        header.write(state.to_bytes(4, "little"))


def check(expected):
    name = expected["name"]
    closed = expected["state"] == "closed"
    if closed:
        reader = spec_reader.FrameReader(name, "oldest")
        assert reader.header is None and reader.take(9) == {"outcome": "nothing"}, "a closed stream is not absent"
        store_state(name, spec_reader.OPEN)
    reader, found = read_frames(name, 3)
    same(read_frames(name, 1 << 20)[1], found, "all frames in one read")
    messages, found["chunks"] = read_messages(name, expected)
    for member, value in expected.items():
        if member != "state":
            same(found[member], value, member)
    if "clock" not in expected:
        assert (found["clock"], ring_id(found)) == ("source", 0), "a ring of 1.0 names no clock"
        assert found["counted"] is None, "a writer of 1.0 counts nothing"
    assert reader.liveness() == "dead"
    if closed:
        store_state(name, spec_reader.CLOSED)
        for each in (reader, messages):
            assert each.take(9) == {"outcome": "closed"} and each.lost == 0, "the stream does not end without a loss"


def main():
    cases = sorted(path.parent for path in HERE.glob("streams/*/*/expected.json"))
    for case in cases:
        expected = json.loads((case / "expected.json").read_text(encoding="utf-8"))
        with in_shared_memory(case / "segments"):
            try:
                check(expected)
            except (AssertionError, spec_reader.Corrupt) as error:
                sys.exit(f"{case.parent.name}/{case.name}: {error}")
    print(f"{len(cases)} streams are as expected")


if __name__ == "__main__":
    main()
