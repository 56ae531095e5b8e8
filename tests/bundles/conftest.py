"""Bundles that several tests read."""

import json
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest

STORED = Path(__file__).with_name("stored") / "before_the_house.tar.xz"


@pytest.fixture(scope="session")
def stored(tmp_path_factory) -> Path:
    """Folder of an ensemble of a net and trees, written before the rooms became one package."""
    folder = tmp_path_factory.mktemp("stored")
    with tarfile.open(STORED) as archive:
        archive.extractall(folder, filter="data")
    return folder


@pytest.fixture(scope="session")
def ensembles(stored, tmp_path_factory) -> dict[str, Path]:
    """Folder of an ensemble with each kind of combiner, of the stored members."""
    from ultimate_deep.bundles.ensembles.combiner import COMBINERS, save_combiner
    from ultimate_deep.bundles.manifest import MANIFEST_NAME, write_manifest

    root = tmp_path_factory.mktemp("ensembles")
    combiners = _combiners()
    for kind in COMBINERS:
        folder = root / kind
        shutil.copytree(stored / "ensemble", folder)
        was = json.loads((folder / MANIFEST_NAME).read_text())
        save_combiner(combiners[kind], folder)
        (folder / MANIFEST_NAME).unlink()
        write_manifest(
            folder,
            feature_names=tuple(was["feature_names"]),
            horizons=was["horizons"],
            data_fingerprint=was["data_fingerprint"],
            kind=was["kind"],
        )
    return {kind: root / kind for kind in COMBINERS}


def _combiners():
    """Return one of each kind; the trees read a feature beside the logits, as in two stages."""
    from ultimate_deep.bundles.ensembles.pooling import average_pool
    from ultimate_deep.bundles.ensembles.stacking import LogisticStack, TreeStack
    from ultimate_deep.models.trees.hist_gradient_boosting import HistGradientBoostingConfig
    from ultimate_deep.training.arrays import Arrays
    from ultimate_deep.training.growing.grow import fit_trees

    names = ("net", "trees")
    x = np.random.default_rng(0).normal(size=(200, 3)).astype(np.float32)
    arrays = Arrays(x=x, y=(x.sum(axis=1, keepdims=True) > 0).astype(np.float32))
    few = HistGradientBoostingConfig(trees=3, leaves=4, min_leaf_rows=20, patience=0)
    trees, _ = fit_trees("hist_gradient_boosting", arrays, None, few)
    return {
        "pool": average_pool(names, 1),
        "logistic_stack": LogisticStack(
            names=names, weight=np.array([[0.3], [0.9]]), intercept=np.array([0.1])
        ),
        "tree_stack": TreeStack(names=names, trees=trees, feature_names=("return_log_1",)),
    }
