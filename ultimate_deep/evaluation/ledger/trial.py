"""What the ledger holds: one trial, and how many there were."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from reprlib import repr as short
from textwrap import shorten
from typing import Literal, get_args

from ultimate_deep.machine.counts import how_many

Kind = Literal["training", "tuning", "threshold", "test reading"]
KINDS: tuple[Kind, ...] = get_args(Kind)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One thing that was tried on a data set.

    Attributes:
        kind: What was done.
        run: Name of the run.
        model: Name of the model.
        configuration: Digest of everything that set the trial, its seed included. The same
            configuration on the same data is the same trial, however often it is run.
        weights: Digest of the trained model that read the test part; needed for a reading.
        candidates: How many were tried within, such as 21 thresholds.
        effective: How many independent ones they amount to, from 1 to `candidates`.
        sharpe_per_bar: Sharpe ratio of the trial's account per bar, not annualised; None where it
            has none. What is not finite is kept as None.
        figure: Name of the figure that the trial was judged by, such as `validation loss`.
        value: That figure; None where there is none. What is not finite is kept as None.
        time: When, ISO 8601 in UTC.
        note: Anything else that people should know.
    """

    kind: Kind
    run: str
    model: str
    configuration: str
    weights: str = ""
    candidates: int = 1
    effective: float = 1.0
    sharpe_per_bar: float | None = None
    figure: str = ""
    value: float | None = None
    time: str = field(default_factory=_now)
    note: str = ""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {self.kind!r}")
        if not self.configuration:
            raise ValueError("configuration must be a digest, got none; give that of the settings")
        if self.kind == "test reading" and not self.weights:
            raise ValueError(
                "a test reading needs the digest of the model that read, got none; give weights=..."
            )
        if self.candidates < 1 or not 1.0 <= self.effective <= self.candidates:
            raise ValueError(
                "effective must be between 1 and candidates, got effective "
                f"{self.effective} of {self.candidates} candidates; "
                "give how many independent ones they amount to"
            )
        object.__setattr__(self, "candidates", int(self.candidates))
        object.__setattr__(self, "effective", float(self.effective))
        for name in ("sharpe_per_bar", "value"):
            given = getattr(self, name)
            kept = float(given) if given is not None and math.isfinite(given) else None
            object.__setattr__(self, name, kept)


_FIELDS = {entry.name for entry in fields(Trial)}
_NUMBERS = ("candidates", "effective", "sharpe_per_bar", "value")


@dataclass(frozen=True)
class RecordedTrial:
    """A trial as it stands in the ledger.

    Attributes:
        number: Number of the trial in its ledger, from 1.
        data: Digest of its data set.
        trial: What was tried.
        hash: Hash of its row and of all before it: the same one in any copy of the ledger.
    """

    number: int
    data: str
    trial: Trial
    hash: str

    @property
    def reads(self) -> bool:
        """Whether a test part was read."""
        return self.trial.kind == "test reading"

    @property
    def what(self) -> tuple[str, ...]:
        """What makes it one trial, so that repeating it does not count again.

        A reading is known by the model alone; everything else by its data, configuration and
        model.
        """
        trial = self.trial
        if self.reads:
            return (trial.kind, trial.weights)
        return (trial.kind, self.data, trial.configuration, trial.weights)


@dataclass(frozen=True)
class TrialCount:
    """How much was tried on a data set and on what overlaps it.

    Attributes:
        recorded: Trials in the ledger, repetitions included.
        distinct: Trials, each once.
        by_kind: Distinct trials of each kind.
        effective_by_kind: The independent ones that those amount to.
        effective_trials: Strategies that could have been picked: every training and tuning trial,
            every further threshold of each scan, and every model that was read without having been
            trained or tuned here. This is the number for the deflated Sharpe ratio.
        test_readings: Distinct models that read a test part, and those that they were chosen from.
        sharpe_count: Distinct trials with a Sharpe ratio.
        sharpe_variance: Sample variance of those ratios, per bar; NaN below two.
        ledgers: Files that were counted, as people write their paths: first the one that new
            trials are written into. None where the count is in memory alone.
    """

    recorded: int
    distinct: int
    by_kind: dict[str, int]
    effective_by_kind: dict[str, float]
    effective_trials: float
    test_readings: int
    sharpe_count: int
    sharpe_variance: float
    ledgers: tuple[str, ...] = ()

    @property
    def where(self) -> str:
        """Which ledgers were counted."""
        if not self.ledgers:
            return "No ledger is kept"
        return f"Ledger{'s' * (len(self.ledgers) > 1)}: {' and '.join(self.ledgers)}"

    @property
    def sentence(self) -> str:
        """Which ledgers were counted, and how many trials on these bars they hold."""
        many = f"{how_many(self.distinct, 'trial')} on these bars"
        worth = f"{self.effective_trials:,.1f}".removesuffix(".0")
        if worth == f"{self.distinct:,}" or not self.distinct:
            return f"{self.where}, {many}"
        return f"{self.where}, {many}, worth {worth} independent ones with their thresholds"


def count_trials(recorded: Sequence[RecordedTrial], ledgers: tuple[str, ...] = ()) -> TrialCount:
    """Count trials; of one that was repeated, the most candidates and the last Sharpe ratio
    count.

    Args:
        recorded: Trials in the order of time.
        ledgers: Files that they come from.
    """
    import numpy as np

    distinct: dict[tuple[str, ...], RecordedTrial] = {}
    effective: dict[tuple[str, ...], float] = {}
    most: dict[tuple[str, ...], int] = {}
    for one in recorded:
        if one.what not in distinct or one.trial.sharpe_per_bar is not None:
            distinct[one.what] = one
        effective[one.what] = max(effective.get(one.what, 1.0), one.trial.effective)
        most[one.what] = max(most.get(one.what, 1), one.trial.candidates)
    trials = [(one.trial, effective[what]) for what, one in distinct.items()]
    sharpe = [trial.sharpe_per_bar for trial, _ in trials if trial.sharpe_per_bar is not None]
    return TrialCount(
        recorded=len(recorded),
        distinct=len(trials),
        by_kind={kind: sum(trial.kind == kind for trial, _ in trials) for kind in KINDS},
        effective_by_kind={
            kind: math.fsum(many for trial, many in trials if trial.kind == kind) for kind in KINDS
        },
        effective_trials=_strategies(trials),
        test_readings=sum(most[one.what] for one in distinct.values() if one.reads),
        sharpe_count=len(sharpe),
        sharpe_variance=float(np.var(sharpe, ddof=1)) if len(sharpe) > 1 else math.nan,
        ledgers=ledgers,
    )


def _strategies(trials: Sequence[tuple[Trial, float]]) -> float:
    """Add up what could have been picked; a model's own scan and reading are not further models."""
    fitted = {trial.configuration for trial, _ in trials if trial.kind in ("training", "tuning")}
    total = 0.0
    for trial, effective in trials:
        if trial.kind in ("training", "tuning"):
            total += effective
        elif trial.kind == "threshold":
            total += effective - 1.0
        elif trial.configuration not in fitted:
            total += effective
    return total


def trial_to_json(trial: Trial) -> str:
    """Return the one JSON text of a trial: sorted keys, no spaces, ASCII, no NaN."""
    return json.dumps(asdict(trial), sort_keys=True, separators=(",", ":"), allow_nan=False)


def trial_from_json(text: str) -> Trial:
    """Return the trial of a JSON text.

    Raises:
        ValueError: No JSON, or fields that are missing, unknown, of another kind or out of range.
    """
    try:
        values = json.loads(text)
    except RecursionError:
        raise ValueError(f"its JSON is nested too deeply: {short(text)}") from None
    if not isinstance(values, dict) or set(values) != _FIELDS:
        raise ValueError(f"a trial has the fields {', '.join(sorted(_FIELDS))}, got {short(text)}")
    for name, value in values.items():
        absent = value is None and name in ("sharpe_per_bar", "value")
        if not absent and not isinstance(value, int | float if name in _NUMBERS else str):
            kind = "a number" if name in _NUMBERS else "a text"
            raise ValueError(f"{name} must be {kind}, got {short(value)}")
    try:
        return Trial(**values)
    except OverflowError as error:
        raise ValueError(f"a number of the trial is out of range: {error}") from error
    except ValueError as error:
        raise ValueError(shorten(str(error), 300, placeholder="...")) from error
