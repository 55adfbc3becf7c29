"""Checks steps.json against the real ShMemCircBuff of the ezmsg-tools that this Python has.

The unit is called as a graph calls it, but without a graph: with ezmsg 3.10, a graph with `conn` does not start.
Exits with 0 if every scenario sent exactly the strings of the file.
"""

import asyncio
import importlib.metadata
import inspect
import json
import multiprocessing
import os
import pathlib
import sys

import numpy as np
from ezmsg.tools.shmem.shmem import ShMemCircBuff, ShMemCircBuffSettings
from ezmsg.util.messages.axisarray import AxisArray

VERSION = ".".join(importlib.metadata.version("ezmsg-tools").split(".")[:2])
EXPECTED = json.loads(pathlib.Path(__file__).with_name("steps.json").read_text())


def axis_array(dtype, shape, dims, stream_dim, rate, key, labels, attrs):
    buffered = stream_dim or "time"
    axes = {buffered: AxisArray.LinearAxis(unit="s", gain=1.0 / rate)}
    if labels:
        axes["ch"] = AxisArray.CoordinateAxis(data=np.array(labels), dims=["ch"])
    declared = {"stream_dim": stream_dim} if stream_dim else {}
    return AxisArray(np.zeros(shape, dtype), dims=list(dims), axes=axes, attrs=dict(attrs), key=key, **declared)


def unit_settings(conn, name, buf_dur, axis):
    name = f"conn-steps/{os.getpid()}/{name}"
    return ShMemCircBuffSettings(shmem_name=name, buf_dur=buf_dur, conn=conn, axis=axis)


async def run(scenario):
    """The strings of each step, as they were sent."""
    ours, theirs = multiprocessing.Pipe()
    message = dict(EXPECTED["message"])
    settings = EXPECTED["settings"] | scenario.get("settings", {})
    unit = ShMemCircBuff(unit_settings(theirs, **settings))
    unit._instantiate_state()
    sent = []
    for step in scenario["steps"]:
        message |= step.get("message", {})
        settings |= step.get("settings", {})
        match step["do"]:
            case "open":
                done = unit.initialize()
            case "message":
                done = unit.on_message(axis_array(**message))
            case "settings":
                done = unit.on_settings(unit_settings(theirs, **settings))
            case "close":
                done = unit.shutdown()
        if inspect.isawaitable(done):
            await done
        strings = []
        # Everything that was sent is in the pipe already. A closed pipe is always ready.
        while ours.poll():
            try:
                strings.append(ours.recv())
            except EOFError:
                strings.append(EOFError)
                break
        sent.append(strings)
    return sent


def main():
    failed = 0
    for scenario in EXPECTED["scenarios"]:
        if scenario.get("only", VERSION) != VERSION:
            continue
        expected = [step.get(VERSION, step["strings"]) for step in scenario["steps"]]
        expected[-1] = expected[-1] + [EOFError]
        sent = asyncio.run(run(scenario))
        for step, wanted, found in zip(scenario["steps"], expected, sent, strict=True):
            if wanted != found:
                failed += 1
                print(f"{scenario['name']}: {step}: sent {found}, expected {wanted}")
    sys.exit(failed and f"{failed} steps of ezmsg-tools {VERSION} are not as written")


main()
