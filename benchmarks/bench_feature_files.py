"""Feature files of many symbols on one worker and on two: rows a second, and memory.

    python benchmarks/bench_feature_files.py                                  # half an hour, 30 GB
    python benchmarks/bench_feature_files.py --only '[daily]' --symbols 300

Cases:
    daily     3,000 symbols of 2,520 daily bars
    minutes   10 symbols of 1,000,000 minute bars

Bars are simulated once, written as Parquet into the system's temporary folder (TMPDIR names
another), and read by `ultimate-deep features --workers N` in a process of its own, whose memory and
that of its workers is sampled: the largest of the sums, and of any one worker. Files must be the
same bytes for one worker and two.

Expected on two idle cores: two workers write at least 1.7 times the rows of one, and a worker's
memory does not grow with the number of symbols. Writes
`benchmarks/results/feature_files_<machine>.csv`.
"""

import hashlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jsonargparse import ArgumentParser

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    # Run as a script, Python looks in this file's folder, not in the project's.
    sys.path.insert(0, str(ROOT))

from benchmarks.depth.process import process_kib  # noqa: E402
from benchmarks.tables import RESULTS, machine_name, write_table  # noqa: E402

# Symbols, bars of each, and the length of a bar.
CASES = {"daily": (3_000, 2_520, "1D"), "minutes": (10, 1_000_000, "1min")}
WORKERS = (1, 2)
SAMPLED_SECONDS = 0.2


def measure(name: str, symbols: int, bars: int, interval: str) -> list[dict[str, Any]]:
    """Write the features of so many symbols with each number of workers."""
    found = []
    with tempfile.TemporaryDirectory() as place:
        source = Path(place) / "bars"
        write_bars(source, symbols, bars, interval)
        for workers in WORKERS:
            output = Path(place) / f"features_{workers}"
            command = [
                sys.executable, "-m", "ultimate_deep", "features", "--data.path", str(source),
                "--output", str(output), "--workers", str(workers),
            ]  # fmt: skip
            began = time.perf_counter()
            together, largest = watched(command)
            seconds = time.perf_counter() - began
            found.append(
                {
                    "case": name,
                    "symbols": symbols,
                    "bars": bars,
                    "workers": workers,
                    "seconds": seconds,
                    "rows_per_second": symbols * bars / seconds,
                    "file_gb": sum(one.stat().st_size for one in output.glob("*.parquet")) / 1e9,
                    "all_mib": together,
                    "largest_worker_mib": largest,
                    "digest": digest_of(output),
                }
            )
            print(found[-1], flush=True)
            for path in output.glob("*.parquet"):
                path.unlink()
    return found


def write_bars(folder: Path, symbols: int, bars: int, interval: str) -> None:
    """Write random walks as one Parquet file for each symbol."""
    folder.mkdir()
    times = pd.date_range("2016-01-04", periods=bars, freq=interval, tz="UTC")
    for number in range(symbols):
        draws = np.random.default_rng(number)
        close = 100.0 * np.exp(np.cumsum(draws.normal(0.0, 0.01, bars)))
        opens = np.concatenate([[100.0], close[:-1]])
        reach = 1.0 + np.abs(draws.normal(0.0, 0.004, (2, bars)))
        frame = pd.DataFrame(
            {
                "timestamp": times,
                "open": opens,
                "high": np.maximum(opens, close) * reach[0],
                "low": np.minimum(opens, close) / reach[1],
                "close": close,
                "volume": draws.lognormal(10.0, 0.5, bars),
            }
        )
        frame.to_parquet(folder / f"SYM{number:04d}.parquet", index=False)


def watched(command: Sequence[str]) -> tuple[float, float]:
    """Run a command; return the peaks in MiB of its processes together and of its largest child.

    Pages that several share are counted for each.
    """
    together = largest = 0.0
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=ROOT)
    while process.poll() is None:
        children = _children_of(process.pid)
        sizes = [_resident(pid) for pid in children]
        together = max(together, _resident(process.pid) + sum(sizes))
        largest = max([largest, *sizes])
        time.sleep(SAMPLED_SECONDS)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with status {process.returncode}")
    return together, largest


def digest_of(folder: Path) -> str:
    """Return one digest of all files' bytes."""
    digest = hashlib.blake2b(digest_size=8)
    for path in sorted(folder.glob("*.parquet")):
        digest.update(path.name.encode())
        with path.open("rb") as file:
            while block := file.read(2**24):
                digest.update(block)
    return digest.hexdigest()


def _children_of(parent: int) -> list[int]:
    found, asked = [], [parent]
    while asked:
        try:
            text = Path(f"/proc/{asked[0]}/task/{asked[0]}/children").read_text()
        except OSError:  # it has ended
            text = ""
        below = [int(word) for word in text.split()]
        found += below
        asked = asked[1:] + below
    return found


def _resident(pid: int) -> float:
    try:
        return process_kib("VmRSS", pid) / 2**10
    except (OSError, ValueError, StopIteration):  # it has ended
        return 0.0


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print and store each case."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--only", type=list[str], default=[], help="cases; all where empty")
    parser.add_argument("--symbols", type=int, help="instead of the case's own number")
    parser.add_argument("--bars", type=int, help="of each, instead of the case's own number")
    parser.add_argument("--folder", type=Path, default=RESULTS, help="where the table is kept")
    given = parser.parse_args(arguments)
    if unknown := sorted(set(given.only) - set(CASES)):
        parser.error(f"no case is called {unknown[0]!r}; there are {', '.join(CASES)}")
    os.environ["PYTHONPATH"] = str(ROOT)
    rows = []
    for name in given.only or CASES:
        symbols, bars, interval = CASES[name]
        rows += measure(name, given.symbols or symbols, given.bars or bars, interval)
    table = pd.DataFrame(rows)
    write_table(table, given.folder / f"feature_files_{machine_name()}.csv")
    print(table.to_string(index=False), flush=True)


if __name__ == "__main__":
    main()
