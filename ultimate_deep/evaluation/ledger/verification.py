"""Whether a ledger's rows are those that were written, in their order, with none missing."""

import hashlib
import sqlite3
from reprlib import repr as short
from typing import NoReturn

from ultimate_deep.evaluation.ledger.storage import GENESIS, LedgerError, row_hash, schema_fault
from ultimate_deep.evaluation.ledger.trial import trial_from_json


def check_records(connection: sqlite3.Connection, name: str) -> list[str]:
    """Walk the chain and return every row's hash, the empty ledger's first.

    Raises:
        LedgerError: A row or data set is not what was written; the message names the first.
    """
    damage = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
    if damage != "ok":
        _refuse(name, f"SQLite finds it damaged: {damage}")
    hashes = _check_chain(connection, name)
    _check_end(connection, name, hashes)
    _check_data_sets(connection, name)
    check_guards(connection, name)
    return hashes


def check_guards(connection: sqlite3.Connection, name: str) -> None:
    """Check that the triggers which refuse change and deletion are there.

    Raises:
        LedgerError: One was dropped or changed, or something was added.
    """
    fault = schema_fault(connection)
    if fault:
        _refuse(name, fault)


def _check_chain(connection: sqlite3.Connection, name: str) -> list[str]:
    hashes = [GENESIS]
    rows = connection.execute(
        "SELECT number, data, content, previous, hash FROM trial ORDER BY number"
    )
    for expected, (number, data, content, previous, digest) in enumerate(rows, start=1):
        if number != expected:
            _refuse(name, f"trial {expected} is missing: the next row is number {number}")
        for part in (data, content, previous, digest):
            if not isinstance(part, str):
                _refuse(name, f"trial {number} holds {short(part)} in place of a text")
        if previous != hashes[-1]:
            _refuse(name, f"trial {number} does not follow trial {number - 1}: one was exchanged")
        if digest != row_hash(number, data, content, previous):
            _refuse(name, f"trial {number} was changed after it was written")
        try:
            trial_from_json(content)
        except (TypeError, ValueError) as error:
            _refuse(name, f"trial {number} cannot be read: {error}")
        hashes.append(digest)
    return hashes


def _check_end(connection: sqlite3.Connection, name: str, hashes: list[str]) -> None:
    """Compare with the counters that deleting the last rows leaves behind."""
    count = len(hashes) - 1
    head = connection.execute("SELECT trials, hash FROM head").fetchone()
    if head is None:
        _refuse(name, "its head is missing")
    if not isinstance(head[0], int) or not isinstance(head[1], str):
        _refuse(name, f"its head holds {short(head)} in place of a number of trials and a hash")
    if head[0] < 0:
        _refuse(name, f"its head was changed: it says that {head[0]} trials were recorded")
    if count < head[0]:
        _refuse(name, f"trial {count + 1} is missing: {head[0]} were recorded, {count} are left")
    if head[1] != hashes[head[0]]:
        _refuse(name, f"its head was changed: it holds another hash than that of trial {head[0]}")
    if count > head[0]:
        _refuse(name, f"trial {head[0] + 1} was inserted outside the program")
    sequence = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'trial'").fetchone()
    highest = sequence[0] if sequence else 0
    if highest != count:
        _refuse(name, f"SQLite has numbered {short(highest)} trials and {count} are left")


def _check_data_sets(connection: sqlite3.Connection, name: str) -> None:
    """Recompute each data set's digest, which every trial's hash covers, from its chunks."""
    used = connection.execute("SELECT DISTINCT data FROM trial")
    chunks: dict[str, list[str]] = {digest: [] for (digest,) in used}
    for hash, data in connection.execute("SELECT hash, data FROM chunk ORDER BY hash"):
        if not isinstance(hash, str) or not isinstance(data, str):
            _refuse(name, f"a data set's fingerprint is {short((hash, data))} in place of texts")
        chunks.setdefault(data, []).append(hash)
    for digest, parts in chunks.items():
        if hashlib.sha256("\n".join(parts).encode()).hexdigest() != digest:
            _refuse(name, f"the fingerprints of data set {digest[:12]} were changed or deleted")


def _refuse(name: str, what: str) -> NoReturn:
    raise LedgerError(
        f"the ledger {name} was tampered with or damaged: {what}; restore the file from a "
        "backup, until then no count of trials can be trusted"
    )
