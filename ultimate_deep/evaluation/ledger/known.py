"""Ledgers beside the user's own that were met once: they count from wherever one stands."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from ultimate_deep.evaluation.ledger.ledger import LedgerError, LedgerHead, TrialLedger
from ultimate_deep.machine.files import read_json, write_json


@dataclass(frozen=True, eq=False)
class KnownLedger:
    """A ledger that was met.

    Args:
        record: File that remembers it; deleting it forgets the ledger.
        ledger: Empty where its file is gone.
        head: Where it stood when it was met.
    """

    record: Path
    ledger: TrialLedger
    head: LedgerHead


class KnownLedgers:
    """Remembers where ledgers lie, one small file for each, so that no two writers meet.

    Args:
        folder: Where; created with the first of them.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def remember(self, ledger: TrialLedger) -> None:
        """Remember a ledger that has trials; what was remembered of it before stays.

        Raises:
            LedgerError: The file is no ledger, or its head was deleted.
        """
        head, path = ledger.head(), str(ledger.path.resolve())
        record = self.folder / f"{hashlib.sha256(os.fsencode(path)).hexdigest()[:32]}.json"
        if head.trials == 0 or record.exists():
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        write_json(record, {"path": path, "trials": head.trials, "hash": head.hash})

    def all(self) -> list[KnownLedger]:
        """Return every ledger that is remembered.

        Raises:
            LedgerError: A file of the folder remembers no ledger.
        """
        return [_read(record) for record in sorted(self.folder.glob("*.json"))]


def _read(record: Path) -> KnownLedger:
    try:
        values = read_json(record)
        head = LedgerHead(int(values["trials"]), str(values["hash"]))
        return KnownLedger(record, TrialLedger(str(values["path"])), head)
    except (ValueError, TypeError, KeyError, OverflowError) as error:
        raise LedgerError(
            f"{record} must name a ledger's path, trials and hash, got {error!r}; delete it, and "
            "the ledger is met again with the next run in its folder"
        ) from error
