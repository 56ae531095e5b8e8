"""Trials on the same bars find each other, whatever run or file they come from."""

import dataclasses
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import keras
import numpy as np
import pytest

from ultimate_deep.bundles.executors.net import weights_digest
from ultimate_deep.evaluation.ledger.ledger import LedgerError, TrialLedger
from ultimate_deep.evaluation.ledger.place import LEDGER_FILE, ledger_path
from ultimate_deep.evaluation.ledger.union import LedgerUnion
from ultimate_deep.experiments.trials import (
    KNOWN_FOLDER,
    TrialBook,
    check_ledgers,
    configuration_digest,
    effective_candidates,
    open_ledgers,
)
from ultimate_deep.machine.home import HomeError
from ultimate_deep.market.config import DataConfig, LabelSpec
from ultimate_deep.market.market import Market, load_market
from ultimate_deep.pipeline.calibration import choose_threshold
from ultimate_deep.pipeline.config import ExperimentConfig, ModelConfig

CONFIG = ExperimentConfig(
    data=DataConfig(simulated_rows=3_000), model=ModelConfig(name="mlp"), baselines=False
)


@pytest.fixture(scope="module")
def market() -> Market:
    return load_market(CONFIG.data, LabelSpec())


def _renamed_and_cut(market: Market) -> Market:
    (bars,) = market.bars.values()
    other = dataclasses.replace(bars, symbol="OTHER", frame=bars.frame.iloc[200:-200])
    return Market({"OTHER": other})


def test_runs_on_the_same_bars_count_each_other(tmp_path, market):
    first = TrialBook.opened(tmp_path / "a", market, CONFIG)
    first.training(0.69)
    first.reading("weights of a", sharpe_per_bar=0.01, accuracy=0.51)
    second = TrialBook.opened(tmp_path / "b", _renamed_and_cut(market), CONFIG)
    second.reading("weights of b", sharpe_per_bar=0.03, accuracy=0.52)
    assert ledger_path().is_file()
    assert not (tmp_path / LEDGER_FILE).exists()
    assert second.count().test_readings == 2
    assert second.count().sharpe_variance == pytest.approx(0.0002)
    first.reading("weights of a", sharpe_per_bar=0.01, accuracy=0.51)
    assert first.count().test_readings == 2


def _left_by_an_older_version(folder: Path, market: Market, *weights: str) -> Path:
    """Write a ledger beside runs, as it was done before each user had one."""
    folder.mkdir()
    book = TrialBook.unkept(market, CONFIG)
    book = dataclasses.replace(book, ledger=LedgerUnion(TrialLedger(folder / LEDGER_FILE)))
    for one in weights:
        book.reading(one, sharpe_per_bar=0.01, accuracy=0.51)
    return folder / LEDGER_FILE


@pytest.mark.parametrize("where", ["elsewhere", "relative", "link", "home"])
def test_no_other_folder_relaxes_the_verdict(tmp_path, market, monkeypatch, where):
    TrialBook.opened(tmp_path / "artifacts" / "a", market, CONFIG).reading(
        "weights of a", sharpe_per_bar=0.01, accuracy=0.51
    )
    folder = tmp_path / "elsewhere" / "b"
    (tmp_path / "elsewhere").mkdir()
    if where == "relative":
        monkeypatch.chdir(tmp_path / "elsewhere")
        folder = Path("artifacts") / "b"
    elif where == "link":
        (tmp_path / "link").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
        folder = tmp_path / "link" / "b"
    elif where == "home":
        folder = ledger_path().parent / "b"
    book = TrialBook.opened(folder, market, CONFIG)
    book.reading("weights of b", sharpe_per_bar=0.03, accuracy=0.52)
    count = book.count()
    assert (count.test_readings, count.recorded) == (2, 2)
    assert count.sentence == f"Ledger: {ledger_path()}, 2 trials on these bars"


def test_a_folder_that_brings_a_ledger_is_counted_from_then_on(tmp_path, market):
    file = _left_by_an_older_version(tmp_path / "old", market, "weights of a", "weights of b")
    before = file.read_bytes()
    beside = TrialBook.opened(tmp_path / "old" / "next", market, CONFIG)
    beside.reading("weights of c", sharpe_per_bar=0.03, accuracy=0.52)
    assert beside.count().test_readings == 3
    assert beside.check() == []
    far = TrialBook.opened(tmp_path / "new" / "run", market, CONFIG)
    assert far.count().test_readings == 3
    assert far.count().ledgers == (str(ledger_path()), str(file))
    assert file.read_bytes() == before
    assert far.head().trials == 1
    # Moved, it is the same ledger; deleted, its trials are missed.
    (tmp_path / "old").rename(tmp_path / "moved")
    (note,) = far.check()
    assert str(file) in note
    assert TrialBook.opened(tmp_path / "moved" / "run", market, CONFIG).check() == []
    shutil.rmtree(tmp_path / "moved")
    notes = TrialBook.opened(tmp_path / "new" / "run", market, CONFIG).check()
    assert len(notes) == 2
    assert all("no longer holds the 2 trials" in note for note in notes)


def test_a_bundle_reached_through_a_link_brings_its_own_folders_ledger(tmp_path, market):
    _left_by_an_older_version(tmp_path / "old", market, "weights of a")
    (tmp_path / "old" / "run").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "old" / "run", target_is_directory=True)
    assert TrialBook.opened(tmp_path / "link", market, CONFIG).count().test_readings == 1


def test_members_of_a_comparison_bring_their_folders_ledgers(tmp_path, market):
    _left_by_an_older_version(tmp_path / "a", market, "weights of a")
    _left_by_an_older_version(tmp_path / "b", market, "weights of b")
    book = TrialBook.opened(tmp_path / "a" / "one", market, CONFIG, others=[tmp_path / "b" / "two"])
    assert book.count().test_readings == 2


def test_what_a_resumed_run_does_again_is_recorded_once(tmp_path, market):
    for _ in range(2):
        book = TrialBook.opened(tmp_path / "a", market, CONFIG)
        book.training(0.69)
        book.tuning("validation loss", None)
        book.reading("weights of a", sharpe_per_bar=float("nan"), accuracy=0.51)
        assert book.count().recorded == 3
    book.training(0.68)
    TrialBook.opened(tmp_path / "b", market, CONFIG).training(0.69)
    assert book.count().recorded == 5


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE trial SET content = replace(content, 'mlp', 'tcn') WHERE number = 1",
        "DELETE FROM trial WHERE number = 2",
        "UPDATE head SET trials = -1",
        "",
    ],
    ids=["changed", "deleted", "head", "trigger"],
)
@pytest.mark.parametrize("where", ["own", "beside"])
def test_a_tampered_ledger_is_found_before_the_bars_are_read(tmp_path, market, statement, where):
    beside = _left_by_an_older_version(tmp_path / "old", market, "weights of a", "weights of b")
    ledger = beside if where == "beside" else ledger_path()
    if where == "own":
        ledger.parent.mkdir()
        beside.rename(ledger)
    check_ledgers(tmp_path / "old")
    with closing(sqlite3.connect(ledger)) as opened:
        query = "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'"
        triggers = opened.execute(query).fetchall()
        for name, _ in triggers:
            opened.execute(f"DROP TRIGGER {name}")
        opened.execute(statement)
        for _, sql in triggers if statement else triggers[1:]:
            opened.execute(sql)
        opened.commit()
    with pytest.raises(LedgerError, match="tampered with"):
        check_ledgers(tmp_path / "old")


def test_another_process_elsewhere_writes_into_the_same_ledger(tmp_path, market):
    """And so it is the test's own, since a subprocess is told where that is."""
    root = Path(__file__).resolve().parents[2]
    code = (
        f"import sys; sys.path.insert(0, {str(root)!r})\n"
        "from ultimate_deep.evaluation.ledger.identity import DataIdentity\n"
        "from ultimate_deep.evaluation.ledger.trial import Trial\n"
        "from ultimate_deep.experiments.trials import open_ledgers\n"
        "trial = Trial(kind='training', run='r', model='m', configuration='c')\n"
        "open_ledgers().record(DataIdentity(('x',)), trial)\n"
    )
    environment = os.environ | {"XDG_DATA_HOME": str(tmp_path / "real")}
    subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, check=True, timeout=120
    )
    assert open_ledgers().verify() == {*TrialLedger(ledger_path()).heads()}
    assert TrialLedger(ledger_path()).head().trials == 1
    assert not list(tmp_path.iterdir())


def test_a_folders_file_that_is_no_ledger_is_refused_and_left(tmp_path, market):
    (tmp_path / LEDGER_FILE).write_text("no database at all, but long enough to be read as one")
    with pytest.raises(LedgerError, match="no trial ledger"):
        TrialBook.opened(tmp_path / "a", market, CONFIG)
    assert (tmp_path / LEDGER_FILE).read_text().startswith("no database")


@pytest.mark.parametrize("text", ["[1, 2]", "no JSON", '{"ledger": "x"}', '{"ledger": {"a": 1}}'])
def test_another_programs_metrics_beside_the_ledger_are_left_alone(tmp_path, market, text):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "metrics.json").write_text(text)
    assert TrialBook.opened(tmp_path / "a", market, CONFIG).check() == []


FOREIGN = {
    "folder": ("is a folder", lambda path: path.mkdir()),
    "pipe": ("is no regular file", os.mkfifo),
    "deep": ("is too much to be read", lambda path: path.write_text("[" * 100_000)),
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", ["metrics.json", "walk_forward.json"])
@pytest.mark.parametrize(("said", "make"), FOREIGN.values(), ids=FOREIGN)
def test_foreign_files_beside_the_runs_are_noted_and_passed_over(
    tmp_path, market, said, make, name
):
    for folder in ("another", "empty"):
        (tmp_path / folder).mkdir()
    make(tmp_path / "another" / name)
    (note,) = TrialBook.opened(tmp_path / "a", market, CONFIG).check()
    assert note.startswith(f"{tmp_path / 'another' / name} {said}")
    assert note.endswith("it is passed over, as no run has written it")


def test_folders_named_in_another_encoding_are_noted_in_a_text_that_can_be_written(
    tmp_path, market
):
    told = {b"\xffm": '{"ledger": {"trials": 3, "hash": "00"}}', b"\xfem": "[" * 999}
    for name, text in told.items():
        folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name))
        folder.mkdir()
        (folder / "metrics.json").write_text(text)
    other, one = TrialBook.opened(tmp_path / "a", market, CONFIG).check()
    assert f"{tmp_path}/\\udcfem/metrics.json" in other.encode().decode()
    assert "no ledger holds the trials of \\udcffm" in one.encode().decode()


def test_a_ledger_in_a_folder_of_another_encoding_is_remembered(tmp_path, market):
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff"))
    _left_by_an_older_version(folder, market, "weights of a")
    book = TrialBook.opened(folder / "run", market, CONFIG)
    assert book.count().test_readings == 1
    assert [one.ledger.path for one in book.ledger.known] == [folder / LEDGER_FILE]


def test_what_remembers_other_ledgers_must_be_a_folder_that_can_be_written(tmp_path, home):
    home.mkdir()
    check_ledgers(tmp_path)
    (home / KNOWN_FOLDER).write_text("")
    with pytest.raises(HomeError, match=KNOWN_FOLDER):
        check_ledgers(tmp_path)


def test_other_bars_do_not_count(tmp_path, market):
    TrialBook.opened(tmp_path / "a", market, CONFIG).training(0.69)
    other = dataclasses.replace(CONFIG.data, simulated_seed=8)
    book = TrialBook.opened(tmp_path / "b", load_market(other, LabelSpec()), CONFIG)
    assert book.count().recorded == 0


def test_a_book_that_is_not_kept_starts_from_nothing(market):
    with TrialBook.unkept(market, CONFIG) as book, TrialBook.unkept(market, CONFIG) as another:
        book.with_config(dataclasses.replace(CONFIG, seed=1)).tuning("validation loss", 0.7)
        assert book.count().by_kind["tuning"] == 1
        assert another.count().recorded == 0


def test_names_do_not_make_another_trial_and_settings_do():
    same = dataclasses.replace(CONFIG, name="other", artifacts="elsewhere")
    assert configuration_digest(same) == configuration_digest(CONFIG)
    assert configuration_digest(dataclasses.replace(CONFIG, seed=1)) != configuration_digest(CONFIG)
    # Where the bars lie is no setting, and what their orders are filled at is.
    data = dataclasses.replace(CONFIG.data, fills="1m.csv")
    assert configuration_digest(dataclasses.replace(CONFIG, data=data)) == configuration_digest(
        CONFIG
    )
    digests = {configuration_digest(CONFIG, fills) for fills in ("", "some", "others")}
    assert len(digests) == 3


def test_a_model_keeps_its_digest_when_saved_and_loaded(tmp_path):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4), keras.layers.Dense(1)])
    before = weights_digest(model)
    model.save(tmp_path / "model.keras")
    assert weights_digest(keras.models.load_model(tmp_path / "model.keras")) == before
    model.layers[0].kernel.assign_add(np.full((3, 4), 1e-6, np.float32))
    assert weights_digest(model) != before


def _choice(returns: np.ndarray):
    probability = np.linspace(0.4, 0.7, 500)
    choice = choose_threshold(probability, lambda threshold: 0.0, candidates=returns.shape[1])
    return dataclasses.replace(choice, returns=returns)


def test_equal_thresholds_are_one_trial_and_independent_ones_are_many():
    generator = np.random.default_rng(0)
    column = generator.normal(size=(4_000, 1))
    assert effective_candidates(_choice(np.repeat(column, 20, axis=1))) == pytest.approx(1.0)
    apart = effective_candidates(_choice(generator.normal(size=(4_000, 20))))
    assert apart == pytest.approx(20.0, rel=0.02)
    assert effective_candidates(_choice(np.zeros((4_000, 20)))) == 1.0
