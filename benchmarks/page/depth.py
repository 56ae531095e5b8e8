"""What depth costs."""

import pandas as pd

from benchmarks.page.tables import MACHINE, number, read, rows_of, section, table


def first_steps() -> str:
    """Time to the first step and per step, beside plain layers and JAX."""
    found = read("depth_first_step")
    rows = [
        [
            _net(one),
            one.error if pd.isna(one.first_step_seconds) else f"{number(one.first_step_seconds)} s",
            "" if pd.isna(one.step_seconds) else f"{number(one.step_seconds, 2)} s",
            "" if pd.isna(one.peak_gib) else f"{number(one.peak_gib, 2)} GiB",
        ]
        for one in rows_of(found)
    ]
    whole = read("first_step_500")
    rows_whole = [
        [one.variant, f"{number(one.first_step_seconds)} s", f"{number(one.step_seconds, 2)} s"]
        for one in rows_of(whole)
    ]
    text = (
        "500 residual blocks of width 64, batch 128, Adam; then the default net as a whole, dense "
        "units and attention included (`benchmarks/bench_first_step.py`)."
    )
    columns = ["", "first step after", "then a step takes", "peak memory"]
    return section(
        "Depth: the first step",
        "bench_depth.py",
        text,
        table(columns, rows),
        table(["the default net", *columns[1:3]], rows_whole),
        "![Time to the first step and per step]"
        f"(../benchmarks/results/depth_first_step_{MACHINE}.png)",
    )


def _net(one: object) -> str:
    parts = [getattr(one, key) for key in ("net", "backend", "compiler", "coupling", "memory")]
    return ", ".join(str(part) for part in parts if pd.notna(part))


def deep_stacks() -> str:
    """Tracing, extremes, files and gradients of deep stacks."""
    tracing = read("depth_depth_tracing")
    depths = sorted(tracing["depth"].unique())
    rows = []
    stacks = tracing[tracing["net"] == "stack"]
    for key, part in stacks.groupby(["compiler", "coupling", "memory"], sort=False):
        by_depth = part.set_index("depth")
        cells = [
            f"{number(by_depth.loc[d, 'build_seconds'], 2)} s, "
            f"{number(by_depth.loc[d, 'first_step_seconds'] - by_depth.loc[d, 'step_seconds'])} s"
            for d in depths
        ]
        rows.append([", ".join(map(str, key)), *cells])
    extremes = pd.concat([read("depth_million"), read("depth_billion")])
    rows_extremes = [
        [
            f"{one.depth:,}",
            f"{one.width:,}",
            f"{one.batch}",
            f"{one.parameters:,.0f}",
            f"{number(one.first_step_seconds)} s",
            f"{number(one.step_seconds)} s",
            f"{number(one.peak_gib)} GiB",
            f"{one.first_loss:.2f} to {one.last_loss:.2f}",
        ]
        for one in rows_of(extremes)
    ]
    saving = read("depth_saving")
    rows_saving = [
        [
            f"`.{one.format}`",
            f"{one.depth:,}",
            f"{one.width}",
            f"{number(one.file_mib)} MiB",
            *(
                f"{number(s, 2)} s"
                for s in (one.save_seconds, one.load_seconds, one.predict_seconds)
            ),
            f"{number(one.largest_difference) or '0'}",
        ]
        for one in rows_of(saving)
    ]
    gradients = read("depth_gradients")
    rows_gradients = [
        [
            f"{one.compiler}, {one.coupling}, {one.memory}{', exact' if one.exact else ''}",
            f"{one.gradient_error:.1e}",
            "the same bits" if one.equal_to_store else f"{one.distance_to_store:.1e}",
        ]
        for one in rows_of(gradients)
    ]
    text = (
        "Width 16, batch 64: time to build, and what the first step takes beyond an ordinary one, "
        f"at {' and '.join(f'{d:,}' for d in depths)} blocks. Then the largest nets that were "
        "trained, files read by another process, and gradients at 10,000 blocks with dropout and "
        "stochastic depth, against float64."
    )
    return section(
        "Depth: tracing, size, files, gradients",
        "bench_depth.py",
        text,
        table(["", *(f"{d:,} blocks" for d in depths)], rows),
        table(
            ["blocks", "width", "batch", "parameters", "first step", "a step", "peak", "loss"],
            rows_extremes,
        ),
        table(
            ["file", "blocks", "width", "size", "save", "load", "predict", "difference"],
            rows_saving,
        ),
        table(["gradients", "relative error", "distance to `store`"], rows_gradients),
    )
