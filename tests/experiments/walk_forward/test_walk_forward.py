"""Retraining along time: folds that see nothing later, stopped and resumed, judged as one."""

import contextlib
import dataclasses
import io
import json
import re
import sqlite3

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from ultimate_deep.evaluation.ledger.place import ledger_path
from ultimate_deep.evaluation.ledger.trial import count_trials
from ultimate_deep.evaluation.schemes.purging import Spans
from ultimate_deep.evaluation.verdicts.luck import account_sharpe
from ultimate_deep.experiments.experiment import prepare
from ultimate_deep.experiments.learners.net import Trainee
from ultimate_deep.experiments.trials import TrialBook
from ultimate_deep.experiments.walk_forward import running
from ultimate_deep.experiments.walk_forward.config import WalkForwardConfig
from ultimate_deep.experiments.walk_forward.fold_splits import fold_split, make_scheme
from ultimate_deep.experiments.walk_forward.folds import (
    FoldResult,
    RetrainingBook,
    run_fold,
)
from ultimate_deep.experiments.walk_forward.judging import judge_walk, middle_path
from ultimate_deep.experiments.walk_forward.report import (
    render_walk,
    render_walk_summary,
    write_walk,
)
from ultimate_deep.experiments.walk_forward.walk_forward import finish, scheme_of, walk_forward
from ultimate_deep.machine.interrupts import Interrupted
from ultimate_deep.market.bars import Bars
from ultimate_deep.market.config import DataConfig
from ultimate_deep.market.market import Market
from ultimate_deep.pipeline.config import ExperimentConfig, FeatureConfig, ModelConfig
from ultimate_deep.pipeline.inputs.config import InputConfig
from ultimate_deep.training.config import FitConfig
from ultimate_deep.training.progress import Progress

pytestmark = pytest.mark.usefixtures("plain_figures")

QUIET = Progress()
TWO_FOLDS = WalkForwardConfig(train=0.5, test=0.25)


def config(folder, **changes):
    return ExperimentConfig(
        name="walk",
        artifacts=str(folder),
        data=DataConfig(simulated_rows=3_000, simulated_edge=0.2),
        features=FeatureConfig(names=("return_log_1", "rsi_14", "momentum_z_20")),
        model=ModelConfig(name="linear"),
        fit=FitConfig(epochs=2, jit_compile=False),
        baselines=False,
        **changes,
    )


@pytest.fixture(scope="module")
def walked(tmp_path_factory):
    found = walk_forward(config(tmp_path_factory.mktemp("whole")), TWO_FOLDS, QUIET)
    write_walk(found)
    finish(found)
    return found


@pytest.fixture(scope="module")
def prepared(walked):
    return walked.prepared


def spans(rows, length):
    decided = np.datetime64("2024-01-01", "ns") + np.arange(rows) * np.timedelta64(1, "h")
    return Spans.from_times(decided, decided + length * np.timedelta64(1, "h"))


@pytest.mark.parametrize("scheme", ["expanding", "rolling", "purged_k_fold", "combinatorial"])
@pytest.mark.parametrize(("length", "embargo"), [(1, 0), (7, 0), (3, 5)])
def test_training_validation_and_test_share_no_label(scheme, length, embargo):
    rows = spans(400, length)
    walk = WalkForwardConfig(scheme=scheme)
    for fold in make_scheme(walk, rows, embargo).folds():
        split = fold_split(rows, fold, validation=0.2, embargo_bars=embargo)
        assert len(np.unique(np.concatenate([split.train, split.validation, split.test]))) == (
            len(split.train) + len(split.validation) + len(split.test)
        )
        margin = embargo * rows.interval
        begins = rows.decided[split.validation].min()
        assert split.boundaries[0] == pd.Timestamp(begins, tz="UTC")
        assert (rows.ended[split.train] < begins - margin).all()
        for period in fold.periods:
            for part in (split.train, split.validation):
                before = rows.ended[part] < period.start - margin
                assert (before | (rows.decided[part] > period.end + margin)).all()
        share = len(split.validation) / (len(split.validation) + len(split.train))
        assert share == pytest.approx(0.2, abs=0.06)
        counted = len(fold.train) - len(split.train) - len(split.validation)
        assert split.purged + split.embargoed == (counted + len(fold.purged) + len(fold.embargoed))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"scheme": "purged_k_fold", "folds": 1}, r"walk\.folds must be at least 2, got 1; 5 are"),
        ({"scheme": "combinatorial", "groups": 1}, r"walk\.groups must be at least 2, got 1; 6"),
        (
            {"scheme": "combinatorial", "groups": 2, "test_groups": 2},
            r"walk\.test_groups must be between 1 and 1, .*, got 2; test 1 of 2, or .* 3 or more",
        ),
        (
            {"scheme": "purged_k_fold", "folds": 101},
            r"walk\.folds must be at most 100, .* got 101;",
        ),
        ({"scheme": "combinatorial", "groups": 101}, r"walk\.groups must be at most 100, .*101;"),
    ],
)
def test_numbers_of_folds_that_cannot_be_name_their_option(options, said):
    with pytest.raises(ValueError, match=said):
        make_scheme(WalkForwardConfig(**options), spans(100, 1), 0)
    # What is not used is not asked about.
    made = make_scheme(WalkForwardConfig(**options | {"scheme": "rolling"}), spans(100, 1), 0)
    assert made.get_n_splits() > 1


def test_one_page_says_the_same_days(walked):
    """The last bar's own day, in the head and in the last fold alike."""
    page = render_walk(walked)
    (first, last) = re.search(r"tested ([\d-]+) to ([\d-]+)", page).groups()
    folds = re.findall(r"<td[^>]*>([\d]{4}-[\d-]+)</td><td[^>]*>([\d]{4}-[\d-]+)</td>", page)
    assert len(folds) == 2
    assert (folds[0][0], folds[-1][1]) == (first, last)
    assert folds[0][1] <= folds[1][0]


def test_folds_that_leave_nothing_to_train_on_are_refused():
    fold = next(make_scheme(WalkForwardConfig(train=0.1), spans(100, 1), 0).folds())
    with pytest.raises(ValueError, match=r"validation share of 0\.9"):
        fold_split(spans(100, 1), fold, validation=0.9, embargo_bars=5)
    with pytest.raises(ValueError, match="got 1"):
        WalkForwardConfig(validation=1.0)


def test_test_parts_make_one_account_up_to_the_newest_row(walked):
    whole, results = walked.judged.whole, walked.results
    assert [len(result.rows) for result in results] == [664, 664]
    np.testing.assert_array_equal(whole.rows, np.concatenate([one.rows for one in results]))
    assert whole.rows[-1] == len(walked.prepared.rows.labels) - 1
    joined = np.concatenate([result.probability[0] for result in results])
    np.testing.assert_array_equal(whole.judged.probability, joined)
    held = np.concatenate([part.signal for part in walked.judged.folds])
    np.testing.assert_array_equal(whole.signal, held)
    # Long where the fold's own threshold is met, not the other's.
    for result, part in zip(results, walked.judged.folds, strict=True):
        above = result.probability[0] >= result.thresholds[0]
        np.testing.assert_array_equal(part.signal > 0, above)
    grown = np.prod([part.judged.backtest.equity[-1] for part in walked.judged.folds])
    assert whole.judged.backtest.equity[-1] == pytest.approx(grown, rel=0.03)
    assert walked.judged.rivals[-1].name == "buy and hold"
    assert [result.facts["majority_up"] in (True, False) for result in results] == [True, True]


def test_the_folder_is_whole(walked):
    folder = walked.folder
    assert {path.name for path in folder.iterdir()} == {
        "config.json", "folds.csv", "paths.csv", "predictions.parquet", "report.html",
        "walk_forward.json",
    }  # fmt: skip
    stored = json.loads((folder / "walk_forward.json").read_text())
    assert stored["verdict"]["kind"] == walked.judged.whole.verdict.kind
    assert stored["simulated"] is True
    assert stored["scheme"]["scheme"] == "expanding"
    assert len(stored["folds"]) == 2
    assert stored["ledger"]["trials"] == walked.ledger.trials
    assert stored["trials"]["ledgers"] == list(walked.trials.ledgers)
    table = pd.read_parquet(folder / "predictions.parquet")
    np.testing.assert_array_equal(table["probability"], walked.judged.whole.judged.probability)
    assert table["decision_time"].is_monotonic_increasing
    page = (folder / "report.html").read_text()
    assert walked.judged.whole.verdict.sentence.split(":")[0] in page
    assert "Simulated bars" in page
    assert f"Ledger: {walked.trials.ledgers[0]}, <" in page
    assert page.count("<svg") == 4
    for pointer in re.findall(r'data-figure="([^"]+)"', page):
        value = stored
        for step in pointer.split("/"):
            value = value[int(step) if isinstance(value, list) else step]
        assert value is None or isinstance(value, (int, float)), pointer


def test_a_walk_forward_is_one_trial_however_many_folds(walked):
    count = walked.trials
    assert count.recorded == 7  # three by fold, and what the whole came to
    assert count.by_kind == {"training": 1, "tuning": 0, "threshold": 1, "test reading": 1}
    assert walked.judged.whole.verdict.readings == 1
    sharpe = account_sharpe(walked.judged.whole.judged.backtest, count, horizon_bars=1)
    assert sharpe.per_year == pytest.approx(walked.judged.whole.judged.metrics["sharpe"])
    with contextlib.closing(sqlite3.connect(ledger_path())) as ledger:
        last = ledger.execute("SELECT content FROM trial ORDER BY number DESC").fetchone()
    assert json.loads(last[0])["sharpe_per_bar"] == pytest.approx(sharpe.per_bar)


def test_another_scheme_is_another_trial(walked):
    with TrialBook.unkept(walked.prepared.market, walked.prepared.config) as book:
        digests = {
            RetrainingBook(book.ledger, book.identity, book.run, given, walk).digest
            for walk in (TWO_FOLDS, dataclasses.replace(TWO_FOLDS, scheme="rolling"))
            for given in (book.config, dataclasses.replace(book.config, seed=1))
        }
    assert len(digests) == 4


def test_a_fold_knows_nothing_of_what_comes_after_it(walked, tmp_path):
    """The first fold's predictions are the same where the later bars do not exist."""
    whole, first = walked.prepared, walked.results[0]
    (symbol,) = whole.market.bars
    bars = whole.market.bars[symbol]
    stop = int(whole.rows.bar_row[first.rows[-1]]) + 1
    shorter = Market(
        {symbol: cut(bars, stop)}, {symbol: whole.market.probability_up[symbol][:stop]}
    )
    alone = prepare(whole.config, QUIET, market=shorter)
    assert len(alone.rows.labels) == first.rows[-1] + 1
    fold = next(scheme_of(whole, walked.walk).folds())
    split = fold_split(walked.scheme.spans, fold, validation=0.15, embargo_bars=0)
    trainee = Trainee(whole)
    with TrialBook.unkept(shorter, whole.config) as book:
        again = run_fold(alone, split, trainee, QUIET, book, tmp_path / "checkpoints")
    np.testing.assert_array_equal(again.probability, first.probability)
    np.testing.assert_array_equal(again.thresholds, first.thresholds)


def cut(bars: Bars, stop: int) -> Bars:
    return dataclasses.replace(bars, frame=bars.frame.iloc[:stop])


def stopped(*given):
    raise KeyboardInterrupt


def test_a_stopped_walk_goes_on_to_the_same_end(walked, tmp_path, monkeypatch):
    done = []

    def stopping(*args):
        if done:
            raise KeyboardInterrupt
        done.append(1)
        return run_fold(*args)

    monkeypatch.setattr(running, "run_fold", stopping)
    with pytest.raises(Interrupted, match="1 of 2 folds is finished and kept"):
        walk_forward(config(tmp_path), TWO_FOLDS, QUIET)
    monkeypatch.undo()
    other = dataclasses.replace(TWO_FOLDS, validation=0.2)
    with pytest.raises(ValueError, match="started with other settings of walk"):
        walk_forward(config(tmp_path), other, QUIET, resume=True)
    with pytest.raises(ValueError, match="started with other settings of seed"):
        walk_forward(config(tmp_path, seed=1), TWO_FOLDS, QUIET, resume=True)
    monkeypatch.setattr(running.FoldResult, "save", stopped)
    with pytest.raises(Interrupted, match="1 of 2 folds is finished and kept"):
        walk_forward(config(tmp_path), TWO_FOLDS, QUIET, resume=True)
    monkeypatch.undo()
    heard = Progress()
    heard.message = (said := []).append
    resumed = walk_forward(config(tmp_path), TWO_FOLDS, heard, resume=True)
    assert not any(text.startswith("training on") for text in said), said
    assert not list(resumed.place.path.glob("folds/*-checkpoints"))
    for one, two in zip(resumed.results, walked.results, strict=True):
        np.testing.assert_array_equal(one.probability, two.probability)
    assert resumed.judged.whole.verdict == walked.judged.whole.verdict
    assert resumed.trials.test_readings == 1


def test_a_file_that_is_no_ledger_is_refused_before_anything_is_started(tmp_path):
    (tmp_path / "ledger.sqlite").write_text("no database at all, but long enough to be read as one")
    with pytest.raises(ValueError, match="no trial ledger"):
        walk_forward(config(tmp_path), TWO_FOLDS, QUIET)
    assert [path.name for path in tmp_path.iterdir()] == ["ledger.sqlite"]


def test_weights_that_may_know_the_test_parts_are_refused(tmp_path):
    known = ModelConfig(name="linear", start_from="artifacts/a")
    with pytest.raises(ValueError, match="may know the folds' test parts"):
        walk_forward(dataclasses.replace(config(tmp_path), model=known), TWO_FOLDS, QUIET)
    assert not list(tmp_path.iterdir())


def test_nothing_to_resume_is_said(tmp_path):
    with pytest.raises(FileNotFoundError, match="nothing to resume"):
        walk_forward(config(tmp_path), TWO_FOLDS, QUIET, resume=True)


def invented(prepared, walk, *, skill):
    """Return folds whose predictor is right as often as `skill` says."""
    rng = np.random.default_rng(3)
    scheme = scheme_of(prepared, walk)
    results = []
    for fold in scheme.folds():
        up = np.nan_to_num(prepared.rows.labels[fold.test], nan=1.0)
        said = np.where(rng.random(len(up)) < skill, up, 1.0 - up)
        chance = 0.5 + 0.1 * (said - 0.5)
        probability = np.stack([chance, np.full(len(up), 0.5)])
        facts = {"features": 3, "train_rows": len(fold.train), "seconds": 0.0, "epochs": 1}
        results.append(
            FoldResult(fold.test, ("model", "majority"), probability, np.full(2, 0.52), facts)
        )
    return scheme, results


def test_combinations_give_a_spread_of_paths(prepared, walked):
    walk = WalkForwardConfig(scheme="combinatorial", groups=4, test_groups=2)
    scheme, results = invented(prepared, walk, skill=0.7)
    judged = judge_walk(prepared, scheme, results, trials=count_trials(()))
    assert [part.name for part in judged.paths] == ["path 1", "path 2", "path 3"]
    assert [part.name for part in judged.folds] == [f"fold {number}" for number in range(1, 7)]
    for part in judged.paths:
        assert len(part.rows) == len(prepared.rows.labels)
        assert part.verdict.kind == "edge"
        assert part.judged.metrics["accuracy"] == pytest.approx(0.7, abs=0.03)
    ratios = [part.judged.metrics["sharpe"] for part in judged.paths]
    assert judged.whole.judged.metrics["sharpe"] == np.median(ratios)
    assert len(set(ratios)) == 3
    assert middle_path(judged.paths[:2]).judged.metrics["sharpe"] == min(ratios[:2])
    assert [rival.name for rival in judged.rivals] == ["majority", "buy and hold"]
    page = render_walk(
        dataclasses.replace(walked, walk=walk, scheme=scheme, results=results, judged=judged)
    )
    assert "this compares models" in page
    assert "in the middle of 3 by Sharpe ratio: an edge on 3 of them, a loss on 0" in page
    assert page.count("<svg") == 5


def test_the_majority_is_that_of_each_fold_and_one_everywhere(prepared):
    """Each fold has the class of its own training part, as its baseline has."""
    walk = WalkForwardConfig(scheme="purged_k_fold", folds=4)
    scheme, results = invented(prepared, walk, skill=0.7)
    for number, result in enumerate(results):
        result.facts["majority_up"] = number % 2 == 0
        result.probability[1] = 0.55 if number % 2 == 0 else 0.45
    judged = judge_walk(prepared, scheme, results, trials=count_trials(()))
    baseline = judged.rivals[0]
    assert baseline.name == "majority"
    assert judged.whole.verdict.majority_accuracy == pytest.approx(baseline.metrics["accuracy"])
    labels = prepared.rows.labels
    for number, (part, result) in enumerate(zip(judged.folds, results, strict=True)):
        own = labels[result.rows]
        right = own[np.isfinite(own)] == float(number % 2 == 0)
        assert part.verdict.majority_accuracy == pytest.approx(right.mean())


def test_a_predictor_without_skill_is_no_edge(prepared):
    walk = WalkForwardConfig(scheme="purged_k_fold", folds=4)
    judged = judge_walk(prepared, *invented(prepared, walk, skill=0.45), trials=count_trials(()))
    assert judged.whole.verdict.kind == "no edge"
    assert len(judged.whole.rows) == len(prepared.rows.labels)
    assert judged.paths == (judged.whole,)


def test_the_screen_names_every_fold_and_file(walked):
    console = Console(width=100, file=io.StringIO())
    with console.capture() as heard:
        console.print(render_walk_summary(walked))
    told = heard.get()
    for word in ("fold 1", "fold 2", "whole", "buy and hold", "report.html", "simulated bars"):
        assert word in told
    assert walked.trials.sentence in " ".join(told.split())
    assert "ledger.sqlite, 3 trials on these bars, worth " in walked.trials.sentence


@pytest.mark.slow
def test_the_script_runs_from_start_to_report(tmp_path, run_script, capsys):
    arguments = ["--quick", "--walk.scheme", "purged_k_fold", "--walk.folds", "2"]
    run_script("walk_forward.py", *arguments, "--artifacts", str(tmp_path))
    told = " ".join(capsys.readouterr().out.split())
    assert "not what a trader would have earned" in told
    assert "Purged K-fold, simulated bars, after costs" in told
    (report,) = tmp_path.glob("walk-forward-quick-*/report.html")
    assert report.is_file()


def test_rows_without_all_of_their_window_are_left_out_of_every_part(tmp_path):
    windows = config(tmp_path, inputs=InputConfig(kind="window", window_bars=8))
    windows = dataclasses.replace(
        windows, fit=FitConfig(epochs=1, jit_compile=False), data=DataConfig(simulated_rows=1_200)
    )
    walk = WalkForwardConfig(scheme="combinatorial", groups=3, test_groups=1)
    done = walk_forward(windows, walk, QUIET)
    rows = done.judged.whole.rows
    np.testing.assert_array_equal(rows, np.arange(7, len(done.prepared.rows.labels)))
    for result in done.results:
        assert result.probability.shape == (1, len(result.rows))


@pytest.mark.usefixtures("nothing_tried")
def test_trees_are_grown_anew_in_every_fold(tmp_path):
    trees = dataclasses.replace(
        config(tmp_path), model=ModelConfig(name="hist_gradient_boosting", preset="tiny")
    )
    done = walk_forward(trees, TWO_FOLDS, QUIET)
    assert [len(result.rows) for result in done.results] == [664, 664]
    assert done.trials.test_readings == 1
