"""Runs that one command makes one after the other, and goes on with after an interruption."""

import contextlib
import dataclasses
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self, TextIO

from ultimate_deep.experiments.learners.registry import learner_of
from ultimate_deep.experiments.run import DeclinedError, run_experiment, train_ahead
from ultimate_deep.experiments.runs import (
    finished_sentence,
    name_of,
    named_settings,
    new_run_folder,
    resumed_config,
    tidy,
)
from ultimate_deep.machine.files import (
    FinishedError,
    ForeignFileError,
    read_json,
    unfinished_folder,
    write_json,
    write_new_json,
)
from ultimate_deep.machine.locks import FolderLock, TakenError
from ultimate_deep.machine.places import check_places
from ultimate_deep.machine.side_by_side.tasks import side_by_side
from ultimate_deep.machine.side_by_side.workers import Workers
from ultimate_deep.pipeline.config import ExperimentConfig
from ultimate_deep.training.backend import load_backend_once
from ultimate_deep.training.loop.plan import Planlike
from ultimate_deep.training.progress import LineProgress, Progress

SUFFIX = ".series.json"


@dataclass(frozen=True, eq=False)
class Series:
    """Runs on the way to what they are made for, such as an ensemble.

    Args:
        file: Tells which folder each run has or will have, until `close`.
        configs: Configurations of the runs, in order.
        folders: Folders of the runs that have been started, by name.
        follows: Name of the run from whose weights another starts, by that one's name.
        lock: Held until `close`, or the end of the `with` that the series was opened in.
    """

    file: Path
    configs: tuple[ExperimentConfig, ...]
    folders: dict[str, Path]
    follows: Mapping[str, str]
    lock: FolderLock

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.lock.release()

    def run(
        self,
        progress: Progress,
        *,
        confirm: Callable[[Planlike], bool] | None = None,
        workers: Workers = Workers(),
    ) -> list[Path]:
        """Make every run that is not finished and return the folders of all.

        With workers, nets that follow no other are trained side by side first. All are judged one
        after the other, in order, since a verdict counts those before it.

        Args:
            progress: Told what happens.
            confirm: Shown the plan of each run before it trains; of those that are trained side by
                side, one plan for all.
            workers: How many are trained at a time.

        Raises:
            DeclinedError: `confirm` returned false; what is finished stays and can be resumed.
            Interrupted: Ctrl-C or SIGTERM; resume the series.
            ValueError: What a run refuses, or other settings than it was started with.
        """
        ahead: set[str] = set()
        if workers.count:
            ahead = self._train_ahead(progress, confirm, workers)
        for number, config in enumerate(self.configs, start=1):
            progress.message(f"== {number} of {len(self.configs)}: {config.name}")
            asked = None if config.name in ahead else confirm
            try:
                self._run(self._following(config), progress, asked)
            except BaseException as error:
                self.lock.release()
                if isinstance(error, Exception) and not any(map(_is_there, self.folders.values())):
                    self.close()  # nothing to go on with
                raise
        return [self.folders[config.name] for config in self.configs]

    def _train_ahead(
        self,
        progress: Progress,
        confirm: Callable[[Planlike], bool] | None,
        workers: Workers,
    ) -> set[str]:
        """Train side by side what can be; return the names of these runs."""
        able = [
            config
            for config in self.configs
            if config.name not in self.follows
            and learner_of(config.model.name).goes_on
            and not (config.name in self.folders and self.folders[config.name].exists())
        ]
        names = [config.name for config in able]
        if len(able) < 2:
            return set()
        try:
            if confirm is not None and not confirm(SeriesPlan(names, workers)):
                raise DeclinedError
            for config in able:
                if config.name not in self.folders:
                    self.folders[config.name] = new_run_folder(config)
            self._keep()
            side_by_side(
                _train, [(config, self.folders[config.name]) for config in able], workers,
                make=_nothing, given=None, ready=load_backend_once,
                names=names, say=progress.message,
                done=lambda number, _: progress.message(f"{names[number]} is trained"),
            )  # fmt: skip
        except BaseException:
            self.lock.release()
            raise
        return set(names)

    def close(self) -> None:
        """Forget the series: what its runs were made for is there."""
        _lock_file(self.file).unlink(missing_ok=True)
        self.file.unlink(missing_ok=True)
        self.lock.release()

    def keep_result(self, folder: Path) -> None:
        """Note the folder of what the runs are made for, before it appears."""
        self._keep(folder.name)

    def _following(self, config: ExperimentConfig) -> ExperimentConfig:
        if config.name not in self.follows:
            return config
        before = str(self.folders[self.follows[config.name]])
        return dataclasses.replace(
            config, model=dataclasses.replace(config.model, start_from=before)
        )

    def _run(
        self,
        config: ExperimentConfig,
        progress: Progress,
        confirm: Callable[[Planlike], bool] | None,
    ) -> None:
        folder = self.folders.get(config.name)
        if folder is not None and folder.exists():
            named = named_settings(config)
            resumed_config(folder, named, artifacts=config.artifacts)
            progress.message(f"{folder} is finished")
            return
        if folder is not None and unfinished_folder(folder).exists():
            run_experiment(config, progress, confirm=confirm, resume=True, folder=folder)
            return
        while True:
            folder = self.folders[config.name] = new_run_folder(config)
            self._keep()
            try:
                run_experiment(config, progress, confirm=confirm, folder=folder)
                return
            except TakenError:  # by a run that was planned at the same time
                progress.message(f"{folder} was taken meanwhile: another name is chosen")

    def _keep(self, result: str = "") -> None:
        names = [config.name for config in self.configs]
        write_json(self.file, _kept(names, self.folders, result))


@dataclass(frozen=True)
class SeriesPlan:
    """What is shown before several runs train side by side.

    Args:
        names: Names of the runs.
        workers: How many at a time.
    """

    names: Sequence[str]
    workers: Workers

    @property
    def model(self) -> str:
        """What they are, together."""
        return f"{len(self.names)} runs"

    def lines(self) -> dict[str, str]:
        """Return the plan as plain text by heading."""
        return {
            "runs": ", ".join(self.names),
            "trained": f"{self.workers.said}; judged one after the other",
        }


def _nothing(given: object) -> object:
    return given


def _train(own: object, case: tuple[ExperimentConfig, Path], lines: TextIO) -> None:
    config, folder = case
    train_ahead(config, folder, LineProgress(lines))


def _is_there(folder: Path) -> bool:
    return folder.exists() or unfinished_folder(folder).exists()


def open_series(
    name: str,
    artifacts: str,
    configs: Sequence[ExperimentConfig],
    *,
    follows: Mapping[str, str] = MappingProxyType({}),
    resume: bool = False,
) -> Series:
    """Begin a series of runs, or go on with the newest unfinished one of that name.

    Args:
        name: Name of what the runs are made for.
        artifacts: Folder of the runs, the same as in `configs`.
        configs: Configurations, each of another name.
        follows: Name of the run, earlier in `configs`, from whose weights another starts, by
            that one's name.
        resume: Whether to go on with the series of that name; the names must be those it has.

    Raises:
        FinishedError: What the runs were made for is finished.
        FileNotFoundError: Nothing to resume.
        LockedError: A living process makes these runs.
        ValueError: A name twice, or other runs than the series is of.
    """
    check_places(artifacts=artifacts)
    names = [config.name for config in configs]
    if twice := sorted({one for one in names if names.count(one) > 1}):
        raise ValueError(f"{', '.join(twice)} is named twice; give each member once")
    if not resume:
        file = _new_file(dataclasses.replace(configs[0], name=name), names)
        lock = FolderLock.taken(file.parent, file=_lock_file(file).name, what=file)
        return Series(file, tuple(configs), {}, follows, lock)
    file, kept = _newest(Path(artifacts), name)
    lock = FolderLock.taken(file.parent, file=_lock_file(file).name, what=file)
    try:
        if kept["runs"] != names:
            raise ValueError(
                f"{file} is of {', '.join(kept['runs'])}, got {', '.join(names)}; name the same "
                "members, or start anew without --resume"
            )
        folders = {one: file.parent / folder for one, folder in kept["folders"].items()}
        series = Series(file, tuple(configs), folders, follows, lock)
        if (made := kept.get("result")) and (file.parent / made).is_dir():
            tidy(file.parent)
            series.close()
            raise FinishedError(finished_sentence(file.parent / made))
    except BaseException:
        lock.release()
        raise
    return series


def _new_file(config: ExperimentConfig, names: Sequence[str]) -> Path:
    """Make the file of a series appear; two that start in one second have one each."""
    stem = new_run_folder(config)
    stem.parent.mkdir(parents=True, exist_ok=True)
    for number in itertools.count(1):
        told = f"-{number}" if number > 1 else ""
        file = stem.with_name(f"{stem.name}{told}{SUFFIX}")
        with contextlib.suppress(FileExistsError):
            write_new_json(file, _kept(names, {}))
            break
    return file


def _kept(names: Sequence[str], folders: Mapping[str, Path], result: str = "") -> dict[str, Any]:
    """Return what the file of a series says."""
    placed = {name: folder.name for name, folder in folders.items()}
    return {"runs": list(names), "folders": placed, "result": result}


def _lock_file(file: Path) -> Path:
    return file.with_name(f".{file.name}.lock")


def _newest(artifacts: Path, name: str) -> tuple[Path, dict[str, Any]]:
    """Return the newest series of that very name, and what its file says."""
    found: list[tuple[int, Path, dict[str, Any]]] = []
    for file in artifacts.glob(f"*{SUFFIX}"):
        try:
            kept = read_json(file)
            if name_of(file.name.removesuffix(SUFFIX)) == name and {"runs", "folders"} <= {*kept}:
                found.append((file.stat().st_mtime_ns, file, kept))
        except (OSError, ForeignFileError, TypeError):
            continue  # another program's file, or one that was only begun
    if not found:
        raise FileNotFoundError(
            f"nothing to resume: no {name}-*{SUFFIX} in {artifacts}; start without --resume"
        )
    _, file, kept = max(found, key=lambda one: one[:2])
    return file, kept
