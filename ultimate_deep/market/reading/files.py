"""Which files a source of bars names; importable without pandas."""

from pathlib import Path

TEXT_SUFFIXES = (".csv", ".txt", ".tsv", ".dat", ".prn")
PACKED_SUFFIXES = (".zip", ".gz", ".gzip", ".bz2", ".xz", ".zst")
BINARY_SUFFIXES = (".parquet", ".pq", ".feather", ".arrow")
TABLE_SUFFIXES = (*TEXT_SUFFIXES, *PACKED_SUFFIXES, *BINARY_SUFFIXES)


def find_files(source: str | Path | list[str | Path]) -> list[Path]:
    """Return the files that a source names: itself, each of a list, or a folder's tables by name.

    Of a folder's own folders only those of a partitioned table are read, such as `symbol=AAA`.

    Raises:
        FileNotFoundError: When a path does not exist, or a folder holds no table.
    """
    if isinstance(source, list):
        if not source:
            raise FileNotFoundError("no files given: the list of sources is empty")
        return [file for path in source for file in find_files(path)]
    path = Path(source)
    if path.is_file():
        return [path]
    if path.exists() and not path.is_dir():
        raise FileNotFoundError(f"{path} is no regular file and no folder; name a file of bars")
    if not path.is_dir():
        raise FileNotFoundError(
            f"no file or folder at {path}; name one that is there, as seen from {Path.cwd()}"
        )
    files = sorted(_tables(path))
    if not files:
        folders = any(entry.is_dir() for entry in path.iterdir())
        deeper = "; its folders are not read: name one of them" if folders else ""
        raise FileNotFoundError(
            f"no table in the folder {path}: no file in it ends in "
            f"{', '.join(TABLE_SUFFIXES)}{deeper}"
        )
    return files


def partitions(path: Path) -> dict[str, str]:
    """Return what the folders above a file say of it, such as `{"symbol": "AAA"}`."""
    pairs = (folder.partition("=") for folder in path.parts[:-1] if "=" in folder)
    return {key.lower(): value for key, _, value in pairs}


def _tables(folder: Path) -> list[Path]:
    found = []
    for entry in folder.iterdir():
        if entry.name.startswith((".", "_", "~")):
            continue
        if entry.is_dir() and "=" in entry.name:
            found += _tables(entry)
        elif entry.is_file() and entry.suffix.lower() in TABLE_SUFFIXES:
            found.append(entry)
    return found
