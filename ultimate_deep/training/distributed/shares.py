"""Which subtrees of a batch's parts each worker computes; the tree stays the same."""

from itertools import pairwise
from typing import NamedTuple


class Subtree(NamedTuple):
    """Parts that are added up by themselves.

    Args:
        first: The first part, a multiple of `parts`.
        parts: Their number, a power of two.
    """

    first: int
    parts: int


def shares(parts: int, workers: int) -> list[list[Subtree]]:
    """Return the largest whole subtrees of every worker's parts, which lie side by side.

    Numbers of parts differ by one at most; the first worker begins with part 0.

    Args:
        parts: Parts of a batch, a power of two.
        workers: Workers, at most as many as parts.

    Example:
        >>> from ultimate_deep.training.distributed.shares import shares
        >>> [[tuple(one) for one in own] for own in shares(8, 3)]
        [[(0, 2)], [(2, 2), (4, 1)], [(5, 1), (6, 2)]]
    """
    bounds = [parts * worker // workers for worker in range(workers + 1)]
    return [_whole(Subtree(0, parts), *own) for own in pairwise(bounds)]


def halves(subtree: Subtree) -> tuple[Subtree, Subtree]:
    """Return the two subtrees whose sums are added to that of a larger one."""
    half = subtree.parts // 2
    return Subtree(subtree.first, half), Subtree(subtree.first + half, half)


def _whole(subtree: Subtree, start: int, stop: int) -> list[Subtree]:
    """Return the largest subtrees that lie within some parts."""
    if subtree.first >= stop or subtree.first + subtree.parts <= start:
        return []
    if start <= subtree.first and subtree.first + subtree.parts <= stop:
        return [subtree]
    return [one for half in halves(subtree) for one in _whole(half, start, stop)]
