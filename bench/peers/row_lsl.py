"""Lab Streaming Layer through pylsl: an outlet that chunks are pushed to, and an inlet that they are pulled from.

A message is a chunk of samples of 64 float32 channels. Discovery queries only 127.0.0.1. Sockets that liblsl binds to all addresses
(it has no setting for that) are bound to the loopback device.
"""

import os
import socket

import numpy as np
from pylsl import StreamInfo, StreamInlet, StreamOutlet, resolve_byprop
from pylsl.util import LostError, set_config_content

from control import now_ns

CHANNELS = 64
PATIENCE_S = 10.0
# Longest time until a reader without messages notices the end.
SLICE_S = 0.2

# Replaces any file that the machine may have. Level -3: that the outlet ends before the inlet is not an error here.
set_config_content("""
[ports]
IPv6 = disable
[multicast]
ResolveScope = machine
AddressesOverride = {127.0.0.1}
ListenAddress = 127.0.0.1
Interfaces = {127.0.0.1}
[lab]
KnownPeers = {127.0.0.1}
[log]
level = -3
""")


def buffered(task):
    """Length of both queues, equal to that of the ring. Without a rate, liblsl counts in hundreds of samples."""
    return -(-task.ring_messages * (task.payload // (4 * CHANNELS)) // 100)


def keep_to_loopback():
    """Keeps the sockets of this process from receiving anything from outside this machine."""
    for number in os.listdir("/proc/self/fd"):
        try:
            if not os.readlink(f"/proc/self/fd/{number}").startswith("socket:"):
                continue
        except FileNotFoundError:
            # The descriptor of the listing itself.
            continue
        with socket.socket(fileno=os.dup(int(number))) as same:
            if same.family == socket.AF_INET:
                same.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo")


class Writer:
    """The outlet."""

    def __init__(self, task, source):
        samples = task.payload // (4 * CHANNELS)
        self._chunks = list(source.rows.view(np.float32).reshape(source.buffers, samples, CHANNELS))
        # No nominal rate, because liblsl would then reserve five seconds of samples.
        info = StreamInfo(task.name, "bench", CHANNELS, 0.0, "float32", task.name)
        self._outlet = StreamOutlet(info, max_buffered=buffered(task))
        keep_to_loopback()

    def wait_for_reader(self):
        if not self._outlet.wait_for_consumers(PATIENCE_S):
            raise RuntimeError("no inlet connects")

    async def send(self, sequence):
        # The step by which the inlet's side sees the message is somewhere in the call.
        committing = now_ns()
        self._outlet.push_chunk(self._chunks[sequence % len(self._chunks)])
        return committing

    async def close(self):
        del self._outlet


async def writer(task, source):
    return Writer(task, source)


class Reader:
    """The inlet."""

    def __init__(self, task):
        self._samples = task.payload // (4 * CHANNELS)
        found = resolve_byprop("source_id", task.name, 1, PATIENCE_S)
        if not found:
            raise RuntimeError("the outlet is not found")
        # Lost messages are not recovered: the writer ends when all is done.
        self._inlet = StreamInlet(found[0], max_buflen=buffered(task), recover=False)
        self._inlet.open_stream(PATIENCE_S)

    def run(self, receipts):
        received = receipts.message
        target = received.array.view(np.float32).reshape(self._samples, CHANNELS)
        filled = 0
        while not receipts.is_over():
            try:
                _, times = self._inlet.pull_chunk(SLICE_S, self._samples - filled, target[filled:])
            except LostError:
                if receipts.is_over():
                    break
                raise
            filled += len(times)
            if filled == self._samples:
                # The call returns with the copy, so seen and done are the same.
                done_ns = now_ns()
                if received.is_whole():
                    receipts.note(done_ns, done_ns)
                    filled = 0
                else:
                    filled = self._realign(received, target)
        self._inlet.close_stream()

    def _realign(self, received, target):
        """After a full queue has dropped samples: brings the next message's first sample to the front."""
        starts = 1 + np.flatnonzero(received.places(self._samples)[1:] == 0)
        kept = self._samples - int(starts[0]) if len(starts) else 0
        target[:kept] = target[self._samples - kept :].copy()
        return kept


def reader(task):
    return Reader(task)
