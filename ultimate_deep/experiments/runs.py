"""Folders of runs: named by time, never overwritten, with a link to the newest.

A run lives in `<folder>.unfinished/`, which it holds a lock on. What it makes is written there and
renamed into place; all that comes after the rename is cleaning up, which another run can do.
"""

import contextlib
import dataclasses
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

from ultimate_deep.machine.files import (
    UNFINISHED,
    FinishedError,
    ForeignFileError,
    finish_folder,
    is_full,
    read_json,
    remove_folder,
    unfinished_folder,
    whole_file,
    write_json,
    write_text,
)
from ultimate_deep.machine.litter import DISPOSABLE, remove_litter
from ultimate_deep.machine.locks import (
    FolderLock,
    LockedError,
    TakenError,
    claim_folder,
    is_abandoned,
)
from ultimate_deep.machine.places import PlaceError
from ultimate_deep.pipeline.config import ExperimentConfig, config_from_dict
from ultimate_deep.training.config import WITHOUT_EFFECT

CONFIG_FILE = "config.json"
RESULT = "result"
LATEST = "latest"
BARS_FILE, FINGERPRINT = "bars.json", "data_fingerprint"
_MANIFEST = "manifest.json"
_STAMPED = re.compile(r"(?P<name>.+)-\d{8}-\d{6}(-\d+)?")


@dataclass(frozen=True, eq=False)
class Workplace:
    """A run's unfinished folder, in which this process alone works.

    Args:
        folder: What it will be called when it is finished.
        lock: Held until `finish`, or the end of the `with` that it was opened in.
    """

    folder: Path
    lock: FolderLock

    @property
    def path(self) -> Path:
        """The unfinished folder."""
        return unfinished_folder(self.folder)

    def finish(self, draft: Path | None = None, *, latest: bool = False) -> None:
        """Make the finished folder appear, complete, and remove the unfinished one.

        Args:
            draft: What becomes the finished folder; None where it is there already.
            latest: Whether `latest` is to point at it.
        """
        if draft is not None:
            finish_folder(self.folder, draft)
        if latest:
            point_latest(self.folder)
        remove_folder(self.path)
        self.lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self.lock.release()
        if error is not None and self.path.is_dir() and is_full(error, self.path):
            raise PlaceError(
                f"no room is left to write into {self.path} ({error}); it is kept: make room on "
                "its disk, and the same command with --resume goes on"
            ) from error


def new_run_folder(config: ExperimentConfig) -> Path:
    """Return the folder that a new run will become, not created yet.

    Its name is `<name>-<UTC time>`, with a number where that is taken.
    """
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    root = Path(config.artifacts)
    folder = root / f"{config.name}-{stamp}"
    number = 1
    while os.path.lexists(folder) or os.path.lexists(unfinished_folder(folder)):
        number += 1
        folder = root / f"{config.name}-{stamp}-{number}"
    return folder


def start_run(
    folder: Path,
    config: ExperimentConfig,
    marks: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
    *,
    renamed: bool = True,
) -> Workplace:
    """Make the unfinished folder of a run appear, with its configuration inside.

    Args:
        folder: What it will be called.
        config: What is run.
        marks: JSON files beside the configuration, by name; see `MARKS`.
        renamed: Whether it takes another name where another run has taken that one meanwhile.

    Raises:
        TakenError: The name is taken, and `renamed` is off.
    """

    def fill(unfinished: Path) -> None:
        write_json(unfinished / CONFIG_FILE, config.to_dict())
        for name, values in marks.items():
            write_json(unfinished / name, values)

    return _claimed(folder, config, fill, renamed=renamed)


@contextlib.contextmanager
def result_place(config: ExperimentConfig) -> Iterator[Workplace]:
    """Give an unfinished folder from which nothing can go on.

    Yields:
        The place, whose `finish` is called by then; else all of it is removed. What a kill leaves
        of it is removed by the next run.
    """

    def fill(unfinished: Path) -> None:
        write_text(unfinished / DISPOSABLE, "removed by the next run\n")

    with _claimed(new_run_folder(config), config, fill, renamed=True) as place:
        try:
            yield place
        finally:
            if place.path.is_dir():
                remove_folder(place.path)


def _claimed(
    folder: Path, config: ExperimentConfig, fill: Callable[[Path], None], *, renamed: bool
) -> Workplace:
    while True:
        try:
            return Workplace(folder, claim_folder(folder, fill))
        except TakenError:
            if not renamed:
                raise
            folder = new_run_folder(config)


def resume_run(folder: Path) -> Workplace:
    """Go on in a run's unfinished folder.

    Raises:
        FinishedError: The run is finished; what a kill left of it is cleaned up.
        LockedError: A living process works in it, or one of another machine left it.
    """
    unfinished = unfinished_folder(folder)
    if not unfinished.is_dir() and folder.is_dir():
        raise FinishedError(finished_sentence(folder))
    place = Workplace(folder, FolderLock.taken(unfinished))
    if folder.is_dir():
        _clean_up(place)
        raise FinishedError(finished_sentence(folder))
    return place


def finished_sentence(folder: Path) -> str:
    """Return what is said where a finished run is to go on."""
    return f"{folder} is finished: there is nothing to resume"


def tidy(artifacts: Path, say: Callable[[str], None] = lambda note: None) -> None:
    """Clean up what runs that were killed have left in a folder of runs, finished ones first.

    Args:
        artifacts: Folder of the runs; need not be there.
        say: Told of what stands in the way of a run's last step.
    """
    if _is_foreign(link := artifacts / LATEST):
        say(f"{link} is a folder and no link: it is left alone, and does not become the newest run")
    for unfinished in sorted(artifacts.glob(f"*{UNFINISHED}")):
        folder = unfinished.with_name(unfinished.name.removesuffix(UNFINISHED))
        if _is_run(unfinished) and folder.is_dir() and is_abandoned(unfinished):
            # Another process may clean up the same.
            with contextlib.suppress(LockedError, FileNotFoundError):
                _clean_up(Workplace(folder, FolderLock.taken(unfinished)))
    remove_litter(artifacts)


def _is_run(unfinished: Path) -> bool:
    names = (CONFIG_FILE, DISPOSABLE)
    return not unfinished.is_symlink() and any((unfinished / one).is_file() for one in names)


def _clean_up(place: Workplace) -> None:
    """Do what a run does after its folder has appeared."""
    link, ours = place.folder.parent / LATEST, place.folder
    is_model = (ours / _MANIFEST).is_file()
    older = not link.exists() or link.stat().st_mtime_ns < ours.stat().st_mtime_ns
    with place:
        place.finish(latest=is_model and older)
    remove_litter(place.folder.parent)


# What a run's unfinished folder holds beside `config.json`, by what is run.
MARKS = {"search": "search.json", "walk-forward": "started.json", "comparison": "comparison.json"}


def newest_unfinished(artifacts: Path, name: str = "", *, what: str = "run") -> Path:
    """Return the final folder of the newest unfinished run.

    Args:
        artifacts: Folder of the runs.
        name: The run's name, as its own configuration has it; empty for any.
        what: `run`, or a key of `MARKS`.

    Raises:
        FinishedError: The newest one is finished; what a kill left of it is cleaned up.
        FileNotFoundError: No such run.
    """
    found = [
        path
        for path in artifacts.glob(f"*{UNFINISHED}")
        if not path.is_symlink() and _kind(path) == what and _is_named(path / CONFIG_FILE, name)
    ]
    if not found:
        tidy(artifacts)
        wanted = f" of the name {name}" if name else ""
        raise FileNotFoundError(
            f"nothing to resume: no unfinished {what}{wanted} in {artifacts}"
            f"{_newest_sentence(artifacts)}; start without --resume, or name the folder of the "
            "runs with --artifacts"
        )
    newest = max(found, key=lambda path: path.stat().st_mtime_ns)
    folder = newest.with_name(newest.name.removesuffix(UNFINISHED))
    if folder.is_dir():
        resume_run(folder).lock.release()
    return folder


def _newest_sentence(artifacts: Path) -> str:
    latest = artifacts / LATEST
    return (
        f", and the newest model, {latest.resolve().name}, is finished" if latest.is_dir() else ""
    )


def _is_named(config: Path, name: str) -> bool:
    """Return whether a run's configuration is there, and says that name."""
    try:
        stored = read_json(config)
    except (OSError, ForeignFileError):
        return False
    return isinstance(stored, dict) and (not name or stored.get("name") == name)


def _kind(unfinished: Path) -> str:
    return next((what for what, file in MARKS.items() if (unfinished / file).is_file()), "run")


def name_of(folder: str) -> str:
    """Return the name of what was called `<name>-<UTC time>`."""
    found = _STAMPED.fullmatch(folder)
    return found["name"] if found else folder


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


def bars_of_start(unfinished: Path) -> str | None:
    """Return the fingerprint of the bars that a run began with, None where no file of it says."""
    try:
        stored = read_json(unfinished / BARS_FILE)
    except (FileNotFoundError, ForeignFileError):
        return None
    before = stored.get(FINGERPRINT) if isinstance(stored, dict) else None
    return before if isinstance(before, str) else None


def refuse_other_bars(unfinished: Path, before: str | None, bars: str, *, what: str) -> None:
    """Refuse to go on with other bars.

    Args:
        unfinished: Folder of what is to go on.
        before: Fingerprint of the bars that it began with; None where it did not say.
        bars: Fingerprint of those that are there now.
        what: What is to go on, for people.

    Raises:
        ValueError: Bars that differ from those of its start.
    """
    if before not in (None, bars):
        raise ValueError(
            f"the bars have changed since the {what} began, which goes on in {unfinished}, or the "
            f"finer ones that fill its orders (fingerprint {before[:12]}, now {bars[:12]}); bring "
            f"back the same bars or start a new {what}"
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


def named_settings(config: ExperimentConfig) -> dict[str, Any]:
    """Return the settings of an experiment that differ from their defaults, by dotted name."""
    defaults = flat(ExperimentConfig().to_dict())
    given = flat(config.to_dict())
    return {name: value for name, value in given.items() if value != defaults.get(name)}


def resumed_config(folder: Path, named: Mapping[str, Any], *, artifacts: str) -> ExperimentConfig:
    """Return the configuration that a run's folder keeps, refusing what contradicts it.

    Args:
        folder: Folder of a finished or unfinished run.
        named: Settings that must be the run's, by dotted name, but for those on which no result
            depends, which are taken as they are here; others are left aside.
        artifacts: Where the run lies now.

    Raises:
        ValueError: A field was given that differs from the run's, by name.
    """
    stored = config_from_dict(read_json(folder / CONFIG_FILE))
    before = flat(stored.to_dict())
    now = flat(json.loads(json.dumps(dict(named))))
    free = {f"fit.{name}": name for name in WITHOUT_EFFECT}
    differing = [
        f"{name} is {before[name]!r} in the run and {value!r} now"
        for name, value in now.items()
        if name in before and value != before[name] and name not in ("artifacts", *free)
    ]
    if differing:
        raise ValueError(
            f"{folder} cannot be resumed with other settings: {'; '.join(differing)}; "
            "leave them out, or start a new run without --resume"
        )
    anew = {free[name]: value for name, value in now.items() if name in free}
    if anew.get("workers") == 1:  # alone it goes on here, whoever ran its workers
        anew.setdefault("engine", "processes")
    fit = dataclasses.replace(stored.fit, **anew)
    fit.check_workers()
    return dataclasses.replace(stored, artifacts=artifacts, fit=fit)


def point_latest(folder: Path) -> None:
    """Make `latest` beside the run point at it; a user's own folder of that name is left alone."""
    if _is_foreign(folder.parent / LATEST):
        return
    with whole_file(folder.parent / LATEST) as link:
        link.symlink_to(folder.name, target_is_directory=True)


def _is_foreign(latest: Path) -> bool:
    return latest.is_dir() and not latest.is_symlink()
