"""Every example runs as it stands, in a folder of its own, and shows what its text claims."""

import ast
import runpy
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

from ultimate_deep import plugins

FOLDER = Path(__file__).resolve().parents[2] / "examples"
EXAMPLES = sorted(FOLDER.glob("*.py"))

# What each example says when what it claims holds.
SAID = {
    "plot_1_sixty_seconds": [
        "\nEdge (simulated bars): right on",
        "\nbuy and hold ",
        "\nNo edge (simulated bars): right on",
        "report: report.html",
    ],
    "plot_2_own_bars": [
        "state it, for example timezone='UTC'",
        "first by row 1500 (2000-03-03 12:00:00+00:00): close is ''; fill or remove",
        "<market: MINE 2,998 bars of 1 hour",
        "high is not below low",
        "equal from a DataFrame: True",
        "\nEdge: right on",
    ],
    "plot_3_own_feature_and_net": [
        "kept    net two_layers: saves and loads",
        "REFUSED feature centred_mean_16: knows no future",
        "\nEdge (simulated bars): right on",
        "needs the plugin my_ideas.py (SHA-256",
        "predictions in p.csv; the last: BARS",
    ],
    "plot_4_live_and_batch": [
        "live and batch are the same to the bit: True",
        "after the restart too: True",
        "a bar must open later than the one before",
        "still at bar 3,000",
    ],
    "plot_5_honest_comparison": [
        "of them for bars up to it; judge those from 2000-03-24 12:00:00+00:00 on",
        "4 predictions are no test of a model that was trained until 2000-03-24 07:00:00+00:00, "
        "whose bars the labels of training reach",
        "\nEdge (simulated bars): right on",
        "\nrandom forest ",
        "\nNo edge (simulated bars): right on",
        "Counted: 2 models judged on these bars",
    ],
    "plot_6_own_backtest": [
        "\nequal: True",
        "package: ",
        "    own: ",
    ],
    "plot_7_keras_tuner": [
        "<hypermodel mlp: searches hidden_widths, dropout_rate, fit.learning_rate>",
        "\nfit.learning_rate: ",
        "\nEdge (simulated bars): right on",
        "<bundle tuned_mlp-",
        "its net is the tuned one: True",
    ],
}


def test_every_example_is_run_by_a_test():
    assert [path.stem for path in EXAMPLES] == sorted(SAID)


@pytest.mark.slow
@pytest.mark.usefixtures("plain_figures")
@pytest.mark.filterwarnings("ignore::DeprecationWarning:keras_tuner.src.engine.oracle")
@pytest.mark.parametrize("name", SAID)
def test_example(name, tmp_path, monkeypatch, capsys):
    """It runs, says what its text claims, draws one picture, and writes nothing where it stands."""
    here, temporary = tmp_path / "here", tmp_path / "temporary"
    here.mkdir()
    temporary.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    plt.close("all")
    with plugins.plugins_loaded([]):
        runpy.run_path(str(FOLDER / f"{name}.py"), run_name="__main__")
    assert len(plt.get_fignums()) == 1
    plt.close("all")
    said = "\n" + capsys.readouterr().out
    assert [words for words in SAID[name] if words not in said] == [], said
    assert list(here.iterdir()) == []


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_a_lesson(path):
    """A title, cells, and of this package the face alone."""
    text = path.read_text()
    tree = ast.parse(text)
    title, rule, *_ = (ast.get_docstring(tree) or "").splitlines()
    assert rule == "=" * len(title)
    assert text.count("\n# %%\n") >= 3
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            assert not (node.module or "").startswith("ultimate_deep")
        if isinstance(node, ast.Import):
            ours = [(one.name, one.asname) for one in node.names if one.name[:8] == "ultimate"]
            assert ours in ([], [("ultimate_deep", "ud")])
