"""Hostile `.pth` files, made instruction by instruction: each once crashed, or never ended."""

import pickle
import sys
import time
import zipfile

import numpy as np
import pytest

from ultimate_deep.models.parts.pretrained import read_state
from ultimate_deep.models.parts.torch_file import read_torch_state

# A tuple of one item, of one item, ... walked by a hash written in C, which has no bound.
NESTED = b")" + b"\x85" * 200_000
# A tuple of the same tuple twice, sixty times: 2 ** 60 items for what walks through it.
DOUBLED = b")" + b"".join(b"q" + bytes([n]) + b"h" + bytes([n]) + b"\x86" for n in range(60))


def text(value: str) -> bytes:
    return b"X" + len(value).to_bytes(4, "little") + value.encode()


FLOATS = b"ctorch\nFloatStorage\n"
REBUILD = b"ctorch._utils\n_rebuild_tensor_v2\n"


def storage(key: bytes = text("0"), count: bytes = b"K\x04", kind: bytes = FLOATS) -> bytes:
    return b"(" + text("storage") + kind + key + text("cpu") + count + b"tQ"


def tensor(stored: bytes, shape: bytes = b"K\x04\x85", strides: bytes = b"K\x01\x85") -> bytes:
    return REBUILD + b"(" + stored + b"K\x00" + shape + strides + b"\x89N" + b"tR"


def state(*pairs: bytes) -> bytes:
    return b"\x80\x02}(" + b"".join(pairs) + b"u."


def write(path, program: bytes, **members: bytes):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("w/data.pkl", program)
        archive.writestr("w/byteorder", b"little")
        archive.writestr("w/data/0", np.arange(4, dtype="<f4").tobytes())
        archive.writestr("w/data/1", bytes(2**16))
        for key, content in members.items():
            archive.writestr(key.replace("__", "/"), content)
    return path


def test_the_instructions_of_a_sound_file_are_followed(tmp_path):
    found = read_torch_state(write(tmp_path / "a.pth", state(text("a"), tensor(storage()))))
    np.testing.assert_array_equal(found["a"], np.arange(4, dtype=np.float32))


AXES = b"(" + b"K\x01" * 40 + b"t"
MANY = storage(text("1"), b"M\x00\x40")
HOSTILE = {
    "a nested key": (state(NESTED, b"K\x01"), "a tuple where a str"),
    "a doubled key": (state(DOUBLED, b"K\x01"), "a tuple where a str"),
    "a doubled value": (state(text("a"), DOUBLED), "no named tensor"),
    "a doubled storage": (state(text("a"), tensor(storage(DOUBLED))), "a tuple where a str"),
    "an unknown kind": (
        state(text("a"), tensor(storage(DOUBLED, kind=b"ccollections\nOrderedDict\n"))),
        "a tuple where a str",
    ),
    "a doubled kind": (state(text("a"), tensor(storage(kind=DOUBLED))), "where a _Name"),
    "a doubled shape": (state(text("a"), tensor(storage(), DOUBLED)), "axes|where a int"),
    "a nested shape": (state(text("a"), tensor(storage(), NESTED)), "axes|where a int"),
    "a doubled state": (b"\x80\x02" + DOUBLED + b".", "where a dict"),
    "endless sizes": (
        state(text("a"), tensor(storage(), b"\x8a\x10" + b"\x7f" * 16 + b"\x85")), "endless"
    ),
    "many axes": (state(text("a"), tensor(storage(), AXES, AXES)), "40 axes"),
    "one storage for many": (
        state(*(text(str(n)) + tensor(MANY, b"M\x00\x40\x85") for n in range(40))),
        "more bytes than",
    ),
    "a long name": (b"\x80\x02c" + b"x" * 100_000 + b"\ny\n.", "no part of a tensor"),
    "a long key": (state(text("a"), tensor(storage(text("9" * 100_000)))), "no item"),
}  # fmt: skip


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_instructions_are_refused_at_once_in_few_words(tmp_path, case):
    program, rule = HOSTILE[case]
    path = write(tmp_path / "a.pth", program)
    began = time.process_time()
    with pytest.raises(ValueError, match=rule) as caught:
        read_torch_state(path)
    assert time.process_time() - began < 5
    assert len(str(caught.value)) < 600
    assert "save model.state_dict() again" in str(caught.value)


def test_the_doubled_tuple_is_what_it_says():
    """With three doublings it can be counted; pickle agrees on what the instructions mean."""
    small = b")" + b"".join(b"q" + bytes([n]) + b"h" + bytes([n]) + b"\x86" for n in range(3))
    assert pickle.loads(b"\x80\x02" + small + b".") == ((((), ()), ((), ())),) * 2


def test_other_members_are_refused(tmp_path):
    good = state(text("a"), tensor(storage()))
    for member in ("w__code", "other__data", "w__data__../1", "w__constants.pkl"):
        with pytest.raises(ValueError, match="too many"):
            read_torch_state(write(tmp_path / "a.pth", good, **{member: b""}))
    known = {"w__version": b"3", "w__.data__serialization_id": b"1", "w__data__2": b""}
    read_torch_state(write(tmp_path / "a.pth", good, **known))


def test_a_flipped_byte_is_told_in_few_words(tmp_path):
    path = write(tmp_path / "a.pth", state(text("a"), tensor(storage())))
    content = bytearray(path.read_bytes())
    content[27] |= 0x10  # a name of 4,096 bytes
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.pth is") as caught:
        read_torch_state(path)
    assert len(str(caught.value)) < 700


def test_without_safetensors_the_package_is_named(tmp_path, monkeypatch):
    (tmp_path / "a.safetensors").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "safetensors", None)
    with pytest.raises(ValueError, match=r"not installed .*pip install safetensors`, or .*\.pth"):
        read_state(tmp_path / "a.safetensors")
