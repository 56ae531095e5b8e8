"""Nets of pictures: patterns that they recognise, reading files beside drawing, and time."""

import pandas as pd

from benchmarks.page.tables import number, read, rows_of, section, table

PICTURES = {
    "bars": "a chart of the bars",
    "gaf_ohlc": "Gramian fields of open, high, low, close",
    "gaf": "Gramian fields of closes",
}


def recognised() -> str:
    """What nets recognise of candlestick patterns, and what that is worth."""
    found = read("pictures_patterns")
    rows = [
        [
            one.market, PICTURES[one.picture], f"{one.accuracy:.1%}", f"{one.majority:.1%}",
            f"{one.balanced_accuracy:.1%}", f"{one.worst_recall:.0%}", _bps(one.net_bps),
            f"{one.best_pattern}: {_bps(one.best_net_bps)} ± {number(one.best_net_bps_error, 2)}"
            if isinstance(one.best_pattern, str) else "",
        ]
        for one in rows_of(found)
    ]  # fmt: skip
    text = (
        "Eight candlestick patterns and none, by rule of the last bars, named by a small net from "
        "a picture of 16 bars that end at the decision; classes weigh alike in training. The label "
        "is a function of open, high, low and close: closes alone cannot tell it. The "
        "specification hopes for more than 90%. The same part chose the epoch, so accuracies "
        "flatter. Worth: mean return over the next 4 bars of trading what each pattern is said to "
        "foretell, after 1 bp a side, over all that the net finds, and of the best pattern with "
        "its standard error (the best of eight, so chosen)."
    )
    columns = [
        "bars", "picture", "accuracy", "always the commonest", "mean of the classes",
        "worst class", "worth, bps", "best",
    ]  # fmt: skip
    title = "Does a net recognise candlestick patterns?"
    return section(title, "bench_pictures.py", text, table(columns, rows))


def from_files() -> str:
    """Reading written pictures beside drawing them, and an epoch of the full net."""
    reading, epoch = read("pictures_reading"), read("pictures_epoch").iloc[0]
    ways = {"float32": "read from files", "numbers": "drawn in the net"}
    rows = [
        [
            ways[one.way], f"{number(one.file_gb)} GB", f"{one.pictures_per_second:,.0f}",
            f"{one.beside_drawing:.2f}", f"{one.growth_mib:,.0f} MiB",
        ]
        for one in rows_of(reading)
    ]  # fmt: skip
    text = (
        f"The net `gaf_cnn` trained from {int(reading['rows'].iloc[0]):,} pictures, in turns. "
        "Memory is what the process grew by beside the system's own cache of files. An epoch of "
        f"the full ResNet-18 over {int(epoch['rows']):,} pictures took "
        f"{epoch['taken_seconds'] / 3600:.2f} hours; the plan had said "
        f"{epoch['planned_over_taken']:.2f} of that, its steps after 1% of it "
        f"{epoch['after_1_percent_over_taken']:.2f}. The specification expects two to three hours "
        f"for a training of 50 epochs, which would take {50 * epoch['taken_seconds'] / 3600:.0f} "
        "here where none stops early."
    )
    columns = ["pictures", "files", "a second", "beside drawing", "memory grew by"]
    return section("Pictures from files", "bench_pictures.py", text, table(columns, rows))


def default_run() -> str:
    """A default run of three nets of pictures, their ensemble and the controls."""
    found = read("pictures_ensemble")
    whole = found[found["model"] == "the whole run"]["fit_seconds"].iloc[0]
    rows = [
        [
            one.model, f"{one.accuracy:.1%}", number(one.sharpe), str(one.verdict),
            f"{one.fit_seconds:,.0f} s" if pd.notna(one.fit_seconds) else "",
        ]
        for one in rows_of(found[found["model"] != "the whole run"])
    ]  # fmt: skip
    text = (
        "`train_scripts/train_gaf_cnn.py` as it is, on simulated bars: pictures at three lengths, "
        f"their ensemble, the control and trees, {whole / 60:.1f} minutes in all. The market's "
        "signal is the price's place times the volume's: pictures of closes hold no volume, the "
        "trees' features do."
    )
    columns = ["", "accuracy", "net Sharpe ratio", "verdict", "training"]
    title = "A default run of nets of pictures"
    return section(title, "bench_pictures.py", text, table(columns, rows))


def _bps(value: float) -> str:
    return "" if pd.isna(value) else f"{value:+.1f}"
