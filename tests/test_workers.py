"""Drawing in processes: the same bytes, whatever becomes of the processes, and none of them outlives its parent."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from test_evidence import INPUTS

from pipeline.evidence import evidence_files
from pipeline.stages.workers import WORTH_PROCESSES, drawers

PARENT = """
import os, time
from pipeline.stages.workers import _ready, drawers
if __name__ == "__main__":
    with drawers(100) as draw:
        time.sleep(1)
        print(os.getpid(), flush=True)
        time.sleep(60)
"""


@pytest.mark.parametrize("folders", [1, WORTH_PROCESSES])
def test_the_bytes_do_not_depend_on_who_draws(folders: int) -> None:
    with drawers(folders) as draw:
        assert draw(INPUTS)() == evidence_files(INPUTS)


def test_a_process_that_is_killed_loses_nothing() -> None:
    with drawers(WORTH_PROCESSES) as draw:
        assert draw(INPUTS)()
        for child in multiprocessing.active_children():
            os.kill(child.pid or 0, signal.SIGKILL)
        later = [draw(INPUTS) for _ in range(3)]
        assert all(files() == evidence_files(INPUTS) for files in later)


def children_of(pid: int) -> list[int]:
    """Processes whose parent is `pid`."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text(encoding="utf-8").rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            found.append(int(stat.parent.name))
    return found


@pytest.mark.skipif(not Path("/proc").exists(), reason="reads the processes of Linux")
def test_no_process_outlives_a_parent_that_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(PARENT, encoding="utf-8")
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        left = children_of(pid)
        time.sleep(4)  # past the imports of the children
        parent.kill()
    assert left
    until = time.monotonic() + 30
    while time.monotonic() < until and any(Path(f"/proc/{child}").exists() for child in left):
        time.sleep(0.2)
    assert not [child for child in left if Path(f"/proc/{child}").exists()]
