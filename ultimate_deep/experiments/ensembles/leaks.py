"""An ensemble as a pipeline that the leak detector runs on other bars and labels.

Every member is prepared and trained anew as its own run did, then all are combined, calibrated and
judged as the ensemble was; what each of them reads and learns stands in one trace.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from functools import reduce
from pathlib import Path
from typing import Any

import keras
import numpy as np

from ultimate_deep.bundles.bundle import Bundle
from ultimate_deep.bundles.ensembles.bundle import EnsembleBundle
from ultimate_deep.bundles.ensembles.outputs import member_logits
from ultimate_deep.bundles.ensembles.predictor import EnsemblePredictor
from ultimate_deep.bundles.files import all_scalers
from ultimate_deep.bundles.predicting import bundle_config
from ultimate_deep.bundles.predictor import Predictor
from ultimate_deep.evaluation.leaks.config import LeakConfig
from ultimate_deep.evaluation.leaks.detect import CHECKS, Check, detect_leaks
from ultimate_deep.evaluation.leaks.findings import LeakReport
from ultimate_deep.evaluation.leaks.trace import BarsBySymbol, Relabel, Step, Trace
from ultimate_deep.experiments.ensembles.config import EnsembleConfig
from ultimate_deep.experiments.ensembles.members import Members
from ultimate_deep.experiments.ensembles.run import combined_rows, combining, fit_combiner
from ultimate_deep.experiments.experiment import PARTS, Prepared, assemble, evaluate, prepare_rows
from ultimate_deep.experiments.leaks.asked import SurrogateConfig
from ultimate_deep.experiments.leaks.detection import examined_market, subject
from ultimate_deep.experiments.leaks.pipeline import (
    announced,
    changed_rows,
    data_trace,
    examined_config,
    judged_trace,
    own_tables,
    scaled_trace,
)
from ultimate_deep.experiments.learners.registry import learner_of, resolved
from ultimate_deep.market.config import DataConfig
from ultimate_deep.market.market import Market
from ultimate_deep.market.splits import Split
from ultimate_deep.pipeline.config import ExperimentConfig, FeatureConfig
from ultimate_deep.pipeline.prepared import horizons_bars, learnt_labels
from ultimate_deep.pipeline.rows import Rows, keep_features
from ultimate_deep.pipeline.steps import Steps
from ultimate_deep.training.backend import many_models
from ultimate_deep.training.progress import Progress


class EnsemblePipeline:
    """The path of an ensemble and of its members from bars to signals.

    Args:
        configs: Each member's experiment, by name; their data are not read.
        ensemble: How the members are combined.
        steps: What is done otherwise than usual, in every member.
        progress: Told how training goes.
    """

    def __init__(
        self,
        configs: Mapping[str, ExperimentConfig],
        ensemble: EnsembleConfig,
        steps: Steps = Steps(),
        progress: Progress = Progress(),
    ) -> None:
        self.configs = {name: resolved(config) for name, config in configs.items()}
        self.ensemble = ensemble
        self.steps = steps
        self.progress = progress

    def __call__(
        self, bars: BarsBySymbol, *, until: Step = "signals", relabel: Relabel | None = None
    ) -> Trace:
        """Walk the steps; see `evaluation.leaks.trace.Pipeline`.

        Raises:
            ValueError: What a member's experiment or the ensemble refuses.
        """
        steps = self.steps
        market, rows = self._assembled(Market(dict(bars)))
        traces = {}
        for name, config in self.configs.items():
            own = self._own(config, rows)
            traces[name] = data_trace(own, own_tables(config, market, own))
        if until == "labels":
            return _side_by_side(traces)
        first = next(iter(self.configs.values()))
        split = steps.split(rows, first.split, market.interval)
        changed = changed_rows(rows, split, steps, relabel)
        rest = dataclasses.replace(steps, rows=None)
        prepared = {}
        for name, config in self.configs.items():
            own = self._own(config, changed)
            prepared[name] = prepare_rows(config, market, own, split, rest)
            seen = None if steps.rows is None else own
            traces[name] = scaled_trace(traces[name], prepared[name], seen)
        trace = _side_by_side(traces)
        return trace if until == "scaling" else self._fit(trace, prepared, market, changed)

    def _assembled(self, market: Market) -> tuple[Market, Rows]:
        """Return rows with every feature of every member, and with the longest list of horizons."""
        configs = list(self.configs.values())
        base = max(configs, key=lambda config: len(horizons_bars(config, market)))
        named = [config.features.names for config in configs]
        union = tuple(dict.fromkeys(name for names in named for name in names))
        features = FeatureConfig(names=union if all(named) else ())
        return assemble(dataclasses.replace(base, features=features), market, self.steps)

    def _own(self, config: ExperimentConfig, rows: Rows) -> Rows:
        """Return what a member starts from; features of a user's own step are for all of them."""
        names = [name for name in config.features.names if name not in rows.dropped]
        return rows if self.steps.features is not None or not names else keep_features(rows, names)

    def _fit(
        self, trace: Trace, prepared: Mapping[str, Prepared], market: Market, rows: Rows
    ) -> Trace:
        """Train every member, combine them, calibrate, choose the threshold and judge."""
        keras.utils.clear_session(free_memory=False)
        bundles, weights, watched = {}, [], []
        for name, one in prepared.items():
            predictor, fitted = learner_of(one.config.model.name).fit(one, self.progress)
            outcome = evaluate(one, predictor, fitted, self.progress)
            bundles[name] = _in_memory(name, one, predictor, outcome.temperatures)
            weights += [np.array(values) for _, values in predictor.weights()]
            watched.append(fitted.history["validation_loss"].to_numpy())
        first = next(iter(prepared.values()))
        members = Members(
            bundles, first.config, market, rows, _common(list(prepared.values())),
            member_logits(bundles, market, rows), learnt_labels(rows, first.config),
        )  # fmt: skip
        combiner = fit_combiner(members, self.ensemble, self.progress)
        whole = combined_rows(members, combiner, self.ensemble, first.steps)
        predictor = EnsemblePredictor(combiner, bundles)
        outcome = evaluate(whole, predictor, combining(members, combiner, 0.0), self.progress)
        learnt = (*weights, combiner.weights())
        return judged_trace(trace, whole, outcome, learnt, np.concatenate(watched))


def detect_in_ensemble(
    bundle: EnsembleBundle,
    data: DataConfig,
    leak_config: LeakConfig = LeakConfig(),
    *,
    steps: Steps = Steps(),
    surrogate: SurrogateConfig | None = SurrogateConfig(),
    checks: Sequence[Check] = CHECKS,
    progress: Progress = Progress(),
) -> LeakReport:
    """Examine an ensemble with all of its members, on bars given or their own.

    Args:
        bundle: Its members' configurations and how they were combined say what is examined.
        data: The bars; options that are not given are the run's.
        leak_config: How thoroughly to look.
        steps: The steps of a user that are to be examined.
        surrogate: Stands in for every member's model; None trains those.
        checks: Which checks; `evaluation.leaks.detect.DATA_CHECKS` train nothing.
        progress: Told of every run.

    Raises:
        ValueError: The ensemble cannot be made on these bars.
    """
    market = examined_market(bundle, data, progress)
    configs = {
        name: examined_config(bundle_config(member), surrogate)
        for name, member in bundle.members.items()
    }
    inner = Progress() if surrogate else progress
    pipeline = EnsemblePipeline(configs, _combination(bundle), steps, inner)
    model = f"the models of {len(configs)} members"
    with many_models():
        return detect_leaks(
            pipeline, market.bars, leak_config, checks=checks,
            busy=progress.busy if surrogate else announced(progress),
            subject=subject(bundle, market, model, steps, surrogate),
        )  # fmt: skip


def _combination(bundle: EnsembleBundle) -> EnsembleConfig:
    """Return how the members were combined."""
    known = {field.name for field in dataclasses.fields(EnsembleConfig)}
    options: dict[str, Any] = dict(bundle_config(bundle).model.options)
    return EnsembleConfig(**{name: value for name, value in options.items() if name in known})


def _in_memory(
    name: str, prepared: Prepared, predictor: Predictor, temperatures: np.ndarray
) -> Bundle:
    """Return a trained member as a bundle that is on no disk."""
    scalers = all_scalers(prepared.scaler, prepared.inputs.scalers, prepared.limits)
    return Bundle(
        folder=Path(name), model=predictor, feature_names=prepared.rows.names,
        families=prepared.rows.families, scaler=scalers.pop("features"), scalers=scalers,
        temperature=temperatures, threshold=0.5, config=prepared.config.to_dict(), metrics={},
        manifest={},
    )  # fmt: skip


def _common(prepared: Sequence[Prepared]) -> Split:
    """Return the parts with the rows that every member can predict."""
    parts = {
        name: reduce(np.intersect1d, [getattr(one.split, name) for one in prepared])
        for name in PARTS
    }
    return dataclasses.replace(prepared[0].split, **parts)


def _side_by_side(traces: Mapping[str, Trace]) -> Trace:
    """Return one trace of all members' features, each under the name of its member."""
    found = list(traces.values())
    first = found[0]

    def stacked(array: str) -> Any:
        values = [getattr(one, array) for one in found]
        return None if values[0] is None else np.column_stack(values)

    def common(part: str) -> Any:
        rows = [getattr(one, part) for one in found]
        return None if rows[0] is None else reduce(np.intersect1d, rows)

    selected = [f"{name}: {one}" for name, trace in traces.items() for one in trace.selected or ()]
    return dataclasses.replace(
        first,
        names=tuple(f"{name}: {one}" for name, trace in traces.items() for one in trace.names),
        features=stacked("features"),
        train=common("train"),
        validation=common("validation"),
        test=common("test"),
        changed_features=stacked("changed_features"),
        selected=None if first.selected is None else tuple(selected),
        scaler=None
        if first.scaler is None
        else {
            f"{name}: {what}": values
            for name, trace in traces.items()
            for what, values in (trace.scaler or {}).items()
        },
        scaled=stacked("scaled"),
    )
