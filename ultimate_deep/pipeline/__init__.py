"""From bars to what a model reads, and from logits to a judged decision."""

from typing import TYPE_CHECKING

from ultimate_deep.machine.lazy import lazy_names

if TYPE_CHECKING:
    from ultimate_deep.pipeline.config import (
        ExperimentConfig,
        FeatureConfig,
        HeadConfig,
        ModelConfig,
        ThresholdConfig,
    )
    from ultimate_deep.pipeline.inputs.config import InputConfig
    from ultimate_deep.pipeline.judge import Judge, Judgement
    from ultimate_deep.pipeline.prepared import Prepared
    from ultimate_deep.pipeline.rows import Rows, assemble_rows
    from ultimate_deep.pipeline.steps import Steps

_HOMES = {
    "config": ("ExperimentConfig", "FeatureConfig", "HeadConfig", "ModelConfig", "ThresholdConfig"),
    "inputs.config": ("InputConfig",),
    "judge": ("Judge", "Judgement"),
    "prepared": ("Prepared",),
    "rows": ("Rows", "assemble_rows"),
    "steps": ("Steps",),
}
__getattr__, __dir__ = lazy_names(__name__, _HOMES)

__all__ = [
    "ExperimentConfig",
    "FeatureConfig",
    "HeadConfig",
    "InputConfig",
    "Judge",
    "Judgement",
    "ModelConfig",
    "Prepared",
    "Rows",
    "Steps",
    "ThresholdConfig",
    "assemble_rows",
]
