import contextlib
import functools
import json
import math
import multiprocessing
import os
import sqlite3
import threading
from contextlib import closing

import numpy as np
import pytest

from ultimate_deep.evaluation.ledger import storage
from ultimate_deep.evaluation.ledger.identity import DataIdentity
from ultimate_deep.evaluation.ledger.ledger import LedgerError, LedgerHead, TrialLedger
from ultimate_deep.evaluation.ledger.storage import row_hash
from ultimate_deep.evaluation.ledger.trial import Trial, trial_from_json, trial_to_json

DATA = DataIdentity(("a1", "b2", "c3"))
LONGER = DataIdentity(("b2", "c3", "d4"))
OTHER = DataIdentity(("e5",))


def trial(number=0, kind="training", **fields):
    values = {"kind": kind, "run": "run-1", "model": "tcn", "configuration": f"c{number}"}
    if kind == "test reading":
        values["weights"] = f"w{number}"
    return Trial(**(values | fields))


@pytest.fixture
def ledger(tmp_path):
    return TrialLedger(tmp_path / "folder" / "ledger.sqlite")


@pytest.fixture
def filled(ledger):
    for number in range(5):
        ledger.record(DATA if number % 2 else LONGER, trial(number))
    return ledger


def tamper(ledger, *statements, triggers=False):
    """Change the file as someone would who knows SQLite."""
    connection = sqlite3.connect(ledger.path, isolation_level=None)
    names = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'").fetchall()
    if not triggers:
        for (name,) in names:
            connection.execute(f"DROP TRIGGER {name}")
    try:
        for statement in statements:
            connection.execute(statement)
    finally:
        connection.close()


def test_what_was_recorded_is_read_back(ledger):
    given = trial(
        1, "threshold", candidates=21, effective=3.5, sharpe_per_bar=0.02, figure="return",
        value=1e-4, note="naïve",
    )  # fmt: skip
    recorded = ledger.record(DATA, given)
    assert ledger.trials() == [recorded]
    assert (recorded.number, recorded.data, recorded.trial) == (1, DATA.digest, given)
    assert ledger.verify() == 1


def test_a_missing_or_empty_file_has_no_trials(ledger, tmp_path):
    (tmp_path / "empty.sqlite").touch()
    for path in (ledger.path, tmp_path / "empty.sqlite", ":memory:"):
        with TrialLedger(path) as empty:
            assert empty.trials(DATA) == []
            assert empty.verify() == 0
            assert empty.head().trials == 0
            count = empty.summary(DATA)
        assert (count.recorded, count.effective_trials, count.test_readings) == (0, 0.0, 0)
        assert math.isnan(count.sharpe_variance)
    assert not ledger.path.exists()


def test_a_ledger_in_memory_is_held_until_it_is_closed():
    with TrialLedger(":memory:") as ledger:
        assert ledger.record(DATA, trial(1)).number == 1
        assert [one.number for one in ledger.trials(DATA)] == [1]
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        ledger.trials()
    ledger.close()  # again: nothing to do


def test_a_ledger_in_a_file_may_be_used_after_it_was_closed(filled):
    with filled:
        pass
    assert filled.verify() == 5


@pytest.mark.parametrize("path", [":memory:", "ledger.sqlite", "no database"])
def test_no_connection_is_left_open(tmp_path, monkeypatch, path):
    """From Python 3.13 on, an open connection that is collected is a ResourceWarning."""
    opened = []

    class Counted(sqlite3.Connection):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            opened.append(self)

    monkeypatch.setattr(sqlite3, "connect", functools.partial(sqlite3.connect, factory=Counted))
    (tmp_path / "no database").write_bytes(b"open,high,low\n" * 200)
    refusal = pytest.raises(LedgerError) if path == "no database" else contextlib.nullcontext()
    with TrialLedger(path if path == ":memory:" else tmp_path / path) as ledger, refusal:
        ledger.record(DATA, trial(1))
        ledger.verify()
    assert opened
    for connection in opened:
        with pytest.raises(sqlite3.ProgrammingError, match="closed"):
            connection.execute("SELECT 1")


def test_overlapping_data_counts_and_other_data_does_not(ledger):
    ledger.record(DATA, trial(1))
    ledger.record(LONGER, trial(2))
    ledger.record(OTHER, trial(3))
    assert [one.number for one in ledger.trials(DATA)] == [1, 2]
    assert [one.number for one in ledger.trials(DataIdentity(("a1",)))] == [1]
    assert [one.number for one in ledger.trials(OTHER)] == [3]
    many = DataIdentity(("d4", *(f"x{number:04}" for number in range(1200))))
    assert [one.number for one in ledger.trials(many)] == [2]


def test_the_same_reading_counts_once_and_another_model_counts(ledger):
    ledger.record(DATA, trial(1, "test reading", sharpe_per_bar=0.05))
    ledger.record(DATA, trial(1, "test reading", run="run-2", sharpe_per_bar=0.05))
    ledger.record(LONGER, trial(1, "test reading", sharpe_per_bar=0.07))
    assert ledger.summary(DATA).test_readings == 1
    ledger.record(LONGER, trial(2, "test reading", sharpe_per_bar=0.01))
    count = ledger.summary(DATA)
    assert (count.recorded, count.test_readings, count.sharpe_count) == (4, 2, 2)
    assert count.sharpe_variance == pytest.approx(np.var([0.07, 0.01], ddof=1))


def test_strategies_are_counted_once(ledger):
    """One trained model with a scan of three independent thresholds is three strategies."""
    ledger.record(DATA, trial(1))
    ledger.record(DATA, trial(1, "threshold", candidates=21, effective=3.0))
    ledger.record(DATA, trial(1, "test reading"))
    assert ledger.summary(DATA).effective_trials == 3.0
    ledger.record(DATA, trial(1))  # resumed
    assert ledger.summary(DATA).effective_trials == 3.0
    ledger.record_all(DATA, [trial(number, "tuning") for number in range(10, 20)])
    assert ledger.summary(DATA).effective_trials == 13.0
    ledger.record(DATA, trial(99, "test reading"))  # a model that was trained elsewhere
    ledger.record(LONGER, trial(1))  # the same settings on more bars make another model
    count = ledger.summary(DATA)
    assert count.effective_trials == 15.0
    assert count.by_kind == {"training": 2, "tuning": 10, "threshold": 1, "test reading": 2}
    assert count.effective_by_kind["threshold"] == 3.0


def test_what_is_not_finite_is_kept_as_none(ledger):
    ledger.record(DATA, trial(1, value=float("inf"), sharpe_per_bar=float("nan")))
    (recorded,) = ledger.trials()
    assert (recorded.trial.value, recorded.trial.sharpe_per_bar) == (None, None)
    assert ledger.summary(DATA).sharpe_count == 0


def test_the_text_of_a_trial_is_one_and_round_trips():
    given = trial(3, value=0.1, note="ü")
    text = trial_to_json(given)
    assert list(json.loads(text)) == sorted(json.loads(text))
    assert text.isascii()
    assert trial_from_json(text) == given


@pytest.mark.parametrize(
    ("fields", "rule"),
    [
        ({"kind": "peek"}, "'peek'"),
        ({"configuration": ""}, "configuration"),
        ({"kind": "test reading", "weights": ""}, "weights"),
        ({"effective": 2.0}, "effective 2.0 of 1"),
        ({"candidates": 0}, "of 0 candidates"),
        ({"candidates": 3, "effective": float("nan")}, "effective nan"),
    ],
)
def test_bad_trials_are_refused(fields, rule):
    with pytest.raises(ValueError, match=rule):
        trial(**fields)


def _write(path, first):
    ledger = TrialLedger(path)
    for number in range(first, first + 10):
        ledger.record(DATA, trial(number))


def test_processes_write_side_by_side(ledger):
    context = multiprocessing.get_context("fork" if os.name == "posix" else "spawn")
    writers = [context.Process(target=_write, args=(ledger.path, 100 * w)) for w in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    assert [writer.exitcode for writer in writers] == [0] * 4
    assert ledger.verify() == 40
    assert [one.number for one in ledger.trials()] == list(range(1, 41))
    assert len({one.trial.configuration for one in ledger.trials()}) == 40


def test_a_batch_is_recorded_whole_or_not_at_all(filled):
    def broken():
        yield trial(50)
        raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        filled.record_all(OTHER, broken())
    assert filled.verify() == 5
    assert filled.trials(OTHER) == []


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE trial SET content = '{}' WHERE number = 2",
        "DELETE FROM trial WHERE number = 5",
        "DELETE FROM chunk",
        "UPDATE chunk SET hash = 'x'",
        "DELETE FROM head",
        "UPDATE head SET trials = 4",
        "UPDATE head SET trials = 6",
        "INSERT OR REPLACE INTO trial SELECT number, data, '{}', previous, hash FROM trial",
        "INSERT OR REPLACE INTO head VALUES (1, 0, '')",
    ],
)
def test_rows_refuse_change_and_deletion(filled, statement):
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        tamper(filled, statement, triggers=True)
    assert filled.verify() == 5


CUT = "DELETE FROM trial WHERE number = 5"
COUNTERS = (
    "UPDATE head SET trials = 4, hash = (SELECT hash FROM trial WHERE number = 4)",
    "UPDATE sqlite_sequence SET seq = 4 WHERE name = 'trial'",
)


@pytest.mark.parametrize(
    ("statements", "named"),
    [
        (["UPDATE trial SET content = replace(content, 'tcn', 'mlp') WHERE number = 3"], "trial 3"),
        (["UPDATE trial SET data = 'x' WHERE number = 3"], "trial 3"),
        (["DELETE FROM trial WHERE number = 2"], "trial 2 is missing"),
        (["DELETE FROM trial WHERE number = 1"], "trial 1 is missing"),
        (["UPDATE trial SET number = 9 WHERE number = 5"], "trial 5 is missing"),
        ([CUT], "trial 5 is missing: 5 were recorded, 4 are left"),
        ([CUT, COUNTERS[0]], "numbered 5 trials and 4 are left"),
        ([CUT, COUNTERS[1]], "trial 5 is missing"),
        (["DELETE FROM trial"], "trial 1 is missing"),
        (["DELETE FROM head"], "head is missing"),
        (["UPDATE head SET trials = -1"], "its head was changed: it says that -1 trials"),
        (["UPDATE head SET trials = 3"], "head was changed: .* another hash than that of trial 3"),
        (["UPDATE head SET hash = 'x'"], "head was changed: .* another hash than that of trial 5"),
        (["DELETE FROM chunk WHERE hash = 'a1'"], "fingerprints of data set"),
        (["DELETE FROM chunk"], "fingerprints of data set"),
        (["INSERT INTO chunk VALUES ('zz', (SELECT data FROM trial LIMIT 1))"], "fingerprints"),
    ],
)
def test_tampering_is_found_and_named(filled, statements, named):
    tamper(filled, *statements)
    with pytest.raises(LedgerError, match=named):
        filled.verify()


def written(ledger, number, content, data=DATA.digest):
    """A trial that somebody wrote who knows how rows are chained."""
    previous = ledger.head().hash
    digest = row_hash(number, data, content, previous)
    return (
        f"INSERT INTO trial VALUES ({number}, '{data}', '{content}', '{previous}', '{digest}')",
        f"UPDATE head SET trials = {number}, hash = '{digest}'",
    )


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("UPDATE head SET trials = 'many'", "head holds .'many'"),
        ("UPDATE head SET trials = x'05'", "head holds "),
        ("UPDATE head SET trials = 5.5", "head holds .5.5"),
        ("UPDATE head SET hash = x'00'", "head holds "),
        ("DROP TABLE head", "table head was dropped or changed"),
        ("DROP TABLE chunk", "table chunk was dropped or changed"),
        ("ALTER TABLE trial ADD COLUMN more", "table trial was dropped or changed"),
    ],
)
def test_a_head_or_table_that_somebody_wrote_over_is_told_at_every_use(filled, statement, told):
    tamper(filled, statement)
    uses = [filled.verify, filled.heads, filled.head, lambda: filled.record(DATA, trial(9))]
    for use in uses:
        with pytest.raises(LedgerError, match=told) as refused:
            use()
        assert "restore the file from a backup" in str(refused.value)


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("UPDATE trial SET hash = x'ff' WHERE number = 2", "trial 2 holds b'.xff' in place of a"),
        ("UPDATE trial SET content = CAST(x'ff' AS TEXT) WHERE number = 2", "trial 2 was changed"),
        ("UPDATE chunk SET hash = x'ff' WHERE hash = 'a1'", "fingerprint is .b'.xff'"),
        ("UPDATE chunk SET data = CAST(x'ff' AS TEXT) WHERE hash = 'a1'", "fingerprints of data"),
        ("UPDATE sqlite_sequence SET seq = 'many' WHERE name = 'trial'", "numbered 'many' trials"),
    ],
)
def test_what_is_no_text_is_told_by_name(filled, statement, told):
    tamper(filled, statement)
    with pytest.raises(LedgerError, match=told):
        filled.verify()


WRITTEN = trial_to_json(trial(7, "test reading"))
FOREIGN = {
    "[" * 100_000: "nested too deeply",
    WRITTEN.replace('"note":""', f'"note":{"[" * 100_000}{"]" * 100_000}'): "nested too deeply",
    WRITTEN.replace('"note":""', '"note":["long"]'): "note must be a text",
    WRITTEN.replace('"run-1"', "[]"): "run must be a text",
    WRITTEN.replace('"c7"', "{}"): "configuration must be a text",
    WRITTEN.replace('"candidates":1', '"candidates":"1"'): "candidates must be a number",
    WRITTEN.replace('"candidates":1', '"candidates":1e999'): "out of range",
    WRITTEN.replace('"candidates":1', '"candidates":null'): "candidates must be a number",
    WRITTEN.replace('"value":null', f'"value":1{"0" * 400}'): "out of range",
    WRITTEN.replace('"test reading"', f'"{"peek " * 20_000}"'): "kind must be one of",
    "x" * 100_000: "Expecting value",
}


@pytest.mark.parametrize(("content", "told"), FOREIGN.items(), ids=range(len(FOREIGN)))
def test_a_trial_that_somebody_wrote_is_told_by_its_number(filled, content, told):
    assert content != WRITTEN
    tamper(filled, *written(filled, 6, content))
    for use in (filled.verify, filled.trials, lambda: filled.summary(DATA)):
        with pytest.raises(LedgerError, match=rf"trial 6 cannot be read.*{told}") as refused:
            use()
        assert "restore the file from a backup" in str(refused.value)
        assert len(str(refused.value)) < 600


TRIGGERS = [
    *("trial_update", "trial_delete", "chunk_update", "chunk_delete", "head_delete"),
    *("trial_insert", "head_update", "head_insert"),
]


@pytest.mark.parametrize("name", TRIGGERS)
def test_a_dropped_trigger_is_told_by_name(filled, name):
    tamper(filled, f"DROP TRIGGER {name}", triggers=True)
    for use in (filled.verify, lambda: filled.record(DATA, trial(9))):
        with pytest.raises(LedgerError, match=rf"its trigger {name} is missing; restore the file"):
            use()
    assert len(filled.trials()) == 5


@pytest.mark.parametrize(
    ("statements", "told"),
    [
        (
            [
                "DROP TRIGGER trial_update",
                "CREATE TRIGGER trial_update BEFORE UPDATE ON trial BEGIN SELECT 1; END",
            ],
            "trigger trial_update was changed",
        ),
        (
            ["CREATE TRIGGER more AFTER INSERT ON trial BEGIN DELETE FROM chunk; END"],
            "trigger more was added",
        ),
        (["CREATE TABLE notes (text)"], "table notes was added"),
        (["DROP INDEX chunk_by_data"], "index chunk_by_data is missing"),
    ],
)
def test_a_changed_or_added_part_is_told_by_name(filled, statements, told):
    tamper(filled, *statements, triggers=True)
    with pytest.raises(LedgerError, match=told):
        filled.verify()


def test_what_sqlite_keeps_for_itself_is_no_addition(filled):
    tamper(filled, "ANALYZE", triggers=True)
    assert filled.verify() == 5


def test_an_inserted_row_is_found_even_with_a_right_hash(filled):
    head, content = filled.head(), trial_to_json(trial(7))
    digest = row_hash(6, DATA.digest, content, head.hash)
    row = f"(6, '{DATA.digest}', '{content}', '{head.hash}', '{digest}')"
    tamper(filled, f"INSERT INTO trial VALUES {row}")
    with pytest.raises(LedgerError, match="trial 6 was inserted"):
        filled.verify()


def test_swapped_rows_are_found(filled):
    tamper(
        filled,
        "UPDATE trial SET number = 99 WHERE number = 2",
        "UPDATE trial SET number = 2 WHERE number = 3",
        "UPDATE trial SET number = 3 WHERE number = 99",
    )
    with pytest.raises(LedgerError, match="trial 2 does not follow trial 1"):
        filled.verify()


def test_nothing_is_appended_to_a_cut_ledger(filled):
    tamper(filled, CUT)
    with pytest.raises(LedgerError, match="should end with trial 5"):
        filled.record(DATA, trial(8))


def test_a_ledger_without_its_head_is_named(filled):
    tamper(filled, "DELETE FROM head")
    for use in (filled.head, lambda: filled.record(DATA, trial(9))):
        with pytest.raises(LedgerError, match="head is missing"):
            use()


def test_a_witness_finds_a_perfect_rewrite(filled, tmp_path):
    witness = filled.head()
    filled.check_witness(witness.trials, witness.hash)
    filled.record(DATA, trial(8))
    assert filled.verify([witness, filled.head(), LedgerHead(0, "0" * 64)]) == 6

    cut = TrialLedger(tmp_path / "cut.sqlite")
    for one in filled.trials()[:4]:
        cut.record(DATA, one.trial)
    assert cut.verify() == 4  # nothing in the file itself tells
    with pytest.raises(LedgerError, match="once held 5"):
        cut.check_witness(witness.trials, witness.hash)
    cut.record(DATA, trial(9))
    with pytest.raises(LedgerError, match="the first 5 trials"):
        cut.check_witness(witness.trials, witness.hash)
    with pytest.raises(LedgerError, match="once held 5"):
        TrialLedger(tmp_path / "gone.sqlite").check_witness(witness.trials, witness.hash)


def to_full(path):
    path.symlink_to("/dev/full")


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"open,high,low\n" * 200, "no trial ledger"), ("other", "another program")],
)
def test_other_files_are_refused_and_left_alone(tmp_path, content, said):
    path = tmp_path / "ledger.sqlite"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        connection = sqlite3.connect(path)
        connection.execute("CREATE TABLE other (x)")
        connection.commit()
        connection.close()
    before = path.read_bytes()
    for act in (
        lambda ledger: ledger.record(DATA, trial(1)),
        lambda ledger: ledger.trials(DATA),
        lambda ledger: ledger.verify(),
    ):
        with pytest.raises(LedgerError, match=said):
            act(TrialLedger(path))
    assert path.read_bytes() == before


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    ("make", "what"), [(os.mkdir, "a folder"), (os.mkfifo, "a pipe"), (to_full, "a device")]
)
def test_what_lies_in_a_ledgers_place_is_named_with_what_helps(tmp_path, make, what):
    path = tmp_path / "ledger.sqlite"
    make(path)
    ledger = TrialLedger(path)
    for act in (ledger.verify, ledger.trials, ledger.head, lambda: ledger.record(DATA, trial(1))):
        with pytest.raises(
            LedgerError, match=rf"ledger\.sqlite must be a file, got .*{what}.*; move"
        ):
            act()
    path.rename(tmp_path / "away")  # as the message says
    ledger.record(DATA, trial(1))


@pytest.mark.parametrize("act", ["record", "read"])
def test_a_ledger_that_another_program_holds_is_named_while_it_is_waited_for(
    filled, monkeypatch, act
):
    monkeypatch.setattr(storage, "_SILENT_SECONDS", 0.02)
    holder = sqlite3.connect(filled.path, isolation_level=None, check_same_thread=False)
    holder.execute("BEGIN EXCLUSIVE")
    later = threading.Timer(0.2, holder.rollback)
    later.start()
    with pytest.warns(UserWarning, match=rf"holds the ledger .*{filled.path.name}; waiting for it"):
        filled.record(DATA, trial(9)) if act == "record" else filled.head()
    later.join()
    holder.close()
    assert len(filled.trials()) == 5 + (act == "record")


def test_a_ledger_that_stays_held_is_refused_by_name(filled, monkeypatch):
    monkeypatch.setattr(storage, "_SILENT_SECONDS", 0.02)
    monkeypatch.setattr(storage, "_PATIENCE_SECONDS", 0.05)
    with closing(sqlite3.connect(filled.path, isolation_level=None)) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        with (
            pytest.warns(UserWarning, match="holds the ledger"),
            pytest.raises(LedgerError, match=f"{filled.path} cannot be used: database is locked"),
        ):
            filled.verify()


def test_a_later_version_is_refused(filled):
    tamper(filled, "PRAGMA user_version = 2")
    with pytest.raises(LedgerError, match="version 2"):
        filled.record(DATA, trial(8))


def test_a_damaged_file_is_refused(filled):
    content = bytearray(filled.path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 2000] = b"\xff" * 2000
    filled.path.write_bytes(content)
    with pytest.raises(LedgerError):
        filled.verify()
