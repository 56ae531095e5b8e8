"""Where the user's own ledger is, whether it can be written, and how much it holds."""

from pathlib import Path

from ultimate_deep.evaluation.ledger.ledger import TrialLedger
from ultimate_deep.evaluation.ledger.storage import opened, transaction
from ultimate_deep.machine.counts import how_many
from ultimate_deep.machine.home import home_file, home_folder, shown_path
from ultimate_deep.machine.places import KNOWN_FOLDER, LEDGER_FILE, check_places


def ledger_path() -> Path:
    """Return where the user's ledger is, or will be with the first trial.

    Raises:
        HomeError: The user's folder is named by a relative path.
    """
    return home_folder() / LEDGER_FILE


def ledger_sentence() -> str:
    """Return where the user's ledger is and how many trials it holds, on all bars together.

    Raises:
        HomeError: The user's folder is named by a relative path.
        LedgerError: The file is no ledger.
    """
    path = ledger_path()
    trials = TrialLedger(path).head().trials if path.is_file() else 0
    return f"Ledger: {shown_path(path)}, {how_many(trials, 'trial')} on all bars"


def check_ledger() -> None:
    """Refuse a ledger that no trial can be written into, before minutes of work.

    Raises:
        HomeError: The user's folder cannot be written, or is named by a relative path.
        LedgerError: The file is no ledger, or its records are not what was written.
    """
    path = home_file(LEDGER_FILE)
    if (path.parent / KNOWN_FOLDER).exists():
        home_file(f"{KNOWN_FOLDER}/{LEDGER_FILE}")
    if path.is_file():
        TrialLedger(path).verify()
        with opened(path) as connection, transaction(connection, "IMMEDIATE"):
            pass  # a file may be read where it cannot be written


def check_counted_places(*, artifacts: str | Path | None, named: str = "artifacts") -> None:
    """Refuse a ledger or a folder that cannot be written, before minutes of work.

    Args:
        artifacts: Folder that new folders are written into; None where none is.
        named: What it is called in messages.

    Raises:
        HomeError: The user's folder cannot be written, or is named by a relative path.
        LedgerError: The file is no ledger, or its records are not what was written.
        PlaceError: The folder cannot be written, with what to name instead.
    """
    check_ledger()
    check_places(artifacts=artifacts, ledger=False, named=named)
