"""Which steps made something else of the same past, when only the future was changed.

One principle names the offender: of two runs whose bars are equal up to some time, whatever may
know no more than these bars must be equal too, bit for bit. Steps are compared in order, and the
first one that moved is the offender; later ones inherit from it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ultimate_deep.evaluation.leaks.pair import Pair, differs
from ultimate_deep.evaluation.leaks.trace import STEPS, Floats, Step
from ultimate_deep.machine.counts import how_many

_NAMED = 5
_BLOCK_COLUMNS = 32


@dataclass(frozen=True, kw_only=True)
class Movement:
    """One step whose output moved.

    Args:
        step: The step that moved.
        what: What moved, to be read after "the step's".
        evidence: Figures that show it.
    """

    step: Step
    what: str
    evidence: Mapping[str, Any] = field(default_factory=dict)


def movements(pair: Pair) -> list[Movement]:
    """Return what moved although it must not have, in the order of the steps.

    What is fitted is compared once the cut lies behind all that it may see: selection and scaler
    from the validation part's first decision on, the model, temperature and threshold from the
    test part's.
    """
    found = [movement for check in _CHECKS if (movement := check(pair)) is not None]
    return sorted(found, key=lambda movement: STEPS.index(movement.step))


def _features(pair: Pair) -> Movement | None:
    """Features of known rows, by name."""
    if len(pair.lone):
        sides = (pair.lone_in_clean, len(pair.lone) - pair.lone_in_clean)
        return Movement(
            step="features",
            what=f"rows: {sides[0]:,} vanished and {sides[1]:,} appeared before the cut",
            evidence={"rows_vanished": sides[0], "rows_appeared": sides[1]},
        )
    if not len(pair.mine):
        return None
    shared = [name for name in pair.clean.names if name in set(pair.other.names)]
    # A shorter file may have fewer features; one with other values must not.
    shortened = pair.other.decision_time.max() < pair.clean.decision_time.max()
    if not shortened and len(shared) < max(len(pair.clean.names), len(pair.other.names)):
        changed = sorted(set(pair.clean.names) ^ set(pair.other.names))
        return Movement(
            step="features",
            what=f"list of features: {_listed(changed)} came or went",
            evidence={"features": changed[:_NAMED]},
        )
    return _moved_columns(pair, "features", "features", shared)


def _moved_columns(
    pair: Pair, step: Step, array: str, names: list[str] | tuple[str, ...]
) -> Movement | None:
    """Compare an array of named columns block by block, which bounds the memory."""
    places = [
        [trace.names.index(name) for name in names]
        if array != "scaled"
        else list(range(len(names)))
        for trace in (pair.clean, pair.other)
    ]
    mine, theirs = getattr(pair.clean, array), getattr(pair.other, array)
    rows, moved, largest = np.zeros(len(pair.mine), bool), [], 0.0
    for start in range(0, len(names), _BLOCK_COLUMNS):
        chosen = [place[start : start + _BLOCK_COLUMNS] for place in places]
        first = mine[pair.mine[:, None], chosen[0]]
        second = theirs[pair.theirs[:, None], chosen[1]]
        different = differs(first, second)
        if not different.any():
            continue
        rows |= different.any(axis=1)
        columns = np.flatnonzero(different.any(axis=0))
        moved += [names[start + column] for column in columns]
        largest = max(largest, _largest_change(first[:, columns], second[:, columns]))
    if not moved:
        return None
    noun = "feature" if step == "features" else "scaled feature"
    evidence = _reach(pair, rows) | {
        "features_moved": len(moved),
        "features": moved[:_NAMED],
        "largest_change_in_deviations": largest,
    }
    what = f"{noun}{'s' if len(moved) > 1 else ''} {_listed(moved)} at {_reach_words(evidence)}"
    return Movement(step=step, what=what, evidence=evidence)


def _labels(pair: Pair) -> Movement | None:
    """Labels that had ended before the first changed bar."""
    known = pair.known_labels()
    values, ends = pair.both("labels"), pair.both("label_end_time")
    assert values is not None
    assert ends is not None
    moved = known & (differs(*values) | (ends[0] != ends[1]))
    if not moved.any():
        return None
    evidence = {"labels_moved": int(moved.sum())}
    return Movement(
        step="labels",
        what=f"{how_many(moved.sum(), 'label')} whose declared end lies before the first changed "
        "bar",
        evidence=evidence,
    )


def _split(pair: Pair) -> Movement | None:
    """Membership of rows whose label is known."""
    if pair.clean.test is None or pair.other.test is None:
        return None
    parts = pair.both("part")
    assert parts is not None
    moved = (parts[0] != parts[1]) & pair.known_labels()
    if not moved.any():
        return None
    return Movement(
        step="split",
        what=f"{how_many(moved.sum(), 'row')} that came to another part",
        evidence={"rows_moved": int(moved.sum())},
    )


def _rows(pair: Pair) -> Movement | None:
    """What a step between split and selection made of known rows."""
    if not _after(pair, "validation"):
        return None
    values = pair.both("changed_features")
    if values is not None and values[0].shape == values[1].shape:
        moved: npt.NDArray[np.bool_] = np.asarray(differs(*values).any(axis=1))
        if moved.any():
            evidence = _reach(pair, moved)
            return Movement(
                step="rows",
                what=f"changed features at {_reach_words(evidence)}",
                evidence=evidence,
            )
    labels = pair.both("changed_labels")
    if labels is None:
        return None
    relabelled = int((differs(*labels) & pair.known_labels()).sum())
    if not relabelled:
        return None
    return Movement(
        step="rows",
        what=how_many(relabelled, "changed label that was known", "changed labels that were known"),
        evidence={"labels_moved": relabelled},
    )


def _selection(pair: Pair) -> Movement | None:
    """The names chosen."""
    mine, theirs = pair.clean.selected, pair.other.selected
    if mine == theirs or mine is None or theirs is None or not _after(pair, "validation"):
        return None
    changed = sorted(set(mine) ^ set(theirs))
    what = f"choice: {_listed(changed)} came or went" if changed else "order of features"
    return Movement(step="selection", what=what, evidence={"features_changed": len(changed)})


def _scaling(pair: Pair) -> Movement | None:
    """What the scaler has learnt, then the scaled values of known rows."""
    if pair.clean.scaled is None or pair.other.scaled is None or not _after(pair, "validation"):
        return None
    mine, theirs = pair.clean.scaler or {}, pair.other.scaler or {}
    for name in sorted(set(mine) | set(theirs)):
        one, two = mine.get(name), theirs.get(name)
        if one is None or two is None or one.shape != two.shape:
            return Movement(step="scaling", what=f"parameter `{name}`, in its shape")
        if (moved := differs(one, two)).any():
            return Movement(
                step="scaling",
                what=f"parameter `{name}` in {moved.sum():,} of {moved.size:,} values",
                evidence={"parameters_moved": int(moved.sum()), "parameters": int(moved.size)},
            )
    width = pair.clean.scaled.shape[1]
    if pair.other.scaled.shape[1] != width:
        return Movement(step="scaling", what="number of scaled features")
    names = pair.clean.selected or pair.clean.names
    names = names if len(names) == width else tuple(f"column {k}" for k in range(width))
    return _moved_columns(pair, "scaling", "scaled", names)


def _model(pair: Pair) -> Movement | None:
    """What the model has learnt; where that cannot be had, its predictions before the test part."""
    if not _after(pair, "test") or pair.clean.probability is None:
        return None
    if _watched_moved(pair):
        # Even where the same epoch was the best: it need not be so next time.
        return Movement(step="model", what="losses, by which training is stopped,")
    mine, theirs = pair.clean.weights, pair.other.weights
    if mine or theirs:
        if [one.shape for one in mine] != [two.shape for two in theirs]:
            return Movement(step="model", what="weights, in their shapes")
        moved = sum(int(differs(one, two).sum()) for one, two in zip(mine, theirs, strict=True))
        if not moved:
            return None
        count = sum(one.size for one in mine)
        return Movement(
            step="model",
            what=f"weights, {moved:,} of {count:,}",
            evidence={"weights_moved": moved, "weights": count},
        )
    early = pair.clean.part[pair.mine] != 2
    return _moved_rows(pair, "model", "probability", "predictions before the test part", early)


def _watched_moved(pair: Pair) -> bool:
    one, two = pair.clean.watched, pair.other.watched
    if one is None or two is None:
        return False
    return one.shape != two.shape or bool(differs(one, two).any())


def _fitted_number(step: Step) -> Callable[[Pair], Movement | None]:
    def check(pair: Pair) -> Movement | None:
        mine, theirs = getattr(pair.clean, step), getattr(pair.other, step)
        if mine is None or theirs is None or not _after(pair, "test"):
            return None
        if mine == theirs or (np.isnan(mine) and np.isnan(theirs)):
            return None
        evidence = {"before": float(mine), "after": float(theirs)}
        return Movement(
            step=step, what=f"value, from {mine:.6g} to {theirs:.6g}", evidence=evidence
        )

    return check


def _predictions(pair: Pair) -> Movement | None:
    everywhere = np.ones(len(pair.mine), bool)
    return _moved_rows(pair, "predictions", "probability", "probabilities", everywhere)


def _signals(pair: Pair) -> Movement | None:
    everywhere = np.ones(len(pair.mine), bool)
    return _moved_rows(pair, "signals", "signal", "signals", everywhere)


def _moved_rows(
    pair: Pair, step: Step, array: str, noun: str, chosen: npt.NDArray[np.bool_]
) -> Movement | None:
    both = pair.both(array) if _after(pair, "test") else None
    if both is None:
        return None
    moved = differs(*both) & chosen
    if not moved.any():
        return None
    evidence = _reach(pair, moved)
    return Movement(step=step, what=f"{noun} at {_reach_words(evidence)}", evidence=evidence)


def _after(pair: Pair, part: str) -> bool:
    """Whether the cut lies at or behind the first decision of a part, in both traces."""
    traces = (pair.clean, pair.other)
    if any(getattr(trace, part) is None for trace in traces):
        return False
    return all(pair.time >= trace.begins(part) for trace in traces)


def _reach(pair: Pair, moved: npt.NDArray[np.bool_]) -> dict[str, Any]:
    """How many known rows moved and how many decisions before the first changed bar they begin."""
    times = pair.clean.decision_time[pair.mine]
    first = times[moved].min()
    ahead = len(np.unique(times[(times >= first) & (times <= pair.time)]))
    return {
        "rows_moved": int(moved.sum()),
        "rows_known": len(moved),
        "reaches_ahead_bars": ahead,
        "cut": str(pd.Timestamp(pair.time)),
    }


def _reach_words(evidence: Mapping[str, Any]) -> str:
    moved, known = evidence["rows_moved"], evidence["rows_known"]
    if moved == known:
        return f"{'the' if known == 1 else 'all'} {how_many(known, 'row')} before the cut"
    ahead = evidence["reaches_ahead_bars"]
    return (
        f"{moved:,} of {how_many(known, 'row')} before the cut, the earliest {ahead:,} "
        f"bar{'s' if ahead > 1 else ''} before the first changed bar"
    )


def _largest_change(first: Floats, second: Floats) -> float:
    """Largest change, in standard deviations of its column; NaN where that is undefined."""
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        deviation = np.nanstd(first.astype(np.float64), axis=0)
        change = np.nanmax(np.abs(second.astype(np.float64) - first), axis=0, initial=0.0)
        ratio = change[deviation > 0] / deviation[deviation > 0]
    return float(ratio.max()) if ratio.size else float("nan")


def _listed(names: list[str]) -> str:
    shown = ", ".join(f"`{name}`" for name in names[:_NAMED])
    rest = len(names) - _NAMED
    return shown + (f" and {rest:,} more" if rest > 0 else "")


_CHECKS: tuple[Callable[[Pair], Movement | None], ...] = (
    _features,
    _labels,
    _split,
    _rows,
    _selection,
    _scaling,
    _model,
    _fitted_number("temperature"),
    _fitted_number("threshold"),
    _predictions,
    _signals,
)
