"""Memory that stays in the process, and the most it ever took."""

import platform
import subprocess
import sys
from pathlib import Path

import pytest

CODE = """
import numpy as np
from ultimate_deep.machine.memory import reuse_memory

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


PEAK = """
from ultimate_deep.machine.memory import peak_resident_bytes

before = peak_resident_bytes()
block = bytearray(2**27)
block[::1024] = bytes(2**17)
del block
print(before, peak_resident_bytes())
"""


@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="read from /proc")
def test_the_peak_stays_when_memory_is_freed():
    done = subprocess.run([sys.executable, "-c", PEAK], capture_output=True, text=True, check=True)
    before, after = map(int, done.stdout.split())
    assert 0 < before < 2**27 < after
