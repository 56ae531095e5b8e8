"""How many tasks at a time, and what each may use, as a frozen dataclass."""

from dataclasses import dataclass
from typing import Literal

from ultimate_deep.machine.fields import check_fields
from ultimate_deep.machine.ray_cluster import check_ray

MOST = 1_024


@dataclass(frozen=True, kw_only=True)
class Workers:
    """Independent tasks side by side, in processes that stay warm between tasks.

    Results are the same for any number of workers, one included, to the bit; they may differ
    between numbers of threads, as sums that threads share do. That is why `threads` is a number
    and never a share of the machine.

    Args:
        count: Tasks at a time; 0 does one after the other in this process, with all its threads.
        threads: Threads of each task.
        engine: `processes` of this machine, by joblib; `ray`, tasks of Ray's: of this machine, or
            of the cluster that the environment variable RAY_ADDRESS names (`auto`, or its address).
    """

    count: int = 0
    threads: int = 1
    engine: Literal["processes", "ray"] = "processes"

    def __post_init__(self) -> None:
        check_fields(self, "workers")
        if not 0 <= self.count <= MOST:
            raise ValueError(
                f"workers must be from 0 to {MOST:,}, got {self.count}; use the number of "
                "cores, or 0 for none beside this process"
            )
        if self.engine == "ray" and not self.count:
            raise ValueError(
                "engine ray is for workers, got none; say how many, such as --workers 2"
            )
        if self.engine == "ray":
            check_ray("--engine ray", "--engine processes")
        if not 1 <= self.threads <= MOST:
            raise ValueError(
                f"worker_threads must be from 1 to {MOST:,}, got {self.threads}; 1 is usual"
            )

    @property
    def said(self) -> str:
        """What is said of them before they begin; empty where there are none."""
        if not self.count:
            return ""
        tasks = "one task" if self.count == 1 else f"{self.count} tasks"
        threads = "one thread" if self.threads == 1 else f"{self.threads} threads"
        where = " of Ray's" if self.engine == "ray" else ""
        return f"{tasks} at a time{where}, each on {threads}"
