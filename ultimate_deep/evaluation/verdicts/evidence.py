"""What a verdict rests on: the figures of five questions, each made once."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ultimate_deep.evaluation.arrays import Array1D, vector
from ultimate_deep.evaluation.measures.metrics import predicted_up
from ultimate_deep.evaluation.significance.bootstrap import Interval
from ultimate_deep.evaluation.verdicts.accuracy import Hits, hits
from ultimate_deep.evaluation.verdicts.bounds import Bounds
from ultimate_deep.evaluation.verdicts.config import VerdictConfig
from ultimate_deep.evaluation.verdicts.knowledge import Knowledge, knowledge

OTHER = 0.05  # of the capital, by which a position differs from the usual one


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Figures of one model on one part of the rows; every bound is held to the same error.

    Args:
        hits: How often it is right; None where nothing but the account is judged.
        knows: What its forecasts know beyond the best constants.
        net: Mean net return per bar (fraction) of the account.
        total: Its final equity over the first, less one; NaN where not known.
        impact_total: The same of the account that pays the impact of its own orders.
        patient_total: The same of the account whose orders wait for another price.
        impact: The same as `net` where it pays the impact of its own orders; None where that was
            not asked, or no volume is known.
        coefficient: Coefficient of the impact that the account pays anyway, NaN where the user left
            it open.
        capital: What the account starts with, in the price's currency.
        spread: The same where it pays half of the spread that the bars show; None where it does
            anyway, or the user has said what the spread is.
        volume_share: A full position as a share of what a usual bar that trades does, of the symbol
            where that is most; NaN where volume is not known.
        silent: Symbols whose bars have no volume.
        later: The same where every fill comes one bar later; None where that was not asked.
        patient: The same where orders that meet a price which repeats the close before wait for
            another price, one bar at least; None where that was not asked.
        repeated_opens: Share of what is traded that meets such a price.
        from_finer_bars: Share of bars at which orders are filled from finer ones; NaN where none
            were given.
        half_spread_bps: Half of the spread that the bars show; NaN where they show none.
        cost_bps: What the account pays per side, without impact.
        deflated: Probability that the Sharpe ratio is more than the best of so many trials without
            skill would show; NaN where undefined.
        trials: How many models that counts.
        rivals: Name of a simpler model to its net return per bar less the model's, paired.
        others: The same of models that are no simpler.
        exposure: Mean position over the bars, 1 is always long.
        moved: Bars whose position is another than the usual one; NaN where not known.
        decisions: Distinct decision times judged.
        bars: Bars of net returns judged.
        active: Bars with a position's return.
        bars_per_year: Bars in a year; NaN where that is not known.
        error_rate: Chance of each bound to be wrong, already divided by the readings.
        readings: Different models judged on these bars so far, this one included.
        seen: Decisions that the model was trained or chosen on.
        simulated: Whether the bars were simulated.
    """

    hits: Hits | None = None
    knows: Knowledge
    net: Interval
    total: float = math.nan
    impact_total: float = math.nan
    patient_total: float = math.nan
    impact: Interval | None = None
    spread: Interval | None = None
    coefficient: float = math.nan
    capital: float = math.nan
    volume_share: float = math.nan
    silent: int = 0
    later: Interval | None = None
    patient: Interval | None = None
    repeated_opens: float = math.nan
    from_finer_bars: float = math.nan
    half_spread_bps: float = math.nan
    cost_bps: float = math.nan
    deflated: float = math.nan
    trials: float = 1.0
    rivals: dict[str, Interval] = field(default_factory=dict)
    others: dict[str, Interval] = field(default_factory=dict)
    exposure: float = math.nan
    moved: float = math.nan
    decisions: int
    bars: int
    active: int
    bars_per_year: float = math.nan
    error_rate: float
    readings: int = 1
    seen: int = 0
    simulated: bool = False


@dataclass(frozen=True, eq=False, kw_only=True)
class EvidenceInputs:
    """What the figures are made of.

    Args:
        label: 0 or 1 per decision, shape `(rows,)`, in order of time.
        probability: Probability of up, shape `(rows,)`.
        return_net: Net return per bar of the account, shape `(bars,)`; the bars may be more than
            the decisions.
        impact_return_net: The same where the account pays the impact of its own orders, shape
            `(bars,)`; None where that is not known or not asked.
        coefficient: Coefficient of the impact that the account pays anyway, NaN where left open.
        capital: What the account starts with, in the price's currency.
        spread_return_net: The same where the account pays half of the spread that the bars show;
            None where it does anyway, or that was not asked.
        volume_share: A full position as a share of what is traded in a usual bar.
        silent: Symbols whose bars have no volume.
        later_return_net: The same where every fill comes one bar later, shape `(bars,)`; None
            where that was not asked.
        rival_return_net: Name of a simpler model to its account, shape `(bars,)`.
        other_return_net: Name of a model that is no simpler to its account, shape `(bars,)`.
        decision_time: Time of each decision, shape `(rows,)`; decisions of one time are drawn
            together, since symbols move together.
        group: Whole number of each row's symbol, shape `(rows,)`.
        majority_up: Class of the majority of the training part, or of each row's, `(rows,)`; None
            takes that of these rows.
        position: Position over each bar, shape `(bars,)`; None where it is not known.
        patient_return_net: The account where orders that meet a price which repeats the close
            before wait for another price, shape `(bars,)`; None where that was not asked.
        repeated_opens: Share of what is traded that meets such a price.
        from_finer_bars: Share of bars at which orders are filled from finer ones.
        half_spread_bps: Half of the spread that the bars show.
        cost_bps: What the account pays per side, without impact.
        deflated: Deflated Sharpe ratio of the account.
        trials: Models that it counts.
        horizon_bars: Number of bars over which the labels reach.
        bars_per_year: Bars in a year; NaN where that is not known.
        readings: Different models judged on these bars so far, this one included; at least 1.
        seen: Decisions that the model was trained or chosen on.
        simulated: Whether the bars were simulated.
        seed: Seed of every bootstrap.
    """

    label: npt.ArrayLike
    probability: npt.ArrayLike
    return_net: npt.ArrayLike
    impact_return_net: npt.ArrayLike | None = None
    spread_return_net: npt.ArrayLike | None = None
    coefficient: float = math.nan
    capital: float = math.nan
    volume_share: float = math.nan
    silent: int = 0
    later_return_net: npt.ArrayLike | None = None
    patient_return_net: npt.ArrayLike | None = None
    rival_return_net: Mapping[str, npt.ArrayLike] = field(default_factory=dict)
    other_return_net: Mapping[str, npt.ArrayLike] = field(default_factory=dict)
    decision_time: npt.ArrayLike | None = None
    group: npt.ArrayLike | None = None
    majority_up: bool | npt.NDArray[np.bool_] | None = None
    position: Array1D | None = None
    repeated_opens: float = math.nan
    from_finer_bars: float = math.nan
    half_spread_bps: float = math.nan
    cost_bps: float = math.nan
    deflated: float = math.nan
    trials: float = 1.0
    horizon_bars: int = 1
    bars_per_year: float = math.nan
    readings: int = 1
    seen: int = 0
    simulated: bool = False
    seed: int = 0


def gather(inputs: EvidenceInputs, config: VerdictConfig = VerdictConfig()) -> Evidence:
    """Make the figures of one model.

    Raises:
        ValueError: Shapes that differ, values out of range, NaN, no reading.
    """
    if inputs.readings < 1:
        raise ValueError(
            f"readings counts this model too, so it is at least 1, got {inputs.readings}"
        )
    returns = vector("return_net", inputs.return_net)
    if not len(returns):
        raise ValueError("return_net must have at least one bar, got none")
    bounds, horizon, seed = (
        Bounds.shared_by(inputs.readings, config), inputs.horizon_bars, inputs.seed,
    )  # fmt: skip
    probability = np.asarray(inputs.probability, dtype=np.float64)
    known = knowledge(
        probability,
        inputs.label,
        decision_time=inputs.decision_time,
        group=inputs.group,
        horizon_bars=horizon,
        bounds=bounds,
        seed=seed,
    )

    def account(name: str, values: npt.ArrayLike | None) -> Interval | None:
        if values is None:
            return None
        return bounds.of_mean(vector(name, values), horizon_bars=horizon, seed=seed + 1)

    return Evidence(
        hits=hits(
            inputs.label,
            predicted_up(probability),
            bounds=bounds,
            majority_up=inputs.majority_up,
            decision_time=inputs.decision_time,
            horizon_bars=horizon,
            seed=seed,
        ),
        knows=known,
        net=bounds.of_mean(returns, horizon_bars=horizon, seed=seed + 1),
        total=_total(returns),
        impact_total=_total(inputs.impact_return_net),
        patient_total=_total(inputs.patient_return_net),
        impact=account("impact_return_net", inputs.impact_return_net),
        spread=account("spread_return_net", inputs.spread_return_net),
        coefficient=inputs.coefficient,
        capital=inputs.capital,
        volume_share=inputs.volume_share,
        silent=inputs.silent,
        later=account("later_return_net", inputs.later_return_net),
        patient=account("patient_return_net", inputs.patient_return_net),
        repeated_opens=inputs.repeated_opens,
        from_finer_bars=inputs.from_finer_bars,
        half_spread_bps=inputs.half_spread_bps,
        cost_bps=inputs.cost_bps,
        deflated=inputs.deflated,
        trials=inputs.trials,
        rivals=_ahead(inputs.rival_return_net, returns, bounds, inputs),
        others=_ahead(inputs.other_return_net, returns, bounds, inputs),
        exposure=math.nan if inputs.position is None else float(np.mean(inputs.position)),
        moved=_moved(inputs.position),
        decisions=known.decisions,
        bars=len(returns),
        active=int(np.count_nonzero(returns)),
        bars_per_year=inputs.bars_per_year,
        error_rate=bounds.error_rate,
        readings=inputs.readings,
        seen=inputs.seen,
        simulated=inputs.simulated,
    )


def _moved(position: Array1D | None) -> float:
    """Bars whose position is another than the median one."""
    if position is None:
        return math.nan
    return float(np.count_nonzero(np.abs(position - np.median(position)) > OTHER))


def _total(returns: npt.ArrayLike | None) -> float:
    """Final equity over the first, less one."""
    return math.nan if returns is None else float(np.prod(1.0 + np.asarray(returns))) - 1.0


def _ahead(
    rivals: Mapping[str, npt.ArrayLike], own: Array1D, bounds: Bounds, inputs: EvidenceInputs
) -> dict[str, Interval]:
    """How much more per bar each rival earns, bar by bar."""
    found = {}
    for name, returns in rivals.items():
        theirs = vector(f"the account of {name}", returns)
        if len(theirs) != len(own):
            raise ValueError(
                f"rivals are judged on the same bars, got {len(theirs)} returns of {name} and "
                f"{len(own)} of the model; judge both on the same part"
            )
        found[name] = bounds.of_mean(
            theirs - own, horizon_bars=inputs.horizon_bars, seed=inputs.seed + 1
        )
    return found
