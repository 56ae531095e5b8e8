"""Several ledgers counted as one: each trial once, no chain touched."""

import dataclasses
import json
import os
import shutil
from pathlib import Path

import pytest

from ultimate_deep.evaluation.ledger.identity import DataIdentity
from ultimate_deep.evaluation.ledger.known import KnownLedgers
from ultimate_deep.evaluation.ledger.ledger import LedgerError, LedgerHead, TrialLedger
from ultimate_deep.evaluation.ledger.trial import Trial
from ultimate_deep.evaluation.ledger.union import LedgerUnion

DATA = DataIdentity(("a1", "b2"))
LONGER = DataIdentity(("b2", "c3"))
OTHER = DataIdentity(("d4",))


def reading(number: int, *, hour: int = 0, **fields) -> Trial:
    values = {
        "kind": "test reading", "run": f"run-{number}", "model": "mlp",
        "configuration": f"c{number}", "weights": f"w{number}", "sharpe_per_bar": 0.01 * number,
        "time": f"2026-01-01T{hour:02}:00:00+00:00",
    }  # fmt: skip
    return Trial(**values | fields)


@pytest.fixture
def own(tmp_path) -> TrialLedger:
    return TrialLedger(tmp_path / "home" / "ledger.sqlite")


@pytest.fixture
def old(tmp_path) -> TrialLedger:
    """Three models on these bars, and one on others."""
    ledger = TrialLedger(tmp_path / "artifacts" / "ledger.sqlite")
    for number in (1, 2, 3):
        ledger.record(DATA, reading(number))
    ledger.record(OTHER, reading(9))
    return ledger


def copied(ledger: TrialLedger, folder: Path) -> TrialLedger:
    folder.mkdir(parents=True)
    return TrialLedger(shutil.copy(ledger.path, folder / "ledger.sqlite"))


def test_trials_are_counted_over_all_and_no_chain_is_touched(own, old):
    own.record(DATA, reading(4))
    before, head = old.path.read_bytes(), old.head()
    union = LedgerUnion(own, [old])
    union.record(LONGER, reading(5))
    count = union.summary(DATA)
    assert (count.test_readings, count.recorded, count.distinct) == (5, 5, 5)
    assert count.effective_trials == 5.0
    assert count.ledgers == (str(own.path), str(old.path))
    assert count.sentence == f"Ledgers: {own.path} and {old.path}, 5 trials on these bars"
    assert old.path.read_bytes() == before
    assert own.verify() == 2
    assert union.head() == own.head() != head
    assert {head, own.head(), LedgerHead(0, "0" * 64)} <= union.verify()


def test_a_copy_adds_nothing_and_one_that_went_on_adds_what_came_after(own, old, tmp_path):
    copy = copied(old, tmp_path / "copy")
    union = LedgerUnion(own, [old, copy])
    count = union.summary(DATA)
    assert (count.recorded, count.distinct) == (3, 3)
    assert count.ledgers == (str(own.path), str(old.path))
    for ledger, number in ((old, 4), (copy, 5), (own, 6)):
        ledger.record(DATA, reading(number))
    count = union.summary(DATA)
    assert (count.recorded, count.distinct) == (6, 6)
    assert count.ledgers == (str(own.path), str(old.path), str(copy.path))


def test_the_same_model_in_ledgers_that_began_apart_is_one_model(own, old):
    own.record(LONGER, reading(2, run="again"))
    count = LedgerUnion(own, [old]).summary(DATA)
    assert (count.recorded, count.distinct, count.test_readings) == (4, 3, 3)


def test_the_last_ratio_of_a_repeated_trial_counts_whichever_ledger_holds_it(tmp_path):
    first, second = (TrialLedger(tmp_path / name) for name in ("first", "second"))
    first.record(DATA, reading(1, hour=1, sharpe_per_bar=0.1))
    first.record(DATA, reading(2, hour=3, sharpe_per_bar=0.2))
    second.record(DATA, reading(2, hour=2, sharpe_per_bar=0.9))
    counts = [LedgerUnion(a, [b]).summary(DATA) for a, b in ((first, second), (second, first))]
    assert [count.sharpe_variance for count in counts] == [pytest.approx(0.005)] * 2


def test_only_ledgers_that_say_something_of_these_bars_are_named(own, old):
    count = LedgerUnion(own, [old]).summary(DataIdentity(("none",)))
    assert count.sentence == f"Ledger: {own.path}, 0 trials on these bars"
    with LedgerUnion(TrialLedger(":memory:")) as unkept:
        unkept.record(DATA, reading(1))
        assert unkept.summary(DATA).sentence == "No ledger is kept, 1 trial on these bars"


def test_one_file_under_two_names_is_one_ledger(own, old, tmp_path):
    (tmp_path / "link").symlink_to(old.path.parent, target_is_directory=True)
    linked = TrialLedger(tmp_path / "link" / "ledger.sqlite")
    assert LedgerUnion(old, [linked]).summary(DATA).ledgers == (str(old.path),)
    assert LedgerUnion(own, [old, linked]).summary(DATA).recorded == 3


def test_a_changed_row_is_found_in_whichever_ledger(own, old):
    own.record(DATA, reading(4))
    old.path.write_bytes(old.path.read_bytes().replace(b'"run":"run-2"', b'"run":"run-7"'))
    with pytest.raises(LedgerError, match="trial 2"):
        LedgerUnion(own, [old]).verify()


def test_a_ledger_that_was_met_is_remembered_as_it_then_was(own, old, tmp_path):
    known = KnownLedgers(tmp_path / "home" / "ledgers")
    known.remember(TrialLedger(tmp_path / "nowhere.sqlite"))
    assert known.all() == []
    met = old.head()
    known.remember(old)
    old.record(DATA, reading(4))
    known.remember(old)
    (one,) = known.all()
    assert (one.ledger.path, one.head) == (old.path, met)
    union = LedgerUnion(own, known=known.all())
    assert union.summary(DATA).test_readings == 4
    assert one.head in union.verify()
    old.path.unlink()
    assert LedgerUnion(own, known=known.all()).summary(DATA).recorded == 0
    assert one.head not in LedgerUnion(own, known=known.all()).verify()


@pytest.mark.parametrize(
    "text",
    [
        *("no JSON", "[]", '{"path": "x", "trials": "many", "hash": ""}', "[" * 100_000),
        '{"path": "x", "trials": 1e999, "hash": ""}',
    ],
    ids=range(5),
)
def test_a_record_that_says_nothing_is_refused_by_name(old, tmp_path, text):
    known = KnownLedgers(tmp_path / "ledgers")
    known.remember(old)
    (record,) = known.folder.iterdir()
    record.write_text(text)
    with pytest.raises(LedgerError, match=record.name):
        known.all()
    record.unlink()  # as the message says
    known.remember(old)
    assert json.loads(record.read_text())["trials"] == 4


@pytest.mark.timeout(60)
@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: path.symlink_to("loop.json")])
def test_a_record_that_is_no_file_is_refused_by_name_and_not_waited_for(tmp_path, make):
    known = KnownLedgers(tmp_path)
    make(tmp_path / "loop.json")
    with pytest.raises(LedgerError, match=r"loop\.json must name a ledger's path.*delete it"):
        known.all()


def test_a_count_says_where_it_comes_from_in_json_too(own, old):
    count = dataclasses.asdict(LedgerUnion(own, [old]).summary(DATA))
    assert count["ledgers"] == (str(own.path), str(old.path))
    assert count["distinct"] == sum(count["by_kind"].values()) == 3
