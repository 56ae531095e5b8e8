"""The flagship beside trees, small: what is fitted once, chosen by validation and summed up."""

import importlib
import json
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def bench(monkeypatch):
    """Import the benchmark, which is run from the project's root."""
    monkeypatch.syspath_prepend(str(ROOT))
    return importlib.import_module("benchmarks.bench_flagship")


def row(market, model, validation, share, *, variant="a", seed=0, seconds=1.0):
    return {
        "market": market, "seed": seed, "model": model, "variant": variant,
        "validation_log_loss": validation, "log_loss": 0.69, "share_of_edge": share,
        "accuracy": 0.6, "seconds": seconds,
    }  # fmt: skip


def test_variants_are_chosen_by_validation_and_never_by_the_test_part(bench):
    rows = [
        row("linear_0.1", "trees", 0.670, 0.80, seconds=4.0),
        row("linear_0.1", "trees", 0.672, 0.99, variant="b", seconds=2.0),
        row("linear_0.1", "weighted trees", 0.669, 0.70),
        row("linear_0.1", "mlp", 0.668, 0.75),
        row("linear_0.2", "trees", 0.650, 0.90),
        row("long_memory_0.1", "mlp", 0.640, 0.85),
        row("btcusd_1h", "mlp", 0.692, None),
    ]
    found = bench.summarise(rows).set_index(["kind", "model"])
    assert found.loc[("linear", "trees"), "share_of_edge"] == pytest.approx((0.80 + 0.90) / 2)
    assert found.loc[("linear", "trees"), "fits"] == 2
    assert found.loc[("linear", "trees"), "grid_seconds"] == pytest.approx((6.0 + 1.0) / 2)
    better = found.loc[("linear", "the better trees"), "share_of_edge"]
    assert better == pytest.approx((0.70 + 0.90) / 2)
    assert found.loc[("all simulated", "mlp"), "share_of_edge"] == pytest.approx(0.80)
    assert found.loc[("btcusd_1h", "mlp"), "fits"] == 1
    with pytest.raises(ValueError, match="no figures to sum up; run without --redraw"):
        bench.summarise([])


def test_what_is_stored_is_not_fitted_again_and_what_there_is_not_is_refused(
    bench, tmp_path, monkeypatch
):
    fitted, path = [], tmp_path / "rows.jsonl"

    def run_fit(config):
        fitted.append((config.data.simulation.signal, config.seed, config.fit.return_weights))
        return {"validation_log_loss": 0.6}

    monkeypatch.setattr(bench, "run_fit", run_fit)
    bench.fit_missing(path, ["linear_0.1"], ["mlp"], 1, None)
    assert fitted == [("linear", bench.FIRST_SEED, weights) for weights in (0.0, 3.0)] * 4
    path.write_text(path.read_text() + '{"market": "cut')  # killed while it wrote
    assert len(bench.stored(path)) == 8
    path.write_text("".join(json.dumps(one) + "\n" for one in bench.stored(path)[:-1]))
    bench.fit_missing(path, ["linear_0.1"], ["mlp"], 1, None)
    assert len(fitted) == 9
    for markets, models, said in (
        (["spy_1h"], [], "no market is called 'spy_1h'; there are interaction_0.1"),
        ([], ["forest"], "no model is called 'forest'; there are trees, weighted trees, mlp"),
    ):
        with pytest.raises(ValueError, match=said):
            bench.fit_missing(path, markets, models, 1, None)
    assert bench.market_names(tmp_path)[-3:] == list(bench.FILES)


def test_a_tiny_run_fits_trees_and_a_net_and_writes_its_summary(bench, tmp_path, monkeypatch):
    few = {"learning_rate": (0.1,), "trees": (5,), "leaves": (4,), "feature_share": (0.1,)}
    trees = bench.Entry(model=bench.TREES, options=few, return_weights=(3.0,))
    net = bench.Entry(model="mlp", options={"hidden_widths": ((4,),)}, fit={"epochs": 1})
    monkeypatch.setattr(bench, "ROWS", 1_500)
    monkeypatch.setattr(bench, "ENTRIES", {"weighted trees": trees, "mlp": net})
    found = bench.bench(["linear_0.2"], [], 1, None, False, tmp_path, tmp_path)
    assert set(found["kind"]) == {"linear", "all simulated"}
    assert set(found["model"]) == {"weighted trees", "mlp", "the better trees"}
    assert (found["seconds"] > 0).all()
    assert (found["share_of_edge"] < 1).all()
    (rows,) = (bench.stored(file) for file in tmp_path.glob("flagship_*.jsonl"))
    assert [one["train_rows"] > 500 for one in rows] == [True, True]
    assert len(list(tmp_path.glob("flagship_summary_*.csv"))) == 1
    again = bench.bench([], [], 1, None, True, tmp_path, tmp_path)
    assert again.equals(found)
