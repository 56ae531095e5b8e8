"""What every family of models must do as a learner; walks the registry, a fourth one included."""

import dataclasses
from typing import get_args

import numpy as np
import pytest

from ultimate_deep.bundles.bundle import load_any
from ultimate_deep.bundles.kinds import PREDICTORS
from ultimate_deep.bundles.predicting import predict_bars
from ultimate_deep.commands.listing import listed_models
from ultimate_deep.experiments.experiment import builder_config, prepare
from ultimate_deep.experiments.learners.registry import (
    LEARNERS,
    all_learners,
    learner_class,
    learner_of,
    resolved,
)
from ultimate_deep.experiments.run import run_experiment
from ultimate_deep.market.config import DataConfig, LabelSpec
from ultimate_deep.pipeline.config import ExperimentConfig, FeatureConfig, HeadConfig, ModelConfig
from ultimate_deep.pipeline.inputs.config import InputConfig, Kind
from ultimate_deep.pipeline.prepared import prepare as prepare_unresolved
from ultimate_deep.training.config import FitConfig
from ultimate_deep.training.progress import Progress

pytestmark = pytest.mark.contract(by="family")

QUIET = Progress()
# Small models; a family that is not here shows its first one.
SMALL = {
    "nets": ModelConfig(name="linear"),
    "trees": ModelConfig(name="hist_gradient_boosting", preset="tiny"),
}
FAMILIES = tuple(dict.fromkeys((*LEARNERS, "constants")))


@pytest.fixture(autouse=True)
def fourth(constant_learner):
    """A family that no file of the product knows."""


def example(family: str) -> ModelConfig:
    return SMALL.get(family) or ModelConfig(name=learner_class(family).names()[0])


def config_of(family: str, **changes) -> ExperimentConfig:
    values = {
        "name": "tiny",
        "data": DataConfig(simulated_rows=1_200),
        "features": FeatureConfig(names=("return_log_1", "momentum_z_20")),
        "model": example(family),
        "fit": FitConfig(epochs=1, batch_size=128),
        "baselines": False,
    }
    return ExperimentConfig(**(values | changes))


@pytest.mark.parametrize("family", FAMILIES)
def test_a_plan_says_rows_and_size_and_what_it_planned_trains(family):
    prepared = prepare(config_of(family), QUIET)
    learner = learner_of(prepared.config.model.name)
    assert learner.kind == family
    planned = learner.plan(prepared, QUIET)
    lines = planned.plan.lines()
    assert planned.plan.model == learner.name
    assert lines["rows"].startswith(f"{len(prepared.labelled('train')):,} train")
    assert {"parameters", "trees"} & lines.keys()
    assert planned.prepared is prepared
    rows = prepared.inputs.take(prepared.part("validation"))
    found, fitted = planned.fits.fit(prepared, QUIET)
    assert found.kind == learner.predicts
    assert dict(found.shapes) == dict(prepared.inputs.shapes)
    logits = found.outputs(rows)["logits"]
    assert logits.shape == (len(prepared.part("validation")), found.horizons)
    assert logits.dtype == np.float32
    assert np.isfinite(logits).all()
    assert np.isfinite(fitted.history["validation_loss"]).all()
    # The same seed gives the same model: without a plan, and as a fold.
    for again in (learner, learner.for_folds(prepared)):
        other, history = again.fit(prepared, QUIET)
        np.testing.assert_array_equal(other.outputs(rows)["logits"], logits)
        assert other.digest() == found.digest()
        assert history.epochs_run == fitted.epochs_run


@pytest.mark.parametrize("family", FAMILIES)
def test_what_goes_on_keeps_checkpoints_and_ends_the_same(family, tmp_path):
    prepared = prepare(config_of(family), QUIET)
    learner = learner_of(prepared.config.model.name)
    straight, _ = learner.fit(prepared, QUIET, checkpoints=tmp_path)
    assert any(tmp_path.iterdir()) == learner.goes_on
    again, _ = learner.fit(prepared, QUIET, checkpoints=tmp_path, resume=True)
    assert again.digest() == straight.digest()
    assert bool(straight.weights()) == learner.goes_on


@pytest.mark.parametrize("family", FAMILIES)
def test_names_options_and_inputs_that_do_not_fit_are_refused(family):
    config = config_of(family)
    assert resolved(config).inputs.kind == "features"
    assert resolved(resolved(config)) == resolved(config)
    model = dataclasses.replace(config.model, options={"colour": "blue"})
    with pytest.raises(ValueError, match=r"has no options \['colour'\]"):
        builder_config(dataclasses.replace(config, model=model))
    model = dataclasses.replace(config.model, preset="enormous")
    with pytest.raises(ValueError, match="no preset 'enormous'"):
        builder_config(dataclasses.replace(config, model=model))
    unknown = dataclasses.replace(config, model=ModelConfig(name="crystal_ball"))
    with pytest.raises(ValueError, match=r"no model is called 'crystal_ball'.*linear"):
        prepare(unknown, QUIET)


def test_options_of_members_beside_one_member_are_refused():
    config = ExperimentConfig(
        model=ModelConfig(
            name="stack", options={"members": 1, "feature_penalty": 1.0, "exit_weight": 3.0}
        )
    )
    with pytest.raises(ValueError, match="exit_weight, feature_penalty would not be read"):
        learner_of("stack").settings(config)
    one = dataclasses.replace(config, model=ModelConfig(name="ultimate", options={"members": 1}))
    assert learner_of("ultimate").settings(one).members == 1


def test_another_kind_of_inputs_or_heads_than_the_model_has_is_refused():
    lstm = config_of("nets", model=ModelConfig(name="lstm"), inputs=InputConfig(kind="gaf"))
    with pytest.raises(ValueError, match=r"'lstm' reads window, got inputs\.kind='gaf'"):
        resolved(lstm)
    for family in ("trees", "constants"):
        with pytest.raises(ValueError, match="classes=3"):
            resolved(config_of(family, heads=HeadConfig(classes=3)))
    with pytest.raises(ValueError, match=r"inputs\.kind is 'auto'.*experiment\.prepare"):
        prepare_unresolved(config_of("nets"), QUIET)


def test_every_model_has_one_learner_and_says_what_it_reads():
    learners = all_learners()
    names = [learner.name for learner in learners]
    assert len(set(names)) == len(names)
    for learner in learners:
        assert type(learner_of(learner.name)) is type(learner)
        assert learner.inputs_kind in get_args(Kind)
        assert "default" in learner.presets()
        assert isinstance(learner.finds, str)
    listed = [line.split()[0] for line in listed_models()[1:] if not line.startswith(" ")]
    assert listed == sorted(names)
    for family in FAMILIES:
        assert learner_class(family).kind == family


def test_a_family_whose_bundles_could_not_be_loaded_is_refused_before_it_trains(
    tmp_path, monkeypatch
):
    monkeypatch.delitem(PREDICTORS, "constants")
    config = config_of("constants", artifacts=str(tmp_path))
    with pytest.raises(ValueError, match=r"add the line .*'constants'.*bundles\.kinds\.PREDICTORS"):
        run_experiment(config, QUIET)
    assert not list(tmp_path.iterdir())


def test_a_fourth_learner_runs_to_a_bundle_that_loads_and_predicts(tmp_path):
    run = run_experiment(config_of("constants", artifacts=str(tmp_path)), QUIET)
    bundle = load_any(run.folder)
    assert bundle.manifest["kind"] == "constants"
    said = predict_bars(bundle, run.prepared.market)
    assert len(said) == len(run.prepared.rows.labels)
    chance = run.outcome.probability["test"]
    np.testing.assert_array_equal(said["probability_up"].to_numpy()[-len(chance) :], chance)
    assert len(np.unique(chance)) == 1
    assert "what it always says" in (run.folder / "report.html").read_text()


def test_fewer_features_are_hidden_where_few_are_named():
    def hidden(names, **fit):
        config = ExperimentConfig(
            model=ModelConfig(name="mlp"),
            features=FeatureConfig(names=names),
            fit=FitConfig(**fit),
        )
        return resolved(config).fit.augmentations

    few = tuple(f"feature_{i}" for i in range(49))
    assert hidden(()) == hidden((*few, "another")) == {"feature_dropout": 0.5}
    assert hidden(few) == {"feature_dropout": 0.1}
    assert hidden((), augmentations={}) == {}
    assert hidden(few, augmentations={"jitter": 0.1}) == {"jitter": 0.1}


@pytest.mark.parametrize(
    ("label", "heads", "weight"),
    [
        (LabelSpec(), HeadConfig(), 1.5),
        (LabelSpec(cost_band_bps=5.0), HeadConfig(), 1.5),
        (LabelSpec(cost_band_bps=5.0, ties="down"), HeadConfig(), 0.0),
        (LabelSpec(cost_band_bps=5.0), HeadConfig(classes=3), 0.0),
        (LabelSpec(kind="triple_barrier", horizon_bars=24), HeadConfig(), 1.5),
        (LabelSpec(kind="triple_barrier", barrier_up=4.0, barrier_down=1.0), HeadConfig(), 0.0),
        (LabelSpec(), HeadConfig(quantiles=(0.1, 0.5, 0.9)), 0.0),
    ],
)
def test_labels_weigh_by_their_return_where_a_large_move_says_nothing_of_its_side(
    label, heads, weight
):
    config = ExperimentConfig(model=ModelConfig(name="mlp"), label=label, heads=heads)
    assert resolved(config).fit.return_weights == weight
    asked = dataclasses.replace(config, heads=HeadConfig(), fit=FitConfig(return_weights=2.0))
    assert resolved(asked).fit.return_weights == 2.0
