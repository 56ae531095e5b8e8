"""Runs that one command makes one after the other, and goes on with after an interruption."""

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from ultimate_deep.experiments.run import named_settings, resumed_config, run_experiment
from ultimate_deep.experiments.runs import new_run_folder
from ultimate_deep.machine.files import unfinished_folder, write_json
from ultimate_deep.machine.places import check_places
from ultimate_deep.pipeline.config import ExperimentConfig
from ultimate_deep.training.loop.plan import Planlike
from ultimate_deep.training.progress import Progress

SUFFIX = ".series.json"


@dataclass(frozen=True, eq=False)
class Series:
    """Runs on the way to what they are made for, such as an ensemble.

    Args:
        file: Tells which folder each run has or will have, until `close`.
        configs: Configurations of the runs, in order.
        folders: Folders of the runs that have been started, by name.
        follows: Name of the run from whose weights another starts, by that one's name.
    """

    file: Path
    configs: tuple[ExperimentConfig, ...]
    folders: dict[str, Path]
    follows: Mapping[str, str]

    def run(
        self, progress: Progress, *, confirm: Callable[[Planlike], bool] | None = None
    ) -> list[Path]:
        """Make every run that is not finished and return the folders of all.

        Args:
            progress: Told what happens.
            confirm: Shown the plan of each run before it trains.

        Raises:
            DeclinedError: `confirm` returned false; what is finished stays and can be resumed.
            Interrupted: Ctrl-C or SIGTERM; resume the series.
            ValueError: What a run refuses, or other settings than it was started with.
        """
        for number, config in enumerate(self.configs, start=1):
            progress.message(f"== {number} of {len(self.configs)}: {config.name}")
            try:
                self._run(self._following(config), progress, confirm)
            except Exception:
                if not any(map(_is_there, self.folders.values())):
                    self.close()  # nothing to go on with
                raise
        return [self.folders[config.name] for config in self.configs]

    def close(self) -> None:
        """Forget the series: what its runs were made for is there."""
        self.file.unlink(missing_ok=True)

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
        resume = folder is not None and unfinished_folder(folder).exists()
        if folder is None:
            folder = self.folders[config.name] = new_run_folder(config)
            self._keep()
        run_experiment(config, progress, confirm=confirm, resume=resume, folder=folder)

    def _keep(self) -> None:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        names = [config.name for config in self.configs]
        folders = {name: folder.name for name, folder in self.folders.items()}
        write_json(self.file, {"runs": names, "folders": folders})


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
        FileNotFoundError: Nothing to resume.
        ValueError: A name twice, or other runs than the series is of.
    """
    check_places(artifacts=artifacts)
    names = [config.name for config in configs]
    if twice := sorted({one for one in names if names.count(one) > 1}):
        raise ValueError(f"{', '.join(twice)} is named twice; give each member once")
    if not resume:
        stem = new_run_folder(dataclasses.replace(configs[0], name=name))
        return Series(stem.with_name(stem.name + SUFFIX), tuple(configs), {}, follows)
    found = list(Path(artifacts).glob(f"{name}-*{SUFFIX}"))
    if not found:
        raise FileNotFoundError(
            f"nothing to resume: no {name}-*{SUFFIX} in {artifacts}; start without --resume"
        )
    file = max(found, key=lambda path: path.stat().st_mtime_ns)
    kept = json.loads(file.read_text())
    if kept["runs"] != names:
        raise ValueError(
            f"{file} is of {', '.join(kept['runs'])}, got {', '.join(names)}; name the same "
            "members, or start anew without --resume"
        )
    folders = {one: file.parent / folder for one, folder in kept["folders"].items()}
    return Series(file, tuple(configs), folders, follows)
