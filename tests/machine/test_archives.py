"""Archives that promise more than they hold are refused before anything is unpacked."""

import io
import tracemalloc
import zipfile

import numpy as np
import pytest

from ultimate_deep.machine.archives import ArchiveError, read_arrays

NEEDED = ("a", "b")


def npy(array) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, np.asarray(array), allow_pickle=True)
    return file.getvalue()


def declared(shape: tuple[int, ...]) -> bytes:
    file = io.BytesIO()
    header = {"descr": "<f8", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)
    return file.getvalue() + b"\0" * 8


def archive(path, members: list[tuple[str, bytes]], method=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", method) as file:
        for name, content in members:
            file.writestr(name, content)
    return path


def test_what_numpy_writes_is_read_bit_for_bit(tmp_path):
    wrote = {
        "a": np.random.default_rng(0).normal(size=(3, 4)),
        "b": np.asfortranarray(np.arange(6).reshape(2, 3)),
        "x/c": np.float64(0.5),
        "d": np.empty((0, 2), np.float32),
    }
    np.savez(tmp_path / "a.npz", **wrote)
    read = read_arrays(tmp_path / "a.npz", NEEDED, lambda name: name in ("x/c", "d"))
    assert read.keys() == wrote.keys()
    for name, values in wrote.items():
        np.testing.assert_array_equal(read[name], values)
        assert read[name].dtype == np.asarray(values).dtype
        assert read[name].flags.writeable


@pytest.mark.parametrize(
    ("b", "reason"),
    [
        (declared((2**40,)), "another number of values"),
        (declared((2**40, 0)), "another number of values"),
        (declared((-1,)), "another number of values"),
        (npy([object()]), "plain numbers"),
        (npy(np.zeros(2, "datetime64[s]")), "plain numbers"),
        (b"\x93NUMPY\x07\x00", "version"),
        (b"", "no sound"),
    ],
)
def test_hostile_members_are_refused(tmp_path, b, reason):
    path = archive(tmp_path / "a.npz", [("a.npy", npy([1.0])), ("b.npy", b)])
    with pytest.raises(ArchiveError, match=reason):
        read_arrays(path, NEEDED)


def test_other_members_are_refused(tmp_path):
    good = [("a.npy", npy([1.0])), ("b.npy", npy([2.0]))]
    for more in ("c.npy", "../a.npy", "a.npy"):
        with pytest.warns(UserWarning, match="Duplicate") if more == "a.npy" else _nothing():
            path = archive(tmp_path / "a.npz", [*good, (more, npy([3.0]))])
        with pytest.raises(ArchiveError, match="too many"):
            read_arrays(path, NEEDED)
    with pytest.raises(ArchiveError, match="lacks b"):
        read_arrays(archive(tmp_path / "a.npz", good[:1]), NEEDED)


def _nothing():
    import contextlib

    return contextlib.nullcontext()


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path):
    zeros = npy(np.zeros(2**21))
    path = archive(tmp_path / "a.npz", [("a.npy", zeros), ("b.npy", zeros)], zipfile.ZIP_DEFLATED)
    del zeros
    tracemalloc.start()
    with pytest.raises(ArchiveError, match="packed"):
        read_arrays(path, NEEDED)
    assert tracemalloc.get_traced_memory()[1] < 2**20
    tracemalloc.stop()


def test_members_that_lie_on_each_other_are_refused(tmp_path):
    """Many entries of the directory name the same bytes."""
    path = archive(tmp_path / "a.npz", [("a.npy", npy(np.zeros(4096))), ("b.npy", npy([1.0]))])
    content = path.read_bytes()
    first = content.index(b"PK\x01\x02")
    second = content.index(b"PK\x01\x02", first + 4)
    entry = bytearray(content[first:second])
    entry[entry.index(b"a.npy")] = ord("b")
    path.write_bytes(content[:second] + bytes(entry) + content[second + len(entry) :])
    with pytest.raises(ArchiveError, match="and the file only"):
        read_arrays(path, NEEDED)


@pytest.mark.parametrize("content", [b"", b"PK\x05\x06", b"no archive"])
def test_what_is_no_archive_is_refused(tmp_path, content):
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(ArchiveError, match="no sound"):
        read_arrays(tmp_path / "a.npz", NEEDED)
    with pytest.raises(ArchiveError, match="no regular file"):
        read_arrays(tmp_path, NEEDED)
