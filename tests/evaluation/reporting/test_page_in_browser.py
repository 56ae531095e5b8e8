"""Pages as a browser lays them out: nothing reaches beyond the screen of a phone or a desk."""

import json
import re
import shutil
import subprocess

import pytest

from ultimate_deep.evaluation.reporting.report import render_report

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("chrome")
WIDTHS = (390, 768, 1440)
FRAMES = """<!doctype html><meta charset="utf-8"><body>{frames}<script>
window.onload = () => {{
  const found = [...document.querySelectorAll("iframe")].map(frame => {{
    const page = frame.contentDocument, width = frame.clientWidth;
    const beyond = [...page.querySelectorAll("body *")].filter(one =>
      one.getBoundingClientRect().right > width + 1 && !one.closest(".scroll, figure"));
    const cut = [...page.querySelectorAll(".scroll, figure")].filter(one =>
      one.scrollWidth > one.clientWidth + 1 && !one.querySelector("svg.wide"));
    const short = cut.map(one => one.textContent.slice(0, 60));
    return [width, page.documentElement.scrollWidth, beyond.map(one => one.tagName).slice(0, 5),
            short];
  }});
  document.body.dataset.found = JSON.stringify(found);
}};
</script>"""


@pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine")
def test_nothing_reaches_beyond_the_screen(assessed, tmp_path):
    (tmp_path / "page.html").write_text(render_report(assessed), encoding="utf-8")
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
    for width, reaches, beyond, cut in found:
        assert beyond == [], (width, beyond)
        assert reaches <= width
        assert cut == [], (width, cut)  # no table and no picture needs to be pushed aside


def test_every_section_is_in_the_contents(assessed):
    page = render_report(assessed)
    (contents,) = re.findall(r"<nav.*?</nav>", page)
    places = re.findall(r'<section id="([^"]+)"', page)
    assert re.findall(r'href="#([^"]+)"', contents) == places
    assert len(places) > 10
