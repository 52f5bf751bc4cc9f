"""The report as a page: sound, safe, self-contained, and read without colors too."""

import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest

from musicu.errors import MusicuError
from musicu.reports.html import Cell, Column, Figure, Page, Section, Table, p_text, render
from musicu.reports.svg import Dot, Line, Panel, dot_plot, line_plot

VOID = {"meta", "br"}
HOSTILE = "<script>alert(\"1\")</script> & 'x' </td></style></title>"
SVG = "{http://www.w3.org/2000/svg}"


class Reader(HTMLParser):
    """Read a page: tags must close in turn; cells, links and ids are kept."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: dict[str, list[str]] = {}
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.text.setdefault(tag, []).append("")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        for tag in set(self.open):
            self.text[tag][-1] += data


def table(**more: object) -> Table:
    full: dict[str, object] = {
        "title": "Scores",
        "columns": ["system", Column("NDCG@10", "higher"), Column("Gini", "lower", 2), "remark"],
        "rows": [
            ["ours", Cell(value=0.5, low=0.4, high=0.6, verdict="clearly better"), 0.25, "good"],
            ["theirs", Cell(value=0.3, verdict="clearly worse"), 0.125, None],
            ["chance", float("nan"), 0.125, ""],
        ],
    }
    return Table(**(full | more))  # type: ignore[arg-type]


def page(*blocks: str | Table | Figure, **more: object) -> str:
    return render(Page(title="A report", sections=[Section("All", blocks)], **more))  # type: ignore[arg-type]


def cells(html: str) -> list[str]:
    return re.findall(r"<td[^>]*>(.*?)</td>", html)


def test_a_page_is_sound_and_loads_nothing_and_runs_nothing() -> None:
    panel = Panel("NDCG", "higher is better", (Dot(0.5, 0.4, 0.6), Dot(0.3, 0.2, 0.4)))
    drawings = [
        dot_plot([panel], ["ours", "theirs"], title="Dots"),
        line_plot([Line("ours", [0, 1], [0, 1])], title="Lines", x="x", y="y"),
    ]
    html = page("Text.", table(), Figure(drawings=drawings, caption="What is seen."))
    read = Reader(html)
    names = {tag for tag, _ in read.tags}
    assert {"table", "figure", "svg", "h1", "h2"} <= names
    assert not names & {"script", "link", "img", "iframe", "object", "embed", "base", "form"}
    kept = {name for _, attributes in read.tags for name in attributes}
    assert not {name for name in kept if name.startswith("on")} | (
        kept & {"src", "style", "action"}
    )
    assert all(a["href"].startswith("#") for _, a in read.tags if a.get("href"))  # type: ignore[union-attr]
    assert not re.search(r"url\(|@import|https?://(?!www\.w3\.org/2000/svg)", html)
    assert "default-src 'none'" in html and 'name="viewport"' in html and 'lang="en"' in html


def test_whatever_is_written_stays_text() -> None:
    hostile = table(
        title=HOSTILE, columns=[HOSTILE, Column(HOSTILE)], rows=[[HOSTILE, HOSTILE]], note=HOSTILE
    )
    html = render(
        Page(
            title=HOSTILE,
            summary=[HOSTILE],
            sections=[Section(HOSTILE, [HOSTILE, hostile, Figure(drawings=[], caption=HOSTILE)])]
            * 3,
            footnotes=[HOSTILE],
            provenance={HOSTILE: HOSTILE},
        )
    )
    read = Reader(html)
    assert "script" not in read.text
    for tag in ("title", "h1", "h2", "p", "caption", "th", "td", "figcaption", "li", "dt", "dd"):
        assert HOSTILE in read.text[tag], tag
    assert {a.get("aria-label") for t, a in read.tags if a.get("role") == "region"} == {HOSTILE}


def test_the_best_of_a_column_is_bold_in_the_direction_that_is_good() -> None:
    found = cells(page(table()))
    assert [("<strong>" in cell) for cell in found] == [True, False, False] + [
        False, True, False, False, True, False
    ]  # fmt: skip
    assert "Bold: the best." in page(table())
    plain = page(table(rows=[["a", 0.5, 1.0, ""], ["b", 0.5, 1.0, ""]]))
    assert "<strong>" not in plain and "Bold" not in plain


def test_what_is_clear_is_said_in_words_too() -> None:
    html = page(table())
    better, _, _, worse, *_ = cells(html)
    assert '<span class="spoken">clearly better</span>' in better and 'aria-hidden="true"' in better
    assert '<span class="spoken">clearly worse</span>' in worse
    legend = Reader(html).text["p"][-1]
    assert "▲ clearly better." in legend and "▼ clearly worse." in legend
    one = page(table(rows=[["a", Cell(value=1.0, verdict="clearly worse"), 1.0, ""]]))
    assert "clearly better" not in one


def test_numbers_stand_as_numbers_do() -> None:
    columns = ["name", Column("x", digits=2), Column("y")]
    rows = [["a", -1234.567, 12345], ["b", Cell(value=float("nan")), np.int64(7)]]
    rows += [["c", np.float32(0.5), "< 0.001"], [0, None, Cell(value=1.0, low=-0.5, high=2.0)]]
    html = page(table(columns=columns, rows=rows))
    got = [re.sub(r"<.*?>", " ", cell).strip() for cell in cells(html)]
    assert got[:6] == ["−1,234.57", "12,345", "–", "7", "0.50", "&lt; 0.001"]
    assert got[6] == "" and got[7].split() == ["1.000", "−0.500", "to", "2.000"]
    assert all('class="number"' in cell for cell in re.findall(r"<td[^>]*>", html))
    assert Reader(html).text["th"][-1] == "0"


def test_tables_are_named_and_their_heads_have_a_direction() -> None:
    read = Reader(page(table()))
    assert read.text["caption"] == ["Scores"]
    scopes = [attributes.get("scope") for tag, attributes in read.tags if tag == "th"]
    assert scopes == ["col"] * 4 + ["row"] * 3
    (region,) = (a for _, a in read.tags if a.get("role") == "region")
    assert region["tabindex"] == "0" and region["aria-label"] == "Scores"


def test_a_row_that_does_not_fit_its_columns_is_refused() -> None:
    with pytest.raises(MusicuError, match="table 'Scores': row 'a' has 2 cells for 4 columns"):
        table(rows=[["a", 1.0]])


def test_footnotes_are_led_to_and_other_brackets_are_left_alone() -> None:
    html = page("One [1], two [2], [3] and [x].", table(note="See [2]."), footnotes=["first", "b"])
    read = Reader(html)
    links = [a["href"] for tag, a in read.tags if tag == "a"]
    assert links == ["#note-1", "#note-2", "#note-2"]
    assert {a["id"] for _, a in read.tags if (a.get("id") or "").startswith("note")} == {
        "note-1",
        "note-2",
    }
    assert "[3] and [x]." in html


def test_three_sections_or_more_are_listed_first() -> None:
    def parts(number: int) -> list[str]:
        sections = [Section(f"Part {i}", []) for i in range(number)]
        read = Reader(render(Page(title="x", sections=sections)))
        ids = {a.get("id") for tag, a in read.tags if tag == "section"}
        links = [(a["href"] or "")[1:] for tag, a in read.tags if tag == "a"]
        assert set(links) <= ids
        return links

    assert parts(2) == [] and len(parts(3)) == 3


def test_the_same_page_is_the_same_file_and_says_how_it_was_made() -> None:
    made = {"command": "musicu evaluate recommend", "date": "2025-11-21"}
    assert page(table(), provenance=made) == page(table(), provenance=made)
    read = Reader(page(provenance=made))
    assert dict(zip(read.text["dt"], read.text["dd"], strict=True)) == made
    assert "How this was made" not in page()


def test_wide_drawings_are_scrolled_and_small_ones_fit() -> None:
    small, wide = '<svg width="300"></svg>', '<svg width="900"></svg>'
    html = page(Figure(drawings=[small, wide], caption=""))
    assert f'<div class="fits">{small}</div>' in html
    assert f'<div class="wide" tabindex="0">{wide}</div>' in html


def test_p_values_are_never_written_as_zero() -> None:
    assert [p_text(p) for p in (0.04999, 0.001, 0.00099, 1.0)] == [
        "0.050",
        "0.001",
        "< 0.001",
        "1.000",
    ]


# Lines


def plot(*lines: Line, diagonal: bool = False) -> ElementTree.Element:
    drawn = line_plot(lines, title=HOSTILE, x=HOSTILE, y=HOSTILE, diagonal=diagonal)
    return ElementTree.fromstring(drawn)


def path(element: ElementTree.Element) -> list[tuple[float, float]]:
    points = re.findall(r"[ML]([\d.]+) ([\d.]+)", element.attrib["d"])
    return [(float(x), float(y)) for x, y in points]


def test_lines_stand_where_the_ticks_say() -> None:
    root = plot(Line("a", [10, 20, 100], [0.1, 0.3, 0.9]))
    down = {
        float(e.text or ""): e
        for e in root.iter(f"{SVG}text")
        if re.match(r"[\d.]+$", e.text or "")
    }
    x = {v: float(e.attrib["x"]) for v, e in down.items() if e.get("text-anchor") == "middle"}
    y = {v: float(e.attrib["y"]) - 4 for v, e in down.items() if e.get("text-anchor") == "end"}
    (group,) = root.iter(f"{SVG}g")
    drawn = path(group.findall(f"{SVG}path")[0])
    at, height = np.array(drawn).T
    np.testing.assert_allclose(
        at, np.polyval(np.polyfit(*zip(*x.items(), strict=True), 1), [10, 20, 100]), atol=0.2
    )
    np.testing.assert_allclose(
        height, np.polyval(np.polyfit(*zip(*y.items(), strict=True), 1), [0.1, 0.3, 0.9]), atol=0.2
    )


def test_lines_differ_in_more_than_color_and_are_named() -> None:
    names = [HOSTILE, "b", "c", "d", "e"]
    root = plot(*(Line(name, [0, 1], [0, i]) for i, name in enumerate(names)))
    assert [g.attrib["class"] for g in root.iter(f"{SVG}g")] == ["c0", "c1", "c2", "c3", "c4"]
    style = root.findtext(f"{SVG}style") or ""
    dashes = re.findall(r"\.c\d path \{ stroke: #\w+; stroke-dasharray: ([\d ]+);", style)
    assert len(set(dashes)) == 4
    assert set(names) <= {e.text for e in root.iter(f"{SVG}text")}


def test_points_that_are_not_there_are_passed_over() -> None:
    root = plot(Line("a", [0, 1, 2], [1, np.nan, 3]), Line("flat", [0, 2], [0, 0]))
    first, second = (g.findall(f"{SVG}path")[0] for g in root.iter(f"{SVG}g"))
    assert len(path(first)) == 2 and len(path(second)) == 2
    assert "nan" not in ElementTree.tostring(root, encoding="unicode")
    assert plot(Line("nothing", [0], [0])) is not None


def test_the_diagonal_is_where_both_axes_are_equal() -> None:
    root = plot(Line("equal", [0, 1], [0, 1]), diagonal=True)
    (diagonal,) = (e for e in root.iter(f"{SVG}path") if e.get("class") == "equal")
    (group,) = root.iter(f"{SVG}g")
    assert path(diagonal) == path(group.findall(f"{SVG}path")[0])
