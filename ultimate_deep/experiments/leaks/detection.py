"""Leak detection of a saved bundle: its options in, a report in a new folder out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ultimate_deep.bundles.predicting import AnyBundle, bundle_config, bundle_data
from ultimate_deep.evaluation.leaks.config import LeakConfig
from ultimate_deep.evaluation.leaks.detect import CHECKS, Check
from ultimate_deep.evaluation.leaks.findings import LeakReport
from ultimate_deep.evaluation.reporting.leaks_page import write_leak_page
from ultimate_deep.experiments.leaks.asked import SurrogateConfig, refuse_existing
from ultimate_deep.experiments.leaks.pipeline import detect_in_experiment
from ultimate_deep.machine.files import draft_tag, whole_folder, write_json
from ultimate_deep.market.config import DataConfig
from ultimate_deep.market.market import Market, load_market
from ultimate_deep.pipeline.steps import Steps
from ultimate_deep.training.progress import Progress

JSON_FILE, PAGE_FILE = "leaks.json", "leaks.html"


def detect_in_bundle(
    bundle: AnyBundle,
    data: DataConfig,
    leak_config: LeakConfig = LeakConfig(),
    *,
    steps: Steps = Steps(),
    surrogate: SurrogateConfig | None = SurrogateConfig(),
    checks: Sequence[Check] = CHECKS,
    progress: Progress = Progress(),
) -> LeakReport:
    """Examine the experiment that wrote a bundle, on bars given or its own.

    Args:
        bundle: Its configuration says what is examined.
        data: The bars; options that are not given are the run's.
        leak_config: How thoroughly to look.
        steps: The steps of a user that are to be examined.
        surrogate: Stands in for the bundle's model; None trains that one.
        checks: Which checks; `evaluation.leaks.detect.DATA_CHECKS` train nothing.
        progress: Told of every run.

    Raises:
        ValueError: The experiment cannot run on these bars.
    """
    config = bundle_config(bundle)
    market = examined_market(bundle, data, progress)
    return detect_in_experiment(
        config,
        market,
        leak_config,
        steps=steps,
        surrogate=surrogate,
        checks=checks,
        progress=progress,
        subject=subject(bundle, market, config.model.name, steps, surrogate),
    )


def examined_market(bundle: AnyBundle, data: DataConfig, progress: Progress) -> Market:
    """Return the bars that are examined: those given, else those of the bundle's run."""
    with progress.busy("reading bars"):
        market = load_market(bundle_data(bundle, data), bundle_config(bundle).label)
    for line in market.told:
        progress.message(line)
    return market


def subject(
    bundle: AnyBundle,
    market: Market,
    model: str,
    steps: Steps,
    surrogate: SurrogateConfig | None,
) -> str:
    """Return what is examined, for people.

    Args:
        bundle: Bundle of that run.
        market: Bars that it runs on.
        model: Name of what the run has trained.
        steps: The steps of a user.
        surrogate: Stands in for the model.
    """
    stand_in = "" if surrogate is None else f", {surrogate.model} in place of {model}"
    own = f", own steps: {', '.join(steps.own)}" if steps.own else ""
    return f"{bundle.folder.name}: {', '.join(market.bars)}{stand_in}{own}"


def write_leaks(report: LeakReport, folder: Path) -> Path:
    """Write `leaks.json` and `leaks.html` into a new folder, whole or not at all.

    Raises:
        FileExistsError: The folder exists; it is never overwritten.
    """
    refuse_existing(folder)
    # Not `<folder>.unfinished`, which a killed process would leave in the way of the next.
    with whole_folder(folder, folder.with_name(f".{folder.name}-{draft_tag()}.draft")) as draft:
        write_json(draft / JSON_FILE, report.to_dict())
        write_leak_page(draft / PAGE_FILE, report)
    return folder
