"""The flagship beside trees, small: what is fitted once, chosen by validation and summed up."""

import dataclasses
import importlib
import json
from pathlib import Path

import pytest

from ultimate_deep.models.registry import build_model, preset_config

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def part(monkeypatch):
    """Import a part of the benchmarks, which are run from the project's root."""
    monkeypatch.syspath_prepend(str(ROOT))
    return lambda name: importlib.import_module(f"benchmarks.{name}")


@pytest.fixture
def bench(part):
    return part("bench_flagship")


def row(market, model, validation, share, *, variant="a", seed=0, seconds=1.0):
    return {
        "market": market, "rows": 20_000, "seed": seed, "model": model, "variant": variant,
        "validation_log_loss": validation, "log_loss": 0.69, "share_of_edge": share,
        "accuracy": 0.6, "seconds": seconds, "cpu_seconds": seconds,
    }  # fmt: skip


def test_variants_are_chosen_by_validation_and_never_by_the_test_part(bench, tmp_path):
    rows = [
        row("linear_0.1", "trees", 0.670, 0.80, seconds=4.0),
        row("linear_0.1", "trees", 0.672, 0.99, variant="b", seconds=2.0),
        row("linear_0.1", "weighted trees", 0.669, 0.70),
        row("linear_0.1", "mlp", 0.668, 0.75),
        row("linear_0.2", "trees", 0.650, 0.90),
        row("long_memory_0.1", "mlp", 0.640, 0.85),
        row("btcusd_1h", "mlp", 0.692, None),
    ]
    found = bench.summarise(rows).set_index(["kind", "model"]).drop(columns="rows")
    assert found.loc[("linear", "trees"), "share_of_edge"] == pytest.approx((0.80 + 0.90) / 2)
    assert found.loc[("linear", "trees"), "fits"] == 2
    assert found.loc[("linear", "trees"), "grid_seconds"] == pytest.approx((6.0 + 1.0) / 2)
    better = found.loc[("linear", "the better trees"), "share_of_edge"]
    assert better == pytest.approx((0.70 + 0.90) / 2)
    assert found.loc[("all simulated", "mlp"), "share_of_edge"] == pytest.approx(0.80)
    assert found.loc[("btcusd_1h", "mlp"), "fits"] == 1
    with pytest.raises(ValueError, match="no figures to sum up; run without --redraw"):
        bench.bench([], [], 1, 1_500, None, 1, True, tmp_path, tmp_path)


def test_targets_are_those_that_were_set(bench):
    rows = [
        row("linear_0.1", "trees", 0.670, 0.950),
        row("linear_0.1", "weighted trees", 0.669, 0.900),
        row("linear_0.1", "ultimate", 0.668, 0.919, seconds=700.0),
        row("linear_0.1", "trees", 0.670, 0.97) | {"rows": 60_000},
        row("linear_0.1", "ultimate", 0.668, 0.96) | {"rows": 60_000},
    ]
    found = bench.targets(bench.summarise(rows))
    told = list(
        zip(found["target"].str.split(",").str[0], found["limit"], found["met"], strict=True)
    )
    assert told == [
        ("share of the edge", 0.9, True),
        ("log loss", 0.69, True),
        ("share of the edge", pytest.approx(0.92), False),
        ("seconds of a fit of the default net", 600.0, False),
        ("share of the edge", 0.97, False),
        ("share of the edge", 0.95, True),
        ("share of the edge", 0.97, False),
    ]
    # The better trees are chosen by validation: the weighted ones, though they found less.
    assert found["target"].str.contains("all simulated").sum() == 2


def test_what_is_stored_is_not_fitted_again_and_what_there_is_not_is_refused(
    bench, part, tmp_path, monkeypatch
):
    fitted, path, fits = [], tmp_path / "rows.jsonl", part("flagship.fits")

    def run_fit(config):
        fitted.append((config.data.simulation.signal, config.seed, config.fit.return_weights))
        return {"share_of_edge": 0.6, "seconds": 1.0}

    monkeypatch.setattr(fits, "run_fit", run_fit)
    wanted = bench.wanted(["linear_0.1"], ["weighted trees"], 1, 20_000, None)
    fits.fit_missing(path, wanted)
    assert fitted == [("linear", bench.FIRST_SEED, weights) for weights in (1.5, 3.0)] * 4
    path.write_text(path.read_text() + '{"market": "cut')  # killed while it wrote
    assert len(part("tables").stored(path)) == 8
    path.write_text("".join(json.dumps(one) + "\n" for one in part("tables").stored(path)[:-1]))
    fits.fit_missing(path, wanted)
    assert len(fitted) == 9
    fits.fit_missing(path, bench.wanted(["linear_0.1"], ["weighted trees"], 1, 60_000, None))
    assert len(fitted) == 17
    for markets, models, said in (
        (["spy_1h"], [], "no market is called 'spy_1h'; there are interaction_0.1"),
        ([], ["forest"], "no model is called 'forest'; there are trees, weighted trees, mlp"),
    ):
        with pytest.raises(ValueError, match=said):
            bench.wanted(markets, models, 1, 20_000, None)
    assert bench.market_names(tmp_path)[-3:] == list(bench.FILES)


def test_a_tiny_run_fits_trees_and_a_net_and_writes_its_summary(bench, part, tmp_path, monkeypatch):
    few = {"learning_rate": (0.1,), "trees": (5,), "leaves": (4,), "feature_share": (0.1,)}
    trees = bench.Entry(model=bench.TREES, options=few, fit={"return_weights": (3.0,)})
    net = bench.Entry(model="mlp", options={"hidden_widths": ((4,),)}, fit={"epochs": (1,)})
    monkeypatch.setattr(bench, "ENTRIES", {"weighted trees": trees, "mlp": net})
    found = bench.bench(["linear_0.2"], [], 1, 1_500, None, 1, False, tmp_path, tmp_path)
    assert set(found["kind"]) == {"linear", "all simulated"}
    assert set(found["model"]) == {"weighted trees", "mlp", "the better trees"}
    assert (found["seconds"] > 0).all()
    assert (found["share_of_edge"] < 1).all()
    (rows,) = (part("tables").stored(file) for file in tmp_path.glob("flagship_*.jsonl"))
    assert [one["train_rows"] > 500 for one in rows] == [True, True]
    assert [one["parameters"] > 0 for one in rows] == [False, True]
    assert len(list(tmp_path.glob("flagship_summary_*.csv"))) == 1
    assert len(list(tmp_path.glob("flagship_summary_*.png"))) == 1
    again = bench.bench([], [], 1, 1_500, None, 1, True, tmp_path, tmp_path)
    assert again.equals(found)


def test_each_line_of_the_ablation_is_held_to_its_recipe(part, tmp_path):
    bench = part("bench_ablation")
    rows = [
        row(market, line, 0.67 + loss, share + place)
        for place, market in enumerate(bench.MARKETS[:2])
        for line, loss, share in (
            ("20 blocks", 0.0, 0.9), ("members 1", 0.01, 0.8), ("500 blocks", 0.5, 0.5),
        )
    ]  # fmt: skip
    for file, loss in (("btcusd_1h", 0.002), ("spy_1h", 0.004)):
        rows += [row(file, "20 blocks", 0.69, None), row(file, "members 1", 0.69 + loss, None)]
    found = bench.summarise(rows).set_index("line")
    assert found["fits"].tolist() == [2, 2, 2]
    assert found["files"].tolist() == [2, 2, 0]
    assert found.loc["members 1", "files_apart"] == pytest.approx(0.003)
    assert list(found.index) == ["20 blocks", "members 1", "500 blocks"]
    assert found["share_of_edge_apart"].tolist() == pytest.approx([0.0, -0.1, 0.0])
    assert found["validation_log_loss_apart"].tolist() == pytest.approx([0.0, 0.01, 0.0])
    assert found.loc["members 1", "share_linear_0.1"] == pytest.approx(1.8)
    bench.draw(found.reset_index(), tmp_path / "apart.png")
    assert (tmp_path / "apart.png").stat().st_size > 10_000
    # A line brings the recipe that it changes, and a change is seen in the experiment.
    wanted = bench.wanted(["members 1", "constant rate"], 1)
    assert [fit.name for fit in wanted[:3]] == ["20 blocks", "members 1", "constant rate"]
    assert len(wanted) == 3 * len(bench.MARKETS)
    with_files = bench.wanted(["members 1"], 1, tmp_path)
    assert {fit.market for fit in with_files} == {*bench.MARKETS, *bench.FILES}
    assert wanted[1].config.model.options["members"] == 1
    assert wanted[2].config.fit.schedule.kind == "constant"
    (one,) = [fit for fit in bench.wanted(["geometric snapshots"], 1) if fit.way != "alone"][:1]
    assert one.name == "geometric snapshots"
    with pytest.raises(ValueError, match="no line is called 'member 1'; there are 20 blocks"):
        bench.wanted(["member 1"], 1)


def test_lines_that_are_more_than_one_fit_leave_nothing_behind(part, tmp_path, monkeypatch):
    fits = part("flagship.fits")
    monkeypatch.setenv(fits.HOME, str(tmp_path / "mine"))
    # Nobody looks at the pages of these runs.
    monkeypatch.setattr("ultimate_deep.evaluation.reporting.report._SECTIONS", ())
    few = {"model.preset": "tiny", "features.names": ["return_log_1", "range_z_20"],
           "fit.epochs": 7, "fit.batch_size": 256}  # fmt: skip
    of = fits.Markets(rows=1_200, first_seed=3)
    found = {}
    for way in ("alone", "snapshots", "transferred"):
        line = fits.fitted(of.fit("linear_0.2", 0, way, "one_layer", few, way))
        found[way] = line["validation_log_loss"]
        assert 0 < line["share_of_edge"] <= 1
    assert len(set(found.values())) == 3
    assert not (tmp_path / "mine").exists()


def test_depths_have_equal_parameters_or_equal_seconds(part, tmp_path, monkeypatch):
    bench, fits, fitted = part("bench_depth_study"), part("flagship.fits"), []

    def run_fit(config):
        fitted.append((config.model.name, config.model.options, config.fit.epochs))
        deep = sum(config.model.options.get("res_blocks_per_unit", [])) == 500
        found = row("", "", 0.67 - len(fitted) / 1_000, 0.5, seconds=10.0 if deep else 4.0)
        figures = set(found) - set(fits.KEYS)
        return {name: found[name] for name in figures} | {"parameters": 100, "roc_auc": 0.6}

    monkeypatch.setattr(fits, "run_fit", run_fit)
    table = bench.bench(["nested_0.14"], [], 1, None, False, tmp_path, tmp_path)
    # The deepest, three others as wide, then three tries of each that take 12 seconds for its 10.
    assert len(fitted) == 1 + 3 + 3 * 3
    found = table.set_index(["comparison", "layers"])
    assert found["tried"].tolist() == [1, 1, 1, 1, 3, 3, 3, 1]
    assert found.loc[("equal seconds", 2), "seconds"] == 12.0
    assert found.loc[("equal parameters", 2_000), "seconds"] == 10.0
    # The last try of each has the least loss here.
    assert found.loc[("equal seconds", 2), "validation_log_loss"] == pytest.approx(0.663)
    assert len(list(tmp_path.glob("depth_study_summary_*.png"))) == 1
    bench.bench(["nested_0.14"], [], 1, None, False, tmp_path, tmp_path)
    assert len(fitted) == 13
    assert [bench.WIDE[layers][0] for layers in bench.DEPTHS] == ["tabm", *["ultimate"] * 3]
    with pytest.raises(ValueError, match="no comparison is called 'equal time'"):
        bench.bench([], ["equal time"], 1, None, False, tmp_path, tmp_path)


def test_nets_of_equal_parameters_are(part):
    bench, counted = part("bench_depth_study"), []
    for name, options in bench.WIDE.values():
        own = {option.removeprefix("model.options."): value for option, value in options.items()}
        own = {key: tuple(one) if isinstance(one, list) else one for key, one in own.items()}
        config = dataclasses.replace(preset_config(name, "default"), **own)
        counted.append(build_model(name, {"features": (271,)}, config=config).count_params())
    assert counted == pytest.approx([1.16e6] * 4, rel=0.02)


def test_each_net_is_held_to_the_mlp_on_what_it_declares(part):
    bench = part("bench_known_answer")
    wanted = bench.wanted(["nhits", "mlp"], 1)
    assert {(fit.name, fit.market) for fit in wanted} == {
        (name, market) for name in ("mlp", "nhits") for market in ("linear_0.2", "long_memory_0.2")
    }
    rows = [
        row("linear_0.1", model, 0.66, share) | {"parameters": 10}
        for model, share in (("mlp", 0.93), ("nhits", 0.90), ("tcn", 0.92))
    ]
    found = bench.summarise(rows).set_index("model")
    assert found["share_of_edge"].to_dict() == {"mlp": 0.93, "nhits": 0.90, "tcn": 0.92}
    assert found["ahead_of_mlp"].to_dict() == pytest.approx(
        {"mlp": 0.0, "nhits": -0.03, "tcn": -0.01}
    )
    assert found["loses"].to_dict() == {"mlp": False, "nhits": True, "tcn": False}
    with pytest.raises(ValueError, match="no net is called 'forest'"):
        bench.wanted(["forest"], 1)
