"""What to type so that a report comes out again."""

from __future__ import annotations

import dataclasses
import json
import os
import platform
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ultimate_deep.bundles.versions import git_revision, library_version
from ultimate_deep.evaluation.backtesting.config import BacktestConfig
from ultimate_deep.evaluation.reporting.origin import Origin
from ultimate_deep.experiments.runs import CONFIG_FILE, flat
from ultimate_deep.machine.counts import how_many
from ultimate_deep.machine.home import shown_path
from ultimate_deep.market.config import DataConfig, LabelSpec
from ultimate_deep.market.market import Market
from ultimate_deep.pipeline.config import ExperimentConfig
from ultimate_deep.portfolio.costs import DEFAULT_COSTS

if TYPE_CHECKING:
    from ultimate_deep.pipeline.prepared import Prepared

JUDGING = ("numpy", "scipy", "pandas", "scikit-learn", "numba")
NETS = ("keras", "tensorflow", *JUDGING)
_TREES = ("xgboost", "lightgbm")  # loaded where they were used; their packages have other names
_OURS = "ultimate-deep"
# What `ultimate_deep.judge` takes where nothing else is said.
_JUDGE: dict[str, Any] = {
    "horizon_bars": 1, "threshold": 0.5, "costs": {}, "mode": "long_flat", "session": None,
    "capital": BacktestConfig().capital, "name": "predictions", "baselines": True,
    "features": None, "artifacts": "artifacts", "tried": 1, "seed": 0,
}  # fmt: skip
_HASH = 12  # digits of a revision


def command_line(words: Sequence[str]) -> str:
    """Return a command that does the same from wherever it is typed."""
    here, sign, rest = shown_path(Path.cwd()).partition("~")
    home = sign + shlex.quote(rest) if sign and not here and _is_plain(rest) else ""
    folder = home or shlex.quote(str(Path.cwd()))
    return f"cd {folder} && {_OURS} {shlex.join(words)}"


def _is_plain(text: str) -> bool:
    return shlex.quote(text) == text or not text


def named_path(path: str | Path) -> str:
    """Return a path as it is named in the folder where we are."""
    whole = Path(path).resolve()
    here = Path.cwd().resolve()
    return str(whole.relative_to(here)) if whole.is_relative_to(here) else str(whole)


def options_of(given: Any, prefix: str, *, default: Any = None) -> list[str]:
    """Return the options that make a default configuration the given one.

    Args:
        given: A dataclass of settings.
        prefix: What their names begin with, such as `walk.`.
        default: What they are compared with, the class's own defaults unless given.
    """
    before = flat(dataclasses.asdict(type(given)() if default is None else default))
    words = []
    for name, value in flat(dataclasses.asdict(given)).items():
        if value != before.get(name):
            text = value if isinstance(value, str) else json.dumps(value)
            words += [f"--{prefix}{name}", text]
    return words


def data_options(data: DataConfig) -> list[str]:
    """Return the options that name these bars."""
    return options_of(data, "data.")


def form_options(report: str) -> list[str]:
    """Return the option that asks for the report's form, nothing for a page alone."""
    return ["--report", report] if report != "html" else []


def list_option(name: str, paths: Sequence[str | Path]) -> list[str]:
    """Return an option whose value is a list of paths."""
    return [name, json.dumps([named_path(path) for path in paths])]


def plugin_options(config: ExperimentConfig) -> list[str]:
    """Return the options that load the plugins of an experiment."""
    return [word for name in config.plugins for word in ("--plugin", name)]


def config_options(config: ExperimentConfig, file: Path) -> list[str]:
    """Return the options that read an experiment's settings from a file of a finished run."""
    return [*plugin_options(config), "--config", named_path(file)]


def origin_of(
    words: Sequence[str],
    market: Market,
    *,
    seconds: Mapping[str, float],
    libraries: Sequence[str] = NETS,
    needs: Sequence[str] = (),
    resumed: bool = False,
) -> Origin:
    """Return how the report of a command comes about again.

    Args:
        words: The command without its first word.
        market: Bars that the report is of.
        seconds: What each step took.
        libraries: Names of those that the figures depend on.
        needs: What else has to be there, in sentences.
        resumed: Whether the steps are those since an interruption.
    """
    return Origin(
        lines=(command_line(words),),
        language="shell",
        bars=market.fingerprint(),
        versions=versions_of_report(libraries),
        seconds=dict(seconds),
        needs=(*_fills(market), *needs),
        resumed=resumed,
    )


def _fills(market: Market) -> tuple[str, ...]:
    """Return what is known of the finer bars that orders were filled from."""
    if not market.fills:
        return ()
    return (f"Orders were filled from finer bars, whose prices have {market.fills_digest}.",)


def origin_in_python(
    lines: Sequence[str],
    market: Market,
    *,
    seconds: Mapping[str, float],
    libraries: Sequence[str] = NETS,
    needs: Sequence[str] = (),
    resumed: bool = False,
) -> Origin:
    """Return how a report of what was given in Python comes about again; see `origin_of`."""
    command = origin_of(
        (), market, seconds=seconds, libraries=libraries, needs=needs, resumed=resumed
    )
    return dataclasses.replace(command, lines=tuple(lines), language="python")


def origin_of_run(
    folder: Path,
    prepared: Prepared,
    *,
    seconds: Mapping[str, float],
    readings: int,
    command: Sequence[str] = (),
    net_given: bool = False,
    tried: int = 1,
    resumed: bool = False,
) -> Origin:
    """Return how a run comes about again: by its command, or by Python what began in Python.

    Args:
        folder: The finished run's folder, whose `config.json` says every setting.
        prepared: Data and experiment.
        seconds: What each step took.
        readings: Models that had been judged on these bars by then.
        command: Words of the command; those of `run` unless given.
        net_given: Whether the net was trained elsewhere.
        tried: How many configurations that net was chosen from.
        resumed: Whether the steps are those since an interruption.
    """
    config = prepared.config
    needs = [counted(readings)]
    if not (prepared.bars_given or prepared.steps.own or net_given):
        words = command or ["run", *config_options(config, folder / CONFIG_FILE), "--yes"]
        return origin_of(words, prepared.market, seconds=seconds, needs=needs, resumed=resumed)
    file = shown_path((folder / CONFIG_FILE).absolute())
    given = []
    if prepared.bars_given:
        given.append("bars=bars")
        needs.append("`bars` were given in Python; only their fingerprint is known here.")
    if own := prepared.steps.own:
        given.append("steps=steps")
        needs.append(f"`steps` of the program's own replaced {', '.join(own)}; they are not here.")
    if net_given:
        given += ["net=net"] + [f"tried={tried}"] * (tried != 1)
        needs.append("`net` had been trained elsewhere; its weights are in this folder.")
    lines = (
        "import json, pathlib",
        "import ultimate_deep as ud",
        f"file = pathlib.Path({file!r}).expanduser()",
        "config = ud.ExperimentConfig(**json.loads(file.read_text()))",
        f"ud.run(config, {', '.join(given)})",
    )
    return origin_in_python(lines, prepared.market, seconds=seconds, needs=needs, resumed=resumed)


def origin_of_judged(
    lines: Sequence[str],
    market: Market,
    *,
    seconds: Mapping[str, float],
    digest: str,
    predictions: int,
    readings: int,
) -> Origin:
    """Return how a judgement of others' predictions comes about again.

    Args:
        lines: What to type.
        market: Bars that the report is of.
        seconds: What each step took.
        digest: Fingerprint of the predictions with the rule of trading.
        predictions: How many there are.
        readings: Models that had been judged on these bars by then.
    """
    given = (
        "`bars` and `probabilities` were given in Python; only their fingerprints are known here, "
        f"{digest} of {how_many(predictions, 'prediction')} with the rule of trading."
    )
    needs = [given, counted(readings)]
    return origin_in_python(lines, market, seconds=seconds, libraries=JUDGING, needs=needs)


def judge_lines(
    asked: Mapping[str, Any], label: LabelSpec, backtest: BacktestConfig, *, filled: bool
) -> tuple[str, ...]:
    """Return the lines that ask the same of `ultimate_deep.judge`; defaults are left out.

    Args:
        asked: Arguments by name.
        label: What the predictions predict.
        backtest: How they are traded.
        filled: Whether orders are filled from finer bars.
    """
    costs, plain = dataclasses.asdict(backtest.costs), dataclasses.asdict(DEFAULT_COSTS)
    said = {
        "horizon_bars": label.horizon_bars,
        "costs": {name: cost for name, cost in costs.items() if cost != plain[name]},
        "capital": backtest.capital,
        "mode": backtest.mode,
        **asked,
    }
    words = [f"{name}={value!r}" for name, value in said.items() if value != _JUDGE.get(name)]
    words += ["fills=fills"] * filled
    return "import ultimate_deep as ud", f"ud.judge(probabilities, bars, {', '.join(words)})"


def counted(readings: int) -> str:
    """Return on what else the verdict depends: the ledger's count."""
    models = how_many(readings, "model")
    return (
        f"The verdict allows for {models} judged on these bars by then, as the ledger counts; "
        "judged after others, the same figures are held to stricter bounds."
    )


def versions_of_report(libraries: Sequence[str]) -> dict[str, str]:
    """Return the versions of Python, of us and of libraries, by name."""
    revision = git_revision()
    commit = str(revision["commit"])[:_HASH]
    changed = ", with changes" if revision["modified"] else ""
    told = "" if commit == "unknown" else f", commit {commit}{changed}"
    ours = {_OURS: library_version(_OURS) + told, "python": platform.python_version()}
    if backend := os.environ.get("KERAS_BACKEND", ""):
        ours["backend"] = backend
    grown = {name: str(sys.modules[name].__version__) for name in _TREES if name in sys.modules}
    return ours | {name: library_version(name) for name in libraries} | grown
