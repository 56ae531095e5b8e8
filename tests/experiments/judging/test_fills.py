"""What opens leave open, finer bars of the same market settle: either way."""

import io
import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

import ultimate_deep as ud
from ultimate_deep.evaluation.backtesting.config import BacktestConfig
from ultimate_deep.experiments.exploring.config import ExplorationConfig
from ultimate_deep.experiments.exploring.exploration import explore
from ultimate_deep.experiments.summary import render_backtest
from ultimate_deep.machine.interrupts import Interrupted
from ultimate_deep.market.market import Market
from ultimate_deep.pipeline.steps import Steps
from ultimate_deep.portfolio.stops import StopSpec
from ultimate_deep.training.progress import Progress

pytestmark = pytest.mark.usefixtures("plain_figures")

ROWS, END = 3_000, 1_000  # the last bar that training saw
PARTS = 6  # finer bars in each bar
BAR = 8e-4  # standard deviation of an hour's log return of the mid


def stale_market(
    rows: int,
    seed: int,
    *,
    half: float = 8e-4,
    drift: float = 0.0,
    quiet: float = 0.3,
) -> tuple[pd.DataFrame, pd.DataFrame, np.ndarray]:
    """Return hours, ten minutes within them, and what drives the bars' returns.

    Trades are at bid or ask of a walk, by coin; every open is the last close.

    Args:
        rows: Bars.
        seed: Same seed, same bars.
        half: Half of the spread.
        drift: Size of what is drawn for each hour and moves its mid, in standard deviations.
        quiet: Share of the finer bars without a trade.
    """
    draw, many = np.random.default_rng(seed), rows * PARTS
    wave = draw.normal(size=rows)
    step = BAR / np.sqrt(PARTS) * draw.normal(size=many)
    step += np.repeat(drift * wave, PARTS) * BAR / PARTS
    prints = np.cumsum(step) + half * draw.choice([-1.0, 1.0], many)
    traded = draw.random(many) >= quiet
    traded[0] = True
    last = np.maximum.accumulate(np.where(traded, np.arange(many), 0))
    close = 100.0 * np.exp(prints[last])
    opened = np.append(100.0, close[:-1])
    volume = np.where(traded, 1e6, 0.0)
    times = pd.date_range("2020-01-01", periods=many, freq="10min", tz="UTC", name="timestamp")
    finer = pd.DataFrame(
        {
            "open": opened, "high": np.maximum(opened, close), "low": np.minimum(opened, close),
            "close": close, "volume": volume,
        },
        index=times,
    )  # fmt: skip
    whole = {"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum"}
    return finer.resample("1h").agg(whole), finer, wave


def judged(bars, probability, fills, folder):
    mine = pd.Series(probability, bars.index)[END + 2 : -2]
    return ud.judge(
        mine, bars, trained_until=bars.index[END], fills=fills, baselines=False,
        mode="long_short", artifacts=folder,
    )  # fmt: skip


@pytest.fixture(scope="module")
def bounce():
    """Trades at bid or ask of a walk, and the guess that the last move is taken back."""
    bars, finer, _ = stale_market(ROWS, 1)
    last = np.log(bars["close"]).diff().fillna(0.0).to_numpy()
    return bars, finer, 0.5 - 0.2 * np.tanh(last / 1e-3)


@pytest.fixture(scope="module")
def foreseen():
    """The same market with a drift of one bar, which is known at its opening."""
    bars, finer, wave = stale_market(ROWS, 1, drift=1.0)
    return bars, finer, 1.0 / (1.0 + np.exp(-0.8 * np.append(wave[1:], 0.0)))


def test_a_bounce_that_opens_let_pass_is_no_gain_when_filled(bounce, tmp_path):
    bars, finer, guess = bounce
    open_fills = judged(bars, guess, None, tmp_path)
    assert open_fills.verdict.kind == "cannot tell yet"
    assert "finer bars of the same market (--data.fills 1m.csv)" in open_fills.verdict.sentence
    found = judged(bars, guess, finer, tmp_path)
    assert found.verdict.kind == "forecasts, but not at a price you get"
    assert found.verdict.net_return.upper < 0.0
    assert found.verdict.evidence.from_finer_bars > 0.995
    assert found.verdict.evidence.repeated_opens < 0.25
    said = found.verdict.answers[2]
    assert said.sentence.startswith("Orders are filled from finer bars (")
    # What is predicted is the same; another price of the fills is another look, as costs are.
    assert found.verdict.accuracy.estimate == open_fills.verdict.accuracy.estimate
    assert (open_fills.verdict.readings, found.verdict.readings) == (1, 2)
    assert judged(bars, guess, finer, tmp_path).verdict.readings == 2


def test_an_edge_of_one_bar_that_opens_hide_is_found_when_filled(foreseen, tmp_path):
    bars, finer, guess = foreseen
    assert judged(bars, guess, None, tmp_path).verdict.kind == "cannot tell yet"
    found = judged(bars, guess, finer, tmp_path)
    assert found.verdict.kind == "edge"
    page = found.report(tmp_path / "r.html").read_text()
    rule = "Decided at each close, filled at the close of the first finer bar after the next open"
    assert rule in page
    assert "bars, fills" in page
    assert found.judge.market.fills["bars"].digest[:12] in page


def test_orders_in_hours_without_finer_bars_wait(foreseen, tmp_path):
    """Who knows which bars they leave out could live on those: their orders must wait."""
    bars, finer, guess = foreseen
    found = judged(bars, guess, finer[finer.index.hour < 18], tmp_path)
    assert found.verdict.evidence.from_finer_bars == pytest.approx(0.75, abs=0.01)
    assert 0.25 < found.verdict.evidence.repeated_opens < 0.45
    assert found.verdict.kind == "edge"
    waited = found.verdict.evidence.patient
    assert 0.0 < waited.lower < found.verdict.net_return.lower
    assert "which may be no trade to be had; where those orders wait for another one" in (
        found.verdict.answers[2].sentence
    )
    page = found.report(tmp_path / "r.html").read_text()
    assert f"after the next open ({found.verdict.evidence.from_finer_bars:.1%} of bars; the" in page


def test_both_engines_fill_alike(bounce, tmp_path):
    bars, finer, guess = bounce
    judge = judged(bars, guess, finer, tmp_path).judge
    signal = np.sign(guess[END + 2 : -2] - 0.5)
    plain = judge.trade(signal)
    # Far enough away to be met by nothing, so that the other engine trades the same.
    far = replace(judge.config, stops=StopSpec(stop_loss=0.9))
    assert far.path_dependent
    assert not BacktestConfig().path_dependent
    np.testing.assert_allclose(judge.trade(signal, None, far).equity, plain.equity, rtol=1e-9)
    fills = judge.market.traded_frame("bars")["open"]
    trades = plain.trades
    assert len(trades) > 100
    np.testing.assert_array_equal(trades["entry_price"], fills.loc[trades["entry_time"]])
    np.testing.assert_array_equal(trades["exit_price"], fills.loc[trades["exit_time"]])
    assert plain.index.equals(bars.index[END + 2 : END + 2 + len(plain.index)])


def shown_text(result):
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(render_backtest(result))
    return console.export_text()


@pytest.fixture(scope="module")
def files(bounce, tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    bars, finer, _ = bounce
    bars.to_csv(folder / "hours.csv")
    finer.to_csv(folder / "ten.csv")
    return folder


@pytest.fixture(scope="module")
def ran(files):
    config = ud.ExperimentConfig(
        model={"name": "hist_gradient_boosting", "preset": "tiny"},
        features={"names": ["return_log_1", "return_log_2"]},
        data={"path": str(files / "hours.csv"), "symbol": "S"},
        artifacts=str(files / "runs"),
        baselines=False,
    )
    return ud.run(config, fills=files / "ten.csv", progress=False)


def test_a_run_keeps_what_filled_its_orders(ran, files):
    metrics = json.loads((ran.folder / "metrics.json").read_text())
    digest = ran.prepared.market.fills_digest
    assert len(digest) == 64
    assert metrics["fills"] == digest
    config = json.loads((ran.folder / "config.json").read_text())
    assert config["data"]["fills"] == [str(files / "ten.csv")]
    again = ud.backtest(ran.folder)
    assert again.same_bars
    assert again.differing == ()
    assert again.judgement.metrics == ran.outcome.model.metrics
    # The same bars from Python too, since it is the bars that tell.
    frame = ud.read_bars(files / "hours.csv", symbol="S")
    assert ud.backtest(ran.folder, frame).judgement.metrics == ran.outcome.model.metrics
    assert len(ud.predict(ran.folder, frame)) > 1_000


def test_other_bars_are_filled_at_their_opens_and_gone_files_are_named(ran, files):
    frame = ud.read_bars(files / "hours.csv", symbol="S").frame()
    other = ud.backtest(ran.folder, frame[:-1])
    assert not other.judge.market.fills
    assert any("here at the opens; name its finer bars" in note for note in other.notes)
    finer = pd.read_csv(files / "ten.csv", index_col=0, parse_dates=True)
    given = ud.backtest(ran.folder, frame[:-1], fills=finer)
    assert given.judge.market.fills
    later = finer[finer.index >= "2020-02-01"]
    partly = ud.backtest(ran.folder, fills=later)
    assert "orders of the run were filled from other finer bars" in partly.notes
    assert partly.differing == ()
    assert partly.same_bars
    assert not partly.repeats_run
    assert "reproduced" not in shown_text(partly)
    assert "reproduced" in shown_text(ud.backtest(ran.folder))
    moved = (files / "ten.csv").rename(files / "elsewhere.csv")
    try:
        with pytest.raises(FileNotFoundError, match="were filled from are gone: no file or folder"):
            ud.backtest(ran.folder)
        found = ud.backtest(ran.folder, fills=moved)
        assert found.judgement.metrics == ran.outcome.model.metrics
        assert len(ud.predict(ran.folder, frame)) > 1_000  # which trades nothing
    finally:
        moved.rename(files / "ten.csv")


def test_a_run_does_not_go_on_with_other_fills(ran, files, tmp_path, monkeypatch):
    finer = pd.read_csv(files / "ten.csv", index_col=0, parse_dates=True)
    finer.to_csv(tmp_path / "ten.csv")
    data = replace(ran.prepared.config.data, fills=str(tmp_path / "ten.csv"))
    config = replace(ran.prepared.config, data=data, artifacts=str(tmp_path / "runs"))

    def stopped(*given, **options):
        raise KeyboardInterrupt

    with monkeypatch.context() as context:
        context.setattr("ultimate_deep.experiments.run.evaluate", stopped)
        with pytest.raises(Interrupted):
            ud.run(config, progress=False)
    with pytest.raises(ValueError, match=r"cannot be resumed with other settings: data\.fills is"):
        ud.run(config, fills=files / "ten.csv", resume=True, progress=False)
    finer[finer.index.hour < 23].to_csv(tmp_path / "ten.csv")
    with pytest.raises(ValueError, match="or the finer ones that fill its orders"):
        ud.run(config, resume=True, progress=False)
    finer.to_csv(tmp_path / "ten.csv")
    done = ud.run(config, resume=True, progress=False)
    assert done.outcome.model.metrics == ran.outcome.model.metrics


def test_fills_that_cannot_be_kept_or_are_none_are_refused(ran, files, bounce, tmp_path):
    finer = pd.read_csv(files / "ten.csv", index_col=0, parse_dates=True)
    with pytest.raises(ValueError, match="fills that are no file go with bars that are none"):
        ud.run(ran.prepared.config, fills=finer, progress=False)
    with pytest.raises(TypeError, match="fills are what read_bars gives, a DataFrame"):
        ud.run(ran.prepared.config, bars=finer, fills=3, progress=False)
    for wrong, error, said in ((5, TypeError, "fills are"), ([], ValueError, "fills must name a")):
        with pytest.raises(error, match=said):
            judged(bounce[0], bounce[2], wrong, tmp_path)
    with pytest.raises(ValueError, match="the step `bars` has left out what orders are filled at"):
        ud.prepare(ran.prepared.config, steps=Steps(bars=lambda market: Market(dict(market.bars))))


def test_what_trades_nothing_refuses_fills(ran, files):
    config = ExplorationConfig(data=ran.prepared.config.data)
    with pytest.raises(ValueError, match="nothing is traded here, got"):
        explore(config, Progress())
    bars = ud.read_bars(files / "hours.csv", symbol="S", fills=files / "ten.csv")
    assert bars.fills_digest == ran.prepared.market.fills_digest
    assert "Orders are filled at the close" in bars.told[-1]
