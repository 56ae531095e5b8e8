from math import comb

import numpy as np
import pytest

from ultimate_deep.evaluation.schemes.combinatorial import CombinatorialPurged
from ultimate_deep.evaluation.schemes.purging import Spans

START = np.datetime64("2024-01-01", "ns")


def rows(count):
    decided = START + np.arange(count) * np.timedelta64(3600, "s")
    return Spans.from_times(decided, decided)


@pytest.mark.parametrize(("groups", "tested"), [(4, 1), (6, 2), (6, 3), (8, 2), (5, 4)])
def test_every_pair_of_split_and_group_is_on_one_path(groups, tested):
    scheme = CombinatorialPurged(rows(80), n_groups=groups, n_test_groups=tested)
    paths = scheme.paths()
    assert scheme.get_n_splits() == comb(groups, tested)
    assert paths.shape == (comb(groups, tested) * tested // groups, groups)
    assert scheme.path_count == len(paths)
    pairs = {(int(split), group) for path in paths for group, split in enumerate(path)}
    assert pairs == {(s, group) for s, chosen in enumerate(scheme.tested) for group in chosen}


def test_the_paper_has_fifteen_splits_and_five_paths_of_six_groups():
    """Lopez de Prado (2018), figures 12.1 and 12.2."""
    scheme = CombinatorialPurged(rows(60), n_groups=6, n_test_groups=2)
    assert (scheme.get_n_splits(), scheme.path_count) == (15, 5)
    assert scheme.tested[0] == (0, 1)
    assert scheme.tested[-1] == (4, 5)
    np.testing.assert_array_equal(scheme.paths()[0], [0, 0, 1, 2, 3, 4])


def test_joined_predictions_come_from_the_split_of_the_path():
    scheme = CombinatorialPurged(rows(61), n_groups=6, n_test_groups=2)
    folds = list(scheme.folds())
    joined = scheme.join([np.full(len(fold.test), number) for number, fold in enumerate(folds)])
    assert joined.shape == (5, 61)
    for path, splits in enumerate(scheme.paths()):
        for (first, stop), split in zip(scheme.groups, splits, strict=True):
            assert (joined[path, first:stop] == split).all()
    for number, fold in enumerate(folds):
        assert not (joined[:, fold.train] == number).any()


@pytest.mark.parametrize(
    ("change", "rule"),
    [(lambda all: all[:-1], "predictions of 14"), (lambda all: [all[0][1:], *all[1:]], "split 1")],
)
def test_wrong_predictions_are_refused(change, rule):
    scheme = CombinatorialPurged(rows(60))
    predictions = [np.zeros(20) for _ in range(15)]
    with pytest.raises(ValueError, match=rule):
        scheme.join(change(predictions))


@pytest.mark.parametrize(("groups", "tested"), [(6, 2), (5, 3), (10, 8)])
def test_splits_and_paths_are_those_of_skfolio(groups, tested):
    skfolio = pytest.importorskip(
        "skfolio.model_selection", reason="skfolio comes with the dev extra"
    )
    count = groups * 12
    decided = START + np.arange(count) * np.timedelta64(3600, "s")
    # skfolio purges the same number of rows on both sides; a label of two bars touches two.
    labels = Spans.from_times(decided, decided + np.timedelta64(2 * 3600, "s"))
    ours = CombinatorialPurged(labels, n_groups=groups, n_test_groups=tested)
    theirs = skfolio.CombinatorialPurgedCV(n_folds=groups, n_test_folds=tested, purged_size=2)
    assert ours.path_count == theirs.n_test_paths
    splits = list(theirs.split(np.zeros((count, 1))))
    assert len(splits) == ours.get_n_splits()
    for (train, test), (train_theirs, tests_theirs) in zip(ours.split(), splits, strict=True):
        np.testing.assert_array_equal(test, np.concatenate(tests_theirs))
        np.testing.assert_array_equal(train, train_theirs)
    for chosen, paths in zip(ours.tested, theirs.get_path_ids(), strict=True):
        split = ours.tested.index(chosen)
        mine = [int(np.flatnonzero(ours.paths()[:, group] == split)[0]) for group in chosen]
        assert mine == list(paths)
