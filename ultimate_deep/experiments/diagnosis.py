"""What this machine has, and whether it computes what it must."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import platform
from dataclasses import dataclass

import keras
import numpy as np

from ultimate_deep.bundles.manifest import library_versions
from ultimate_deep.evaluation.ledger.ledger import LedgerError
from ultimate_deep.evaluation.ledger.place import ledger_path
from ultimate_deep.experiments.trials import open_ledgers
from ultimate_deep.features import compute_features
from ultimate_deep.machine.home import HomeError, shown_path
from ultimate_deep.machine.threads import POOLS, WAITING, usable_cores
from ultimate_deep.market.simulator import simulate_bars
from ultimate_deep.models.registry import build_model, config_class

# Logits of `exact_logits` as hexadecimal floats; every sum in it is exact in float32.
EXACT = ("0x1.36b0000000000p+1", "-0x1.ede3000000000p+2", "-0x1.be3c000000000p+3")
EXTRAS = {
    "trees": ("xgboost", "lightgbm"),
    "images": ("safetensors",),
    "jax": ("jax",),
    "pdf": ("weasyprint",),
}


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """What was found.

    Args:
        lines: What to copy into a bug report, by heading.
        problems: What is not as it must be.
    """

    lines: dict[str, str]
    problems: tuple[str, ...]


def diagnose() -> Diagnosis:
    """Look at versions, machine and devices, and compute what is known beforehand."""
    versions = library_versions()
    logits = exact_logits()
    expected = np.array([float.fromhex(one) for one in EXACT], np.float32)
    ledger, problems = ledger_state()
    exact = np.array_equal(logits, expected)
    if not exact:
        problems.append(
            f"a net of exact sums gave {[float(one).hex() for one in logits]}, not {list(EXACT)}; "
            "run it again with TF_ENABLE_ONEDNN_OPTS=0, and report both outputs"
        )
    lines = {
        "ultimate-deep": versions.pop("ultimate-deep"),
        "python": f"{versions.pop('python')}, {platform.platform()}",
        "libraries": ", ".join(f"{name} {version}" for name, version in versions.items()),
        "processor": f"{_processor()}, {os.cpu_count()} logical cores, {usable_cores()} for us",
        "threads": _threads(),
        "memory": _memory(),
        "devices": ", ".join(keras.distribution.list_devices()) or "none",
        "extras": _extras(),
        "ledger": ledger,
        "features": f"digest {features_digest()} (equal on equal processors)",
        "prediction": "exact to the bit" if exact else "wrong",
    }
    return Diagnosis(lines=lines, problems=tuple(problems))


def ledger_state() -> tuple[str, list[str]]:
    """Return where the ledger is, and what keeps a run from counting its trials there."""
    try:
        place = shown_path(ledger_path())
        open_ledgers().verify()  # what a run does, which would refuse
    except HomeError as error:
        return "cannot be written", [str(error)]
    except LedgerError as error:
        return f"{place}, damaged", [str(error)]
    return place, []


def exact_logits() -> np.ndarray:
    """Return three logits of a residual net whose weights and inputs are halves.

    Four blocks are scaled by exactly one half. The norm before the logits, which divides and takes
    a root, is left out. So every sum has at most 24 bits, in whatever order it is taken.
    """
    model = exact_model()
    draw = np.random.default_rng(0)
    for weight in model.weights:
        weight.assign(draw.integers(-2, 3, weight.shape).astype(np.float32) / 2)
    inputs = draw.integers(-4, 5, (3, 6)).astype(np.float32) / 2
    return np.asarray(model.predict_on_batch(inputs), np.float32)[:, 0]


def exact_model() -> keras.Model:
    """Return the net whose every step is exact, with other weights."""
    config = config_class("stack")(
        kind="residual", blocks=4, width=8, normalization="none", activation="relu",
        dropout_rate=0.0, input_clip=8.0,
    )  # fmt: skip
    whole = build_model("stack", {"features": (6,)}, config=config)
    logits = whole.get_layer("logits")(whole.get_layer("body").output)
    return keras.Model(whole.inputs, logits)


def features_digest() -> str:
    """Return the beginning of the SHA-256 of all features of 1,000 simulated bars."""
    bars = simulate_bars(1_000, seed=7).bars
    values = compute_features(bars.frame).values
    return hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest()[:16]


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        return platform.processor() or platform.machine()
    return platform.machine()


def _threads() -> str:
    told = [name for name in (*POOLS, *WAITING) if name in os.environ]
    return ", ".join(f"{name}={os.environ[name]}" for name in told)


def _memory() -> str:
    total, free = (
        os.sysconf(name) * os.sysconf("SC_PAGE_SIZE") / 2**30
        for name in ("SC_PHYS_PAGES", "SC_AVPHYS_PAGES")
    )
    return f"{total:.1f} GiB, {free:.1f} GiB free"


def _extras() -> str:
    found = []
    for extra, modules in EXTRAS.items():
        there = [name for name in modules if importlib.util.find_spec(name)]
        versions = ", ".join(
            f"{one} {importlib.metadata.version(one)}" for one in there if _known(one)
        )
        found.append(f"[{extra}] {versions or 'absent'}")
    return "; ".join(found)


def _known(module: str) -> bool:
    try:
        importlib.metadata.version(module)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True
