"""Names of augmentations and the strengths that they take; importable without what applies them."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Strengths:
    """What an augmentation is, and which strengths it takes.

    Args:
        change: Where its function is, `module:name`.
        default: What suits scaled inputs.
        most: Largest strength that it takes.
        windows: Whether it needs windows of bars.
        mixes: Whether it mixes labels.
    """

    change: str
    default: float
    most: float
    windows: bool = False
    mixes: bool = False


_HERE = "ultimate_deep.training.augmentation"
# In the order in which they are applied. A new one is one file with a function
# `change(tensors, strength, seed)` and one line here. The function is traced into the compiled
# step: it takes and returns the tensors of a batch, changes neither shapes nor dtypes, draws from
# `seed` alone, and reads nothing that comes after a bar to change that bar.
AUGMENTATIONS: dict[str, Strengths] = {
    "time_warp": Strengths(
        change=f"{_HERE}.warping:time_warp", default=0.2, most=0.9, windows=True
    ),
    "window_slice": Strengths(
        change=f"{_HERE}.warping:window_slice", default=0.1, most=0.9, windows=True
    ),
    "magnitude_warp": Strengths(
        change=f"{_HERE}.warping:magnitude_warp", default=0.1, most=1.0, windows=True
    ),
    "scaling": Strengths(change=f"{_HERE}.noise:scaling", default=0.1, most=1.0),
    "jitter": Strengths(change=f"{_HERE}.noise:jitter", default=0.03, most=10.0),
    "feature_dropout": Strengths(change=f"{_HERE}.noise:feature_dropout", default=0.1, most=0.9),
    "cutmix": Strengths(change=f"{_HERE}.mixing:cutmix", default=0.5, most=1.0, mixes=True),
    "mixup": Strengths(change=f"{_HERE}.mixing:mixup", default=0.2, most=10.0, mixes=True),
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
