"""What every kind of predictor must do; walks the registry, a fourth kind included."""

import dataclasses
import shutil

import numpy as np
import pandas as pd
import pytest

from ultimate_deep.bundles.bundle import load_any, load_bundle
from ultimate_deep.bundles.contents import BundleContents
from ultimate_deep.bundles.ensembles.bundle import load_ensemble
from ultimate_deep.bundles.kinds import PREDICTORS, as_predictor, predictor_class
from ultimate_deep.bundles.predictor import Attention, Predictor
from ultimate_deep.bundles.writing import save_bundle
from ultimate_deep.experiments.experiment import prepare
from ultimate_deep.experiments.learners.registry import LEARNERS, learner_class
from ultimate_deep.market.config import DataConfig
from ultimate_deep.models.heads import Heads
from ultimate_deep.models.nets.mlp import MlpConfig, build_mlp
from ultimate_deep.models.trees.registry import preset_config
from ultimate_deep.pipeline.config import ExperimentConfig, FeatureConfig, ModelConfig
from ultimate_deep.pipeline.scaling import fit_scaler
from ultimate_deep.training.arrays import Arrays
from ultimate_deep.training.config import FitConfig
from ultimate_deep.training.growing.grow import fit_trees
from ultimate_deep.training.progress import Progress

pytestmark = pytest.mark.contract(by="predictor")

KINDS = tuple(dict.fromkeys((*PREDICTORS, "constants")))
WIDTH, HORIZONS, ROWS = 5, 2, 40


@pytest.fixture(autouse=True)
def fourth(constant_learner):
    """A kind that no file of the product knows."""
    return constant_learner


def net() -> Predictor:
    config = MlpConfig(hidden_widths=(8,), dropout_rate=0.2, seed=3)
    return as_predictor(build_mlp({"features": (WIDTH,)}, Heads(horizons=HORIZONS), config))


def trees() -> Predictor:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, WIDTH)).astype(np.float32)
    arrays = Arrays(x=x, y=(x[:, :HORIZONS] > 0).astype(np.float32))
    tiny = preset_config("hist_gradient_boosting", "tiny")
    return as_predictor(fit_trees("hist_gradient_boosting", arrays, None, tiny)[0])


@pytest.fixture(scope="module")
def made(stored) -> dict[str, Predictor]:
    """Small predictors by kind; what a learner trains need not be here."""
    ensemble = load_ensemble(stored / "ensemble").predictor
    return {"keras": net(), "trees": trees(), "ensemble": ensemble}


@pytest.fixture
def predictor(request, made) -> Predictor:
    return made.get(request.param) or trained(request.param)


def trained(kind: str) -> Predictor:
    """Return what the family that predicts so learns; a kind of no family is one line in `made`."""
    families = [learner_class(name) for name in LEARNERS]
    family = next(one for one in families if one.predicts == kind)
    config = ExperimentConfig(
        data=DataConfig(simulated_rows=600),
        features=FeatureConfig(names=("return_log_1", "rsi_14")),
        model=ModelConfig(name=family.names()[0]),
        fit=FitConfig(epochs=1),
    )
    prepared = prepare(config, Progress())
    return family(config.model.name).fit(prepared, Progress())[0]


every = pytest.mark.parametrize("predictor", KINDS, indirect=True)


def inputs_of(predictor: Predictor, rows: int = ROWS) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    return {
        name: rng.normal(size=(rows, *shape)).astype(np.float32)
        for name, shape in predictor.shapes.items()
    }


@every
def test_saved_and_loaded_it_says_the_same(predictor, tmp_path):
    kind = predictor_class(predictor.kind)
    assert type(predictor) is kind
    predictor.save(tmp_path, temperature=np.full(predictor.horizons, 1.5))
    written = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")}
    named = {name.rstrip("/") for name in kind.purposes}
    assert {name.split("/")[0] for name in written} - {"combiner_trees"} <= named
    again = kind.load(tmp_path)
    assert again.digest() == predictor.digest()
    assert dict(again.shapes) == dict(predictor.shapes)
    inputs = inputs_of(predictor)
    before, after = predictor.outputs(inputs), again.outputs(inputs)
    assert before.keys() == after.keys()
    for name, values in before.items():
        np.testing.assert_array_equal(values, after[name])
    pd.testing.assert_frame_equal(again.describe(), predictor.describe())


@every
def test_what_it_says_fits_its_shapes(predictor):
    inputs = inputs_of(predictor)
    logits = predictor.outputs(inputs)["logits"]
    assert logits.shape == (ROWS, predictor.horizons)
    assert logits.dtype == np.float32
    assert np.isfinite(logits).all()
    some = {name: values[7:9] for name, values in inputs.items()}
    np.testing.assert_array_equal(predictor.outputs(some)["logits"], logits[7:9])
    found = predictor.batched(16)(inputs)["logits"]
    np.testing.assert_allclose(found, logits, rtol=0, atol=1e-6)
    if len(inputs) == 1:  # one input needs no name
        (values,) = inputs.values()
        np.testing.assert_array_equal(predictor.outputs(values)["logits"], logits)


@every
def test_other_inputs_are_refused(predictor):
    inputs = inputs_of(predictor)
    wider = {name: np.concatenate([x, x[..., :1]], axis=-1) for name, x in inputs.items()}
    with pytest.raises(ValueError, match=r"takes? inputs \{.*\}, got"):
        predictor.outputs(wider)
    with pytest.raises(ValueError, match=r"takes? inputs \{.*\}, got"):
        predictor.outputs({"another": next(iter(inputs.values()))})


@every
def test_it_says_what_it_is(predictor):
    assert predictor.kind in KINDS
    table = predictor.describe()
    assert len(table) > 0
    assert len(set(table.columns)) == len(table.columns) > 1
    assert set(predictor.needed) <= {
        *predictor.purposes, *(f"{name}trees.json" for name in predictor.purposes),
    }  # fmt: skip
    assert len(predictor.digest()) == 64
    found = predictor.attention(inputs_of(predictor))
    assert isinstance(found, Attention)
    assert found.units is None
    assert dict(found.maps) == {}
    assert as_predictor(predictor) is predictor
    sure = predictor.uncertainty(inputs_of(predictor), passes=3, temperature=1.0)
    assert (sure is not None) == (predictor.kind == "keras")


@every
def test_its_bundle_loads_through_the_registry(predictor, stored, tmp_path):
    folder = tmp_path / "run"
    if predictor.kind == "ensemble":
        shutil.copytree(stored / "ensemble", folder)
    else:
        save_bundle(folder, contents_of(predictor))
    bundle = load_any(folder)
    assert bundle.manifest["kind"] == bundle.predictor.kind == predictor.kind
    assert bundle.predictor.digest() == predictor.digest()
    if predictor.kind != "ensemble":
        assert type(load_bundle(folder).predictor) is type(predictor)


def contents_of(predictor: Predictor) -> BundleContents:
    width = next(iter(predictor.shapes.values()))[-1]
    values = np.random.default_rng(2).normal(size=(60, width)).astype(np.float32)
    return BundleContents(
        model=predictor,
        feature_names=[f"feature_{i}" for i in range(width)],
        families=["family"] * width,
        scaler=fit_scaler(values, np.arange(40)),
        temperature=1.5,
        threshold=0.55,
        config={},
        metrics={},
        history={"loss": [0.7]},
        architecture=predictor.describe(),
        data_fingerprint="f" * 64,
    )


def test_unknown_kinds_and_models_are_refused():
    with pytest.raises(ValueError, match=r"no predictor is of kind 'oracle', known are keras"):
        predictor_class("oracle")
    with pytest.raises(TypeError, match=r"a model is a predictor.*got str"):
        as_predictor("a string")
    config = dataclasses.replace(MlpConfig(), hidden_widths=(4,))
    assert as_predictor(build_mlp({"features": (3,)}, config=config)).kind == "keras"
