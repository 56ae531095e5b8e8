"""Compile nodes into instructions, and run them block by block.

A program owns one row of a work array per value: history on the left, the block of bars on the
right. Every operator fills the block from its inputs' rows, so a block may be one bar (live) or
thousands (batch) and the results are the same bits. Memory does not grow with the number of bars.
"""

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from features import opcodes as op
from features.graph import COLUMNS, Node, column, lag
from features.interpreter import carry_history, interpreter, write_roots

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

BLOCK_ROWS = 256

# Operators that read their own last output.
_RECURSIVE = (op.EXPONENTIAL, op.CUMULATIVE)

# Columns of the instruction array.
CODE, FIRST, OUT, OUTPUTS, IN_0, IN_1, IN_2, IN_3, INTEGER, CONSTANT, CONSTANTS, STATE = range(12)


@dataclass(frozen=True, eq=False)
class Program:
    """Instructions in an order that respects dependencies.

    Attributes:
        code: `(instructions, 12)` int64; see the column names above.
        constants: Parameters of all instructions, one after the other.
        keep: `(slots,)` history columns that each slot must carry from block to block.
        state_size: Length of the state array of operators with memory beyond their rows.
        roots: Slots of the nodes asked for.
        settled: `(roots,)` first rows that may be shown.
    """

    code: Integers
    constants: Floats
    keep: Integers
    state_size: int
    roots: Integers
    settled: Integers

    @property
    def history(self) -> int:
        """Columns of history that the work array needs."""
        return int(self.keep.max(initial=1))


def _ordered(roots: Sequence[Node]) -> list[Node]:
    """All nodes below `roots`, inputs before users, without recursion."""
    order: list[Node] = []
    done: set[int] = set()
    stack = [(node, False) for node in reversed(roots)]
    while stack:
        node, ready = stack.pop()
        if id(node) in done:
            continue
        if ready:
            done.add(id(node))
            order.append(node)
            continue
        stack.append((node, True))
        stack.extend((parent, False) for parent in node.inputs if id(parent) not in done)
    return order


def _state_of(node: Node) -> int:
    """Floats of state that an operator needs beside its rows: a sorted window."""
    return int(node.parameters[0]) if node.code == op.QUANTILES else 0


def _distinct(roots: Sequence[Node]) -> tuple[list[Node], dict[int, int]]:
    """One node per instruction, in order, and the instruction of every node.

    Outputs of one operator with several (quantiles, calendar) share an instruction.
    """
    instructions: list[Node] = []
    number_of: dict[int, int] = {}
    seen: dict[tuple[object, ...], int] = {}
    for node in _ordered(roots):
        if node.code < 0:
            continue
        key = (node.code, tuple(id(parent) for parent in node.inputs), node.parameters)
        if key not in seen:
            seen[key] = len(instructions)
            instructions.append(node)
        number_of[id(node)] = seen[key]
    return instructions, number_of


class _Layout:
    """Rows of the work array: which instruction's output lies where.

    Outputs that nobody looks back at, and that are not asked for, give their row back after
    their last reader, which keeps the work array within the processor's cache.
    """

    def __init__(self, instructions: list[Node], number_of: dict[int, int]) -> None:
        self.number_of = number_of
        self.keep = [1] * len(COLUMNS)
        self.history = [int(node.code in _RECURSIVE) for node in instructions]
        self.last_reader = list(range(len(instructions)))
        for reader, node in enumerate(instructions):
            for parent in node.inputs:
                if parent.code < 0:
                    self.keep[parent.output] = max(self.keep[parent.output], node.lookback + 1)
                    continue
                number = number_of[id(parent)]
                self.last_reader[number] = reader
                if node.lookback:
                    self.history[number] = max(self.history[number], node.lookback + 1)
        self._single = [node.outputs == 1 for node in instructions]
        self.slot: dict[int, int] = {}
        self._free: list[int] = []

    def slot_of(self, node: Node) -> int:
        """Row of a node's output, once its instruction is placed."""
        if node.code < 0:
            return node.output
        return self.slot[self.number_of[id(node)]] + node.output

    def place(self, number: int, node: Node, lasting: bool) -> int:
        """Choose the row (the first of several) of an instruction's output."""
        passing = not (lasting or self.history[number] or node.outputs > 1)
        if passing and self._free:
            self.slot[number] = self._free.pop()
        else:
            self.slot[number] = len(self.keep)
            self.keep.extend([self.history[number]] * node.outputs)
        return self.slot[number]

    def release(self, reader: int, node: Node, lasting: set[int]) -> None:
        """Give back the rows whose last reader has run."""
        for number in {self.number_of[id(parent)] for parent in node.inputs if parent.code >= 0}:
            done = self.last_reader[number] == reader and number not in lasting
            slot = self.slot[number]
            if done and self.history[number] == 0 and self._single[number]:
                self._free.append(slot)


def compile_program(roots: Sequence[Node]) -> Program:
    """Lay out slots, constants and state for `roots` and everything below them."""
    instructions, number_of = _distinct(roots)
    lasting = {number_of[id(node)] for node in roots if node.code >= 0}
    layout = _Layout(instructions, number_of)
    rows: list[list[int]] = []
    constants: list[float] = []
    state = 0
    for number, node in enumerate(instructions):
        inputs = [layout.slot_of(parent) for parent in node.inputs]
        slot = layout.place(number, node, number in lasting)
        window = node.lookback if node.code == op.LAG else node.lookback + 1
        rows.append(
            [
                *(node.code, node.first, slot, node.outputs),
                *[*inputs, 0, 0, 0, 0][:4],
                *(window, len(constants), len(node.parameters), state),
            ]
        )
        constants.extend(node.parameters)
        state += _state_of(node)
        layout.release(number, node, lasting)
    return Program(
        code=np.array(rows, dtype=np.int64).reshape(-1, STATE + 1),
        constants=np.array(constants or [0.0], dtype=np.float64),
        keep=np.array(layout.keep, dtype=np.int64),
        state_size=max(state, 1),
        roots=np.array([layout.slot_of(node) for node in roots], dtype=np.int64),
        settled=np.array([node.settled for node in roots], dtype=np.int64),
    )


def source_digest() -> int:
    """A number that changes with any kernel's source.

    Numba's cache notices changes only in the file of the function it compiled, not in those that
    it calls; the interpreter closes over this number, which is part of its cache key.
    """
    digest = hashlib.sha256()
    for name in ("opcodes", "elementwise", "windowed", "paths", "interpreter"):
        digest.update(Path(__file__).with_name(f"{name}.py").read_bytes())
    return int.from_bytes(digest.digest()[:7], "little")


class Runner:
    """A program with its memory: feed blocks of bars, read each root's values.

    Args:
        program: What to compute.
        block_rows: Most bars that one call of `advance` takes.
    """

    def __init__(self, program: Program, block_rows: int = BLOCK_ROWS) -> None:
        self.program = program
        self.block_rows = block_rows
        self.row = 0
        self._interpret = interpreter(source_digest())
        self._history = program.history
        self._work = np.full((len(program.keep), self._history + block_rows), np.nan)
        self._state = np.zeros(program.state_size)
        self._scratch = np.empty(3 * block_rows)

    def advance(
        self, columns: Floats, out: npt.NDArray[np.floating], limit: float = np.inf
    ) -> None:
        """Take the next bars and write the roots' values.

        Args:
            columns: `(6, rows)`: open, high, low, close, volume, UTC seconds; `rows` is at most
                `block_rows`.
            out: `(rows, roots)` float64 or float32, filled; NaN before a root has settled.
            limit: Values are clipped to `[-limit, limit]`.
        """
        program = self.program
        rows = columns.shape[1]
        self._interpret(
            program.code,
            program.constants,
            columns,
            self._work,
            self._state,
            self._scratch,
            self._history,
            self.row,
        )
        write_roots(
            self._work, program.roots, program.settled, self._history, rows, self.row, limit, out
        )
        carry_history(self._work, program.keep, self._history, rows)
        self.row += rows


@lru_cache(maxsize=64)
def program_of(roots: tuple[Node, ...]) -> Program:
    """The compiled program of `roots`; nodes are unique objects, so it can be remembered."""
    return compile_program(roots)


def evaluate(
    roots: Sequence[Node],
    columns: Floats,
    *,
    dtype: npt.DTypeLike = np.float64,
    limit: float = np.inf,
    block_rows: int = BLOCK_ROWS,
) -> npt.NDArray[np.floating]:
    """Values of `roots` for all bars.

    Args:
        roots: Nodes to compute.
        columns: `(6, rows)` float64: open, high, low, close, volume, UTC seconds. Taken as it
            is; NaN in a bar reaches every value that depends on it.
        dtype: float64, or float32 for features.
        limit: Values are clipped to `[-limit, limit]`.
        block_rows: Bars per block; it changes speed, never a bit of the result.

    Returns:
        `(rows, roots)`, NaN before each root's warm-up.
    """
    rows = columns.shape[1]
    out = np.empty((rows, len(roots)), dtype=dtype)
    if len(roots) == 0:
        return out
    runner = Runner(program_of(tuple(roots)), block_rows=max(1, min(block_rows, rows)))
    for start in range(0, rows, block_rows):
        stop = min(start + block_rows, rows)
        runner.advance(np.ascontiguousarray(columns[:, start:stop]), out[start:stop], limit)
    return out


def compile_engine() -> float:
    """Compile the kernels, or load them from numba's cache, before they are needed.

    The first call on a machine takes about 20 s; a script can say so instead of being silent.

    Returns:
        Seconds it took.
    """
    started = time.perf_counter()
    bar = np.ones((len(COLUMNS), 2))
    evaluate([lag(column("close"), 1)], bar, dtype=np.float32)
    return time.perf_counter() - started
