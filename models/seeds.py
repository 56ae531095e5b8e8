"""Independent seeds for the parts of one model, all from the one seed of its configuration."""

import zlib


def derive_seed(seed: int, name: str) -> int:
    """A seed in `[0, 2**31)` that depends on `seed` and on the part's name, and nothing else.

    Initial weights therefore do not depend on the order in which layers are built, nor on
    Keras' global seed. CRC-32 spreads neighbouring seeds and names; it is no cipher.
    """
    return zlib.crc32(f"{seed}/{name}".encode()) & 0x7FFFFFFF
