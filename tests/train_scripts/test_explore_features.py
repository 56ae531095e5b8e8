"""The feature report as its user starts it, in an empty folder."""

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[2] / "train_scripts" / "explore_features.py"


def _run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SCRIPT), *arguments],
        capture_output=True, text=True, timeout=300, cwd=folder,
    )  # fmt: skip


def test_newcomer_gets_a_report_of_simulated_bars(tmp_path):
    done = _run(
        tmp_path, "--data.simulated_rows", "2000",
        "--features.names", "[return_log_1, rsi_14, momentum_z_20, volume_surprise_z_20]",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    folders = list((tmp_path / "artifacts").iterdir())
    assert len(folders) == 1
    page = (folders[0] / "report.html").read_text()
    assert "Simulated bars.</b>" in page
    assert "the test part was not looked at" in page
    assert "(simulated bars)" in done.stdout
    assert str(folders[0].name) in done.stdout.replace("\n", "")


def test_missing_file_ends_with_one_line_and_leaves_nothing(tmp_path):
    done = _run(tmp_path, "--data.path", "absent.csv")
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert "absent.csv" in done.stderr
    assert not list(tmp_path.iterdir())
