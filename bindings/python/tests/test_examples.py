"""The examples and the code of the README run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
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


def code_of_readme() -> list[str]:
    return re.findall(r"```python\n(.*?)```", (FOLDER / "README.md").read_text(), re.DOTALL)


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
