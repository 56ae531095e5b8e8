"""How a report came about: what was done and how long it took, and how to do it again."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where the figures of a report come from.

    Args:
        lines: What to type: one command, or lines of Python.
        language: Which of the two.
        bars: Fingerprint of the bars.
        versions: Versions that the figures depend on, by name.
        seconds: What each step took, by name, in the order in which they were taken.
        needs: Sentences on what else has to be there.
        resumed: Whether the steps are those since an interruption.
    """

    lines: tuple[str, ...]
    language: Literal["shell", "python"]
    bars: str
    versions: Mapping[str, str]
    seconds: Mapping[str, float] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    resumed: bool = False

    @property
    def total(self) -> float:
        """Seconds of all steps together."""
        return float(sum(self.seconds.values()))


def origin_json(origin: Origin | None) -> dict[str, object] | None:
    """Return what the report's JSON says of it."""
    if origin is None:
        return None
    return {
        "lines": list(origin.lines),
        "language": origin.language,
        "bars": origin.bars,
        "versions": dict(origin.versions),
        "seconds": dict(origin.seconds),
        "total": origin.total,
        "needs": list(origin.needs),
        "resumed": origin.resumed,
    }
