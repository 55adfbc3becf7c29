"""Reads a recording and its exports with pyarrow and numpy alone, as docs/recording.md describes."""

import csv
import json
import pathlib
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

folder = pathlib.Path(sys.argv[1])


def streams(path):
    with open(path, "rb") as file:
        end = file.seek(0, 2)
        file.seek(0)
        while file.tell() < end:
            with pa.ipc.open_stream(file) as stream:
                metadata = {key.decode(): value.decode() for key, value in stream.schema.metadata.items()}
                yield metadata, list(stream)


def frames(batch):
    values = batch["samples"].values
    return values.to_numpy_ndarray() if isinstance(values, pa.FixedShapeTensorArray) else values.to_numpy()


(first, batches), (second, later) = streams(folder / "r.arrow")
assert first["dora_shm.recording"] == "1" and first["dora_shm.dtype"] == "float32", first
assert json.loads(first["dora_shm.frame_shape"]) == [3] and float(first["dora_shm.rate_hz"]) == 100.0
assert json.loads(first["dora_shm.description"])["axes"]["ch"]["data"] == ["Fz", "Cz", "a,b"]
samples = np.concatenate([frames(batch) for batch in batches])
times = np.concatenate([batch["times"].values.to_numpy() for batch in batches])
lengths = [length for batch in batches for length in batch["times"].value_lengths().to_pylist()]
expected = np.arange(12, dtype="f4")[:, None] * [1, 1, -1] + np.array([0, 0.25, 0])
assert samples.dtype == "f4" and (samples == expected).all(), samples
assert (times == np.arange(12) / 100).all() and lengths == [5, 0, 7]
assert [row for batch in batches for row in batch["position"].to_pylist()] == [0, 5, 5]
assert json.loads(batches[0]["description"][0].as_py())["key"] == "eeg"
(batch,) = later
assert frames(batch).shape == (4, 2, 2) and frames(batch).dtype == "f2" and batch["sent"][0].value == 1
assert (frames(batch).ravel() == np.arange(16) / 2).all()

with np.load(folder / "x.npz", allow_pickle=False) as arrays:
    assert (arrays["samples"] == samples).all() and (arrays["times"] == times).all()
    assert arrays["message_frames"].tolist() == [5, 0, 7] and arrays["labels_ch"].tolist() == ["Fz", "Cz", "a,b"]
    assert arrays["samples_1"].dtype == "f2" and (arrays["samples_1"].ravel() == np.arange(16) / 2).all()
    assert arrays["message_sent_1"].tolist() == [1] and json.loads(str(arrays["generation"]))["rate_hz"] == 100.0
    assert json.loads(arrays["descriptions"][0])["key"] == "eeg"

table = pq.read_table(folder / "x-0.parquet")
assert table["time"].to_pylist() == times.tolist() and table["position"].to_pylist() == list(range(12))
assert (np.array(table["samples"].to_pylist(), "f4") == samples).all()
assert table.schema.metadata[b"dora_shm.frame_shape"] == b"[3]"
assert (np.array(pq.read_table(folder / "x-1.parquet")["samples"].to_pylist()).ravel() == np.arange(16) / 2).all()

with open(folder / "x-0.csv", newline="") as file:
    header, *rows = csv.reader(file)
assert header == ["time", "Fz", "Cz", "a,b"] and (np.array(rows, float) == np.column_stack([times, samples])).all()
about = json.loads((folder / "x-0.csv.json").read_text())
assert about["clock"] == first["dora_shm.clock"] and about["clock_id"] == first["dora_shm.clock_id"], about
assert about["created_ns"] == int(first["dora_shm.created_ns"]) and about["description"]["key"] == "eeg", about
