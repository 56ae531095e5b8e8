"""The expression graph and its operators on their own."""

from pathlib import Path

import numpy as np
import pytest

from ultimate_deep.features import compile_engine
from ultimate_deep.features.engine import graph, windows
from ultimate_deep.features.engine.graph import SETTLED, column, settle_bars
from ultimate_deep.features.engine.program import compile_program
from ultimate_deep.features.engine.runner import KERNEL_FILES, Runner, evaluate, program_of


def series(values) -> np.ndarray:
    """Bars whose five price and volume columns all hold `values`."""
    values = np.asarray(values, dtype=np.float64)
    return np.stack([values] * 5 + [np.arange(len(values)) * 60.0])


def run(node: graph.Node, values) -> np.ndarray:
    return evaluate([node], series(values))[:, 0]


X = column("close")


def test_equal_expressions_are_one_node():
    left = windows.mean(graph.log_ratio(X, graph.lag(X, 1)), 20)
    right = windows.mean(graph.log_ratio(X, graph.lag(X, 1)), 20)
    assert left is right
    assert left is not windows.mean(graph.log_ratio(X, graph.lag(X, 1)), 21)
    assert len(compile_program([left, right]).table) == 6


def test_warm_up_follows_from_the_graph():
    move = graph.log_ratio(X, graph.lag(X, 3))
    node = windows.deviation(windows.mean(move, 5), 7)
    assert (node.first, node.settled) == (13, 13)
    assert node.columns == ("close",)
    values = run(node, np.random.default_rng(0).uniform(1, 2, 30))
    assert np.isnan(values[:13]).all()
    assert np.isfinite(values[13:]).all()


@pytest.mark.parametrize(("alpha", "cascade"), [(0.5, 1), (1 / 14, 1), (1 / 14, 2), (2 / 11, 3)])
def test_a_recursive_average_settles_when_it_says(alpha, cascade):
    """Its answer to a unit step in the seed falls below the limit at its warm-up, not before."""
    bars = settle_bars(alpha, cascade)
    node = X
    for depth in range(1, cascade + 1):
        node = graph.exponential(node, alpha, depth)
    assert node.settled == bars
    # The averages are seeded with the first value, 1, and see nothing but zeros after it.
    values = run(node, np.eye(1, bars + 5)[0])
    assert np.isnan(values[:bars]).all()
    assert 0.0 < values[bars] < SETTLED
    # One bar before it was not yet below: each step takes at most the factor 1 - alpha.
    assert values[bars] / (1.0 - alpha) >= SETTLED


def test_division_by_zero_gives_the_neutral_value():
    zero = X * 0.0
    assert (run(graph.ratio(X, zero, neutral=7.0), [1.0, 2.0]) == 7.0).all()
    assert (run(graph.log_ratio(X, zero), [1.0, 2.0]) == 0.0).all()
    assert (run(graph.ratio(X, X * 1e-320, neutral=7.0), [1.0, 2.0]) == 7.0).all()


def test_constant_windows_have_exactly_no_deviation():
    values = np.full(60, 0.1)
    assert (run(windows.mean(X, 20), values)[19:] == 0.1).all()
    assert (run(windows.deviation(X, 20), values)[19:] == 0.0).all()
    assert (run(windows.skewness(X, 20), values)[19:] == 0.0).all()


def test_logarithm_is_within_one_unit_in_the_last_place():
    draw = np.random.default_rng(1)
    values = np.concatenate(
        [
            np.exp(draw.uniform(-700, 700, 20_000)),
            1.0 + draw.normal(0, 1e-4, 20_000),
            [1.0, 2.0, 0.5, 1e308, 3e-308],
        ]
    )
    got, want = run(graph.logarithm(X), values), np.log(values)
    assert (np.abs(got - want) <= np.spacing(np.abs(want))).all()


def test_quantiles_share_one_sorted_window_with_ties():
    values = np.random.default_rng(2).integers(0, 6, 400).astype(float)
    levels = (0.0, 0.05, 0.5, 0.9, 1.0)
    nodes = graph.quantiles(X, 21, levels)
    assert len(compile_program(nodes).table) == 1
    got = evaluate(nodes, series(values), block_rows=64)[20:]
    windows = np.lib.stride_tricks.sliding_window_view(values, 21)
    np.testing.assert_allclose(got, np.quantile(windows, levels, axis=1).T, atol=1e-12)


def test_extremes_take_the_latest_of_ties():
    values = [3.0, 1.0, 3.0, 2.0, 1.0, 1.0]
    assert run(windows.bars_since_max(X, 4), values)[3:].tolist() == [1.0, 2.0, 3.0]
    assert run(windows.bars_since_min(X, 4), values)[3:].tolist() == [2.0, 0.0, 0.0]


def test_rank_halves_ties_up_to_rounding():
    values = [1.0, 2.0, 2.0 * (1 + 1e-15), 5.0, 0.5]
    assert run(graph.rank(X, 3), values)[2:].tolist() == [0.5, 1.0, -1.0]


def test_streaks_count_with_sign_and_stop_at_their_window():
    moves = graph.compare(X, graph.lag(X, 1))
    values = [1.0, 2.0, 3.0, 4.0, 4.0, 3.0, 2.0, 1.0]
    assert run(graph.streak(moves, 3), values)[3:].tolist() == [3.0, 0.0, -1.0, -2.0, -3.0]


def test_rows_of_the_work_array_are_reused():
    """A chain of elementwise steps needs a few rows, however long it is."""
    node = X
    for step in range(200):
        node = graph.tanh(node + float(step))
    program = compile_program([node])
    # Adding a step is done by the instruction before.
    assert len(program.table) == 200
    assert len(program.keep) < 14
    values = np.random.default_rng(3).normal(size=50)
    want = values.copy()
    for step in range(200):
        want = np.tanh(want + step)
    np.testing.assert_allclose(run(node, values), want, rtol=1e-12)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: windows.mean(X, 0), "at least 1 bars; got 0"),
        (lambda: windows.deviation(X, 1), "at least 2 bars; got 1"),
        (lambda: graph.lag(X, -1), "got -1"),
        (lambda: graph.exponential(X, 1.5), r"between 0 and 1; got 1\.5"),
        (lambda: graph.quantiles(X, 5, (1.2,)), r"lie in \[0, 1\]"),
    ],
)
def test_senseless_parameters_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_compiling_again_takes_no_time():
    compile_engine()
    assert compile_engine() < 1.0


def test_every_file_with_kernels_is_part_of_the_caches_key():
    """A change in one that is not would go on running the old kernels."""
    folder = Path(graph.__file__).parent
    with_kernels = {path.name for path in folder.glob("*.py") if "@compiled" in path.read_text()}
    assert with_kernels <= set(KERNEL_FILES)
    assert len(with_kernels) >= 5


@pytest.mark.parametrize("turned", [False, True])
def test_one_bar_and_many_agree_where_a_scaled_value_meets_a_plain_one_of_its_kind(turned):
    """A group of equal operators must not read a value that is scaled at the group's end."""
    half = graph.affine(graph.maximum(column("open"), column("high")), 0.5)
    whole = graph.maximum(column("low"), column("close"))
    root = graph.maximum(whole, half) if turned else graph.maximum(half, whole)
    bars = series(np.random.default_rng(0).uniform(1.0, 2.0, 8))
    bars[:5] *= np.array([[1.5], [1.5], [1.0], [1.0], [1.0]])
    runner = Runner(program_of((root,)))
    out = np.empty(1, dtype=np.float32)

    one_by_one = []
    for bar in bars.T:
        runner.advance_one(bar, out)
        one_by_one.append(out[0])

    np.testing.assert_array_equal(one_by_one, evaluate([root], bars)[:, 0].astype(np.float32))
