"""What `import ultimate_deep as ud` gives beside the classes; the tests run every example."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from ultimate_deep.experiments import given
from ultimate_deep.machine.fields import fitted
from ultimate_deep.machine.places import check_places
from ultimate_deep.market.config import DataConfig, LabelSpec
from ultimate_deep.pipeline.config import ExperimentConfig
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
    AnyFills = AnyBars | str | Path | Sequence[str | Path]


def run(
    config: ExperimentConfig | None = None,
    *,
    bars: AnyBars | None = None,
    fills: AnyFills | None = None,
    steps: Steps | None = None,
    net: keras.Model | None = None,
    tried: int = 1,
    resume: bool = False,
    progress: bool = True,
) -> Run:
    """Walk from bars to a verdict: train, judge, report and save.

    Args:
        config: The experiment; the ultimate net on simulated bars by default.
        bars: Judged instead of those that `config.data` names; a DataFrame of irregular bars where
            `config.data.bars` says so.
        fills: Finer bars of the same market, or their files, that orders are filled from in place
            of the opens and of what `config.data.fills` names.
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
        PlaceError: The folder of the runs cannot be written.
        TypeError: An argument of another kind, or a step that returns something else.
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
    config = given.given_config(config)
    given.check_flags(resume=resume, progress=progress)
    tried = given.given_count("tried", tried)
    load_backend_once()
    from ultimate_deep.experiments.run import run_experiment
    from ultimate_deep.market.market import given_market

    finer = given.given_fills(fills)
    if isinstance(finer, tuple):  # kept with the run, so that its backtest finds them
        data = dataclasses.replace(config.data, fills=finer)
        config, finer = dataclasses.replace(config, data=data), None
    if finer is not None and bars is None:
        raise ValueError(
            "fills that are no file go with bars that are none either, got fills and no bars; give "
            "bars=read_bars(...), or the name of a file: fills='1m.csv'"
        )
    return run_experiment(
        config,
        _progress(progress),
        resume=resume,
        steps=given.given_steps(steps),
        market=None if bars is None else given_market(bars, config.data, finer),
        net=given.given_net(net),
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
    return _bundle(given.given_folder(folder))


def predict(bundle: AnyBundle | str | Path, bars: AnyBars) -> pd.DataFrame:
    """Return what a saved model says of bars: one row for each bar that has all inputs.

    Args:
        bundle: What `load` gives, or its folder.
        bars: Bars of one or several symbols. A last one that is not over yet is left out, with a
            warning, as is said where bars are of another length than the model's.

    Returns:
        Columns `symbol`, `timestamp`, `decision_time`, `probability_up`, `signal`, and what
        further heads say.

    Example:
        >>> import ultimate_deep as ud
        >>> table = ud.predict("artifacts/latest", ud.simulate_bars(1_000))
        >>> list(table.columns)
        ['symbol', 'timestamp', 'decision_time', 'probability_up', 'signal']
    """
    from ultimate_deep.bundles.predicting import (
        closed_bars,
        length_notes,
        market_of,
        predict_bars,
    )

    loaded = _bundle(bundle)
    market, open_bars = closed_bars(market_of(loaded, bars))
    for note in (*length_notes(loaded, market), *open_bars):
        warnings.warn(note, stacklevel=2)
    return predict_bars(loaded, market)


def backtest(
    bundle: AnyBundle | str | Path,
    bars: AnyBars | None = None,
    *,
    period: given.Period = "test",
    fills: AnyFills | None = None,
) -> Rejudged:
    """Backtest a saved model after costs, with its run's own threshold and rules.

    Args:
        bundle: What `load` gives, or its folder.
        bars: Those of the run by default.
        period: `test` takes the bars from the run's test part on, `all` also those it knows.
        fills: Finer bars, or their files, that orders are filled from; on the run's own bars those
            of the run by default, on others the opens.

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
    period = given.given_period(period)
    from ultimate_deep.experiments.judging.rejudged import backtest_bundle

    check_places()
    from ultimate_deep.bundles.predicting import bundle_config, bundle_data, market_of
    from ultimate_deep.market.market import filled_from, load_market

    loaded, finer, data = _bundle(bundle), given.given_fills(fills), DataConfig()
    market = None if bars is None else market_of(loaded, bars)
    if isinstance(finer, tuple):
        data = DataConfig(fills=finer)
    elif finer is not None:
        market = market or load_market(bundle_data(loaded, data), bundle_config(loaded).label)
        market = filled_from(market, finer)
    return backtest_bundle(loaded, data, period, market=market)


def judge(
    probabilities: Given,
    bars: AnyBars,
    horizon_bars: int = 1,
    *,
    trained_until: str | pd.Timestamp,
    fills: AnyFills | None = None,
    threshold: float = 0.5,
    costs: CostSpec | Mapping[str, Any] = CostSpec(),
    capital: float = 100_000.0,
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
        fills: Finer bars of the same market, or their files, that orders are filled from in place
            of the opens.
        threshold: Least probability of the side taken.
        costs: Costs of trading and holding.
        capital: What the account starts with, in the price's currency; its orders move the price.
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
        TypeError: An argument of another kind.
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

    given.check_flags(baselines=baselines, progress=progress)
    horizon = given.given_count("horizon_bars", horizon_bars)
    costs, mode = given.given_costs(costs), given.given_mode(mode)
    asked: dict[str, Any] = {
        "label": LabelSpec(horizon_bars=horizon),
        "backtest": BacktestConfig(mode=mode, costs=costs, horizon_bars=horizon, capital=capital),
        "threshold": given.given_threshold(threshold),
        "session": given.given_session(session),
        "name": given.given_text("name", name, example="predictions"),
        "features": given.given_names("features", features),
        "artifacts": given.given_text("artifacts", artifacts, example="artifacts"),
        "tried": given.given_count("tried", tried),
        "seed": given.given_seed(seed),
        "trained_until": given.given_time("trained_until", trained_until),
        "fills": given.given_fills(fills),
    }
    check_places()
    from ultimate_deep.experiments.judging.foreign import judge_predictions

    shown = _progress(progress)
    return judge_predictions(probabilities, bars, baselines=baselines, progress=shown, **asked)


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
    name = given.given_text("name", name, example="lstm")
    preset = given.given_text("preset", preset, example="default")
    options = fitted("options", options, dict[str, Any] | None, default=None)
    fields = given.given_names("fields", fields) or ()
    shapes = given.given_inputs(inputs)
    from ultimate_deep.experiments.tuning.hypermodel import NetHyperModel

    predicted = given.given_heads(heads)
    return NetHyperModel(name, shapes, predicted, preset=preset, options=options, fields=fields)


def _bundle(bundle: AnyBundle | str | Path) -> AnyBundle:
    if not isinstance(bundle, (str, Path)):
        return given.given_bundle(bundle)
    load_backend_once()
    from ultimate_deep.bundles.bundle import load_any

    return load_any(bundle)


def _progress(shown: bool) -> Progress:
    return make_progress(Console()) if shown else Progress()
