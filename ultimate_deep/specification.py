"""The documents' own names for classes, each with what does its work here.

    from ultimate_deep.specification import LSTMPricePredictor

    model = LSTMPricePredictor({"bars": (32, 220)})  # 32 bars of 220 features: a `keras.Model`

`NAMES` says of every name what it stands for and how that differs from the document's class, and
`ABSENT` what to use where there is nothing yet; `docs/specification.md` has every item of the
documents. Nothing is imported before its name is asked for.

A net is its builder, `build(inputs, heads, config) -> keras.Model`: `inputs` names each input with
its shape without the batch, `heads` (`ultimate_deep.models.Heads`) says what is predicted, and
`config` is the frozen dataclass that is the builder's third default. What it returns are logits.
"""

import importlib
import sys
from opcode import opmap
from types import FrameType
from typing import Any

PAGE = "docs/specification.md"

# Name: what it stands for, and how that differs from what the document describes.
NAMES: dict[str, tuple[str, str]] = {
    "LSTMPricePredictor": (
        "ultimate_deep.models.nets.lstm:build_lstm",
        "A function that builds the net from one window, `{'bars': (window_bars, features)}`.",
    ),
    "BiLSTMPredictor": (
        "ultimate_deep.models.nets.bilstm:build_bilstm",
        "A function that builds the net from one window, `{'bars': (window_bars, features)}`.",
    ),
    "StackedLSTM": (
        "ultimate_deep.models.nets.stacked_lstm:build_stacked_lstm",
        "A function that builds the net from one window, `{'bars': (window_bars, features)}`.",
    ),
    "AttentiveLSTM": (
        "ultimate_deep.models.nets.attentive_lstm:build_attentive_lstm",
        "A function that builds the net from a window of each timeframe, the finest first.",
    ),
    "TransformerPredictor": (
        "ultimate_deep.models.nets.transformer:build_transformer",
        "A function that builds the net from one window, `{'bars': (window_bars, features)}`.",
    ),
    "MultiHeadPredictor": (
        "ultimate_deep.models.nets.multi_head_predictor:build_multi_head_predictor",
        "A function; `Heads(horizons=3)` gives three horizons, each with attention of its own.",
    ),
    "CrossTimeframeTransformer": (
        "ultimate_deep.models.nets.cross_timeframe_transformer:build_cross_timeframe_transformer",
        "A function that builds the net from a window of each timeframe, the finest first.",
    ),
    "HybridLSTMTransformer": (
        "ultimate_deep.models.nets.hybrid_lstm_transformer:build_hybrid_lstm_transformer",
        "A function that builds the net from one window, `{'bars': (window_bars, features)}`.",
    ),
    "AdaptiveHybridModel": (
        "ultimate_deep.models.nets.adaptive_hybrid:build_adaptive_hybrid",
        "A function that builds the net from one window, `{'bars': (window_bars, features)}`.",
    ),
    "MultiScaleHybrid": (
        "ultimate_deep.models.nets.multi_scale_hybrid:build_multi_scale_hybrid",
        "A function that builds the net from a window of each timeframe, the finest first.",
    ),
    "MemoryAugmentedNetwork": (
        "ultimate_deep.models.nets.memory_augmented:build_memory_augmented",
        "A function; it has short-term and long-term banks, `EpisodicMemoryNetwork` the episodes.",
    ),
    "EpisodicMemoryNetwork": (
        "ultimate_deep.models.nets.episodic_memory:build_episodic_memory",
        "A function; the index is filled before training, and no regime is named.",
    ),
    "CryptoDataset": (
        "ultimate_deep.training.batches.window_dataset:WindowDataset",
        "A Keras dataset over windows of any market's rows; it neither reads nor scales bars.",
    ),
    "MultiHorizonDataset": (
        "ultimate_deep.training.batches.window_dataset:WindowDataset",
        "The same as `CryptoDataset`: labels have a column for each horizon.",
    ),
    "TimeSeriesDataModule": (
        "ultimate_deep.experiments.experiment:prepare",
        "A function from configuration to `Prepared`, whose `arrays('train')` is a part's data.",
    ),
    "FocalLoss": (
        "ultimate_deep.training.losses.focal:focal_loss",
        "A function of labels and logits without a reduction; in a run `fit.loss.name: focal`.",
    ),
    "LabelSmoothingCrossEntropy": (
        "ultimate_deep.training.losses.smoothed_cross_entropy:smoothed_cross_entropy",
        "A function of labels and logits without a reduction; in a run "
        "`fit.loss.name: smoothed_cross_entropy`.",
    ),
    "MultiHorizonLoss": (
        "ultimate_deep.training.losses.multi_horizon:horizon_weighted",
        "A function that weighs another loss by horizon; in a run `fit.loss.name: multi_horizon`.",
    ),
    "TradingLoss": (
        "ultimate_deep.training.losses.trading:trading_loss",
        "A function of returns, their usual size and logits; in a run `fit.loss.name: trading`.",
    ),
    "UncertaintyLoss": (
        "ultimate_deep.training.losses.uncertainty:uncertainty_loss",
        "A function of labels, logits and their log variance: aleatoric uncertainty alone.",
    ),
    "MetricsTracker": (
        "ultimate_deep.evaluation.forecasts.table:forecast_table",
        "A function of finished predictions of all horizons; nothing is tracked batch by batch.",
    ),
    "TradingMetrics": (
        "ultimate_deep.evaluation.backtesting.account:performance_metrics",
        "A function of one account's series, in a run that of the backtest after costs.",
    ),
    "Trainer": (
        "ultimate_deep.training.trainer:Trainer",
        "A class over `training.loop.fit.fit`: a built model, arrays of both parts, a `FitConfig`.",
    ),
    "DistributedTrainer": (
        "ultimate_deep.training.trainer:Trainer",
        'The same class: `FitConfig(workers=4)`, with `engine="ray"` on several machines, with '
        "`sharding` on several devices (JAX).",
    ),
    "create_trainer": (
        "ultimate_deep.experiments.trainer:create_trainer",
        "From an `ExperimentConfig`: bars prepared, net built; `.fit()` and `.resume()` train it.",
    ),
    "ModelInference": (
        "ultimate_deep.bundles.bundle:load_any",
        "A function from a run's folder to a bundle that predicts; it keeps no latencies.",
    ),
    "BatchInference": (
        "ultimate_deep.bundles.predicting:predict_bars",
        "A function from a bundle and bars to a table with one row for each bar.",
    ),
    "EnsembleInference": (
        "ultimate_deep.bundles.ensembles.bundle:load_ensemble",
        "A function from an ensemble's folder to a bundle that predicts.",
    ),
    "EnsemblePredictor": (
        "ultimate_deep.bundles.ensembles.predictor:EnsemblePredictor",
        "The class, of a fitted combiner and its members' bundles; weights come from validation.",
    ),
    "HyperparameterOptimizer": (
        "ultimate_deep.experiments.tuning.tune:tune_experiment",
        "A function that searches at random or by Hyperband with KerasTuner, not with Optuna.",
    ),
    "TechnicalFeatureEngineering": (
        "ultimate_deep.features:compute_features",
        "A function from bars to a matrix of causal features; no indicator is left raw.",
    ),
}

# Name: the item of `docs/specification.md`, and what to use today.
ABSENT: dict[str, tuple[int, str]] = {
    "StreamingInference": (
        73,
        "ultimate_deep.features.FeatureStream makes a row of features from each bar, and "
        "Bundle.probability reads such rows where the model reads single bars",
    ),
    "ModelMonitor": (76, "ultimate-deep evaluate judges a saved model on newer bars"),
    "DriftDetector": (
        79,
        "ultimate_deep.features.population_stability compares features by period",
    ),
    "DataPipelineConnector": (
        81,
        "ultimate_deep.read_bars reads files, Polygon and Supabase are not asked",
    ),
    "RealtimeDataStream": (
        83,
        "ultimate_deep.features.FeatureStream takes bars one by one from wherever you have them",
    ),
    "MultiObjectiveOptimizer": (86, "ultimate-deep tune searches by one objective"),
    "FlashTransformerLayer": (
        127,
        "ultimate_deep.models.layers.SequenceAttention with kind='chunked' saves the memory",
    ),
    "TPESampler": (175, "ultimate-deep tune --tune.search random"),
    "MedianPruner": (176, "ultimate-deep tune --tune.search hyperband drops weak trials early"),
}

__all__ = ["ABSENT", "NAMES", *sorted(NAMES)]


def __getattr__(name: str) -> Any:
    if name in NAMES:
        module, _, attribute = NAMES[name][0].partition(":")
        return getattr(importlib.import_module(module), attribute)
    if name in ABSENT:
        item, today = ABSENT[name]
        message = (
            f"{name} of the documents does not exist yet (item {item} of {PAGE}); today {today}"
        )
        # `from ... import` replaces the message of an AttributeError by one of its own.
        raise (ImportError if _imports(sys._getframe(1)) else AttributeError)(message)
    raise AttributeError(
        f"no class of the documents is called {name!r}; ultimate_deep.specification.NAMES lists "
        "those that are"
    )


def __dir__() -> list[str]:
    return sorted({*globals(), *NAMES})


def _imports(frame: FrameType) -> bool:
    """Whether a frame is at `from ... import`."""
    return frame.f_code.co_code[frame.f_lasti] == opmap["IMPORT_FROM"]
