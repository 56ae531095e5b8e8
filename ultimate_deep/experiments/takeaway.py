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
from ultimate_deep.evaluation.ledger.trial import TrialCount
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


class Figures(dict[str, float]):
    """Figures of one contender by name, which are attributes too: `figures.accuracy`."""

    def __getattr__(self, name: str) -> float:
        if name in self:
            return self[name]
        raise AttributeError(f"there is no figure {name!r}; there are {', '.join(self)}")

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self]

    def __repr__(self) -> str:
        shown = [f"{name} {self[name]:.4g}" for name in IN_A_NOTEBOOK if name in self]
        return f"<figures: {', '.join(shown)}>"


class Contenders(dict[str, Figures]):
    """Figures by contender: `figures["random forest"]`, or `figures.random_forest`."""

    def __getattr__(self, name: str) -> Figures:
        for contender, figures in self.items():
            if contender.replace(" ", "_") == name:
                return figures
        raise AttributeError(f"there is no contender {name!r}; there are {', '.join(self)}")

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *(name.replace(" ", "_") for name in self)]

    def __repr__(self) -> str:
        return self.frame().to_string(float_format=lambda value: f"{value:.4g}")

    def _repr_html_(self) -> str:
        return self.frame().to_html()

    def frame(self) -> pd.DataFrame:
        """Return the figures that people look at first, a row for each contender."""
        table = pd.DataFrame({name: dict(figures) for name, figures in self.items()}).T
        return table[[name for name in IN_A_NOTEBOOK if name in table]]


def contenders(judged: Sequence[Judgement]) -> Contenders:
    """Return the figures of judgements by their names."""
    return Contenders({one.name: Figures(one.metrics) for one in judged})


def purposes(form: TableFormat) -> dict[str, str]:
    """Return what each of these files is for, by name."""
    tables = {f"{name}.{form}": purpose for name, purpose in TABLES.items()}
    return {SUMMARY_FILE: "the verdict and the figures, for programs", **tables}


def figures_html(sentence: str, figures: Contenders) -> str:
    """Return what a notebook shows: a sentence, and the figures of every contender below it."""
    return f"<p>{html.escape(sentence)}</p>{figures.frame().to_html()}"


def write_takeaway(
    folder: Path,
    judge: Judge,
    judged: Judgement,
    rivals: Sequence[Judgement],
    *,
    verdict: Mapping[str, Any] | None,
    form: TableFormat,
    facts: Mapping[str, Any],
    trials: TrialCount,
    figures: Mapping[str, Mapping[str, float]] | None = None,
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
        trials: What had been tried on these bars by then, and which ledgers say so.
        figures: Figures by contender; those of the model and its rivals by default.
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
        "ledgers": list(trials.ledgers),
        "trials": {
            "on_these_bars": trials.distinct,
            "independent": trials.effective_trials,
            "test_readings": trials.test_readings,
        },
        "figures": figures or contenders((judged, *rivals)),
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
