"""Folders of runs: named by time, never overwritten, with a link to the newest."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ultimate_deep.machine.files import UNFINISHED, unfinished_folder, whole_file, write_json
from ultimate_deep.pipeline.config import ExperimentConfig


def new_run_folder(config: ExperimentConfig) -> Path:
    """Return the folder that a new run will become, not created yet.

    Its name is `<name>-<UTC time>`, with a number where that is taken.
    """
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    root = Path(config.artifacts)
    folder = root / f"{config.name}-{stamp}"
    number = 1
    while folder.exists() or unfinished_folder(folder).exists():
        number += 1
        folder = root / f"{config.name}-{stamp}-{number}"
    return folder


def start_run(folder: Path, config: ExperimentConfig) -> Path:
    """Create the unfinished folder of a run, with its configuration inside, and return it."""
    unfinished = unfinished_folder(folder)
    unfinished.mkdir(parents=True)
    write_json(unfinished / "config.json", config.to_dict())
    return unfinished


# What a run's unfinished folder holds beside `config.json`, by what is run.
MARKS = {"search": "search.json", "walk-forward": "started.json", "comparison": "comparison.json"}


def newest_unfinished(artifacts: Path, name: str = "", *, what: str = "run") -> Path:
    """Return the final folder of the newest unfinished run.

    Args:
        artifacts: Folder of the runs.
        name: Prefix of the run's folder; empty for any.
        what: `run`, or a key of `MARKS`.

    Raises:
        FileNotFoundError: No such run.
    """
    found = [
        path
        for path in artifacts.glob(f"{name or '*'}-*{UNFINISHED}")
        if (path / "config.json").is_file() and _kind(path) == what
    ]
    if not found:
        wanted = f" of the name {name}" if name else ""
        raise FileNotFoundError(
            f"nothing to resume: no unfinished {what}{wanted} in {artifacts}; start without "
            "--resume, or name the folder of the runs with --artifacts"
        )
    newest = max(found, key=lambda path: path.stat().st_mtime_ns)
    return newest.with_name(newest.name.removesuffix(UNFINISHED))


def _kind(unfinished: Path) -> str:
    return next((what for what, file in MARKS.items() if (unfinished / file).is_file()), "run")


def refuse_other_settings(
    unfinished: Path, stored: Mapping[str, Any], given: Mapping[str, Any]
) -> None:
    """Refuse to go on with a run that was started otherwise.

    Args:
        unfinished: Folder of the run that is to go on.
        stored: How it was started, as JSON gives it back; may hold more than `given`.
        given: How it would go on.

    Raises:
        ValueError: Naming all that differs.
    """
    given = json.loads(json.dumps(given))
    if differing := [name for name in given if given[name] != stored.get(name)]:
        raise ValueError(
            f"{unfinished} was started with other settings of {', '.join(differing)}: resume it "
            "with the same ones, or start anew without --resume"
        )


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested settings by dotted name, tuples as lists, as JSON has them."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            found |= flat(value, f"{prefix}{name}.")
        else:
            found[prefix + name] = list(value) if isinstance(value, tuple) else value
    return found


def point_latest(folder: Path) -> None:
    """Make `latest` beside the run point at it."""
    with whole_file(folder.parent / "latest") as link:
        link.symlink_to(folder.name, target_is_directory=True)
