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
    from ultimate_deep.evaluation.verdicts.config import VerdictConfig
    from ultimate_deep.evaluation.verdicts.evidence import EvidenceInputs
    from ultimate_deep.evaluation.verdicts.verdict import Verdict, judge_model

_HOMES = {
    "assessment": ("Assessment", "AssessmentInputs", "assess"),
    "backtesting.account": ("BacktestResult",),
    "backtesting.config": ("BacktestConfig",),
    "backtesting.engines": ("run_any_backtest",),
    "ledger.ledger": ("TrialLedger",),
    "signals": ("signal_from_probability",),
    "verdicts.config": ("VerdictConfig",),
    "verdicts.evidence": ("EvidenceInputs",),
    "verdicts.verdict": ("Verdict", "judge_model"),
}
__getattr__, __dir__ = lazy_names(__name__, _HOMES)

__all__ = [
    "Assessment",
    "AssessmentInputs",
    "BacktestConfig",
    "BacktestResult",
    "EvidenceInputs",
    "TrialLedger",
    "Verdict",
    "VerdictConfig",
    "assess",
    "judge_model",
    "run_any_backtest",
    "signal_from_probability",
]
