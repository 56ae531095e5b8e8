"""Pages as a browser lays them out: nothing reaches beyond the screen of a phone or a desk."""

import json
import re
import shutil
import subprocess
from dataclasses import replace

import pytest

from ultimate_deep.evaluation.reporting.report import render_report

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("chrome")
WIDTHS = (390, 768, 1440)
FRAMES = r"""<!doctype html><meta charset="utf-8"><body>{frames}<script>
window.onload = () => {{
  const found = [...document.querySelectorAll("iframe")].map(frame => {{
    const page = frame.contentDocument, width = frame.clientWidth;
    page.querySelectorAll("details").forEach(one => one.open = true);
    const broken = [], texts = page.createTreeWalker(page.body, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {{
      const node = texts.currentNode, range = page.createRange();
      if (node.parentElement.closest("style, svg, pre, code, .names")) continue;
      for (const word of node.data.matchAll(/[^ \n\/-]+/g)) {{
        range.setStart(node, word.index);
        range.setEnd(node, word.index + word[0].length);
        const lines = new Set([...range.getClientRects()].map(one => Math.round(one.top)));
        if (lines.size > 1) broken.push(word[0]);
      }}
    }}
    const beyond = [...page.querySelectorAll("body *")].filter(one =>
      one.getBoundingClientRect().right > width + 1 && !one.closest(".scroll, figure"));
    const cut = [...page.querySelectorAll(".scroll, figure")].filter(one =>
      one.scrollWidth > one.clientWidth + 1 && !one.querySelector("svg.wide"));
    const short = cut.map(one => one.textContent.slice(0, 60));
    return [width, page.documentElement.scrollWidth, beyond.map(one => one.tagName).slice(0, 5),
            short, broken];
  }});
  document.body.dataset.found = JSON.stringify(found);
}};
</script>"""


RETURNS = ("total_return", "total_return_gross", "annual_return")
HUGE = 5.972465394736902e34


@pytest.fixture
def huge(assessed):
    """The same with returns of many digits, as trained bars give them."""
    found = assessed.assessment
    changed = {
        name: replace(found.intervals[name], estimate=HUGE, lower=123.4, upper=9 * HUGE)
        for name in ("total_return", "annual_return")
        if name in found.intervals
    }
    assert changed
    account = replace(
        assessed.backtest, metrics=assessed.backtest.metrics | dict.fromkeys(RETURNS, HUGE)
    )
    first, *others = assessed.contenders
    return replace(
        assessed,
        assessment=replace(found, intervals=found.intervals | changed),
        backtest=account,
        contenders=[
            replace(first, metrics=first.metrics | account.metrics | {"share_of_edge": 0.851}),
            *others,
            *(replace(others[0], name=name) for name in ("logistic regression", "random forest")),
        ],
    )


@pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine")
@pytest.mark.parametrize("name", ["assessed", "huge"])
def test_nothing_reaches_beyond_the_screen(name, request, tmp_path):
    page = render_report(request.getfixturevalue(name))
    (tmp_path / "page.html").write_text(page, encoding="utf-8")
    frames = "".join(
        f'<iframe src="page.html" style="width: {width}px; height: 900px; border: 0"></iframe>'
        for width in WIDTHS
    )
    (tmp_path / "frames.html").write_text(FRAMES.format(frames=frames), encoding="utf-8")
    said = subprocess.run(
        [
            str(BROWSER), "--headless", "--no-sandbox", "--allow-file-access-from-files",
            f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=5000", "--dump-dom",
            (tmp_path / "frames.html").as_uri(),
        ],
        capture_output=True, text=True, timeout=120, check=True,
    ).stdout  # fmt: skip
    (stored,) = re.findall(r'data-found="([^"]*)"', said)
    found = json.loads(stored.replace("&quot;", '"'))
    assert [width for width, *_ in found] == list(WIDTHS)
    for width, reaches, beyond, cut, broken in found:
        assert broken == [], (width, broken)  # no word and no number is parted
        assert beyond == [], (width, beyond)
        assert reaches <= width
        assert cut == [], (width, cut)  # no table and no picture needs to be pushed aside


def test_every_section_is_in_the_contents(assessed):
    page = render_report(assessed)
    (contents,) = re.findall(r"<nav.*?</nav>", page)
    places = re.findall(r'<section id="([^"]+)"', page)
    assert re.findall(r'href="#([^"]+)"', contents) == places
    assert len(places) > 10
