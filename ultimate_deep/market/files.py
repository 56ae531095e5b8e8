"""Which files a source of bars names; importable without pandas."""

from pathlib import Path

TEXT_SUFFIXES = (".csv", ".txt", ".tsv")
TABLE_SUFFIXES = (*TEXT_SUFFIXES, ".parquet", ".pq", ".zip", ".gz")


def find_files(source: str | Path | list[str | Path]) -> list[Path]:
    """Return the files that a source names: itself, each of a list, or a folder's tables by name.

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
    if not path.is_dir():
        raise FileNotFoundError(f"no file or folder at {path}")
    files = sorted(file for file in path.iterdir() if file.suffix.lower() in TABLE_SUFFIXES)
    if not files:
        raise FileNotFoundError(
            f"no table in the folder {path}: no file in it ends in {', '.join(TABLE_SUFFIXES)}"
        )
    return files
