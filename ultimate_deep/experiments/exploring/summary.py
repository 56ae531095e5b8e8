"""What an exploration says in figures and sentences."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ultimate_deep.experiments.exploring.exploration import Exploration
from ultimate_deep.experiments.exploring.importance import Importances
from ultimate_deep.features.judging.stability import STRONG_SHIFT
from ultimate_deep.machine.counts import how_many


def sorted_features(explored: Exploration) -> pd.DataFrame:
    """The table of features, the largest size of t first; says which rows are simulated."""
    frame = explored.to_frame()
    frame["simulated"] = explored.market.simulated
    order = np.argsort(-np.abs(frame["t"].to_numpy()), kind="stable")
    return frame.iloc[order]


def counts(explored: Exploration) -> dict[str, float]:
    """The figures of the summary."""
    selection, scores = explored.selection, explored.scores
    return {
        "features": len(explored.names),
        "kept": len(selection.kept),
        "constant": len(selection.named("constant")),
        "duplicate": len(selection.named("duplicate")),
        "collinear": len(selection.named("collinear")),
        "tested": scores.tested,
        "claimed": len(explored.claimed),
        "claimed_and_lasting": len(explored.lasting),
        "uncorrected": scores.uncorrected,
        "expected_by_chance": scores.expected_by_chance,
        "detectable_ic": explored.detectable,
        "shifted": int((explored.stability.worst > STRONG_SHIFT).sum()),
    }


def heading(explored: Exploration) -> str:
    """The verdict in a few words."""
    claimed, tested = len(explored.claimed), explored.scores.tested
    end = " (simulated bars)" if explored.market.simulated else ""
    if not claimed:
        return f"No feature stands out from chance{end}"
    verb = "says" if claimed == 1 else "say"
    return f"{claimed} of {tested} features {verb} something about the next return{end}"


def sentence(explored: Exploration) -> str:
    """The verdict with its figures."""
    scores, config = explored.scores, explored.config.scoring
    level = f"{config.false_discovery_rate:.0%}"
    name = "Benjamini-Hochberg" if config.correction == "bh" else "Benjamini-Yekutieli"
    horizon = explored.config.label.horizon_bars
    over = "the next bar" if horizon == 1 else f"the next {horizon} bars"
    chance = (
        f"Without the correction {scores.uncorrected} would pass at {level}, where chance alone "
        f"gives about {chance_count(scores.expected_by_chance)}"
    )
    where = f"on {how_many(explored.train_rows, 'training row')}{on_simulated(explored)}"
    if not explored.claimed:
        return (
            f"None of {scores.tested} information coefficients with the return over {over} {where} "
            f"survives the correction for testing them all ({name}, {level}). {chance}. This is "
            f"no proof that there is nothing: a coefficient below about {explored.detectable:.3f} "
            "would mostly have stayed unseen here."
        )
    best = explored.claimed[0]
    return (
        f"{where[0].upper()}{where[1:]}, {len(explored.claimed)} of {scores.tested} information "
        f"coefficients with the return over {over} survive the correction for testing them all "
        f"({name}, {level}); the clearest is {scores.ic[best]:+.4f} of {explored.names[best]} "
        f"(t {scores.t[best]:+.1f}). {chance}. {_lasting(explored)} Many are relatives, so they "
        "are fewer findings than features. Whether they are worth more than the costs of trading "
        "them, only a backtest on later bars can say."
    )


def _lasting(explored: Exploration) -> str:
    lasting, claimed = len(explored.lasting), len(explored.claimed)
    if lasting == claimed:
        return "All of them keep their sign for who acts one bar late."
    return (
        f"{lasting} of them keep their sign for who acts one bar late; the rest is gone by then, "
        "as bounces between bid and ask are."
    )


def notes(explored: Exploration) -> list[str]:
    """What a reader must know about the data."""
    config = explored.config
    lines = [f"{one.symbol}: {note}" for one in explored.market.bars.values() for note in one.notes]
    unseen = "the validation or the test part"
    if explored.importances is not None:
        unseen = (
            f"other parts, but for the importance, which is taken on {explored.importances.part}"
        )
    lines.append(
        f"Only the training part was explored: the oldest {config.split.train_fraction:.0%} of "
        "the rows, less those whose label reaches beyond it. Nothing here was learnt from "
        f"{unseen}."
    )
    gone = int(explored.missing.sum())
    lines.append(
        f"{how_many(gone, 'value is', 'values are')} missing after the features' warm-up."
        if gone
        else "No value is missing after the features' warm-up."
    )
    by_reason: dict[str, list[str]] = {}
    for name, reason in explored.left_out.items():
        by_reason.setdefault(reason, []).append(name)
    lines += [
        f"{how_many(len(names), 'feature was', 'features were')} left out: {reason} "
        f"({', '.join(names)})."
        for reason, names in by_reason.items()
    ]
    return lines


def importance_sentence(found: Importances) -> str:
    """What the intervals allow to say, in one sentence."""
    needed, chance = len(found.needed), found.expected_by_chance
    base = (
        f"The model's log loss is {found.base['log_loss']:.4f} (a coin's is 0.6931) "
        f"and its AUC {found.base['auc']:.3f}."
    )
    those = (
        f"The rise when shuffled has an interval above zero for {needed} of {len(found.entries)}"
    )
    given = f"chance alone gives about {chance_count(chance)}"
    if needed <= 2.0 * chance:
        return f"{base} {those}; {given}: which features are needed cannot be told."
    most = found.entries[0]
    return (
        f"{base} {those}; {given}. Most needed: {group_label(most.names)}, "
        f"{most.log_loss.estimate:+.4f}. A feature with a twin can look unneeded."
    )


def chance_count(expected: float) -> str:
    """Return an expected number of false finds, with a decimal where it is small."""
    return f"{expected:.1f}" if expected < 10.0 else f"{expected:.0f}"


def group_label(names: Sequence[str]) -> str:
    """Return the first name and how many are shuffled with it."""
    return names[0] + (f" and {len(names) - 1} more" if len(names) > 1 else "")


def on_simulated(explored: Exploration) -> str:
    """Return ` of simulated bars` where they are."""
    return " of simulated bars" if explored.market.simulated else ""
