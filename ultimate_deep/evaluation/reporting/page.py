"""What every report is put together from: one HTML page without network or scripts."""

import re
from collections.abc import Iterable
from html import escape
from pathlib import Path

from ultimate_deep.evaluation.reporting.style import CSS
from ultimate_deep.machine.files import write_text

_SECTION = re.compile(r'<section id="([^"]+)"><h2>(.*?)</h2>')
_TABLE = re.compile(r"<table.*?</table>", re.DOTALL)
_MANY_COLUMNS, _CROWDED = 5, 8  # from how many on a phone, and a tablet, has no room for them
_LEAST_SECTIONS = 4  # with fewer, a list of them would not be shorter than the page


def render_page(title: str, body: str, *, simulated: bool) -> str:
    """Return a whole page around its body; the title says when bars are simulated."""
    title = escape(title) + (" (simulated bars)" if simulated else "")
    body = _with_contents(_TABLE.sub(_with_names, body))
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{CSS}</style>\n</head>\n"
        f"<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


def _with_names(found: re.Match[str]) -> str:
    """Return a table of several columns whose cells know their column's name, for a phone."""
    table = found.group(0)
    heads = re.findall(r"<th>(.*?)</th>", table.partition("</thead>")[0])
    if len(heads) < _MANY_COLUMNS:
        return table

    def named(row: re.Match[str]) -> str:
        names = iter(heads)
        return re.sub(r"<td", lambda _: f'<td data-name="{next(names, "")}"', row.group(0))

    kinds = "many crowded" if len(heads) >= _CROWDED else "many"
    begin, sign, rest = table.partition("<tbody>")
    if 'class="' in begin.partition(">")[0]:
        begin = begin.replace('class="', f'class="{kinds} ', 1)
    else:
        begin = begin.replace("<table", f'<table class="{kinds}"', 1)
    return begin + sign + re.sub(r"<tr.*?</tr>", named, rest, flags=re.DOTALL)


def _with_contents(body: str) -> str:
    """Return the body with a list of its sections before the first; as it is where they are few."""
    places = _SECTION.findall(body)
    if len(places) < _LEAST_SECTIONS:
        return body
    links = "".join(f'<a href="#{place}">{heading}</a>' for place, heading in places)
    first = body.index(f'<section id="{places[0][0]}">')
    return f'{body[:first]}<nav aria-label="Contents">{links}</nav>{body[first:]}'


def write_page(path: str | Path, page: str) -> Path:
    """Write a page to an `.html` file, whole or not at all, and return the path."""
    target = Path(path)
    write_text(target, page)
    return target


def page_header(title: str, subtitle: str, *, simulated: bool) -> str:
    """Return the heading, with a banner where bars are simulated."""
    heading = f'<header><h1>{escape(title)}</h1><p class="sub">{escape(subtitle)}</p></header>'
    if not simulated:
        return heading
    return heading + (
        '<div class="banner"><b>Simulated bars.</b> These prices were drawn by a program with '
        "a known answer. Nothing here says anything about a real market.</div>"
    )


def section(title: str, *parts: str, hint: str = "") -> str:
    """Return a titled box of HTML parts, with a line of plain text under the title."""
    hint = f'<p class="hint">{escape(hint)}</p>' if hint else ""
    place = re.sub(r"\W+", "-", title.lower()).strip("-")
    return f'<section id="{escape(place)}"><h2>{escape(title)}</h2>{hint}{"".join(parts)}</section>'


def figure(svg: str, caption: str = "") -> str:
    """Return a picture with its caption in plain text; nothing without a picture."""
    if not svg:
        return ""
    caption = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    return f"<figure>{svg}{caption}</figure>"


def pair(*pictures: str) -> str:
    """Return pictures beside each other where there is room, one below the other on a phone."""
    shown = "".join(map(figure, pictures))
    return f'<div class="pair">{shown}</div>' if shown else ""


def details(title: str, content: str) -> str:
    """Return folded HTML; nothing where there is no content."""
    if not content:
        return ""
    return f"<details><summary>{escape(title)}</summary>{content}</details>"


def bullets(lines: Iterable[str]) -> str:
    """Return a list of plain sentences; nothing where there are none."""
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return f"<ul>{items}</ul>" if items else ""


def card(value: str, meaning: str, detail: str) -> str:
    """Return one figure, what it means, and a detail, all plain text."""
    return (
        f'<div class="card"><b>{escape(value)}</b><span>{escape(meaning)}</span>'
        f"<span>{escape(detail)}</span></div>"
    )
