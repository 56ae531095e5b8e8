"""How much memory this process takes, and what becomes of what it frees."""

import ctypes
import os
import platform
import sys
from pathlib import Path

# `mallopt` parameters of glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4
_BYTES_PER_PARAMETER = 16


def reuse_memory(parameters: int) -> bool:
    """Keep freed memory in this process for what it allocates next, where that is safe.

    A step allocates the same large arrays again and again. By default each comes fresh from the
    system, page by page and cleared; for deep stacks that is a tenth of a step. Kept memory is
    cut into pieces, which raises the peak by up to a third, so models whose training would fill
    more than an eighth of the machine's memory do without.

    Args:
        parameters: Parameters of the model; each takes 16 bytes in training: weight, gradient, two
            moments.

    Returns:
        Whether it was set: False for large models, and without glibc.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if _BYTES_PER_PARAMETER * parameters > machine / 8:
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return bool(mallopt(_M_MMAP_MAX, 0)) and bool(mallopt(_M_TRIM_THRESHOLD, -1))


def peak_resident_bytes(process: int | None = None) -> int:
    """Return the largest resident memory of a process so far; 0 where it is not told.

    Args:
        process: Its number, of which Linux alone tells; None asks for this one.
    """
    status = Path(f"/proc/{'self' if process is None else process}/status")
    if status.is_file():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    if sys.platform == "darwin" and process is None:
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return 0
