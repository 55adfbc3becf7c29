"""Chunks as Arrow record batches, on request."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from dora_shm import Reader, Writer

pa = pytest.importorskip("pyarrow")


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint64", "float16", "float32", "float64"])
@pytest.mark.parametrize("shape", [(), (3,), (2, 3)])
def test_a_chunk_becomes_a_record_batch(name: str, dtype: str, shape: tuple[int, ...]) -> None:
    frames = np.arange(4 * int(np.prod(shape))).reshape(4, *shape).astype(dtype)
    with Writer(name, dtype, shape, 10.0, key="k") as writer, Reader(name) as reader:
        writer.write(frames, times=[0.0, 0.1, 0.2, 0.3], send_ns=123)
        batch = reader.read().to_arrow()
    assert batch.column_names == ["time", "position", "send_time", "samples"] and batch.num_rows == 4
    assert batch["time"].to_pylist() == [0.0, 0.1, 0.2, 0.3]
    assert batch["position"].to_pylist() == [0, 1, 2, 3]
    assert batch["send_time"].cast(pa.int64()).to_pylist() == [123] * 4
    np.testing.assert_array_equal(np.array(batch["samples"].to_pylist(), dtype), frames)
    assert batch.schema.metadata[b"key"] == b"k" and batch.schema.metadata[b"lost"] == b"0"


def test_pyarrow_is_imported_only_when_needed() -> None:
    code = 'import sys, dora_shm; sys.exit(bool({"pyarrow", "asyncio"} & set(sys.modules)))'
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
