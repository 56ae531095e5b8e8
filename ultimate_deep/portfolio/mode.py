"""Which sides an account takes."""

from typing import Literal, get_args

Mode = Literal["long_flat", "long_short"]
MODES: tuple[Mode, ...] = get_args(Mode)


def check_mode(mode: str) -> None:
    """Raise `ValueError` unless `mode` is one of `MODES`."""
    if mode not in MODES:
        raise ValueError(f"mode must be one of {MODES}, got {mode!r}")
