"""One net trained in cycles, each a run that starts from the last one's weights; they all vote."""

import dataclasses
from collections.abc import Callable, Sequence
from itertools import pairwise

from ultimate_deep.bundles.ensembles.combiner import EnsembleError
from ultimate_deep.experiments.learners.registry import learner_of
from ultimate_deep.pipeline.config import ExperimentConfig
from ultimate_deep.training.schedules.config import ScheduleConfig

CYCLE_EPOCHS, CYCLE_RATE_SHARE = 2, 0.5


def with_snapshots(
    configs: Sequence[ExperimentConfig], cycles: int, kind: str = "cosine"
) -> tuple[list[ExperimentConfig], dict[str, str]]:
    """Return the runs that members become, and from whose weights each starts, by name.

    What has no weights to go on with, such as trees, stays one run.

    Args:
        configs: Configurations of the members.
        cycles: Number of cycles of each net; 0 leaves all members as they are.
        kind: `cosine` or `geometric`, as `EnsembleConfig.snapshot_cycles` says.
    """
    if not cycles:
        return list(configs), {}
    runs: list[ExperimentConfig] = []
    follows: dict[str, str] = {}
    for config in configs:
        if not learner_of(config.model.name).goes_on:
            runs.append(config)
            continue
        chain = CHAINS[kind](config, cycles)
        follows |= {later.name: one.name for one, later in pairwise(chain)}
        runs += chain
    return runs, follows


def snapshot_configs(config: ExperimentConfig, cycles: int) -> tuple[ExperimentConfig, ...]:
    """Return the run of each cycle: the learning rate falls from its peak to zero and restarts.

    Each keeps its best epoch by validation, not its last one, and starts its optimizer afresh;
    in both this deviates from the source. A series lets each start from the one before.

    Args:
        config: Configuration of the whole training; its epochs are shared out, its schedule is not
            used.
        cycles: Number of cycles, at most the epochs.

    Raises:
        EnsembleError: Fewer than two cycles, or fewer epochs than cycles.

    Source: Huang, Li, Pleiss, Liu, Hopcroft & Weinberger (2017), arXiv:1704.00109, eq. 2.
    """
    fit = config.fit
    if cycles < 2 or fit.most_epochs < cycles:
        raise EnsembleError(
            f"snapshots need at least 2 cycles and one epoch each, got {cycles} cycles and "
            f"{fit.most_epochs} epochs; ask for fewer cycles or more epochs"
        )
    _check_course(config)
    schedule = ScheduleConfig(kind="cosine", warmup_share=0.0, floor_share=0.0)
    shared, more = divmod(fit.most_epochs, cycles)
    return tuple(
        dataclasses.replace(
            config,
            name=f"{config.name}_cycle_{cycle + 1}",
            seed=config.seed + cycle,
            fit=dataclasses.replace(
                fit,
                epochs=shared + (cycle < more),
                schedule=schedule,
                patience_epochs=0,
                # What was grown in the first cycle stays.
                growing_stages=fit.growing_stages if cycle == 0 else (),
            ),
        )
        for cycle in range(cycles)
    )


def geometric_configs(config: ExperimentConfig, cycles: int) -> tuple[ExperimentConfig, ...]:
    """Return a training of most of the epochs, and short cycles that start from its weights.

    Each cycle rises to half of the peak and falls again within two epochs; its best epoch by
    validation is a member, and so is the training before.

    Args:
        config: Configuration of the whole training, whose schedule the first run has.
        cycles: Number of cycles, of two epochs each.

    Raises:
        EnsembleError: No cycle, or too few epochs for any training before them.

    Source: Garipov et al. (2018), arXiv:1802.10026, alg. 1. Deviations: the best epoch of each
    cycle rather than its last step, and a fresh optimizer in each.
    """
    fit = config.fit
    first = fit.most_epochs - CYCLE_EPOCHS * cycles
    if cycles < 1 or first < 1:
        raise EnsembleError(
            f"geometric snapshots need {CYCLE_EPOCHS} epochs for each cycle and some before, got "
            f"{cycles} cycles and {fit.most_epochs} epochs; ask for fewer cycles or more epochs"
        )
    whole = dataclasses.replace(
        config, name=f"{config.name}_trained", fit=dataclasses.replace(fit, epochs=first)
    )
    _check_course(config)
    course = ScheduleConfig(kind="triangular", floor_share=0.01)
    return (
        whole,
        *(
            dataclasses.replace(
                config,
                name=f"{config.name}_cycle_{cycle + 1}",
                seed=config.seed + cycle + 1,
                fit=dataclasses.replace(
                    fit,
                    epochs=CYCLE_EPOCHS,
                    learning_rate=fit.peak_rate * CYCLE_RATE_SHARE,
                    schedule=course,
                    patience_epochs=0,
                    growing_stages=(),
                ),
            )
            for cycle in range(cycles)
        ),
    )


def _check_course(config: ExperimentConfig) -> None:
    """Refuse what says itself how long a fit is or how its rate moves."""
    fit, name = config.fit, config.name
    if fit.planned_epochs is not None:
        raise EnsembleError(
            f"snapshots share fit.epochs out among cycles, got fit.planned_epochs "
            f"{fit.planned_epochs} for {name}; leave it out"
        )
    if fit.optimizer == "schedule_free":
        raise EnsembleError(
            f"snapshots let the learning rate fall in every cycle, and {name} has fit.optimizer "
            "schedule_free, whose rate stays; choose another one"
        )


CHAINS: dict[str, Callable[[ExperimentConfig, int], tuple[ExperimentConfig, ...]]] = {
    "cosine": snapshot_configs,
    "geometric": geometric_configs,
}
