"""What is told: steps that move by themselves, checks that cannot run, warnings, JSON and page."""

import dataclasses
import json

import numpy as np
import pytest

from ultimate_deep.evaluation.leaks.config import LeakConfig
from ultimate_deep.evaluation.leaks.detect import CHECKS, DATA_CHECKS, TRAINING_CHECKS, detect_leaks
from ultimate_deep.evaluation.leaks.trace import STEPS
from ultimate_deep.evaluation.reporting.leaks_page import leak_page

QUICK = LeakConfig(cuts=4, truncations=2, noise_markets=1)


def test_a_step_that_draws_without_a_seed_is_told_from_a_leak(toy, one_market):
    generator = np.random.default_rng()
    unseeded = toy(noise=lambda: 1e-6 * generator.standard_normal(7))
    report = detect_leaks(unseeded, one_market, QUICK, checks=TRAINING_CHECKS[:1])
    assert not report.leaking
    assert [(f.step, f.check) for f in report.findings] == [("model", "repeatability")]
    # A leak before the unseeded step is still found.
    leaking = dataclasses.replace(unseeded, scale=lambda v, parts: (v.mean(axis=0), v.std(axis=0)))
    assert detect_leaks(leaking, one_market, QUICK).step == "scaling"


def test_a_check_that_the_pipeline_refuses_is_not_passed(toy, columns_of, one_market):
    def picky(market):
        if any(bars.frame["volume"].max() > 1e9 for bars in market.values()):
            raise ValueError("volume of a bar is too large")
        return {symbol: columns_of(bars) for symbol, bars in market.items()}

    report = detect_leaks(toy(features=picky), one_market, QUICK, checks=DATA_CHECKS)
    refused = {check.name: check for check in report.checks if check.not_run}
    assert set(refused) == {"poisoned future", "fitted on train"}
    assert refused["fitted on train"].outcome == "not run"
    assert "Not run: poisoned future, fitted on train" in report.sentence
    assert "volume of a bar is too large" in leak_page(report)


def test_a_check_that_has_nothing_to_judge_is_not_passed(toy, one_market):
    def few(decision, end, parts):
        return parts | {"test": parts["test"][:20]}

    def silent(probability):
        return np.full(len(probability), np.nan)

    for pipeline in (toy(resplit=few), toy(smooth=silent)):
        report = detect_leaks(pipeline, one_market, QUICK, checks=TRAINING_CHECKS[1:])
        outcomes = {check.name: check.outcome for check in report.checks}
        assert outcomes["shuffled labels"] == outcomes["pure noise"] == "not run"
        assert "nothing was judged" in report.checks[0].not_run


def test_more_cuts_than_times_are_no_reason_to_skip(toy, one_market):
    short = {name: dataclasses.replace(bars, frame=bars.frame[:60])
             for name, bars in one_market.items()}  # fmt: skip
    every = dataclasses.replace(QUICK, truncations=50)
    report = detect_leaks(toy(), short, every, checks=DATA_CHECKS[:1])
    assert report.checks[0].outcome == "passed"


def test_features_of_the_price_level_are_warned_of(toy, columns_of, one_market):
    def with_price(market):
        return {s: columns_of(b).assign(price=b.frame["close"]) for s, b in market.items()}

    report = detect_leaks(toy(features=with_price), one_market, QUICK, checks=DATA_CHECKS)
    assert not report.leaking
    assert [f.check for f in report.findings] == ["price scale"]
    assert report.findings[0].sentence.startswith("`price` depend")


def test_stale_opens_are_warned_of_with_what_a_delay_costs(toy, columns_of, one_market):
    bars = one_market["FIRST"]
    frame = bars.frame.copy()
    # Prints that bounce between bid and ask around a slow price: the last move is taken back.
    side = np.random.default_rng(1).choice([-0.02, 0.02], len(frame))
    frame["close"] = 100.0 * np.exp(side)
    frame["open"] = frame["close"].shift(1).fillna(100.0)
    frame["high"] = frame[["open", "close"]].max(axis=1) * 1.001
    frame["low"] = frame[["open", "close"]].min(axis=1) * 0.999
    market = {"FIRST": dataclasses.replace(bars, frame=frame)}
    pipeline = toy(features=lambda m: {s: columns_of(b).fillna(0.0) for s, b in m.items()})
    report = detect_leaks(pipeline, market, QUICK)
    assert not report.leaking, report.sentence
    warned = {finding.check: finding for finding in report.findings}
    assert set(warned) == {"fills", "one-bar delay"}
    figures = warned["one-bar delay"].evidence
    assert figures["accuracy"] > 0.7
    assert figures["accuracy_delayed"] < 0.55


def test_report_is_json_and_a_page_with_the_offender_first(toy, one_market):
    planted = toy(scale=lambda v, parts: (v.mean(axis=0), v.std(axis=0)))
    report = detect_leaks(planted, one_market, QUICK, subject="a <toy>")
    stored = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert stored["verdict"] == "leak in scaling"
    assert stored["step"] == "scaling"
    assert stored["findings"][0]["evidence"]["parameters_moved"] > 0
    assert len(stored["checks"]) == len(CHECKS) + 1
    assert set(stored["examined"]) == set(STEPS) - {"rows", "selection"}
    page = leak_page(report)
    assert "Leak in scaling" in page
    assert "a &lt;toy&gt;" in page
    assert page.count("leaks first") == 1
    assert "<script" not in page


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        ({"cuts": 1}, "cuts is at least 2"),
        ({"truncations": 0}, "truncations is at least 1"),
        ({"noise_markets": 0}, "noise_markets is at least 1"),
        ({"most_bars": 100}, "most_bars is at least 500"),
        ({"error_rate": 0.5}, "error_rate lies in"),
    ],
)
def test_options_that_prove_nothing_are_refused(options, rule):
    with pytest.raises(ValueError, match=rule):
        LeakConfig(**options)
