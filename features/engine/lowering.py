"""From nodes to instructions: which operators run, in what order, and where their values lie.

Four things happen on the way. Lags vanish: whoever reads a late value reads it further left.
Scaling and limiting are done by the instruction whose value they change, where nobody else reads
that value. Instructions of one kind are brought together, for the executor of single bars. And
rows of values that nobody looks back at are used again after their last reader.
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from ultimate_deep.features.engine import opcodes as op
from ultimate_deep.features.engine.graph import COLUMNS, Node

# Operators that read their own last output, which therefore must not be scaled in place.
RECURSIVE = (op.EXPONENTIAL, op.EXPONENTIAL_VARYING, op.CUMULATIVE, op.STREAK)

# Operators of which several are computed at once: none may read another one's result.
SIDE_BY_SIDE = (
    *(op.SQRT, op.TANH, op.SIN, op.COS, op.LOG, op.NORMAL_CDF, op.ARCTANGENT),
    *(op.LOG_RATIO, op.DEVIATION, op.EXPONENTIAL),
)

NO_FINISH = (1.0, 0.0, -math.inf, math.inf)


@dataclass(eq=False)
class Instruction:
    """One operator of the program.

    Attributes:
        node: The operator that it carries out.
        reads: What it reads: name of a value and bars earlier.
        finish: Scale, offset, least and greatest value applied to the result.
        row: Row of the result (the first of several).
    """

    node: Node
    reads: list[tuple["Value", int]]
    finish: tuple[float, float, float, float] = NO_FINISH
    row: int = -1


@dataclass(eq=False)
class Value:
    """What rows hold: a column of the bars, a constant or an output of an instruction."""

    instruction: Instruction | None
    output: int = 0
    row: int = -1
    keep: int = 0
    last_reader: int = -1

    @property
    def place(self) -> int:
        """Its row in the work array."""
        return self.row if self.instruction is None else self.instruction.row + self.output


@dataclass(eq=False)
class Root:
    """A value asked for: where it is read, how much earlier, and what is done to it last."""

    value: Value
    lag: int
    finish: tuple[float, float, float, float]
    settled: int


@dataclass(eq=False)
class Lowered:
    """A program before it is written into arrays.

    Attributes:
        columns: Names of the bar columns, one row each, in the order of the first rows.
        constants: Values of the rows after the columns.
        groups: Instructions in the order of execution, those of one kind together.
        roots: The values asked for, in their order.
        keep: Columns of history of each row.
    """

    columns: tuple[str, ...]
    constants: tuple[float, ...]
    groups: list[list[Instruction]] = field(default_factory=list)
    roots: list[Root] = field(default_factory=list)
    keep: list[int] = field(default_factory=list)

    @property
    def instructions(self) -> list[Instruction]:
        """All of them in the order of execution."""
        return [instruction for group in self.groups for instruction in group]


def ordered(roots: Sequence[Node]) -> list[Node]:
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


def undelayed(node: Node) -> tuple[Node, int]:
    """The node that a lag is a lag of, and the bars; any other node and 0."""
    if node.code == op.LAG:
        return node.inputs[0], int(node.parameters[0])
    return node, 0


def _finish_of(node: Node) -> tuple[float, float, float, float] | None:
    if node.code == op.AFFINE:
        return (*node.parameters, -math.inf, math.inf)  # type: ignore[return-value]
    if node.code == op.CLIP:
        return (1.0, 0.0, *node.parameters)  # type: ignore[return-value]
    return None


def _joined(
    inner: tuple[float, float, float, float], outer: tuple[float, float, float, float]
) -> tuple[float, float, float, float] | None:
    """One finish that does `inner`, then `outer`, with the same bits; None where there is none."""
    if outer[:2] == (1.0, 0.0):
        if inner[2:] == (-math.inf, math.inf):
            return (*inner[:2], *outer[2:])
        return None
    return outer if inner == NO_FINISH else None


class _Lowering:
    """Holds what is known of each node while a program is put together."""

    def __init__(self, roots: Sequence[Node]) -> None:
        self.nodes = [node for node in ordered(roots) if node.code != op.LAG]
        self.readers: dict[int, int] = defaultdict(int)
        for node in self.nodes:
            for parent in node.inputs:
                self.readers[id(undelayed(parent)[0])] += 1
        self.asked: dict[int, int] = defaultdict(int)
        for node in roots:
            self.asked[id(undelayed(node)[0])] += 1
        self.values: dict[int, Value] = {}
        self.shared: dict[tuple[object, ...], Instruction] = {}

    def peel(self, node: Node) -> tuple[Node, tuple[float, float, float, float]]:
        """The node below a root's last scaling and limits, when only the root wants those."""
        finish: tuple[float, float, float, float] = NO_FINISH
        while self.readers[id(node)] == 0:
            inner = _finish_of(node)
            joined = None if inner is None else _joined(inner, finish)
            if joined is None:
                break
            finish = joined
            node = node.inputs[0]
            self.readers[id(node)] -= 1
        return node, finish

    def lower(self, node: Node) -> None:
        """Make the node's instruction, or add to its input's, or name a leaf."""
        if id(node) in self.values:
            return
        reads = [(undelayed(parent)[0], undelayed(parent)[1]) for parent in node.inputs]
        finish = _finish_of(node)
        if finish is not None and reads[0][1] == 0:
            parent = reads[0][0]
            value = self.values.get(id(parent))
            alone = self.readers[id(parent)] == 1 and self.asked[id(parent)] == 0
            if value is not None and value.instruction is not None and alone:
                below = value.instruction
                joined = _joined(below.finish, finish)
                plain = below.node.outputs == 1 and below.node.code not in RECURSIVE
                if joined is not None and plain:
                    below.finish = joined
                    self.values[id(node)] = value
                    return
        key = (node.code, tuple(id(parent) for parent in node.inputs), node.parameters)
        if key not in self.shared:
            given = [(self.values[id(parent)], bars) for parent, bars in reads]
            self.shared[key] = Instruction(node, given)
        self.values[id(node)] = Value(self.shared[key], node.output)


def _grouped(instructions: list[Instruction]) -> list[list[Instruction]]:
    """An order that respects dependencies and brings instructions of one kind together.

    In a group one instruction may read what an earlier one wrote, unless that is scaled (which
    happens to all results at the group's end) or several are computed at once.

    Least number of groups is a hard problem; this is list scheduling by the longest way left. With
    `u -> v` where instruction v reads a value of u:

        c(u)     kind                                            `kinds[u]`
        w(u, v)  0 if u hands on within a group and c(u) = c(v), else 1
                                                                 `handing[u]`, `same`
        H(u)     max(1, max over u -> v of H(v) + w(u, v))       `height[u]`: groups from u's own
                                                                 to the end, at least
        n(v)     producers of v that have no place yet           `waiting[v]`
        R(c)     {v : n(v) = 0, c(v) = c, v without a place}     `ready[c]`

    The next group is of the kind whose R(c) has the largest H, then the most instructions of that
    H (`urgency`). It takes R(c) and, wave by wave (`batch`, `following`), every v of its kind for
    which n(v) falls to 0 and w(u, v) = 0 for all u of this group that it reads (else `barred`).
    """
    number = {id(instruction): k for k, instruction in enumerate(instructions)}
    users: list[list[int]] = [[] for _ in instructions]
    waiting = [0] * len(instructions)
    for k, instruction in enumerate(instructions):
        for producer in {
            number[id(value.instruction)] for value, _ in instruction.reads if value.instruction
        }:
            users[producer].append(k)
            waiting[k] += 1
    kinds = [instruction.node.code for instruction in instructions]
    handing = [
        instruction.finish == NO_FINISH and instruction.node.code not in SIDE_BY_SIDE
        for instruction in instructions
    ]
    # How many groups at least follow on the way to the end: the longest way goes first.
    height = [1] * len(instructions)
    for k in range(len(instructions) - 1, -1, -1):
        for user in users[k]:
            same = handing[k] and kinds[user] == kinds[k]
            height[k] = max(height[k], height[user] + int(not same))
    ready: dict[int, list[int]] = defaultdict(list)
    for k, count in enumerate(waiting):
        if count == 0:
            ready[kinds[k]].append(k)

    def urgency(kind: int) -> tuple[int, int, int]:
        heights = [height[k] for k in ready[kind]]
        return max(heights), heights.count(max(heights)), kind

    groups: list[list[Instruction]] = []
    while ready:
        chosen = max(ready, key=urgency)
        batch = sorted(ready.pop(chosen))
        group = []
        barred: set[int] = set()
        while batch:
            following: list[int] = []
            for k in batch:
                group.append(instructions[k])
                if not handing[k]:
                    barred.update(users[k])
                for user in users[k]:
                    waiting[user] -= 1
                    if waiting[user] == 0:
                        same = kinds[user] == chosen and user not in barred
                        (following if same else ready[kinds[user]]).append(user)
            batch = sorted(following)
        groups.append(group)
    return groups


def _place(lowered: Lowered, values: list[Value], lasting: set[int]) -> None:
    """Give every value its row; rows without history are used again after their last reader."""
    instructions = lowered.instructions
    for k, instruction in enumerate(instructions):
        for value, bars in instruction.reads:
            value.last_reader = k
            scanned = instruction.node.lookback if value is instruction.reads[0][0] else 0
            reach = bars + scanned
            if instruction.node.code == op.QUANTILES:
                reach += 1
            value.keep = max(value.keep, reach)
    outputs: dict[int, list[Value]] = defaultdict(list)
    for value in values:
        if value.instruction is not None:
            outputs[id(value.instruction)].append(value)
    free: list[int] = []
    for k, instruction in enumerate(instructions):
        made = outputs[id(instruction)]
        own = int(instruction.node.code in RECURSIVE)
        history = max([own, *(value.keep for value in made)])
        several = instruction.node.outputs
        passing = several == 1 and history == 0 and not lasting.intersection(map(id, made))
        if passing and free:
            instruction.row = free.pop()
        else:
            instruction.row = len(lowered.keep)
            lowered.keep.extend([history] * several)
        for value in {id(read): read for read, _ in instruction.reads}.values():
            source = value.instruction
            if source is None or value.last_reader != k or id(value) in lasting:
                continue
            if source.node.outputs == 1 and lowered.keep[source.row] == 0:
                free.append(source.row)


def lower(roots: Sequence[Node]) -> Lowered:
    """Instructions for `roots` and everything below them."""
    lowering = _Lowering(roots)
    used = {node.name for node in lowering.nodes if node.code == op.COLUMN}
    columns = COLUMNS + tuple(sorted(used.difference(COLUMNS)))
    lowered = Lowered(columns, (0.0, 1.0))
    peeled = []
    for node in roots:
        base, bars = undelayed(node)
        finish: tuple[float, float, float, float] = NO_FINISH
        # A value asked for in two ways must stay whole.
        if lowering.asked[id(base)] == 1:
            base, finish = lowering.peel(base)
            lowering.asked[id(base)] += 1
        peeled.append((base, bars, finish, node.settled))
    needed = {id(node) for node in ordered([base for base, *_ in peeled])}
    for node in lowering.nodes:
        if node.code == op.COLUMN:
            value = Value(None, row=columns.index(node.name))
        elif node.code == op.CONSTANT:
            value = Value(None, row=len(columns) + lowered.constants.index(node.parameters[0]))
        elif id(node) in needed:
            lowering.lower(node)
            continue
        else:
            continue
        lowering.values[id(node)] = value
    values = list({id(value): value for value in lowering.values.values()}.values())
    lowered.keep = [0] * (len(columns) + len(lowered.constants))
    lowered.groups = _grouped(list(lowering.shared.values()))
    for base, bars, finish, settled in peeled:
        value = lowering.values[id(base)]
        value.keep = max(value.keep, bars)
        lowered.roots.append(Root(value, bars, finish, settled))
    _place(lowered, values, {id(root.value) for root in lowered.roots})
    for value in values:
        if value.instruction is None:
            lowered.keep[value.row] = max(lowered.keep[value.row], value.keep)
    return lowered
