"""Arrays judged: backtests, measures, significance, leaks, the ledger, the verdict."""

from typing import TYPE_CHECKING

from ultimate_deep.machine.lazy import lazy_names

if TYPE_CHECKING:
    from ultimate_deep.evaluation.assessment import Assessment, AssessmentInputs, assess
    from ultimate_deep.evaluation.backtesting.account import BacktestResult
    from ultimate_deep.evaluation.backtesting.config import BacktestConfig
    from ultimate_deep.evaluation.backtesting.engines import run_any_backtest
    from ultimate_deep.evaluation.ledger.ledger import TrialLedger
    from ultimate_deep.evaluation.signals import signal_from_probability
    from ultimate_deep.evaluation.verdict import Verdict, VerdictConfig, judge_edge

_HOMES = {
    "assessment": ("Assessment", "AssessmentInputs", "assess"),
    "backtesting.account": ("BacktestResult",),
    "backtesting.config": ("BacktestConfig",),
    "backtesting.engines": ("run_any_backtest",),
    "ledger.ledger": ("TrialLedger",),
    "signals": ("signal_from_probability",),
    "verdict": ("Verdict", "VerdictConfig", "judge_edge"),
}
__getattr__, __dir__ = lazy_names(__name__, _HOMES)

__all__ = [
    "Assessment",
    "AssessmentInputs",
    "BacktestConfig",
    "BacktestResult",
    "TrialLedger",
    "Verdict",
    "VerdictConfig",
    "assess",
    "judge_edge",
    "run_any_backtest",
    "signal_from_probability",
]
