"""Settings of a subcommand: a file for every model, built-in files, names that are known."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from ultimate_deep import models
from ultimate_deep.bundles.manifest import write_manifest
from ultimate_deep.commands import main
from ultimate_deep.commands.help_text import help_of
from ultimate_deep.commands.known_models import model_declared
from ultimate_deep.commands.listing import listed_models
from ultimate_deep.commands.parser import CONFIGS, MODEL_CONFIGS, model_options, parse
from ultimate_deep.commands.settings import experiment_from, experiment_of, experiment_parser
from ultimate_deep.commands.train import parser
from ultimate_deep.experiments.experiment import builder_config
from ultimate_deep.experiments.learners.registry import all_learners, resolved
from ultimate_deep.models import evaluated, registry
from ultimate_deep.models.declared import declared
from ultimate_deep.models.trees import registry as tree_registry
from ultimate_deep.models.trees.registry import TREES

ZOO = sorted([*models.BUILDERS, *TREES])
ROOT = Path(__file__).resolve().parents[2]


def refused(capsys, *arguments):
    """Return what is said of arguments that are refused."""
    with pytest.raises(SystemExit) as stop:
        experiment_from(arguments)
    assert stop.value.code == 2
    return capsys.readouterr().err


def test_every_model_has_a_settings_file_and_no_file_is_left_over():
    assert sorted(path.stem for path in MODEL_CONFIGS.glob("*.yaml")) == ZOO


@pytest.mark.parametrize("name", ZOO)
def test_a_settings_file_names_its_model_and_its_command(name):
    config = experiment_from([f"--model={name}"])
    assert (config.model.name, config.name) == (name, name)
    assert builder_config(config) is not None
    text = (MODEL_CONFIGS / f"{name}.yaml").read_text()
    assert f"ultimate-deep train --model {name}\n" in text
    # What a preset says is not said again.
    assert not {"learning_rate", "batch_size", "options"} & {
        line.strip().partition(":")[0] for line in text.splitlines()
    }


def test_the_scripts_folder_reaches_the_same_files():
    link = ROOT / "train_scripts" / "configs"
    assert os.readlink(link) == "../ultimate_deep/commands/configs"
    assert link.resolve() == CONFIGS


def test_the_command_line_changes_what_the_file_says():
    config = experiment_from(["--fit.epochs", "3", "--model", "lstm", "--model.preset", "tiny"])
    assert (config.fit.epochs, config.model.name, config.model.preset) == (3, "lstm", "tiny")
    assert config.fit.patience_epochs == 3  # the file's


def test_the_model_may_be_named_either_way():
    assert experiment_from(["--model.name", "lstm"]) == experiment_from(["--model", "lstm"])


def test_built_in_files_go_by_their_names_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert experiment_from(["--config", "small"]).model.preset == "small"
    assert experiment_from(["--config=seed"]).model.preset == "seed"
    assert experiment_from(["--config", "complete"]).data.simulation.signal == "linear"
    (tmp_path / "small").write_text("seed: 5\n")  # a file of that name is meant, where there is one
    assert experiment_from(["--config", "small"]).seed == 5


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--model", "lstn"], "no model is called 'lstn'; did you mean lstm? models are adaptive"),
        (["--model"], "--model needs a value, such as --model mlp"),
        (["--model="], "--model needs a value, such as --model mlp"),
        (["--model", "lstm", "--model.preset", "big"], "its presets are tiny, default, wide"),
        (["--epochs", "3"], "no option is called --epochs; did you mean --fit.epochs?"),
        (["--fit.epoch=3"], "no option is called --fit.epoch; did you mean --fit.epochs?"),
        (["--data.pth", "x"], "no option is called --data.pth; did you mean --data.path?"),
        (["--quux", "3"], "no option is called --quux\n"),
        (
            ["--fit.epochs", "three"],
            "--fit.epochs must be a whole number or null, got three; leave it out for the default",
        ),
        (["--fit.epochs", "3.0"], "--fit.epochs must be a whole number or null, got 3.0; give 3\n"),
        (["--fit.epochs"], "--fit.epochs needs a value; leave it out for the default"),
        (["--features.names=x"], "--features.names must be a list of texts, got x; give '[x]'"),
        (["--tables", "cvs"], "--tables must be one of csv, parquet, got cvs; did you mean csv?"),
        (["--baselines", "so"], "must be true or false, got so; give e.g. --baselines true"),
        (["--data.price_scale", "x"], "must be a number or null, got x; leave it out"),
        (["--fit.jit_compile", "x"], "must be auto or true or false, got x; give e.g."),
        (["--inputs.timeframes", "[4, x]"], "give e.g. --inputs.timeframes '[4, 16]'"),
        (["--model.options", "3"], "--model.options must be a mapping of names to values, got 3"),
        (["--fit", "absent.yaml"], "--fit must be a mapping of settings, or a YAML file of them"),
        (["--fit", "{epoch: 3}"], "no option is called --fit.epoch; did you mean --fit.epochs?"),
        (["--fit.seed", "3"], "--fit.seed is taken from --seed; give --seed instead"),
        (["--yes=3"], "--yes takes no value, got '3'; leave the value out"),
        (["stray"], "'stray' is no option; options begin with --"),
        (["--print_config=x"], "--print_config takes comments, skip_default, skip_null or"),
        (["--artifacts", ""], "artifacts must name a folder, got ''"),
        (["--name", "a/b"], "name becomes part of a folder's name, got 'a/b'"),
        (["--seed", str(2**70)], "seed must be in [0, 2**32)"),
        (
            ["--config", "smal"],
            "complete, gaf_resnet18, minutes, seed, small, got 'smal'; did you mean 'small'?",
        ),
        (["--model", "lstm", "--model.options.widht", "3"], "did you mean --model.options.width?"),
        (["--model", "mlp", "--model.options.width", "3"], "model 'mlp' has no option 'width'"),
        (
            ["--model", "lstm", "--model.options.width", "x"],
            "--model.options.width must be a whole",
        ),
        (
            ["--model.options", "{res_blocks: 3}"],
            "--model.options.res_blocks_per_unit",
        ),
        (["--model", "lstm", "--model.options.width", "-3"], "width must be at least 1"),
        (["--model", "lstm", "--model.options.query", "all"], "one of learned, last; got 'all'"),
        (["--model", "xgboost", "--model.options.row_share", "2"], "of xgboost: row_share"),
        (["--model.options", "{coupling: twice}"], "coupling must be one of"),
        (["--fit.epochs", "0"], "fit.epochs must be at least 1, got 0"),
    ],
)
def test_what_is_wrong_is_named_with_what_was_meant(capsys, arguments, said):
    told = refused(capsys, *arguments)
    assert said in told
    assert told.startswith("error: ")
    assert told.count("\n") <= 3


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("fit: {epoch: 3}", "names 'fit.epoch', which is no setting; did you mean fit.epochs?"),
        ("fit:\n  schedule: {kindd: x}", "did you mean fit.schedule.kind?"),
        ("plugin: x", "names 'plugin', which is no setting; did you mean plugins?"),
        ("nonsense: 1", "names 'nonsense', which is no setting; --help.all lists them"),
        ("", "must hold settings by name, and it is empty; write e.g. 'fit: {epochs: 4}'"),
        ("- a", "must hold settings by name, and it holds [a]"),
        ("fit: {epochs: 3\nx: ]", "is no YAML: line 2: "),
        ("fit: {epochs: 3.0}", "--fit.epochs must be a whole number or null, got 3.0; give 3\n"),
        ("fit: 8", "fit must be a mapping of settings, or a YAML file of them, got 8"),
        ("fit:", "got null; write e.g. 'fit: {epochs: 4}'"),
        ("model: lstm", "got lstm; write e.g. 'model: {name: lstm}'"),
        ("model: {name: lstn}", "no model is called 'lstn'; did you mean lstm?"),
        ("model: {name: lstm, options: {widht: 3}}", "did you mean --model.options.width?"),
        ("yes: true", "must name settings by texts, got True; write the name in quotes"),
        ("label: {horizon_bars: 0}", "horizon_bars must be at least 1, got 0"),
        ("name: a/b", "name becomes part of a folder's name"),
    ],
)
@pytest.mark.parametrize("further", [(), ("--print_config",)], ids=["run", "print"])
def test_what_is_wrong_in_a_file_is_named_and_never_printed(capsys, tmp_path, text, said, further):
    (tmp_path / "own.yaml").write_text(text)
    with pytest.raises(SystemExit) as stop:
        experiment_from(["--config", str(tmp_path / "own.yaml"), *further])
    told = capsys.readouterr()
    assert stop.value.code == 2
    assert said in told.err
    assert told.err.count("\n") == 2
    assert not told.out


def test_a_group_of_a_file_may_be_a_file_of_its_own(tmp_path):
    (tmp_path / "fit.yaml").write_text("epochs: 3\n")
    (tmp_path / "own.yaml").write_text("fit: fit.yaml\nlabel.horizon_bars: 4\n")
    config = experiment_from(["--config", str(tmp_path / "own.yaml")])
    assert (config.fit.epochs, config.label.horizon_bars) == (3, 4)


def test_bars_that_are_not_there_are_found_out_at_once():
    for path in ("absent.csv", "[here.csv, absent.csv]"):
        with pytest.raises(FileNotFoundError, match=r"no file or folder at \w+\.csv"):
            experiment_from(["--data.path", path])


def test_a_model_of_a_further_family_is_known_by_its_learners_line(constant_learner, capsys):
    config = experiment_from(["--model", "constant", "--model.options.pull", "2"])
    assert (config.model.name, config.model.options) == ("constant", {"pull": 2.0})
    assert "did you mean constant? models" in refused(capsys, "--model", "constnat")
    told = refused(capsys, "--model", "constant", "--model.options.pul", "2")
    assert "did you mean --model.options.pull?" in told
    assert "presets are default" in refused(capsys, "--model", "constant", "--model.preset", "big")
    assert [line.split() for line in listed_models() if line.startswith("constant")] == [
        ["constant", "features", "-", "default"]
    ]
    help_text = help_of(parser(), "model", "constant", model_declared("constant"))
    assert "--model.options.pull" in help_text
    assert "Rows of a coin" in help_text


def test_options_have_the_types_of_the_models_configuration():
    options = {"res_blocks_per_unit": [5, 5], "exact": True, "l2": 1}
    assert model_options("ultimate", options) == {
        "res_blocks_per_unit": (5, 5), "exact": True, "l2": 1.0,
    }  # fmt: skip
    config = experiment_from(["--model.options.res_blocks_per_unit", "[5, 5]"])
    assert config.model.options == {"res_blocks_per_unit": (5, 5)}


def test_features_and_a_first_run_that_are_not_there_are_found_out_at_once(capsys):
    for setting in ("features.names", "inputs.coarse_features"):
        with pytest.raises(SystemExit):
            experiment_from([f"--{setting}", "[rsi14]"])
        assert "unknown features: 'rsi14' (nearest: rsi_14" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        experiment_from(["--model", "mlp", "--model.start_from", "absent"])
    assert "absent is not a folder" in capsys.readouterr().err
    assert experiment_from(["--features.names", "[rsi_14_5x]"]).features.names == ("rsi_14_5x",)


@pytest.mark.contract
@pytest.mark.parametrize("name", ZOO)
def test_what_a_models_file_assigns_is_known_without_running_it(name, monkeypatch):
    """Its presets and ranges, so that options can be refused without Keras."""
    target = (models.BUILDERS | TREES)[name]
    learner = next(one for one in all_learners() if one.name == name)
    ranges = (registry if name in models.BUILDERS else tree_registry).search_space(name)
    unloaded = SimpleNamespace(modules={}, stdlib_module_names=sys.stdlib_module_names)
    monkeypatch.setattr(evaluated, "sys", unloaded)
    for preset in learner.presets():
        told = evaluated.configuration(target, preset)
        assert type(told) is not type(learner.preset_config(preset))  # made from the file alone
        assert repr(told) == repr(learner.preset_config(preset))
    assert repr(evaluated.searched(target)) == repr(ranges)


@pytest.mark.contract
@pytest.mark.parametrize("name", ZOO)
def test_what_a_models_file_declares_is_what_it_is(name):
    """Read without running it, and compared with what running it gives."""
    told = declared((models.BUILDERS | TREES)[name])
    learner = next(one for one in all_learners() if one.name == name)
    config = learner.preset_config("default")
    assert told.reads == learner.inputs_kind
    assert told.presets == learner.presets()
    if name in models.BUILDERS:
        assert told.sees == registry.sees(name)
    assert sorted(one.name for one in told.options) == sorted(vars(config))
    assert all(one.help for one in told.options), "the docstring's Args name every option"
    plain = type(config)()
    for one in told.options:
        value = getattr(plain, one.name)
        assert model_options(name, {one.name: value}) == {one.name: value}


def test_the_list_has_every_model_with_what_it_reads():
    rows = [line.split() for line in listed_models() if not line.startswith(" ")]
    assert [row[0] for row in rows[1:]] == ZOO
    assert next(row[1] for row in rows if row[0] == "gaf_cnn") == "gaf"


# Each with what is said of it; {} is a folder with two bundles, a and b.
REFUSED = {
    "run --fit.epoch 3": "no option is called --fit.epoch",
    "run --data.path absent.csv": "--data.path: no file or folder at absent.csv; name one that is",
    "run --data.fills absent.csv": "--data.fills: no file or folder at absent.csv",
    "run --features.names [rsi14]": "unknown features: 'rsi14'",
    "run --model lstm --model.options.width -3": "width must be at least 1",
    "run --model mlp --model.start_from absent": "absent is not a folder",
    "tune --model mlp --tune.fields [model.nosuch]": "no search range for ['model.nosuch']",
    "tune --resume": "no unfinished search in",
    "backtest --bundle no": "no bundle at no",
    "predict --bundle {}/a --output o.xlsx": "got o.xlsx; name it o.csv",
    "predict --bundle {}/a --output absent/o.csv": "got absent; create it first",
    "predict --bundle {}/a --passes -1": "--passes must be at least 0, got -1",
    "compare --bundles [{}/a]": "at least two different models, got a;",
    "compare --bundles [{}/a,{}/a]": "at least two different models, got a, a;",
    "detect-leaks --bundle {}/a --steps no.py:steps": "--steps: no file no.py",
    "detect-leaks --bundle {}/a --steps no_such:steps": "No module named 'no_such'",
    "detect-leaks --bundle {}/a --model lstn": "did you mean lstm?",
    "detect-leaks --bundle {}/a --epochs 0": "--epochs must be at least 1, got 0",
    "detect-leaks --bundle {}/a --output {}/b": "exists and is never overwritten",
    "explore --features.names [rsi14]": "unknown features: 'rsi14'",
    "run --config {}/a/manifest.json": "names 'schema', which is no setting",
    "run --fit.epochs 3.0": "fit.epochs must be a whole number",
    "run --name a/b": "becomes part of a folder's name",
    "run --artifacts {}/a/manifest.json --yes": "artifacts must be a folder",
    "explore --name a/b": "becomes part of a folder's name",
    "gaf --size x": "size must be a whole number",
    "runs shw": "name one of list, show, compare",
}
HELPED = (
    "--help", "run --help", "train --list", "run --help.fit", "run --model lstm --help.model",
    "tune --help", "walk-forward --help", "explore --help", "ensemble --help", "gaf --help",
    "compare --help", "detect-leaks --help", "doctor --help", "--completion bash",
)  # fmt: skip


def test_nothing_heavy_is_loaded_before_it_is_needed(tmp_path):
    """Neither for help nor to refuse a model, a file, an option or its value."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write_manifest(tmp_path / name, feature_names=(), horizons=1, data_fingerprint="")
    code = """
import sys
from ultimate_deep import commands
for line in sys.argv[1:]:
    said = ""
    try:
        commands.main(line.split())
    except SystemExit as ended:
        said = ended.code
    print(said if isinstance(said, str) else "", file=sys.stderr)
    print("-----", file=sys.stderr)
print(*sys.modules)
"""
    lines = [line.replace("{}", str(tmp_path)) for line in (*REFUSED, *HELPED)]
    done = subprocess.run(
        [sys.executable, "-c", code, *lines], capture_output=True, text=True, check=True,
        cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    errors = done.stderr.split("-----\n")
    for (line, said), error in zip(REFUSED.items(), errors, strict=False):
        assert said in error, line
    loaded = set(done.stdout.splitlines()[-1].split())
    assert not loaded & {"tensorflow", "keras", "pandas", "numpy", "numba", "sklearn", "scipy"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_what_was_named_is_kept_apart_from_what_a_model_brings(tmp_path):
    own = tmp_path / "own.yaml"
    own.write_text("label:\n  horizon_bars: 3\n")
    arguments = [
        "--model", "lstm", "--config", str(own), "--model.options.width", "8", "--fit.epochs=5",
    ]  # fmt: skip
    parsed = parse(experiment_parser("run", None), arguments)
    assert parsed.named == {
        "model.name": "lstm", "label.horizon_bars": 3, "model.options.width": 8, "fit.epochs": 5,
    }  # fmt: skip
    assert experiment_of(parsed.options).fit.patience_epochs == 3  # the model's own file says so


def test_help_offers_no_group_where_there_is_none_and_no_file_for_a_model(capsys):
    def told(*arguments: str) -> str:
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert ended.value.code == 0
        return capsys.readouterr().out

    for command in ("runs", "doctor", "check"):
        assert "More:" not in told(command, "--help")
    assert told("doctor", "--help.all") == told("doctor", "--help")
    assert told("predict", "--help").endswith("More: --help.data, --help.all\n")
    assert "Name a model" not in told("predict", "--help.all")
    assert "--model " not in told("run", "--help.model").partition("Name a model")[0]
    assert "SUPPRESS" not in told("run", "--help.all")


@pytest.mark.parametrize(
    ("arguments", "rate", "rows"),
    [
        (["--config", "seed"], 1e-5, 8),
        (["--model", "ultimate", "--model.preset", "billion"], 1e-4, 32),
        (["--model", "gaf_cnn"], 3e-3, 64),
        (["--model", "mlp"], 4e-3, 256),
        (["--config", "seed", "--fit.batch_size", "16"], 1e-5, 16),
        (["--config", "seed", "--fit.learning_rate", "0.5"], 0.5, 8),
    ],
)
def test_training_uses_what_the_preset_says(arguments, rate, rows):
    fit = resolved(experiment_from(arguments)).fit
    assert (fit.learning_rate, fit.batch_size) == (rate, rows)
    assert (fit.peak_rate, fit.rows_of_step) == (rate, rows)


def test_a_model_goes_by_its_name_in_the_documents_or_with_a_preset():
    for name, model, preset in (
        ("transformer_large", "transformer", "large"),
        ("lstm_baseline", "lstm", "default"),
        ("transformer:small", "transformer", "small"),
    ):
        config = experiment_from(["--model", name])
        assert (config.model.name, config.model.preset) == (model, preset)
        assert config.name == name.replace(":", "_")
    named = experiment_from(["--model", "hybrid", "--name", "mine", "--model.preset", "tiny"])
    assert (named.model.name, named.name) == ("hybrid_lstm_transformer", "mine")
    assert named.model.preset == "tiny"


def test_workers_are_checked_against_the_parts_of_a_batch_but_for_a_run_that_has_its_own(capsys):
    said = refused(capsys, "--fit.workers", "2")
    assert "got 2 workers for fit.gradients.micro_batches 1" in said
    assert experiment_from(["--fit.workers", "2", "--resume"]).fit.workers == 2


@pytest.mark.parametrize("command", ["walk-forward", "features", "ensemble"])
def test_bad_workers_are_bad_options(capsys, command):
    with pytest.raises(SystemExit) as stop:
        main([command, "--workers", "-1"])
    assert stop.value.code == 2
    assert "workers must be from 0 to 1,024, got -1" in capsys.readouterr().err


def test_all_settings_include_what_every_command_takes():
    assert {"--device NAME", "--plugin FILE"} <= set(help_of(parser(), "all").split("  "))
