"""Which models can be compared, asked before anything heavy is loaded."""

from collections.abc import Sequence


def check_different(names: Sequence[str]) -> None:
    """Refuse fewer than two models, or one that comes twice.

    Args:
        names: Names of the models' folders.

    Raises:
        ValueError: Naming those that were given.
    """
    if len(names) < 2 or len(set(names)) < len(names):
        raise ValueError(
            f"a comparison needs at least two different models, got {', '.join(names) or 'none'}; "
            "name two or more folders, each once"
        )
