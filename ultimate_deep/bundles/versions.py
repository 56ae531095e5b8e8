"""Which versions of what wrote a bundle."""

import importlib.metadata
import platform
import subprocess
from pathlib import Path

_LIBRARIES = (
    "ultimate-deep",
    "keras",
    "tensorflow",
    "numpy",
    "scipy",
    "pandas",
    "scikit-learn",
    "joblib",
    "h5py",
    "numba",
)


def library_versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries a bundle depends on."""
    import keras  # reading a manifest needs none

    versions = {"python": platform.python_version(), "keras_backend": keras.backend.backend()}
    return versions | {library: library_version(library) for library in _LIBRARIES}


def library_version(library: str) -> str:
    """Return the version of an installed library, and that it is not installed otherwise."""
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def git_revision(folder: Path | None = None) -> dict[str, str | bool]:
    """Return `{"commit", "modified"}` of the repository whose root is `folder`.

    Args:
        folder: Root of the code; by default the folder that holds this package.

    Returns:
        `commit` is "unknown" and `modified` false where the folder is not the root of a git
        checkout or git is absent. `modified` says whether tracked files differ from the commit.
    """
    root = (folder or Path(__file__).resolve().parents[2]).resolve()
    unknown: dict[str, str | bool] = {"commit": "unknown", "modified": False}
    try:
        # An installed package may lie inside somebody else's checkout: its commit is not ours.
        if Path(_git(root, "rev-parse", "--show-toplevel")).resolve() != root:
            return unknown
        commit = _git(root, "rev-parse", "HEAD")
        changes = _git(root, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.SubprocessError):
        return unknown
    return {"commit": commit, "modified": bool(changes)}


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments],
        capture_output=True,
        text=True,
        check=True,
        timeout=10,
    )
    return done.stdout.strip()
