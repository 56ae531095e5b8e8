"""Ray where it is asked for: joined where a cluster is named, else started on this machine."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any

ADDRESS = "RAY_ADDRESS"
INSTALL = 'pip install "ray>=2.50" (or the extra `ray`)'
_QUIET: dict[str, Any] = {
    "log_to_driver": False,
    "logging_level": "ERROR",
    "configure_logging": True,
}


def load_ray(setting: str, instead: str) -> Any:
    """Return the module.

    Args:
        setting: What asks for it, for the message.
        instead: What does without.

    Raises:
        RuntimeError: It is not installed.
    """
    try:
        import ray
    except ImportError as error:
        raise RuntimeError(
            f"{setting} needs Ray, which is not installed; {INSTALL}, or use {instead}"
        ) from error
    return ray


def join_cluster(ray: Any, processors: int) -> bool:
    """Join the cluster that RAY_ADDRESS names, or start Ray on this machine.

    Args:
        ray: The module, once it is imported.
        processors: What Ray may hand out where it is started here.

    Returns:
        Whether there was no connection before, so that who calls ends it.
    """
    if ray.is_initialized():
        return False
    if os.environ.get(ADDRESS):
        ray.init(**_QUIET)
    else:
        ray.init(address="local", num_cpus=processors, include_dashboard=False, **_QUIET)
    return True


@contextlib.contextmanager
def joined_cluster(ray: Any, processors: int) -> Iterator[None]:
    """Be connected within the block; see `join_cluster`."""
    began = join_cluster(ray, processors)
    try:
        yield
    finally:
        if began:
            ray.shutdown()
