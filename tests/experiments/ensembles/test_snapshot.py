"""Snapshots: one net, several cycles of the learning rate, each a run after the other."""

import math

import numpy as np
import pytest

from ultimate_deep.bundles.bundle import load_bundle
from ultimate_deep.bundles.ensembles.combiner import EnsembleError
from ultimate_deep.experiments.ensembles.config import EnsembleConfig
from ultimate_deep.experiments.ensembles.members import open_members, out_of_fold_logits
from ultimate_deep.experiments.ensembles.run import run_ensemble
from ultimate_deep.experiments.ensembles.snapshot import (
    geometric_configs,
    snapshot_configs,
    with_snapshots,
)
from ultimate_deep.experiments.run import run_experiment
from ultimate_deep.experiments.series import open_series
from ultimate_deep.market.config import DataConfig, SplitSpec
from ultimate_deep.pipeline.config import ExperimentConfig, FeatureConfig, ModelConfig
from ultimate_deep.training.config import FitConfig
from ultimate_deep.training.progress import Progress
from ultimate_deep.training.schedules.schedules import Schedule

pytestmark = pytest.mark.usefixtures("plain_figures")


def config_of(folder="artifacts", **changes):
    fields = {
        "name": "net",
        "artifacts": str(folder),
        "data": DataConfig(simulated_rows=1_500),
        "features": FeatureConfig(names=("return_log_1", "range_z_20")),
        "model": ModelConfig(name="one_layer", preset="tiny"),
        "fit": FitConfig(epochs=6, batch_size=128, learning_rate=1e-2),
        "baselines": False,
    }
    return ExperimentConfig(**(fields | changes))


def test_the_learning_rate_is_the_papers():
    total, cycles, steps_per_epoch = 24, 3, 4  # 6 epochs of 4 steps
    found = []
    for config in snapshot_configs(config_of(), cycles):
        schedule = Schedule(
            config=config.fit.schedule,
            peak=config.fit.learning_rate,
            steps_per_epoch=steps_per_epoch,
            epochs=config.fit.epochs,
        )
        found += [schedule.learning_rate(step) for step in range(schedule.total_steps)]
    length = math.ceil(total / cycles)
    expected = [
        1e-2 / 2 * (math.cos(math.pi * ((t - 1) % length) / length) + 1)
        for t in range(1, total + 1)
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_geometric_cycles_are_short_and_come_after_most_of_the_training():
    config = config_of(fit=FitConfig(epochs=10, learning_rate=1e-2))
    first, *cycles = geometric_configs(config, 3)
    assert (first.name, first.fit.epochs, first.fit.peak_rate) == ("net_trained", 4, 1e-2)
    assert first.fit.schedule == config.fit.schedule
    assert [one.name for one in cycles] == [f"net_cycle_{n}" for n in (1, 2, 3)]
    schedule = Schedule(
        config=cycles[0].fit.schedule, peak=cycles[0].fit.peak_rate, steps_per_epoch=10,
        epochs=cycles[0].fit.most_epochs,
    )  # fmt: skip
    rates = np.array([schedule.learning_rate(step) for step in range(schedule.total_steps)])
    assert (rates.argmax(), len(rates)) == (10, 20)
    assert rates.max() == pytest.approx(5e-3)
    assert rates[-1] < 1e-3
    runs, follows = with_snapshots([config], 3, "geometric")
    assert len(runs) == 4
    assert follows["net_cycle_1"] == "net_trained"
    with pytest.raises(EnsembleError, match="got 5 cycles and 10 epochs; ask for fewer"):
        geometric_configs(config, 5)
    with pytest.raises(ValueError, match="snapshot_cycles 'geometric' is read where"):
        EnsembleConfig(snapshot_cycles="geometric")


def test_epochs_are_shared_out_and_each_cycle_has_its_own_order():
    configs = snapshot_configs(config_of(), 4)
    assert [config.fit.epochs for config in configs] == [2, 2, 1, 1]
    assert len({config.fit.seed for config in configs}) == 4
    for cycles in (1, 7):
        with pytest.raises(EnsembleError, match="2 cycles and one epoch each"):
            snapshot_configs(config_of(), cycles)


def test_trees_stay_one_run_among_nets_in_cycles():
    trees = config_of(name="trees", model=ModelConfig(name="hist_gradient_boosting"))
    runs, follows = with_snapshots([trees, config_of()], 2)
    assert [one.name for one in runs] == ["trees", "net_cycle_1", "net_cycle_2"]
    assert follows == {"net_cycle_2": "net_cycle_1"}
    assert with_snapshots([trees], 0) == ([trees], {})


@pytest.mark.slow
def test_each_cycle_goes_on_from_the_last_and_all_vote(tmp_path):
    runs, follows = with_snapshots([config_of(tmp_path)], 2)
    folders = open_series("set", str(tmp_path), runs, follows=follows).run(Progress())
    first, second = (load_bundle(folder) for folder in folders)
    assert first.config["model"]["start_from"] is None
    assert second.config["model"]["start_from"] == str(folders[0])
    anew = run_experiment(runs[1], Progress()).folder
    # Three epochs from where the first cycle ended are not three epochs from random weights.
    kernels = [load_bundle(one).model.get_weights()[0] for one in (folders[1], anew)]
    assert np.abs(kernels[0] - kernels[1]).max() > 1e-3
    losses = [load_bundle(one).metrics["fit"] for one in folders]
    assert [one["epochs_run"] for one in losses] == [3, 3]
    run = run_ensemble(
        folders, EnsembleConfig(artifacts=str(tmp_path), method="average"), Progress()
    )
    assert len(run.plan.lines()["members"].split(", ")) == 2

    members = open_members({"a": first, "b": second}, Progress())
    with pytest.raises(ValueError, match="know the rows that the folds leave out"):
        out_of_fold_logits(members, EnsembleConfig(method="logistic_stack", folds=2), Progress())

    def from_first(**changes):
        model = ModelConfig(name="one_layer", preset="tiny", start_from=str(folders[0]))
        return config_of(tmp_path, **({"model": model} | changes))

    with pytest.raises(ValueError, match="its weights know bars that this run is judged on"):
        run_experiment(from_first(split=SplitSpec(train_fraction=0.5)), Progress())
    other = ModelConfig(name="mlp", preset="tiny", start_from=str(folders[0]))
    with pytest.raises(ValueError, match="is of another architecture"):
        run_experiment(from_first(name="other", model=other), Progress())


def test_snapshots_are_refused_where_folds_would_leak():
    with pytest.raises(ValueError, match="snapshots know what the folds of tree_stack leave out"):
        EnsembleConfig(method="tree_stack", snapshots=3)
    with pytest.raises(ValueError, match="0 or at least 2"):
        EnsembleConfig(snapshots=1)
