"""Pictures for everybody: told in words, by more than colour, and without labels that collide."""

import re
from itertools import combinations, pairwise

import numpy as np
import pytest

from ultimate_deep.evaluation.reporting import figures as fig
from ultimate_deep.evaluation.reporting.report import render_report
from ultimate_deep.evaluation.reporting.style import CSS, DARK, LIGHT

# Machado, Oliveira & Fernandes (2009), IEEE TVCG 15(6), table 1, severity 1, on linear RGB.
SIGHTS = {
    "all cones": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
                   [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
                     [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
                   [0.004733, 0.691367, 0.303900]],
}  # fmt: skip
TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750],
     [0.0193339, 0.1191920, 0.9503041]]
)  # fmt: skip
SERIES = [f"--series-{place}" for place in range(len(fig.SERIES))]
ROLES = ["--model", "--reference", "--validation", "--good", "--bad"]
LEAST_DISTANCE, LEAST_CONTRAST = 15.0, 2.8


def _linear(colour):
    values = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)]) / 255.0
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def _lab(linear):
    share = TO_XYZ @ np.clip(linear, 0.0, 1.0) / TO_XYZ.sum(axis=1)
    root = np.where(share > 216 / 24389, np.cbrt(share), (24389 / 27 * share + 16) / 116)
    return np.array([116 * root[1] - 16, 500 * (root[0] - root[1]), 200 * (root[1] - root[2])])


def _distance(one, other, sight):
    return float(np.linalg.norm(_lab(sight @ _linear(one)) - _lab(sight @ _linear(other))))


@pytest.mark.parametrize("sight", SIGHTS)
@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize("names", [SERIES, ROLES], ids=["series", "roles"])
def test_everybody_can_tell_colours_apart(names, palette, sight):
    matrix = np.asarray(SIGHTS[sight])
    for one, other in combinations(names, 2):
        assert _distance(palette[one], palette[other], matrix) > LEAST_DISTANCE, (one, other)


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
def test_colours_stand_out_from_the_page(palette):
    ground = TO_XYZ[1] @ _linear(palette["--panel"]) + 0.05
    for name in SERIES + ROLES:
        bright = TO_XYZ[1] @ _linear(palette[name]) + 0.05
        assert max(bright, ground) / min(bright, ground) > LEAST_CONTRAST, name


def test_the_measure_knows_what_nobody_with_protanopia_can_tell_apart():
    blue, purple = "#1f66d1", "#9a4fc4"  # two of the colours of before
    assert _distance(blue, purple, np.eye(3)) > 30
    assert _distance(blue, purple, np.asarray(SIGHTS["protanopia"])) < 5


def test_the_style_sheet_has_both_palettes():
    assert set(LIGHT) == set(DARK)
    for name, colour in [*LIGHT.items(), *DARK.items()]:
        assert f"{name}: {colour};" in CSS


def test_every_picture_is_told_with_figures(assessed):
    page = render_report(assessed)
    pictures = re.findall(r"<svg [^>]*>", page)
    told = [re.search(r"""aria-label=(["'])(.*?)\1""", one) for one in pictures]
    assert len(pictures) == page.count("<svg ")
    assert all('role="img"' in one or "role='img'" in one for one in pictures)
    labels = [one.group(2) for one in told]
    assert len(set(labels)) == len(labels)
    for label in labels:
        assert re.search(r"\d", label), label
    accuracy = assessed.contenders[0].metrics["accuracy"]
    assert any(f"model {accuracy:.1%}" in label for label in labels)


def test_series_have_lines_of_their_own():
    assert len(set(map(str, fig.LINES))) == len(fig.SERIES) == len(fig.LINES)


def _shown_labels(axis):
    return [one for one in axis.get_xticklabels() if one.get_visible() and one.get_text()]


def test_labels_of_an_axis_do_not_touch():
    figure, (axis,) = fig.new_figure(fig.NARROW, 2.0)
    places = range(30)
    axis.set_xticks(places, [f"label {place}" for place in places])
    fig.to_svg(figure, "crowded", "30 labels")
    shown = _shown_labels(axis)
    assert 2 < len(shown) < 30
    for left, right in pairwise(one.get_window_extent() for one in shown):
        assert left.x1 < right.x0
    figure, (axis,) = fig.new_figure(fig.NARROW, 2.0)
    axis.set_xticks([0, 1, 2], ["a", "b", "c"])
    fig.to_svg(figure, "few", "3 labels")
    assert len(_shown_labels(axis)) == 3


def test_a_long_title_ends_inside_of_its_picture():
    figure, _ = fig.new_figure(fig.NARROW, 2.0)
    fig.title_figure(figure, "Decisions won against the share of decisions kept", simulated=True)
    fig.to_svg(figure, "long", "1 title")
    (title,) = figure.texts
    assert title.get_window_extent().x1 <= figure.bbox.width + 1.0


def test_a_legend_lies_below_the_curves():
    figure, (axis,) = fig.new_figure(fig.NARROW, 2.0)
    axis.plot([0, 1], [0, 1], label="model")
    fig.add_legend(axis)
    fig.to_svg(figure, "legend", "1 curve")
    (legend,) = figure.legends
    assert legend.get_window_extent().y1 <= axis.get_window_extent().y0


def test_many_parts_are_told_in_short():
    assert fig.told(["a", "b"]) == "a; b"
    assert fig.told(map(str, range(15))).endswith("11; and 3 more")
