"""Fixtures that every room's tests share."""

import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("MPLBACKEND", "Agg")


@pytest.fixture(scope="session")
def real_bars_folder() -> Path:
    """The folder of real bars, from `ULTIMATE_DEEP_DATA` or `shared/data` beside the project."""
    root = Path(__file__).resolve().parents[1]
    candidates = [root.parent / "shared" / "data", root / "shared" / "data"]
    if named := os.environ.get("ULTIMATE_DEEP_DATA"):
        candidates.insert(0, Path(named))
    for folder in candidates:
        if (folder / "btcusd_1h.parquet").is_file():
            return folder
    pytest.skip("real bars are absent: set ULTIMATE_DEEP_DATA to a folder with btcusd_1h.parquet")


@pytest.fixture
def constant_learner(monkeypatch) -> ModuleType:
    """A family of models that one file and one line in each registry make known."""
    from ultimate_deep.bundles.kinds import PREDICTORS
    from ultimate_deep.experiments.learners.registry import LEARNERS

    path = Path(__file__).parent / "experiments" / "constant_learner.py"
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, path.stem, module)
    spec.loader.exec_module(module)
    monkeypatch.setitem(LEARNERS, *module.LEARNER_LINE)
    monkeypatch.setitem(PREDICTORS, *module.PREDICTOR_LINE)
    return module
