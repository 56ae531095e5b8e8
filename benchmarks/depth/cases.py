"""What each case measures, at its full and its quick size.

A case is a function from sizes to measurements; every measurement is one fresh process and one
line of the case's table.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from benchmarks.depth.nets import SCAN_KINDS, Net

# (coupling, memory) of the stack. The first two compute what the peers compute.
STORE = ("residual", "store")
CHECKPOINT = ("residual", "checkpoint")
REVERSIBLE = ("additive", "reversible")
Sizes = dict[str, Any]

MODES = (STORE, CHECKPOINT, REVERSIBLE)
# Multiplications of all blocks in one product each: 100 blocks of width 256 at batch 512.
BLOCK_PRODUCTS = 100 * 256 * 256 * 512
# Matrix products per block in a step: two forwards and four for the gradients, and two more
# where a block's states are computed again.
PRODUCTS = {"store": 6, "checkpoint": 8, "reversible": 8}


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One line of a table; `labels` are its columns before the measured ones."""

    labels: dict[str, Any]
    measure: str
    options: dict[str, Any]
    backend: str = "tensorflow"
    timeout_seconds: float = 900.0
    need_gib: float = 0.0

    @property
    def title(self) -> str:
        """The labels in words."""
        return ", ".join(f"{name} {value}" for name, value in self.labels.items() if value != "")


@dataclass(frozen=True, kw_only=True)
class Case:
    """A case and its two sizes."""

    measurements: Callable[..., list[Measurement]]
    full: dict[str, Any] = field(default_factory=dict)
    quick: dict[str, Any] = field(default_factory=dict)


def of_net(
    net: Net, measure: str, *, backend: str = "", repeat: int = 0, **settings: Any
) -> Measurement:
    """Measure a net; `settings` are `steps` and the fields of `Measurement`."""
    options: dict[str, Any] = {"net": asdict(net)}
    if "steps" in settings:
        options["steps"] = settings.pop("steps")
    backend = backend or ("jax" if net.kind in SCAN_KINDS else "tensorflow")
    is_stack = net.kind == "stack"
    labels = {
        "net": net.kind,
        "backend": backend,
        "compiler": "XLA" if net.jit or backend == "jax" else "graph",
        "coupling": net.coupling if is_stack else "",
        "memory": net.memory if is_stack else "",
        "normalization": net.normalization,
        "depth": net.depth,
        "width": net.width,
        "batch": net.batch,
        "repeat": repeat,
    }
    return Measurement(labels=labels, measure=measure, options=options, backend=backend, **settings)


def first_step(
    blocks: int,
    width: int,
    batch: int,
    steps: int,
    timeout_seconds: float,
    peer_timeout_seconds: float,
) -> list[Measurement]:
    """The first step and the later ones, beside every peer at the same depth.

    Plain layers get `timeout_seconds`, their variants `peer_timeout_seconds`.
    """
    size: Sizes = {"depth": blocks, "width": width, "batch": batch}
    limits: Sizes = {"steps": steps, "timeout_seconds": timeout_seconds}
    less: Sizes = {"steps": steps, "timeout_seconds": peer_timeout_seconds}
    ours = [
        of_net(
            Net(kind="stack", coupling=coupling, memory=memory, jit=jit, **size), "train", **limits
        )
        for jit in (False, True)
        for coupling, memory in MODES
    ]
    scans = [of_net(Net(kind=kind, **size), "train", **limits) for kind in SCAN_KINDS]
    plain = [of_net(Net(kind="plain", jit=False, **size), "train", **limits)]
    plain += [
        of_net(Net(kind=kind, jit=jit, **size), "train", **less)
        for kind, jit in (
            ("remat_scope", False),
            ("remat_scope", True),
            ("remat", False),
            ("plain", True),
            ("remat", True),
        )
    ]
    # RematScope works on this backend, so it gets a chance there too.
    on_jax = [
        of_net(Net(kind=kind, **size), "train", backend="jax", **less)
        for kind in ("stack", "plain", "remat_scope")
    ]
    return [*ours, *scans, *plain, *on_jax]


def depth_tracing(
    depths: list[int], width: int, batch: int, repeats: int, plain_depths: list[int]
) -> list[Measurement]:
    """The time to the first step against depth; plain layers as deep as they go."""
    rows = []
    for repeat in range(repeats):
        for depth in depths:
            size: Sizes = {"depth": depth, "width": width, "batch": batch}
            nets = [
                Net(kind="stack", coupling=coupling, memory=memory, jit=jit, **size)
                for jit in (False, True)
                for coupling, memory in MODES
            ]
            nets.append(Net(kind="scan_checkpoint", **size))
            rows += [of_net(net, "train", steps=3, repeat=repeat) for net in nets]
    for depth in plain_depths:
        net = Net(kind="plain", jit=False, depth=depth, width=width, batch=batch)
        rows.append(of_net(net, "train", steps=3))
    return rows


def memory(
    depths: list[int],
    store_depths: list[int],
    batches: list[int],
    deep_batches: list[int],
    store_batches: list[int],
    width: int,
) -> list[Measurement]:
    """Peak memory at several batch sizes, whose slope is the activation memory.

    `deep_batches` are those of nets deeper than 10,000 blocks, whose passes take minutes.
    """
    nets = [
        Net(kind="stack", coupling=c, memory=m, depth=depth, width=width, batch=batch)
        for c, m in (REVERSIBLE, CHECKPOINT)
        for depth in depths
        for batch in (batches if depth <= 10_000 else deep_batches)
    ]
    kept: list[dict[str, Any]] = [
        {"kind": "stack", "coupling": STORE[0], "memory": STORE[1]},
        {"kind": "scan"},
        {"kind": "scan_checkpoint"},
    ]
    nets += [
        Net(depth=depth, width=width, batch=batch, **options)
        for options in kept
        for depth in store_depths
        for batch in store_batches
    ]
    nets += [
        Net(kind="plain", jit=False, depth=store_depths[0], width=width, batch=batch)
        for batch in store_batches
    ]
    return [of_net(net, "memory", timeout_seconds=1800.0) for net in nets]


def million(depth: int, width: int, batch: int, steps: int) -> list[Measurement]:
    """Two matrix products in each of half a million blocks, and the peer that keeps carries."""
    size: Sizes = {"depth": depth, "width": width, "batch": batch}
    nets = [
        Net(kind="stack", coupling=REVERSIBLE[0], memory=REVERSIBLE[1], **size),
        Net(kind="scan_checkpoint", **size),
    ]
    gib = 25e-9 * depth * width * width * 2 + 1
    return [of_net(net, "train", steps=steps, timeout_seconds=1800.0, need_gib=gib) for net in nets]


def billion(depth: int, width: int, batch: int, steps: int, need_gib: float) -> list[Measurement]:
    """A billion parameters in 2,000 weighted layers."""
    size: Sizes = {"depth": depth, "width": width, "batch": batch}
    nets = [
        *(Net(kind="stack", coupling=c, memory=m, **size) for c, m in (REVERSIBLE, STORE)),
        Net(kind="scan_checkpoint", **size),
    ]
    return [
        of_net(net, "train", steps=steps, timeout_seconds=1800.0, need_gib=need_gib) for net in nets
    ]


def throughput(
    shapes: list[list[int]], blocks: int, plain_blocks: int, steps: int, repeats: int
) -> list[Measurement]:
    """Steps of each `(width, batch)` beside the machine's product rate and the peers."""
    rows = []
    for repeat in range(repeats):
        rows += [_product_rate(width, batch, repeat) for width, batch in shapes]
        for width, batch in shapes:
            # As many blocks as keep a step near the same cost, and no fewer than plain layers.
            depth = max(plain_blocks, min(blocks, BLOCK_PRODUCTS // (width * width * batch)))
            size: Sizes = {"width": width, "batch": batch}
            nets = [
                Net(kind="stack", coupling=coupling, memory=memory, jit=jit, depth=depth, **size)
                for jit in (False, True)
                for coupling, memory in MODES
            ]
            nets += [
                Net(
                    kind="stack",
                    coupling=REVERSIBLE[0],
                    memory=REVERSIBLE[1],
                    normalization=normalization,
                    depth=depth,
                    **size,
                )
                for normalization in ("rms", "none")
            ]
            nets += [Net(kind=kind, depth=depth, **size) for kind in SCAN_KINDS]
            nets += [
                Net(kind="plain", jit=jit, depth=plain_blocks, **size) for jit in (False, True)
            ]
            rows += [of_net(net, "train", steps=steps, repeat=repeat) for net in nets]
    return rows


def gradients(depth: int, width: int, batch: int) -> list[Measurement]:
    """Each mode's gradients beside float64, with dropout and stochastic depth on."""
    return [
        Measurement(
            labels={"compiler": "XLA" if jit else "graph"},
            measure="call",
            options={
                "module": "accuracy",
                "function": "gradient_errors",
                "depth": depth,
                "width": width,
                "batch": batch,
                "jit": jit,
            },
        )
        for jit in (False, True)
    ]


def saving(depth: int, widths: list[int]) -> list[Measurement]:
    """Save, load in another process, predict."""
    return [
        Measurement(
            labels={},
            measure="call",
            options={
                "module": "saved",
                "function": "save_and_load",
                "depth": depth,
                "width": width,
            },
        )
        for width in widths
    ]


def _product_rate(width: int, batch: int, repeat: int) -> Measurement:
    labels = {"net": "matrix product", "width": width, "batch": batch, "repeat": repeat}
    options = {"module": "products", "function": "rate", "width": width, "batch": batch}
    return Measurement(labels=labels, measure="call", options=options)


CASES = {
    "first_step": Case(
        measurements=first_step,
        full={
            "blocks": 500,
            "width": 64,
            "batch": 128,
            "steps": 12,
            "timeout_seconds": 1200.0,
            "peer_timeout_seconds": 600.0,
        },
        quick={
            "blocks": 30,
            "width": 64,
            "batch": 128,
            "steps": 6,
            "timeout_seconds": 120.0,
            "peer_timeout_seconds": 120.0,
        },
    ),
    "depth_tracing": Case(
        measurements=depth_tracing,
        full={
            "depths": [100, 1_000, 10_000, 100_000],
            "width": 16,
            "batch": 64,
            "repeats": 3,
            "plain_depths": [100, 1_000],
        },
        quick={
            "depths": [100, 10_000],
            "width": 16,
            "batch": 16,
            "repeats": 1,
            "plain_depths": [20],
        },
    ),
    "memory": Case(
        measurements=memory,
        full={
            "depths": [100, 1_000, 10_000, 100_000],
            "store_depths": [100, 1_000, 10_000],
            "batches": [1024, 4096, 8192],
            "deep_batches": [1024, 2048, 4096],
            "store_batches": [256, 512, 1024],
            "width": 16,
        },
        quick={
            "depths": [100, 1_000],
            "store_depths": [100, 1_000],
            "batches": [1024, 4096],
            "deep_batches": [],
            "store_batches": [256, 1024],
            "width": 16,
        },
    ),
    "million": Case(
        measurements=million,
        full={"depth": 500_000, "width": 16, "batch": 64, "steps": 10},
        quick={"depth": 5_000, "width": 16, "batch": 64, "steps": 10},
    ),
    "billion": Case(
        measurements=billion,
        full={"depth": 500, "width": 1024, "batch": 32, "steps": 4, "need_gib": 21.0},
        quick={"depth": 8, "width": 1024, "batch": 32, "steps": 4, "need_gib": 2.0},
    ),
    "throughput": Case(
        measurements=throughput,
        full={
            "shapes": [[256, 512], [16, 64], [16, 1024], [64, 128], [64, 1024], [1024, 128]],
            "blocks": 1000,
            "plain_blocks": 20,
            "steps": 10,
            "repeats": 2,
        },
        quick={
            "shapes": [[256, 512], [16, 64]],
            "blocks": 500,
            "plain_blocks": 10,
            "steps": 6,
            "repeats": 1,
        },
    ),
    "gradients": Case(
        measurements=gradients,
        full={"depth": 10_000, "width": 16, "batch": 32},
        quick={"depth": 200, "width": 16, "batch": 8},
    ),
    "saving": Case(
        measurements=saving,
        full={"depth": 10_000, "widths": [16, 64]},
        quick={"depth": 1_000, "widths": [16]},
    ),
}
