"""Where is to be written is found out before; nothing is left behind."""

import io
import shutil

import pytest

from ultimate_deep.machine.home import HOME_VARIABLE, HomeError
from ultimate_deep.machine.places import (
    LEDGER_FILE,
    PlaceError,
    check_folder_named,
    check_name,
    check_places,
    check_room,
)


def test_what_can_be_written_is_left_as_it_is(tmp_path):
    check_places(artifacts=tmp_path / "new" / "deeper", output=tmp_path / "out.csv", ledger=False)
    assert not list(tmp_path.iterdir())
    (tmp_path / "out.csv").write_text("kept")
    check_places(artifacts=tmp_path, output=tmp_path / "out.csv", ledger=False)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["kept"]


def test_a_file_is_no_folder_and_a_folder_no_file(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(PlaceError, match=r"artifacts must be a folder, got .*, and it is a file"):
        check_places(artifacts=tmp_path / "file")
    with pytest.raises(PlaceError, match=r"got .*deeper, and .*file is a file; name another"):
        check_places(artifacts=tmp_path / "file" / "deeper")
    with pytest.raises(PlaceError, match="output must be a file, got the folder"):
        check_places(output=tmp_path)
    with pytest.raises(PlaceError, match=r"in a folder that exists, got .*; create .*absent"):
        check_places(output=tmp_path / "absent" / "x.csv")


def test_a_dangling_link_is_no_folder(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(PlaceError, match="artifacts must be a folder"):
        check_places(artifacts=tmp_path / "link")


def test_a_read_only_place_is_named(tmp_path, monkeypatch):
    """As on a read-only mount, where modes allow what the mount refuses."""

    def read_only(dir):
        raise OSError(30, "Read-only file system", str(dir))

    monkeypatch.setattr("ultimate_deep.machine.files.tempfile.TemporaryFile", read_only)
    with pytest.raises(PlaceError, match=r"deeper, and nothing can .* \(Read-only file system\);"):
        check_places(artifacts=tmp_path / "deeper")
    with pytest.raises(PlaceError, match=r"x\.csv, and nothing can .*--output"):
        check_places(output=tmp_path / "x.csv")


def test_a_full_place_is_named(tmp_path, monkeypatch):
    """As on a full disk, which takes a file's name and not what is in it."""

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("ultimate_deep.machine.files.os.fsync", full)
    with pytest.raises(PlaceError, match=r"\(No space left on device\); name another folder"):
        check_places(artifacts=tmp_path / "deeper")
    with pytest.raises(HomeError, match="No space left on device"):
        check_places()


def test_a_nearly_full_place_is_named_before_minutes_of_work(tmp_path, monkeypatch):
    monkeypatch.setattr("ultimate_deep.machine.files.tempfile.TemporaryFile", Nearly)
    with pytest.raises(PlaceError, match=r"\(No space left on device\); name another folder"):
        check_places(artifacts=tmp_path / "deeper")
    check_places(output=tmp_path / "x.csv")


class Nearly(io.FileIO):
    """A file on a disk that has room for half a megabyte."""

    def __init__(self, dir):
        super().__init__(dir / "tried", "w")
        (dir / "tried").unlink()

    def write(self, content):
        if len(content) > 500_000:
            raise OSError(28, "No space left on device")
        return super().write(content)


def test_room_is_asked_for_by_the_byte(tmp_path):
    free = shutil.disk_usage(tmp_path).free
    check_room(tmp_path / "new" / "deeper", free // 2)
    with pytest.raises(PlaceError, match=r"writes at least .* GB into .*new, and its disk has"):
        check_room(tmp_path / "new", 10 * free)


def test_the_ledgers_place_is_asked_for_too(tmp_path, monkeypatch):
    monkeypatch.setenv(HOME_VARIABLE, "relative")
    with pytest.raises(HomeError, match="absolute path"):
        check_places()
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path))
    (tmp_path / LEDGER_FILE).mkdir()
    with pytest.raises(HomeError, match=LEDGER_FILE):
        check_places()
    check_places(ledger=False)


@pytest.mark.parametrize("name", ["", "a/b", "a.b", "a b", "a\tb", "a[b", "a\0b", "a" * 201])
def test_a_name_that_no_folder_can_have_is_refused(name):
    with pytest.raises(ValueError, match="name becomes part of a folder's name"):
        check_name("name", name)
    check_name("name", "größe-3_x")


def test_a_folder_has_a_name():
    for folder in ("", "  ", "a\0b"):
        with pytest.raises(ValueError, match="artifacts must name a folder"):
            check_folder_named("artifacts", folder)
    check_folder_named("artifacts", ".")
