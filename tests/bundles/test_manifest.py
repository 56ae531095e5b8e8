"""What verification refuses, on small folders without any model."""

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from ultimate_deep.bundles.manifest import (
    MANIFEST_NAME,
    BundleError,
    git_revision,
    library_versions,
    verified_manifest,
    write_manifest,
)


@pytest.fixture
def folder(tmp_path) -> Path:
    root = tmp_path / "run"
    (root / "inner" / "deeper").mkdir(parents=True)
    (root / "a.txt").write_text("alpha")
    (root / "inner" / "deeper" / "b.bin").write_bytes(bytes(range(256)) * 9000)
    write_manifest(root, feature_names=("x", "y"), horizons=1, data_fingerprint="f" * 64)
    return root


def edit(folder: Path, **changes) -> None:
    """Change fields of a manifest that does not hash itself, as those of before do not."""
    path = folder / MANIFEST_NAME
    manifest = json.loads(path.read_text()) | changes
    manifest.pop("manifest_sha256", None)
    path.write_text(json.dumps(manifest))


def test_an_untouched_folder_passes(folder):
    manifest = verified_manifest(folder)
    assert list(manifest["files"]) == ["a.txt", "inner/deeper/b.bin"]
    # printf alpha | sha256sum
    assert manifest["files"]["a.txt"] == {
        "sha256": "8ed3f6ad685b959ead7022518e1af76cd816f8e8ec7ccdda1ed4018e8f2223f8",
        "size_bytes": 5,
    }
    assert manifest["feature_names"] == ["x", "y"]
    assert manifest["libraries"] == library_versions()
    assert manifest["git_revision"].keys() == {"commit", "modified"}


def test_changed_missing_and_extra_files_are_named(folder):
    (folder / "a.txt").write_text("alphA")
    with pytest.raises(BundleError, match=r"changed .*a\.txt"):
        verified_manifest(folder)
    (folder / "extra.txt").write_text("")
    with pytest.raises(BundleError, match=r"does not list: extra\.txt"):
        verified_manifest(folder)
    (folder / "inner" / "deeper" / "b.bin").unlink()
    with pytest.raises(BundleError, match=r"missing .*inner/deeper/b\.bin"):
        verified_manifest(folder)


@pytest.mark.parametrize(
    ("field", "value", "here"),
    [
        ("kind", "oracle", r"add the line that names its class, 'oracle': 'module:Class'"),
        ("schema_version", 2, "copy the folder again"),
    ],
)
def test_another_version_is_the_remedy_only_where_another_version_wrote_it(
    folder, field, value, here
):
    edit(folder, **{field: value})
    mine = library_versions()["ultimate-deep"]
    with pytest.raises(BundleError, match=f"installed version of ultimate-deep, {mine},.*{here}"):
        verified_manifest(folder)
    edit(folder, libraries={"ultimate-deep": "9.9.9"})
    with pytest.raises(BundleError, match=r"install the version .* that wrote it, 9\.9\.9$"):
        verified_manifest(folder)


def test_a_kind_that_could_not_be_loaded_is_not_written(tmp_path):
    with pytest.raises(BundleError, match=r"got 'oracle'.*add the line .*kinds\.PREDICTORS"):
        write_manifest(
            tmp_path, feature_names=("x",), horizons=1, data_fingerprint="f", kind="oracle"
        )
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("version", [0, 2, "1", None, True])
def test_unknown_schema_versions_are_refused(folder, version):
    edit(folder, schema_version=version)
    with pytest.raises(BundleError, match="schema version"):
        verified_manifest(folder)


def test_another_schema_is_refused(folder):
    edit(folder, schema="somebody-elses")
    with pytest.raises(BundleError, match="not a manifest of schema"):
        verified_manifest(folder)


@pytest.mark.parametrize(
    "name",
    ["../a.txt", "/etc/hostname", "inner/../a.txt", "./a.txt", "inner//b", "..\\a.txt", "C:a", ""],
)
def test_paths_that_leave_the_folder_are_refused(folder, name):
    files = json.loads((folder / MANIFEST_NAME).read_text())["files"]
    edit(folder, files=files | {name: files["a.txt"]})
    with pytest.raises(BundleError, match="no plain path inside the bundle"):
        verified_manifest(folder)


@pytest.mark.parametrize("what", ["file", "folder", "dangling", "manifest"])
def test_links_are_refused(folder, tmp_path, what):
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "a.txt").write_text("alpha")
    target, name = {
        "file": (tmp_path / "outside" / "a.txt", "a.txt"),
        "folder": (tmp_path / "outside", "linked"),
        "dangling": (tmp_path / "nowhere", "linked"),
        "manifest": (tmp_path / MANIFEST_NAME, MANIFEST_NAME),
    }[what]
    if what == "manifest":
        (folder / name).rename(target)
    (folder / name).unlink(missing_ok=True)
    (folder / name).symlink_to(target)
    with pytest.raises(BundleError, match=r"symbolic link|holds no manifest"):
        verified_manifest(folder)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_special_files_are_refused(folder):
    os.mkfifo(folder / "pipe")
    with pytest.raises(BundleError, match="pipe is a symbolic link or a special file"):
        verified_manifest(folder)


@pytest.mark.parametrize(
    "record",
    [None, {}, {"sha256": "zz", "size_bytes": 5}, {"sha256": "0" * 64, "size_bytes": "5"}],
)
def test_improper_records_are_refused(folder, record):
    edit(folder, files={"a.txt": record})
    with pytest.raises(BundleError, match="no proper sha256"):
        verified_manifest(folder)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("files", None), ("feature_names", None), ("horizons", None), ("data_fingerprint", None),
        ("feature_names", ["x", 1]), ("horizons", True), ("horizons", 0), ("horizons", 1.0),
        ("kind", ["keras"]), ("libraries", "9.9.9"), ("git_revision", None), ("created", 5),
        ("plugins", ["x"]), ("plugins", {"x": 1}), ("plugin_files", {"x": "y"}),
        ("something_else", "x"), ("manifest_sha25", "0" * 64),
    ],
)  # fmt: skip
def test_improper_fields_are_refused(folder, field, value):
    edit(folder, **{field: value})
    with pytest.raises(BundleError, match=f"no proper field '{field}'"):
        verified_manifest(folder)


def test_manifests_of_before_do_not_hash_themselves_and_pass(folder):
    edit(folder, created="2026-01-01T00:00:00+00:00")
    assert "manifest_sha256" not in verified_manifest(folder)


def test_every_flipped_bit_of_the_manifest_is_noticed(folder):
    """Of its own fields, its layout, and the hash itself."""
    path = folder / MANIFEST_NAME
    content = path.read_bytes()
    rng = np.random.default_rng(0)
    for place in rng.choice(len(content), 300, replace=False):
        flipped = bytearray(content)
        flipped[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(flipped)
        with pytest.raises(BundleError) as caught:
            verified_manifest(folder)
        assert len(str(caught.value)) < 1_000
    path.write_bytes(content)
    verified_manifest(folder)


@pytest.mark.parametrize("said", ["0" * 64, "", 5, "x"])
def test_another_hash_of_the_manifest_is_refused(folder, said):
    path = folder / MANIFEST_NAME
    path.write_text(json.dumps(json.loads(path.read_text()) | {"manifest_sha256": said}))
    with pytest.raises(BundleError, match=r"was changed since .*copy the folder again"):
        verified_manifest(folder)


def test_deep_folders_and_deep_json_are_refused(folder):
    (folder / "/".join("d" * 17)).mkdir(parents=True)
    with pytest.raises(BundleError, match="more than 16 folders inside of each other"):
        verified_manifest(folder)
    (folder / MANIFEST_NAME).write_text("[" * 100_000 + "]" * 100_000)
    with pytest.raises(BundleError, match="deeper than 64"):
        verified_manifest(folder)


def test_a_file_of_another_size_is_not_read(folder):
    with (folder / "a.txt").open("wb") as file:
        file.truncate(2**43)
    with pytest.raises(BundleError, match=r"changed .*a\.txt"):
        verified_manifest(folder)


@pytest.mark.parametrize("content", [b"{", b"[]", b"\xff\xfe"])
def test_a_broken_manifest_is_refused(folder, content):
    (folder / MANIFEST_NAME).write_bytes(content)
    with pytest.raises(BundleError, match=r"manifest\.json"):
        verified_manifest(folder)


def test_an_unfinished_folder_is_refused(folder, tmp_path):
    (folder / MANIFEST_NAME).unlink()
    with pytest.raises(BundleError, match="not a finished bundle"):
        verified_manifest(folder)
    with pytest.raises(BundleError, match="is not a folder"):
        verified_manifest(tmp_path / "absent")


def test_git_revision_of_a_repository_and_of_its_surroundings(tmp_path):
    def git(*arguments: str) -> str:
        command = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b.c"]
        done = subprocess.run([*command, *arguments], check=True, capture_output=True, text=True)
        return done.stdout.strip()

    unknown = {"commit": "unknown", "modified": False}
    assert git_revision(tmp_path) == unknown
    git("init", "-q")
    (tmp_path / "code.py").write_text("a = 1\n")
    (tmp_path / "site-packages").mkdir()
    git("add", "code.py")
    git("commit", "-q", "-m", "first")
    commit = git("rev-parse", "HEAD")
    assert git_revision(tmp_path) == {"commit": commit, "modified": False}
    (tmp_path / "code.py").write_text("a = 2\n")
    assert git_revision(tmp_path) == {"commit": commit, "modified": True}
    # Installed inside somebody else's checkout: that commit is not ours.
    assert git_revision(tmp_path / "site-packages") == unknown


def test_the_revision_is_that_of_the_folder_that_holds_the_package():
    assert git_revision() == git_revision(Path(__file__).resolve().parents[2])
