"""A Python node of a dora graph that notes how old messages are: `receive.py <node id> <file>`."""

import json
import sys
import time

import numpy as np
from dora import Node

WARM_UP = 20
PATIENCE_S = 20


def now_ns():
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC)


def join(node_id):
    """Joins the graph, which may still be starting."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return Node(node_id)
        except RuntimeError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def main(node_id, path):
    node = join(node_id)
    received, copied = [], []
    copy = None
    for event in node:
        seen = now_ns()
        if event["type"] != "INPUT":
            continue
        message = event["value"].to_numpy(zero_copy_only=True)
        if copy is None or len(copy) != len(message):
            copy = np.empty_like(message)
        np.copyto(copy, message)
        done = now_ns()
        sequence, started = copy[:16].view(np.uint64).tolist()
        # dora's memory belongs to the sender's pool, to which it returns with the event.
        del event, message
        if sequence >= WARM_UP:
            received.append(seen - started)
            copied.append(done - started)
    with open(path, "w") as file:
        json.dump({"received": received, "copied": copied}, file)


main(sys.argv[1], sys.argv[2])
