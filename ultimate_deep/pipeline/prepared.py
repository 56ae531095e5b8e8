"""From bars to what training and judging need, before any model exists."""

from __future__ import annotations

import dataclasses
import html
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from sklearn.preprocessing import RobustScaler

from ultimate_deep.features.judging.outliers import RobustLimits
from ultimate_deep.machine.duration import Stopwatch
from ultimate_deep.market.labels import horizon_bars_of
from ultimate_deep.market.market import Market, load_market
from ultimate_deep.market.splits import Split
from ultimate_deep.pipeline.choosing import LeftOut, useful_features
from ultimate_deep.pipeline.config import ExperimentConfig, HeadConfig
from ultimate_deep.pipeline.inputs.config import InputConfig
from ultimate_deep.pipeline.inputs.tables import (
    FEATURES,
    InputTables,
    RowInputs,
    check_timeframes,
    input_tables,
    scaled_inputs,
)
from ultimate_deep.pipeline.judge import Judge, majority_up
from ultimate_deep.pipeline.rows import (
    Rows,
    assemble_rows,
    check_feature_names,
    feature_function,
    keep_features,
)
from ultimate_deep.pipeline.scaling import ArrayScaler
from ultimate_deep.pipeline.steps import Steps
from ultimate_deep.training.arrays import Arrays
from ultimate_deep.training.progress import Progress

PARTS = ("train", "validation", "test")


@dataclass(frozen=True, eq=False, repr=False)
class Prepared:
    """All that training and judging need, before any model exists.

    Args:
        config: The experiment; `inputs` is resolved to what the model reads on these bars.
        market: Bars by symbol.
        rows: Pooled rows of all symbols.
        split: Row numbers of the three parts, of rows that have all inputs.
        scaler: Scaler fitted on the labelled training rows.
        scaled: Scaled features of all rows, float32 `(rows, features)`.
        inputs: What the model is fed, of all rows.
        steps: How it was done, and how the rest is to be.
        bars_given: Whether the bars were given in Python, so that the configuration names none.
        left_out: Features that the training part had no use for.
        limits: Between which values inputs are clipped before they are scaled, by the name of the
            input; empty where nothing is clipped.
        seconds: What each step took that led here, by name and in order.
    """

    config: ExperimentConfig
    market: Market
    rows: Rows
    split: Split
    scaler: RobustScaler
    scaled: np.ndarray
    inputs: RowInputs
    steps: Steps = Steps()
    bars_given: bool = False
    left_out: LeftOut = LeftOut()
    limits: Mapping[str, RobustLimits] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)

    def __repr__(self) -> str:
        rows = {name: f"{len(self.labelled(name)):,}" for name in PARTS}
        shapes = ", ".join(f"{name} {shape}" for name, shape in self.inputs.shapes.items())
        return (
            f"<prepared for {self.config.model.name}: {rows['train']} rows to train, "
            f"{rows['validation']} to validate, {rows['test']} to test; {shapes}>"
        )

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(repr(self))}</p>"

    def part(self, name: str) -> np.ndarray:
        """Return the row numbers of `train`, `validation` or `test`."""
        return getattr(self.split, name)

    @property
    def complete(self) -> np.ndarray:
        """Row numbers that have all inputs: not the first ones of a window."""
        return np.flatnonzero(self.inputs.tables.complete)

    def labelled(self, name: str) -> np.ndarray:
        """Return the row numbers of a part of which everything that is learnt is known."""
        part = self.part(name)
        return part[np.isfinite(self.learnt[part]).all(axis=1)]

    @cached_property
    def learnt(self) -> np.ndarray:
        """Labels of every horizon, `(rows, horizons)`; NaN in rows that nothing is learnt from."""
        return learnt_labels(self.rows, self.config)

    def arrays(self, name: str) -> Arrays:
        """Return inputs and labels of a part's labelled rows."""
        chosen = self.labelled(name)
        labels = self.learnt[chosen].astype(np.float32)
        targets = self.rows.targets
        if targets is None:
            return Arrays(x=self.inputs.take(chosen), y=labels)
        returns = targets.return_log[chosen].astype(np.float32)
        scale = targets.return_scale[chosen].astype(np.float32)
        if not learns_returns(self.config):
            return Arrays(x=self.inputs.take(chosen), y=labels)
        return Arrays(x=self.inputs.take(chosen), y=labels, returns=returns, return_scale=scale)

    def judge(self, name: str) -> Judge:
        """Return the judge of a part's rows."""
        return Judge(
            self.market,
            self.rows,
            part=self.part(name),
            backtest=self.config.backtest,
            majority_up=self.majority_up,
        )

    @property
    def majority_up(self) -> bool | None:
        """Whether most training labels are up; None where none has a side."""
        return majority_up(self.rows.labels[self.labelled("train")])


def prepare(
    config: ExperimentConfig,
    progress: Progress,
    *,
    market: Market | None = None,
    steps: Steps = Steps(),
) -> Prepared:
    """Walk from bars to scaled parts.

    Args:
        config: The experiment, with `inputs.kind` as its model reads it.
        progress: Told what happens.
        market: These bars instead of the configured ones.
        steps: What is done otherwise than usual.

    Raises:
        ValueError: Bad bars, an unknown feature, too few rows for the split, or inputs of a kind
            that nobody has resolved.
    """
    _check_resolved(config)  # before the bars are read
    if steps.features is None:
        check_feature_names(config.features.names, "features.names")
    if config.inputs.kind == "timeframes":
        names = config.inputs.coarse_features
        check_feature_names(names, "inputs.coarse_features", of_coarse=True)
    watch = Stopwatch()
    if market is None:
        market = _load(config, progress)
        watch.passed("reading bars" if config.data.paths else "simulating bars")
    count = sum(len(bars.frame) for bars in market.bars.values())
    with progress.busy(f"computing features of {count:,} bars"):
        market, rows = assemble(config, market, steps)
    if rows.dropped:
        progress.message(f"left out {len(rows.dropped)} features: {_reasons(rows.dropped)}")
    split = steps.split(rows, config.split, market.interval)
    prepared = prepare_rows(config, market, rows, split, steps)
    for line in prepared.left_out.lines():
        progress.message(line)
    watch.passed("features")
    return dataclasses.replace(prepared, seconds=watch.seconds)


def assemble(config: ExperimentConfig, market: Market, steps: Steps) -> tuple[Market, Rows]:
    """Walk from bars to pooled rows, before any split; the market is what `steps.bars` made."""
    if steps.bars is not None:
        filled = bool(market.fills)
        market = steps.bars(market)
        if filled and not market.fills:
            raise ValueError(
                "the step `bars` has left out what orders are filled at, got bars without fills; "
                "let it return dataclasses.replace(market, bars=...), each bar in its place, or "
                "leave data.fills out"
            )
    market.check_common_times()
    check_timeframes(market, config.inputs.kind, config.inputs)
    names = config.features.names or None
    compute = steps.features or feature_function(market, names)
    horizons = horizons_bars(config, market)
    return market, assemble_rows(market, config.label, compute, steps.labels, horizons)


def prepare_rows(
    config: ExperimentConfig, market: Market, rows: Rows, split: Split, steps: Steps = Steps()
) -> Prepared:
    """Change and select rows where the steps say so, then scale: all that follows a split.

    Raises:
        ValueError: No training row has a label and all inputs.
    """
    if steps.rows is not None:
        rows = steps.rows(rows, split)
    if steps.select is not None:
        rows = keep_features(rows, steps.select(rows, split))
    config = dataclasses.replace(config, inputs=resolved_inputs(config, rows))
    tables = model_tables(config, market, rows)
    return _scaled(config, market, rows, split, steps, tables)


def _scaled(
    config: ExperimentConfig,
    market: Market,
    rows: Rows,
    split: Split,
    steps: Steps,
    tables: InputTables,
) -> Prepared:
    """Leave out rows without all inputs, then learn from the training part alone.

    Which features are useful, between which limits they are kept, and how they are scaled.
    """
    split = _complete(split, tables.complete)
    learnt = learnt_labels(rows, config)
    train = split.train[np.isfinite(learnt[split.train]).all(axis=1)]
    if train.size == 0:
        if not any((bars.frame["close"].diff()[1:] != 0.0).any() for bars in market.bars.values()):
            raise ValueError(
                f"no price moves in the bars of {', '.join(market.bars)}, so that nothing has a "
                "label; give bars whose close moves"
            )
        raise ValueError(
            f"no training row has all inputs and a label under {config.label}; narrow the cost "
            "band, change the rule for ties, or shorten the windows"
        )
    chosen, horizon = config.features, config.label.horizon_bars
    rows, left_out = useful_features(rows, train, chosen, horizon_bars=horizon)
    limits, clipped, multiple = None, rows.values, chosen.clip_multiple
    if multiple is not None:
        limits = RobustLimits.fit(rows.values, train, names=rows.names, multiple=multiple)
        clipped = limits.apply(rows.values)
    scaler = steps.scale(clipped, train)
    scaled = ArrayScaler.from_sklearn(scaler, limits).transform(rows.values)
    inputs = scaled_inputs(tables, scaled, train, clip_multiple=multiple)
    return Prepared(
        config, market, rows, split, scaler, scaled, inputs, steps, left_out=left_out,
        limits=inputs.limits if limits is None else {FEATURES: limits} | inputs.limits,
    )  # fmt: skip


def with_split(prepared: Prepared, split: Split) -> Prepared:
    """Return the same rows in other parts; what is learnt, is learnt on the new training part.

    That part may have a use for other features than the old one.

    Raises:
        ValueError: Rows were changed or selected for the old split, so they must be prepared anew.
    """
    steps = prepared.steps
    if steps.rows is not None or steps.select is not None:
        raise ValueError(
            "rows that a step changed or selected for one split cannot serve another; prepare "
            "without `rows` and `select`, then give the steps to `prepare_rows` for each split"
        )
    # What the model reads of the bars does not depend on the split.
    tables, rows = prepared.inputs.tables, prepared.left_out.put_back(prepared.rows)
    return _scaled(prepared.config, prepared.market, rows, split, steps, tables)


def with_model(prepared: Prepared, config: ExperimentConfig) -> Prepared:
    """Return the same rows and split for another model, label and bars being the same.

    Args:
        prepared: Data prepared for another model.
        config: Configuration that differs in model, inputs and training alone.
    """
    rows = prepared.left_out.put_back(prepared.rows)
    return prepare_rows(config, prepared.market, rows, prepared.split, prepared.steps)


def horizons_bars(config: ExperimentConfig, market: Market) -> tuple[int, ...]:
    """Return every horizon in bars, the label's first; empty where the label alone is learnt.

    Raises:
        ValueError: A horizon that is no whole number of bars, or one that comes twice.
    """
    heads = config.heads
    if heads == HeadConfig() and not learns_returns(config):
        return ()
    length = None if market.irregular else market.interval
    further = tuple(horizon_bars_of(one, length) for one in heads.further_horizons)
    bars = (config.label.horizon_bars, *further)
    if len(set(bars)) < len(bars):
        raise ValueError(
            f"horizons differ from each other, got {bars} bars, the label's first; leave out the "
            "label's own horizon"
        )
    return bars


def learns_returns(config: ExperimentConfig) -> bool:
    """Whether training reads returns: it learns them, or labels weigh by them."""
    return bool(config.heads.quantiles) or config.fit.reads_returns


def learnt_labels(rows: Rows, config: ExperimentConfig) -> np.ndarray:
    """Return the labels of every horizon, NaN in rows that are left out, `(rows, horizons)`."""
    if rows.targets is None:
        return rows.labels[:, None]
    flat = config.heads.classes == 3
    return rows.targets.learnable(rows.labels, flat=flat, scaled=learns_returns(config))


def resolved_inputs(config: ExperimentConfig, rows: Rows) -> InputConfig:
    """Return what the model reads on these bars: features that the bars allow."""
    _check_resolved(config)
    inputs = config.inputs
    coarse = tuple(name for name in inputs.coarse_features if name not in rows.dropped)
    return dataclasses.replace(inputs, coarse_features=coarse)


def _check_resolved(config: ExperimentConfig) -> None:
    if config.inputs.kind == "auto":
        raise ValueError(
            f"inputs.kind is 'auto', and what the model {config.model.name!r} reads is known to "
            "its learner; prepare by ultimate_deep.experiments.experiment.prepare"
        )


def model_tables(config: ExperimentConfig, market: Market, rows: Rows) -> InputTables:
    """Return the tables of what the configured model reads; `config.inputs` is resolved."""
    assert config.inputs.kind != "auto"
    return input_tables(market, rows, config.inputs.kind, config.inputs)


def _complete(split: Split, complete: np.ndarray) -> Split:
    """Leave out rows without all inputs, such as a training part's first windows."""
    if complete.all():
        return split
    parts = {name: getattr(split, name) for name in PARTS}
    kept = {name: part[complete[part]] for name, part in parts.items()}
    if empty := [name for name, part in kept.items() if not len(part)]:
        raise ValueError(
            f"no row of the {' and '.join(empty)} part has all inputs; bring more bars, or "
            "shorten the windows"
        )
    return dataclasses.replace(split, **kept)


def _load(config: ExperimentConfig, progress: Progress) -> Market:
    with progress.busy("reading bars" if config.data.paths else "simulating bars"):
        market = load_market(config.data, config.label)
    for line in market.told:
        progress.message(line)
    return market


def _reasons(dropped: dict[str, str]) -> str:
    by_reason: dict[str, list[str]] = {}
    for name, reason in dropped.items():
        by_reason.setdefault(reason, []).append(name)
    return "; ".join(f"{reason} ({', '.join(names)})" for reason, names in by_reason.items())
