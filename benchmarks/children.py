"""Work in a child process that may be killed at any instant."""

import os
import signal
import time
import traceback
from collections.abc import Callable


def in_child(work: Callable[[], object], wait_s: float | None = None) -> bool:
    """Run something in a child, which gets SIGKILL after a time; returns whether it was killed at work.

    The parent itself never walks: what a library starts in it, such as threads, would hang in a child.
    """
    child = os.fork()
    if child == 0:
        try:
            work()
            os._exit(0)
        except BaseException:  # noqa: BLE001 - a child must never come back
            traceback.print_exc()
            os._exit(3)
    if wait_s is not None:
        time.sleep(wait_s)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if os.WIFEXITED(status) and os.WEXITSTATUS(status) == 3:
        raise SystemExit("a run failed by itself, without a kill")
    return os.WIFSIGNALED(status)
