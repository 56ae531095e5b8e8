"""What is run, judged and written: runs, searches, comparisons, retraining along time."""

from typing import TYPE_CHECKING

from ultimate_deep.machine.lazy import lazy_names

if TYPE_CHECKING:
    from ultimate_deep.experiments.ensembles.documents import ensemble_from_specification
    from ultimate_deep.experiments.ensembles.run import run_ensemble
    from ultimate_deep.experiments.exploring.exploration import explore
    from ultimate_deep.experiments.judging.comparing import compare_bundles
    from ultimate_deep.experiments.judging.evaluation import evaluate_bundle
    from ultimate_deep.experiments.judging.foreign import JudgedPredictions
    from ultimate_deep.experiments.judging.rejudged import Rejudged, backtest_bundle
    from ultimate_deep.experiments.leaks.detection import detect_in_bundle
    from ultimate_deep.experiments.preparing import prepare
    from ultimate_deep.experiments.run import Run, run_experiment
    from ultimate_deep.experiments.trainer import create_trainer
    from ultimate_deep.experiments.tuning.hypermodel import NetHyperModel
    from ultimate_deep.experiments.tuning.tune import tune_experiment

_HOMES = {
    "ensembles.documents": ("ensemble_from_specification",),
    "ensembles.run": ("run_ensemble",),
    "exploring.exploration": ("explore",),
    "judging.comparing": ("compare_bundles",),
    "judging.evaluation": ("evaluate_bundle",),
    "judging.foreign": ("JudgedPredictions",),
    "judging.rejudged": ("Rejudged", "backtest_bundle"),
    "leaks.detection": ("detect_in_bundle",),
    "preparing": ("prepare",),
    "run": ("Run", "run_experiment"),
    "trainer": ("create_trainer",),
    "tuning.hypermodel": ("NetHyperModel",),
    "tuning.tune": ("tune_experiment",),
}
__getattr__, __dir__ = lazy_names(__name__, _HOMES)

__all__ = [
    "JudgedPredictions",
    "NetHyperModel",
    "Rejudged",
    "Run",
    "backtest_bundle",
    "compare_bundles",
    "create_trainer",
    "detect_in_bundle",
    "ensemble_from_specification",
    "evaluate_bundle",
    "explore",
    "prepare",
    "run_ensemble",
    "run_experiment",
    "tune_experiment",
]
