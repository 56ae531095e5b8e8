"""The worked example of `complete_pipeline.py`, whole and small."""

import pandas as pd
import pytest

pytestmark = pytest.mark.usefixtures("plain_figures")


@pytest.mark.slow
def test_complete_pipeline(tmp_path, run_script, capsys):
    """From simulated bars to an ensemble that a new process loads and predicts with."""
    run_script(
        "complete_pipeline.py", "--artifacts", str(tmp_path), "--data.simulated_rows", "2500",
        "--members", "[linear, hist_gradient_boosting]", "--model.preset", "default",
        "--fit.epochs", "2",
    )  # fmt: skip
    said = " ".join(capsys.readouterr().out.split())
    bundles = sorted(path.parent.name for path in tmp_path.glob("*/manifest.json"))
    for name in ("ensemble", "hist_gradient_boosting", "linear"):
        assert any(folder.startswith(f"{name}-") for folder in bundles)
    (table,) = tmp_path.glob("ensemble-*-predictions.csv")
    predictions = pd.read_csv(table)
    assert f"{len(predictions):,} predictions of the ensemble, loaded in a new process" in said
    assert list(tmp_path.glob("comparison-*/report.html"))
