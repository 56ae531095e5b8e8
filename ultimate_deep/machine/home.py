"""The user's own folder: what belongs to no single run, and is found from wherever one stands."""

import os
from pathlib import Path

from platformdirs import user_data_path

from ultimate_deep.machine.files import try_writing

HOME_VARIABLE = "ULTIMATE_DEEP_HOME"
_NAME = "ultimate-deep"


class HomeError(ValueError):
    """The user's folder is named by a relative path, or cannot be written."""


def home_folder() -> Path:
    """Return the user's folder, which need not be there yet.

    `$ULTIMATE_DEEP_HOME` where that is set; else where the system keeps a user's data: on Linux
    `$XDG_DATA_HOME/ultimate-deep` or `~/.local/share/ultimate-deep`, on macOS
    `~/Library/Application Support/ultimate-deep`, on Windows `%LOCALAPPDATA%\\ultimate-deep`.

    Raises:
        HomeError: The path is relative: it would be another folder from another one.
    """
    named = os.environ.get(HOME_VARIABLE, "")
    folder = Path(os.path.expanduser(named)) if named else user_data_path(_NAME, appauthor=False)
    if not folder.is_absolute():
        raise HomeError(
            f"the user's folder must be an absolute path, so that it is the same one from "
            f"everywhere, got {str(folder)!r}; set {HOME_VARIABLE}={folder.absolute()}"
        )
    return folder


def home_file(name: str) -> Path:
    """Return the path of a file in the user's folder that can be written; creates the folder.

    Raises:
        HomeError: The folder or the file cannot be written, or the path is relative.
    """
    folder = home_folder()
    path = folder / name
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try_writing(path.parent)
        if path.exists():
            if not path.is_file():  # opening a pipe would wait for ever
                what = "a folder" if path.is_dir() else "a pipe or a device"
                raise HomeError(
                    f"{path} must be a file that can be written, got {what}; move it away, or set "
                    f"{HOME_VARIABLE} to the absolute path of another folder"
                )
            with path.open("ab"):
                pass
    except OSError as error:
        raise HomeError(
            f"{path} must be a file that can be written, got {error}; set {HOME_VARIABLE} to the "
            "absolute path of a folder that can be written and that is kept, such as a mounted "
            "volume"
        ) from error
    return path


def shown_path(path: Path) -> str:
    """Return a path as people write it: the user's home directory is `~`."""
    home = Path(os.path.expanduser("~"))
    if home.is_absolute() and home != Path(home.anchor) and path.is_relative_to(home):
        return str("~" / path.relative_to(home))
    return str(path)
