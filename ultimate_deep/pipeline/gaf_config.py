"""Which pictures to write as files: configuration, importable without NumPy."""

from dataclasses import dataclass
from pathlib import Path

from ultimate_deep.machine.fields import check_fields


@dataclass(frozen=True, kw_only=True)
class GafFilesConfig:
    """Which pictures to write, and where.

    Args:
        output: Folder to create; it must not exist.
        window_bars: Bars in a picture's window, which ends at the decision's bar.
        size: Numbers a window is averaged to; a picture is size x size.
        train_fraction: Share of the rows, the oldest, that becomes the training part.
    """

    output: str = "artifacts/gaf"
    window_bars: int = 128
    size: int = 64
    train_fraction: float = 0.9

    def __post_init__(self) -> None:
        check_fields(self)
        if not Path(self.output).name:
            raise ValueError(
                f"output must name a folder to create, got {self.output!r}; use e.g. artifacts/gaf"
            )
        if self.size < 2:
            raise ValueError(f"size must be at least 2, got {self.size}; use e.g. 64")
        if self.window_bars < self.size:
            raise ValueError(
                f"window_bars must be at least size={self.size}, got {self.window_bars}; "
                "lengthen the window or draw smaller pictures"
            )
        if not 0 < self.train_fraction < 1:
            raise ValueError(
                f"train_fraction must be between 0 and 1, got {self.train_fraction}; use e.g. 0.9"
            )
