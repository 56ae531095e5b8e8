"""Which device computes: said before a backend starts, since no process can change it later.

The choice stands in an environment variable, so that processes started from this one have it too.
"""

from __future__ import annotations

import os
import re

DEVICE_VARIABLE = "ULTIMATE_DEEP_DEVICE"
_NAMES = re.compile(r"auto|cpu|gpu(:\d+)?")
EXAMPLES = "auto, cpu, gpu or gpu:1"


def check_device(asked: str) -> str:
    """Return the name of a device.

    Args:
        asked: `auto` for the first GPU, or the processor where there is none; `cpu`; `gpu` for the
            first; `gpu:1` for one by its number, from 0.

    Raises:
        ValueError: A name that is no device's.
    """
    if not _NAMES.fullmatch(asked):
        raise ValueError(f"device must be {EXAMPLES}, got {asked!r}; `auto` takes what is there")
    return asked


def asked_device() -> str:
    """Return the device that this process is to compute on.

    Raises:
        ValueError: The variable names none.
    """
    asked = os.environ.get(DEVICE_VARIABLE, "auto")
    if not _NAMES.fullmatch(asked):
        raise ValueError(
            f"{DEVICE_VARIABLE} must be {EXAMPLES}, got {asked!r}; set it so, or unset it"
        )
    return asked


def chosen_gpu(asked: str, gpus: int) -> int | None:
    """Return the number of the GPU to compute on, None for the processor.

    Args:
        asked: Name of a device.
        gpus: How many there are.

    Raises:
        ValueError: There is no such GPU.
    """
    if asked == "cpu" or (asked == "auto" and not gpus):
        return None
    number = int(asked.partition(":")[2] or 0)
    if number >= gpus:
        there = "there is none" if not gpus else f"there are gpu:0 to gpu:{gpus - 1}"
        raise ValueError(
            f"device {asked!r} is not here: {there}; say --device auto, or see `ultimate-deep "
            "doctor`"
        )
    return number
