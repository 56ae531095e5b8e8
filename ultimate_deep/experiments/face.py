"""What `import ultimate_deep as ud` gives beside the classes; the tests run every example."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from rich.console import Console

from ultimate_deep.market.config import DataConfig, LabelSpec
from ultimate_deep.market.simulation_spec import SimulationSpec
from ultimate_deep.pipeline.config import ExperimentConfig, built
from ultimate_deep.portfolio.costs import CostSpec
from ultimate_deep.portfolio.mode import Mode
from ultimate_deep.training.backend import load_backend_once
from ultimate_deep.training.progress import Progress, make_progress

if TYPE_CHECKING:  # each function imports what it needs: reading bars does not wait for nets
    import keras
    import pandas as pd

    from ultimate_deep.bundles.predicting import AnyBundle
    from ultimate_deep.experiments.judging.foreign import Given, JudgedPredictions
    from ultimate_deep.experiments.judging.rejudged import Rejudged
    from ultimate_deep.experiments.run import Run
    from ultimate_deep.experiments.tuning.hypermodel import NetHyperModel
    from ultimate_deep.market.bars import Bars, Session
    from ultimate_deep.market.market import Market
    from ultimate_deep.models.heads import Heads
    from ultimate_deep.pipeline.steps import Steps

    AnyBars = Market | Bars | pd.DataFrame


def read_bars(
    path: str | Path | Sequence[str | Path],
    *,
    format: str = "auto",
    symbol: str | None = None,
    interval: str | None = None,
    session: Session | None = None,
    timezone: str | None = None,
    price_scale: float | None = None,
    repair: Literal["raise", "drop"] = "raise",
) -> Market:
    """Read the bars of one or several symbols.

    Args:
        path: A CSV or Parquet file (CSV also as gz or zip), several, or a folder of them.
        format: Format of the files; `auto` finds it.
        symbol: Names all that is read; else a column or the file's name does.
        interval: Interval of the bars, such as `1h`; else the most common difference of their
            times.
        session: `continuous`, `weekdays` or `exchange`; else found from the times.
        timezone: IANA name of what times without a zone mean.
        price_scale: Prices in the file are this many times the price.
        repair: `raise` refuses bad rows, `drop` drops and reports them.

    Returns:
        Bars by symbol: `bars["BTCUSD"].frame` is a DataFrame.

    Raises:
        BarsError: Bars that break a rule, with the rule, the row, the value and the remedy.
        FileNotFoundError: There is no such file.

    Example:
        >>> import ultimate_deep as ud
        >>> from ultimate_deep.market.readers import write_bars
        >>> path = write_bars(ud.simulate_bars(600)["SIMULATED"], "bars.csv")
        >>> bars = ud.read_bars("bars.csv", symbol="MINE")
        >>> bars
        <market: MINE 600 bars of 1 hour, 2000-01-01 to 2000-01-25>
        >>> list(bars.frame().columns)
        ['open', 'high', 'low', 'close', 'volume']
    """
    paths = (path,) if isinstance(path, (str, Path)) else path
    if not isinstance(paths, Sequence) or not paths:
        raise ValueError(
            f"path names a file, a folder or several files, got {type(path).__name__}; a DataFrame "
            "is not read but given as it is, to run, judge or compute_features"
        )
    data = DataConfig(
        path=tuple(map(str, paths)), format=format, symbol=symbol, interval=interval,
        session=session, timezone=timezone, price_scale=price_scale, repair=repair,
    )  # fmt: skip
    from ultimate_deep.market.market import load_market

    return load_market(data, LabelSpec())


def simulate_bars(
    rows: int = 20_000,
    *,
    edge: float = 0.1,
    seed: int = 7,
    interval: str = "1h",
    horizon_bars: int = 1,
    simulation: SimulationSpec | Mapping[str, Any] = SimulationSpec(),
) -> Market:
    """Simulate a market whose answer is known.

    Args:
        rows: Bars of each symbol.
        edge: Accuracy, minus one half, of one who knows the rules; 0 for a market without any.
        seed: Same seed, same bars.
        interval: Interval of the bars.
        horizon_bars: Bars over which the edge is had.
        simulation: What the market is made of: signal, jumps, regimes, assets.

    Returns:
        Bars by symbol; `probability_up` is the truth of each bar.

    Example:
        >>> import ultimate_deep as ud
        >>> bars = ud.simulate_bars(1_000, edge=0.2)
        >>> bars
        <simulated market: SIMULATED 1,000 bars of 1 hour, 2000-01-01 to 2000-02-11>
        >>> truth = bars.probability_up["SIMULATED"]  # NaN where the horizon ends after the bars
        >>> bool((truth[:-2] > 0.6).any())
        True
    """
    from ultimate_deep.market.market import load_market

    spec: Any = simulation
    if isinstance(simulation, Mapping):
        spec = built(SimulationSpec, simulation, "simulation")
    data = DataConfig(
        simulated_rows=rows, simulated_edge=edge, simulated_interval=interval,
        simulated_seed=seed, simulation=spec,
    )  # fmt: skip
    return load_market(data, LabelSpec(horizon_bars=horizon_bars))


def run(
    config: ExperimentConfig | None = None,
    *,
    bars: AnyBars | None = None,
    steps: Steps | None = None,
    net: keras.Model | None = None,
    tried: int = 1,
    resume: bool = False,
    progress: bool = True,
) -> Run:
    """Walk from bars to a verdict: train, judge, report and save.

    Args:
        config: The experiment; the ultimate net on simulated bars by default.
        bars: Judged instead of those that `config.data` names.
        steps: What is done otherwise than usual: own features, labels, split, scaler, threshold.
        net: A net that was trained elsewhere on what the experiment prepares; it is judged and
            saved as it is.
        tried: How many configurations that net was chosen from, such as
            `len(tuner.oracle.trials)`: the verdict corrects for all of them.
        resume: Go on with the newest unfinished run in `config.artifacts`.
        progress: Whether progress is shown.

    Returns:
        The run: `verdict`, `figures`, `equity`, `trades`, and the paths `report` and `folder`.

    Raises:
        ValueError: Bad bars or configuration.

    Example:
        >>> import ultimate_deep as ud
        >>> config = ud.ExperimentConfig(
        ...     model={"name": "hist_gradient_boosting", "preset": "tiny"},
        ...     features={"names": ["return_log_1", "return_log_2", "return_log_3"]},
        ...     baselines=False,
        ... )
        >>> bars = ud.simulate_bars(3_000, edge=0.3, simulation={"signal": "linear"})
        >>> done = ud.run(config, bars=bars, progress=False)
        >>> done.verdict.kind
        'edge'
        >>> done.figures["model"]["accuracy"] > 0.6
        True
        >>> done.report.exists()
        True
    """
    load_backend_once()
    from ultimate_deep.experiments.run import run_experiment
    from ultimate_deep.pipeline.steps import Steps

    return run_experiment(
        config or ExperimentConfig(),
        _progress(progress),
        resume=resume,
        steps=steps or Steps(),
        market=None if bars is None else _market(bars),
        net=net,
        tried=tried,
    )


def load(folder: str | Path) -> AnyBundle:
    """Load what a run has saved, after every file's hash was checked.

    Args:
        folder: Such as `artifacts/latest`.

    Returns:
        The bundle: `predict`, `predict_proba`, `config`, `metrics`, `threshold`.

    Raises:
        BundleError: A file is missing, changed or unreadable.

    Example:
        >>> import ultimate_deep as ud
        >>> bundle = ud.load("artifacts/latest")
        >>> bundle.predict(ud.simulate_bars(1_000)).tail(2).tolist()
        [1, 1]
    """
    return _bundle(folder)


def predict(bundle: AnyBundle | str | Path, bars: AnyBars) -> pd.DataFrame:
    """Return what a saved model says of bars: one row for each bar that has all inputs.

    Args:
        bundle: What `load` gives, or its folder.
        bars: Bars of one or several symbols.

    Returns:
        Columns `symbol`, `timestamp`, `decision_time`, `probability_up`, `signal`, and what
        further heads say.

    Example:
        >>> import ultimate_deep as ud
        >>> table = ud.predict("artifacts/latest", ud.simulate_bars(1_000))
        >>> list(table.columns)
        ['symbol', 'timestamp', 'decision_time', 'probability_up', 'signal']
    """
    from ultimate_deep.bundles.predicting import predict_bars

    return predict_bars(_bundle(bundle), _market(bars))


def backtest(
    bundle: AnyBundle | str | Path,
    bars: AnyBars | None = None,
    *,
    period: Literal["test", "all"] = "test",
) -> Rejudged:
    """Backtest a saved model after costs, with its run's own threshold and rules.

    Args:
        bundle: What `load` gives, or its folder.
        bars: Those of the run by default.
        period: `test` takes the bars from the run's test part on, `all` also those it knows.

    Returns:
        The backtest: `figures`, `equity`, `trades`, `notes`.

    Example:
        >>> import ultimate_deep as ud
        >>> bars = ud.simulate_bars(3_000, edge=0.3, simulation={"signal": "linear"})
        >>> result = ud.backtest("artifacts/latest", bars)
        >>> result.differing
        ()
        >>> len(result.trades) > 10
        True
    """
    from ultimate_deep.experiments.judging.rejudged import backtest_bundle

    market = None if bars is None else _market(bars)
    return backtest_bundle(_bundle(bundle), DataConfig(), period, market=market)


def judge(
    probabilities: Given,
    bars: AnyBars,
    horizon_bars: int = 1,
    *,
    trained_until: str | pd.Timestamp,
    threshold: float = 0.5,
    costs: CostSpec | Mapping[str, Any] = CostSpec(),
    mode: Mode = "long_flat",
    session: Session | None = None,
    name: str = "predictions",
    baselines: bool = True,
    features: Sequence[str] | None = None,
    artifacts: str | Path = "artifacts",
    tried: int = 1,
    seed: int = 0,
    progress: bool = False,
) -> JudgedPredictions:
    """Ask of anybody's predictions, from any library, whether they are real.

    Judged as a run is; the verdict counts how often these bars were judged before.

    Args:
        probabilities: Probability of up for each bar, known at its close: a Series indexed by the
            bars' opening times, NaN for no prediction; for several symbols a dict of them, or a
            Series indexed by symbol and time.
        bars: What `read_bars` gives, or a DataFrame; from before the end of training on.
        horizon_bars: Bars that a prediction looks ahead: from the next bar's open on.
        trained_until: Opening time of the last bar that training saw as a row. Base rate and
            baselines come from the bars up to it. Predictions for those bars, and for the bars
            that the labels of training reach, are refused.
        threshold: Least probability of the side taken.
        costs: Costs of trading and holding.
        mode: `long_flat` or `long_short`.
        session: When the market of a DataFrame trades; else found from the times.
        name: What the predictions are called.
        baselines: Whether baselines are fitted; they need features, so some hundred earlier bars.
        features: Names of the features that they read; every one that the bars allow by default.
        artifacts: Folder whose own ledger is counted too.
        tried: How many models or settings these predictions were chosen from: the verdict corrects
            for all of them.
        seed: Seed of every draw.
        progress: Whether progress is shown.

    Returns:
        What was found: `verdict`, `figures`, `equity`, `trades`, `report(path)`, `save(folder)`.

    Raises:
        ValueError: Predictions that are none, or that know too much; naming them and a remedy.

    Example:
        >>> import ultimate_deep as ud
        >>> bars = ud.simulate_bars(2_000, edge=0.3)
        >>> frame = bars.frame()
        >>> truth = bars.probability_up["SIMULATED"]
        >>> import pandas as pd
        >>> mine = pd.Series(truth, index=frame.index)[1_001:-2]
        >>> found = ud.judge(mine, bars, trained_until=frame.index[999], baselines=False)
        >>> found.verdict.kind
        'edge'
        >>> found.report("r.html").name
        'r.html'
    """
    from ultimate_deep.evaluation.backtesting.config import BacktestConfig
    from ultimate_deep.experiments.judging.foreign import judge_predictions

    spec: Any = built(CostSpec, costs, "costs") if isinstance(costs, Mapping) else costs
    return judge_predictions(
        probabilities,
        bars,
        trained_until=trained_until,
        label=LabelSpec(horizon_bars=horizon_bars),
        backtest=BacktestConfig(mode=mode, costs=spec, horizon_bars=horizon_bars),
        threshold=threshold,
        session=session,
        name=name,
        baselines=baselines,
        features=features,
        artifacts=str(artifacts),
        tried=tried,
        seed=seed,
        progress=_progress(progress),
    )


def hypermodel(
    name: str,
    *,
    inputs: Mapping[str, tuple[int | None, ...]],
    heads: Heads | None = None,
    preset: str = "default",
    options: Mapping[str, Any] | None = None,
    fields: tuple[str, ...] = (),
) -> NetHyperModel:
    """Return a net with its search space as a `keras_tuner.HyperModel`.

    Args:
        name: Name of the model.
        inputs: Input name to shape without batch.
        heads: Horizons to predict; one direction by default.
        preset: Whose options hold where nothing is searched.
        options: Options that are held fixed.
        fields: What is searched, such as `model.width`; all that the model declares by default.

    Returns:
        For `keras_tuner.Hyperband(ud.hypermodel(...), ...)`. `experiment(best)` gives the
        experiment with what was chosen, and `run(experiment, net=tuned)` saves the tuned net.

    Example:
        >>> import keras_tuner
        >>> import ultimate_deep as ud
        >>> hyper = ud.hypermodel("mlp", inputs={"features": (8,)}, fields=("model.dropout_rate",))
        >>> hyper
        <hypermodel mlp: searches dropout_rate>
        >>> net = hyper.build(keras_tuner.HyperParameters())
        >>> net.output_shape
        (None, 1)
    """
    from ultimate_deep.experiments.tuning.hypermodel import NetHyperModel

    return NetHyperModel(name, inputs, heads, preset=preset, options=options, fields=fields)


def _bundle(bundle: AnyBundle | str | Path) -> AnyBundle:
    if not isinstance(bundle, (str, Path)):
        return bundle
    load_backend_once()
    from ultimate_deep.bundles.bundle import load_any

    return load_any(bundle)


def _market(bars: AnyBars) -> Market:
    from ultimate_deep.market.market import as_market

    return as_market(bars)


def _progress(shown: bool) -> Progress:
    return make_progress(Console()) if shown else Progress()
