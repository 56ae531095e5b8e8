"""Where a run's net of pictures looks at a few of its test decisions."""

from __future__ import annotations

import numpy as np

from ultimate_deep.bundles.predictor import Predictor
from ultimate_deep.evaluation.reporting.looks import Look
from ultimate_deep.market.timeframes import coarse_bars
from ultimate_deep.pipeline.inputs.model_inputs import materialised
from ultimate_deep.pipeline.inputs.tables import BAR_IMAGE
from ultimate_deep.pipeline.prepared import Prepared

SHOWN = 4


def looks_of(prepared: Prepared, predictor: Predictor) -> tuple[Look, ...]:
    """Return the looks at the decisions of the test part that a net is surest of.

    Half of them are those likeliest up, half those likeliest down; of a net of several pictures the
    finest one is shown.

    Args:
        prepared: Data and split.
        predictor: What has been trained.

    Returns:
        None where it is no Keras net that draws pictures, or shares one net among several.
    """
    model = getattr(predictor, "model", None)
    if prepared.config.inputs.kind not in ("gaf", "bar_image") or model is None:
        return ()
    # Not at the top: whoever predicts needs no Keras for it.
    from ultimate_deep.models.surgery.grad_cam import drawn_inputs, grad_cam

    if not hasattr(model, "layers") or not drawn_inputs(model):
        return ()
    test = prepared.part("test")
    logits = predictor.outputs(prepared.inputs.take(test))["logits"][:, 0]
    order = np.argsort(logits, kind="stable")
    # Decisions within one bar of the finest picture see the same.
    bars = prepared.rows.bar_row[test] // _finest(prepared)
    half = SHOWN // 2
    places = np.unique([*_apart(order[::-1], bars, half), *_apart(order, bars, half)])
    rows = test[places]
    try:
        found = grad_cam(model, materialised(prepared.inputs.take(rows)))
    except ValueError:  # one backbone for several pictures
        return ()
    name = next(iter(found))
    pictures, heat = found[name]
    return tuple(
        Look(
            name=f"{np.datetime64(prepared.rows.decision_time[row], 'm')} "
            f"{'up' if logits[place] > 0 else 'down'}",
            picture=pictures[number, ..., 0],
            heat=heat[number],
            closes=_closes(prepared, int(row), name),
        )
        for number, (place, row) in enumerate(zip(places, rows, strict=True))
    )


def _finest(prepared: Prepared) -> int:
    """Return the bars of the shortest bar that is pictured."""
    inputs = prepared.config.inputs
    return min(inputs.gaf_timeframes) if inputs.kind == "gaf" else 1


def _apart(order: np.ndarray, bars: np.ndarray, most: int) -> list[int]:
    """Return the first places whose bars differ."""
    found: dict[int, int] = {}
    for place in order:
        if len(found) == most:
            break
        found.setdefault(int(bars[place]), int(place))
    return list(found.values())


def _closes(prepared: Prepared, row: int, name: str) -> np.ndarray:
    rows, inputs = prepared.rows, prepared.config.inputs
    bars = prepared.market.bars[rows.symbols[rows.symbol_code[row]]]
    if name == BAR_IMAGE or name == "gaf_1x":
        closes, newest = bars.frame["close"].to_numpy(), int(rows.bar_row[row])
    else:
        factor = int(name.removeprefix("gaf_").removesuffix("x"))
        coarse = coarse_bars(bars.frame, bars.interval, factor)
        closes = coarse.frame["close"].to_numpy()
        newest = int(coarse.newest[rows.bar_row[row]])
    window = inputs.window_bars if name == BAR_IMAGE else inputs.gaf_window_bars
    return closes[newest - window + 1 : newest + 1]
