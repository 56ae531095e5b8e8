"""The arithmetic of the depth benchmark: its float64 reference, slopes and verdicts."""

import importlib
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def part(monkeypatch):
    """Import a part of `benchmarks/depth`, which is run from the project's root."""
    monkeypatch.syspath_prepend(str(ROOT))
    return lambda name: importlib.import_module(f"benchmarks.depth.{name}")


@pytest.mark.parametrize("coupling", ["residual", "additive"])
def test_the_reference_has_the_gradients_of_its_own_output(part, coupling):
    reference = part("reference")
    rng = np.random.default_rng(0)
    blocks, batch, width = 3, 4, 5
    shapes = {"norm_scale": (), "norm_offset": (), "dense_bias": (), "dense_kernel": (width,)}
    weights = {
        name.replace("_", f"_{half}_"): rng.normal(size=(blocks, width, *more))
        for name, more in shapes.items()
        for half in (1, 2)
    }
    masks = reference.Masks(
        dropout=(rng.random((blocks, batch, width)) < 0.8) / 0.8,
        rows=(rng.random((blocks, batch, 1)) < 0.7) / 0.7,
    )
    x, upstream = rng.normal(size=(2, batch, width))

    def loss(x, weights):
        output, _, _ = reference.reference_gradients(x, upstream, weights, masks, coupling)
        return (output * upstream).sum()

    _, dx, gradients = reference.reference_gradients(x, upstream, weights, masks, coupling)
    step = 1e-6
    direction = rng.normal(size=x.shape)
    change = (loss(x + step * direction, weights) - loss(x - step * direction, weights)) / 2 / step
    assert change == pytest.approx((dx * direction).sum(), rel=1e-6)
    for name, value in weights.items():
        direction = rng.normal(size=value.shape)
        up, down = ({**weights, name: value + s * step * direction} for s in (1, -1))
        change = (loss(x, up) - loss(x, down)) / 2 / step
        assert change == pytest.approx((gradients[name] * direction).sum(), rel=1e-6), name


def test_a_slope_is_per_row_and_missing_where_a_peak_is(part):
    slope = part("targets").slope
    assert slope([1024, 2048, 4096], [11.0, 12.0, 14.0]) == pytest.approx(1.0)
    assert math.isnan(slope([1024, 2048], [11.0, math.nan]))
    assert math.isnan(slope([1024], [11.0]))


def _memory_table(reversible, checkpoint):
    lines = []
    for memory, per_row in (("reversible", reversible), ("checkpoint", checkpoint)):
        for depth, kib in zip((100, 10_000), per_row, strict=True):
            for batch in (1024, 4096):
                lines.append(
                    {
                        "net": "stack",
                        "compiler": "XLA",
                        "coupling": "additive",
                        "memory": memory,
                        "depth": depth,
                        "width": 16,
                        "batch": batch,
                        "growth_mib": 3.0 + kib * batch / 1024,
                    }
                )
    return pd.DataFrame(lines)


@pytest.mark.parametrize(
    ("reversible", "checkpoint", "met"),
    [
        ((0.5, 0.51), (2.0, 20.0), [True, True]),
        ((0.5, 0.6), (2.0, 30.0), [False, False]),
        ((0.5, math.nan), (2.0, math.nan), [False, False]),
    ],
)
def test_memory_is_judged_by_its_growth_with_depth(part, reversible, checkpoint, met):
    lines = part("targets").targets_of("memory", _memory_table(reversible, checkpoint))
    assert [line["met"] for line in lines] == met


def test_one_variant_has_to_be_both_sooner_and_faster(part):
    table = pd.DataFrame(
        [
            ("stack", "graph", "store", 1.0, 2.0),
            ("stack", "XLA", "store", 2.0, 1.0),
            ("stack", "XLA", "checkpoint", math.nan, math.nan),
            ("plain", "graph", "", 300.0, 4.0),
        ],
        columns=["net", "compiler", "memory", "first_step_seconds", "step_seconds"],
    ).assign(backend="tensorflow", coupling="residual")
    soon, fast = part("targets").targets_of("first_step", table)
    assert (soon["figure"], fast["figure"]) == (150.0, 4.0)
    assert soon["by"] == fast["by"] == "XLA residual store"
    assert soon["met"]
    assert fast["met"]
    nothing = table[table["net"] == "stack"]
    assert not any(line["met"] for line in part("targets").targets_of("first_step", nothing))


def test_products_are_counted_by_what_a_mode_runs(part):
    table = pd.DataFrame(
        [("stack", "store", 10, 1e-3), ("stack", "reversible", 10, 1e-3), ("plain", "", 5, 1e-3)],
        columns=["net", "memory", "depth", "step_seconds"],
    ).assign(compiler="XLA", coupling="", width=100, batch=10)
    rates = part("targets").step_rates(table)
    assert rates["products_per_block"].to_list() == [6, 8, 6]
    # 6 products of 2 * 10 * 100 * 100 in 0.1 ms.
    assert rates["gflops"].iloc[0] == pytest.approx(12.0)
    assert rates["block_seconds"].to_list() == pytest.approx([1e-4, 1e-4, 2e-4])


def test_a_net_of_an_unknown_kind_is_refused(part):
    with pytest.raises(ValueError, match="kind must be one of"):
        part("nets").Net(kind="deep", depth=1, width=1, batch=1)
