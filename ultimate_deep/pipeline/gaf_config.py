"""Which pictures to write as files: configuration, importable without NumPy."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ultimate_deep.machine.fields import check_fields

# Kinds of pictures whose window need not hold as many bars as the picture has rows.
_OF_ANY_WINDOW = ("bars",)
_LEAST_ROWS = {"bars": 10}
StorageName = Literal["float32", "float16", "uint8", "numbers"]
STORAGES: tuple[StorageName, ...] = ("float32", "float16", "uint8", "numbers")


@dataclass(frozen=True, kw_only=True)
class GafFilesConfig:
    """Which pictures to write, and where.

    Args:
        output: Folder to create; it must not exist. With `windows`, the folder of their folders.
        windows: Lengths of the bars that are pictured, such as `15min,30min,60min`, all of the same
            finer bars: one folder for each symbol and length, called like `bnb_15m`. Empty pictures
            the bars as they are.
        picture: `gaf`, both Gramian angular fields of the closes; `gaf_ohlc`, those of open, high,
            low and close; `markov`, the Markov transition field; `recurrence`, the recurrence plot;
            `bars`, a chart of the bars as pixels.
        storage: `float32` keeps every bit; `float16` and `uint8` take a half and a quarter of the
            room and round by 4.9e-4 and 3.9e-3 at most (the metadata say by how much);
            `numbers` keeps the few numbers of which a net draws the same pictures.
        window_bars: Bars in a picture's window, which ends at the decision's bar.
        size: Numbers a window is averaged to; a picture is size x size. Rows of a chart of `bars`.
        train_fraction: Share of the rows, the oldest, that becomes the training part.
    """

    output: str = "artifacts/gaf"
    windows: str = ""
    picture: Literal["gaf", "gaf_ohlc", "markov", "recurrence", "bars"] = "gaf"
    storage: StorageName = "float32"
    window_bars: int = 128
    size: int = 64
    train_fraction: float = 0.9

    def __post_init__(self) -> None:
        check_fields(self)
        if not Path(self.output).name:
            raise ValueError(
                f"output must name a folder to create, got {self.output!r}; use e.g. artifacts/gaf"
            )
        least = _LEAST_ROWS.get(self.picture, 5 if self.picture == "markov" else 2)
        if self.size < least:
            raise ValueError(f"size must be at least {least}, got {self.size}; use e.g. 64")
        if self.window_bars < (1 if self.picture in _OF_ANY_WINDOW else self.size):
            raise ValueError(
                f"window_bars must be at least size={self.size}, got {self.window_bars}; "
                "lengthen the window or draw smaller pictures"
            )
        if not 0 < self.train_fraction < 1:
            raise ValueError(
                f"train_fraction must be between 0 and 1, got {self.train_fraction}; use e.g. 0.9"
            )
        if self.windows and not self.lengths:
            raise ValueError(
                f"windows names no length, got {self.windows!r}; use e.g. 15min,30min,60min, or "
                "leave it out"
            )
        if len(set(self.lengths)) < len(self.lengths):
            raise ValueError(
                f"windows must be different lengths, got {self.windows!r}; use e.g. 15min,30min"
            )

    @property
    def lengths(self) -> tuple[str, ...]:
        """The lengths of `windows`, one by one."""
        return tuple(one.strip() for one in self.windows.split(",") if one.strip())
