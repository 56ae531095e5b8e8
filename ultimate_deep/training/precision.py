"""Which arithmetic a model really runs in, and why."""

from pathlib import Path

from ultimate_deep.training.accelerator import accelerator
from ultimate_deep.training.config import PRECISIONS

FAST_BFLOAT16_FLAGS = ("avx512_bf16", "amx_bf16")
# Compute capabilities from which NVIDIA's tensor cores know each type.
FIRST_BFLOAT16_GPU, FIRST_FLOAT16_GPU = (8, 0), (7, 0)
COMPUTE_DTYPE = {
    "float32": "float32",
    "mixed_bfloat16": "bfloat16",
    "mixed_float16": "float16",
}


def resolve_precision(
    requested: str, *, half_on_cpu: bool = False, cpu_info: Path = Path("/proc/cpuinfo")
) -> str:
    """Return the dtype policy for `requested`; `auto` takes half the bits only where it is faster.

    Args:
        requested: `auto` or a policy.
        half_on_cpu: Whether the net's steps are faster with half the bits on a processor that has
            arithmetic for them; most nets' are not.
        cpu_info: Where the processor's flags are listed.

    Raises:
        ValueError: An unknown name.
    """
    if requested not in PRECISIONS:
        raise ValueError(f"precision must be one of {PRECISIONS}, got {requested!r}; use auto")
    if requested != "auto":
        return requested
    policy, _ = _hardware(cpu_info)
    return policy if half_on_cpu or accelerator() is not None else "float32"


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


def device_sentence() -> str:
    """Return what computes in this process: a GPU by its number and name, or the processor."""
    found = accelerator()
    return "the processor" if found is None else f"gpu:{found.number} ({found.name})"


def hardware_sentence(computed: str, cpu_info: Path = Path("/proc/cpuinfo")) -> str:
    """Return what this machine can do with half the bits.

    Args:
        computed: Dtypes that the model computes in, joined by `+`.
        cpu_info: Where the processor's flags are listed.
    """
    policy, reason = _hardware(cpu_info)
    on_cpu = accelerator() is None
    if on_cpu and "float16" in computed.split("+"):
        return "no processor is faster by float16; a GPU is, for which it can be tried here"
    if on_cpu and policy != "float32" and computed == "float32":
        return _slower_here(reason)
    return reason


def _slower_here(reason: str) -> str:
    return f"{reason}: faster for wide layers, not for nets of this size"


def _hardware(cpu_info: Path) -> tuple[str, str]:
    """Return the policy that is fast here, and a sentence that says why."""
    gpu = accelerator()
    if gpu is not None:
        capability = gpu.capability
        name = f"the GPU (compute capability {'.'.join(map(str, capability))})"
        if capability >= FIRST_BFLOAT16_GPU:
            return "mixed_bfloat16", f"{name} has bfloat16 arithmetic"
        if capability >= FIRST_FLOAT16_GPU:
            return "mixed_float16", f"{name} has float16 arithmetic and no bfloat16"
        return "float32", f"{name} has neither bfloat16 nor float16 arithmetic that is faster"
    flags = _cpu_flags(cpu_info)
    found = [flag for flag in FAST_BFLOAT16_FLAGS if flag in flags]
    if found:
        return "mixed_bfloat16", f"the CPU has {' and '.join(found)}"
    if not flags:
        return "float32", "the CPU's flags are unknown here, so bfloat16 may be slower than float32"
    return "float32", "the CPU has neither AVX512-BF16 nor AMX, so bfloat16 would be slower"


def _cpu_flags(cpu_info: Path) -> frozenset[str]:
    if not cpu_info.is_file():
        return frozenset()
    for line in cpu_info.read_text().splitlines():
        if line.startswith("flags"):
            return frozenset(line.partition(":")[2].split())
    return frozenset()
