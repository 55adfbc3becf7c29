"""`EZShmMirror` of ezmsg-tools, over the reader of this package: a program written for the original changes one import.

    from dora_shm.ezmsg import EZShmMirror        # was: from ezmsg.tools.shmem.shmem_mirror import EZShmMirror

It reads the streams of dora-shm and those that ezmsg-tools 0.6 and 0.10 write, and needs neither ezmsg nor pickle.
"""

from ._meta import SHMEM_META_MAGIC, SHMEM_META_STRUCT_VERSION, ShmemArrMeta, ShmemVersionError, shorten_shmem_name
from ._mirror import EZShmMirror

__all__ = [
    "SHMEM_META_MAGIC",
    "SHMEM_META_STRUCT_VERSION",
    "EZShmMirror",
    "ShmemArrMeta",
    "ShmemVersionError",
    "shorten_shmem_name",
]
