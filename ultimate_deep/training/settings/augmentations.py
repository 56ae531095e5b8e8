"""Names of augmentations and the strengths that they take; importable without what applies them."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Strengths:
    """Which strengths an augmentation takes.

    Args:
        default: What suits scaled inputs.
        most: Largest strength that it takes.
        windows: Whether it needs windows of bars.
        mixes: Whether it mixes labels.
    """

    default: float
    most: float
    windows: bool = False
    mixes: bool = False


AUGMENTATIONS: dict[str, Strengths] = {
    "time_warp": Strengths(default=0.2, most=0.9, windows=True),
    "window_slice": Strengths(default=0.1, most=0.9, windows=True),
    "magnitude_warp": Strengths(default=0.1, most=1.0, windows=True),
    "scaling": Strengths(default=0.1, most=1.0),
    "jitter": Strengths(default=0.03, most=10.0),
    "feature_dropout": Strengths(default=0.1, most=0.9),
    "cutmix": Strengths(default=0.5, most=1.0, mixes=True),
    "mixup": Strengths(default=0.2, most=10.0, mixes=True),
}


def check_augmentations(chosen: Mapping[str, float]) -> None:
    """Refuse a name that there is not, and a strength out of range.

    Raises:
        ValueError: Naming it, what there is, and what it may be.
    """
    for name, strength in chosen.items():
        if name not in AUGMENTATIONS:
            near = difflib.get_close_matches(name, AUGMENTATIONS, n=1)
            meant = f"did you mean {near[0]!r}? " if near else ""
            raise ValueError(
                f"fit.augmentations has no {name!r}; {meant}there are {', '.join(AUGMENTATIONS)}"
            )
        own = AUGMENTATIONS[name]
        if not 0 < strength <= own.most:
            raise ValueError(
                f"fit.augmentations[{name!r}] must be above 0 and at most {own.most:g}, got "
                f"{strength!r}; {own.default:g} is usual"
            )
