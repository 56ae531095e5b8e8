import re
from xml.etree import ElementTree

import numpy as np
import pytest

from ultimate_deep.evaluation.reporting.plots_schemes import plot_paths, plot_scheme
from ultimate_deep.evaluation.schemes.combinatorial import CombinatorialPurged
from ultimate_deep.evaluation.schemes.purged_k_fold import PurgedKFold
from ultimate_deep.evaluation.schemes.purging import Spans
from ultimate_deep.evaluation.schemes.walk_forward import WalkForward


def spans(rows=400):
    decided = np.datetime64("2024-01-01", "ns") + np.arange(rows) * np.timedelta64(1, "h")
    return Spans.from_times(decided, decided + np.timedelta64(3, "h"))


def words(svg):
    assert ElementTree.fromstring(svg).tag.endswith("svg")
    return re.findall(r">([^<>]+)</text>", svg)


def test_a_scheme_shows_every_part_it_has():
    shown = words(plot_scheme(PurgedKFold(spans(), embargo_bars=5), "K-fold", simulated=True))
    assert {"training", "test", "purged", "embargoed", "K-fold · simulated bars"} <= set(shown)
    assert "not used" not in shown
    shown = words(plot_scheme(WalkForward(spans()), "Walk-forward", simulated=False))
    assert {"training", "test", "purged", "not used", "Walk-forward"} <= set(shown)
    assert "embargoed" not in shown


def test_many_splits_are_thinned_and_said_so():
    scheme = CombinatorialPurged(spans(), n_groups=9, n_test_groups=3)
    assert "CPCV (30 of 84 folds)" in words(plot_scheme(scheme, "CPCV", simulated=False))


@pytest.mark.parametrize(("groups", "paths"), [(6, 5), (4, 3)])
def test_paths_name_their_splits(groups, paths):
    scheme = CombinatorialPurged(spans(), n_groups=groups)
    shown = words(plot_paths(scheme, simulated=False))
    numbers = [word for word in shown if word.isdigit()]
    assert len(numbers) == paths * groups + paths + groups  # cells and both axes
