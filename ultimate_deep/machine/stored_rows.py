"""Rows of a large file of numbers, copied out when they are asked for."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True, eq=False)
class StoredRows:
    """A `.npy` file as an array-like of float32 `(rows, ...)`; nothing is read before it is asked.

    Rows are read in the order of the file and handed over in the order asked for; what is kept
    beside the system's own cache of the file is one batch.

    Args:
        path: File in NumPy's own format.
        low: What a stored 0 means, in files of whole numbers, which hold `low + step * stored`.
        step: Distance of two neighbouring whole numbers.
        digest: Says which content it is, where hashing all of it would take minutes.

    Raises:
        ValueError: No such file of numbers, or one of a type that is no picture's.
    """

    path: Path
    low: float = 0.0
    step: float = 1.0
    digest: str = ""

    def __post_init__(self) -> None:
        try:
            table = np.load(self.path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise ValueError(
                f"{self.path} is no file of numbers ({error}); write it again"
            ) from error
        if table.dtype not in (np.float32, np.float16, np.uint8) or table.ndim < 2:
            raise ValueError(
                f"{self.path} must hold float32, float16 or uint8 rows, got {table.dtype} "
                f"{table.shape}; write it again"
            )
        object.__setattr__(self, "_table", table)

    @property
    def shape(self) -> tuple[int, ...]:
        """`(rows, ...)`."""
        shape: tuple[int, ...] = self._table.shape  # type: ignore[attr-defined]
        return shape

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def dtype(self) -> np.dtype[np.float32]:
        """Type of what is handed out, float32."""
        return np.dtype(np.float32)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: np.ndarray | slice) -> np.ndarray:
        """Return a fresh float32 array of those rows, by number, mask or slice."""
        table = self._table  # type: ignore[attr-defined]
        if isinstance(rows, slice):
            return self._decoded(np.asarray(table[rows]))
        numbers = np.flatnonzero(rows) if rows.dtype == bool else np.asarray(rows)
        order = np.argsort(numbers, kind="stable")
        out = np.empty((len(numbers), *self.shape[1:]), np.float32)
        out[order] = self._decoded(table[numbers[order]])
        return out

    def identity(self) -> bytes:
        """Return what tells this content from another."""
        digest = hashlib.blake2b(digest_size=16)
        digest.update(f"{self.digest} {self.shape} {self.low} {self.step}".encode())
        return digest.digest()

    def _decoded(self, stored: np.ndarray) -> np.ndarray:
        if stored.dtype == np.uint8:
            return np.float32(self.low) + np.float32(self.step) * stored.astype(np.float32)
        return stored.astype(np.float32)
