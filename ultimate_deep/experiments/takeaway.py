"""What people take away from a judged model: its predictions, trades, equity and positions.

One file each, as CSV or Parquet, and `summary.json` for programs.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ultimate_deep.evaluation.backtesting.account import BacktestResult
from ultimate_deep.evaluation.json_safe import json_safe
from ultimate_deep.evaluation.signals import signal_from_probability
from ultimate_deep.machine.files import write_json
from ultimate_deep.machine.tables import TableFormat, write_table
from ultimate_deep.pipeline.judge import Judge, Judgement
from ultimate_deep.pipeline.rows import decision_columns

IN_A_NOTEBOOK = (
    "accuracy", "log_loss", "roc_auc", "total_return", "sharpe", "max_drawdown", "trades",
)  # fmt: skip
SUMMARY_FILE = "summary.json"
TABLES = {
    "predictions": "probability, signal, label and return of every decision",
    "trades": "every trade, with prices and returns",
    "equity": "value of the account after every bar, and what the bar brought and cost",
    "positions": "share of the equity held from every bar's open on",
}


def purposes(form: TableFormat) -> dict[str, str]:
    """Return what each of these files is for, by name."""
    tables = {f"{name}.{form}": purpose for name, purpose in TABLES.items()}
    return {SUMMARY_FILE: "the verdict and the figures, for programs", **tables}


def figures_html(sentence: str, figures: Mapping[str, Mapping[str, float]]) -> str:
    """Return what a notebook shows: a sentence, and the figures of every contender below it."""
    table = pd.DataFrame(figures).T
    shown = [name for name in IN_A_NOTEBOOK if name in table]
    return f"<p>{html.escape(sentence)}</p>{table[shown].to_html()}"


def write_takeaway(
    folder: Path,
    judge: Judge,
    judged: Judgement,
    rivals: Sequence[Judgement],
    *,
    verdict: Mapping[str, Any] | None,
    form: TableFormat,
    facts: Mapping[str, Any],
) -> None:
    """Write the tables and the summary into a folder that exists.

    Args:
        folder: Folder of the run, the backtest or the judgement.
        judge: Who judged, with bars and rows.
        judged: The model, with probabilities.
        rivals: Baselines on the same rows.
        verdict: What it was found to be; None where nobody asked.
        form: `csv` or `parquet`.
        facts: What else the summary says.
    """
    account = judged.backtest
    tables = {
        "predictions": predictions(judge, judged),
        "trades": account.trades.drop(columns=["entry_row", "exit_row"]),
        "equity": equity(account),
        "positions": pd.DataFrame(
            {
                "timestamp": account.index,
                "position": account.position,
                "turnover": account.turnover,
            }
        ),
    }
    for name, table in tables.items():
        write_table(folder / f"{name}.{form}", table)
    summary = {
        **facts,
        "simulated": judge.market.simulated,
        "symbols": list(judge.market.bars),
        "decisions": len(judge.part),
        "threshold": judged.threshold,
        "verdict": verdict,
        "figures": {one.name: dict(one.metrics) for one in (judged, *rivals)},
    }
    write_json(folder / SUMMARY_FILE, json_safe(summary))


def predictions(judge: Judge, judged: Judgement) -> pd.DataFrame:
    """Return one row for each decision that was judged, by symbol and time."""
    rows, part = judge.rows, judge.part
    assert judged.probability is not None
    signal = signal_from_probability(judged.probability, judged.threshold, mode=judge.config.mode)
    return pd.DataFrame(
        {
            **decision_columns(judge.market, rows, part),
            "probability_up": judged.probability,
            "signal": signal.astype(np.int64),
            "label": rows.labels[part],
            "return_log": rows.return_log[part],
        }
    )


def equity(account: BacktestResult) -> pd.DataFrame:
    """Return the account's value and returns bar by bar."""
    return pd.DataFrame(
        {
            "timestamp": account.index,
            "equity": account.equity,
            "return_net": account.return_net,
            "return_gross": account.return_gross,
            "cost": account.cost,
        }
    )


def equity_curves(judged: Sequence[Judgement]) -> pd.DataFrame:
    """Return the accounts' values after every bar, from a start of 1, a column for each.

    Args:
        judged: Judgements by the same judge, so on the same bars.
    """
    curves = {one.name: one.backtest.equity for one in judged}
    return pd.DataFrame(curves, index=judged[0].backtest.index)
