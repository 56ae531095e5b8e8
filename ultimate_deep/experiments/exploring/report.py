"""The page of an exploration: the verdict first, then what it rests on."""

from html import escape

import numpy as np
import pandas as pd

from ultimate_deep.evaluation.reporting.page import (
    bullets,
    card,
    details,
    figure,
    page_header,
    render_page,
    section,
)
from ultimate_deep.evaluation.reporting.tables import names_table
from ultimate_deep.experiments.exploring import plots
from ultimate_deep.experiments.exploring.exploration import Exploration
from ultimate_deep.experiments.exploring.summary import (
    chance_count,
    counts,
    heading,
    importance_sentence,
    notes,
    sentence,
    sorted_features,
)
from ultimate_deep.experiments.exploring.tables import (
    dropped_table,
    family_table,
    feature_table_html,
    importance_table,
    outlier_table,
)
from ultimate_deep.features.judging.stability import BINS, SHIFT, STRONG_SHIFT
from ultimate_deep.machine.counts import how_many

_SHOWN = 24  # features in each picture
_FILES = {
    "report.html": "this page",
    "features.csv": "one row per feature: coefficient, stability, outliers, selection",
    "ic_by_period.csv": "coefficient of every feature in every period",
    "importance.csv": "what shuffling costs the model (with a bundle)",
    "exploration.json": "all of it for programs",
    "selection.json": "features kept and dropped, with reasons",
    "limits.json": "outlier limits, for ultimate_deep.features.RobustLimits.from_dict",
    "selected.yaml": "the kept features as a configuration: --config selected.yaml",
    "config.json": "what was asked for",
}


def render_exploration(explored: Exploration) -> str:
    """Return the page as one HTML string."""
    first, last = explored.train_span
    symbols = ", ".join(explored.market.bars)
    subtitle = (
        f"{symbols}: training part {first:%Y-%m-%d} to {last:%Y-%m-%d}, "
        f"{how_many(explored.train_rows, 'row')}; the test part was not looked at"
    )
    if explored.importances is not None and explored.importances.part == "test":
        subtitle = subtitle.removesuffix("; the test part was not looked at")
        subtitle += "; importance was taken on the test part"
    simulated = explored.market.simulated
    parts = [
        page_header("Feature report", subtitle, simulated=simulated),
        _verdict(explored),
        _coefficients(explored),
        _importance(explored),
        _correlation(explored),
        _stability(explored),
        _outliers(explored),
        _warmup(explored),
        section("Notes", bullets(notes(explored))),
        _setup(explored),
        _no_promise(explored),
    ]
    return render_page(f"Feature report: {symbols}", "\n".join(parts), simulated=simulated)


def _verdict(explored: Exploration) -> str:
    found = counts(explored)
    chance = chance_count(found["expected_by_chance"])
    by_chance = f"{found['uncorrected']} uncorrected, about {chance} by chance"
    same = f"{found['duplicate']} duplicate, {found['collinear']} collinear"
    cards = [
        card(f"{found['features']}", "features computed", f"{len(explored.left_out)} left out"),
        card(f"{found['kept']}", "kept", f"{found['constant']} constant, {same}"),
        card(f"{found['claimed']}", "information coefficients claimed", by_chance),
        card(
            f"{found['shifted']}", "features change their distribution",
            f"stability index above {STRONG_SHIFT:g} in some period",
        ),
    ]  # fmt: skip
    tone = "tone-good" if explored.claimed else "tone-bad"
    return (
        f'<section class="verdict {tone}"><div class="kind">{escape(heading(explored))}</div>'
        f'<p class="sentence">{escape(sentence(explored))}</p>'
        f'<div class="cards">{"".join(cards)}</div></section>'
    )


def _coefficients(explored: Exploration) -> str:
    table = sorted_features(explored)
    top = [explored.names.index(name) for name in table["name"].head(_SHOWN)]
    scores = explored.scores
    kind = "rank correlation" if scores.config.method == "spearman" else "correlation"
    return section(
        "Information coefficients",
        figure(plots.plot_against_chance(explored)),
        figure(
            plots.plot_ic_by_period(explored, top),
            f"The {how_many(len(top), 'feature')} with the largest |t|: blue where high values "
            "went with high "
            "returns, orange where with low ones. A real relation keeps its colour.",
        ),
        feature_table_html(table.head(_SHOWN)),
        details(f"All {how_many(len(table), 'feature')}", feature_table_html(table)),
        hint=f"The {kind} of a feature with the return from the next bar's open on. Standard "
        "errors allow for overlapping returns. IC a bar later: with the return of who acts one "
        "bar late; what is gone by then is often a bounce between bid and ask. q: share of false "
        "claims if this feature is the last one claimed.",
    )


def _importance(explored: Exploration) -> str:
    found = explored.importances
    if found is None:
        return ""
    return section(
        "What the trained model needs",
        f"<p>{escape(importance_sentence(found))}</p>",
        figure(plots.plot_importance(found, most=_SHOWN, simulated=explored.market.simulated)),
        details("All figures", importance_table(found)),
        hint=f"{found.rows:,} {found.part} rows. {found.note} Blocks of {found.block_bars} bars "
        f"change places, {found.config.repeats} times; intervals are a block bootstrap over rows.",
    )


def _correlation(explored: Exploration) -> str:
    selection, limits = explored.selection, explored.config.selection
    picture = plots.plot_correlation(explored)
    table = dropped_table(explored)
    return section(
        "Constant, duplicate and collinear features",
        figure(picture, "Blue: they rise together; orange: one falls where the other rises."),
        details(
            f"The {how_many(len(selection.dropped), 'feature that is', 'features that are')} "
            "dropped, and why",
            table,
        ),
        hint=f"Constant: one value in {limits.constant_share:.1%} of the rows. Duplicate: "
        f"|correlation| above {limits.duplicate_correlation:g}; collinear: above "
        f"{limits.collinear_correlation:g}. Of each group the feature with the largest |IC| on "
        "the training part is kept. Correlations are taken after clipping.",
    )


def _stability(explored: Exploration) -> str:
    worst = explored.stability.worst
    order = np.argsort(-np.where(np.isfinite(worst), worst, -np.inf), kind="stable")[:_SHOWN]
    return section(
        "Stability",
        figure(
            plots.plot_stability(explored, order.tolist()),
            f"The {how_many(len(order), 'feature that shifts', 'features that shift')} most. "
            "Calendar features do so by nature, slow "
            "ones always somewhat, and chance alone gives about "
            f"{_chance_shift(explored):.3f} where rows are independent.",
        ),
        hint="Each period's distribution against that of the whole training part. By custom "
        f"below {SHIFT:g} is steady and above {STRONG_SHIFT:g} another population. A net sees a "
        "shifted feature outside the range that it was trained on.",
    )


def _chance_shift(explored: Exploration) -> float:
    rows = explored.stability.rows_by_period
    return BINS / float(np.median(rows))


def _outliers(explored: Exploration) -> str:
    basis = pd.Series(explored.limits.basis).value_counts()
    left = int(basis.reindex(["bounded", "flag", "constant"]).sum())
    return section(
        "Outliers",
        outlier_table(explored),
        hint=f"Values are kept within {explored.limits.multiple:g} robust standard deviations of "
        f"the median, both from the training part; {left} bounded, two-valued or constant "
        "features are left alone.",
    )


def _warmup(explored: Exploration) -> str:
    return section(
        "Families and warm-up",
        figure(plots.plot_warmup(explored)),
        family_table(explored),
        hint="A row is used from the first bar on at which every feature has a value: "
        f"{how_many(int(explored.warmup_bars.max()), 'bar')}.",
    )


def _setup(explored: Exploration) -> str:
    files = {
        name: what
        for name, what in _FILES.items()
        if name != "importance.csv" or explored.importances is not None
    }
    return section(
        "What was run",
        details("Configuration", names_table(explored.config.to_dict())),
        details("Files beside this report", names_table(files)),
    )


def _no_promise(explored: Exploration) -> str:
    lines = [
        *(["These bars were simulated: no market behaves by this program."]
          * explored.market.simulated),
        "A coefficient describes the training part. Markets change, and a relation that is known "
        "tends to be traded away.",
        "Coefficients see each feature alone. A net may use features together that say nothing "
        "apart, and may find nothing in those that do.",
        "Every look at the same bars makes a lucky find more likely; the correction counts the "
        "features of this report, not the reports.",
        "Choosing features by this report is part of training: judge the result on the test part "
        "once.",
    ]  # fmt: skip
    return section("What these numbers do not promise", bullets(lines))
