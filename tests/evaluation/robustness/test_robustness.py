"""Robustness: every check finds what was built into the bars, and says so where nothing is."""

import json
import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from ultimate_deep.evaluation.backtesting.vectorised import (
    BacktestConfig,
    combine_backtests,
    run_backtest,
)
from ultimate_deep.evaluation.json_safe import json_safe
from ultimate_deep.evaluation.robustness.assessment import (
    RobustnessInputs,
    assess_robustness,
    random_draws,
)
from ultimate_deep.evaluation.robustness.capacity import capacity
from ultimate_deep.evaluation.robustness.costs import break_even_bps, cost_sweep
from ultimate_deep.evaluation.robustness.random_entry import random_entry
from ultimate_deep.evaluation.robustness.regimes import holm, market_state, regimes
from ultimate_deep.evaluation.robustness.sensitivity import delay_sensitivity, threshold_sensitivity
from ultimate_deep.evaluation.robustness.trade import Decisions, at_cost
from ultimate_deep.evaluation.robustness.win_rate import wilson_interval, win_rates
from ultimate_deep.evaluation.signals import signal_from_probability
from ultimate_deep.portfolio.costs import CostSpec

RULE = BacktestConfig(mode="long_short", costs=CostSpec(fee_bps=0.1, slippage_bps=0.1))


class PredictedBars:
    """Hourly bars whose next moves follow `probability` of up; one account over all symbols."""

    def __init__(self, *, rows=1500, seed=0, edge=0.3, symbols=1, spread=0.002, volume=1e4):
        self.rows, self.frames, parts = rows, [], []
        generator = np.random.default_rng(seed)
        for code in range(symbols):
            probability = np.clip(0.5 + edge * generator.uniform(-0.5, 0.5, rows), 0, 1)
            up = generator.random(rows) < probability
            move = np.where(up, 1, -1) * np.abs(generator.normal(0, spread, rows))
            price = 100 * np.exp(np.concatenate([[0, 0], np.cumsum(move)]))
            index = pd.date_range("2024-01-01", periods=rows + 2, freq="h", tz="UTC")
            columns = dict.fromkeys(("open", "high", "low", "close"), price)
            frame = pd.DataFrame(columns | {"volume": volume}, index=index)
            self.frames.append(frame)
            state = market_state(price[:rows], window_bars=24)
            parts.append(
                (
                    probability, up.astype(float), move,
                    (index[:rows] + pd.Timedelta("1h")).tz_localize(None).to_numpy(),
                    np.full(rows, code), state["trend"].to_numpy(), state["volatility"].to_numpy(),
                )
            )  # fmt: skip
        names = (
            "probability", "label", "return_log", "decision_time", "group", "trend", "volatility",
        )  # fmt: skip
        columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
        self.decisions = Decisions(**dict(zip(names, columns, strict=True)))

    def trade(self, signal, config):
        accounts = []
        for code, frame in enumerate(self.frames):
            wanted = np.append(signal[self.decisions.group == code], [np.nan, np.nan])
            accounts.append(run_backtest(frame, wanted, config, bars_per_year=8760.0))
        return combine_backtests(accounts)

    def signal(self, threshold=0.5, mode="long_short"):
        return signal_from_probability(self.decisions.probability, threshold, mode=mode)


@pytest.fixture(scope="module")
def market():
    return PredictedBars()


@pytest.fixture(scope="module")
def coin():
    return PredictedBars(edge=0.0, seed=3)


def test_costs_are_swept_and_the_break_even_cost_leaves_nothing(market):
    sweep = cost_sweep(market.trade, market.signal(), RULE, multiples=(0.0, 1.0, 2.0))
    assert_allclose(sweep.table["cost_bps"], [0.0, 0.2, 0.4])
    assert (np.diff(sweep.table["net_return"]) < 0).all()
    usual = market.trade(market.signal(), RULE)
    assert sweep.table["net_return"][1] == pytest.approx(usual.metrics["total_return"], rel=1e-12)
    left = market.trade(market.signal(), at_cost(RULE, sweep.break_even_bps))
    assert abs(left.metrics["mean_return_net_bps"]) < 1e-3
    assert f"{sweep.break_even_bps:.3g} bps" in sweep.sentence
    assert "fold" in sweep.sentence


def test_the_break_even_cost_of_one_round_trip_is_known():
    frame = pd.DataFrame(
        {"open": [100.0, 100.0, 102.0, 102.0]},
        index=pd.date_range("2024-01-01", periods=4, freq="h", tz="UTC"),
    )

    def trade(signal, config):
        return run_backtest(frame, signal, config, bars_per_year=8760.0)

    found = break_even_bps(trade, np.array([1.0, 0.0, 0.0, 0.0]), BacktestConfig())
    # ((1 - c) * 1.02 - 1) - c = 0
    assert found == pytest.approx(1e4 * 0.02 / 2.02, abs=2e-3)


def test_a_losing_and_an_idle_account_have_no_break_even_cost(market):
    against = cost_sweep(market.trade, -market.signal(), RULE, multiples=(1.0,))
    assert against.break_even_bps == 0.0
    assert "none is low enough" in against.sentence
    idle = cost_sweep(market.trade, np.zeros(market.rows), RULE, multiples=(1.0,))
    assert math.isnan(idle.break_even_bps)
    assert "never trades" in idle.sentence
    with pytest.raises(ValueError, match="multiples must not be negative"):
        cost_sweep(market.trade, market.signal(), RULE, multiples=(-1.0,))


def test_capacity_is_where_impact_has_eaten_the_net_return(market):
    found = capacity(market.trade, market.signal(), RULE, has_volume=True, capitals=(1e2, 1e6))
    assert found.impact_coefficient == 1.0
    assert found.table["net_return"][1] < found.table["net_return"][0]
    assert 1.0 < found.capital_half < found.capital_gone < math.inf
    costs = replace(RULE.costs, impact_coefficient=1.0)
    none = market.trade(market.signal(), RULE).metrics["mean_return_net_bps"]
    for capital, share in ((found.capital_half, 0.5), (found.capital_gone, 0.0)):
        account = market.trade(market.signal(), replace(RULE, costs=costs, capital=capital))
        left = account.metrics["mean_return_net_bps"]
        assert left == pytest.approx(share * none, abs=0.03 * none)


def test_without_volume_the_capacity_is_unknown_and_without_gain_there_is_none(market):
    unknown = capacity(market.trade, market.signal(), RULE, has_volume=False)
    assert not unknown.known
    assert len(unknown.table) == 0
    assert "unknown" in unknown.sentence
    losing = capacity(market.trade, -market.signal(), RULE, has_volume=True, capitals=(1e3,))
    assert math.isnan(losing.capital_half)
    assert "nothing to scale" in losing.sentence


def test_without_volume_before_the_first_fill_the_capacity_is_unknown():
    volume = np.full(202, 1e4)
    volume[:2] = 0.0
    market = PredictedBars(rows=200, volume=volume)
    assert market.trade(market.signal(), RULE).metrics["total_return"] > 0.0
    found = capacity(market.trade, market.signal(), RULE, has_volume=True)
    assert not found.known
    assert math.isnan(found.capital_half)
    assert "No volume was traded before the first fills" in found.sentence


def test_the_market_state_is_known_at_the_close():
    close = np.exp(np.cumsum(np.random.default_rng(0).normal(0, 0.01, 200)))
    whole = market_state(close, window_bars=20)
    moves = pd.Series(np.log(close)).diff()
    assert_allclose(whole["volatility"], moves.rolling(20).std(), rtol=1e-9)
    expected = moves.rolling(20).sum() / (moves.rolling(20).std() * math.sqrt(20))
    assert_allclose(whole["trend"], expected, rtol=1e-7, atol=1e-12)
    pd.testing.assert_frame_equal(market_state(close[:90], window_bars=20), whole[:90])
    assert market_state(np.ones(30), window_bars=5)["trend"].isna().all()


def test_an_edge_in_one_weekday_is_found_and_only_there():
    market = PredictedBars(rows=24 * 7 * 20, edge=0.0, seed=1)
    decided = pd.DatetimeIndex(market.decisions.decision_time)
    known = np.where(market.decisions.label == 1.0, 0.9, 0.1)
    probability = np.where(decided.day_of_week == 2, known, market.decisions.probability)
    decisions = replace(market.decisions, probability=probability)
    rule = BacktestConfig(mode="long_short", costs=CostSpec(fee_bps=0.0, slippage_bps=0.0))
    signal = signal_from_probability(probability, 0.55, mode="long_short")
    found = regimes(market.trade(signal, rule), decisions)
    days = found.table[found.table["kind"] == "weekday"].set_index("regime")
    assert days["survives"].tolist() == [day == "Wed" for day in days.index]
    assert days.loc["Wed", "accuracy"] == 1.0
    assert days.loc["Mon", "accuracy_lower"] < 0.5 < days.loc["Mon", "accuracy_upper"]
    assert "weekday Wed" in found.sentence
    assert found.edges_in_sample


def test_every_bar_and_decision_is_in_one_regime_of_each_kind(coin):
    account = coin.trade(coin.signal(), RULE)
    found = regimes(account, coin.decisions, volatility_edges=(0.001, 0.002))
    table = found.table
    assert list(dict.fromkeys(table["kind"])) == ["trend", "volatility", "hour", "weekday"]
    assert not found.edges_in_sample
    rows = table.groupby("kind")["rows"].sum()
    assert rows["hour"] == rows["weekday"] == coin.rows
    assert rows["trend"] == rows["volatility"] == coin.rows - 24
    bars = table.groupby("kind")["bars"].sum()
    assert bars["hour"] == bars["weekday"] == coin.rows + 1  # the first open is undecided
    hour = table[(table["kind"] == "hour") & (table["regime"] == "05:00")].iloc[0]
    mine = account.index.hour == 5  # decided at the close at 05:00, held from that open
    expected = 1e4 * account.return_net[mine & (np.arange(len(mine)) > 0)]
    # The last open has no decision of its own and belongs to the one before.
    assert hour["net_return_bps"] == pytest.approx(expected.mean(), abs=0.05)


def plain_decisions(times):
    """Decisions that say up and are right, without trend and volatility."""
    rows = len(times)
    return Decisions(
        probability=np.full(rows, 0.6),
        label=np.ones(rows),
        return_log=np.zeros(rows),
        decision_time=times,
    )


def test_one_weekday_at_one_hour_makes_no_regimes(coin):
    weekly = pd.date_range("2024-01-01", periods=40, freq="7D").to_numpy()
    found = regimes(coin.trade(coin.signal(), RULE), plain_decisions(weekly))
    assert found.table.empty
    assert "Too few bars" in found.sentence


def test_one_regime_is_told_in_the_singular(coin):
    mondays = coin.decisions.decision_time[4] + np.arange(40) * np.timedelta64(7, "D")
    times = np.sort(np.concatenate([mondays, mondays[:9] + np.timedelta64(1, "h")]))
    found = regimes(coin.trade(coin.signal(), RULE), plain_decisions(times))
    assert found.table["p_value"].notna().sum() == 1
    assert found.sentence == (
        "The one regime with enough bars has no net return that differs from zero."
    )


def test_chance_alone_survives_no_correction(coin):
    found = regimes(
        coin.trade(coin.signal(), replace(RULE, costs=CostSpec(fee_bps=0.0, slippage_bps=0.0))),
        coin.decisions,
    )
    assert not found.table["survives"].any()
    assert (found.table["p_value"] < 0.2).any()
    assert found.sentence.startswith(f"None of {len(found.table)} regimes has a net return")


def test_holm_agrees_with_statsmodels():
    p_values = np.random.default_rng(0).uniform(0, 0.2, 12)
    expected = multipletests(p_values, method="holm")[1]
    assert_allclose(holm(p_values), expected, rtol=1e-12)
    holed = holm(np.insert(p_values, 3, np.nan))
    assert_allclose(np.delete(holed, 3), expected, rtol=1e-12)
    assert math.isnan(holed[3])


def test_wilson_agrees_with_statsmodels():
    wins, trials = np.array([0, 3, 50, 9]), np.array([4, 7, 100, 9])
    lower, upper = wilson_interval(wins, trials, level=0.9)
    expected = [proportion_confint(w, n, 0.1, "wilson") for w, n in zip(wins, trials, strict=True)]
    assert_allclose(np.column_stack([lower, upper]), expected, atol=1e-12)
    assert np.isnan(wilson_interval(0, 0)[0])


def test_fewer_trades_win_more_where_the_forecast_is_calibrated(market):
    table = win_rates(market.decisions, RULE, threshold=0.55)
    assert table["chosen"].sum() == 1
    assert (np.diff(table["trades"]) <= 0).all()
    top, every = table[table["trades"] > 50].iloc[-1], table.iloc[0]
    assert top["win_rate"] > every["win_rate"]
    assert every["win_rate_lower"] < every["win_rate"] < every["win_rate_upper"]
    wider = win_rates(market.decisions, replace(RULE, horizon_bars=4), threshold=0.55).iloc[0]
    ratio = (wider["win_rate_upper"] - wider["win_rate_lower"]) / (
        every["win_rate_upper"] - every["win_rate_lower"]
    )
    assert ratio == pytest.approx(2.0, rel=0.01)  # a quarter of the trades are independent


def test_a_plateau_is_told_from_a_lonely_peak(market):
    plateau = threshold_sensitivity(market.trade, market.decisions, RULE, threshold=0.53)
    assert plateau.table["threshold"].is_monotonic_increasing
    assert plateau.table["chosen"].sum() == 1
    assert not plateau.lonely
    assert 0.6 < plateau.neighbours_share < 1.6

    def spiked(signal, config):
        chosen = np.array_equal(signal, market.signal(0.53))
        return market.trade(signal if chosen else -signal, config)

    lonely = threshold_sensitivity(spiked, market.decisions, RULE, threshold=0.53)
    assert lonely.lonely
    assert "Lonely peak" in lonely.sentence
    idle = threshold_sensitivity(market.trade, market.decisions, RULE, threshold=1.0)
    assert "trades nothing" in idle.sentence


def test_an_edge_of_one_bar_is_gone_a_bar_later(market):
    found = delay_sensitivity(market.trade, market.signal(), RULE, market.decisions)
    table = found.table
    assert table["delay_bars"].tolist() == [0, 1, 2]
    assert table["accuracy_lower"][0] > 0.5
    assert table["accuracy_lower"][1] < 0.5 < table["accuracy_upper"][1]
    assert found.gone == (table["net_return_bps"][1] <= 0)
    shifted = np.concatenate([[np.nan], market.signal()[:-1]])
    later = market.trade(shifted, RULE).metrics
    # The last decision is filled only where it is not delayed past the end.
    assert table["net_return_bps"][1] == pytest.approx(later["mean_return_net_bps"], abs=0.05)
    with pytest.raises(ValueError, match="delays must start at 0"):
        delay_sensitivity(market.trade, market.signal(), RULE, market.decisions, delays=(1,))


def test_a_delay_longer_than_the_part_leaves_nothing_to_judge():
    few = PredictedBars(rows=3)
    found = delay_sensitivity(few.trade, few.signal(), RULE, few.decisions, delays=(0, 5))
    assert math.isnan(found.table["accuracy"].iloc[1])
    assert found.table["trades"].iloc[1] == 0.0


def test_a_lasting_edge_survives_a_delay():
    market = PredictedBars(edge=0.0, rows=2000, seed=5)
    side = np.sign(np.sin(np.arange(2000) / 40.0)) * 0.2  # lasts for days
    probability = 0.5 + side
    move = side * 0.01 + np.random.default_rng(0).normal(0, 0.001, 2000)
    price = 100 * np.exp(np.concatenate([[0, 0], np.cumsum(move)]))
    for name in ("open", "close"):
        market.frames[0][name] = price
    decisions = replace(market.decisions, probability=probability, label=(move > 0).astype(float))
    signal = signal_from_probability(probability, 0.6, mode="long_short")
    found = delay_sensitivity(market.trade, signal, RULE, decisions)
    assert not found.gone
    assert found.share_left > 0.9
    assert "is left" in found.sentence or "is lost" in found.sentence


def test_random_entry_keeps_exposure_and_tells_skill_from_luck(market, coin):
    seen = []

    def watched(signal, config):
        seen.append(signal)
        return market.trade(signal, config)

    signal = market.signal(0.55)
    skilled = random_entry(watched, signal, RULE, draws=60, seed=1)
    assert skilled.p_net_return == pytest.approx(1 / 61)
    assert skilled.quantile == 1.0
    for drawn in seen:
        assert np.abs(drawn).sum() == np.abs(signal).sum()
    ahead = np.flatnonzero(np.diff(seen[0], append=seen[0][0]))
    assert len(ahead) == np.count_nonzero(np.diff(signal, append=signal[0]))
    again = random_entry(market.trade, signal, RULE, draws=60, seed=1)
    assert_allclose(again.drawn_sharpe, skilled.drawn_sharpe)
    lucky = random_entry(coin.trade, coin.signal(), RULE, draws=60)
    assert lucky.p_net_return > 0.02
    held = random_entry(market.trade, np.ones(market.rows), RULE, draws=19)
    assert held.p_net_return > 0.9  # always long has no timing
    idle = random_entry(market.trade, np.zeros(market.rows), RULE, draws=5)
    assert math.isnan(idle.p_net_return)
    assert "never trades" in idle.sentence


def test_random_entry_takes_each_move_once_where_there_are_few():
    few = PredictedBars(rows=5)
    found = random_entry(few.trade, np.array([0.0, 1.0, 0.0, 1.0, 1.0]), RULE, draws=500)
    assert found.draws == len(found.drawn_sharpe) == 4
    assert found.p_net_return >= 1 / 5  # five rows cannot say more
    single = random_entry(PredictedBars(rows=1).trade, np.ones(1), RULE, draws=500)
    assert single.p_net_return == 1.0


def test_symbols_are_shifted_together():
    market = PredictedBars(symbols=2, rows=300)
    codes = market.decisions.group
    seen = []

    def watched(signal, config):
        seen.append(signal)
        return market.trade(signal, config)

    once = np.zeros(600)
    once[[10, 310]] = 1.0
    random_entry(watched, once, RULE, group=codes, draws=20)
    for signal in seen:
        first, second = np.flatnonzero(signal)
        assert second - first == 300


@pytest.mark.parametrize("symbols", [1, 2])
def test_everything_at_once_is_strict_json(symbols):
    market = PredictedBars(symbols=symbols, rows=250)
    inputs = RobustnessInputs(
        trade=market.trade,
        config=RULE,
        decisions=market.decisions,
        threshold=0.52,
        has_volume=True,
        draws=19,
    )
    found = assess_robustness(inputs)
    text = json.dumps(json_safe(found), allow_nan=False)
    assert set(json.loads(text)) == {
        "costs", "capacity", "regimes", "thresholds", "delay", "random_entry", "win_rates",
    }  # fmt: skip
    assert all(sentence.endswith(".") for sentence in found.sentences.values())
    account = market.trade(market.signal(0.52), RULE).metrics
    assert found.delay.table["net_return"][0] == account["total_return"]
    chosen = found.thresholds.table["chosen"]
    assert found.thresholds.table["net_return"][chosen].item() == account["total_return"]


@pytest.mark.parametrize("case", ["no labels", "no trades", "two rows"])
def test_empty_parts_give_dashes_not_numbers(case):
    market = PredictedBars(rows=2 if case == "two rows" else 80)
    decisions, threshold = market.decisions, 1.0 if case == "no trades" else 0.5
    if case == "no labels":
        nothing = np.full(80, math.nan)
        decisions = replace(decisions, label=nothing, probability=nothing, return_log=nothing)
    found = assess_robustness(
        RobustnessInputs(
            trade=market.trade, config=RULE, decisions=decisions, threshold=threshold, draws=5
        )
    )
    json.dumps(json_safe(found), allow_nan=False)
    if case == "no labels":
        assert found.delay.table["accuracy"].isna().all()
        assert len(found.win_rates) == 1


def test_the_draws_are_bounded():
    assert [random_draws(rows) for rows in (0, 100, 10_000, 1_000_000)] == [500, 500, 200, 49]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"label": np.full(3, 0.5)}, "label must be 0, 1 or NaN"),
        ({"probability": np.full(3, 2.0)}, "probability must lie"),
        ({"group": np.zeros(2, dtype=int)}, "one length"),
        ({"decision_time": np.arange(3)}, "datetime64 in UTC"),
    ],
)
def test_bad_decisions_are_named(changes, message):
    good = {
        "probability": np.full(3, 0.5),
        "label": np.ones(3),
        "return_log": np.zeros(3),
        "decision_time": np.arange(3).astype("datetime64[h]"),
    }
    with pytest.raises(ValueError, match=message):
        Decisions(**(good | changes))


def test_a_sweep_of_high_costs_leaves_out_what_no_account_could_pay():
    def trade(signal, config):
        return run_backtest(frame, signal, config, bars_per_year=8760.0)

    frame = pd.DataFrame(
        {"open": 100.0 + np.arange(50.0)}, index=pd.date_range("2020", periods=50, freq="h")
    )
    config = BacktestConfig(costs=CostSpec(fee_bps=2_000.0))
    sweep = cost_sweep(trade, np.ones(50), config)
    assert sweep.table["cost_bps"].max() < 5_000
    assert sweep.cost_bps == 2_001.0
