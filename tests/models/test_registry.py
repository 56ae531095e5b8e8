"""The registry's own behaviour, and the small plain types beside it."""

import importlib

import pytest

from ultimate_deep import models
from ultimate_deep.models.nets.mlp import MlpConfig
from ultimate_deep.models.search_space import Choice, FloatRange, IntRange


def test_unknown_name_lists_the_known_ones_and_says_how_to_add_one():
    for function in (models.config_class, models.search_space):
        known = r"adaptive_hybrid, .*, ultimate.*one line in ultimate_deep.models.registry"
        with pytest.raises(ValueError, match=known):
            function("transformr")
    with pytest.raises(ValueError, match="no model is called 'transformr'"):
        models.build_model("transformr", {"features": (3,)})


def test_another_models_config_is_refused():
    with pytest.raises(TypeError, match="configured by LinearConfig, got MlpConfig"):
        models.build_model("linear", {"features": (3,)}, config=MlpConfig())


@pytest.mark.contract
@pytest.mark.parametrize("name", sorted(models.BUILDERS))
def test_an_entry_names_a_builder_in_a_file_of_the_models_folder(name):
    module, function = models.BUILDERS[name].split(":")
    assert function == f"build_{name}"
    assert module == f"ultimate_deep.models.nets.{name}"
    assert callable(getattr(importlib.import_module(module), function))


def test_heads_refuse_no_horizon():
    with pytest.raises(ValueError, match="horizons must be at least 1, got 0"):
        models.Heads(horizons=0)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Choice(values=()),
        lambda: Choice(values=(1, 1)),
        lambda: IntRange(low=3, high=2),
        lambda: IntRange(low=1, high=2, step=0),
        lambda: FloatRange(low=0.0, high=1.0, log=True),
        lambda: FloatRange(low=1.0, high=1.0),
    ],
)
def test_impossible_ranges_are_refused(make):
    with pytest.raises(ValueError, match=r"Choice|IntRange|FloatRange"):
        make()
