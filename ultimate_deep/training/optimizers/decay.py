"""Which weights are decayed, and which are spared."""

import re

UNDECAYED = ("bias", "scale", "gamma", "beta", "offset", "alpha")


def is_decayed(path: str) -> bool:
    """Return whether the variable of that path is a kernel or an embedding.

    Only the last part of the path counts, split at `_`, digits and points, so that `norm1_scale`
    is spared and the kernel of a layer called `scale` is not. Shapes do not tell: a stack holds
    the scales of all its blocks in one matrix.
    """
    words = re.split(r"[_\d.]+", path.rsplit("/", 1)[-1].lower())
    return not set(words) & set(UNDECAYED)
