"""Folders of runs: named by time, never overwritten, with a link to the newest."""

from datetime import UTC, datetime
from pathlib import Path

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


def newest_unfinished(artifacts: Path, name: str) -> Path:
    """Return the final folder of the newest unfinished run of that name.

    Raises:
        FileNotFoundError: No such run.
    """
    found = [
        path for path in artifacts.glob(f"{name}-*{UNFINISHED}") if (path / "config.json").is_file()
    ]
    if not found:
        raise FileNotFoundError(
            f"nothing to resume: no unfinished run {name}-*{UNFINISHED} in {artifacts}; "
            "start without --resume"
        )
    newest = max(found, key=lambda path: path.stat().st_mtime_ns)
    return newest.with_name(newest.name.removesuffix(UNFINISHED))


def point_latest(folder: Path) -> None:
    """Make `latest` beside the run point at it."""
    with whole_file(folder.parent / "latest") as link:
        link.symlink_to(folder.name, target_is_directory=True)
