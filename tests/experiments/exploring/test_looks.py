"""Looks of a report: the surest decisions, with the bars that their pictures are drawn of."""

import functools

import numpy as np
import pytest

from ultimate_deep import models
from ultimate_deep.bundles.executors.net import KerasPredictor
from ultimate_deep.evaluation.reporting.looks import Look
from ultimate_deep.evaluation.reporting.plots_looks import plot_looks
from ultimate_deep.experiments.experiment import prepare
from ultimate_deep.experiments.exploring.looks import looks_of
from ultimate_deep.features.gaf import gaf_images, gaf_numbers
from ultimate_deep.market.config import DataConfig
from ultimate_deep.models.registry import preset_config
from ultimate_deep.pipeline.config import ExperimentConfig, FeatureConfig, ModelConfig
from ultimate_deep.pipeline.inputs.config import InputConfig
from ultimate_deep.training.progress import Progress

INPUTS = {
    "gaf_cnn": InputConfig(gaf_timeframes=(2,), gaf_window_bars=32, gaf_size=32),
    "bar_image_cnn": InputConfig(window_bars=10),
}


@functools.cache
def looked_at(name):
    config = ExperimentConfig(
        data=DataConfig(simulated_rows=900),
        features=FeatureConfig(names=("return_log_1",)),
        inputs=INPUTS[name],
        model=ModelConfig(name=name, preset="tiny"),
    )
    whole = prepare(config, Progress())
    model = models.build_model(name, whole.inputs.shapes, config=preset_config(name, "tiny"))
    return whole, looks_of(whole, KerasPredictor(model))


@pytest.mark.parametrize("name", INPUTS)
def test_a_look_has_the_bars_of_its_picture(name):
    whole, looks = looked_at(name)
    assert len(looks) == 4
    for look in looks:
        assert look.heat.shape == look.picture.shape
        assert look.name.split()[0][:4] == str(whole.market.frame().index[-1].year)
    if name == "gaf_cnn":
        for look in looks:
            drawn = gaf_images(gaf_numbers(look.closes, 32, 32, dtype=np.float32))
            np.testing.assert_array_equal(look.picture, drawn[0, ..., 0])
    else:
        assert {len(look.closes) for look in looks} == {10}
    svg = plot_looks(looks, simulated=True)
    assert svg.startswith("<svg")
    assert "simulated" in svg


def test_what_does_not_fit_is_refused_and_other_models_have_no_looks():
    whole, _ = looked_at("gaf_cnn")
    assert looks_of(whole, object()) == ()
    with pytest.raises(ValueError, match="one decision or more"):
        plot_looks([], simulated=True)
    with pytest.raises(ValueError, match="one shape and one close"):
        Look(name="a", picture=np.ones((2, 2)), heat=np.ones((2, 3)), closes=np.ones(4))
