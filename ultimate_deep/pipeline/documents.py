"""The dictionaries of the specification as settings of an experiment, key by key.

Each key becomes a setting, or is refused by name with what to use instead: none is passed over.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

Settings = dict[str, dict[str, Any]]
_LIST, _NUMBER, _COUNT = (list, tuple), (int, float), int
# What the value of a key must be, and how it is said.
SHAPES: dict[str, tuple[Any, str]] = {
    "epochs": (_COUNT, "a whole number, such as 1000"),
    "batch_size": (_COUNT, "a whole number, such as 64"),
    "gradient_accumulation": (_COUNT, "a whole number, such as 4"),
    "warmup_steps": (_COUNT, "a whole number, such as 1000"),
    "total_steps": (_COUNT, "a whole number, such as 100_000"),
    "patience": (_COUNT, "a whole number, such as 50"),
    "min_delta": (_NUMBER, "a number, such as 1e-4"),
    "restore_best": (bool, "true or false"),
    "batch_size_schedule": (_LIST, "a list of sizes, such as [512, 256, 128, 64]"),
    "learning_rate_schedule": (
        Mapping,
        "a dictionary of initial, decay_steps (epochs) and decay_factors",
    ),
    "decay_steps": (_LIST, "a list of epochs, such as [200, 500, 800]"),
    "decay_factors": (_LIST, "a list of shares of initial, such as [0.5, 0.1, 0.01]"),
    "early_stopping": (Mapping, "a dictionary of patience, min_delta and restore_best"),
    "schedule": (str, "the name of a course, such as 'cosine'"),
    "peak_lr": (_NUMBER, "a number, such as 5e-4"),
    "min_lr": (_NUMBER, "a number, such as 1e-6"),
    "initial": (_NUMBER, "a number, such as 1e-3"),
    "learning_rate": (_NUMBER, "a number, such as 1e-3"),
}

# What `schedule: cosine_with_restarts` falls from the peak how often; the document does not say.
RESTARTS = 4
SCHEDULES: dict[str, dict[str, Any]] = {
    "cosine": {"kind": "cosine"},
    "cosine_with_restarts": {"kind": "cosine", "cycles": RESTARTS},
    "plateau": {"kind": "plateau"},
    "reduce_on_plateau": {"kind": "plateau"},
    "step": {"kind": "step"},
    "one_cycle": {"kind": "one_cycle"},
    "triangular": {"kind": "triangular"},
    "constant": {"kind": "constant"},
}


class _Once(dict[str, Any]):
    """Settings that two keys may not both set, unless to the same value."""

    key = ""

    def __init__(self) -> None:
        super().__init__()
        self._set_by: dict[str, str] = {}

    def __setitem__(self, name: str, value: Any) -> None:
        before = self._set_by.setdefault(name, self.key)
        if name in self and self[name] != value:
            raise ValueError(
                f"{before} and {self.key} both set {name}, to {self[name]!r} and {value!r}; leave "
                "one of both out"
            )
        super().__setitem__(name, value)

    def put(self, values: Mapping[str, Any]) -> None:
        """Set several."""
        for name, value in values.items():
            self[name] = value


def settings_of(document: Mapping[str, Any], *, epochs: Any = None) -> Settings:
    """Return the settings that a document's dictionary stands for, by part of an experiment.

    Args:
        document: `training_config` or `scheduler_config` of the specification, or a dictionary with
            keys of both.
        epochs: Epochs that are set beside it, which count where it says nothing.

    Raises:
        ValueError: A key that there is not or that cannot be, two that set the same thing, or
            warm-up that never ends, with the remedy.
    """
    if "models" in document or "voting" in document:
        raise ValueError(
            "this is an ensemble_config, which describes several experiments; give it to "
            "ultimate_deep.experiments.ensemble_from_specification"
        )
    once, course = _Once(), _Once()
    for key, value in document.items():
        once.key = course.key = key
        if key not in KEYS:
            raise ValueError(
                f"the specification's dictionaries have no key {key!r}; known are "
                f"{', '.join(KEYS)}, and every other setting is a field of ExperimentConfig"
            )
        _check_shape(key, value)
        KEYS[key](value, once, course)
    # What follows from several keys together is set over what one of them said.
    fit, schedule = dict(once), dict(course)
    _floor(fit, schedule)
    _check_sizes(document)
    _restarts(fit.get("epochs", epochs), schedule)
    return {"fit": {**fit, **({"schedule": schedule} if schedule else {})}}


def merged(documents: tuple[Mapping[str, Any], ...]) -> dict[str, Any]:
    """Return several dictionaries of the specification as one.

    Raises:
        ValueError: One that is none.
    """
    for document in documents:
        if not isinstance(document, Mapping):
            raise ValueError(
                f"a dictionary of the specification is expected, got {document!r}; "
                "{'epochs': 20, 'batch_size': 64} is one"
            )
    found = _Once()
    for number, document in enumerate(documents, start=1):
        found.key = f"dictionary {number}"
        found.put(document)
    return dict(found)


def over(settings: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings with others put over them, part by part.

    Args:
        settings: Nested dictionaries, part by part.
        more: Nested dictionaries that count where both say something.
    """
    found = dict(settings)
    for name, value in more.items():
        both = isinstance(value, Mapping) and isinstance(found.get(name), Mapping)
        found[name] = over(found[name], value) if both else value
    return found


def _check_shape(key: str, value: Any) -> None:
    if key not in SHAPES:
        return
    kind, said = SHAPES[key]
    right = isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
    if not right or (kind is _NUMBER and not math.isfinite(value)):
        raise ValueError(f"{key} must be {said}, got {value!r}; write it so")


def _check_sizes(document: Mapping[str, Any]) -> None:
    """Refuse what one key says and another would pass over."""
    if "batch_size" in document and "batch_size_schedule" in document:
        raise ValueError(
            "batch_size_schedule begins with the first batch size, got batch_size "
            f"{document['batch_size']!r} beside it; leave one of both out"
        )
    warm, total = document.get("warmup_steps"), document.get("total_steps")
    if warm is not None and total is not None and warm >= total:
        raise ValueError(
            f"warmup_steps are part of total_steps, got {warm!r} of {total!r}; take fewer"
        )


def _restarts(epochs: Any, schedule: dict[str, Any]) -> None:
    """Take as many restarts, up to the usual number, as divide the epochs."""
    known = isinstance(epochs, int) and not isinstance(epochs, bool) and epochs > 0
    if schedule.get("cycles") != RESTARTS or "total_steps" in schedule or not known:
        return
    cycles = max(one for one in range(1, RESTARTS + 1) if epochs % one == 0)
    if cycles == 1:
        raise ValueError(
            f"cosine_with_restarts needs epochs that cycles of one length divide, got {epochs}; "
            f"{epochs + 1} do"
        )
    schedule["cycles"] = cycles


def _of_fit(name: str) -> Callable[[Any, _Once, _Once], None]:
    def put(value: Any, fit: _Once, schedule: _Once) -> None:
        fit[name] = value

    return put


def _of_schedule(name: str) -> Callable[[Any, _Once, _Once], None]:
    def put(value: Any, fit: _Once, schedule: _Once) -> None:
        schedule[name] = value

    return put


def _rates(value: Mapping[str, Any], fit: _Once, schedule: _Once) -> None:
    """`learning_rate_schedule`: `initial`, `decay_steps` in epochs, `decay_factors` of it."""
    for key, one in value.items():
        _check_shape(key, one)
        if key == "initial":
            fit["learning_rate"] = one
        elif key == "decay_steps":
            schedule.put({"kind": "multistep", "milestone_epochs": tuple(one)})
        elif key == "decay_factors":
            schedule["milestone_factors"] = tuple(one)
        else:
            raise ValueError(
                f"learning_rate_schedule has no key {key!r}; it has initial, decay_steps (epochs) "
                "and decay_factors (shares of initial)"
            )
    if "decay_factors" in value and "decay_steps" not in value:
        raise ValueError(
            "learning_rate_schedule.decay_factors say by how much the rate falls, and there are no "
            "decay_steps that say when; give as many epochs, such as [200, 500, 800]"
        )
    if "milestone_epochs" in schedule:
        # The document's factors are all that changes the rate.
        schedule.put({"warmup_share": 0.0, "floor_share": 0.0})


def _stopping(value: Mapping[str, Any], fit: _Once, schedule: _Once) -> None:
    """`early_stopping`: `patience`, `min_delta`, `restore_best`."""
    for key, one in value.items():
        _check_shape(key, one)
        if key == "patience":
            fit["patience_epochs"] = one
        elif key == "min_delta":
            fit["min_delta"] = one
        elif key == "restore_best":
            if not one:
                raise ValueError(
                    "early_stopping.restore_best is false, but a fit always leaves the weights of "
                    "its best epoch; leave the key out, or set patience to 0 and epochs to the "
                    "number that you want"
                )
        else:
            raise ValueError(
                f"early_stopping has no key {key!r}; it has patience, min_delta and restore_best"
            )


def _schedule(value: Any, fit: _Once, schedule: _Once) -> None:
    if value not in SCHEDULES:
        raise ValueError(
            f"schedule must be one of {', '.join(SCHEDULES)}, got {value!r}; or set "
            "fit.schedule.kind itself"
        )
    schedule.put(SCHEDULES[value])


def _floor(fit: dict[str, Any], schedule: dict[str, Any]) -> None:
    """Turn `min_lr` into a share of the peak, which must be known."""
    least = schedule.pop("min_lr", None)
    if least is None:
        return
    peak = fit.get("learning_rate")
    if peak is None or not 0 <= least <= peak:
        raise ValueError(
            f"min_lr is kept as a share of the peak, got {least!r} with a peak of {peak!r}; give "
            "peak_lr too, above min_lr"
        )
    schedule["floor_share"] = least / peak


KEYS: dict[str, Callable[[Any, _Once, _Once], None]] = {
    "epochs": _of_fit("epochs"),
    "batch_size": _of_fit("batch_size"),
    "batch_size_schedule": lambda value, fit, _: fit.put({"batch_size_schedule": tuple(value)}),
    "learning_rate": _of_fit("learning_rate"),
    "learning_rate_schedule": _rates,
    "early_stopping": _stopping,
    "gradient_accumulation": lambda value, fit, _: fit.put({"gradients": {"micro_batches": value}}),
    "peak_lr": _of_fit("learning_rate"),
    "min_lr": _of_schedule("min_lr"),
    "warmup_steps": _of_schedule("warmup_steps"),
    "total_steps": _of_schedule("total_steps"),
    "schedule": _schedule,
}
