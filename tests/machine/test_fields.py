"""Values against their annotations, and every field of every configuration."""

import ast
import dataclasses
import importlib
import math
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np
import pandas as pd
import pytest

import ultimate_deep as ud
from ultimate_deep.machine.fields import check_seed, fitted
from ultimate_deep.pipeline.config import FeatureConfig
from ultimate_deep.training.config import FitConfig

ROOT = Path(ud.__file__).resolve().parent
FILES = (
    "market/config.py", "market/simulation_spec.py", "pipeline/config.py",
    "pipeline/inputs/config.py", "pipeline/gaf_config.py", "training/config.py",
    "training/schedules/config.py", "training/settings/averaging.py",
    "training/settings/curriculum.py", "training/settings/gradients.py",
    "training/losses/loss_config.py",
    "evaluation/backtesting/config.py", "evaluation/leaks/config.py",
    "evaluation/verdicts/config.py", "portfolio/costs.py",
    "portfolio/sizing_spec.py", "portfolio/stops.py", "portfolio/breakers.py",
    "features/judging/config.py", "experiments/tuning/tune_config.py",
    "experiments/walk_forward/config.py", "experiments/ensembles/config.py",
    "experiments/exploring/config.py", "experiments/depths/config.py",
)  # fmt: skip


def _classes():
    """Every configuration of these files that can be made without naming anything."""
    for file in FILES:
        name = "ultimate_deep." + file.removesuffix(".py").replace("/", ".")
        module = importlib.import_module(name)
        for node in ast.parse((ROOT / file).read_text()).body:
            found = getattr(module, getattr(node, "name", ""), None)
            if isinstance(node, ast.ClassDef) and dataclasses.is_dataclass(found):
                fields = dataclasses.fields(found)
                if all(
                    one.default is not dataclasses.MISSING
                    or one.default_factory is not dataclasses.MISSING
                    for one in fields
                ):
                    yield found


FIELDS = [
    pytest.param(kind, field.name, id=f"{kind.__name__}.{field.name}")
    for kind in _classes()
    for field in dataclasses.fields(kind)
]


def _wrong(hint):
    """Values that an annotation does not allow, found without what is tested."""
    options = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    kinds = {get_origin(one) or one for one in options}
    yield object()
    if type(None) not in options:
        yield None
    if not kinds & {bool, Literal}:
        yield True
    if not kinds & {str, Literal}:
        yield "8"
    if not kinds & {float, Literal}:
        yield 8.5
    if tuple not in kinds:
        yield ["a"]
    if float in kinds:
        yield math.nan
    if Literal in kinds:
        yield "no such choice"
    for one in options:
        if get_origin(one) is tuple and str not in kinds:
            yield "text"
            yield [object()]


def test_the_files_of_configurations_are_all_here():
    assert {str(one.relative_to(ROOT)) for one in ROOT.glob("**/config.py")} <= set(FILES)
    asked = {kind for kind, _ in (one.values for one in FIELDS)}
    parts = [ud.ExperimentConfig]
    for kind in parts:
        parts += [one for one in get_type_hints(kind).values() if dataclasses.is_dataclass(one)]
    assert len(parts) > 15
    assert set(parts) <= asked


@pytest.mark.parametrize(("kind", "name"), FIELDS)
def test_a_value_of_another_kind_is_refused_by_name(kind, name):
    hint = get_type_hints(kind)[name]
    assert hint is not Any
    for value in _wrong(hint):
        with pytest.raises((TypeError, ValueError), match=rf"\b{name}\b.*got .*; "):
            kind(**{name: value})


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        ({"tables": "xlsx"}, ValueError, "tables must be one of 'csv', 'parquet', got 'xlsx'"),
        ({"tables": "cvs"}, ValueError, "did you mean 'csv'"),
        ({"baselines": "no"}, TypeError, "baselines must be true or false, got 'no'; give False"),
        (
            {"features": {"names": "return_log_1"}}, TypeError,
            r"features.names must be a list of texts, got 'return_log_1'; give \['return_log_1'\]",
        ),
        ({"fit": {"epochs": 8.5}}, TypeError, "fit.epochs must be a whole number or None, got 8.5"),
        ({"fit": {"epochs": 8.0}}, TypeError, "got 8.0; give 8$"),
        ({"fit": {"epochs": "8"}}, TypeError, "got '8'; give 8$"),
        ({"fit": {"epochs": True}}, TypeError, "got True"),
        ({"fit": None}, TypeError, r"a FitConfig or a mapping of its fields, got None; give e.g."),
        ({"fit": 8}, TypeError, r"got 8; give e.g. fit=\{'batch_size_by': 'epoch'\}"),
        ({"model": "mlp"}, TypeError, r"got 'mlp'; give e.g. model=\{'name': 'mlp'\}"),
        ({"features": ["a"]}, TypeError, r"give e.g. features=\{'names': \['a'\]\}"),
        ({"fit": {"loss": "focal"}}, TypeError, r"give e.g. fit.loss=\{'name': 'focal'\}"),
        ({"fit": {"loss": {"gama": 1}}}, TypeError, "fit.loss has no field 'gama'; did you mean"),
        ({"model": {"name": ""}}, ValueError, "model.name is empty"),
        ({"model": {"options": {3: 4}}}, TypeError, "model.options must be a mapping"),
        ({"seed": 2**70}, ValueError, r"seed must be in \[0, 2\*\*32\)"),
        ({"seed": -1}, ValueError, "seed must be in"),
        ({"artifacts": None}, TypeError, "artifacts must be a text, got None"),
        ({"artifacts": ""}, ValueError, "artifacts must name a folder, got ''"),
        ({"name": 3}, TypeError, "name must be a text, got 3"),
        ({"name": "a*b"}, ValueError, "name becomes part of a folder's name"),
        ({"plugins": 3}, TypeError, "plugins must be a list of texts, got 3"),
        ({"plugins": "my.py"}, TypeError, r"got 'my.py'; give \['my.py'\]"),
        ({"heads": {"classes": False}}, ValueError, "heads.classes must be one of 0, 2, 3"),
        ({"data": pd.DataFrame()}, TypeError, "got a DataFrame; give e.g."),
        ({"threshold": np.float64(0.5)}, TypeError, "a ThresholdConfig or a mapping"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_an_experiment_is_said(given, error, said):
    with pytest.raises(error, match=said):
        ud.ExperimentConfig(**given)


def test_what_loses_nothing_is_converted():
    config = ud.ExperimentConfig(
        artifacts=Path("here"),
        seed=np.int64(3),
        features={"names": ["rsi_14"]},
        fit={"learning_rate": np.float32(0.5), "weight_decay": 1, "schedule": {"kind": "step"}},
    )
    assert (config.artifacts, config.features.names) == ("here", ("rsi_14",))
    assert (type(config.seed), type(config.fit.learning_rate)) == (int, float)
    assert repr(config.fit.weight_decay) == "1.0"
    assert config.fit.schedule.kind == "step"
    named = FeatureConfig(names=(names := ("rsi_14",)))
    assert named.names is names
    assert FitConfig(epochs=np.int8(4)).epochs == 4


def test_arguments_are_fitted_to_any_annotation():
    assert fitted("x", [1, "a"], tuple[int, str]) == (1, "a")
    assert fitted("x", 5, int | float) == 5
    assert fitted("x", 0.5, int | float) == 0.5
    with pytest.raises(ValueError, match="x must be a list"):
        fitted("x", [1], tuple[int, str])
    with pytest.raises(ValueError, match="x must be a finite number, got inf; give 3"):
        fitted("x", math.inf, float, remedy="give 3")
    with pytest.raises(ValueError, match="x must be a number"):
        fitted("x", 10**400, float)
    with pytest.raises(TypeError, match="x must be a Path, got 'a'"):
        fitted("x", "a", Path)
    check_seed("seed", 2**32 - 1)
    with pytest.raises(ValueError, match="seed must be in"):
        check_seed("seed", 2**32)
