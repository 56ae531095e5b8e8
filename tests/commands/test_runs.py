"""Finished runs as their folders tell: listed, shown, compared, and nothing else."""

import io
import json
import os
import subprocess
import sys

import pytest
from rich.console import Console

from ultimate_deep.commands import main
from ultimate_deep.experiments import finished
from ultimate_deep.machine.screen import Screen


@pytest.fixture
def artifacts(tmp_path):
    """Two runs, a link to the newest, a backtest's folder and one that is unfinished."""
    for name, model, created, accuracy, epochs in (
        ("mlp-1", "mlp", "2026-01-02T00:00:00+00:00", 0.5125, 8),
        ("lstm-2", "lstm", "2026-01-03T00:00:00+00:00", 0.625, 4),
    ):
        folder = tmp_path / name
        folder.mkdir()
        config = {"model": {"name": model, "preset": "tiny"}, "fit": {"epochs": epochs}, "seed": 3}
        metrics = {
            "verdict": {"kind": "no edge", "sentence": f"No edge: {model}."},
            "test": {"model": {"accuracy": accuracy, "sharpe": -1.5, "trades": 12.0}},
            "data": {"MINE": {"to": "2025-12-31T00:00:00+00:00"}},
            "ledger": {"trials": 1234},
            "plan": {"rows": "700 train"},
        }
        manifest = {"created": created, "files": {"config.json": {}, "saved_model/a": {}}}
        parts = {"config": config, "metrics": metrics, "manifest": manifest}
        for part, values in parts.items():
            (folder / f"{part}.json").write_text(json.dumps(values))
    (tmp_path / "latest").symlink_to("lstm-2", target_is_directory=True)
    (tmp_path / "backtest-lstm-2-1").mkdir()
    (tmp_path / "mlp-3.unfinished").mkdir()
    return tmp_path


def told(capsys, *arguments: str) -> str:
    main(["runs", *arguments])
    return capsys.readouterr().out


def test_runs_are_listed_the_newest_first(artifacts, capsys):
    said = told(capsys, "list", "--artifacts", str(artifacts))
    rows = [line.split() for line in said.splitlines() if "no edge" in line]
    assert [row[:3] for row in rows] == [["lstm-2", "lstm", "MINE"], ["mlp-1", "mlp", "MINE"]]
    assert "62.50%" in said
    assert "51.25%" in said


def test_a_foreign_folder_is_named_below_the_list_and_passed_over(artifacts, capsys):
    for number, make in enumerate((lambda path: path.mkdir(), os.mkfifo)):
        (artifacts / f"foreign-{number}").mkdir()
        make(artifacts / f"foreign-{number}" / "manifest.json")
    (artifacts / "foreign-0" / "config.json").write_text("{}")
    (artifacts / "foreign-0" / "metrics.json").write_text("{}")
    said = told(capsys, "list", "--artifacts", str(artifacts))
    assert sum("no edge" in line for line in said.splitlines()) == 2
    assert f"Passed over: {artifacts / 'foreign-0'} is no finished run" in said
    assert "manifest.json is a folder" in said
    assert f"Passed over: {artifacts / 'foreign-1'} is no finished run" in said


ODD = {
    "metrics.json": [
        '{"verdict": 7}', '{"verdict": {"kind": 7}}', '{"verdict": {"sentence": ["a"]}}',
        '{"ledger": {"trials": "x", "hash": 3}}', '{"ledger": {"hash": ""}}', '{"test": [1]}',
        '{"test": {"model": 1}}', '{"test": {"model": {"accuracy": "high"}}}', '{"plan": [1]}',
        f'{{"test": {{"model": {{"trades": 1{"0" * 400}}}}}}}', '{"data": {"a": 1}}',
        '{"data": {"a": {}}}', '{"data": {"a": {"to": 20251231}}}', "[]",
    ],
    "manifest.json": ['{"created": 5}', '{"files": [1]}', "7"],
    "config.json": ["[3]", "null"],
}  # fmt: skip


@pytest.mark.parametrize(
    ("file", "text"), [(file, text) for file, texts in ODD.items() for text in texts]
)
def test_a_folder_that_says_what_no_run_does_is_passed_over_by_name(artifacts, file, text):
    (artifacts / "mlp-1" / file).write_text(text)
    found, (note,) = finished.finished_runs(artifacts)
    assert [run.folder.name for run in found] == ["lstm-2"]
    assert note.startswith(f"Passed over: {artifacts / 'mlp-1'} is no finished run (")
    for arguments in (["show", "mlp-1"], ["compare", "mlp-1", "lstm-2"]):
        with pytest.raises(SystemExit, match=r"error: .*mlp-1 is no finished run"):
            main(["runs", *arguments, "--artifacts", str(artifacts)])


@pytest.mark.parametrize("file", ["metrics.json", "config.json", "manifest.json"])
def test_what_an_older_run_does_not_say_is_left_out(artifacts, file, capsys):
    config = '{"model": 3, "fit": {"epochs": null}}'
    (artifacts / "mlp-1" / file).write_text(config if file == "config.json" else "{}")
    for arguments in (["list"], ["show", "mlp-1"], ["compare", "mlp-1", "lstm-2"]):
        said = told(capsys, *arguments, "--artifacts", str(artifacts))
        assert "mlp-1" in said
        assert "Passed over" not in said


def test_a_run_is_shown_by_its_name_or_its_folder(artifacts, capsys):
    by_name = told(capsys, "show", "mlp-1", "--artifacts", str(artifacts))
    assert by_name.startswith("mlp-1\nNo edge: mlp.\n")
    assert "700 train" in by_name
    assert "1,234 trials were counted by then" in by_name
    assert "config.json, saved_model" in " ".join(by_name.split())
    assert told(capsys, "show", str(artifacts / "mlp-1")) == by_name


def test_runs_are_compared_by_the_settings_in_which_they_differ(artifacts, capsys):
    said = told(capsys, "compare", "mlp-1", "latest", "--artifacts", str(artifacts))
    rows = {row[0]: row[1:] for row in (line.split() for line in said.splitlines()) if row}
    assert rows["fit.epochs"] == ["8", "4"]
    assert rows["model.name"] == ['"mlp"', '"lstm"']
    assert rows["accuracy"] == ["51.25%", "62.50%"]
    assert "seed" not in rows
    assert "model.preset" not in rows


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "runs ...: name one of list, show, compare"),
        (("shw",), "runs shw: name one of list, show, compare"),
        (("show",), "runs show takes one run, got 0; `runs list` names them"),
        (("compare", "mlp-1"), "runs compare takes two runs or more, got 1"),
        (("list", "mlp-1"), "`runs show mlp-1` shows it"),
    ],
)
def test_what_is_missing_is_named(capsys, arguments, said):
    with pytest.raises(SystemExit) as stop:
        main(["runs", *arguments])
    assert stop.value.code == 2
    assert said in capsys.readouterr().err


def test_a_run_that_is_not_there_is_named_beside_those_that_are(artifacts):
    with pytest.raises(SystemExit, match=r"no bundle at absent .* holds latest, lstm-2, mlp-1"):
        main(["runs", "show", "absent", "--artifacts", str(artifacts)])


LONG = (
    "tuned-cross_timeframe_transformer-20261129-071957",
    "hybrid_lstm_transformer-20261129-081957",
)


@pytest.fixture
def long_names(artifacts):
    """The same two runs under names of a real length."""
    for before, after in zip(("mlp-1", "lstm-2"), LONG, strict=True):
        (artifacts / before).rename(artifacts / after)
    return artifacts


def rendered(artifacts, deed):
    runs = [finished.read_run(artifacts / name) for name in LONG]
    if deed == "list":
        return finished.render_list(artifacts, "Ledger: none")
    return finished.render_run(runs[0]) if deed == "show" else finished.render_differences(runs)


@pytest.mark.parametrize("width", [30, 80, 200])
@pytest.mark.parametrize("deed", ["list", "show", "compare"])
def test_no_name_and_no_head_is_broken_or_cut_on_a_screen(long_names, deed, width):
    file = io.StringIO()
    Console(file=file, width=width).print(rendered(long_names, deed), crop=False)
    said = file.getvalue()
    assert "…" not in said
    assert all(name in said for name in LONG[: 1 if deed == "show" else 2])
    for word in ("accuracy", "Sharpe", *(("drawdown", "log loss") if deed != "list" else ())):
        assert word in " ".join(said.split())


@pytest.mark.parametrize("deed", ["list", "compare"])
def test_a_row_is_one_line_in_a_pipe_whatever_the_screen(long_names, capsys, monkeypatch, deed):
    monkeypatch.setenv("COLUMNS", "40")
    Screen().print(rendered(long_names, deed))
    lines = capsys.readouterr().out.splitlines()
    (row,) = [line for line in lines if LONG[0] in line]
    assert "62.50%" not in row
    assert ("51.25%" in row) if deed == "list" else (LONG[1] in row)


def test_runs_are_listed_without_what_computes(artifacts):
    code = "import sys; from ultimate_deep import commands; commands.main(sys.argv[1:]); "
    code += "print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code, "runs", "list", "--artifacts", str(artifacts)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "lstm-2" in done.stdout
    loaded = set(done.stdout.splitlines()[-1].split())
    assert not loaded & {"tensorflow", "keras", "pandas", "numpy", "numba", "sklearn", "scipy"}


def test_a_return_of_many_digits_is_a_multiple_on_screen():
    shown = [finished.cell({"total_return": one}, "total_return") for one in (1.5, 1.234e8, None)]
    assert shown == ["+150.0%", "+123 million times", "-"]
