"""What a bundle of any kind reads of its decisions, any part of which may come from another one.

A decision's input may be the features of its bar, windows of them, windows of coarser bars, or
numbers that pictures are drawn from. To shuffle a part of it means that at each decision this
part is as it was at another decision, and all else as it is:

- a *feature* of a window: its whole path over the window, so that the path stays one that there
  was, and only its tie to the label and to the other features is lost;
- a feature of *coarser bars*: likewise, for each timeframe by itself, called `bars_4x.rsi_14`;
- a *picture*: all of its numbers, `gaf_4x`, and each quarter of them in time,
  `gaf_4x.newest_quarter`, which are stripes of the picture. Summation and difference fields are
  drawn of the same numbers inside of the net and cannot be told apart;
- the *clock* of a net that remembers: both of its numbers.

In an ensemble a part is shuffled in all members at once, and where the combiner reads it too, so
that the figures are of the one forecast that they make together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ultimate_deep.bundles.predicting import AnyBundle, OneModel
from ultimate_deep.bundles.predictor import Outputs, Predictor
from ultimate_deep.experiments.exploring.importance import column_groups
from ultimate_deep.market.market import Market
from ultimate_deep.pipeline.inputs.model_inputs import ModelInputs, materialised
from ultimate_deep.pipeline.inputs.tables import CLOCK, InputTable, RowInputs
from ultimate_deep.pipeline.rows import Rows, keep_features

_BATCH_ROWS = 1024
_QUARTERS = ("oldest", "second", "third", "newest")
_COMBINER = -1


@dataclass(frozen=True, kw_only=True)
class Slot:
    """Columns of one input of one model.

    Args:
        model: Number of the member, or -1 for what combines them.
        source: Name of the input.
        columns: Numbers of the columns.
    """

    model: int
    source: str
    columns: tuple[int, ...]


Predict = Callable[[ModelInputs], Outputs]


@dataclass(frozen=True, eq=False)
class _Reader:
    """One model and its inputs of all rows."""

    inputs: RowInputs
    predictor: Predictor


class Readings:
    """What a bundle reads of rows of some bars.

    Args:
        bundle: One model, or an ensemble.
        market: Bars by symbol.
        rows: Rows made by `bundle.compute_features`.
    """

    def __init__(self, bundle: AnyBundle, market: Market, rows: Rows) -> None:
        self.bundle = bundle
        self._values = rows.values[:, [rows.names.index(one) for one in bundle.combined_features]]
        self._readers: list[_Reader] = []
        self.slots: dict[str, list[Slot]] = {}
        for number, member in enumerate(bundle.members.values()):
            inputs = member.readings(market, keep_features(rows, member.feature_names))
            self._readers.append(_Reader(inputs, member.predictor))
            for name, slot in _slots(number, member, inputs):
                self.slots.setdefault(name, []).append(slot)
        for column, name in enumerate(bundle.combined_features):
            slot = Slot(model=_COMBINER, source="", columns=(column,))
            self.slots.setdefault(name, []).append(slot)

    @property
    def complete(self) -> npt.NDArray[np.bool_]:
        """Whether a row has all inputs of every model, `(rows,)`."""
        return np.logical_and.reduce([one.inputs.tables.complete for one in self._readers])

    @property
    def windowed(self) -> bool:
        """Whether any model reads more than the features of the decision's bar."""
        return any(
            table.values is not None or table.window_bars is not None
            for one in self._readers
            for table in one.inputs.tables.tables.values()
        )

    def groups(
        self, chosen: npt.NDArray[np.int64], limit: float | None
    ) -> list[tuple[tuple[str, ...], list[Slot]]]:
        """Return names and slots of what is shuffled together.

        Args:
            chosen: Row numbers on which correlations are taken, of each input's newest bar.
            limit: Size of the correlation above which features go together; None shuffles each by
                itself, as pictures and the clock always are.
        """
        single = [name for name, slots in self.slots.items() if len(slots[0].columns) == 1]
        found: list[tuple[str, ...]] = [(name,) for name in self.slots if name not in set(single)]
        if limit is None or not single:
            found = [(name,) for name in self.slots]
        else:
            newest = np.column_stack([self._newest(self.slots[name][0], chosen) for name in single])
            linked = column_groups(newest, limit)
            found += [tuple(single[column] for column in group) for group in linked]
        return [(names, [slot for name in names for slot in self.slots[name]]) for names in found]

    def forecast(
        self, chosen: npt.NDArray[np.int64]
    ) -> Callable[[Sequence[Slot], npt.NDArray[np.int64] | None], np.ndarray]:
        """Return what the bundle says of rows once some slots are taken from others of them.

        Args:
            chosen: Row numbers, complete ones, that the result is about.

        Returns:
            Slots, and which of the chosen rows each one's slots are taken from, to calibrated
            logits of the traded horizon, `(chosen,)`; no row's order leaves all as it is.
        """
        temperature = float(self.bundle.temperature[0])
        rows = min(_BATCH_ROWS, len(chosen))
        asked = [one.predictor.batched(rows) for one in self._readers]
        plain = [self._said(number, asked[number], chosen) for number in range(len(asked))]

        def forecast(slots: Sequence[Slot], order: npt.NDArray[np.int64] | None) -> np.ndarray:
            touched = {slot.model for slot in slots}
            said = [
                self._said(number, predict, chosen, slots, order)
                if number in touched
                else plain[number]
                for number, predict in enumerate(asked)
            ]
            features = self._values[chosen]
            if order is not None and _COMBINER in touched:
                columns = [slot.columns[0] for slot in slots if slot.model == _COMBINER]
                features[:, columns] = features[np.ix_(order, np.array(columns))]
            return self.bundle.combined(np.stack(said), features)[:, 0] / temperature

        return forecast

    def _said(
        self,
        number: int,
        predict: Predict,
        chosen: npt.NDArray[np.int64],
        slots: Sequence[Slot] = (),
        order: npt.NDArray[np.int64] | None = None,
    ) -> np.ndarray:
        """Logits of one model, batch by batch, so that no more windows are copied at once."""
        reader, parts = self._readers[number], []
        mine = [slot for slot in slots if slot.model == number]
        for start in range(0, len(chosen), _BATCH_ROWS):
            batch = slice(start, start + _BATCH_ROWS)
            inputs = materialised(reader.inputs.take(chosen[batch]))
            if order is not None:
                others = materialised(reader.inputs.take(chosen[order[batch]]))
                for slot in mine:
                    columns, into = list(slot.columns), _named(inputs, slot.source)
                    into[..., columns] = _named(others, slot.source)[..., columns]
            parts.append(predict(inputs)["logits"])
        return np.concatenate(parts)

    def _newest(self, slot: Slot, chosen: npt.NDArray[np.int64]) -> np.ndarray:
        if slot.model == _COMBINER:
            return self._values[chosen, slot.columns[0]]
        inputs = self._readers[slot.model].inputs
        ends = inputs.tables.tables[slot.source].ends[chosen]
        return inputs.windows[slot.source][ends, slot.columns[0]]


def _slots(number: int, member: OneModel, inputs: RowInputs) -> Iterator[tuple[str, Slot]]:
    """Every part of a model's inputs that can be shuffled, by name."""
    for source, table in inputs.tables.tables.items():
        for name, columns in _named_columns(source, table, member.feature_names).items():
            yield name, Slot(model=number, source=source, columns=columns)


def _named_columns(
    source: str, table: InputTable, features: Sequence[str]
) -> Mapping[str, tuple[int, ...]]:
    if table.values is None:
        return {name: (column,) for column, name in enumerate(features)}
    if table.names:
        return {f"{source}.{name}": (column,) for column, name in enumerate(table.names)}
    every = tuple(range(table.values.shape[1]))
    if source == CLOCK or len(every) < len(_QUARTERS):
        return {source: every}
    parts = np.array_split(np.array(every), len(_QUARTERS))
    quarters = {
        f"{source}.{which}_quarter": tuple(part.tolist())
        for which, part in zip(_QUARTERS, parts, strict=True)
    }
    return {source: every} | quarters


def _named(inputs: np.ndarray | dict[str, np.ndarray], source: str) -> np.ndarray:
    return inputs[source] if isinstance(inputs, dict) else inputs
