"""Memory that several processes share and that has no name: nothing of it can be left behind."""

import mmap
import os
import tempfile

import numpy as np

ALIGNMENT = 64


class AnonymousMemory:
    """Bytes that live as long as a process holds them.

    They are a file in memory without a name (`memfd_create`; where there is none, an unnamed
    temporary file). Another process gets at them by the descriptor that it inherits. They are
    bounded by the memory of the machine alone, not by the size of `/dev/shm`, which is 64 MiB in
    many containers.

    Args:
        descriptor: Descriptor of memory that another process made; None makes some.
    """

    def __init__(self, descriptor: int | None = None) -> None:
        self.descriptor = _new_file() if descriptor is None else descriptor
        self._map: mmap.mmap | None = None
        self._size = 0

    def reserve(self, size: int) -> None:
        """Make room for so many bytes; what is there stays. For the process that made it.

        Args:
            size: Bytes in all.
        """
        if size > os.fstat(self.descriptor).st_size:
            os.ftruncate(self.descriptor, size)

    def array(self, offset: int, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        """Return an array that is these bytes: what one process writes all of them read.

        Args:
            offset: First byte, a multiple of `ALIGNMENT`.
            shape: Shape of the array.
            dtype: Its kind of numbers.
        """
        size = os.fstat(self.descriptor).st_size
        if self._map is None or size != self._size:
            # Arrays of the map before keep that alive; both are the same bytes.
            self._map, self._size = mmap.mmap(self.descriptor, size), size
        return np.ndarray(shape, dtype, buffer=self._map, offset=offset)

    def close(self) -> None:
        """Let go of it; arrays that are still used keep the bytes until they go too."""
        self._map, self._size = None, 0
        os.close(self.descriptor)


class Places:
    """Where arrays lie one after the other.

    Args:
        first: First byte that is free.
    """

    def __init__(self, first: int = 0) -> None:
        self.end = first

    def place(
        self, shape: tuple[int, ...], dtype: np.dtype
    ) -> tuple[int, tuple[int, ...], np.dtype]:
        """Return offset, shape and dtype of one more array."""
        offset = -(-self.end // ALIGNMENT) * ALIGNMENT
        self.end = offset + int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        return offset, shape, dtype


def _new_file() -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("ultimate-deep")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
