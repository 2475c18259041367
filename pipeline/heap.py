"""Memory that is kept for the next look: a process that gives every array back to the system pays for its pages each time.

A look of a chunk is some twenty arrays of megabytes, made and let go again within a second. glibc hands arrays of that size
back to the system and keeps a heap for each thread; the system clears their pages before it gives them out again, which was
a tenth of the time of a night.
"""

import ctypes
import os

KEPT = {"MALLOC_ARENA_MAX": 1, "MALLOC_MMAP_THRESHOLD_": 256 << 20, "MALLOC_TRIM_THRESHOLD_": 512 << 20}
"""What glibc is told, by the variables of its environment: one heap for all threads, which arrays up to 256 MiB come from, and
whose end is given back when more than 512 MiB of it are free."""
_NUMBERS = {"MALLOC_ARENA_MAX": -8, "MALLOC_MMAP_THRESHOLD_": -3, "MALLOC_TRIM_THRESHOLD_": -1}
"""The same for `mallopt` (malloc.h)."""


def keep_pages() -> bool:
    """Let this process keep the pages of arrays that it lets go; returns whether its C library can.

    What the environment says already stays. Threads that have a heap of their own keep it.
    """
    tell = getattr(ctypes.CDLL(None), "mallopt", None)
    if tell is None:
        return False
    wanted = {name: value for name, value in KEPT.items() if name not in os.environ}
    return all(tell(_NUMBERS[name], value) == 1 for name, value in wanted.items())
