"""A `.keras` file of unknown origin: what it says is held against its bytes before Keras reads it.

Keras builds a net from its configuration first and looks at the weights afterwards; a short text
can ask it for any amount of memory. Here the weights are counted first, in the file, and a net is
given no more of them than lie there.
"""

import contextlib
import io
import math
import mmap
import threading
import warnings
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np

from ultimate_deep.machine.archives import plain_members
from ultimate_deep.machine.plain_json import parse_json
from ultimate_deep.pipeline.inputs.config import MOST_WINDOW_BARS

CONFIG = "config.json"
WEIGHTS = "model.weights.h5"
MEMBERS = (CONFIG, "metadata.json", WEIGHTS)
MOST_CONFIG_BYTES = 2**25
MOST_DEPTH = 256  # nets inside of nets
MOST_GROUPS = 1_000_000
# Keras takes seconds for so many one after another, and then ends in a `RecursionError`.
MOST_LAYERS = 2_500
# Numbers that a layer may make of one row: so many, or so many for each input, or as many as there
# are weights. Nets of ours make a sixteenth of that at most.
MOST_NUMBERS, INPUTS_TIMES = 2**20, 1_024
_LOCAL_HEADER = 30
_AT_ONCE = 2**22
_SMALL = 2**24
_OF_TRAINING = ("/optimizer/",)  # of a net that was saved as it was trained; nothing reads it here
# Keras builds the layer that `Bidirectional` wraps, and then its two directions.
_BUILT_TWICE = 2
_NO_SIZES = ("seed", "shared_object_id")
_OURS = "ultimate_deep>"
_BUILDING = threading.RLock()
_MAKE = "_initialize_with_initializer"  # the one place where Keras allocates a weight


class NetFileError(ValueError):
    """A file holds no net, or another one than its weights are those of."""


@dataclass(frozen=True)
class _Numbers:
    """Where the numbers of one weight lie in the file of weights."""

    name: str
    offset: int
    count: int
    dtype: np.dtype


def read_net(path: Path) -> keras.Model:
    """Return the net of a `.keras` file, in safe mode and not compiled.

    Raises:
        NetFileError: Members, sizes or numbers that no net written here has.
        Exception: Whatever Keras raises.
    """
    count = check_net_file(path)
    with _at_most(count) as refused:
        try:
            with warnings.catch_warnings():
                # Such a net would answer with the weights that it was drawn with.
                warnings.filterwarnings("error", message="Skipping nested container")
                model = keras.models.load_model(path, compile=False, safe_mode=True)
        except Exception as error:
            if refused:  # Keras wraps it in the configurations of all that lies around it
                raise refused[0] from error
            raise
    if refused:
        raise refused[0]
    _check_outputs(model, count)
    made = sum(math.prod(variable.shape) for variable in model.variables)
    states = sum(math.prod(variable.shape) for variable in model.variables if _is_state(variable))
    if not made - states <= count <= made:
        raise NetFileError(f"it has {count:,} weights, and its configuration is that of {made:,}")
    return model


def check_net_file(path: Path) -> int:
    """Return how many weights a file holds, all of them finite.

    Raises:
        NetFileError: Members, sizes or numbers that no net written here has.
        ValueError: No such archive, or a configuration that is no JSON.
    """
    size = path.stat().st_size
    with path.open("rb") as file, zipfile.ZipFile(file) as archive:
        members = plain_members(archive, size, lambda name: name in MEMBERS)
        if absent := sorted(set(MEMBERS) - members.keys()):
            raise NetFileError(f"it lacks {', '.join(absent)}")
        if members[CONFIG].file_size > MOST_CONFIG_BYTES:
            raise NetFileError(
                f"its configuration has {members[CONFIG].file_size:,} bytes, and at most "
                f"{MOST_CONFIG_BYTES:,} are read"
            )
        config = parse_json(archive.read(CONFIG), most_depth=MOST_DEPTH)
        archive.read("metadata.json")
        start = _start(file, members[WEIGHTS])
        content = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        count = _check_weights(content[start : start + members[WEIGHTS].file_size])
    _check_sizes(config, count)
    return count


def _start(file: Any, member: zipfile.ZipInfo) -> int:
    """Return where a member's own bytes begin in the file."""
    file.seek(member.header_offset)
    header = file.read(_LOCAL_HEADER)
    name, extra = (int.from_bytes(header[at : at + 2], "little") for at in (26, 28))
    return member.header_offset + _LOCAL_HEADER + name + extra


class _Slice(io.RawIOBase):
    """A part of a file, as a file."""

    def __init__(self, content: memoryview) -> None:
        self._content, self._place = content, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: len(self._content)}[whence]
        self._place = base + offset
        return self._place

    def readinto(self, buffer: Any) -> int:
        found = self._content[self._place : self._place + len(buffer)]
        buffer[: len(found)] = found
        self._place += len(found)
        return len(found)


def _check_weights(content: memoryview) -> int:
    # Copied, a small file is walked through in a third less time.
    small = len(content) <= _SMALL
    with (
        h5py.File(h5py.h5f.open_file_image(bytes(content)))
        if small
        else h5py.File(_Slice(content), "r")
    ) as file:
        found = list(_datasets(file))
    if sum(one.count * one.dtype.itemsize for one in found) > len(content):
        raise NetFileError("its weights have more bytes than the file")
    for one in found:
        if one.offset + one.count * one.dtype.itemsize > len(content):
            raise NetFileError(f"its weight {one.name[-80:]!r} lies outside of the file")
        _check_finite(one, content)
    return sum(one.count for one in found if not one.name.startswith(_OF_TRAINING))


def _datasets(file: h5py.File) -> Iterator[_Numbers]:
    """Walk through groups that each have one name, in a file of nothing but plain numbers."""
    root = h5py.h5g.open(file.id, b"/")
    waiting: list[tuple[str, Any]] = [("", root)]
    seen = {h5py.h5o.get_info(root).addr}
    while waiting:
        prefix, group = waiting.pop()
        for key in group:
            name = f"{prefix}/{key.decode(errors='replace')}"
            link = group.links.get_info(key)
            item = h5py.h5o.open(group, key) if link.type == h5py.h5l.TYPE_HARD else None
            if not isinstance(item, h5py.h5g.GroupID | h5py.h5d.DatasetID):
                raise NetFileError(f"its entry {name[-80:]!r} is a link or no array")
            if link.u in seen:
                raise NetFileError(f"its entry {name[-80:]!r} has another name too")
            seen.add(link.u)
            if len(seen) > MOST_GROUPS:
                raise NetFileError(f"it has more than {MOST_GROUPS:,} entries")
            if isinstance(item, h5py.h5d.DatasetID):
                yield _numbers(name, item)
            else:
                waiting.append((name, item))


def _numbers(name: str, item: Any) -> _Numbers:
    shown = repr(name[-80:])
    written = item.get_create_plist()
    if written.get_layout() != h5py.h5d.CONTIGUOUS or written.get_external_count():
        raise NetFileError(f"its weight {shown} is packed or lies elsewhere")
    dtype = item.dtype
    if dtype.kind not in "biuf":
        if h5py.Dataset(item).attrs.get("dtype") != "bfloat16" or dtype.itemsize != 2:
            raise NetFileError(f"its weight {shown} holds no plain numbers")
        dtype = np.dtype("V2")
    count, offset = math.prod(item.shape), item.get_offset()
    if count and (offset is None or item.get_storage_size() != count * dtype.itemsize):
        raise NetFileError(f"its weight {shown} says that it has {count:.3g} numbers, which lack")
    return _Numbers(name, offset or 0, count, dtype)


def _check_finite(one: _Numbers, content: memoryview) -> None:
    if one.dtype.kind not in "fV":
        return
    for first in range(0, one.count, _AT_ONCE):
        count = min(_AT_ONCE, one.count - first)
        offset = one.offset + first * one.dtype.itemsize
        if one.dtype.kind == "V":  # bfloat16: all bits of the exponent are ones
            bits = np.frombuffer(content, "<u2", count, offset)
            finite = ((bits & 0x7F80) != 0x7F80).all()
        else:
            finite = np.isfinite(np.frombuffer(content, one.dtype, count, offset)).all()
        if not finite:
            raise NetFileError(f"its weight {one.name[-80:]!r} has numbers that are not finite")


def _check_sizes(config: Any, count: int) -> None:
    """Refuse whole numbers of which a layer would make tables beyond what the weights are for."""
    most, layers = max(count, MOST_WINDOW_BARS), 0
    waiting: list[tuple[Any, str, bool]] = [(config, "", False)]
    while waiting:
        value, key, known = waiting.pop()
        if isinstance(value, dict):
            if "class_name" in value and "config" in value:
                known = _is_known(value)
            waiting += [(inner, name, known) for name, inner in value.items()]
        elif isinstance(value, list):
            layers += len(value) if key == "layers" else 0
            if layers > MOST_LAYERS:
                raise NetFileError(
                    f"it has {layers:,} layers, and at most {MOST_LAYERS:,} are read"
                )
            steps = value[1:-1] if key in ("batch_shape", "batch_input_shape") else []
            if many := [one for one in steps if isinstance(one, int) and one > MOST_WINDOW_BARS]:
                raise NetFileError(
                    f"its configuration asks for {many[0]:.3g} bars at once, and at most "
                    f"{MOST_WINDOW_BARS:,} are read"
                )
            waiting += [(inner, key, known) for inner in value]
        elif known and _is_number(value) and value > most and not key.endswith(_NO_SIZES):
            raise NetFileError(
                f"its configuration says {key[:80]!r}: {value:.3g}, and its file holds {count:,} "
                "weights"
            )


def _check_outputs(model: keras.Model, count: int) -> None:
    """Refuse layers without weights that make more of a row than its inputs and weights are for."""
    read = sum(_row_numbers(tensor) for tensor in model.inputs)
    most = max(MOST_NUMBERS, INPUTS_TIMES * read, count)
    for layer in model._flatten_layers():
        for tensor in (one for node in layer._inbound_nodes for one in node.output_tensors):
            if (made := _row_numbers(tensor)) > most:
                raise NetFileError(
                    f"its layer {layer.name[:80]!r} makes {made:.3g} numbers of each row, and at "
                    f"most {most:,} are made of {read:,} inputs with {count:,} weights"
                )


def _row_numbers(tensor: keras.KerasTensor) -> int:
    return math.prod(size for size in tensor.shape[1:] if size is not None)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_known(layer: dict[str, Any]) -> bool:
    """Whether what is configured is Keras' or ours; a user's own may count anything."""
    registered = layer.get("registered_name")
    ours = isinstance(registered, str) and registered.startswith(_OURS)
    module = layer.get("module")
    return ours or (isinstance(module, str) and module.split(".")[0] == "keras")


def _is_state(variable: keras.Variable) -> bool:
    """Whether it is the state of random draws, which not every layer keeps in its file."""
    return variable.name == "seed_generator_state" and tuple(variable.shape) == (2,)


@contextlib.contextmanager
def _at_most(count: int) -> Iterator[list[NetFileError]]:
    """Let this thread make twice so many weights; each is counted before it is made.

    Yields:
        Why one was not made; empty unless that happened.
    """
    kind, thread, left = keras.Variable, threading.get_ident(), _BUILT_TWICE * count
    refused: list[NetFileError] = []

    def counted(variable: keras.Variable, initializer: Any) -> None:
        nonlocal left
        if threading.get_ident() == thread:
            shape = tuple(variable.shape)
            left -= 0 if _is_state(variable) else math.prod(shape)
            if left < 0:
                refused.append(
                    NetFileError(
                        f"its configuration asks for more than the {count:,} weights of its file: "
                        f"{variable.path[-80:]!r} is of shape {str(shape)[:80]}"
                    )
                )
                raise refused[0]
        make(variable, initializer)

    with _BUILDING:
        own, make = vars(kind).get(_MAKE), getattr(kind, _MAKE)
        setattr(kind, _MAKE, counted)
        try:
            yield refused
        finally:
            if own is None:
                delattr(kind, _MAKE)
            else:
                setattr(kind, _MAKE, own)
