"""The default net beside others, and what its recipe's parts are worth."""

from typing import Any

import pandas as pd
from scipy.stats import t as student

from benchmarks.bench_flagship import ROWS, chosen
from benchmarks.page.tables import MACHINE, RESULTS, read, rows_of, section, table
from benchmarks.tables import stored

# Beyond so many standard errors a line of the ablation is told from its recipe.
ERRORS_APART = 2.0
# `fit.precision: auto` was the processor's to say when these were measured, now it is the net's.
HALF = " Nets computed in bfloat16, which `auto` took here then; it takes float32 for them now."
NAMES = {"ultimate": "the default net"}


def _percent(share: float, error: float = float("nan")) -> str:
    if pd.isna(share):
        return ""
    spread = "" if pd.isna(error) else f" ± {100 * error:.1f}"
    return f"{100 * share:.1f}%{spread}".replace(" ", "\u00a0")  # one line on a phone too


def _apart(mean: float, error: float, *, digits: int) -> str:
    if pd.isna(mean):
        return ""
    spread = "" if pd.isna(error) else f" ± {error:.{digits}f}"
    return f"{mean:+.{digits}f}{spread}".replace(" ", "\u00a0")


def _plot(name: str, said: str) -> str:
    return f"![{said}](../benchmarks/results/{name}_summary_{MACHINE}.png)"


def _fresh() -> dict[str, str]:
    """Share of the edge of 20,000 bars by model, on the seed that nobody had read."""
    rows = stored(RESULTS / f"flagship_{MACHINE}.jsonl")
    best = chosen([row for row in rows if row["seed"] == 2 and row["rows"] == ROWS])
    shares = best.groupby("model")["share_of_edge"].mean()
    return {str(model): _percent(share) for model, share in shares.items()}


def flagship() -> str:
    """Who finds more of a known edge, and who is right more often on real bars."""
    found, fresh = read("flagship_summary"), _fresh()
    simulated = found[found["share_of_edge"].notna()]
    parts = []
    for bars, group in simulated.groupby("rows", sort=False):
        kinds = list(dict.fromkeys(group["kind"]))
        rows = [
            [
                NAMES.get(str(model), str(model)),
                *(
                    f"{_percent(here.share_of_edge)} ({here.log_loss:.4f})"
                    for here in rows_of(own.set_index("kind").loc[kinds])
                ),
                f"{own['seconds'].mean():,.0f}",
            ]
            for model, own in group.groupby("model", sort=False)
        ]
        columns = [f"{bars:,} bars", *(kind.replace("_", " ") for kind in kinds), "s"]
        parts.append(table(columns, rows))
    real = found[found["share_of_edge"].isna()]
    if len(real):
        kinds = list(dict.fromkeys(real["kind"]))
        rows = [
            [
                NAMES.get(str(model), str(model)),
                *(
                    f"{100 * here.accuracy:.1f}% ({here.log_loss:.4f})"
                    for here in rows_of(own.set_index("kind").loc[kinds])
                ),
            ]
            for model, own in real.groupby("model", sort=False)
        ]
        parts.append(table(["real bars, right on", *(f"`{kind}`" for kind in kinds)], rows))
    text = (
        "Share of the oracle's edge on the test part, log loss in brackets: of 20,000 bars means "
        "over two edges (0.10 and 0.20) and three seeds, of 60,000 one seed at an edge of 0.10; "
        "markets of one seed share their noise. Settings were chosen by the validation part of "
        "another seed; the first two seeds had been read before the last of them (the feature "
        "penalty and weights of at most 1.5 returns), the third had not: there the default net "
        f"finds {fresh['ultimate']}, the better trees {fresh['the better trees']}. "
        "Trees are the best of a small grid by validation, weighted trees with labels weighed by "
        "their return, the better trees the better of both by validation; mlp, tabm and the "
        "default net (2,000 weighted layers) are as `--model NAME` trains them. "
        "Seconds of the fit that was chosen, two fits side by side on a core each." + HALF
    )
    plot = _plot("flagship", "Share of the edge by kind of signal and model")
    return section("Does the default net win?", "bench_flagship.py", text, *parts, plot)


def ablation() -> str:
    """What each part of the recipe is worth."""
    found = read("ablation_summary")
    real_bars = bool(found["files"].any())
    rows = []
    for one in rows_of(found):
        apart = [""] * (3 if real_bars else 2)
        if one.line != one.recipe:
            points = (100 * one.share_of_edge_apart, 100 * one.share_of_edge_error)
            nats = (1e3 * one.validation_log_loss_apart, 1e3 * one.validation_log_loss_error)
            real = (1e3 * one.files_apart, 1e3 * one.files_error)
            apart = [_apart(*points, digits=1), _apart(*nats, digits=2)]
            apart += [_apart(*real, digits=2)] if real_bars else []
        share = _percent(one.share_of_edge)
        rows.append([one.line, f"{one.fits}", share, *apart, f"{one.cpu_seconds:,.0f}"])
    text = (
        "The recipe of `--model ultimate` with one setting changed at a time, on four markets of "
        "20,000 bars and one seed (two of the recipe of 20 blocks), so of the same noise, one for "
        "each kind of signal, edge 0.10. "
        "Apart: from the recipe on the same market and seed, mean and its standard error; a "
        "positive log loss (times 1,000) is worse. "
        "Lines of fewer fits lack markets or seeds: compare what is apart. Seconds are those of "
        "one core. " + _told_on_files(found) + _told_apart(found) + HALF
    )
    columns = [
        "line", "fits", "share of the edge", "points apart", "validation log loss apart",
        *(["the same on real bars"] if real_bars else []), "core s",
    ]  # fmt: skip
    plot = _plot("ablation", "Difference of each line to its recipe")
    title = "What is each part of the recipe worth?"
    return section(title, "bench_ablation.py", text, table(columns, rows), plot)


def _told_apart(found: pd.DataFrame) -> str:
    """Say which lines differ from their recipe by more than two errors of the share."""
    lines = found[(found["line"] != found["recipe"]) & (found["fits"] > 1)]
    apart, errors = lines["share_of_edge_apart"], lines["share_of_edge_error"]
    better, worse, by_chance = _clear(lines["line"], apart, errors, lines["fits"])
    return (
        f"Of {len(lines)} lines, by more than two errors of the share {better} are better than "
        f"their recipe and {worse} worse; of {int(lines['fits'].median())} fits each, "
        f"{by_chance:.0%} of lines would be so by chance, so that a setting of the recipe without "
        "a clear loss in its line is there since it was chosen so on other markets, not since this "
        "table says so."
    )


def _told_on_files(found: pd.DataFrame) -> str:
    """Say how many lines stand on real bars too, and which differ there; nothing if none does."""
    lines = found[(found["line"] != found["recipe"]) & (found["files"] > 1)]
    if lines.empty:
        return ""
    apart, errors = -lines["files_apart"], lines["files_error"]
    better, worse, by_chance = _clear(lines["line"], apart, errors, lines["files"])
    count = int(lines["files"].median())
    return (
        f"{len(lines)} lines also stand on {count} files of real hourly bars: there, by more than "
        f"two errors of the validation log loss, {better} are better than their recipe and {worse} "
        f"worse; of {count} files {by_chance:.0%} of lines would be so by chance. "
    )


def _clear(
    names: "pd.Series[str]",
    gain: "pd.Series[float]",
    errors: "pd.Series[float]",
    fits: "pd.Series[int]",
) -> tuple[str, str, float]:
    """Return who is clearly better, who is clearly worse, and the share that is so by chance."""
    clear = gain.abs() > ERRORS_APART * errors
    better, worse = (
        ", ".join(f"`{name}`" for name in names[clear & side]) or "none"
        for side in (gain > 0, gain < 0)
    )
    return better, worse, float(2 * student.sf(ERRORS_APART, int(fits.median()) - 1))


def _cell(one: Any) -> str:
    right = _percent(one.share_of_edge) or f"{100 * one.accuracy:.1f}% right"
    return f"{right} ({one.log_loss:.4f})"


def depth_study() -> str:
    """The recipe at 2 to 2,000 layers."""
    found = read("depth_study_summary")
    parts = []
    for comparison, group in found.groupby("comparison", sort=False):
        depths = sorted(group["layers"].unique())
        rows = []
        for market, own in group.groupby("market", sort=False):
            here = {one.layers: one for one in rows_of(own)}
            shown = [_cell(here[depth]) if depth in here else "" for depth in depths]
            rows.append([str(market).replace("_", " "), *shown])
        seconds = [f"{group[group['layers'] == depth]['seconds'].mean():,.0f}" for depth in depths]
        rows.append(["seconds", *seconds])
        columns = [str(comparison), *(f"{depth:,} layers" for depth in depths)]
        parts.append(table(columns, rows))
    text = (
        "The recipe of the default net at four depths: share of the oracle's edge on the test part "
        "(right on real bars), log loss in brackets. With equal parameters every net has 1.2 "
        "million; with equal seconds each depth tries settings for as many seconds of the "
        "processor as 2,000 layers take (a try that was begun in time is finished), and the best "
        "by validation stands. The number behind a market is its edge; one seed each." + HALF
    )
    plot = _plot("depth_study", "Share of the edge by depth, for equal parameters and seconds")
    return section("Where does depth pay?", "bench_depth_study.py", text, *parts, plot)


def known_answer() -> str:
    """Every net on what it declares, beside mlp."""
    found = read("known_answer_summary")
    before = read("known_answer_before").set_index(["model", "signal"])["share_of_edge"]
    rows = [
        [
            f"`{one.model}`",
            one.signal.replace("_", " "),
            _percent(one.share_of_edge),
            f"{100 * one.ahead_of_mlp:+.1f}",
            _percent(before.get((one.model, one.signal), float("nan"))),
            f"{one.seconds:,.0f}",
        ]
        for one in rows_of(found)
    ]
    nets = set(found["model"]) - {"mlp"}
    behind = set(found[found["loses"]]["model"])
    text = (
        "8,000 bars, edge 0.20, every net as `--model NAME` trains it, some on one thread and some "
        "on two, whose sums have other last bits; points ahead of `mlp`. One seed: two points are "
        "within what another would change, and more of nets that find little (`gaf_cnn`, here on "
        f"one thread, found 60.0% on two). {len(behind)} of {len(nets)} nets find more than two "
        "points less than `mlp` on a signal that they declare: most read windows, of which they "
        "have to learn what `mlp` is given as features. Before: the same bars before the presets "
        "hid "
        "half of the features from each row, weighed labels by their return and trained for longer "
        "at a higher rate (`models/presets.py`); all of it was chosen on other bars, by validation."
        + HALF
    )
    columns = ["net", "signal", "share of the edge", "points ahead", "before", "s"]
    return section(
        "Is each net worth more than mlp?", "bench_known_answer.py", text, table(columns, rows)
    )
