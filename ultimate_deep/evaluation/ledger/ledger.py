"""The trial ledger: what was tried on which data, append-only, so that nothing tried is forgotten.

How often a data set was used decides how much a good result on it is worth (Bailey & Lopez de
Prado 2014, J. Portfolio Management 40(5): the deflated Sharpe ratio needs the number of trials).
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from reprlib import repr as short
from typing import TYPE_CHECKING, Self

from ultimate_deep.evaluation.ledger import storage
from ultimate_deep.evaluation.ledger.storage import LedgerError, opened, row_hash, transaction
from ultimate_deep.evaluation.ledger.trial import (
    RecordedTrial,
    Trial,
    TrialCount,
    count_trials,
    trial_from_json,
    trial_to_json,
)
from ultimate_deep.evaluation.ledger.verification import check_guards, check_records

if TYPE_CHECKING:  # how many trials there are is known without pandas
    from ultimate_deep.evaluation.ledger.identity import DataIdentity

__all__ = ["LedgerError", "LedgerHead", "TrialLedger"]
_MEMORY = ":memory:"
_AT_ONCE = 500


@dataclass(frozen=True)
class LedgerHead:
    """Where the ledger stood: a witness kept elsewhere, against which it can be checked later.

    Attributes:
        trials: Number of trials of the head.
        hash: Hash of the last one, which stands for all before it.
    """

    trials: int
    hash: str


class TrialLedger:
    """A SQLite file of trials, safe between processes.

    Rows are chained by hashes and refuse change and deletion. `verify` finds rows that were
    changed, deleted or inserted past those guards, the last ones too. Whoever rewrites the whole
    file, its counters included, is found by a head that was kept elsewhere, as in each bundle's
    metrics.

    Args:
        path: The file; created with the first record and opened for each use alone. `:memory:`
            holds its trials until `close`, or the end of the `with` that it was opened in.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._memory = storage.connect(_MEMORY) if str(path) == _MEMORY else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    @property
    def kept(self) -> bool:
        """Whether its trials outlive the program."""
        return self._memory is None

    def close(self) -> None:
        """Let go of what is held in memory, which is then gone; a file has nothing to let go of."""
        if self._memory is not None:
            self._memory.close()

    def record(self, identity: DataIdentity, trial: Trial) -> RecordedTrial:
        """Append a trial on a data set; all or nothing, in one transaction.

        Raises:
            LedgerError: The file is no ledger, cannot be written, or its end or its triggers were
                tampered with; then nothing was recorded.
        """
        return self.record_all(identity, [trial])[0]

    def record_all(self, identity: DataIdentity, trials: Iterable[Trial]) -> list[RecordedTrial]:
        """Append several trials on a data set in one transaction; see `record`."""
        if self._memory is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        with self._connection() as connection, transaction(connection, "IMMEDIATE"):
            storage.create_or_check(connection, str(self.path))
            _store_data_set(connection, identity)
            recorded = [_append(connection, identity.digest, trial) for trial in trials]
            check_guards(connection, str(self.path))
            return recorded

    def trials(self, identity: DataIdentity | None = None) -> list[RecordedTrial]:
        """Return the trials on every data set that overlaps this one (or all), oldest first.

        Raises:
            LedgerError: The file is no ledger, or a row cannot be read.
        """
        with self._reading() as connection:
            if connection is None:
                return []
            rows = connection.execute(
                "SELECT number, data, content, hash FROM trial ORDER BY number"
            )
            found = None if identity is None else _overlapping(connection, identity.chunks)
            return [_read(*row) for row in rows if found is None or row[1] in found]

    def summary(self, identity: DataIdentity) -> TrialCount:
        """Count what was tried on this data set and on all that overlap it."""
        return count_trials(self.trials(identity))

    def head(self) -> LedgerHead:
        """Return where the ledger stands, to be kept as a witness.

        Raises:
            LedgerError: The file is no ledger, or its head was deleted or overwritten.
        """
        with self._reading() as connection:
            if connection is None:
                return LedgerHead(0, storage.GENESIS)
            return _head(connection)

    def check_witness(self, trials: int, hash: str) -> None:
        """Check that the ledger still holds what it held when a head was taken.

        Args:
            trials: Number of trials of the head.
            hash: Hash of the head.

        Raises:
            LedgerError: Trials are gone, or are others than those of then.
        """
        self.verify([LedgerHead(trials, hash)])

    def verify(self, witnesses: Sequence[LedgerHead] = ()) -> int:
        """Check every record, and the heads that were kept elsewhere; return how many trials.

        Raises:
            LedgerError: A row was changed, deleted or inserted, by its number; or a witness
                disagrees.
        """
        hashes = self._checked_hashes()
        for witness in witnesses:
            if witness.trials >= len(hashes):
                raise LedgerError(
                    f"{self.path} holds {len(hashes) - 1} trials and once held {witness.trials}: "
                    "later ones were deleted; restore the file from a backup"
                )
            if hashes[witness.trials] != witness.hash:
                raise LedgerError(
                    f"the first {witness.trials} trials of {self.path} are not those that were "
                    "there before; restore the file from a backup"
                )
        return len(hashes) - 1

    def heads(self) -> list[LedgerHead]:
        """Check every record and return where the ledger stood after each, from before the first.

        Raises:
            LedgerError: A row was changed, deleted or inserted, by its number.
        """
        return [LedgerHead(number, hash) for number, hash in enumerate(self._checked_hashes())]

    def _checked_hashes(self) -> list[str]:
        with self._reading() as connection:
            if connection is None:
                return [storage.GENESIS]
            return check_records(connection, str(self.path))

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        if self._memory is not None:
            yield self._memory
            return
        with opened(self.path) as connection:
            yield connection

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection | None]:
        """Open for one consistent reading; None where nothing was recorded yet."""
        if self._memory is None and not os.path.exists(self.path):
            yield None
            return
        with self._connection() as connection, transaction(connection, "DEFERRED"):
            yield connection if storage.is_ledger(connection, str(self.path)) else None


def _store_data_set(connection: sqlite3.Connection, identity: DataIdentity) -> None:
    known = connection.execute("SELECT 1 FROM chunk WHERE data = ? LIMIT 1", [identity.digest])
    if known.fetchone():
        return
    rows = [(chunk, identity.digest) for chunk in identity.chunks]
    connection.executemany("INSERT INTO chunk VALUES (?, ?)", rows)


def _head(connection: sqlite3.Connection) -> LedgerHead:
    row = connection.execute("SELECT trials, hash FROM head").fetchone()
    if row is None:
        raise LedgerError(
            "the ledger's head is missing: it was deleted outside the program; "
            "restore the file from a backup"
        )
    if not isinstance(row[0], int) or not isinstance(row[1], str):
        raise LedgerError(
            f"the ledger's head holds {short(row)} in place of a number of trials and a hash: it "
            "was overwritten outside the program; restore the file from a backup"
        )
    return LedgerHead(*row)


def _append(connection: sqlite3.Connection, data: str, trial: Trial) -> RecordedTrial:
    head = _head(connection)
    count, previous = head.trials, head.hash
    last = connection.execute("SELECT number, hash FROM trial ORDER BY number DESC LIMIT 1")
    if (last.fetchone() or (0, storage.GENESIS)) != (count, previous):
        raise LedgerError(
            f"the ledger should end with trial {count} and does not: rows were deleted or added "
            "outside the program, and nothing was recorded; restore the file from a backup"
        )
    number, content = count + 1, trial_to_json(trial)
    digest = row_hash(number, data, content, previous)
    row = [number, data, content, previous, digest]
    connection.execute("INSERT INTO trial VALUES (?, ?, ?, ?, ?)", row)
    connection.execute("UPDATE head SET trials = ?, hash = ?", [number, digest])
    return RecordedTrial(number, data, trial, digest)


def _overlapping(connection: sqlite3.Connection, chunks: Sequence[str]) -> set[str]:
    """Return the digests of all data sets that share a chunk with these."""
    found: set[str] = set()
    for start in range(0, len(chunks), _AT_ONCE):
        some = chunks[start : start + _AT_ONCE]
        marks = ",".join("?" * len(some))
        query = f"SELECT DISTINCT data FROM chunk WHERE hash IN ({marks})"
        found.update(data for (data,) in connection.execute(query, some))
    return found


def _read(number: int, data: str, content: str, hash: str) -> RecordedTrial:
    try:
        return RecordedTrial(number, data, trial_from_json(content), hash)
    except (TypeError, ValueError) as error:
        raise LedgerError(
            f"trial {number} cannot be read: {error}; restore the file from a backup"
        ) from error
