"""Several ledgers counted as one: the one that is written, and others that are only read."""

import heapq
from collections.abc import Sequence
from typing import Self

from ultimate_deep.evaluation.ledger.identity import DataIdentity
from ultimate_deep.evaluation.ledger.known import KnownLedger
from ultimate_deep.evaluation.ledger.ledger import LedgerHead, TrialLedger
from ultimate_deep.evaluation.ledger.trial import RecordedTrial, Trial, TrialCount, count_trials
from ultimate_deep.machine.home import shown_path


class LedgerUnion:
    """Counts the trials of several ledgers, each once, and writes into the first alone.

    Two rows are the same trial where their chain hashes agree. That hash covers the row and all
    rows before it, so a ledger's copy adds nothing, a copy that was gone on with adds what came
    after, and ledgers that began apart add all that they hold. No chain learns of another: each
    stays the one that its own witnesses know.

    Args:
        own: Where new trials are written.
        beside: Further ledgers, which are only read.
        known: Ledgers that were met before, which are only read too.
    """

    def __init__(
        self,
        own: TrialLedger,
        beside: Sequence[TrialLedger] = (),
        known: Sequence[KnownLedger] = (),
    ) -> None:
        self.own = own
        self.known = tuple(known)
        paths = {own.path: own}
        for ledger in (*beside, *(one.ledger for one in known)):
            paths.setdefault(ledger.path, ledger)
        self._ledgers = tuple(paths.values())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of what is held in memory; see `TrialLedger.close`."""
        for ledger in self._ledgers:
            ledger.close()

    def record(self, identity: DataIdentity, trial: Trial) -> RecordedTrial:
        """Append a trial to the own ledger; see `TrialLedger.record`."""
        return self.own.record(identity, trial)

    def summary(self, identity: DataIdentity) -> TrialCount:
        """Count what was tried on this data set and on all that overlap it, in any ledger.

        The own ledger is named, and of the others those that have trials to add.

        Raises:
            LedgerError: A file is no ledger, or a row cannot be read.
        """
        found = [ledger.trials(identity) for ledger in self._ledgers]
        seen: set[str] = set()
        names = []
        for ledger, trials in zip(self._ledgers, found, strict=True):
            hashes = {one.hash for one in trials}
            if ledger.kept and (ledger is self.own or hashes - seen):
                names.append(shown_path(ledger.path))
            seen |= hashes
        # By time, since of repeated trials the last counts; each ledger's own order is kept.
        merged = heapq.merge(*found, key=lambda one: one.trial.time)
        once = {one.hash: one for one in merged}
        return count_trials(list(once.values()), ledgers=tuple(names))

    def head(self) -> LedgerHead:
        """Return where the own ledger stands; see `TrialLedger.head`."""
        return self.own.head()

    def verify(self) -> frozenset[LedgerHead]:
        """Check every record of every ledger and return each head that any of them has had.

        Raises:
            LedgerError: A row was changed, deleted or inserted, by its number.
        """
        return frozenset(head for ledger in self._ledgers for head in ledger.heads())
