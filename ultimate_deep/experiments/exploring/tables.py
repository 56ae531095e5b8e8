"""Tables of an exploration as HTML."""

from collections.abc import Iterable, Sequence
from html import escape

import numpy as np
import pandas as pd

from ultimate_deep.evaluation.reporting.tables import show
from ultimate_deep.evaluation.significance.bootstrap import Interval
from ultimate_deep.experiments.exploring.exploration import Exploration
from ultimate_deep.experiments.exploring.importance import Importances
from ultimate_deep.machine.counts import how_many

_MOST_OUTLIERS = 12


def feature_table_html(table: pd.DataFrame) -> str:
    """Return the given features, one row each; claimed ones stand out."""
    heads = ("feature", "IC", "IC a bar later", "t", "q", "same sign", "worst PSI", "kept")
    rows = []
    for row in table.to_dict("records"):
        cells = [
            f"{escape(row['name'])}<small>{escape(row['family'])}</small>",
            show(row["ic"], "{:+.4f}"),
            show(row["ic_one_bar_later"], "{:+.4f}"),
            show(row["t"], "{:+.1f}"),
            "&lt;0.001" if row["q"] < 0.001 else show(row["q"], "{:.3f}"),
            show(row["sign_share"], "{:.0%}"),
            show(row["worst_psi"], "{:.2f}"),
            "yes" if row["kept"] else escape(row["reason"].split(":")[0]),
        ]
        rows.append((cells, bool(row["significant"])))
    return _table(heads, rows)


def family_table(explored: Exploration) -> str:
    """Return one row per family: features, warm-up, kept, claimed."""
    claimed = set(explored.claimed)
    dropped = explored.selection.dropped
    rows = []
    for family in dict.fromkeys(explored.families):
        own = [j for j, one in enumerate(explored.families) if one == family]
        cells = [
            escape(family.replace("_", " ")),
            str(len(own)),
            str(int(explored.warmup_bars[own].max())),
            f"{int(explored.missing[own].sum()):,}",
            str(sum(explored.names[j] not in dropped for j in own)),
            str(sum(j in claimed for j in own)),
        ]
        rows.append((cells, False))
    heads = ("family", "features", "warm-up, bars", "missing after it", "kept", "claimed")
    return _table(heads, rows)


def dropped_table(explored: Exploration) -> str:
    """Return every dropped feature with the reason; nothing where all are kept."""
    dropped = explored.selection.dropped
    if not dropped:
        return ""
    body = "".join(
        f"<tr><td>{escape(name)}</td><td>{escape(drop.reason)}</td></tr>"
        for name, drop in dropped.items()
    )
    return f'<table class="names"><tbody>{body}</tbody></table>'


def outlier_table(explored: Exploration) -> str:
    """Return the features that are clipped most."""
    limits = explored.limits
    order = np.argsort(-explored.clipped_share, kind="stable")[:_MOST_OUTLIERS]
    rows = []
    for j in order:
        if explored.clipped_share[j] == 0.0:
            break
        cells = [
            escape(explored.names[j]),
            f"{explored.clipped_share[j]:.2%}",
            f"{limits.median[j]:.4g}",
            f"{limits.low[j]:.4g}",
            f"{limits.high[j]:.4g}",
        ]
        rows.append((cells, False))
    if not rows:
        return "<p>No training value lies beyond its limits.</p>"
    count = int((explored.clipped_share > 0.0).sum())
    table = _table(("feature", "clipped", "median", "lower limit", "upper limit"), rows)
    return (
        f"<p>{how_many(count, 'feature has', 'features have')} values beyond the limits; the "
        f"most clipped:</p>{table}"
    )


def importance_table(found: Importances) -> str:
    """Return every feature or group with its three figures and intervals."""
    rows = []
    for entry in found.entries:
        cells = [
            escape(", ".join(entry.names)),
            _with_interval(entry.log_loss, "{:+.5f}"),
            _with_interval(entry.auc, "{:+.4f}"),
            _with_interval(entry.accuracy, "{:+.2%}"),
        ]
        rows.append((cells, entry.log_loss.lower > 0.0))
    return _table(("shuffled", "log loss rises", "AUC falls", "accuracy falls"), rows)


def _with_interval(interval: Interval, form: str) -> str:
    bounds = f"{form.format(interval.lower)} to {form.format(interval.upper)}"
    return f"{form.format(interval.estimate)}<small>{bounds}</small>"


def _table(heads: Sequence[str], rows: Iterable[tuple[list[str], bool]]) -> str:
    """A table of cells that are HTML already; marked rows stand out."""
    head = "".join(f"<th>{escape(one)}</th>" for one in heads)
    mark = ' class="model"'
    body = "".join(
        f"<tr{mark if marked else ''}>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"
        for cells, marked in rows
    )
    return (
        f'<div class="scroll"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )
