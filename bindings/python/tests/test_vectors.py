"""Streams with fixed bytes: a reader finds what `tests/vectors/streams` at the top of the repository states."""

from __future__ import annotations

import fcntl
import json
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dora_shm import Reader
from dora_shm.ezmsg import shorten_shmem_name

from .conftest import segments

FOLDER = Path(__file__).parents[3] / "tests/vectors/streams"
CASES = sorted(str(path.parent.relative_to(FOLDER)) for path in FOLDER.glob("*/*/expected.json"))
STATE_OFFSET = 2180


@pytest.fixture
def case(request: pytest.FixtureRequest) -> Iterator[dict[str, Any]]:
    """Puts one case into shared memory at a time, because its names are fixed for the whole machine."""
    expected: dict[str, Any] = json.loads((FOLDER / request.param / "expected.json").read_text())
    name = expected["name"]
    lock = os.open("/dev/shm", os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for path in segments(name):
            path.unlink()
        for path in (FOLDER / request.param / "segments").iterdir():
            Path("/dev/shm", path.name).write_bytes(path.read_bytes())
        if expected["state"] == "closed":
            set_state(name, 1)
        yield expected
        for path in segments(name):
            path.unlink()
    finally:
        os.close(lock)


def set_state(name: str, state: int) -> None:
    with open(f"/dev/shm/{shorten_shmem_name(name)}", "r+b") as header:
        header.seek(STATE_OFFSET)
        header.write(struct.pack("<I", state))


def number(value: Any) -> Any:
    return float(value) if value in ("NaN", "Infinity", "-Infinity") else int(value) if isinstance(value, str) else value


def ordered(value: Any) -> Any:
    """Sorts the members of dicts, for comparing by `repr`, which distinguishes -0.0 from 0.0 and 1 from 1.0, and shows NaN."""
    if isinstance(value, dict):
        if list(value) in (["$integers"], ["$strings"]):
            # An empty list has no type in Python.
            return {"$floats": []}
        return {name: ordered(member) for name, member in sorted(value.items())}
    return [ordered(entry) for entry in value] if isinstance(value, list) else value


def test_the_vectors_exist() -> None:
    assert len(CASES) > 70


@pytest.mark.parametrize("case", CASES, indirect=True)
def test_each_vector_is_read_as_expected(case: dict[str, Any]) -> None:
    frame_shape = tuple(case["frame_shape"])
    samples = np.array([number(value) for value in case["samples"]], dtype=case["dtype"]).reshape(-1, *frame_shape)
    times = np.array([number(value) for value in case["times"]], dtype=np.float64)
    with Reader(case["name"], "oldest") as reader:
        info = reader.info
        assert (info.dtype, info.shape, info.rate) == (np.dtype(case["dtype"]), frame_shape, case["rate_hz"])
        assert (info.ring_frames, info.epoch, f"{info.stream_id:016x}") == (
            case["ring_frames"], case["epoch"], case["stream_id"],
        )
        assert info.position == case["position"] and info.stream_position == case["base"] + case["position"]
        assert info.state == "dead"
        with Reader(case["name"], "oldest") as second, second.view() as view:
            assert sum(len(part) for part in view.parts) == len(view)
            seen = np.concatenate([np.empty((0, *frame_shape), info.dtype), *view.parts])
            np.testing.assert_array_equal(seen, samples[: len(view)])
        chunks = []
        while chunk := reader.read(3):
            chunks.append(chunk)
            assert (chunk.lost, chunk.generation) == (0, case["generation"])
        assert (chunks[0].first if chunks else reader.position) == case["oldest"]
        assert reader.position == case["position"] and reader.lost == 0
        read = np.concatenate([np.empty((0, *frame_shape), info.dtype), *(chunk.samples for chunk in chunks)])
        np.testing.assert_array_equal(read, samples)
        np.testing.assert_array_equal(np.signbit(read.astype(float)), np.signbit(samples.astype(float)))
        np.testing.assert_array_equal(np.concatenate([np.empty(0), *(chunk.times for chunk in chunks)]), times)
        assert info.clock == case.get("clock", "source")
        assert info.clock_id == case.get("clock_id") and info.clock_pair is not None
        if "clock" in case:
            assert info.clock_pair == (number(case["created_ns"]), number(case["created_mono_ns"]))
        counted = case.get("counted")
        assert (info.refused, info.dropped, info.gaps) == (tuple(counted) if counted else (None, None, None))
        assert {chunk.clock for chunk in chunks} <= {info.clock}
        messages = sorted({message for chunk in chunks for message in chunk.messages})
        expected = [
            (c["first"], c["frames"], number(c["send_ns"]), c.get("discontinuity", False))
            for c in case["chunks"]
            # An empty message comes with the frame that follows it.
            if c["frames"] > 0 or c["first"] < case["position"]
        ]
        assert messages[len(messages) - len(expected) :] == expected
        assert reader.description is not None
        assert repr(ordered(json.loads(reader.description._to_json()))) == repr(ordered(case["description"]))
        latest = reader.latest(10**9)
        np.testing.assert_array_equal(latest.samples, samples)
        if case["state"] == "closed":
            set_state(case["name"], 2)
            assert not reader.read() and reader.events()[-1].state == "closed" and reader.lost == 0
