"""All units of a dense stack forwards and backwards: what every backend differentiates by hand."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from keras import ops

from ultimate_deep.models.layers.stacks.dense_block import DenseLayout, DenseSettings, Run
from ultimate_deep.models.layers.stacks.dense_unit import Arrays, Backend, DenseUnit, Shapes, joined
from ultimate_deep.models.layers.stacks.masks import MaskSource, mask_source

# Keeps the masks of stochastic depth apart from those of dropout.
DEPTH_SALT = 1


def dense_masks(
    rows: Any, layout: DenseLayout, settings: DenseSettings, seed: Any
) -> tuple[MaskSource, ...]:
    """The masks of one step for `rows` samples: of dropout, and of whole blocks.

    The share of samples that skip a block grows linearly to `stochastic_depth` in the last one.

    Source: Huang et al. (2016), "Deep Networks with Stochastic Depth", arXiv:1603.09382, eq. 4,
    scaled up where kept instead of scaled down at prediction.
    """
    blocks = sum(layout.blocks_per_unit)
    drops = settings.stochastic_depth * np.arange(1, blocks + 1) / blocks
    sources = (
        mask_source((rows, layout.growth_rate), blocks, seed, settings.dropout_rate),
        mask_source((rows, 1), blocks, seed, drops, salt=DEPTH_SALT),
    )
    # Buffers hold features in rows.
    return tuple(s._replace(words=ops.transpose(s.words)) for s in sources if s is not None)


@dataclass(frozen=True)
class DensePass:
    """Both directions of a whole stack, given the packed weights."""

    layout: DenseLayout
    settings: DenseSettings
    batch_moments: bool
    backend: Backend
    masks: tuple[MaskSource, ...] = ()

    def with_masks(self, rows: Any, seed: Any) -> "DensePass":
        """The same for one step's masks."""
        return replace(self, masks=dense_masks(rows, self.layout, self.settings, seed))

    def forward(self, x: Any, weights: Arrays, moving: Arrays) -> tuple[Any, Arrays, list[Arrays]]:
        """Run all units.

        Args:
            x: `(batch, width)` float32.
            weights: Name to packed trainable weight.
            moving: Name to packed moving statistic, empty but for batch normalisation.

        Returns:
            The units' outputs `(batch, units, width)`; with `batch_moments` the batch's moments,
            packed, under the names of the moving statistics; what to save for `backward`.
        """
        x, taps, saved = ops.transpose(x), [], []
        for run in self.layout.runs:
            x, kept = self._run_forward(run, x, _of_run(run, weights), _of_run(run, moving))
            taps.append(kept.pop("tap"))
            saved.append(kept)
        moments = self._moments(saved) if self.batch_moments else {}
        return ops.transpose(joined(taps), (2, 0, 1)), moments, saved

    def backward(
        self, upstream: Any, saved: list[Arrays], weights: Arrays, moving: Arrays
    ) -> tuple[Any, Arrays]:
        """Gradients of the input and of each packed weight, from that of the units' outputs."""
        upstream = ops.transpose(upstream, (1, 2, 0))
        dx = ops.zeros_like(upstream[0])
        parts: list[Arrays] = []
        for run, kept in zip(reversed(self.layout.runs), reversed(saved), strict=True):
            ours, stats = _of_run(run, weights), _of_run(run, moving)
            dx, gradients = self._run_backward(run, dx, upstream, kept, ours, stats)
            parts.insert(0, gradients)
        return ops.transpose(dx), {name: joined([part[name] for part in parts]) for name in weights}

    def _run_forward(self, run: Run, x: Any, weights: Arrays, moving: Arrays) -> tuple[Any, Arrays]:
        unit = self._unit(run)

        def step(index: Any, x: Any) -> tuple[Any, Arrays]:
            y, kept = unit.forward(index, x, _entry(weights, index), _entry(moving, index))
            return y, {"tap": y, **kept}

        return self._scan_units(run, step, x, {"tap": (run.width, None), **unit.saved_shapes})

    def _run_backward(
        self, run: Run, dx: Any, upstream: Any, saved: Arrays, weights: Arrays, moving: Arrays
    ) -> tuple[Any, Arrays]:
        unit = self._unit(run)

        def step(index: Any, dx: Any) -> tuple[Any, Arrays]:
            dx = dx + upstream[run.first_unit + index]
            kept, ours, stats = (_entry(part, index) for part in (saved, weights, moving))
            return unit.backward(index, dx, kept, ours, stats)

        shapes: Shapes = {name: tuple(value.shape[1:]) for name, value in weights.items()}
        dx, gradients = self._scan_units(run, step, dx, shapes, reverse=True)
        packed = {
            name: ops.reshape(value, (run.units * run.rows(name), *shapes[name][1:]))
            for name, value in gradients.items()
        }
        return dx, packed

    def _scan_units(
        self, run: Run, step: Any, carry: Any, shapes: Shapes, *, reverse: bool = False
    ) -> tuple[Any, Arrays]:
        """The backend's scan, but for a single unit, which needs no loop."""
        if run.units > 1:
            return self.backend.scan(step, carry, run.units, shapes, reverse=reverse)
        carry, values = step(0, carry)
        return carry, {name: value[None] for name, value in values.items()}

    def _unit(self, run: Run) -> DenseUnit:
        return DenseUnit(run, self.settings, self.masks, self.batch_moments, self.backend)

    def _moments(self, saved: list[Arrays]) -> Arrays:
        """The moments of rows, repeated for each of their readers as the packed weights are."""
        packed: dict[str, list[Any]] = {}
        for run, kept in zip(self.layout.runs, saved, strict=True):
            columns = joined([bucket.packed_rows()[1] for bucket in run.buckets])
            for name in ("mean", "variance"):
                values = kept[name][:, :, 0]
                here = {"block": ops.take(values, columns, axis=1), "transition": values}
                for part, rows in here.items():
                    parts = packed.setdefault(f"{part}_norm_moving_{name}", [])
                    parts.append(ops.reshape(rows, (-1,)))
        return {name: joined(parts) for name, parts in packed.items()}


def _of_run(run: Run, packed: Arrays) -> Arrays:
    """The run's rows of packed weights, `(units, rows, ...)`."""
    ours: Arrays = {}
    for name, value in packed.items():
        rows = run.rows(name)
        start = run.first_packed(name)
        value = value[start : start + run.units * rows]
        ours[name] = ops.reshape(value, (run.units, rows, *value.shape[1:]))
    return ours


def _entry(stacked: Arrays, index: Any) -> Arrays:
    return {name: value[index] for name, value in stacked.items()}
