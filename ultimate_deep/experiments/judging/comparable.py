"""Which models can be compared, asked before anything heavy is loaded, and by whose rule."""

from collections.abc import Mapping, Sequence
from typing import Any


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


def rules_note(rules: Sequence[tuple[str, Mapping[str, Any]]]) -> str:
    """Return by whose rule all are judged, and which settings of others that replaces.

    Args:
        rules: Each model's name and the settings of its own backtest by dotted name; the first
            model's hold for all.

    Returns:
        One sentence; empty where all have the same settings.
    """
    (first, used), *others = rules
    replaced = []
    for name, own in others:
        changed = [
            f"{setting} {_said(used.get(setting))} instead of {_said(own.get(setting))}"
            for setting in dict.fromkeys((*used, *own))
            if used.get(setting) != own.get(setting)
        ]
        if changed:
            replaced.append(f"{name} with {', '.join(changed)}")
    if not replaced:
        return ""
    return f"Every model is judged by the rule of {first}: {'; '.join(replaced)}."


def _said(value: Any) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return f"{value:,.10g}"
    return "none" if value is None else str(value)
