"""Read the tensors of a `torch.save` file without torch and without unpickling anything.

A `.pth` file is a zip archive of one pickle, `<folder>/data.pkl`, that says what the tensors are
called and where they lie, and of their bytes, `<folder>/data/<key>`. A pickle is a program; this
module walks through its instructions, knows the few that a state dict needs, and refuses all
others. Names of classes are only compared, never imported, so no code of the file can run.

Source: PyTorch documentation, "Serialization semantics", section "Understanding the file format";
the instructions as in Python's `pickletools`.
"""

import math
import pickletools
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ultimate_deep.machine.archives import ZIP_FAULTS, plain_members

STORAGES = {
    "torch FloatStorage": "<f4",
    "torch DoubleStorage": "<f8",
    "torch HalfStorage": "<f2",
    "torch LongStorage": "<i8",
    "torch IntStorage": "<i4",
}
ORDERED_DICT = "collections OrderedDict"
REBUILD_TENSOR = "torch._utils _rebuild_tensor_v2"
REBUILD_PARAMETER = "torch._utils _rebuild_parameter"
NAMES = (*STORAGES, ORDERED_DICT, REBUILD_TENSOR, REBUILD_PARAMETER)
# Far above the 62 tensors of a ResNet-18: a file of more instructions is something else.
MOST_INSTRUCTIONS = 1_000_000
MOST_PICKLE_BYTES = 2**24
MOST_AXES = 16
MEMBER = re.compile(
    r"data\.pkl|data/\w{1,40}|byteorder|version|\.format_version|\.storage_alignment|"
    r"\.data/serialization_id"
)

_PLAIN = ("BININT", "BININT1", "BININT2", "LONG1", "BINUNICODE", "SHORT_BINUNICODE", "BINFLOAT")
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_TUPLES = {"EMPTY_TUPLE": 0, "TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_IGNORED = ("PROTO", "FRAME")


class _Mark:
    """Where the arguments of the next instruction begin."""


@dataclass(frozen=True)
class _Name:
    """A class or function that the file names."""

    name: str


@dataclass(frozen=True)
class _Storage:
    """A run of numbers: entry `data/<key>` of the archive."""

    dtype: str
    key: str
    count: int


@dataclass(frozen=True)
class _Tensor:
    """A view of a storage, in elements."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    @property
    def size_bytes(self) -> int:
        return math.prod(self.shape) * np.dtype(self.storage.dtype).itemsize


@dataclass
class _Walk:
    """The stack and memory of a pickle's instructions."""

    stack: list[Any] = field(default_factory=list)
    memory: dict[int, Any] = field(default_factory=dict)

    def pop_to_mark(self) -> list[Any]:
        """Take everything above the last mark, and the mark."""
        found: list[Any] = []
        while not isinstance(item := self.stack.pop(), _Mark):
            found.append(item)
        return found[::-1]

    def follow(self, instruction: str, argument: Any) -> None:
        """Carry out one instruction.

        Raises:
            ValueError: An instruction that a state dict has no need of.
        """
        stack = self.stack
        if instruction in _IGNORED:
            return
        if instruction in _PLAIN:
            stack.append(argument)
        elif instruction in _CONSTANTS:
            stack.append(_CONSTANTS[instruction])
        elif instruction == "GLOBAL":
            stack.append(_known_name(argument))
        elif instruction == "MARK":
            stack.append(_Mark())
        elif instruction in ("EMPTY_DICT", "EMPTY_LIST"):
            stack.append({} if instruction == "EMPTY_DICT" else [])
        elif instruction in _TUPLES:
            stack.append(tuple(reversed([stack.pop() for _ in range(_TUPLES[instruction])])))
        elif instruction == "TUPLE":
            stack.append(tuple(self.pop_to_mark()))
        elif instruction in ("BINPUT", "LONG_BINPUT"):
            self.memory[argument] = stack[-1]
        elif instruction in ("BINGET", "LONG_BINGET"):
            stack.append(self.memory[argument])
        else:
            self._follow_objects(instruction)

    def _follow_objects(self, instruction: str) -> None:
        """Instructions that fill a dict or a list, or make one of the known objects."""
        stack = self.stack
        if instruction in ("SETITEM", "SETITEMS"):
            one = instruction == "SETITEM"
            pairs = [stack.pop(), stack.pop()][::-1] if one else self.pop_to_mark()
            # Names alone: the hash of a tuple walks through all that it holds, without a bound.
            names = [_of_type(name, str) for name in pairs[::2]]
            _of_type(stack[-1], dict).update(zip(names, pairs[1::2], strict=True))
        elif instruction in ("APPEND", "APPENDS"):
            items = [stack.pop()] if instruction == "APPEND" else self.pop_to_mark()
            _of_type(stack[-1], list).extend(items)
        elif instruction == "BINPERSID":
            stack.append(_storage(stack.pop()))
        elif instruction == "REDUCE":
            arguments = stack.pop()
            stack.append(_rebuilt(stack.pop(), arguments))
        elif instruction == "BUILD":
            # A state dict's version numbers, which nothing here reads.
            stack.pop()
            _of_type(stack[-1], dict)
        else:
            raise ValueError(f"the instruction {instruction} has no place in a file of weights")


def read_torch_state(path: str | Path) -> dict[str, npt.NDArray[np.float32]]:
    """Read a state dict that `torch.save` wrote (torch 1.6 or later): name to float32 array.

    Raises:
        ValueError: Another kind of file, a damaged one, or one that holds anything but named
            contiguous tensors.
    """
    file = Path(path)
    try:
        size = file.stat().st_size
        with zipfile.ZipFile(file) as archive:
            folder = _folder(archive, size)
            tensors = _tensors(archive.read(f"{folder}/data.pkl"))
            if sum(tensor.size_bytes for tensor in tensors.values()) > size:
                raise ValueError(f"its tensors have more bytes than the file, {size:,}")
            return {name: _array(archive, folder, tensor) for name, tensor in tensors.items()}
    except zipfile.BadZipFile as error:
        raise ValueError(
            f"{file.name} is no zip archive, which torch.save writes since 1.6 "
            f"({str(error)[:400]}): load it with torch.load(weights_only=True) and save it again, "
            "best as .safetensors"
        ) from error
    except (*ZIP_FAULTS, IndexError) as error:
        raise ValueError(
            f"{file.name} is not read, it is no plain state dict: {str(error)[:400]}; "
            "save model.state_dict() again, best as .safetensors, and use no file that you do not "
            "trust"
        ) from error


def _folder(archive: zipfile.ZipFile, size: int) -> str:
    found = [name for name in archive.namelist() if name.count("/") == 1]
    pickles = [name for name in found if name.endswith("/data.pkl")]
    if len(pickles) != 1:
        raise ValueError(f"it must hold one data.pkl, got {len(pickles)}")
    entry = archive.getinfo(pickles[0])
    if entry.compress_type != zipfile.ZIP_STORED or entry.file_size > MOST_PICKLE_BYTES:
        raise ValueError(f"its data.pkl is packed or has {entry.file_size:,} bytes")
    folder = pickles[0].removesuffix("/data.pkl")
    inside = f"{folder}/"
    plain_members(
        archive,
        size,
        lambda name: name.startswith(inside) and bool(MEMBER.fullmatch(name[len(inside) :])),
    )
    order = f"{folder}/byteorder"
    if order in found and archive.read(order) != b"little":
        raise ValueError("its numbers are not in little-endian order")
    return folder


def _tensors(program: bytes) -> Mapping[str, _Tensor]:
    """Walk through a pickle to the dict of tensors that it leaves."""
    walk = _Walk()
    for count, (code, argument, _) in enumerate(pickletools.genops(program)):
        if count >= MOST_INSTRUCTIONS:
            raise ValueError(f"it has more than {MOST_INSTRUCTIONS:,} instructions")
        if code.name == "STOP":
            break
        walk.follow(code.name, argument)
    (state,) = walk.stack
    for name, value in _of_type(state, dict).items():
        if not isinstance(value, _Tensor):
            raise ValueError(f"entry {name[:80]!r} is no named tensor")
    return dict(state)


def _known_name(name: str) -> _Name:
    if name not in NAMES:
        raise ValueError(f"it names {name.replace(' ', '.')[:80]!r}, which is no part of a tensor")
    return _Name(name)


def _storage(identity: Any) -> _Storage:
    kind, storage, key, _place, count = _of_type(identity, tuple)
    if _of_type(kind, str) != "storage" or _of_type(storage, _Name).name not in STORAGES:
        raise ValueError(f"storage {_of_type(key, str)[:80]!r} is of an unknown kind")
    return _Storage(STORAGES[storage.name], _of_type(key, str)[:80], _of_type(count, int))


def _rebuilt(function: Any, arguments: Any) -> Any:
    """What the three known functions return; no function is called."""
    name, given = _of_type(function, _Name).name, _of_type(arguments, tuple)
    if name == ORDERED_DICT and not given:
        return {}
    if name == REBUILD_PARAMETER and len(given) == 3:
        return _of_type(given[0], _Tensor)
    if name == REBUILD_TENSOR and len(given) >= 4:
        storage, offset, shape, strides = given[:4]
        axes = (*_of_type(shape, tuple), *_of_type(strides, tuple))
        if len(shape) != len(strides) or len(shape) > MOST_AXES:
            raise ValueError(f"a tensor of {len(shape)} axes and {len(strides)} strides cannot be")
        if not all(0 <= _of_type(size, int) < 2**63 for size in (*axes, offset)):
            raise ValueError("a tensor of negative or endless sizes cannot be")
        return _Tensor(_of_type(storage, _Storage), offset, tuple(shape), tuple(strides))
    raise ValueError(f"{name.replace(' ', '.')} is not called as a state dict calls it")


def _array(archive: zipfile.ZipFile, folder: str, tensor: _Tensor) -> npt.NDArray[np.float32]:
    """The numbers of a tensor, checked against the entry that holds them before it is read."""
    storage, count = tensor.storage, math.prod(tensor.shape)
    entry = archive.getinfo(f"{folder}/data/{storage.key}")
    dtype = np.dtype(storage.dtype)
    if (
        entry.compress_type != zipfile.ZIP_STORED
        or entry.file_size != storage.count * dtype.itemsize
    ):
        raise ValueError(f"entry {entry.filename!r} is not {storage.count} plain {dtype} numbers")
    expected, step = [], 1
    for size in reversed(tensor.shape):
        expected.append(step)
        step *= size
    dense = all(
        size == 1 or stride == wanted
        for size, stride, wanted in zip(tensor.shape, tensor.strides, expected[::-1], strict=True)
    )
    if not dense or tensor.offset + count > storage.count:
        raise ValueError(f"a tensor of shape {tensor.shape} is not contiguous in its storage")
    numbers = np.frombuffer(archive.read(entry), dtype, count, tensor.offset * dtype.itemsize)
    return numbers.reshape(tensor.shape).astype(np.float32)


def _of_type(value: Any, kind: type) -> Any:
    if not isinstance(value, kind) or isinstance(value, bool):
        raise ValueError(f"it holds a {type(value).__name__} where a {kind.__name__} belongs")
    return value
