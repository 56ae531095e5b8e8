"""What a saved bundle says about bars: a prediction for each."""

from __future__ import annotations

import dataclasses
import html
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pandas as pd

from ultimate_deep.bundles.predictor import Predictor
from ultimate_deep.evaluation.signals import signal_from_probability
from ultimate_deep.features import FeatureMatrix
from ultimate_deep.market.bars import Bars
from ultimate_deep.market.config import BarKind, DataConfig
from ultimate_deep.market.labels import horizon_bars_of
from ultimate_deep.market.market import Market, as_market
from ultimate_deep.market.times import utc_index, utc_times
from ultimate_deep.pipeline.config import ExperimentConfig, config_from_dict
from ultimate_deep.pipeline.inputs.tables import RowInputs
from ultimate_deep.pipeline.rows import (
    FeatureFunction,
    Rows,
    assemble_rows,
    decision_columns,
    stated_interval,
)

if TYPE_CHECKING:  # predicting needs none of it
    from ultimate_deep.bundles.uncertainty import Uncertainty


# Irregular bars whose median lengths differ by less are taken to be of one making.
LENGTHS_ALIKE = 2.0


class OneModel(Protocol):
    """What a bundle of one model tells of it."""

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Features in the model's order."""

    @property
    def predictor(self) -> Predictor:
        """The model behind one interface."""

    def readings(self, market: Market, rows: Rows) -> RowInputs:
        """Return its inputs of all rows, to be cut out of those that are complete."""


class AnyBundle(Protocol):
    """What a bundle of any kind holds and answers: one model's, or an ensemble's."""

    @property
    def folder(self) -> Path:
        """Where it was loaded from."""

    @property
    def config(self) -> dict[str, Any]:
        """What the run was asked to do."""

    @property
    def metrics(self) -> dict[str, Any]:
        """What came out."""

    @property
    def manifest(self) -> dict[str, Any]:
        """Schema, versions, revision, fingerprint and files."""

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Every feature that it reads."""

    @property
    def temperature(self) -> np.ndarray:
        """Of each horizon, float64 `(horizons,)`."""

    @property
    def threshold(self) -> float:
        """Least probability of the side taken."""

    @property
    def predictor(self) -> Predictor:
        """The model behind one interface."""

    @property
    def members(self) -> Mapping[str, OneModel]:
        """The models in it by name: itself alone, or those of an ensemble."""

    @property
    def combined_features(self) -> tuple[str, ...]:
        """Features that are read beside the members' logits; none of one model."""

    def combined(self, logits: np.ndarray, features: np.ndarray) -> np.ndarray:
        """Return one forecast of all members, not calibrated, float32 `(rows, horizons)`.

        Args:
            logits: Those of each member, `(members, rows, horizons)`.
            features: Those of `combined_features`, not scaled, `(rows, features)`.
        """

    def compute_features(
        self, frame: pd.DataFrame, *, interval: str | pd.Timedelta | None = None
    ) -> FeatureMatrix:
        """Compute the features that it reads from bars of one symbol."""

    def predict_proba(self, bars: pd.DataFrame | Bars | Market) -> pd.DataFrame:
        """Return the probability of down and up for each bar of one symbol."""

    def predict(self, bars: pd.DataFrame | Bars | Market) -> pd.Series:
        """Return 1 for up and 0 for down for each bar of one symbol."""

    def row_outputs(
        self, market: Market, rows: Rows, among: np.ndarray | None = None
    ) -> dict[str, np.ndarray]:
        """Return everything that it says of rows of these bars."""

    def row_uncertainty(
        self, market: Market, rows: Rows, *, passes: int
    ) -> tuple[Uncertainty, np.ndarray]:
        """Return how unsure it is of the rows that it can predict, and those rows' numbers."""


class AnswersBars:
    """What bundles of any kind share: they answer as a scikit-learn estimator does."""

    def __repr__(self: AnyBundle) -> str:
        model = self.config.get("model", {}).get("name", self.predictor.kind)
        verdict = (self.metrics.get("verdict") or {}).get("kind", "not judged")
        return (
            f"<bundle {self.folder.name}: {model} on {len(self.feature_names)} features, "
            f"{verdict}, {self.folder}>"
        )

    def _repr_html_(self: AnyBundle) -> str:
        return f"<p>{html.escape(repr(self))}</p>"

    def predict_proba(self: AnyBundle, bars: pd.DataFrame | Bars | Market) -> pd.DataFrame:
        """Return the probability of down and up for each bar, known at its close.

        Args:
            bars: Bars of one symbol: a DataFrame of bars, or what `read_bars` gives.

        Returns:
            Columns `down` and `up`, indexed as the bars are; NaN where an input is missing, such
            as in the warm-up of the features.
        """
        market = market_of(self, bars)
        symbol = market.only()
        rows = assemble_rows(market, bundle_config(self).label, features_of(self, market))
        up = np.full(len(market[symbol]), np.nan)
        up[rows.bar_row] = row_probability(self, market, rows)
        own = market[symbol]
        found = pd.DataFrame({"down": 1.0 - up, "up": up}, index=own.index)
        if not isinstance(bars, pd.DataFrame):
            return found
        if own.closes is not None and not own.opens_known:
            found.index = own.closes
        # A table's own index is kept, whatever its zone or kind.
        times = bars.get("timestamp", bars.index)
        return found.reindex(utc_index(utc_times(pd.Index(times)))).set_axis(bars.index, axis=0)

    def predict(self: AnyBundle, bars: pd.DataFrame | Bars | Market) -> pd.Series:
        """Return 1 for up and 0 for down, whichever is likelier, indexed as the bars are.

        Args:
            bars: Bars as for `predict_proba`.

        Returns:
            Nullable integers, missing where an input is. What would be traded, at the bundle's
            threshold, is the `signal` of `ultimate_deep.predict`.
        """
        up = self.predict_proba(bars)["up"]
        return (up >= 0.5).astype("Int8").where(up.notna()).rename("prediction")


def bundle_config(bundle: AnyBundle) -> ExperimentConfig:
    """Return the configuration of the run that wrote the bundle."""
    return config_from_dict(bundle.config)


def merge_data(given: DataConfig, stored: DataConfig) -> DataConfig:
    """Return the data options: those given, and the run's own where nothing was given."""
    return dataclasses.replace(stored, **_changed(given))


def _changed(given: DataConfig) -> dict[str, Any]:
    default = DataConfig()
    return {
        field.name: getattr(given, field.name)
        for field in dataclasses.fields(DataConfig)
        if getattr(given, field.name) != getattr(default, field.name)
    }


def bundle_data(bundle: AnyBundle, given: DataConfig) -> DataConfig:
    """Return where a bundle's bars come from: as given, and else as its run had it.

    Of finer bars there are none: nothing is traded (`bundles.judged_bars` is for what trades).

    Raises:
        ValueError: The run's bars were given in Python, so no file of them is known; or finer bars
            were given.
    """
    given.refuse_fills()
    metrics, stored = bundle.metrics, bundle_config(bundle).data
    if trained_kind(bundle) == "irregular":
        stamp = next(iter(metrics["data"].values()))["stamp"]
        stored = dataclasses.replace(stored, bars="irregular", stamp=stamp)
    data = dataclasses.replace(merge_data(given, stored), fills=())
    unknown = metrics.get("bars_given", metrics.get("simulated") is False)
    simulation = any(name.startswith("simulat") for name in _changed(given))
    if unknown and not data.paths and not simulation:
        raise ValueError(
            f"the bars of {bundle.folder.name} were given in Python and no file of them is known; "
            "name it, as in --data.path bars.csv, or in Python give bars="
        )
    return data


def row_probability(
    bundle: AnyBundle, market: Market, rows: Rows, among: np.ndarray | None = None
) -> np.ndarray:
    """Return the calibrated probability of up of the traded horizon, float64 `(rows,)`.

    Args:
        bundle: The model to ask.
        market: Bars by symbol.
        rows: Rows made by `bundle.compute_features`.
        among: Row numbers to speak of, in order, NaN in the others; None is all.
    """
    return bundle.row_outputs(market, rows, among)["probability"][:, 0]


def length_notes(bundle: AnyBundle, market: Market) -> tuple[str, ...]:
    """Say where bars are of another length than those that the model was trained on."""
    stored = bundle.metrics["data"].values()
    trained = {data["interval_seconds"] for data in stored}
    seconds = market.interval.total_seconds()
    if trained_kind(bundle) == "irregular" or market.irregular:
        return _irregular_notes(bundle, market, sorted(trained))
    if seconds in trained:
        return ()
    lengths = ", ".join(f"{length:g} s" for length in sorted(trained))
    longer = [length for length in sorted(trained) if length > seconds and not length % seconds]
    remedy = f"; put them together with --data.resample {longer[0]:g}s" if longer else ""
    return (
        f"these bars are {seconds:g} s long and the model was trained on bars of {lengths}: its "
        f"features mean something else here{remedy}",
    )


def _irregular_notes(bundle: AnyBundle, market: Market, trained: list[float]) -> tuple[str, ...]:
    """Say where bars are of another kind than the model's, or of quite another length."""
    ours, seconds = market.interval.total_seconds(), ", ".join(f"{one:g} s" for one in trained)
    if not market.irregular:
        what = f"{ours:g} s long and the model was trained on irregular bars"
    elif trained_kind(bundle) != "irregular":
        what = f"irregular and the model was trained on bars of {seconds}"
    elif all(max(ours, one) > LENGTHS_ALIKE * min(ours, one) for one in trained):
        what = f"{ours:g} s long in the median and those that the model was trained on {seconds}"
    else:
        return ()
    return (f"these bars are {what}: its features mean something else here",)


def trained_kind(bundle: AnyBundle) -> BarKind:
    """Return whether a bundle was trained on bars of one length; older ones all were."""
    stored = bundle.metrics.get("data", {}).values()
    return "irregular" if any(data.get("irregular", False) for data in stored) else "regular"


def market_of(bundle: AnyBundle, bars: pd.DataFrame | Bars | Market) -> Market:
    """Return bars as a market; those of a table are taken to be of the kind of the bundle's."""
    if not isinstance(bars, pd.DataFrame) or trained_kind(bundle) == "regular":
        return as_market(bars)
    stored = next(iter(bundle.metrics["data"].values()))
    return as_market(bars, kind="irregular", stamp=stored["stamp"])


def closed_bars(market: Market, now: pd.Timestamp | None = None) -> tuple[Market, tuple[str, ...]]:
    """Leave out bars that are not over yet: their high, low and close still move.

    Args:
        market: Bars by symbol.
        now: The time; that of the machine by default.

    Returns:
        The bars that are over, and a sentence for each symbol that had others.

    Raises:
        ValueError: A symbol of which less than two bars are over.
    """
    now = pd.Timestamp.now("UTC") if now is None else now
    notes, kept = [], {}
    for symbol, bars in market.bars.items():
        over = np.asarray((bars.closes if bars.closes is not None else bars.index + bars.interval)
                          <= now)  # fmt: skip
        kept[symbol] = bars
        if over.all():
            continue
        if over.sum() < 2:
            raise ValueError(
                f"{symbol}: the bars from {bars.index[0]} on are not over at {now:%Y-%m-%d %H:%M} "
                "UTC; look at their times and zone, or wait"
            )
        kept[symbol] = bars.keep(over)
        many, last = int((~over).sum()), bars.index[~over][0]
        what = f"the bar of {last} is" if many == 1 else f"{many:,} bars from {last} on are"
        if bars.closes is not None and many == 1 and bars.closes[-1] is pd.NaT:
            notes.append(
                f"{symbol}: no bar opens after that of {last}, which may not be over: it is left "
                "out; add the bar that follows, or give times that are closes: stamp=close"
            )
            continue
        notes.append(f"{symbol}: {what} not over yet and left out")
    if not notes:
        return market, ()
    further = {symbol: frame.loc[kept[symbol].index] for symbol, frame in market.further.items()}
    truth = market.probability_up and {
        symbol: up[: len(kept[symbol])] for symbol, up in market.probability_up.items()
    }
    return Market(kept, truth, further), tuple(notes)


def features_of(bundle: AnyBundle, market: Market) -> FeatureFunction:
    """Return how the features that a model reads are computed of a market's bars."""
    interval = stated_interval(market)
    return lambda frame: bundle.compute_features(frame, interval=interval)


def predict_bars(bundle: AnyBundle, market: Market) -> pd.DataFrame:
    """Return one row for each bar that has all inputs, by symbol and time.

    Columns: `symbol`, `timestamp` (the bar's open, UTC), `decision_time` (its close, when the
    prediction is known), `probability_up` (calibrated, for the run's label), `signal` (-1, 0 or 1
    at the bundle's threshold and mode, to be filled at the next bar's open); and of further heads
    `probability_up_4_bars` for each further horizon and `quantile_0.1_4_bars` for each quantile, in
    units of the return's recent size.

    Raises:
        BundleError: These bars do not allow a feature that the model needs.
    """
    config = bundle_config(bundle)
    rows = assemble_rows(market, config.label, features_of(bundle, market))
    outputs = bundle.row_outputs(market, rows)
    probability = outputs["probability"][:, 0]
    table = pd.DataFrame(
        {
            **decision_columns(market, rows, slice(None)),
            "probability_up": probability,
            "signal": signal_from_probability(
                probability, bundle.threshold, mode=config.backtest.mode
            ),
            **_further_columns(outputs, config, None if market.irregular else market.interval),
        }
    )
    known = table[np.isfinite(probability)].reset_index(drop=True)
    return known.astype({"signal": np.int64})


def _further_columns(
    outputs: dict[str, np.ndarray], config: ExperimentConfig, interval: pd.Timedelta | None
) -> dict[str, np.ndarray]:
    """Return what the heads beside the traded one say, by column."""
    further = [horizon_bars_of(one, interval) for one in config.heads.further_horizons]
    bars = (config.label.horizon_bars, *further)[: outputs["probability"].shape[1]]
    columns = {
        f"probability_up_{count}_bars": outputs["probability"][:, place]
        for place, count in enumerate(bars)
        if place
    }
    for place, count in enumerate(bars if "quantiles" in outputs else ()):
        for number, level in enumerate(config.heads.quantiles):
            columns[f"quantile_{level:g}_{count}_bars"] = outputs["quantiles"][:, place, number]
    return columns
