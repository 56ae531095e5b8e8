"""Fixtures that every room's tests share."""

import os
from collections.abc import Iterator
from pathlib import Path

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


@pytest.fixture(scope="module")
def plain_figures() -> Iterator[None]:
    """Reports with empty pictures, for runs whose pictures nobody looks at.

    Drawing takes half of a small run. `tests/evaluation/reporting` and the runs of
    `tests/bundles/test_predicting.py` draw theirs.
    """

    def empty(figure: object, name: str, description: str) -> str:
        return f'<svg role="img" id="{name}"></svg>'

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ultimate_deep.evaluation.reporting.figures.to_svg", empty)
        yield
