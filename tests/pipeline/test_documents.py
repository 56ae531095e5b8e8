"""The specification's dictionaries, taken as they are written."""

import pytest

from ultimate_deep.experiments import ensemble_from_specification
from ultimate_deep.experiments.ensembles import documents
from ultimate_deep.models import registry
from ultimate_deep.models.document_names import DOCUMENT_NAMES
from ultimate_deep.pipeline.config import ExperimentConfig
from ultimate_deep.training.config import FitConfig
from ultimate_deep.training.schedules.schedules import Schedule

TRAINING = {
    "epochs": 1000,
    "batch_size_schedule": [512, 256, 128, 64],
    "learning_rate_schedule": {
        "initial": 0.001,
        "decay_steps": [200, 500, 800],
        "decay_factors": [0.5, 0.1, 0.01],
    },
    "early_stopping": {"patience": 50, "min_delta": 0.0001, "restore_best": True},
}
SCHEDULER = {
    "warmup_steps": 1000,
    "total_steps": 100000,
    "peak_lr": 5e-4,
    "min_lr": 1e-6,
    "schedule": "cosine_with_restarts",
}
ENSEMBLE = {
    "models": ["transformer_base", "transformer_large", "lstm_baseline", "tcn_model"],
    "voting": "weighted",
    "weights": "learned",
}


def test_the_training_configuration_is_what_it_says():
    fit = ExperimentConfig.from_specification(TRAINING, model={"name": "mlp"}).fit
    assert (fit.most_epochs, fit.rows_of_step, fit.peak_rate) == (1000, 512, 0.001)
    assert (fit.patience_epochs, fit.min_delta) == (50, 1e-4)
    schedule = Schedule(config=fit.schedule, peak=fit.peak_rate, steps_per_epoch=10, epochs=1000)
    rates = [schedule.learning_rate(10 * epoch) for epoch in (0, 199, 200, 500, 800, 999)]
    assert rates == pytest.approx([1e-3, 1e-3, 5e-4, 1e-4, 1e-5, 1e-5])


def test_the_scheduler_configuration_is_what_it_says():
    fit = ExperimentConfig.from_specification(SCHEDULER).fit
    schedule = Schedule(config=fit.schedule, peak=fit.peak_rate, steps_per_epoch=70, epochs=13)
    assert schedule.total_steps == 100_000
    assert schedule.learning_rate(999) == pytest.approx(5e-4)
    assert schedule.learning_rate(25_000) == pytest.approx(5e-4)
    assert schedule.learning_rate(24_999) == pytest.approx(1e-6, rel=0.01)
    assert schedule.learning_rate(200_000) == pytest.approx(1e-6)


def test_both_go_together_and_settings_beside_them_stay():
    config = ExperimentConfig.from_specification(
        {"epochs": 5}, {"schedule": "one_cycle"}, fit={"batch_size": 64}, seed=3
    )
    assert (config.fit.epochs, config.fit.batch_size, config.seed) == (5, 64, 3)
    assert config.fit.schedule.kind == "one_cycle"
    nested = ExperimentConfig.from_specification(
        {"gradient_accumulation": 4, "min_lr": 1e-6, "peak_lr": 1e-3},
        fit={"gradients": {"sharpness": 0.05}, "schedule": {"warmup_share": 0.2}},
    ).fit
    assert (nested.gradients.micro_batches, nested.gradients.sharpness) == (4, 0.05)
    assert (nested.schedule.warmup_share, nested.schedule.floor_share) == (0.2, 1e-3)
    with pytest.raises(ValueError, match="fit is a dictionary too, got FitConfig"):
        ExperimentConfig.from_specification({"epochs": 5}, fit=FitConfig())
    restarts = {"epochs": 6, "schedule": "cosine_with_restarts"}
    assert ExperimentConfig.from_specification(restarts).fit.schedule.cycles == 3


@pytest.mark.parametrize(
    ("said", "document"),
    [
        ("no key 'epoch'; known are epochs", {"epoch": 3}),
        ("early_stopping has no key 'delta'", {"early_stopping": {"delta": 1}}),
        (
            "restore_best is false, but a fit always leaves",
            {"early_stopping": {"restore_best": False}},
        ),
        ("learning_rate_schedule has no key 'start'", {"learning_rate_schedule": {"start": 1}}),
        ("schedule must be one of cosine, .*, got 'linear'", {"schedule": "linear"}),
        ("min_lr is kept as a share of the peak", {"min_lr": 1e-6}),
        ("min_lr is kept as a share of the peak", {"min_lr": 1.0, "peak_lr": 0.1}),
        ("this is an ensemble_config", ENSEMBLE),
        ("early_stopping must be a dictionary of patience", {"early_stopping": 5}),
        ("learning_rate_schedule must be a dictionary", {"learning_rate_schedule": 0.001}),
        ("batch_size_schedule must be a list of sizes", {"batch_size_schedule": 64}),
        ("peak_lr must be a number, such as 5e-4, got '5e-4'", {"peak_lr": "5e-4"}),
        ("schedule must be the name of a course", {"schedule": ["cosine"]}),
        ("decay_steps must be a list", {"learning_rate_schedule": {"decay_steps": 200}}),
        (
            "learning_rate_schedule and schedule both set kind, to 'multistep' and 'cosine'",
            {
                "learning_rate_schedule": {"decay_steps": [2], "decay_factors": [0.5]},
                "schedule": "cosine",
            },
        ),
        (
            "needs epochs that cycles of one length divide, got 7; 8 do",
            {"epochs": 7, "schedule": "cosine_with_restarts"},
        ),
        ("a dictionary of the specification is expected, got None", None),
    ],
)
def test_what_cannot_be_is_refused_by_name(said, document):
    with pytest.raises(ValueError, match=said):
        ExperimentConfig.from_specification(document)


def test_the_ensemble_has_one_architecture_at_two_presets():
    found = ensemble_from_specification(ENSEMBLE, seed=4)
    assert [one.name for one in found.members] == ENSEMBLE["models"]
    models = [(one.model.name, one.model.preset) for one in found.members]
    assert models[:2] == [("transformer", "default"), ("transformer", "large")]
    assert {one.seed for one in found.members} == {4}
    assert found.config.method == "weighted"
    named = ensemble_from_specification({"models": ["lstm:tiny", "mlp"], "voting": "average"})
    assert [one.name for one in named.members] == ["lstm_tiny", "mlp"]
    assert named.config.method == "average"
    for document, said in (
        ({"models": []}, "a list of at least two names"),
        ({"models": ["mlp"]}, "a list of at least two names"),
        ({"models": "lstm"}, "a list of at least two names, got 'lstm'"),
        ({"models": None}, "a list of at least two names"),
        ({"models": ["mlp", "mlp"]}, "names 'mlp' twice"),
        ({"models": ["mlp", "lstn"]}, "lstn"),
        ({"models": ["mlp", "lstm:hug"]}, "hug"),
        ({"models": ["mlp", "lstm"], "vote": "x"}, "no key 'vote'"),
        ({"models": ["mlp", "lstm"], "voting": "hard"}, "got 'hard' and None; equal weights"),
        ({**ENSEMBLE, "weights": [0.25] * 4}, "with weights 'learned' or none"),
        (["mlp", "lstm"], "ensemble_config must be a dictionary"),
    ):
        with pytest.raises(ValueError, match=said):
            ensemble_from_specification(document)
    with pytest.raises(ValueError, match="name is each member's own"):
        ensemble_from_specification(ENSEMBLE, name="all")


def test_the_ensemble_is_trained_and_combined_as_the_command_does(monkeypatch, tmp_path):
    """The command's own test trains one; here is what it is given."""
    found = ensemble_from_specification(
        {"models": ["mlp:tiny", "one_layer:tiny"], "voting": "average"}, artifacts=str(tmp_path)
    )
    seen = []

    class Series:
        keep_result = print

        def __enter__(self):
            return self

        def __exit__(self, *error):
            return None

        def run(self, progress, confirm):
            return ["a", "b"]

        def close(self):
            seen.append("closed")

    def opened(name, artifacts, members, *, resume):
        seen.append((artifacts, [one.name for one in members], resume))
        return Series()

    monkeypatch.setattr(documents, "open_series", opened)
    monkeypatch.setattr(
        documents, "run_ensemble", lambda folders, config, progress, named: (folders, config.method)
    )
    assert found.run(resume=True) == (["a", "b"], "average")
    assert seen == [(str(tmp_path), ["mlp_tiny", "one_layer_tiny"], True), "closed"]


def test_the_names_of_the_documents_are_models_with_presets():
    for model, preset in DOCUMENT_NAMES.values():
        assert preset in registry.presets(model)


@pytest.mark.parametrize(
    ("documents", "said"),
    [
        (({"learning_rate": 1e-3, "peak_lr": 5e-4},), "learning_rate and peak_lr both set"),
        (
            ({"learning_rate_schedule": {"initial": 1e-3}}, {"peak_lr": 5e-4}),
            "learning_rate_schedule and peak_lr both set learning_rate, to 0.001 and 0.0005",
        ),
        (({"epochs": 5}, {"epochs": 7}), "dictionary 1 and dictionary 2 both set epochs"),
        (({"batch_size": 8, "batch_size_schedule": [8, 4]},), "got batch_size 8 beside it"),
        (({"warmup_steps": 1000, "total_steps": 100},), "got 1000 of 100; take fewer"),
        (({"epochs": "10"},), "epochs must be a whole number"),
        (({"epochs": float("nan")},), "epochs must be a whole number"),
        (({"learning_rate": float("nan")},), "learning_rate must be a number"),
        (({"early_stopping": {"patience": "5"}},), "patience must be a whole number"),
        (({"learning_rate_schedule": {"decay_factors": [0.5]}},), "there are no decay_steps"),
    ],
)
def test_nothing_is_passed_over_and_no_error_is_pythons_own(documents, said):
    with pytest.raises(ValueError, match=said):
        ExperimentConfig.from_specification(*documents)


def test_restarts_suit_the_epochs_beside_the_dictionary():
    courses = {"schedule": "cosine_with_restarts"}
    fit = ExperimentConfig.from_specification(courses, fit={"epochs": 10}).fit
    assert fit.schedule.cycles == 2


def test_a_least_rate_counts_beside_steps_of_the_rate():
    steps = {"initial": 1e-3, "decay_steps": [2], "decay_factors": [0.5]}
    fit = ExperimentConfig.from_specification({"learning_rate_schedule": steps, "min_lr": 1e-6}).fit
    assert fit.schedule.floor_share == pytest.approx(1e-3)
    assert fit.schedule.milestone_factors == (0.5,)
