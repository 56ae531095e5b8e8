"""A small whole pipeline in NumPy, honest by default, each of whose steps a test can replace."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from ultimate_deep.evaluation.leaks.trace import Trace
from ultimate_deep.market.bars import Bars
from ultimate_deep.market.config import LabelSpec, SplitSpec
from ultimate_deep.market.labels import make_labels
from ultimate_deep.market.simulator import simulate_bars
from ultimate_deep.market.splits import chronological_split
from ultimate_deep.market.times import close_times, open_times


def honest_columns(bars: Bars) -> pd.DataFrame:
    """Six causal features, NaN in their warm-up."""
    frame = bars.frame
    change = np.log(frame["close"]).diff()
    spread = (frame["high"] - frame["low"]).replace(0.0, np.nan)
    return pd.DataFrame(
        {
            "return_1": change,
            "return_5": change.rolling(5).sum(),
            "volatility": change.rolling(20).std(),
            "deviation": frame["close"] / frame["close"].rolling(20).mean() - 1.0,
            "volume": np.log(frame["volume"] / frame["volume"].rolling(20).mean()),
            "place": ((frame["close"] - frame["low"]) / spread).fillna(0.5),
        }
    )


def honest_features(market) -> dict[str, pd.DataFrame]:
    return {symbol: honest_columns(bars) for symbol, bars in market.items()}


def robust(values, parts):
    train = values[parts["train"]]
    return np.median(train, axis=0), train.std(axis=0)


@dataclass(frozen=True)
class Toy:
    """Bars to signals. Every default is honest."""

    label: LabelSpec = field(default_factory=LabelSpec)
    split_spec: SplitSpec = field(default_factory=SplitSpec)
    features: Callable = honest_features
    labels: Callable | None = None  # (frame, spec) -> Labels
    end_shift_bars: int = 0  # how much too early label ends are declared
    resplit: Callable | None = None  # (decision, end, parts) -> parts
    declared_embargo: int | None = None
    select: Callable | None = None  # (values, labels, parts) -> columns
    rows: Callable | None = None  # (values, parts) -> values
    scale: Callable = robust  # (values, parts) -> center, scale
    transform: Callable | None = None  # (scaled, parts) -> scaled
    fit_on: tuple[str, ...] = ("train",)
    stop_on: str = "validation"
    temperature_on: str = "validation"
    threshold_on: str = "validation"
    smooth: Callable | None = None  # probability of test rows -> probability
    noise: Callable | None = None  # () -> value added to the weights

    def __call__(self, market, *, until="signals", relabel=None) -> Trace:
        fields = self._assemble(market)
        if until == "labels":
            return Trace(**fields)
        decision, end = fields["decision_time"], fields["label_end_time"]
        interval = next(iter(market.values())).interval
        split = chronological_split(decision, end, self.split_spec, interval=interval)
        parts = {name: getattr(split, name) for name in ("train", "validation", "test")}
        if self.resplit is not None:
            parts = self.resplit(decision, end, parts)
        embargo = self.declared_embargo
        fields |= parts | {
            "embargo_bars": self.split_spec.embargo_bars if embargo is None else embargo
        }
        labels, values = fields["labels"], fields["features"]
        if relabel is not None:
            labels = relabel(labels, parts)
        if self.rows is not None:
            values = fields["changed_features"] = self.rows(values, parts)
        if self.select is not None:
            columns = self.select(values, labels, parts)
            fields["selected"] = tuple(fields["names"][column] for column in columns)
            values = values[:, columns]
        center, scale = self.scale(values, parts)
        scaled = np.clip((values - center) / scale, -5.0, 5.0)
        if self.transform is not None:
            scaled = self.transform(scaled, parts)
        fields |= {"scaler": {"center": center, "scale": scale}, "scaled": scaled}
        if until == "scaling":
            return Trace(**fields)
        return Trace(**fields, **self._fit(scaled, labels, parts))

    def _assemble(self, market):
        columns = self.features(market)
        kept = []
        for code, (symbol, bars) in enumerate(market.items()):
            table = columns[symbol]
            labels = (self.labels or make_labels)(bars.frame, self.label)
            opens, known = open_times(bars), close_times(bars)
            step = bars.interval.to_timedelta64()
            end = np.where(
                labels.exit_row >= 0,
                opens[np.maximum(labels.exit_row, 0)],
                opens[-1] + step * (self.label.horizon_bars + 1),
            )
            end = end - self.end_shift_bars * step
            usable = np.flatnonzero(np.isfinite(table.to_numpy()).all(axis=1))
            kept.append((code, table.to_numpy()[usable], labels.values, end, known, usable))
        return {
            "symbols": tuple(market),
            "symbol_code": np.concatenate([np.full(len(k[5]), k[0]) for k in kept]),
            "decision_time": np.concatenate([k[4][k[5]] for k in kept]),
            "names": tuple(next(iter(columns.values())).columns),
            "features": np.concatenate([k[1] for k in kept]),
            "labels": np.concatenate([k[2][k[5]] for k in kept]),
            "label_end_time": np.concatenate([k[3][k[5]] for k in kept]),
        }

    def _fit(self, scaled, labels, parts):
        """Logistic regression by gradient steps; the best step by the loss of `stop_on` is kept."""
        x = np.column_stack([np.ones(len(scaled)), scaled])

        def known(*names):
            rows = np.concatenate([parts[name] for name in names])
            rows = rows[np.isfinite(labels[rows])]
            return x[rows], labels[rows]

        x_fit, y_fit = known(*self.fit_on)
        x_stop, y_stop = known(self.stop_on)
        weights = np.zeros(x.shape[1])
        best, least = weights, np.inf
        for _ in range(60):
            weights = weights - x_fit.T @ (expit(x_fit @ weights) - y_fit) / len(y_fit)
            logit = x_stop @ weights
            loss = np.mean(np.logaddexp(0.0, logit) - y_stop * logit)
            if loss < least:
                best, least = weights, loss
        if self.noise is not None:
            best = best + self.noise()
        x_warm, y_warm = known(self.temperature_on)
        grid = np.geomspace(0.1, 50.0, 80)
        losses = [np.mean(np.logaddexp(0, x_warm @ best / t) - y_warm * (x_warm @ best) / t)
                  for t in grid]  # fmt: skip
        temperature = float(grid[np.argmin(losses)])
        probability = np.full(len(x), np.nan)
        for name in ("train", "validation", "test"):
            probability[parts[name]] = expit(x[parts[name]] @ best / temperature)
        chosen = parts[self.threshold_on]
        sure = np.abs(probability[chosen] - 0.5)
        right = (probability[chosen] >= 0.5) == (labels[chosen] > 0.5)
        candidates = np.quantile(sure, np.linspace(0.0, 0.9, 30))
        gains = [np.sum(np.where(right, 1.0, -1.0)[sure >= least]) for least in candidates]
        threshold = float(0.5 + candidates[int(np.argmax(gains))])
        if self.smooth is not None:
            probability[parts["test"]] = self.smooth(probability[parts["test"]])
        signal = np.full(len(x), np.nan)
        test = probability[parts["test"]]
        signal[parts["test"]] = (test >= threshold) * 1.0 - (test <= 1.0 - threshold)
        return {
            "weights": (best,),
            "temperature": temperature,
            "threshold": threshold,
            "probability": probability,
            "signal": signal,
        }


@pytest.fixture(scope="session")
def toy() -> type[Toy]:
    """The pipeline."""
    return Toy


@pytest.fixture(scope="session")
def columns_of() -> Callable[[Bars], pd.DataFrame]:
    """The honest features of one symbol."""
    return honest_columns


@pytest.fixture(scope="session")
def one_market() -> dict[str, Bars]:
    """One simulated symbol with an edge, 1,200 bars."""
    return {"FIRST": simulate_bars(1_200, seed=3, edge=0.08).bars}


@pytest.fixture(scope="session")
def two_markets() -> dict[str, Bars]:
    """Two simulated symbols, 800 bars each, with an edge in the first."""
    first = simulate_bars(800, seed=3, edge=0.08).bars
    second = simulate_bars(800, seed=4).bars
    return {"FIRST": first, "SECOND": second}
