"""An exploration learns from the training part alone, and says so where it finds nothing."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from ultimate_deep.commands.settings import experiment_from
from ultimate_deep.experiments.exploring.config import ExplorationConfig, ExploredFeatures
from ultimate_deep.experiments.exploring.exploration import explore
from ultimate_deep.experiments.exploring.files import exploration_dict, write_exploration
from ultimate_deep.experiments.exploring.plots import clustered_order
from ultimate_deep.experiments.exploring.report import render_exploration
from ultimate_deep.experiments.exploring.summary import heading, sentence
from ultimate_deep.features.judging.outliers import RobustLimits
from ultimate_deep.features.judging.selection import Selection
from ultimate_deep.market.config import DataConfig
from ultimate_deep.market.readers import write_bars
from ultimate_deep.market.simulator import simulate_bars
from ultimate_deep.training.progress import Progress

FEATURES = (
    "return_log_1", "rsi_14", "momentum_z_20", "momentum_z_5", "close_to_ema_8", "close_to_sma_10",
    "natr_14", "momentum_z_20_x_volume_surprise",
)  # fmt: skip


@pytest.fixture(scope="module")
def market_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("bars") / "AAA_1h.csv"
    bars = simulate_bars(4_000, seed=3, edge=0.25).bars
    write_bars(bars, path)
    return path


def _config(path, folder="artifacts", **changes) -> ExplorationConfig:
    return ExplorationConfig(
        artifacts=str(folder), data=DataConfig(path=str(path)),
        features=ExploredFeatures(names=FEATURES), **changes,
    )  # fmt: skip


@pytest.fixture(scope="module")
def explored(market_file):
    return explore(_config(market_file), Progress())


def test_nothing_is_learnt_outside_the_training_part(explored, market_file, tmp_path):
    table = pd.read_csv(market_file)
    # The last training label ends one bar after its decision; all that follows may say anything.
    times = pd.to_datetime(table["timestamp"], utc=True)
    late = times > explored.train_span[1] + pd.Timedelta("1h")
    assert 0.25 < late.mean() < 0.35
    table.loc[late, ["open", "high", "low", "close"]] *= 2.0
    table.loc[late, "volume"] = 7.0
    path = tmp_path / "AAA_1h.csv"
    table.to_csv(path, index=False)
    other = explore(_config(path), Progress())
    pd.testing.assert_frame_equal(other.to_frame(), explored.to_frame())
    assert other.limits == explored.limits
    assert other.selection == explored.selection
    np.testing.assert_array_equal(other.correlation, explored.correlation)
    np.testing.assert_array_equal(other.stability.psi, explored.stability.psi)


def test_planted_edge_is_claimed_and_relatives_are_dropped(explored):
    names = {explored.names[column] for column in explored.claimed}
    assert "momentum_z_20_x_volume_surprise" in names
    assert heading(explored).startswith(f"{len(names)} of 8 features say something")
    assert set(explored.lasting) <= set(explored.claimed)
    assert explored.selection.named("collinear")
    assert explored.left_out == {}
    assert (explored.missing == 0).all()


def test_delayed_returns_are_those_of_the_next_row(explored):
    frame = next(iter(explored.market.bars.values())).frame
    opens = frame["open"].to_numpy()
    rows = explored.train_rows
    first = int(explored.warmup_bars.max())
    known = np.arange(first, first + rows - 1)
    late = np.log(opens[known + 3] / opens[known + 2])
    return_log_1 = np.diff(np.log(frame["close"]), prepend=np.nan)[known]
    expected = spearmanr(return_log_1, late).statistic
    assert explored.delayed.ic[0] == pytest.approx(expected, abs=1e-6)
    assert explored.delayed.rows == rows - 1


def test_no_edge_is_said_in_so_many_words(tmp_path):
    data = DataConfig(simulated_rows=3_000, simulated_edge=0.0, simulated_seed=5)
    found = explore(
        ExplorationConfig(data=data, features=ExploredFeatures(names=FEATURES[:5])), Progress()
    )
    assert found.claimed == ()
    assert heading(found) == "No feature stands out from chance (simulated bars)"
    assert "no proof that there is nothing" in sentence(found)
    assert "of simulated bars" in sentence(found)
    page = render_exploration(found)
    assert "Simulated bars.</b>" in page
    assert page.count("simulated bars</text>") >= 5  # every picture says so
    assert "<script" not in page
    assert "http" not in page.replace("http://www.w3.org", "")


def test_folder_holds_what_a_later_run_takes_and_is_never_overwritten(
    explored, tmp_path, monkeypatch
):
    explored = dataclasses.replace(explored, config=_config("AAA_1h.csv", tmp_path))
    first = write_exploration(explored)
    monkeypatch.setattr(
        "ultimate_deep.experiments.exploring.files.render_exploration", lambda explored: ""
    )
    second = write_exploration(explored)
    assert first != second
    assert {path.name for path in tmp_path.iterdir()} == {first.name, second.name}
    stored = json.loads((first / "exploration.json").read_text())
    assert stored["verdict"]["sentence"] == sentence(explored)
    assert stored["counts"]["features"] == len(FEATURES)
    limits = RobustLimits.from_dict(json.loads((first / "limits.json").read_text()))
    assert limits == explored.limits
    selection = Selection.from_dict(json.loads((first / "selection.json").read_text()))
    assert selection == explored.selection
    table = pd.read_csv(first / "features.csv")
    assert table["t"].abs().is_monotonic_decreasing
    assert set(table["name"]) == set(FEATURES)
    chosen = experiment_from(["--config", str(first / "selected.yaml")])
    assert chosen.features.names == selection.kept
    assert exploration_dict(explored)["simulated"] is False


def test_a_failing_page_leaves_nothing(explored, tmp_path, monkeypatch):
    explored = dataclasses.replace(explored, config=_config("AAA_1h.csv", tmp_path / "new"))
    monkeypatch.setattr(
        "ultimate_deep.experiments.exploring.files.render_exploration", lambda explored: 1 / 0
    )
    with pytest.raises(ZeroDivisionError):
        write_exploration(explored)
    assert not list((tmp_path / "new").iterdir())


def test_alike_features_are_put_side_by_side():
    correlation = np.eye(4)
    correlation[0, 2] = correlation[2, 0] = -0.9
    correlation[1, 3] = correlation[3, 1] = 0.8
    order = clustered_order(correlation)
    assert {frozenset(order[:2]), frozenset(order[2:])} == {frozenset({0, 2}), frozenset({1, 3})}


def test_bad_settings_are_refused():
    with pytest.raises(ValueError, match="clip_multiple must be above zero"):
        ExplorationConfig(clip_multiple=0.0)
    with pytest.raises(ValueError, match="part of a folder's name"):
        ExplorationConfig(name="a/b")
