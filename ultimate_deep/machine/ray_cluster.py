"""Ray where it is asked for: joined where a cluster is named, else started on this machine."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import signal
import socket
import threading
from collections.abc import Iterator
from typing import Any

ADDRESS = "RAY_ADDRESS"
INSTALL = 'pip install "ray>=2.50" (or the extra `ray`)'
_PATIENCE_SECONDS = 5.0
_QUIET: dict[str, Any] = {
    "log_to_driver": False,
    "logging_level": "ERROR",
    "configure_logging": True,
}


def check_ray(setting: str, instead: str) -> None:
    """Refuse what needs Ray where it is not installed, without loading it.

    Args:
        setting: What asks for it, for the message.
        instead: What does without.

    Raises:
        ValueError: It is not installed.
    """
    try:
        found = importlib.util.find_spec("ray") is not None
    except ImportError:
        found = False
    if not found:
        raise ValueError(
            f"{setting} needs Ray, which is not installed; {INSTALL}, or use {instead}"
        )


def load_ray() -> Any:
    """Return the module, which says nothing of actors that it starts anew: this package does."""
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    import ray

    return ray


def join_cluster(ray: Any, processors: int) -> bool:
    """Join the cluster that RAY_ADDRESS names, or start Ray on this machine.

    Args:
        ray: The module, once it is imported.
        processors: What Ray may hand out where it is started here.

    Returns:
        Whether there was no connection before, so that who calls ends it.

    Raises:
        ValueError: RAY_ADDRESS names no cluster that answers.
    """
    if ray.is_initialized():
        return False
    address = os.environ.get(ADDRESS, "")
    if address:
        _check_address(address)
    here: dict[str, Any] = {
        "address": "local", "num_cpus": processors, "include_dashboard": False,
    }  # fmt: skip
    with _handlers_kept():
        try:
            ray.init(**({} if address else here), **_QUIET)
        except (ConnectionError, ValueError, TimeoutError) as error:
            if not address:
                raise
            raise _no_cluster(address, str(error).partition("\n")[0]) from error
    return True


def _check_address(address: str) -> None:
    """Refuse an address at which nobody listens, for which Ray would wait for minutes.

    Raises:
        ValueError: Naming the variable, the address and what to do.
    """
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon:
        return  # a word, such as `auto`, which Ray knows or not
    if not host or not port.isdigit():
        raise _no_cluster(address, "it is no host:port")
    try:
        socket.create_connection((host, int(port)), _PATIENCE_SECONDS).close()
    except OSError as error:
        raise _no_cluster(address, str(error)) from error


def _no_cluster(address: str, why: str) -> ValueError:
    return ValueError(
        f"{ADDRESS} must name a cluster of Ray's that answers, got {address!r} ({why}); start one "
        f"with `ray start --head` and set {ADDRESS}=auto, or unset it: Ray then runs here"
    )


@contextlib.contextmanager
def _handlers_kept() -> Iterator[None]:
    """Leave SIGTERM to whom it belonged before the block: Ray takes it, and ends in a dump."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def joined_cluster(ray: Any, processors: int) -> Iterator[None]:
    """Be connected within the block; see `join_cluster`."""
    began = join_cluster(ray, processors)
    try:
        yield
    finally:
        if began:
            ray.shutdown()
