"""The ledger's SQLite file: its tables, how it is opened, and what is not a ledger."""

import hashlib
import sqlite3
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import lru_cache
from pathlib import Path

APPLICATION = 0x55444C31  # "UDL1" in SQLite's application_id: whose file this is
SCHEMA_VERSION = 1
GENESIS = "0" * 64
# How long a writer waits for another one, and how long without a word; each takes milliseconds.
_PATIENCE_SECONDS = 120.0
_SILENT_SECONDS = 5.0

_TABLES = f"""
CREATE TABLE chunk (
    hash TEXT NOT NULL, data TEXT NOT NULL, PRIMARY KEY (hash, data)
) WITHOUT ROWID;
CREATE INDEX chunk_by_data ON chunk (data);
CREATE TABLE trial (
    number INTEGER PRIMARY KEY AUTOINCREMENT, data TEXT NOT NULL, content TEXT NOT NULL,
    previous TEXT NOT NULL, hash TEXT NOT NULL
);
CREATE TABLE head (
    only INTEGER PRIMARY KEY CHECK (only = 1), trials INTEGER NOT NULL, hash TEXT NOT NULL
);
INSERT INTO head VALUES (1, 0, '{GENESIS}');
"""
_REFUSAL = "the ledger is append-only: rows are neither changed nor deleted"
_APPEND_ONLY = "\n".join(
    f"CREATE TRIGGER {table}_{deed} BEFORE {deed.upper()} ON {table} "
    f"BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END;"
    for table, deed in [
        *((table, deed) for table in ("trial", "chunk") for deed in ("update", "delete")),
        ("head", "delete"),
    ]
)
# INSERT OR REPLACE deletes without asking the triggers above.
_NO_REPLACEMENT = f"""
CREATE TRIGGER trial_insert BEFORE INSERT ON trial
    WHEN NEW.number IS NOT (SELECT trials + 1 FROM head)
      OR NEW.previous IS NOT (SELECT hash FROM head)
    BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END;
CREATE TRIGGER head_update BEFORE UPDATE ON head
    WHEN NEW.trials IS NOT OLD.trials + 1
      OR NEW.hash IS NOT (SELECT hash FROM trial WHERE number = NEW.trials)
    BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END;
CREATE TRIGGER head_insert BEFORE INSERT ON head
    BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END;
"""


class LedgerError(ValueError):
    """The file is no ledger, or its records are not what was written."""


def row_hash(number: int, data: str, content: str, previous: str) -> str:
    """Chain a trial to the one before it: SHA-256 over its number, data set, text and that hash."""
    return hashlib.sha256(f"{previous}\n{number}\n{data}\n{content}".encode()).hexdigest()


def connect(path: str) -> sqlite3.Connection:
    """Open a connection that begins and ends transactions only where it is told to.

    Whoever calls closes it.
    """
    connection = sqlite3.connect(path, timeout=_PATIENCE_SECONDS, isolation_level=None)
    # A text that somebody damaged is read, and found to be another one.
    connection.text_factory = lambda raw: raw.decode("utf-8", errors="replace")
    return connection


@contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """Open the file for one task, so that no connection crosses a fork.

    Raises:
        LedgerError: It cannot be opened or is no database.
    """
    if path.exists() and not path.is_file():
        what = "a folder" if path.is_dir() else "a pipe or a device"
        raise LedgerError(
            f"the ledger {path} must be a file, got {what}; move it away, or name another file"
        )
    try:
        with closing(connect(str(path))) as connection:
            yield connection
    except sqlite3.OperationalError as error:
        raise LedgerError(
            f"the ledger {path} cannot be used: {error}; check that the folder can be "
            "written, that the disk has room, and that no program holds the file"
        ) from error
    except sqlite3.DatabaseError as error:
        raise LedgerError(
            f"{path} is no trial ledger or is damaged: {error}; it was left as it is: "
            "move it away or name another file; the trials in it are then no longer counted"
        ) from error


@contextmanager
def transaction(connection: sqlite3.Connection, kind: str) -> Iterator[None]:
    """Commit everything within, or nothing."""
    _begin(connection, kind)
    try:
        yield
    except BaseException:
        connection.rollback()
        raise
    connection.commit()


def _begin(connection: sqlite3.Connection, kind: str) -> None:
    """Begin a transaction once no other program holds the file; say so where that takes long."""
    _wait_at_most(connection, _SILENT_SECONDS)
    try:
        _try_to_begin(connection, kind)
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
            raise
        (_, _, path) = connection.execute("PRAGMA database_list").fetchone()
        warnings.warn(
            f"another program holds the ledger {path}; waiting for it, at most "
            f"{_PATIENCE_SECONDS:g} seconds",
            stacklevel=2,
        )
        _wait_at_most(connection, _PATIENCE_SECONDS)
        _try_to_begin(connection, kind)
    _wait_at_most(connection, _PATIENCE_SECONDS)


def _try_to_begin(connection: sqlite3.Connection, kind: str) -> None:
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"BEGIN {kind}")
    try:
        connection.execute("SELECT 1 FROM sqlite_schema").fetchone()  # a deferred one locks now
    except BaseException:
        connection.rollback()
        raise


def _wait_at_most(connection: sqlite3.Connection, seconds: float) -> None:
    connection.execute(f"PRAGMA busy_timeout = {1_000 * seconds:.0f}")


def create_or_check(connection: sqlite3.Connection, name: str) -> None:
    """Create the tables in an empty file; call within an immediate transaction.

    Raises:
        LedgerError: A file that `is_ledger` refuses.
    """
    if is_ledger(connection, name):
        return
    _create(connection)
    connection.execute(f"PRAGMA application_id = {APPLICATION}")
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def is_ledger(connection: sqlite3.Connection, name: str) -> bool:
    """Whether the file is a ledger (true) or empty (false).

    Raises:
        LedgerError: Another program's database, a ledger of another version, or one without one
            of its tables.
    """
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    found = _schema_of(connection)
    if application == 0 and version == 0 and not found:
        return False
    if application != APPLICATION:
        raise LedgerError(
            f"{name} is a database of another program and was left as it is; name another "
            "file for the ledger"
        )
    if version != SCHEMA_VERSION:
        raise LedgerError(
            f"{name} is a ledger of version {version}, and this program knows version "
            f"{SCHEMA_VERSION}; use the program's version that wrote it"
        )
    for name_of_part, (kind, sql) in _ledger_schema().items():
        if kind == "table" and found.get(name_of_part) != (kind, sql):
            raise LedgerError(
                f"the ledger {name} was tampered with: its table {name_of_part} was dropped or "
                "changed outside the program; restore the file from a backup"
            )
    return True


def schema_fault(connection: sqlite3.Connection) -> str | None:
    """Say which table, index or trigger is not as the program made it; None where all are."""
    found, made = _schema_of(connection), _ledger_schema()
    for name, (kind, sql) in made.items():
        if name not in found:
            return f"its {kind} {name} is missing"
        if found[name] != (kind, sql):
            return f"its {kind} {name} was changed"
    added = sorted(set(found) - set(made))
    return f"the {found[added[0]][0]} {added[0]} was added" if added else None


def _create(connection: sqlite3.Connection) -> None:
    for statement in _statements(_TABLES + _APPEND_ONLY + _NO_REPLACEMENT):
        connection.execute(statement)


@lru_cache(maxsize=1)
def _ledger_schema() -> dict[str, tuple[str, str]]:
    with closing(connect(":memory:")) as empty:
        _create(empty)
        return _schema_of(empty)


def _schema_of(connection: sqlite3.Connection) -> dict[str, tuple[str, str]]:
    """Kind and SQL of every table, index and trigger by name, but for SQLite's own."""
    rows = connection.execute(
        "SELECT name, type, sql FROM sqlite_schema WHERE name NOT GLOB 'sqlite_*'"
    )
    return {name: (kind, sql) for name, kind, sql in rows}


def _statements(script: str) -> Iterator[str]:
    """Cut a script into statements: `executescript` would commit the transaction."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
