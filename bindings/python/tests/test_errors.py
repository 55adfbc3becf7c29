"""Streams that cannot be read raise their exception, with the library's message."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import dora_shm
from dora_shm import Reader
from dora_shm.ezmsg import shorten_shmem_name

from .test_reading import counting, stream

MAJOR_OFFSET = 2056


def patch(segment: str, offset: int, value: bytes) -> None:
    with open(Path("/dev/shm", shorten_shmem_name(segment)), "r+b") as file:
        file.seek(offset, os.SEEK_END if offset < 0 else os.SEEK_SET)
        file.write(value)


def test_another_version_of_the_protocol_is_refused(name: str) -> None:
    with stream(name):
        patch(name, MAJOR_OFFSET, b"\x07\x00")
        with pytest.raises(dora_shm.VersionError, match=r"format version 7\.1"):
            Reader(name)
        patch(name, MAJOR_OFFSET, b"\x01\x00")


def test_a_corrupt_ring_is_refused_and_the_reader_continues_once_it_is_fixed(name: str) -> None:
    with stream(name) as writer, Reader(name) as reader:
        writer.write(counting(0, 3))
        assert len(reader.read()) == 3
        # The last 4096 bytes of a ring are its trailer, with its magic first.
        patch(f"{name}/buffer0", -4096, b"DAMAGED!")
        with pytest.raises(dora_shm.CorruptError, match="another magic.*restart its writer"):
            Reader(name)
        patch(f"{name}/buffer0", -4096, b"DORASHMR")
        Reader(name).close()
        # 384 bytes into the trailer is the number of frames.
        patch(f"{name}/buffer0", -4096 + 384, (1).to_bytes(8, "little"))
        with pytest.raises(dora_shm.CorruptError, match="committed went back"):
            reader.read()
        patch(f"{name}/buffer0", -4096 + 384, (3).to_bytes(8, "little"))
        assert len(reader.read()) == 3, "it attaches again, and begins again"
        writer.write(counting(3, 2))
        assert len(reader.read()) == 2


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a stream to another user")
def test_another_users_stream_is_read_only_when_its_owner_is_named(name: str) -> None:
    with stream(name) as writer:
        writer.write(counting(0, 3))
        for segment in (name, f"{name}/buffer0", f"{name}/meta1"):
            os.chown(Path("/dev/shm", shorten_shmem_name(segment)), 12345, 12345)
        with pytest.raises(dora_shm.WrongOwnerError, match="belongs to user 12345") as caught:
            Reader(name)
        assert isinstance(caught.value, PermissionError)
        with Reader(name, "oldest", owner=12345) as reader:
            assert len(reader.read()) == 3 and reader.info.owner == 12345
        assert any(info.kind == "other_user" and info.owner == 12345 for info in dora_shm.streams())
        for segment in (name, f"{name}/buffer0", f"{name}/meta1"):
            os.chown(Path("/dev/shm", shorten_shmem_name(segment)), 0, 0)


def test_a_ring_beyond_the_limit_is_not_mapped(name: str) -> None:
    with stream(name):
        with pytest.raises(dora_shm.TooLargeError, match="more than the limit of 1000"):
            Reader(name, max_bytes=1000)


def test_every_error_is_one_of_this_package(name: str) -> None:
    errors = [getattr(dora_shm, word) for word in dora_shm.__all__ if word.endswith("Error") and word != "Error"]
    assert len(errors) == 20
    for error in errors:
        assert issubclass(error, dora_shm.Error) and error.__doc__
        assert str(error("a message")) == "a message"
