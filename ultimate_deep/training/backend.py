"""Starting up: TensorFlow without its chatter, the feature engine compiled meanwhile."""

import contextlib
import logging
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import Console

from ultimate_deep.machine.devices import DEVICE_VARIABLE, asked_device, chosen_gpu
from ultimate_deep.machine.threads import check_thread_pools, set_by_user

# By which Keras numbers the processes of one computation on JAX.
PROCESS_VARIABLE = "KERAS_DISTRIBUTION_PROCESS_ID"
# Said on every machine without an NVIDIA card, where it is no problem.
_HARMLESS = re.compile(
    r"absl::InitializeLog|Could not find cuda drivers|failed call to cuInit"
    r"|oneDNN custom operations"
    r"|optimized to use available CPU instructions|To enable the following instructions"
)


def load_backend() -> None:
    """Import Keras and its backend and list the devices, hiding only what is known to be harmless.

    What else they write to standard error is passed on. Takes some seconds, so that scripts call
    it after their arguments have been found good.

    Raises:
        ValueError: A number of threads in the environment that is none, or a device that is not
            here.
    """
    check_thread_pools()
    asked_device()
    with without_chatter():
        import keras
        import tensorflow as tf

        gpus = tf.config.list_physical_devices("GPU")
    if keras.backend.backend() == "jax":
        tf.config.set_visible_devices([], "GPU")
        _start_jax(keras)
    else:
        use_device(tf, gpus)


def _start_jax(keras: Any) -> None:
    """Join the other processes where there are any, and choose the device."""
    import jax

    if PROCESS_VARIABLE in os.environ:  # nothing of JAX may come before
        keras.distribution.initialize()
    asked = asked_device()
    if asked == "cpu":
        jax.config.update("jax_platforms", "cpu")
    elif asked != "auto":
        gpus = [one for one in jax.local_devices() if one.platform == "gpu"]
        number = chosen_gpu(asked, len(gpus))
        jax.config.update("jax_default_device", None if number is None else gpus[number])


def use_device(backend: Any, gpus: Sequence[Any]) -> None:
    """Let TensorFlow see the device that was asked for, and no other GPU.

    Args:
        backend: TensorFlow, once it is imported.
        gpus: What it lists.

    Raises:
        ValueError: There is no such device, or TensorFlow computes on another one already.
    """
    asked = asked_device()
    number = chosen_gpu(asked, len(gpus))
    wanted = [] if number is None else [gpus[number]]
    if list(backend.config.get_visible_devices("GPU")) == wanted:
        return
    try:
        backend.config.set_visible_devices(wanted, "GPU")
    except RuntimeError as error:
        raise ValueError(
            f"device {asked!r} comes too late: TensorFlow has begun on another one in this "
            f"process; set {DEVICE_VARIABLE}={asked} before, or start anew"
        ) from error


def load_backend_once() -> None:
    """Load the backend as `load_backend` does, where Keras is to run on TensorFlow at all."""
    asked = os.environ.get("KERAS_BACKEND", "tensorflow")
    if asked == "tensorflow" and not {"keras", "tensorflow"} & set(sys.modules):
        load_backend()


def one_thread_for_each_operation() -> bool:
    """Let TensorFlow share no operation among threads, and return whether that is so.

    It is not where the user has set another number (`TF_NUM_INTRAOP_THREADS`), or where this
    process has computed with more: TensorFlow then refuses another one.

    Loops of small products are slower shared: a step of 500 residual blocks of width 64 takes 1.1
    to 1.3 times as long on two threads; from a width of about 128 on two are no slower. With one,
    weights are the same to the bit on any number of cores of a kind.
    """
    import tensorflow as tf

    threading = tf.config.threading
    if not set_by_user("TF_NUM_INTRAOP_THREADS"):
        with contextlib.suppress(RuntimeError):  # too late
            threading.set_intra_op_parallelism_threads(1)
    told = threading.get_intra_op_parallelism_threads() or os.environ["TF_NUM_INTRAOP_THREADS"]
    return int(told) == 1


@contextlib.contextmanager
def without_chatter() -> Iterator[None]:
    """Hide what TensorFlow is known to say without an NVIDIA card, or where oneDNN is on."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile(mode="w+", errors="replace") as heard:
        os.dup2(heard.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)
            heard.seek(0)
            for line in heard:
                if not _HARMLESS.search(line):
                    sys.stderr.write(line)


@contextlib.contextmanager
def many_models() -> Iterator[None]:
    """Let pass what TensorFlow warns of where one program trains several nets."""

    def not_of_retracing(record: logging.LogRecord) -> bool:
        return "triggered tf.function retracing" not in record.getMessage()

    logger = logging.getLogger("tensorflow")
    logger.addFilter(not_of_retracing)
    try:
        yield
    finally:
        logger.removeFilter(not_of_retracing)


def start_up(console: Console) -> None:
    """Load the backend and compile the feature engine side by side, saying so.

    The engine's first compilation on a machine takes a quarter of a minute; later it is read from
    numba's cache.

    Raises:
        RuntimeError: The feature engine does not compile.
        ValueError: A number of threads in the environment that is none.
    """
    check_thread_pools()
    console.print("loading TensorFlow and the feature engine (compiled once on a machine) ...")
    code = (
        f"import sys; sys.path[:] = {sys.path!r}; "
        "from ultimate_deep import features; features.compile_engine(stream=False)"
    )
    engine = subprocess.Popen([sys.executable, "-I", "-c", code], stdin=subprocess.DEVNULL)
    try:
        load_backend()
        status = engine.wait()
    except BaseException:
        engine.terminate()
        engine.wait()
        raise
    if status:
        raise RuntimeError(f"compiling the feature engine ended with exit status {status}")
