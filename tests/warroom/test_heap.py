"""All threads of a worker share one heap, and its memory comes in small pages."""

import subprocess
import sys

import pytest

PROGRAM = """
import ctypes, threading
from warroom.heap import keep_one_heap
{first}
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
threads = [threading.Thread(target=libc.malloc, args=(64,)) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
libc.malloc_stats()
"""


@pytest.mark.parametrize(("first", "shared"), [("keep_one_heap()", True), ("", False)])
def test_threads_share_a_heap_only_when_they_are_told_to(first: str, shared: bool) -> None:
    program = PROGRAM.format(first=first)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    heaps = [line for line in done.stderr.splitlines() if line.startswith("Arena ")]
    assert (len(heaps) == 1) is shared


FORKED = """
import os
from pathlib import Path
from warroom.heap import keep_small_pages
keep_small_pages()
if os.fork():
    os.wait()
else:
    print(Path("/proc/self/status").read_text())
"""


def test_a_forked_process_takes_no_huge_pages() -> None:
    done = subprocess.run([sys.executable, "-c", FORKED], capture_output=True, text=True, check=True)
    assert "THP_enabled:\t0" in done.stdout
