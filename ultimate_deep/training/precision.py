"""Which arithmetic a model really runs in, and why."""

from dataclasses import dataclass
from pathlib import Path

from ultimate_deep.training.config import PRECISIONS

FAST_BFLOAT16_FLAGS = ("avx512_bf16", "amx_bf16")
FIRST_BFLOAT16_GPU = (8, 0)
COMPUTE_DTYPE = {
    "float32": "float32",
    "mixed_bfloat16": "bfloat16",
    "mixed_float16": "float16",
}


@dataclass(frozen=True, kw_only=True)
class Precision:
    """The Keras dtype policy to build a model with.

    Args:
        policy: `float32`, `mixed_bfloat16` or `mixed_float16`.
        reason: Why, for people.
    """

    policy: str
    reason: str


def resolve_precision(requested: str, *, cpu_info: Path = Path("/proc/cpuinfo")) -> Precision:
    """Return the policy for `requested`; `auto` takes bfloat16 only where it is faster.

    Args:
        requested: `auto` or a policy.
        cpu_info: Where the processor's flags are listed.

    Raises:
        ValueError: An unknown name.
    """
    if requested not in PRECISIONS:
        raise ValueError(f"precision must be one of {PRECISIONS}, got {requested!r}; use auto")
    if requested != "auto":
        return Precision(policy=requested, reason=f"asked for; {_hardware(cpu_info)[1]}")
    fast, reason = _hardware(cpu_info)
    return Precision(policy="mixed_bfloat16" if fast else "float32", reason=reason)


def check_precision(requested: str, computed: str) -> None:
    """Refuse a model that computes otherwise than the configuration says.

    Args:
        requested: `auto`, which takes any model, or a policy.
        computed: Dtypes that the model computes in, joined by `+`.

    Raises:
        ValueError: A model that computes in another dtype.
    """
    if requested != "auto" and COMPUTE_DTYPE[requested] not in computed.split("+"):
        raise ValueError(
            f"fit.precision is {requested} but the model computes in {computed}; "
            f"build the model with precision={requested!r}, or leave fit.precision at auto"
        )


def hardware_sentence(cpu_info: Path = Path("/proc/cpuinfo")) -> str:
    """Return what this machine can do with bfloat16."""
    return _hardware(cpu_info)[1]


def _hardware(cpu_info: Path) -> tuple[bool, str]:
    """Return whether bfloat16 is fast here, and a sentence that says why."""
    capability = _gpu_capability()
    if capability is not None:
        fast = capability >= FIRST_BFLOAT16_GPU
        name = ".".join(map(str, capability))
        verb = "has" if fast else "has no"
        return fast, f"the GPU (compute capability {name}) {verb} bfloat16 arithmetic"
    flags = _cpu_flags(cpu_info)
    found = [flag for flag in FAST_BFLOAT16_FLAGS if flag in flags]
    if found:
        return True, f"the CPU has {' and '.join(found)}"
    if not flags:
        return False, "the CPU's flags are unknown here, so bfloat16 may be slower than float32"
    return False, "the CPU has neither AVX512-BF16 nor AMX, so bfloat16 would be slower"


def _gpu_capability() -> tuple[int, int] | None:
    """Return the compute capability of the first GPU that TensorFlow sees; None without one."""
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        return None
    major, minor = tf.config.experimental.get_device_details(gpus[0]).get(
        "compute_capability", (0, 0)
    )
    return int(major), int(minor)


def _cpu_flags(cpu_info: Path) -> frozenset[str]:
    if not cpu_info.is_file():
        return frozenset()
    for line in cpu_info.read_text().splitlines():
        if line.startswith("flags"):
            return frozenset(line.partition(":")[2].split())
    return frozenset()
