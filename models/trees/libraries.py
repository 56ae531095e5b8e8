"""Tree libraries that need not be installed."""

import importlib
import importlib.util
from typing import Any

from ultimate_deep.models.trees.booster import TreeError


def is_installed(package: str) -> bool:
    """Return whether a library can be imported, without importing it."""
    return importlib.util.find_spec(package) is not None


def tree_library(package: str) -> Any:
    """Import an optional library by its name, which is its package's name too.

    Raises:
        TreeError: It is not installed.
    """
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise TreeError(
            f"{package} is not installed ({error}); run `pip install {package}`, or use "
            "hist_gradient_boosting, which needs nothing more"
        ) from error
