"""Starting up: TensorFlow without its chatter, the feature engine compiled meanwhile."""

import ctypes
import os
import platform
import re
import subprocess
import sys
import tempfile

from rich.console import Console

# Said on every machine without an NVIDIA card, where it is no problem.
_HARMLESS = re.compile(
    r"absl::InitializeLog|Could not find cuda drivers|failed call to cuInit"
    r"|optimized to use available CPU instructions|To enable the following instructions"
)


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
        parameters: Of the model; each takes 16 bytes in training: weight, gradient, two moments.

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


def load_backend() -> None:
    """Import Keras and its backend and list the devices, hiding only what is known to be harmless.

    What else they write to standard error is passed on. Takes some seconds, so that scripts call
    it after their arguments have been found good.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile(mode="w+", errors="replace") as heard:
        os.dup2(heard.fileno(), 2)
        try:
            import keras  # noqa: F401
            import tensorflow as tf

            tf.config.list_physical_devices()
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)
            heard.seek(0)
            for line in heard:
                if not _HARMLESS.search(line):
                    sys.stderr.write(line)


def start_up(console: Console) -> None:
    """Load the backend and compile the feature engine side by side, saying so.

    The engine's first compilation on a machine takes about half a minute; later it is read from
    numba's cache.

    Raises:
        RuntimeError: The feature engine does not compile.
    """
    console.print("loading TensorFlow and the feature engine (compiled once on a machine) ...")
    code = (
        f"import sys; sys.path[:] = {sys.path!r}; "
        "from ultimate_deep import features; features.compile_engine()"
    )
    engine = subprocess.Popen([sys.executable, "-I", "-c", code], stdin=subprocess.DEVNULL)
    try:
        load_backend()
    finally:
        status = engine.wait()
    if status:
        raise RuntimeError(f"compiling the feature engine ended with exit status {status}")
