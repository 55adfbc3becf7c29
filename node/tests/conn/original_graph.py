"""A graph of the real ezmsg whose ShMemCircBuff has a `conn`, connected to the listener at a path, until that sends quit.

`original_graph.py PATH`, with ezmsg-tools 0.6 and ezmsg 3.6: later ones do not start such a graph.
"""

import asyncio
import os
import sys
from multiprocessing.connection import Client

import ezmsg.core as ez
import numpy as np
from ezmsg.tools.shmem.shmem import ShMemCircBuff, ShMemCircBuffSettings
from ezmsg.util.messages.axisarray import AxisArray


class Source(ez.Unit):
    OUTPUT = ez.OutputStream(AxisArray)

    @ez.publisher(OUTPUT)
    async def send(self):
        for index in range(3000):
            axes = {"time": AxisArray.LinearAxis(unit="s", gain=0.01, offset=0.1 * index)}
            yield self.OUTPUT, AxisArray(np.zeros((10, 2), np.float32), dims=["time", "ch"], axes=axes, key="eeg")
            await asyncio.sleep(0.02)


source = Source()
name = f"conn-graph/{os.getpid()}"
conn = Client(sys.argv[1], family="AF_UNIX")
sink = ShMemCircBuff(ShMemCircBuffSettings(shmem_name=name, buf_dur=1.0, conn=conn, axis="time"))
ez.run(
    SOURCE=source,
    SINK=sink,
    connections=((source.OUTPUT, sink.INPUT_SIGNAL),),
    force_single_process=True,
)
