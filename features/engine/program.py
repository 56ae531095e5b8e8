"""Programs: instructions as arrays, which the executors of blocks and of single bars run."""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from ultimate_deep.features.engine import block_kernels as be
from ultimate_deep.features.engine import opcodes as op
from ultimate_deep.features.engine.graph import Node
from ultimate_deep.features.engine.lowering import NO_FINISH, Lowered, lower

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

# What the state of the clock's operator begins with: no day.
_NO_DAY = float("nan")


@dataclass(frozen=True, eq=False)
class Program:
    """Instructions in an order that respects dependencies.

    Attributes:
        columns: Bar columns that it reads, in the order of the bars handed to it.
        constants: Values of the rows after the columns.
        table: `(instructions, 13)` int64, rows and lags not yet turned into offsets; see
            `features.engine.block_executor` for its columns. Inputs are rows, `lags` says how
            early.
        lags: `(instructions, 4)` bars by which inputs are read earlier.
        given: Parameters of all instructions, one after the other.
        finishes: `(n, 4)` scale, offset, least and greatest value.
        groups: `(groups, 4)` kind, first and last instruction and whether any result is finished.
        keep: `(rows,)` history columns that each row must carry.
        state: What the memory of operators beyond their rows begins with.
        roots: `(roots, 2)` row and lag of the values asked for.
        root_finishes: `(roots, 4)` what is done to them last.
        settled: `(roots,)` first bars that may be shown.
    """

    columns: tuple[str, ...]
    constants: tuple[float, ...]
    table: Integers
    lags: Integers
    given: Floats
    finishes: Floats
    groups: Integers
    keep: Integers
    state: Floats
    roots: Integers
    root_finishes: Floats
    settled: Integers

    @property
    def history(self) -> int:
        """Columns of history that the work array needs."""
        return int(self.keep.max(initial=1))

    @cached_property
    def digest(self) -> str:
        """Names the program: states of equal programs may be exchanged."""
        parts = (self.table, self.lags, self.given, self.finishes, self.roots, self.root_finishes)
        found = hashlib.sha256(repr((self.columns, self.constants)).encode())
        for part in parts:
            found.update(part.tobytes())
        return found.hexdigest()


def _given_of(node: Node) -> list[float]:
    """Parameters as the executors take them."""
    if node.code == op.QUANTILES:
        # Neighbours in the sorted window, and how far between them, instead of levels.
        window, *levels = node.parameters
        given = []
        for level in levels:
            place = level * (window - 1.0)
            below = math.floor(place)
            given += [float(below), min(below + 1.0, window - 1.0), place - below]
        return given
    return list(node.parameters)


def _state_of(node: Node) -> list[float]:
    """What an operator's memory beside its rows begins with: a sorted window, or a day."""
    if node.code == op.QUANTILES:
        return [0.0] * (1 + 2 * (int(node.parameters[0]) + 2))
    if node.code == op.CALENDAR:
        return [_NO_DAY, 0.0, 0.0, 0.0, 0.0]
    return []


def _groups(lowered: Lowered) -> Integers:
    """Kind, first and last instruction, and whether any result is finished, of each group."""
    groups = []
    start = 0
    for group in lowered.groups:
        finished = any(instruction.finish != NO_FINISH for instruction in group)
        groups.append([group[0].node.code, start, start + len(group), int(finished)])
        start += len(group)
    return np.array(groups, dtype=np.int64).reshape(-1, 4)


def compile_program(roots: Sequence[Node]) -> Program:
    """Write the instructions for `roots` and everything below them into arrays."""
    lowered = lower(roots)
    table, lags = [], []
    finishes: list[tuple[float, float, float, float]] = []
    given: list[float] = []
    state: list[float] = [0.0]
    instructions = lowered.instructions
    for instruction in instructions:
        node = instruction.node
        reads = [(value.place, bars) for value, bars in instruction.reads]
        reads += [(reads[0][0], 0)] * (4 - len(reads))
        parameters, memory = _given_of(node), _state_of(node)
        window = node.lookback + 1
        finish = -1
        if instruction.finish != NO_FINISH:
            finish = len(finishes)
            finishes.append(instruction.finish)
        table.append(
            [node.code, node.first, instruction.row, node.outputs]
            + [place for place, _ in reads]
            + [window, len(given), len(parameters), len(state), finish]
        )
        lags.append([bars for _, bars in reads])
        given += parameters
        state += memory
    for group in lowered.groups:
        if group[0].node.code == op.EXPONENTIAL:
            # Those that may run together with the three that follow.
            start = instructions.index(group[0])
            for k in range(0, len(group) - 3, 4):
                table[start + k][be.COUNT] = 4
    return Program(
        columns=lowered.columns,
        constants=lowered.constants,
        table=np.array(table, dtype=np.int64).reshape(-1, be.FINISH + 1),
        lags=np.array(lags, dtype=np.int64).reshape(-1, 4),
        # Every operator may read two parameters, whether it has any or not.
        given=np.array([*given, 0.0, 0.0]),
        finishes=np.array(finishes or [NO_FINISH]),
        groups=_groups(lowered),
        keep=np.array(lowered.keep, dtype=np.int64),
        state=np.array(state),
        roots=np.array(
            [[root.value.place, root.lag] for root in lowered.roots], dtype=np.int64
        ).reshape(-1, 2),
        root_finishes=np.array([root.finish for root in lowered.roots]).reshape(-1, 4),
        settled=np.array([root.settled for root in lowered.roots], dtype=np.int64),
    )
