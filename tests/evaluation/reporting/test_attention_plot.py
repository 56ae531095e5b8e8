"""The picture of attention maps: what it shows, says and refuses."""

import base64
import io
import re

import numpy as np
import pytest
from matplotlib.image import imread

from ultimate_deep.evaluation.reporting.plots_attention import plot_attention_maps


def shares(*shape, seed=0):
    raw = np.random.default_rng(seed).random(shape)
    return raw / raw.sum(axis=-1, keepdims=True)


def test_each_head_is_one_picture_whose_opacity_follows_the_shares():
    maps = {"block": shares(2, 9, 10), "pooling": shares(1, 1, 10, seed=1)}
    svg = plot_attention_maps(maps, simulated=True)
    assert "simulated bars" in svg
    assert "largest share" in svg
    pictures = re.findall(r'base64,\s*([A-Za-z0-9+/=\s]+)"', svg)
    assert len(pictures) == 3
    seen = imread(io.BytesIO(base64.b64decode(pictures[0])))
    expected = np.sqrt(maps["block"][0] / maps["block"].max())
    opacity = seen[..., 3]
    if opacity.shape != expected.shape:
        rows = np.linspace(0, len(opacity) - 1, 9).round().astype(int)
        columns = np.linspace(0, opacity.shape[1] - 1, 10).round().astype(int)
        opacity = opacity[np.ix_(rows, columns)]
    # A picture keeps 8 bits; matplotlib may turn it upside down.
    flipped = opacity[::-1]
    assert min(np.abs(opacity - expected).max(), np.abs(flipped - expected).max()) < 0.01


def test_heads_that_find_no_room_are_counted():
    assert "3 more heads not shown" in plot_attention_maps({"a": shares(11, 9, 9)}, simulated=False)


@pytest.mark.parametrize(
    ("maps", "message"),
    [
        ({}, "at least one layer"),
        ({"a": shares(4, 4)}, "must be"),
        ({"a": 2 * shares(2, 4, 4)}, "add up to 1"),
    ],
)
def test_nonsense_is_refused(maps, message):
    with pytest.raises(ValueError, match=message):
        plot_attention_maps(maps, simulated=False)
