"""What the tests share: names that leave nothing behind, other processes, and waiting for a condition."""

from __future__ import annotations

import contextlib
import itertools
import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dora_shm.ezmsg import shorten_shmem_name

PATIENCE_S = 30.0
"""Time limit for anything that takes milliseconds if all is well."""

_numbers = itertools.count()


def segments(name: str) -> list[Path]:
    """The files of a stream in shared memory."""
    long_names = [name, *(f"{name}/{kind}{i}" for kind in ("buffer", "meta") for i in range(64))]
    names = [shorten_shmem_name(long_name) + end for long_name in long_names for end in ("", ".anchor")]
    return [path for path in (Path("/dev/shm") / name for name in names) if path.exists()]


def wait_until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"timed out: {what}"
        time.sleep(0.002)


def waiting_readers(name: str) -> int:
    """Number of readers that wait on a stream: each holds a lock on the second byte of its header meanwhile (SPEC.md)."""
    inode = (Path("/dev/shm") / shorten_shmem_name(name)).stat().st_ino
    with open("/proc/locks") as locks:
        fields = [line.split() for line in locks]
    return sum(line[1:4:2] == ["OFDLCK", "READ"] and line[5].endswith(f":{inode}") for line in fields)


def wait_until_a_reader_waits(name: str) -> None:
    wait_until(lambda: waiting_readers(name) > 0, "a reader waits on the stream")


def threads(called: str) -> set[str]:
    """The folders in /proc of this process's threads with that name."""
    found = set()
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            if (task / "comm").read_text().strip() == called:
                found.add(str(task))
    return found


@pytest.fixture
def name(request: pytest.FixtureRequest) -> Iterator[str]:
    """A stream name for this test only, of which nothing may be left."""
    made = f"python-test/{os.getpid()}/{next(_numbers)}/{request.node.name[:60]}"
    yield made
    left = segments(made)
    for path in left:
        path.unlink(missing_ok=True)
    assert not left, f"left in shared memory: {left}"


other_name = name
"""Another such name."""


class Actor:
    """A Python program that is driven line by line."""

    def __init__(self, code: str, *arguments: str) -> None:
        command = [sys.executable, "-u", "-c", PRELUDE + textwrap.dedent(code), *arguments]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def read_line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def expect(self, word: str) -> None:
        assert self.read_line() == word

    def send_line(self, word: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(PATIENCE_S)

    def end(self) -> int:
        """Closes its input and waits for it to end."""
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        return self.process.wait(PATIENCE_S)


PRELUDE = """\
import sys
import numpy as np
import dora_shm
name = sys.argv[1]
def report(word): print(word, flush=True)
def read_line(): return sys.stdin.readline().strip()
"""


@pytest.fixture
def actor(name: str) -> Iterator[Callable[..., Actor]]:
    """Starts programs, which are ended after the test."""
    actors: list[Actor] = []

    def start(code: str, *arguments: str) -> Actor:
        actors.append(Actor(code, name, *arguments))
        return actors[-1]

    yield start
    for one in actors:
        try:
            one.end()
        except subprocess.TimeoutExpired:
            one.kill()
        for pipe in (one.process.stdin, one.process.stdout):
            if pipe is not None:
                pipe.close()
