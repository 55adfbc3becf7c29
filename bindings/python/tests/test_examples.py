"""The examples and the code of the README and of the page of times run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import dora_shm

from .conftest import PATIENCE_S, wait_until

FOLDER = Path(__file__).parents[1]


def test_the_plot_draws_what_the_example_writes(name: str, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    picture = tmp_path / "plot.png"
    examples = FOLDER / "examples"
    write = [sys.executable, str(examples / "write_signal.py"), name, "--seconds", "3"]
    plot = [sys.executable, str(examples / "plot.py"), name, "--seconds", "1", "--save", str(picture)]
    with subprocess.Popen(write) as writing:
        subprocess.run(plot, check=True, timeout=PATIENCE_S, env=os.environ | {"MPLBACKEND": "Agg"})
        assert writing.wait(PATIENCE_S) == 0
    assert picture.read_bytes().startswith(b"\x89PNG") and picture.stat().st_size > 20_000


def test_a_picture_can_be_plotted(name: str, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    picture = tmp_path / "plot.png"
    with dora_shm.Writer(name, "uint8", (48, 64, 3), 30.0, dims=("time", "y", "x", "c")) as writer:
        writer.write(np.random.default_rng(1).integers(0, 255, (48, 64, 3), np.uint8))
        plot = [sys.executable, str(FOLDER / "examples/plot.py"), name, "--seconds", "0.3", "--save", str(picture)]
        subprocess.run(plot, check=True, timeout=PATIENCE_S)
    assert picture.stat().st_size > 5000


def code_of(page: Path) -> list[str]:
    return re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)


def code_of_readme() -> list[str]:
    return code_of(FOLDER / "README.md")


def code_of_times(word: str) -> str:
    """The only code of docs/times.md that contains `word` and is not a node of a graph, which the system tests run."""
    codes = [code for code in code_of(FOLDER.parents[1] / "docs/times.md") if "from dora import" not in code]
    assert len(codes) == 2, "a test below runs each"
    (code,) = (code for code in codes if word in code)
    return code


@pytest.mark.parametrize("number", range(len(code_of_readme())))
def test_the_readmes_code_runs(name: str, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    code = code_of_readme()[number].replace('"my-signal"', repr(name))
    ended = threading.Event()

    def feed() -> None:
        with dora_shm.Writer(name, "float32", (8,), 1000.0, dims=("time", "ch")) as writer:
            while writer.position < 50 or not ended.wait(0.002):
                writer.write(np.ones((1, 8), np.float32))
                if writer.position > 400 and "for chunk in" in code:
                    return

    reads = ("Reader(" in code or "EZShmMirror(" in code) and "Writer(" not in code
    feeding = threading.Thread(target=feed)
    if reads:
        feeding.start()
        wait_until(lambda: any(info.name == name for info in dora_shm.streams()), "the stream exists")
    elif "StreamBusyError" in code:
        feeding.start()
        reads = True
        wait_until(lambda: any(info.name == name for info in dora_shm.streams()), "the stream exists")
    try:
        exec(compile(code, f"README.md, block {number}", "exec"), {"__name__": "__main__"})
    finally:
        ended.set()
        if reads:
            feeding.join(PATIENCE_S)


def test_the_page_of_times_writes_times_that_are_made_and_times_that_are_given(
    name: str, other_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: dict[str, dora_shm.Chunk] = {}

    class Watched(dora_shm.Writer):
        def close(self) -> None:
            with dora_shm.Reader(self.name, "oldest") as reader:
                written[self.name] = reader.read()
            super().close()

    monkeypatch.setattr(dora_shm, "Writer", Watched)
    code = code_of_times("Writer(").replace('"made"', repr(name)).replace('"given"', repr(other_name))
    before = time.monotonic()
    exec(compile(code, "times.md", "exec"), {})
    after = time.monotonic()
    for chunk, clock in [(written[name], "unix"), (written[other_name], "monotonic")]:
        assert (len(chunk), chunk.clock) == (10, clock)
        times = chunk.times_on("monotonic")
        assert before - 1e-6 <= times[-1] <= after + 1e-6
        np.testing.assert_allclose(np.diff(times), 0.004, rtol=0, atol=1e-6)


def test_the_program_of_the_page_of_times_finds_the_nearest_frame_on_another_clock(name: str, other_name: str) -> None:
    """The signal is on Unix time, the pictures on the monotonic clock, 1.3 ms after every 25th frame of the signal."""
    lines: list[str] = []
    code = code_of_times("searchsorted").replace('"camera"', repr(name)).replace('"eeg"', repr(other_name))
    program = threading.Thread(target=exec, args=(compile(code, "times.md", "exec"), {"print": lines.append}))
    start = time.monotonic()
    with (
        dora_shm.Writer(other_name, "float32", (), 250.0, clock="unix", buf_dur=5.0) as signal,
        dora_shm.Writer(name, "uint8", (2, 2), clock="monotonic", buf_frames=10) as camera,
    ):
        with dora_shm.Reader(other_name) as reader:
            unix_ns, mono_ns = reader.info.clock_pair or (0, 0)
        program.start()
        try:
            written = 0

            def is_found() -> bool:
                nonlocal written
                camera.write(np.zeros((2, 2), "uint8"), times=start + 0.1 * (written % 50) + 0.0013)
                written += 1
                if written == 5:  # until then, the program has no frames to compare with
                    times = start + np.arange(1250) / 250 + (unix_ns - mono_ns) * 1e-9
                    signal.write(np.zeros(1250), times=times)
                return len(lines) >= 60

            wait_until(is_found, "pictures are found")
        finally:
            camera.close()
            program.join(PATIENCE_S)
    pattern = re.compile(r"picture at ([0-9.]+) s: frame ([0-9]+), -1.3 ms away")
    for line in lines:
        match = pattern.fullmatch(line)
        assert match, line
        assert int(match[2]) == 25 * round((float(match[1]) - start - 0.0013) / 0.1), line
