"""The pages of expected performance and of the guide say what the kept results say."""

import csv
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "expected_performance.md").read_text()
TOLD = " ".join(PAGE.split())
GUIDE = (ROOT / "docs" / "guide.md").read_text()
MACHINE = "x86_64_2cores_vm"


def _table(name: str) -> list[dict[str, str]]:
    with (ROOT / "benchmarks" / "results" / f"{name}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


REAL = _table("real_0")
NETS = {row["model"]: row for row in _table(f"models_summary_{MACHINE}")}


def _runs(model: str, file: str) -> list[dict[str, str]]:
    return [row for row in REAL if (row["model"], row["file"]) == (model, file)]


def _accuracies(model: str, file: str) -> str:
    return ", ".join(f"{float(row['accuracy']):.1%}" for row in _runs(model, file))


def _sharpes(model: str, file: str) -> str:
    return ", ".join(f"{float(row['net_sharpe']):.2f}" for row in _runs(model, file))


def _commoner(file: str) -> str:
    return f"{float(_runs('majority', file)[0]['majority']):.1%}"


@pytest.mark.parametrize(
    ("name", "file"), [("BTCUSD", "btcusd_1h"), ("SPY", "spy_1h"), ("GBPUSD", "gbpusd_1h")]
)
def test_the_ultimate_net_on_real_bars(name, file):
    accuracies, sharpes = _accuracies("ultimate", file), _sharpes("ultimate", file)
    assert f"| accuracy, {name} | - | {accuracies} (commoner side {_commoner(file)}) |" in PAGE
    assert f"| net Sharpe ratio, {name} | - | {sharpes}" in PAGE


def test_the_ultimate_nets_cost_and_its_known_answer():
    seconds = sorted(float(row["seconds"]) for row in REAL if row["model"] == "ultimate")
    assert f"{seconds[0]:.0f} to {seconds[-1]:.0f} s with judging" in TOLD
    (deep,) = _table(f"depth_billion_{MACHINE}")
    billions = f"{int(deep['parameters']) / 1e9:.2f} billion"
    first, step = float(deep["first_step_seconds"]), float(deep["step_seconds"])
    gib = float(deep["peak_gib"])
    assert f"{billions}, first step after {first:.0f} s, {step:.1f} s a step of 32 rows" in TOLD
    assert f"{gib:.1f} GiB" in TOLD
    (without,) = (
        row
        for row in _table(f"verdicts_summary_{MACHINE}")
        if row["group"] == "all without an edge"
    )
    assert (
        f"Of {without['markets']} simulated markets without an edge, each with a small net" in TOLD
    )
    assert f"claimed one for {without['claims']} (" in TOLD


def test_the_depths_compared():
    won = {row["model"]: row["win_rate_kept"] for row in _table("depth_comparison")}
    told = {model: f"{float(rate):.1%}" if rate else "no trade" for model, rate in won.items()}
    assert f"| always long: {told['always long']} |" in PAGE
    assert f"| {told['random forest']} on the test part |" in PAGE
    for layers in (75, 800, 1_000, 2_000):
        kinds = {"plain": "sequential"} | {
            kind: kind for kind in ("residual", "dense", "attention")
        }
        said = ", ".join(f"{word} {told[f'{kind}-{layers}']}" for word, kind in kinds.items())
        assert f"| {said}" in PAGE
    assert f", the ultimate net {told['ultimate']} |" in PAGE


@pytest.mark.parametrize(
    "model", ["lstm", "transformer", "hybrid_lstm_transformer", "memory_augmented"]
)
def test_nets_of_phase_8(model):
    net, accuracies = NETS[model], _accuracies(model, "btcusd_1h")
    parameters = f"{int(net['parameters']):,}"
    assert f"| {parameters} | {accuracies} | {_sharpes(model, 'btcusd_1h')} |\n" in PAGE
    latency, rate = float(net["latency_ms"]), float(net["rows_per_second"])
    assert f"| {latency:.1f} ms | {_round(rate)} | {float(net['growth_mib']):.0f} MiB |\n" in PAGE


def _round(rate: float) -> str:
    return f"{float(f'{rate:.3g}'):,.0f}"


def test_targets():
    fast = sum(float(net["latency_ms"]) < 10 for net in NETS.values())
    assert f"| {fast} of {len(NETS)} nets, the net alone" in TOLD
    judged = [row for row in REAL if row["accuracy"]]
    best = max(judged, key=lambda row: float(row["accuracy"]))
    assert (best["model"], best["file"]) == ("lightgbm", "btcusd_1h")
    assert f"files: {float(best['accuracy']):.1%}, `lightgbm` on BTCUSD" in TOLD
    megabytes = max(4 * int(net["parameters"]) for net in NETS.values()) / 1e6
    assert f"the largest default net: {megabytes:.0f} MB" in TOLD
    gains = [float(net["bfloat16_gain"]) for net in NETS.values() if net["bfloat16_gain"]]
    assert f"({min(gains):.2f} to {max(gains):.2f} times as fast)" in TOLD
    assert not [row for row in REAL if row["verdict"] == "edge"]


def test_nets_of_pictures():
    files = ("btcusd_1h", "spy_1h", "gbpusd_1h")
    accuracies = ", ".join(_accuracies("gaf_cnn", file) for file in files)
    sharpes = ", ".join(_sharpes("gaf_cnn", file) for file in files)
    holding = ", ".join(_sharpes("buy and hold", file) for file in files)
    assert f"BTCUSD, SPY, GBPUSD | - | {accuracies} |" in PAGE
    assert f"| {sharpes} (holding: {holding}) |" in PAGE
    assert f"1.11 (holding it: {_sharpes('buy and hold', 'spy_1h')})" in PAGE


def test_the_guides_depths():
    (billion,), (million,) = (_table(f"depth_{name}_{MACHINE}") for name in ("billion", "million"))
    told = " ".join(GUIDE.split())
    for row, what in ((billion, "a billion weights"), (million, "500,000 blocks")):
        first, step = float(row["first_step_seconds"]), float(row["step_seconds"])
        batch, gib = row["batch"], float(row["peak_gib"])
        assert f"{what} took {first:.0f} s" in told
        assert f"{step:.1f} s a step of {batch} rows and {gib:.1f} GiB" in told
    rows = _table(f"depth_depth_tracing_{MACHINE}")
    deep = [row for row in rows if (row["compiler"], row["depth"]) == ("XLA", "10000")]
    costs = {row["memory"]: (float(row["peak_gib"]), float(row["step_seconds"])) for row in deep}
    (store, seconds), *others = (costs[kind] for kind in ("store", "checkpoint", "reversible"))
    assert f"store {store:.2f} GiB and {seconds:.2f} s a step" in told
    for kind, (gib, seconds) in zip(("checkpoint", "reversible"), others, strict=True):
        assert f"{kind} {gib:.2f} GiB and {seconds:.2f} s" in told


def test_where_depth_pays():
    told = " ".join((ROOT / "docs" / "depth.md").read_text().split())
    rows = _table(f"depth_study_summary_{MACHINE}")
    depths = ("2", "20", "200", "2000")

    def figures(comparison, figure):
        found = {}
        for row in rows:
            if row["comparison"] == comparison and row[figure]:
                found[row["market"].rpartition("_")[0], row["layers"]] = float(row[figure])
        return found

    shares = figures("equal seconds", "share_of_edge")
    markets = sorted({market for market, _ in shares})
    assert len(markets) == 7
    means = [sum(shares[one, depth] for one in markets) / 7 for depth in depths]
    first, second, third, last = (f"{mean:.1%}" for mean in means)
    assert (
        f"find {first}, {second}, {third} and {last} of the edge in the mean of the seven" in told
    )
    names = {
        "interaction": "interaction ", "linear": "linear ", "long_memory": "long memory ",
        "cross_timeframe": "cross timeframe ", "threshold": "A threshold inside a regime: ",
        "distant": "A state hundreds of bars back: ", "nested": "Interactions of interactions: ",
    }  # fmt: skip
    for market, name in names.items():
        assert name + ", ".join(f"{shares[market, depth]:.1%}" for depth in depths) in told
    for market in markets[:1] + markets[2:5]:
        own = [shares[market, depth] for depth in depths]
        assert max(own) - min(own) < 0.03
    alike = figures("equal parameters", "share_of_edge")
    for market in ("distant", "nested"):
        two, twenty = (f"{alike[market, depth]:.1%}" for depth in depths[:2])
        assert f"{market} {two} and {twenty}" in told
    losses = figures("equal seconds", "log_loss")
    real = [f"{losses['btcusd', depth]:.4f}" for depth in depths]
    assert f"On BTCUSD log losses are {', '.join(real[:3])} and {real[3]}." in told


def test_the_guides_time_before_the_first_step():
    targets = _table(f"depth_targets_{MACHINE}")
    times = {row["by"]: float(row["figure"]) for row in targets if row["case"] == "depth_tracing"}
    with_xla, without = times["XLA residual store layer"], times["graph residual store layer"]
    told = " ".join(GUIDE.split())
    assert f"left out: {with_xla:.2f} times with XLA, {without:.2f} times without)" in told


def _over_all(bars: int) -> dict[str, dict[str, str]]:
    return {
        row["model"]: row
        for row in _table(f"flagship_summary_{MACHINE}")
        if row["kind"] == "all simulated" and row["rows"] == str(bars)
    }


def test_the_default_net_beside_trees_on_simulated_markets():
    of_20_000, of_60_000 = _over_all(20_000), _over_all(60_000)
    more, trees = of_60_000["ultimate"], of_60_000["the better trees"]
    assert more["fits"] == "4"
    assert f"found {float(more['share_of_edge']):.1%} of the edge after" in TOLD
    assert f"after {float(more['seconds']):.0f} s of training, boosted trees" in TOLD
    assert f"boosted trees {float(trees['share_of_edge']):.1%}." in TOLD
    over_all = {model: f"{float(row['share_of_edge']):.1%}" for model, row in of_20_000.items()}
    (fits,) = {row["fits"] for row in of_20_000.values()}
    ours, trees = over_all["ultimate"], over_all["the better trees"]
    assert f"found {ours} of the edge on {fits} simulated markets of 20,000 bars" in TOLD
    assert f"where boosted trees found {trees}" in TOLD
    real = [
        {row["model"]: float(row["log_loss"]) for row in rows}
        for file in ("btcusd_1h", "spy_1h", "gbpusd_1h")
        if (rows := [row for row in _table(f"flagship_summary_{MACHINE}") if row["kind"] == file])
    ]
    assert [one["the better trees"] < one["ultimate"] for one in real] == [True] * 3
    guide = " ".join(GUIDE.split())
    assert "the trees' log loss is lower on each" in guide
    assert f"it found {ours} of the edge in the mean, the better of two" in guide
    assert f"boosted trees {trees}, and `tabm`" in guide
    assert f"no blocks, {over_all['tabm']} in an eighth" in guide
