import ast
import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ultimate_deep.machine.files import (
    ForeignFileError,
    finish_folder,
    flush_to_disk,
    read_json,
    remove_drafts,
    remove_folder,
    unfinished_folder,
    whole_file,
    whole_folder,
    write_json,
    write_new_json,
    write_text,
)

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ("ultimate_deep", "models", "features", "train_scripts", "benchmarks")
# Renames that finish no draft, each with its reason.
RENAMES = {
    "ultimate_deep/machine/files.py": "the one home of drafts",
    "ultimate_deep/machine/locks.py": "a new folder appears filled and locked",
    "ultimate_deep/training/loop/checkpoint.py": "a whole checkpoint makes room for the next",
}
MOVES = {("os", "replace"), ("os", "rename"), ("os", "renames"), ("shutil", "move")}


def test_a_file_appears_when_its_block_ends_and_nothing_else_stays(tmp_path):
    path = tmp_path / "figures.csv"
    path.write_text("before")
    with whole_file(path) as draft:
        assert draft.parent == tmp_path
        assert not draft.exists()
        draft.write_text("after")
        assert path.read_text() == "before"
    assert path.read_text() == "after"
    assert os.listdir(tmp_path) == ["figures.csv"]


def _write_half(path, stop):
    with whole_file(path) as draft:
        draft.write_text("half")
        raise stop


def _fill_half(folder, draft):
    with whole_folder(folder, draft) as given:
        assert given == draft
        (given / "a").write_text("1")
        raise ValueError("stop")


@pytest.mark.parametrize("stop", [ValueError, KeyboardInterrupt])
def test_a_block_that_raises_leaves_the_file_as_it_was(tmp_path, stop):
    path = tmp_path / "figures.csv"
    path.write_text("before")
    with pytest.raises(stop):
        _write_half(path, stop)
    assert path.read_text() == "before"
    assert os.listdir(tmp_path) == ["figures.csv"]


def test_threads_that_write_one_file_do_not_mix(tmp_path):
    path = tmp_path / "state.txt"
    path.write_text("0" * 1000)
    texts = [str(number) * 1000 for number in range(4)]

    def write(text):
        for _ in range(50):
            write_text(path, text)
            assert path.read_text() in texts

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(write, text) for text in texts]:
            done.result()
    assert path.read_text() in texts
    assert os.listdir(tmp_path) == ["state.txt"]


def test_a_folder_that_is_not_there_and_a_folder_for_a_file_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"got .*absent; create it first"):
        write_text(tmp_path / "absent" / "a.txt", "x")
    with pytest.raises(IsADirectoryError, match="is a folder; name a file in it"):
        write_text(tmp_path, "x")


def test_who_could_read_a_file_still_can_and_nobody_else(tmp_path):
    path = tmp_path / "own.txt"
    path.write_text("1")
    path.chmod(0o600)
    write_text(path, "2")
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_block_that_wrote_nothing_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError), whole_file(tmp_path / "figures.csv"):
        pass
    assert not os.listdir(tmp_path)


def test_a_link_is_moved_whole_too(tmp_path):
    link = tmp_path / "latest"
    for name in ("first", "second"):
        with whole_file(link) as draft:
            draft.symlink_to(name)
        assert os.readlink(link) == name
    assert os.listdir(tmp_path) == ["latest"]


def test_what_a_killed_writer_left_is_found_again(tmp_path):
    kept = tmp_path / "table.part"
    kept.write_text("a user's own")
    with whole_file(tmp_path / "a.b.npy") as draft:
        draft.write_text("whole")
        left = draft.with_name(draft.name.replace(str(os.getpid()), "1"))
        left.write_text("half")
    assert left.exists()
    remove_drafts(tmp_path)
    assert sorted(os.listdir(tmp_path)) == ["a.b.npy", "table.part"]


def test_json_is_strict(tmp_path):
    path = tmp_path / "figures.json"
    write_json(path, {"share": 0.5, "name": "é"})
    assert json.loads(path.read_text()) == {"share": 0.5, "name": "é"}
    assert path.read_bytes() == b'{\n  "share": 0.5,\n  "name": "\\u00e9"\n}\n'
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(path, {"share": float("nan")})
    assert os.listdir(tmp_path) == ["figures.json"]


@pytest.mark.timeout(60)
def test_json_that_anybody_may_have_left_is_read_or_refused_by_name(tmp_path):
    path = tmp_path / "file.json"
    path.write_text('{"a": 1}')
    assert read_json(path) == {"a": 1}
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "deep").write_text("[" * 100_000)
    (tmp_path / "many").write_text(f"[{'[],' * 990_000}0]")
    (tmp_path / "bytes").write_bytes(b"\xff")
    (tmp_path / "loop").symlink_to("loop")
    before = len(os.listdir("/proc/self/fd"))
    for name, said in (
        ("folder", "is a folder"),
        ("pipe", "is no regular file"),
        ("deep", "is too much to be read: it nests"),
        ("many", "is too much to be read: its values"),
        ("bytes", "holds no JSON"),
        ("loop", "cannot be read"),
    ):
        with pytest.raises(ForeignFileError, match=f"{name} {said}"):
            read_json(tmp_path / name)
    with pytest.raises(FileNotFoundError):
        read_json(tmp_path / "absent")
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_new_file_is_written_once(tmp_path):
    write_new_json(tmp_path / "a.json", {"a": 1})
    with pytest.raises(FileExistsError):
        write_new_json(tmp_path / "a.json", {"a": 2})
    assert read_json(tmp_path / "a.json") == {"a": 1}
    assert os.listdir(tmp_path) == ["a.json"]


def test_a_folder_disappears_at_once_and_then_whole(tmp_path, monkeypatch):
    (tmp_path / "run" / "deep").mkdir(parents=True)
    monkeypatch.setattr("ultimate_deep.machine.files.shutil.rmtree", lambda *_, **__: None)
    remove_folder(tmp_path / "run")
    (left,) = os.listdir(tmp_path)
    assert left.startswith(".")
    assert left.endswith(".removed")
    monkeypatch.undo()
    (tmp_path / "run").mkdir()
    remove_folder(tmp_path / "run")
    assert os.listdir(tmp_path) == [left]


def test_a_text_that_names_a_file_in_another_encoding_is_written(tmp_path):
    name = os.fsdecode(b"b\xe4r")
    write_text(tmp_path / "a.txt", f"{name} and ü")
    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == "b\\udce4r and ü"


def test_text_is_utf8(tmp_path):
    write_text(tmp_path / "page.html", "é\n")
    assert (tmp_path / "page.html").read_bytes() == "é\n".encode()


def test_a_flushed_file_can_be_read_before_it_is_closed(tmp_path):
    path = tmp_path / "journal"
    with path.open("w") as file:
        file.write("line")
        flush_to_disk(file)
        assert path.read_text() == "line"


def test_a_folder_appears_when_its_block_ends(tmp_path):
    folder = tmp_path / "deep" / "run"
    with whole_folder(folder) as draft:
        assert draft == unfinished_folder(folder)
        (draft / "a").write_text("1")
        assert not folder.exists()
    assert os.listdir(folder) == ["a"]
    assert os.listdir(folder.parent) == ["run"]


def test_a_folder_whose_block_raises_leaves_nothing(tmp_path):
    elsewhere = tmp_path / ".draft"
    with pytest.raises(ValueError, match="stop"):
        _fill_half(tmp_path / "run", elsewhere)
    assert not os.listdir(tmp_path)


def test_an_unfinished_folder_of_another_is_not_touched(tmp_path):
    folder = tmp_path / "run"
    unfinished_folder(folder).mkdir()
    with pytest.raises(FileExistsError), whole_folder(folder):
        raise AssertionError("never reached")
    assert unfinished_folder(folder).is_dir()


def test_a_finished_folder_has_no_drafts(tmp_path):
    folder = tmp_path / "run"
    unfinished_folder(folder).mkdir()
    (unfinished_folder(folder) / ".a.npy.1.part").write_text("half")
    (unfinished_folder(folder) / "a").write_text("1")
    finish_folder(folder)
    assert os.listdir(folder) == ["a"]


def _moves(path: Path) -> list[str]:
    """Lines of a file that move a file or a folder into another's place."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if (
            isinstance(node, ast.ImportFrom)
            and {(node.module, name.name) for name in node.names} & MOVES
        ):
            found.append(f"{path}:{node.lineno}")
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        owner = node.func.value
        moves = isinstance(owner, ast.Name) and (owner.id, node.func.attr) in MOVES
        # `str.replace` takes two arguments, `dataclasses.replace` and `datetime.replace` keywords.
        path_moves = node.func.attr == "replace" and len(node.args) == 1 and not node.keywords
        if moves or path_moves:
            found.append(f"{path}:{node.lineno}")
    return found


def test_files_are_moved_into_place_in_one_room():
    places = [
        place
        for name in SOURCES
        for path in sorted((ROOT / name).rglob("*.py"))
        if str(path.relative_to(ROOT)) not in RENAMES
        for place in _moves(path)
    ]
    assert not places, "write through ultimate_deep.machine.files: whole_file or whole_folder"


def test_every_exception_still_moves_something():
    assert all(_moves(ROOT / name) for name in RENAMES)


def test_the_check_sees_each_way_to_move(tmp_path):
    path = tmp_path / "code.py"
    for line in (
        "os.replace(a, b)",
        "os.rename(a, b)",
        "shutil.move(a, b)",
        "draft.replace(path)",
        "from os import replace",
    ):
        path.write_text(line)
        assert _moves(path), line
    path.write_text('text.replace("a", "b")\ndataclasses.replace(config, seed=1)\n')
    assert not _moves(path)
