"""Commands that look for a rate and a batch: what they print and leave behind."""

import pandas as pd
import pytest

from ultimate_deep.commands import find_batch, find_rate

SMALL = ["--model", "mlp", "--model.preset", "tiny", "--data.simulated_rows", "1200"]


def test_rates_are_tested_drawn_and_told(tmp_path, capsys):
    plot = tmp_path / "new" / "rates.png"
    find_rate.main([*SMALL, "--plot", str(plot), "--steps", "60", "--data.simulated_edge", "0.3"])
    told = capsys.readouterr().out
    assert "The loss falls fastest at" in told
    assert plot.stat().st_size > 10_000
    table = pd.read_csv(plot.with_suffix(".csv"))
    assert list(table) == ["learning_rate", "loss", "smoothed"]
    assert table["learning_rate"].iloc[0] == pytest.approx(1e-6)


def test_a_plot_that_cannot_be_drawn_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(ValueError, match=r"must end in \.png or \.pdf or \.svg, got '.*rates.csv'"):
        find_rate.main([*SMALL, "--plot", str(tmp_path / "rates.csv")])
    assert not list(tmp_path.iterdir())


def test_rows_that_fit_are_told(capsys):
    find_batch.main([*SMALL, "--fit.batch_size", "6", "--most_gib", "1000"])
    told = capsys.readouterr().out
    assert "6 rows of a step stay within 1000 GiB: the batch fits as it is" in told
