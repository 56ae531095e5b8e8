"""How members stand in a batch: the members of a row one after another, `(rows * members, ...)`.

Layers that know nothing of members read them as so many rows.
"""

from typing import Any

from keras import ops


def by_member(x: Any, members: int) -> Any:
    """Return `(rows * members, ...)` as `(rows, members, ...)`."""
    return ops.reshape(x, (-1, members, *x.shape[1:]))


def one_after_another(x: Any) -> Any:
    """Return `(rows, members, ...)` as `(rows * members, ...)`."""
    return ops.reshape(x, (-1, *x.shape[2:]))
