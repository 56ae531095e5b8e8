"""Starting up: memory that stays in the process."""

import platform
import subprocess
import sys

import pytest

CODE = """
import numpy as np
from ultimate_deep.training.backend import reuse_memory

def faults_of_a_second_use():
    import resource
    np.ones(2**26, "uint8")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    np.ones(2**26, "uint8")
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

fresh = faults_of_a_second_use()
assert not reuse_memory(10**13)
assert faults_of_a_second_use() > fresh / 2
assert reuse_memory(10**6)
print(fresh, faults_of_a_second_use())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="mallopt is glibc's")
def test_freed_memory_is_used_again_without_a_page_fault():
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    fresh, reused = map(int, done.stdout.split())
    # 64 MiB are 16,384 pages of 4 KiB, or 32 of 2 MiB.
    assert fresh >= 32
    assert reused < fresh / 10
