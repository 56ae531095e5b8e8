"""Where the weights of densely connected blocks lie, and into which loops the blocks are cut.

A unit works on a buffer whose rows are features: the unit's input, then `growth_rate` rows for
each block. Blocks read inputs of growing width, and a loop wants equal shapes, so a unit's
blocks are cut into a few buckets. All blocks of a bucket read as many rows as its last one;
what a block may not read yet has its kernel rows set to zero. Equal buckets waste the least,
and with `n` of them the work is about `1 + 1 / n` times the exact work.
"""

from dataclasses import dataclass
from functools import cached_property
from itertools import groupby, pairwise
from typing import Any

from keras import ops

# How much more than the exact work the padding may cost before another bucket is made.
PADDED_WORK = 1.25
# Below this many blocks a bucket's padding costs less than another loop would.
SMALLEST_BUCKET = 6


@dataclass(frozen=True, kw_only=True)
class DenseSettings:
    """What all blocks of one stack share; rates are of dropout and of the last block's drop."""

    normalization: str
    activation: str
    dropout_rate: float
    stochastic_depth: float
    compute_dtype: str


@dataclass(frozen=True)
class Bucket:
    """Blocks `first` to `first + blocks - 1` of a unit, run by one loop.

    The first of them reads `prefix` rows of the buffer, each other `growth_rate` more.
    """

    first: int
    blocks: int
    prefix: int
    growth_rate: int

    @property
    def width(self) -> int:
        """Rows that the loop reads for every block: those of the last one."""
        return self.prefix + (self.blocks - 1) * self.growth_rate

    @property
    def end(self) -> int:
        """Rows of the buffer once the bucket is done."""
        return self.prefix + self.blocks * self.growth_rate

    def start(self, block: Any) -> Any:
        """The packed row, counted from the bucket's first, where its block `block` begins."""
        return self.prefix * block + self.growth_rate * (block * (block - 1) // 2)

    def packed_rows(self) -> tuple[Any, Any]:
        """Which block, and which of the rows it reads, each packed row of the bucket is.

        Returns:
            Two int32 arrays `(start(blocks),)`. They are computed rather than stored: their
            length is quadratic in the number of blocks.
        """
        rows = ops.arange(self.start(self.blocks), dtype="int32")
        half = self.prefix - self.growth_rate / 2
        root = ops.sqrt(half**2 + 2.0 * self.growth_rate * ops.cast(rows, "float32"))
        block = ops.cast(ops.floor((root - half) / self.growth_rate), "int32")
        # The float32 root may be wrong by less than one block: the integers decide.
        block = ops.where(self.start(block) > rows, block - 1, block)
        block = ops.where(self.start(block + 1) <= rows, block + 1, block)
        return block, rows - self.start(block)


@dataclass(frozen=True)
class Run:
    """Consecutive units of equally many blocks, run by one loop over units."""

    units: int
    blocks: int
    first_unit: int
    first_block: int
    first_block_row: int
    first_transition_row: int
    buckets: tuple[Bucket, ...]

    @property
    def width(self) -> int:
        """Values of a unit's input and output."""
        return self.buckets[0].prefix

    @property
    def growth_rate(self) -> int:
        """Values that a block adds."""
        return self.buckets[0].growth_rate

    @property
    def end(self) -> int:
        """Rows of a unit's full buffer, which its transition reads."""
        return self.buckets[-1].end

    def rows(self, name: str) -> int:
        """How many rows of the packed weight `name` belong to each unit."""
        part, _, kind = name.partition("_")
        if part == "transition":
            return 1 if kind == "bias" else self.end
        return self.blocks if kind == "bias" else self.first_row(self.buckets[-1].end)

    def first_packed(self, name: str) -> int:
        """The row of the packed weight `name` where the run begins."""
        part, _, kind = name.partition("_")
        if part == "transition":
            return self.first_unit if kind == "bias" else self.first_transition_row
        return self.first_block if kind == "bias" else self.first_block_row

    def first_row(self, prefix: int) -> int:
        """The packed row, counted from the unit's first, of the block that reads `prefix` rows."""
        block = (prefix - self.width) // self.growth_rate
        return self.width * block + self.growth_rate * (block * (block - 1) // 2)


@dataclass(frozen=True)
class DenseLayout:
    """Where the rows of each block and transition lie in the packed weights.

    Block `b` of a unit reads `width + b * growth_rate` values and owns that many rows of
    `block_kernel`, `block_norm_scale` and so on, units and blocks in order; a transition reads
    `width + blocks * growth_rate` values and owns that many rows of `transition_kernel`.
    """

    blocks_per_unit: tuple[int, ...]
    width: int
    growth_rate: int

    @property
    def units(self) -> int:
        """Number of units."""
        return len(self.blocks_per_unit)

    @cached_property
    def block_fans(self) -> tuple[int, ...]:
        """How many values each block reads, units in order."""
        return tuple(
            self.width + block * self.growth_rate
            for blocks in self.blocks_per_unit
            for block in range(blocks)
        )

    @cached_property
    def transition_fans(self) -> tuple[int, ...]:
        """How many values each unit's transition reads."""
        return tuple(self.width + blocks * self.growth_rate for blocks in self.blocks_per_unit)

    @cached_property
    def runs(self) -> tuple[Run, ...]:
        """The units, equal neighbours together."""
        runs: list[Run] = []
        unit = block = 0
        for blocks, equal in groupby(self.blocks_per_unit):
            units = len(tuple(equal))
            rows = sum(self.block_fans[:block]), sum(self.transition_fans[:unit])
            buckets = _buckets(blocks, self.width, self.growth_rate)
            runs.append(Run(units, blocks, unit, block, *rows, buckets))
            unit, block = unit + units, block + units * blocks
        return tuple(runs)


def _buckets(blocks: int, width: int, growth_rate: int) -> tuple[Bucket, ...]:
    """As few equal buckets as keep the padded work within `PADDED_WORK` of the exact work."""
    exact = blocks * width + growth_rate * (blocks * (blocks - 1) // 2)
    count = 0
    while True:
        count += 1
        firsts = [blocks * index // count for index in range(count + 1)]
        buckets = tuple(
            Bucket(first, end - first, width + first * growth_rate, growth_rate)
            for first, end in pairwise(firsts)
        )
        padded = sum(bucket.blocks * bucket.width for bucket in buckets)
        if padded <= PADDED_WORK * exact or blocks < (count + 1) * SMALLEST_BUCKET:
            return buckets
