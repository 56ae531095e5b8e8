"""How long a team waits for its workers before one counts as lost."""

START_SECONDS = 900.0
# Of the first batch of a shape, in which a worker compiles.
FIRST_SECONDS = 3600.0
# Later a worker may take so many seconds more than so many times the longest before.
SILENT_SECONDS, TIMES_LONGEST = 300.0, 10.0


class Patience:
    """Learns how long answers take."""

    def __init__(self) -> None:
        self._longest = 0.0

    def seconds(self, *, first: bool) -> float:
        """Return how long to wait for an answer.

        Args:
            first: Whether it is the first to batches of this shape.
        """
        return FIRST_SECONDS if first else SILENT_SECONDS + TIMES_LONGEST * self._longest

    def heard(self, seconds: float) -> None:
        """Take note of how long the slowest answer to a batch took."""
        self._longest = max(self._longest, seconds)
