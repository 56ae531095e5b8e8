"""Which feature files to write: configuration, importable without NumPy."""

from dataclasses import dataclass
from pathlib import Path

from ultimate_deep.machine.fields import check_fields


@dataclass(frozen=True, kw_only=True)
class FeatureFilesConfig:
    """Which features to write, and where.

    Args:
        output: Folder to create; it must not exist.
        names: Features in the wanted order; empty means every feature that a symbol's bars allow.
        block_rows: Rows that are computed and written at a time.
    """

    output: str = "artifacts/features"
    names: tuple[str, ...] = ()
    block_rows: int = 16_384

    def __post_init__(self) -> None:
        check_fields(self)
        if not Path(self.output).name:
            raise ValueError(
                f"output must name a folder to create, got {self.output!r}; use e.g. "
                "artifacts/features"
            )
        if self.block_rows < 1:
            raise ValueError(f"block_rows must be at least 1, got {self.block_rows}; use 16384")
