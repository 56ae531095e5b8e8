"""All measures of a forecast of several horizons in one tidy table."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import expit, softmax

from ultimate_deep.evaluation.arrays import Array1D, same_length
from ultimate_deep.evaluation.forecasts.coefficients import forecast_coefficient
from ultimate_deep.evaluation.forecasts.confidence import area_under_accuracy
from ultimate_deep.evaluation.forecasts.quantiles import (
    coverage,
    crossing_share,
    crps,
    interval_coverage,
    pinball,
)
from ultimate_deep.evaluation.measures.classes import (
    CLASS_NAMES,
    Counts,
    accuracy_of,
    class_codes,
    class_confusion,
    f1_of,
    mcc_of,
    mean_of_known,
    precision_of,
    recall_of,
)
from ultimate_deep.evaluation.measures.metrics import brier, ece, log_loss, reliability, roc_auc

COLUMNS = ("horizon", "of", "metric", "value")
_SMALLEST_PROBABILITY = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, eq=False, kw_only=True)
class Forecasts:
    """Forecasts of directions with what came, rows of one symbol in order of time.

    A NaN in a label or in a probability leaves that row out of that horizon's measures of
    classes; a NaN in a return leaves it out of those of returns. Nothing is filled in.

    Args:
        labels: Class numbers, float `(rows, horizons)`: down 0 and up 1, or down 0, flat 1, up 2.
        probability: Probability of up, `(rows, horizons)`, or of each class, `(rows, horizons,
            classes)`.
        returns: Log returns over each horizon, `(rows, horizons)`; None leaves the measures of
            returns out.
        horizon_bars: Bars of each horizon; 1 for each where None.

    Raises:
        ValueError: Shapes that do not match, probabilities outside [0, 1] or not summing to 1.
    """

    labels: npt.NDArray[np.floating]
    probability: npt.NDArray[np.floating]
    returns: npt.NDArray[np.floating] | None = None
    horizon_bars: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        shape = np.shape(self.labels)
        if len(shape) != 2 or np.shape(self.probability)[:2] != shape:
            raise ValueError(
                "labels have shape (rows, horizons) and probability (rows, horizons) or (rows, "
                f"horizons, classes), got {shape} and {np.shape(self.probability)}"
            )
        if self.returns is not None and np.shape(self.returns) != shape:
            raise ValueError(f"returns have the labels' shape {shape}, got {self.returns.shape}")
        if self.horizon_bars is not None and len(self.horizon_bars) != shape[1]:
            raise ValueError(
                f"horizon_bars names {shape[1]} horizons, got {len(self.horizon_bars)}"
            )
        _check_probabilities(self.probability, self.classes)

    @property
    def classes(self) -> int:
        """2 or 3."""
        return 2 if np.ndim(self.probability) == 2 else int(self.probability.shape[2])

    @property
    def horizons(self) -> int:
        """How many."""
        return int(self.labels.shape[1])

    def bars_of(self, horizon: int) -> int:
        """Bars of one horizon."""
        return 1 if self.horizon_bars is None else self.horizon_bars[horizon]

    def of_classes(self, horizon: int) -> tuple[Counts, npt.NDArray[np.float64]]:
        """Labels `(known,)` and probabilities `(known, classes)` of a horizon's known rows."""
        chances = self._chances(horizon)
        label = np.asarray(self.labels[:, horizon], dtype=np.float64)
        known = ~(np.isnan(label) | np.isnan(chances).any(axis=1))
        return class_codes("labels", label[known], self.classes), chances[known]

    def signal(self, horizon: int) -> Array1D:
        """Probability of up less that of down, `(rows,)`, in [-1, 1]."""
        chances = self._chances(horizon)
        return np.asarray(chances[:, -1] - chances[:, 0], dtype=np.float64)

    def _chances(self, horizon: int) -> npt.NDArray[np.float64]:
        chances = np.asarray(self.probability[:, horizon], dtype=np.float64)
        return np.stack([1.0 - chances, chances], axis=1) if chances.ndim == 1 else chances


def probability_of_logits(
    logits: npt.NDArray[np.floating], *, temperature: float = 1.0
) -> npt.NDArray[np.float64]:
    """Turn logits of up `(rows, horizons)` or of classes `(rows, horizons, 3)` to probabilities.

    Args:
        logits: Logits as floats; NaN stays NaN.
        temperature: What logits are divided by, above zero.
    """
    if not temperature > 0.0:
        raise ValueError(f"temperature must be above zero, got {temperature}")
    scaled = np.asarray(logits, dtype=np.float64) / temperature
    if scaled.ndim not in (2, 3):
        raise ValueError(
            f"logits have shape (rows, horizons) or (rows, horizons, 3), got {scaled.shape}"
        )
    return expit(scaled) if scaled.ndim == 2 else softmax(scaled, axis=-1)


def forecast_table(forecasts: Forecasts, *, bins: int = 10) -> pd.DataFrame:
    """Return every measure of every horizon and class, one per row.

    Args:
        forecasts: What to judge.
        bins: Bins of the calibration errors.

    Returns:
        Columns `horizon` (number), `of` (`all`, or a class), `metric`, `value`. Of all: `rows`,
        `accuracy`, `balanced_accuracy` (mean recall), `macro_f1` (of the classes that have one),
        `mcc`, `log_loss` (nats), `confidence_ece` (of the called class's probability),
        `accuracy_by_confidence` (area), and with returns `ic` and `rank_ic`, each with
        `_standard_error` and `_p`. Of each class, against all others: `rows`, `calls`,
        `precision`, `recall`, `f1`, `ece`, `brier`, `roc_auc`. Undefined values are NaN, also all
        of a horizon without known rows.
    """
    lines: list[tuple[int, str, str, float]] = []
    for horizon in range(forecasts.horizons):
        label, chances = forecasts.of_classes(horizon)
        known = {"all": {"rows": float(len(label))}}
        if len(label):
            known = _class_measures(label, chances, bins)
        known["all"] |= _return_measures(forecasts, horizon)
        for of, measures in known.items():
            lines.extend((horizon, of, metric, value) for metric, value in measures.items())
    return pd.DataFrame(lines, columns=list(COLUMNS))


def confusion_table(forecasts: Forecasts) -> pd.DataFrame:
    """Return the counts behind it: columns `horizon`, `label`, `predicted`, `rows`."""
    names = CLASS_NAMES[forecasts.classes]
    lines: list[tuple[int, str, str, int]] = []
    for horizon in range(forecasts.horizons):
        label, chances = forecasts.of_classes(horizon)
        if not len(label):
            continue
        counts = class_confusion(label, called(chances), classes=len(names))
        lines.extend(
            (horizon, names[i], names[j], int(counts[i, j]))
            for i in range(len(names))
            for j in range(len(names))
        )
    return pd.DataFrame(lines, columns=["horizon", "label", "predicted", "rows"])


def reliability_table(forecasts: Forecasts, *, bins: int = 10) -> pd.DataFrame:
    """Return `metrics.reliability` of each horizon and class: with `horizon` and `of` in front."""
    parts = []
    for horizon in range(forecasts.horizons):
        label, chances = forecasts.of_classes(horizon)
        for code, name in enumerate(CLASS_NAMES[forecasts.classes] if len(label) else ()):
            part = reliability((label == code).astype(np.float64), chances[:, code], bins=bins)
            parts.append(part.assign(horizon=horizon, of=name))
    columns = ["horizon", "of", "rows", "probability", "frequency"]
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)


def quantile_table(
    returns: npt.NDArray[np.floating],
    quantiles: npt.NDArray[np.floating],
    levels: Sequence[float],
) -> pd.DataFrame:
    """Return the measures of forecast quantiles, tidy as `forecast_table`.

    Args:
        returns: `(rows, horizons)` in the quantiles' unit; NaN leaves the row out.
        quantiles: `(rows, horizons, levels)`.
        levels: Levels in (0, 1), rising.

    Returns:
        `of` is `all` (`rows`, `crps`, `interval_coverage`, `interval_level`, `crossing_share`)
        or the level (`coverage`, `pinball`).
    """
    if np.ndim(returns) != 2 or np.shape(quantiles)[:2] != np.shape(returns):
        raise ValueError(
            "returns have shape (rows, horizons) and quantiles (rows, horizons, levels), got "
            f"{np.shape(returns)} and {np.shape(quantiles)}"
        )
    lines: list[tuple[int, str, str, float]] = []
    for horizon in range(returns.shape[1]):
        known = ~np.isnan(returns[:, horizon])
        outcome, forecast = returns[known, horizon], quantiles[known, horizon]
        lines.append((horizon, "all", "rows", float(known.sum())))
        if not known.any():
            continue
        inside, wanted = interval_coverage(outcome, forecast, levels=levels)
        overall = {
            "crps": crps(outcome, forecast, levels=levels),
            "interval_coverage": inside,
            "interval_level": wanted,
            "crossing_share": crossing_share(forecast),
        }
        lines.extend((horizon, "all", metric, value) for metric, value in overall.items())
        shares = coverage(outcome, forecast, levels=levels)
        losses = pinball(outcome, forecast, levels=levels)
        for level, share, loss in zip(levels, shares, losses, strict=True):
            lines.append((horizon, f"{level:g}", "coverage", float(share)))
            lines.append((horizon, f"{level:g}", "pinball", float(loss)))
    return pd.DataFrame(lines, columns=list(COLUMNS))


def called(chances: npt.NDArray[np.float64]) -> Counts:
    """The most probable class of each row; of equal ones the last, so that one half is up."""
    classes = chances.shape[1]
    return (classes - 1 - np.argmax(chances[:, ::-1], axis=1)).astype(np.int64)


def _class_measures(
    label: Counts, chances: npt.NDArray[np.float64], bins: int
) -> dict[str, dict[str, float]]:
    classes, guess = chances.shape[1], called(chances)
    counts = class_confusion(label, guess, classes=classes)
    right = (label == guess).astype(np.float64)
    sure = chances.max(axis=1)
    precision, recall, f1 = precision_of(counts), recall_of(counts), f1_of(counts)
    of_label = np.clip(chances[np.arange(len(label)), label], _SMALLEST_PROBABILITY, 1.0)
    overall = {
        "rows": float(len(label)),
        "accuracy": accuracy_of(counts),
        "balanced_accuracy": float(recall.mean()),
        "macro_f1": mean_of_known(f1),
        "mcc": mcc_of(counts),
        "log_loss": float(-np.log(of_label).mean()),
        "confidence_ece": ece(right, sure, bins=bins),
        "accuracy_by_confidence": area_under_accuracy(right, sure),
    }
    if classes == 2:
        overall["log_loss"] = log_loss(label, chances[:, 1])
    measures = {"all": overall}
    for code, name in enumerate(CLASS_NAMES[classes]):
        here, chance = (label == code).astype(np.float64), chances[:, code]
        measures[name] = {
            "rows": float(here.sum()),
            "calls": float((guess == code).sum()),
            "precision": float(precision[code]),
            "recall": float(recall[code]),
            "f1": float(f1[code]),
            "ece": ece(here, chance, bins=bins),
            "brier": brier(here, chance),
            "roc_auc": roc_auc(here, chance),
        }
    return measures


def _return_measures(forecasts: Forecasts, horizon: int) -> dict[str, float]:
    if forecasts.returns is None:
        return {}
    measures = {}
    for name, method in (("ic", "pearson"), ("rank_ic", "spearman")):
        found = forecast_coefficient(
            forecasts.signal(horizon),
            forecasts.returns[:, horizon],
            method=method,  # type: ignore[arg-type]
            horizon_bars=forecasts.bars_of(horizon),
        )
        measures[name] = found.value
        measures[f"{name}_standard_error"] = found.standard_error
        measures[f"{name}_p"] = found.p
    return measures


def _check_probabilities(probability: npt.NDArray[np.floating], classes: int) -> None:
    if np.ndim(probability) == 3 and classes not in CLASS_NAMES:
        raise ValueError(f"probability holds 2 or 3 classes, got {classes}")
    values = np.asarray(probability, dtype=np.float64)
    same_length(probability=values)
    bad = (values < 0.0) | (values > 1.0)
    if values.ndim == 3:
        bad = bad.any(axis=-1) | (np.abs(values.sum(axis=-1) - 1.0) > 1e-4)
    if bad.any():
        row, horizon = (int(place[0]) for place in np.nonzero(bad)[:2])
        raise ValueError(
            "probabilities must lie in [0, 1] and those of the classes sum to 1, got "
            f"{probability[row, horizon]} at row {row}, horizon {horizon}; use "
            "`probability_of_logits` on logits"
        )
