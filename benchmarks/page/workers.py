"""One net on several processes: what was measured on one machine, and what follows on paper."""

import math

import pandas as pd

from benchmarks.page.tables import RESULTS, number, read, rows_of, section, table

HOSTS = (1, 2, 4, 8, 16, 32, 64)
# Of a network between machines: bytes a second one way, and seconds before the first arrives.
BYTES_A_SECOND, DELAY_SECONDS = 1.25e9, 1e-4
MIB = 2**20


def measured() -> str:
    """Seconds of a step on one worker and on two, and what is lost to the exchange."""
    found = read("workers")
    rows = [
        [
            f"`{one.net}`, `{one.preset}`", f"{one.parameters:,}", f"{one.workers}",
            f"{number(one.step_ms)} ms", f"{one.speed_up:.2f}",
            *(f"{number(value)} ms" if pd.notna(value) else ""
              for value in (one.publish_ms, one.wait_ms, one.take_ms)),
            "yes" if one.same_bits else "no",
        ]
        for one in rows_of(found)
    ]  # fmt: skip
    kills = read("workers_kills")
    text = (
        "A batch of 256 rows in 8 parts, on one worker and on two, each of one thread; out: all "
        "variables and the batch are copied to the other worker; unevenness: the wait for its "
        "sums; back: they are copied here. The bits are those of the weights after the steps. "
        f"{len(kills)} fits of which a random process was killed after a random step, then resumed "
        f"on a random number of workers: {int(kills['failed'].sum())} ended otherwise than an "
        f"undisturbed one, {int(kills['left'].sum())} processes were left."
    )
    columns = [
        "net", "parameters", "workers", "a step", "times as fast", "out", "unevenness", "back",
        "same bits",
    ]  # fmt: skip
    return section("One net on several processes", "bench_workers.py", text, table(columns, rows))


def feature_files() -> str:
    """Feature files of many symbols, by one worker and by two."""
    cases = {"daily": "3,000 symbols, 10 years of days", "minutes": "10 symbols, 1,000,000 minutes"}
    found = read("feature_files")
    rows = [
        [
            cases[one.case], f"{one.workers}", f"{one.rows_per_second:,.0f}",
            f"{one.largest_worker_mib:,.0f} MiB", f"{one.all_mib:,.0f} MiB",
            f"{one.file_gb:.1f} GB",
        ]
        for one in rows_of(found)
    ]  # fmt: skip
    same = found.groupby("case")["digest"].nunique().max() == 1
    text = (
        "`ultimate-deep features` over a folder of Parquet files, one symbol after the other in "
        "each worker, all features of all bars. Memory is the largest sum that was seen, and the "
        "largest of one worker, which holds one symbol at a time. The files of one "
        f"worker and of two are {'the same' if same else 'not the same'} bytes."
    )
    columns = ["bars", "workers", "bars a second", "a worker", "all together", "files"]
    title = "Features of many symbols"
    return section(title, "bench_feature_files.py", text, table(columns, rows))


def on_gpu() -> str:
    """Steps on a GPU, where there was one."""
    title, script = "On a GPU", "bench_gpu.py"
    tables = sorted(RESULTS.glob("gpu_*.csv"))
    if not tables:
        text = (
            "Never measured: no GPU could be had. `python benchmarks/bench_gpu.py` fills this "
            "table on a machine that has one: the default net, the wide one, 10,000 layers, over "
            "two million, and the ResNet-18 of pictures, in float32 and in bfloat16, with JAX."
        )
        return section(title, script, text).replace("Measured by", "To be measured by")
    found = pd.concat([pd.read_csv(path) for path in tables])
    rows = [
        [
            one.case, one.precision, one.device, f"{int(one.rows)}",
            f"{number(one.first_step_seconds)} s", f"{number(one.step_ms)} ms",
            f"{number(one.peak_mib)} MiB", f"{one.gain:.2f}",
        ]
        for one in rows_of(found[found["error"].isna()])
    ]  # fmt: skip
    columns = ["net", "precision", "device", "rows", "first step", "a step", "peak", "gain"]
    text = "A step of the fit on random rows; gain: how many times as fast as float32."
    return section(title, script, text, table(columns, rows))


def on_paper() -> str:
    """What a step would take on up to 64 machines, from the pieces that were measured."""
    found = read("workers")
    alone = {one.net: one for one in rows_of(found) if one.workers == 1}
    two = {one.net: one for one in rows_of(found) if one.workers == 2}
    rows = []
    for net, one in alone.items():
        sent, taken = two[net].sent_mib * MIB, two[net].taken_mib * MIB
        steps = [step_seconds(one.step_ms / 1e3, hosts, sent, taken) for hosts in HOSTS]
        best = HOSTS[steps.index(min(steps))]
        shown = [f"{number(1e3 * seconds)} ms" for seconds in steps]
        rows.append([f"`{net}`", number(sent / MIB), *shown, f"{best}"])
    text = (
        "Computed, not measured: a step of as many rows as above in 64 parts on machines of one "
        f"core that a network of {BYTES_A_SECOND / 1e9:g} GB a second joins. The parts are shared "
        "out; variables and batch go out along a tree, the sums come back one after the other, and "
        "neither overlaps with computing, since the weights of a step are those of the step before "
        "and its sums are added in one order. What limits is the way back, which grows with the "
        "machines: larger batches move it out, as a step of k times the rows computes k times as "
        "long and exchanges no more."
    )
    columns = ["net", "MiB out", *(f"{hosts}" for hosts in HOSTS), "fastest on"]
    title = "More machines, on paper"
    found_by = section(title, "page/workers.py", text, table(columns, rows))
    return found_by.replace("Measured by", "Computed by")


def step_seconds(alone: float, hosts: int, sent: float, taken: float) -> float:
    """Return the seconds of a step on so many machines.

    Args:
        alone: Seconds of a step on one.
        hosts: How many there are.
        sent: Bytes that each of the others is handed.
        taken: Bytes that each of the others gives back.
    """
    if hosts == 1:
        return alone
    levels = math.ceil(math.log2(hosts))
    out = levels * (DELAY_SECONDS + sent / BYTES_A_SECOND)
    back = DELAY_SECONDS + (hosts - 1) * taken / BYTES_A_SECOND
    return alone / hosts + out + back


def transports() -> str:
    """Shared memory, Ray's object store and TensorFlow's collectives."""
    rows = [
        [
            f"`{one.net}`", f"{one.parameters:,}", one.engine,
            *(f"{number(value)} ms" if pd.notna(value) else ""
              for value in (one.step_ms, one.publish_ms, one.wait_ms, one.take_ms)),
        ]
        for one in rows_of(read("workers_transports"))
    ]  # fmt: skip
    text = (
        "Two workers of one machine. Ray's object store is taken between machines: it costs little "
        "beside computing, and a worker that is lost costs its batch alone, which Ray lets another "
        "compute; who waits in a collective for one that is gone waits for ever. The collectives "
        "exchange gradients alone, and would have every worker keep weights of its own."
    )
    columns = ["net", "parameters", "by", "a step", "out", "unevenness", "back"]
    title = "What carries the sums"
    return section(title, "bench_workers.py --transports true", text, table(columns, rows))
