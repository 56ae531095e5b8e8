"""Fixtures that every room's tests share, and the choice of one name's contract tests."""

import contextlib
import difflib
import gc
import importlib.util
import itertools
import os
import runpy
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("MPLBACKEND", "Agg")

# From here on no test can reach the ledger of whoever runs the tests, nor can its subprocesses.
_HOMES = tempfile.TemporaryDirectory(prefix="ultimate-deep-homes-")
_NUMBERS = itertools.count()
SHOWN_NAMES = 20
os.environ["ULTIMATE_DEEP_HOME"] = str(Path(_HOMES.name) / "session")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--of NAME`."""
    parser.addoption("--of", metavar="NAME", help="only the contract tests of this name")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Long files first; with `--of NAME`, only what is marked as a contract and holds for it."""
    wanted = config.getoption("of")
    if wanted is None or not items:
        _long_files_first(items)
        return
    names = {item: _names(item) for item in items}
    config.hook.pytest_deselected(items=[item for item in items if wanted not in names[item]])
    items[:] = [item for item in items if wanted in names[item]]
    if not items:
        raise pytest.UsageError(
            f"no contract test is about {wanted!r}; {_hint(wanted, set().union(*names.values()))}"
        )


def pytest_collection_finish() -> None:
    """Let no later garbage collection look again at what the tests have imported."""
    gc.collect()
    gc.freeze()


def pytest_unconfigure() -> None:
    """Remove the folders that stood for the user's own."""
    _HOMES.cleanup()


def _long_files_first(items: list[pytest.Item]) -> None:
    """Order files so that two workers end at about the same time, tests in a file as they are."""
    seconds: Counter[Path] = Counter()
    for item in items:
        seconds[item.path] += 20 if item.get_closest_marker("slow") else 1
    items.sort(key=lambda item: -seconds[item.path])


def _names(item: pytest.Item) -> set[str]:
    """Return what a contract test is about: its parameter's names, and all that it walks.

    `quantile+focal of three` is about two; what follows a blank tells cases apart.
    """
    found: set[str] = set()
    for marker in item.iter_markers("contract"):
        given = item.callspec.params if hasattr(item, "callspec") else {}
        if told := str(given.get(marker.kwargs.get("by", "name"), "")):
            found.update(told.split()[0].split("+"))
        found.update(marker.kwargs.get("walks", list)())
    return found


def _hint(wanted: str, known: set[str]) -> str:
    """Return what was probably meant, in whatever case it was written, or some names there are."""
    plain = {name.lower(): name for name in sorted(known)}
    if close := difflib.get_close_matches(wanted.lower(), plain):
        return f"did you mean {' or '.join(plain[name] for name in close)}?"
    shown = sorted(known)[:SHOWN_NAMES]
    more = len(known) - len(shown)
    return f"known are {', '.join(shown)}" + (f" and {more} more" if more else "")


@contextlib.contextmanager
def _another_home() -> Iterator[Path]:
    """Name a folder that is not there yet as the user's own, for a while."""
    before = os.environ["ULTIMATE_DEEP_HOME"]
    folder = Path(_HOMES.name) / str(next(_NUMBERS))
    os.environ["ULTIMATE_DEEP_HOME"] = str(folder)
    try:
        yield folder
    finally:
        os.environ["ULTIMATE_DEEP_HOME"] = before
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module", autouse=True)
def home_of_file() -> Iterator[Path]:
    """The user's folder of what a file's shared fixtures run."""
    with _another_home() as folder:
        yield folder


@pytest.fixture(autouse=True)
def home(home_of_file: Path) -> Iterator[Path]:
    """The user's folder of one test alone, as the file's shared fixtures left theirs."""
    with _another_home() as folder:
        if home_of_file.exists():
            shutil.copytree(home_of_file, folder)
        yield folder


@pytest.fixture
def nothing_tried(home: Path) -> None:
    """Leave what the file's shared fixtures tried out of the test's count of trials."""
    shutil.rmtree(home, ignore_errors=True)


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


@pytest.fixture
def run_script(monkeypatch) -> Callable[..., None]:
    """Run a file of `train_scripts` in this process, where the feature engine is compiled already.

    Called with the file's name and its arguments; ends as the script does.
    """
    scripts = Path(__file__).resolve().parents[1] / "train_scripts"

    def run(name: str, *arguments: str) -> None:
        monkeypatch.setattr(sys, "argv", [str(scripts / name), *arguments])
        runpy.run_path(str(scripts / name), run_name="__main__")

    monkeypatch.setattr("ultimate_deep.training.backend.start_up", lambda console: None)
    return run


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
