"""What is written of pictures: which rows, in which part, and what the metadata say of them."""

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from ultimate_deep.features.pictures.registry import picture_of
from ultimate_deep.market.candlesticks import PATTERNS
from ultimate_deep.market.config import LabelSpec
from ultimate_deep.market.labels import label_end_times, make_labels
from ultimate_deep.market.market import Market
from ultimate_deep.market.times import close_times
from ultimate_deep.pipeline.gaf_config import STORAGES, GafFilesConfig
from ultimate_deep.pipeline.gaf_storage import Storage, storage_of

PARTS = ("train", "val")
SCHEMA = "ultimate-deep-gaf-3"
METADATA = "metadata.json"
DIGEST = "digest"
# Rows at each end of a file by which its content is known.
EDGE_ROWS = 512
NORMALISATION = {
    "gaf": "each window's closes to [-1, 1]",
    "gaf_ohlc": "each window's prices to [-1, 1], one scale for all four",
    "markov": "each window's closes to [-1, 1]",
    "recurrence": "each window's closes to [-1, 1]",
    "bars": "each window's prices and volumes to [0, 1]",
}
# What `{part}_rows.npy` says of each row: times in nanoseconds since 1970 in UTC.
ROW_TYPE = np.dtype(
    [
        ("decision_time", "<i8"),
        ("label_end_time", "<i8"),
        ("symbol", "<i4"),
        ("bar", "<i8"),
        ("return_log", "<f8"),
    ]
)


@dataclass(frozen=True, eq=False)
class GafRows:
    """The rows of one part in order of time; all arrays `(rows,)`.

    Args:
        labels: 0 or 1, or the number of a candlestick pattern, float64.
        symbol_code: Position of the row's symbol in the market.
        bar_row: Bar at which the window ends and the decision is made.
        decision_time: That bar's close in UTC, `datetime64[ns]`.
        label_end_time: When the label is known, likewise.
        return_log: Log return from the open after the decision to that at the horizon's end.
    """

    labels: np.ndarray
    symbol_code: np.ndarray
    bar_row: np.ndarray
    decision_time: np.ndarray
    label_end_time: np.ndarray
    return_log: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    def table(self) -> np.ndarray:
        """Return what is kept of every row, of type `ROW_TYPE`."""
        table = np.empty(len(self), ROW_TYPE)
        for name, column in (
            ("decision_time", self.decision_time.astype("datetime64[ns]").astype(np.int64)),
            ("label_end_time", self.label_end_time.astype("datetime64[ns]").astype(np.int64)),
            ("symbol", self.symbol_code),
            ("bar", self.bar_row),
            ("return_log", self.return_log),
        ):
            table[name] = column
        return table

    def take(self, rows: np.ndarray | slice) -> "GafRows":
        """Return these rows, by number, mask or slice."""
        return GafRows(**{name: column[rows] for name, column in vars(self).items()})


@dataclass(frozen=True, eq=False)
class GafPlan:
    """What will be written.

    Args:
        parts: Rows of `train` and `val`.
        boundary: First decision of `val`; every label of `train` was known before it.
        purged: Rows left out since their label reaches the boundary.
        unlabelled: Rows with a whole window left out for want of a label: ties and the end.
        image_shape: Shape of one picture.
        storage: How pictures are kept.
    """

    parts: dict[str, GafRows]
    boundary: np.datetime64
    purged: int
    unlabelled: int
    image_shape: tuple[int, int, int]
    storage: Storage

    @property
    def rows(self) -> int:
        """Rows of both parts."""
        return sum(len(rows) for rows in self.parts.values())

    @property
    def bytes(self) -> int:
        """Size of what is kept of the pictures."""
        return self.rows * self.storage.row_bytes


def plan_gaf_files(market: Market, label: LabelSpec, config: GafFilesConfig) -> GafPlan:
    """Find the labelled rows with a whole window and part them at one time for all symbols.

    Raises:
        ValueError: A part would be empty.
    """
    pooled = [_symbol_rows(market, code, label, config) for code in range(len(market.bars))]
    columns = {
        field.name: np.concatenate([getattr(rows, field.name) for rows, _ in pooled])
        for field in dataclasses.fields(GafRows)
    }
    rows = GafRows(**columns)
    rows = rows.take(np.argsort(rows.decision_time, kind="stable"))
    if len(rows) == 0:
        raise ValueError(
            f"no bar has a window of {config.window_bars} bars and a label; give more bars, a "
            "shorter window or a shorter horizon"
        )
    cut = min(int(config.train_fraction * len(rows)), len(rows) - 1)
    boundary = rows.decision_time[cut]
    early = rows.decision_time < boundary
    known = rows.label_end_time < boundary
    parts = {"train": rows.take(early & known), "val": rows.take(~early)}
    for name, part in parts.items():
        if len(part) == 0:
            raise ValueError(
                f"the {name} part is empty: {len(rows):,} rows, of which "
                f"{int((early & ~known).sum()):,} are purged at {boundary}; give more bars, "
                "another train_fraction or a shorter horizon"
            )
    return GafPlan(
        parts=parts,
        boundary=boundary,
        purged=int((early & ~known).sum()),
        unlabelled=sum(unlabelled for _, unlabelled in pooled),
        image_shape=picture_of(config.picture).shape(config.window_bars, config.size),
        storage=kept_as(config),
    )


def bytes_by_storage(rows: int, config: GafFilesConfig) -> dict[str, int]:
    """Return the bytes that so many pictures take in every kind of storage."""
    kept = {name: kept_as(dataclasses.replace(config, storage=name)) for name in STORAGES}
    return {name: rows * one.row_bytes for name, one in kept.items()}


def _symbol_rows(
    market: Market, code: int, label: LabelSpec, config: GafFilesConfig
) -> tuple[GafRows, int]:
    """Return a symbol's labelled rows, and how many rows with a whole window have no label."""
    bars = list(market.bars.values())[code]
    labels = make_labels(bars.frame, label)
    whole = np.arange(len(bars)) >= picture_of(config.picture).history(config.window_bars) - 1
    row = np.flatnonzero(whole & np.isfinite(labels.values))
    rows = GafRows(
        labels=labels.values[row],
        symbol_code=np.full(len(row), code),
        bar_row=row,
        decision_time=close_times(bars)[row],
        label_end_time=label_end_times(bars, labels, label.horizon_bars)[row],
        return_log=labels.return_log[row],
    )
    return rows, int(whole.sum()) - len(row)


def identity_of(market: Market, label: LabelSpec, config: GafFilesConfig) -> dict[str, Any]:
    """What two runs must share for one to go on with the other's files."""
    return {
        "schema": SCHEMA,
        "picture": config.picture,
        "storage": config.storage,
        "window_bars": config.window_bars,
        "size": config.size,
        "train_fraction": config.train_fraction,
        "label": dataclasses.asdict(label),
        "symbols": list(market.bars),
        "bars_sha256": market.fingerprint(),
    }


def kept_as(config: GafFilesConfig) -> Storage:
    """Return how pictures of a configuration are kept."""
    picture = picture_of(config.picture)
    return storage_of(config.storage, picture, config.window_bars, config.size)


def metadata_of(plan: GafPlan, market: Market, identity: dict[str, Any]) -> dict[str, Any]:
    """Return what is said of finished files: strings, numbers, lists and dictionaries."""
    return {
        **identity,
        "simulated": market.simulated,
        "interval": "irregular" if market.irregular else str(market.interval),
        "image_shape": list(plan.image_shape),
        "channels": list(picture_of(identity["picture"]).channels),
        "normalisation": NORMALISATION[identity["picture"]],
        "dtype": plan.storage.dtype.name,
        "level_0": plan.storage.low,
        "level_step": plan.storage.step,
        "largest_error": plan.storage.largest_error,
        "labels": list(_label_names(identity["label"]["kind"])),
        "order": "decision time (a bar's close, UTC), then symbol",
        "boundary": str(plan.boundary),
        "purged": plan.purged,
        "unlabelled": plan.unlabelled,
        "parts": {
            name: {
                "rows": len(rows),
                "shape": [len(rows), *plan.storage.row_shape],
                "rows_of_label": [
                    int((rows.labels == value).sum())
                    for value in range(len(_label_names(identity["label"]["kind"])))
                ],
                "first_decision": str(rows.decision_time[0]),
                "last_decision": str(rows.decision_time[-1]),
                "last_label_end": str(rows.label_end_time.max()),
            }
            for name, rows in plan.parts.items()
        },
    }


def digest_of(metadata: dict[str, Any]) -> str:
    """Return what tells these metadata from any other, their own digest apart."""
    rest = {key: value for key, value in metadata.items() if key != DIGEST}
    text = json.dumps(rest, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def digest_of_rows(rows: np.ndarray) -> str:
    """Return what tells rows of a file from others: of all of them, or of its first and last.

    Of more than twice `EDGE_ROWS` rows those at both ends count, since a file of pictures may have
    gigabytes.
    """
    ends = [rows] if len(rows) <= 2 * EDGE_ROWS else [rows[:EDGE_ROWS], rows[-EDGE_ROWS:]]
    found = hashlib.blake2b(digest_size=16)
    for one in ends:
        found.update(np.ascontiguousarray(one).tobytes())
    return found.hexdigest()


def _label_names(kind: str) -> tuple[str, ...]:
    """What each value of a label means."""
    return PATTERNS if kind == "pattern" else ("down", "up")
