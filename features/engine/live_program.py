"""A program laid out for single bars."""

from typing import Any

import numpy as np
import numpy.typing as npt

from ultimate_deep.features.engine import bar_executor
from ultimate_deep.features.engine import bar_kernels as bk
from ultimate_deep.features.engine import block_kernels as be
from ultimate_deep.features.engine import opcodes as op
from ultimate_deep.features.engine.lowering import RECURSIVE
from ultimate_deep.features.engine.program import Program

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

# Bars between two moves of the history.
ROOM = 32

# Places in the clock: the next column, the number of bars so far, the limit of values and whether
# bars are checked.
CLOCK_COLUMN, CLOCK_ROW, CLOCK_LIMIT, CLOCK_CHECKED = range(4)


def new_clock() -> Floats:
    """The clock before the first bar."""
    return np.array([0.0, 0.0, np.inf, 0.0])


class LiveProgram:
    """A program as the executor of single bars takes it, with memories of its own.

    Only values that are looked back at have a row, as long as they are looked back at and `ROOM`
    more: everything stays within the processor's nearest memory.

    Args:
        program: What to compute.
        state: The operators' memories, shared with the executor of blocks.
        clock: The clock that `new_clock` makes, shared too.
        last: `(1,)` int64, shared too: UTC nanoseconds of the last bar.
        digest: Names the kernels' source.

    Attributes:
        places: Addresses of all arrays and their sizes, which spares handing each one over.
        bar: `(columns,)` float64, where the next bar's further columns are put.
        values: The roots' values of the last bar come first, as float64.
        run: The compiled executor.
    """

    def __init__(
        self, program: Program, state: Floats, clock: Floats, last: Integers, digest: int
    ) -> None:
        rows = len(program.keep)
        kept = np.flatnonzero(program.keep)
        lengths = program.keep[kept] + ROOM
        # Where the newest column of each row stands while the clock's column is 0.
        self._newest = np.zeros(rows, dtype=np.int64)
        self._newest[kept] = np.cumsum(lengths) - lengths + program.keep[kept]
        self._work = np.full(int(lengths.sum()), np.nan)
        self._clock = clock
        self._kept = np.concatenate(
            [self._newest[k] + np.arange(-program.keep[k], 0) for k in range(rows)]
        ).astype(np.int64)
        late: dict[tuple[int, int], int] = {}

        def place(row: int, bars: int) -> int:
            """Where in `now` a value stands: its row, or among those gathered."""
            if bars == 0:
                return row
            return late.setdefault((row, bars), rows + len(late))

        short, details = [], []
        for fields, lags in zip(program.table.tolist(), program.lags.tolist(), strict=True):
            inputs = fields[be.IN_0 : be.IN_3 + 1]
            scanned = fields[be.CODE] >= op.FIR
            reads = [place(row, bars) for row, bars in zip(inputs, lags, strict=True)]
            if fields[be.CODE] in RECURSIVE:
                reads[3] = place(fields[be.OUT], 1)
            finish = fields[be.FINISH] if fields[be.FINISH] >= 0 else int(bk.NONE)
            short.append([fields[be.OUT], *reads, fields[be.GIVEN], finish, fields[be.WINDOW]])
            newest = int(self._newest[inputs[0]]) - lags[0] if scanned else 0
            memory = (fields[be.FIRST], fields[be.OUTPUTS], fields[be.STATE])
            details.append([newest, *memory, lags[0]])
        roots = [place(row, bars) for row, bars in program.roots.tolist()]
        most = max((max(fields) for fields in short), default=0)
        if most > int(bk.NONE):
            raise ValueError(
                f"a program for single bars has at most {int(bk.NONE)} values and parameters; "
                f"this one has {most}: ask for fewer features or indicators"
            )
        widest = int((program.groups[:, 2] - program.groups[:, 1]).max(initial=len(roots)))
        self.values = np.empty(3 * widest)
        now = np.zeros(rows + len(late))
        first = len(program.columns)
        self.bar = np.empty(first)
        now[first : first + len(program.constants)] = program.constants
        arrays: dict[int, npt.NDArray[Any]] = {
            bk.GROUPS: program.groups,
            bk.TABLE: np.array(short, dtype=np.uint16),
            bk.DETAIL: np.array(details, dtype=np.int64),
            bk.CONSTANTS: program.given,
            bk.FINISHES: program.finishes,
            bk.ROOTS: np.array(roots, dtype=np.int64),
            bk.SETTLED: program.settled,
            bk.ROOT_FINISHES: program.root_finishes.T,
            bk.WORK: self._work,
            bk.MEMORY: state,
            bk.NOW: now,
            bk.LANES: self.values,
            bk.BAR: self.bar,
            bk.GATHER: np.array([self._newest[row] - bars for row, bars in late], dtype=np.int64),
            bk.SCATTER: np.stack([kept, self._newest[kept], program.keep[kept]], axis=1),
            bk.CLOCK: clock,
            bk.LAST: last,
        }
        sizes = {
            bk.N_GROUPS: len(program.groups),
            bk.N_COLUMNS: first,
            bk.N_GATHER: len(late),
            bk.N_SCATTER: len(kept),
            bk.N_ROWS: rows,
            bk.END: ROOM,
        }
        # Addresses stay valid as long as the arrays are held here.
        self._arrays = {key: np.ascontiguousarray(array) for key, array in arrays.items()}
        self.places = np.zeros(bk.PLACES, dtype=np.int64)
        for key, array in self._arrays.items():
            self.places[key] = array.ctypes.data
        for key, size in sizes.items():
            self.places[key] = size
        self.places[bk.SELF] = self.places.ctypes.data
        self.run = bar_executor.bar_executor(digest)

    def history(self) -> Floats:
        """Every row's past, row after row, oldest first."""
        return self._work[self._kept + int(self._clock[CLOCK_COLUMN])]

    def take_history(self, history: Floats) -> None:
        """Begin with this past, as `history()` gives it."""
        self._clock[CLOCK_COLUMN] = 0.0
        self._work[self._kept] = history
