"""The user's own folder: the same one from everywhere, and never the real one in a test."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ultimate_deep.machine.home import (
    HOME_VARIABLE,
    HomeError,
    home_file,
    home_folder,
    shown_path,
)

PRINT = "from ultimate_deep.machine.home import home_folder; print(home_folder())"


def test_the_folder_is_what_was_named_or_the_systems(tmp_path, monkeypatch):
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "named"))
    assert home_folder() == tmp_path / "named"
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv(HOME_VARIABLE, "~/mine")
    assert home_folder() == tmp_path / "mine"
    monkeypatch.delenv(HOME_VARIABLE)
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    if sys.platform == "linux":
        assert home_folder() == tmp_path / ".local" / "share" / "ultimate-deep"
        monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
        assert home_folder() == tmp_path / "data" / "ultimate-deep"
    assert home_folder().is_relative_to(tmp_path) or sys.platform == "win32"
    assert not list(tmp_path.iterdir())  # asking writes nothing


def test_a_relative_folder_is_refused_with_the_one_that_it_would_be(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(HOME_VARIABLE, "mine")
    with pytest.raises(HomeError, match=r"absolute path.*got 'mine'") as refused:
        home_file("ledger.sqlite")
    assert not list(tmp_path.iterdir())
    _, _, remedy = str(refused.value).rpartition(f"{HOME_VARIABLE}=")
    monkeypatch.setenv(HOME_VARIABLE, remedy)
    assert home_file("ledger.sqlite") == tmp_path / "mine" / "ledger.sqlite"


def _is_a_file(folder: Path) -> None:
    folder.write_text("")


def _lies_in_a_file(folder: Path) -> None:
    folder.parent.rmdir()
    folder.parent.write_text("")


def _holds_a_folder_of_that_name(folder: Path) -> None:
    (folder / "ledger.sqlite").mkdir(parents=True)


@pytest.mark.parametrize(
    "spoil", [_is_a_file, _lies_in_a_file, _holds_a_folder_of_that_name], ids=lambda f: f.__name__
)
def test_a_folder_that_cannot_be_written_is_named_with_what_helps(tmp_path, monkeypatch, spoil):
    folder = tmp_path / "above" / "home"
    folder.parent.mkdir()
    spoil(folder)
    monkeypatch.setenv(HOME_VARIABLE, str(folder))
    helps = "move it away, or set" if folder.is_dir() else "set"
    with pytest.raises(HomeError, match=f"{folder}.*; {helps} {HOME_VARIABLE}"):
        home_file("ledger.sqlite")
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "another"))
    assert home_file("ledger.sqlite").parent.is_dir()


def test_a_read_only_folder_is_named_too(tmp_path, monkeypatch):
    """As in a container whose root is read-only, where modes allow what the mount refuses."""

    def read_only(dir: Path) -> None:
        raise OSError(30, "Read-only file system", str(dir))

    monkeypatch.setattr("ultimate_deep.machine.files.tempfile.TemporaryFile", read_only)
    with pytest.raises(HomeError, match=f"Read-only file system.*set {HOME_VARIABLE}"):
        home_file("ledger.sqlite")


def test_a_file_that_is_there_is_left_as_it_is(home):
    home.mkdir()
    (home / "ledger.sqlite").write_text("kept")
    before = (home / "ledger.sqlite").stat()
    assert home_file("ledger.sqlite").read_text() == "kept"
    assert (home / "ledger.sqlite").stat().st_mtime_ns == before.st_mtime_ns
    assert [path.name for path in home.iterdir()] == ["ledger.sqlite"]


def test_paths_are_shown_as_people_write_them(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert shown_path(tmp_path / "a" / "b") == os.path.join("~", "a", "b")
    assert shown_path(tmp_path.parent / "c") == str(tmp_path.parent / "c")
    monkeypatch.setenv("HOME", os.sep)
    monkeypatch.setenv("USERPROFILE", os.sep)
    assert shown_path(tmp_path) == str(tmp_path)


@pytest.fixture(scope="module")
def of_the_file() -> Path:
    """What a fixture that several tests share would write into."""
    home_file("mark").write_text("of the file's fixtures")
    return home_folder()


def test_no_test_its_fixtures_or_subprocesses_see_the_real_folder(of_the_file, home, monkeypatch):
    monkeypatch.delenv(HOME_VARIABLE)
    real = home_folder()
    monkeypatch.undo()
    done = subprocess.run(
        [sys.executable, "-c", PRINT], capture_output=True, text=True, check=True, timeout=60
    )
    assert home_folder() == home == Path(done.stdout.strip())
    assert len({real, home, of_the_file}) == 3
    assert not home.is_relative_to(real)
    assert not of_the_file.is_relative_to(real)


@pytest.mark.parametrize("time", [1, 2])
def test_a_test_starts_as_the_files_fixtures_left_it_and_sees_no_other_test(of_the_file, time):
    assert home_folder() != of_the_file
    assert [path.name for path in home_folder().iterdir()] == ["mark"]
    home_file(f"of test {time}").write_text("")
    home_file("mark").write_text("changed")
    assert (of_the_file / "mark").read_text() == "of the file's fixtures"


def test_a_pipe_in_place_of_a_file_is_refused_and_not_waited_for(tmp_path, monkeypatch):
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path))
    os.mkfifo(tmp_path / "ledger.sqlite")
    with pytest.raises(HomeError, match=r"got a pipe or a device; move it away, or set"):
        home_file("ledger.sqlite")
