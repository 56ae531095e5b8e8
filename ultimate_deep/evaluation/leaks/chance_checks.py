"""Checks by chance: where nothing can be learnt, nothing may be found."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.stats import norm

from ultimate_deep.evaluation.leaks.data_checks import Looked
from ultimate_deep.evaluation.leaks.findings import LeakFinding
from ultimate_deep.evaluation.leaks.perturbation import noise_market
from ultimate_deep.evaluation.leaks.runner import Runner
from ultimate_deep.evaluation.leaks.split_checks import labelled
from ultimate_deep.evaluation.leaks.trace import Floats, Integers, Relabel, Trace
from ultimate_deep.market.remarks import LEAST_BARS, STALE_OPEN_SHARE, stale_open_share

BLOCK_BARS = 20
_LEAST_ROWS = 30
_TOO_FEW = (
    f"the test part has fewer than {_LEAST_ROWS} labelled rows, or one without a prediction, so "
    "nothing was judged; bring more bars"
)
_KEPT_SHARE = 0.25  # of the gain, that a bar's delay must leave to be no warning


def check_shuffled_labels(runner: Runner) -> Looked:
    """Train on labels in random order, then on their opposites: together they know nothing.

    Labels of the training and validation rows are permuted in blocks; those of the test rows stay.
    One such training may be right on the test part by luck, when its chance coefficients fall in
    with a true signal; the one on the opposite labels is then as wrong. What luck of the first
    weights is left in both shows on the true validation labels as well, which no step has seen
    in their order, so the test part has to be better than chance and than validation.
    """
    traces = []
    for opposite in (False, True):
        relabel = block_shuffle(runner.config.seed, opposite=opposite)
        text = "training on shuffled labels" + (", opposite" if opposite else "")
        traces.append(runner.run(runner.market, text, until="signals", relabel=relabel))
    test, validation = (_mean_accuracy(traces, part) for part in ("test", "validation"))
    if test is None:
        raise ValueError(_TOO_FEW)
    errors = norm.isf(runner.config.error_rate)
    bound = 0.5 + errors * test.error
    if validation is not None:
        luck = validation.accuracy + errors * math.hypot(test.error, validation.error)
        bound = max(bound, luck)
    looked = f"2 trainings, {test.rows:,} test rows, accuracy {test.accuracy:.2%}"
    if test.accuracy <= bound:
        return Looked((), looked)
    finding = LeakFinding(
        step=None,
        check="shuffled labels",
        severity="leak",
        sentence=f"Trained on shuffled labels the pipeline is still right on {test.accuracy:.2%} "
        f"of the test rows, where chance gives at most {bound:.2%}: test labels reach it some way.",
        evidence={"accuracy": test.accuracy, "bound": float(bound), "rows": test.rows},
    )
    return Looked((finding,), looked)


class _Accuracy(NamedTuple):
    """Mean accuracy of some trainings, its standard error without any skill, and the rows."""

    accuracy: float
    error: float
    rows: int


def _mean_accuracy(traces: list[Trace], part: str) -> _Accuracy | None:
    hits = [_hits(trace, part) for trace in traces]
    known = [one for one in hits if one is not None]
    if len(known) < len(traces):
        return None
    rows = _independent(traces[0], labelled(traces[0], part))
    accuracy = float(np.mean([one.mean() for one in known]))
    return _Accuracy(accuracy, 0.5 / math.sqrt(max(rows, 1.0)), len(known[0]))


def check_noise(runner: Runner) -> Looked:
    """Run on simulated bars without an edge: whatever is found there is not there."""
    config = runner.config
    excess, variance, rows, claims = 0.0, 0.0, 0, 0
    for number in range(config.noise_markets):
        market = noise_market(runner.market, seed=10_000 + 100 * number + config.seed)
        text = f"a market of pure noise, {number + 1} of {config.noise_markets}"
        trace = runner.run(market, text, until="signals")
        gain, spread, judged = _above_chance(trace)
        excess, variance, rows = excess + gain, variance + spread, rows + judged
        claims += trace.verdict == "edge"
    if not rows:
        raise ValueError(_TOO_FEW)
    score = excess / math.sqrt(variance) if variance > 0 else math.nan
    share = excess / rows
    looked = (
        f"{config.noise_markets} markets, {rows:,} test rows, {100 * share:+.2f} points against "
        f"chance, {claims} claimed an edge"
    )
    if not (score > norm.isf(config.error_rate) or claims == config.noise_markets >= 2):
        return Looked((), looked)
    finding = LeakFinding(
        step=None,
        check="pure noise",
        severity="leak",
        sentence=f"On markets of pure noise the pipeline is right {100 * share:+.2f} points more "
        f"often than chance ({score:.1f} standard errors) and claims an edge on {claims} of "
        f"{config.noise_markets}: something other than the past reaches it.",
        evidence={"score": score, "points": 100 * share, "rows": rows, "claims": claims},
    )
    return Looked((finding,), looked)


def check_fills(runner: Runner) -> Looked:
    """Say where fills are those of the print that was decided on."""
    share = _stale_share(runner)
    bars = sum(len(bars) for bars in runner.market.values())
    looked = f"{bars:,} opens, {share:.1%} repeat a close"
    if share < STALE_OPEN_SHARE:
        return Looked((), looked)
    finding = LeakFinding(
        step=None,
        check="fills",
        severity="warning",
        sentence=f"{share:.1%} of the opens repeat the close before, so a fill at the next open is "
        "one at the very print that was decided on. If that print bounced between bid and ask, "
        "nobody could have traded it.",
        evidence={"stale_open_share": share},
    )
    return Looked((finding,), looked)


def check_delay(runner: Runner) -> Looked:
    """Compare the accuracy for each row's own label with that for the label one bar later.

    Where opens repeat the last close, a gain that is gone one bar later may be the bounce of
    prints between bid and ask, which no fill can have: that is worth a warning.
    """
    trace = runner.clean("signals")
    found = _delayed(trace)
    if not found:
        raise ValueError(_TOO_FEW)
    own, late = found["accuracy"], found["accuracy_delayed"]
    # No figure here: nothing of the test part is shown unless something is wrong.
    looked = f"{found['rows']:,.0f} test rows"
    rows = _independent(trace, labelled(trace, "test"))
    bound = norm.isf(runner.config.error_rate) * 0.5 / math.sqrt(max(rows, 1.0))
    lost = own - 0.5 > bound and late - 0.5 < _KEPT_SHARE * (own - 0.5)
    if not lost or _stale_share(runner) < STALE_OPEN_SHARE:
        return Looked((), looked)
    finding = LeakFinding(
        step=None,
        check="one-bar delay",
        severity="warning",
        sentence=f"Predictions are right on {own:.2%} of the test rows, but on {late:.2%} for the "
        "label one bar later, on bars whose opens repeat the last close: the gain may be the "
        "bounce of prints between bid and ask.",
        evidence=found,
    )
    return Looked((finding,), looked)


def _stale_share(runner: Runner) -> float:
    shares = [stale_open_share(b) for b in runner.market.values() if len(b) >= LEAST_BARS]
    return max(shares, default=0.0)


def block_shuffle(seed: int, *, opposite: bool) -> Relabel:
    """Return a permutation of labels in blocks of rows, turned over where `opposite`."""

    def relabel(labels: Floats, parts: Mapping[str, Integers]) -> Floats:
        rows = np.concatenate([parts["train"], parts["validation"]])
        known = rows[np.isfinite(labels[rows])]
        blocks = np.array_split(labels[known], max(len(known) // BLOCK_BARS, 1))
        order = np.random.default_rng(seed).permutation(len(blocks))
        shuffled = np.concatenate([blocks[place] for place in order])
        out = labels.copy()
        out[known] = 1.0 - shuffled if opposite else shuffled
        return out

    return relabel


def _hits(trace: Trace, part: str) -> npt.NDArray[np.bool_] | None:
    """Whether each labelled row of a part is predicted rightly; None where nothing is predicted."""
    rows = labelled(trace, part)
    if trace.probability is None or len(rows) < _LEAST_ROWS:
        return None
    if np.isnan(trace.probability[rows]).any():
        return None
    return (trace.probability[rows] >= 0.5) == (trace.labels[rows] > 0.5)


def _independent(trace: Trace, rows: Integers) -> float:
    """Decision times divided by how many of them a label spans: about as many say new things."""
    times = np.unique(trace.decision_time[rows])
    if len(times) < 2:
        return float(len(times))
    span = np.median(trace.label_end_time[rows] - trace.decision_time[rows])
    step = np.median(np.diff(times))
    return len(times) / max(1.0, float(span / step))


def _above_chance(trace: Trace) -> tuple[float, float, int]:
    """Right predictions beyond chance, their variance without any skill, and the rows judged.

    Given how often up is predicted and happens, the number of agreements of predictions that
    know nothing is hypergeometric; overlapping labels and symbols that share times count less.
    """
    hits = _hits(trace, "test")
    if hits is None or trace.probability is None:
        return 0.0, 0.0, 0
    rows = labelled(trace, "test")
    count, called, up = len(rows), trace.probability[rows] >= 0.5, trace.labels[rows] > 0.5
    q, b = called.mean(), up.mean()
    expected = count * (q * b + (1 - q) * (1 - b))
    variance = 4 * count**2 * q * (1 - q) * b * (1 - b) / (count - 1)
    return float(hits.sum() - expected), float(variance * count / _independent(trace, rows)), count


def _delayed(trace: Trace) -> dict[str, float]:
    """Accuracy on the test part, and that of the same predictions for the label one bar later."""
    rows = trace.test
    if trace.probability is None or rows is None:
        return {}
    order = rows[np.lexsort((trace.decision_time[rows], trace.symbol_code[rows]))]
    same = trace.symbol_code[order[1:]] == trace.symbol_code[order[:-1]]
    now, later = order[:-1][same], order[1:][same]
    known = np.isfinite(trace.labels[now]) & np.isfinite(trace.labels[later])
    called = trace.probability[now][known] >= 0.5
    if len(called) < _LEAST_ROWS:
        return {}
    return {
        "rows": float(len(called)),
        "accuracy": float(np.mean(called == (trace.labels[now][known] > 0.5))),
        "accuracy_delayed": float(np.mean(called == (trace.labels[later][known] > 0.5))),
    }
