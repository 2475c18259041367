"""Evidence of many alerts on all cores: drawing holds the interpreter, so threads do not help, processes do."""

import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager

from pipeline.evidence import EvidenceInputs, evidence_files

WORTH_PROCESSES = 8
"""Fewer folders than this are drawn sooner than processes start (two to three seconds; a folder takes about 0.6)."""
PROCESSES = 2
Files = dict[str, bytes]
Draw = Callable[[EvidenceInputs], Callable[[], Files]]


def _leave_with_parent(parent: int) -> None:
    """End this process when its parent is gone, however it went: nothing may be left behind."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _ready() -> None:
    """Nothing: its first call makes a process import what drawing needs."""


@contextmanager
def drawers(folders: int) -> Iterator[Draw]:
    """Give a function that starts to draw a folder and returns how to get its files.

    The bytes are the same whether this process draws or others do. Processes start at once, so that they have imported
    what they need when the first pixels have been read.
    """
    if folders < WORTH_PROCESSES:
        yield lambda inputs: lambda: evidence_files(inputs)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(PROCESSES, context, initializer=_leave_with_parent, initargs=(os.getpid(),)) as pool:
        pool.submit(_ready)
        yield lambda inputs: _getter(pool, inputs)


def _getter(pool: ProcessPoolExecutor, inputs: EvidenceInputs) -> Callable[[], Files]:
    """Start to draw in a process; the function that waits for it, and draws here where the processes are gone."""
    try:
        future = pool.submit(evidence_files, inputs)
    except BrokenProcessPool:
        return lambda: evidence_files(inputs)

    def files() -> Files:
        try:
            return future.result()
        except BrokenProcessPool:  # a main module that cannot be imported again, or a process that was killed
            return evidence_files(inputs)

    return files
