"""The page in a real browser: load, search, play, drop a file, see neighbors, save a playlist."""

import re
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from conftest import SECONDS, Shelf
from made_audio import notes, write
from served import Served, serving, until

from musicu.catalog.items import catalog_items
from musicu.recommend.interactions import read_interactions
from musicu.recommend.recommender import Recommender

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytest.importorskip("playwright")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine"),
]

from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright  # noqa: E402

# WebGL without a graphics card, and sound without a click before.
_FLAGS = (
    "--no-sandbox --enable-unsafe-swiftshader --use-gl=angle --use-angle=swiftshader "
    "--autoplay-policy=no-user-gesture-required"
).split()
_WAIT = 120_000  # ms
expect.set_options(timeout=_WAIT)
# Heard by the page itself: what a content security policy has stopped.
_VIOLATIONS = (
    "window.violations = []; document.addEventListener('securitypolicyviolation',"
    " (event) => window.violations.push(`${event.violatedDirective} ${event.blockedURI}`))"
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=_FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def held(original: Shelf, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A service whose map, reasons and recommender are ready."""
    folder = tmp_path_factory.mktemp("page")
    db, log, fitted = folder / "music.db", folder / "plays.csv", folder / "fitted"
    shutil.copyfile(original.db, db)
    items = catalog_items(db)
    plays = [f"{user},{id}" for user in range(4) for id in items.ids[user : user + 4]]
    log.write_text("\n".join(["user,item", *plays]))
    Recommender(dim=2).fit(read_interactions(log, known=items.ids), items).save(fitted)
    with serving(db, recommender=fitted, feedback=folder / "feedback.csv") as held:
        until(lambda: held.http.get("/v1/map").status_code == 200)
        until(lambda: "preparing" not in held.ask("GET", "/readyz")["parts"].values())
        yield held


class Visit:
    """A page that is open, and all that went wrong on it."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.problems: list[str] = []
        self.foreign: list[str] = []
        page.set_default_timeout(_WAIT)
        page.add_init_script(_VIOLATIONS)
        page.on("console", self._note)
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("request", lambda request: self._watch(request.url, url))

    def _note(self, message: Any) -> None:
        if message.type in ("error", "warning") and "GPU stall" not in message.text:
            self.problems.append(message.text)

    def _watch(self, asked: str, own: str) -> None:
        if not asked.startswith((own, "data:", "blob:")):
            self.foreign.append(asked)

    def check(self) -> None:
        """Nothing went wrong so far."""
        assert self.problems == []
        assert self.foreign == []
        assert self.page.evaluate("window.violations") == []


@pytest.fixture
def visit(browser: Browser, held: Served) -> Iterator[Visit]:
    with ExitStack() as stack:
        context = browser.new_context(viewport={"width": 1280, "height": 800})
        stack.callback(context.close)
        visit = Visit(context.new_page(), held.url)
        visit.page.goto(held.url)
        expect(visit.page.locator("#map-canvas canvas").first).to_be_visible()
        expect(visit.page.locator("#legend")).to_be_visible()
        yield visit
        visit.check()


def seconds_played(page: Page) -> float:
    return float(page.evaluate("document.getElementById('audio').currentTime"))


def choose(page: Page, words: str) -> None:
    """Search for a track, and open its page."""
    page.locator("#q").fill(words)
    # The rows that were there before stay until the answer comes.
    row = page.locator("#panel-search .row").filter(has_text=re.compile(words, re.IGNORECASE)).first
    row.get_by_role("button", name="More about").click()
    row.get_by_role("button", name="Open").click()
    expect(page.locator("#panel-track h2")).to_be_visible()


def test_searching_and_playing_from_the_keyboard(visit: Visit) -> None:
    page = visit.page
    page.keyboard.press("/")
    page.keyboard.type("alba")
    expect(page.locator("#panel-search .row")).to_have_count(2)
    page.locator("#panel-search .row-play").first.focus()
    page.keyboard.press("Enter")
    until(lambda: seconds_played(page) > 0.3)
    before = seconds_played(page)
    until(lambda: seconds_played(page) > before + 0.3)
    page.locator("#map-canvas").focus()
    page.keyboard.press("Space")
    assert page.evaluate("document.getElementById('audio').paused")


def test_a_click_on_the_map_plays_what_lies_there(visit: Visit, held: Served) -> None:
    page = visit.page
    choose(page, "dawn")
    # Six of eight name a genre; what is heard is another way to color.
    expect(page.locator("#color-by")).to_have_value("genre")
    page.locator("#color-by").select_option("heard")
    expect(page.locator("#legend .entries button").first).to_be_visible()
    page.locator("#color-by").select_option("genre")
    page.locator("#zoom-track").click()
    page.wait_for_timeout(1500)  # the map glides there
    box = page.locator("#map-canvas").bounding_box()
    assert box
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    until(lambda: seconds_played(page) > 0.2)
    expect(page.locator("#now-title")).to_have_text("Dawn")
    expect(page.locator("#panel-track h2")).to_have_text("Dawn")
    expect(page.locator("#panel-similar h2")).to_have_text("Like “Dawn”")
    (track,) = held.ask("GET", "/v1/tracks?q=dawn")["tracks"]
    assert f"track={track['id']}" in page.url


def test_what_is_clicked_anywhere_is_the_one_track_that_all_is_about(
    visit: Visit, held: Served
) -> None:
    page = visit.page
    tracks = held.ask("GET", "/v1/tracks")["tracks"]
    # As lists name them: one of them has no title.
    ids = {track["title"] or Path(track["file"]).stem: track["id"] for track in tracks}

    def check(title: str) -> None:
        """The player, Track, Similar, the lists, the map and the address name it."""
        expect(page.locator("#now-title")).to_have_text(title)
        expect(page.locator("#panel-track h2")).to_have_text(title)
        expect(page.locator("#panel-similar h2")).to_have_text(f"Like “{title}”")
        expect(page.locator("#map-labels .chosen")).to_have_text(title)
        assert f"track={ids[title]}" in page.url
        current = page.locator("[role=tabpanel]:visible .row[aria-current]")
        assert {row.get_attribute("data-id") for row in current.all()} <= {ids[title]}
        drawn = "document.getElementById('map').deck.props.layers.at(-1)"
        # Drawn with the next frame.
        until(lambda: page.evaluate(f"{drawn}.id") == "chosen")
        until(lambda: len(page.evaluate(f"{drawn}.props.data")) == 1)

    def click(row: Locator) -> str:
        title = row.locator(".row-name b").inner_text()
        row.locator(".row-play").click()
        return title

    # No track ends, and the next begins by itself, while all this is looked at.
    slow = "document.getElementById('audio').defaultPlaybackRate = 0.07"
    page.evaluate(slow)
    page.locator("#tab-track").click()
    expect(page.locator("#panel-track")).to_contain_text("No track chosen")
    page.locator("#q").fill("alba")
    rows = page.locator("#panel-search .row")
    expect(rows).to_have_count(2)
    for at in (1, 0):
        check(click(rows.nth(at)))
        expect(rows.nth(at)).to_have_attribute("aria-current", "true")
        until(lambda: seconds_played(page) > 0)
        expect(page.locator("#panel-search")).to_be_visible()  # the list stays where it is

    page.locator("#next").click()  # of the list that was clicked in
    check(rows.nth(1).locator(".row-name b").inner_text())

    page.locator("#tab-similar").click()
    rows = page.locator("#panel-similar .row")
    expect(rows).to_have_count(7)
    check(click(rows.nth(2)))
    expect(rows).to_have_count(7)

    choose(page, "dawn")
    page.get_by_role("button", name="More of this").first.click()
    page.locator("#tab-playlist").click()
    rows = page.locator("#playlist-result .row")
    expect(rows.first).to_be_visible()
    check(click(rows.nth(1)))
    page.locator("#playlist-play").click()
    check(rows.first.locator(".row-name b").inner_text())

    page.goto(f"{held.url}/#journey={ids['Dawn']},{ids['Granite']}")
    page.reload()  # at once: the address names the journey while its tracks are still asked for
    page.evaluate(slow)
    rows = page.locator("#journey-result .row")
    expect(rows.first).to_be_visible()
    expect(page.locator("#legend")).to_be_visible()
    check(click(rows.first))
    check(click(rows.nth(1)))

    shown = {id: title for title, id in ids.items()}
    for at in range(len(shown)):
        page.evaluate(f"Math.random = () => {(at + 0.5) / len(shown)}")
        page.locator("#tab-search").click()
        page.locator("#surprise").click()  # chooses as a point of the map does
        check(shown[page.url.partition("track=")[2].partition("&")[0]])


def test_a_track_that_begins_by_itself_takes_nobody_from_another(visit: Visit) -> None:
    page = visit.page
    end = "document.getElementById('audio').dispatchEvent(new Event('ended'))"
    # No track ends but when it is told to.
    page.evaluate("document.getElementById('audio').defaultPlaybackRate = 0.07")
    page.locator("#q").fill("alba")
    rows = page.locator("#panel-search .row")
    expect(rows).to_have_count(2)
    names = rows.locator(".row-name b").all_inner_texts()
    rows.first.locator(".row-play").click()
    expect(page.locator("#panel-track h2")).to_have_text(names[0])
    page.evaluate(end)
    expect(page.locator("#now-title")).to_have_text(names[1])
    expect(page.locator("#panel-track h2")).to_have_text(names[1])
    rows.first.locator(".row-play").click()
    choose(page, "granite")
    page.evaluate(end)
    expect(page.locator("#now-title")).to_have_text(names[1])
    expect(page.locator("#panel-track h2")).to_have_text("Granite")


def test_an_album_is_found_by_browsing_and_played(visit: Visit) -> None:
    page = visit.page
    # With nothing searched for, there is something to look at.
    expect(page.locator("#arrivals .tile")).to_have_count(5)
    page.locator("#tab-browse").click()
    page.locator("[name=shelf][value=artists]").check()
    expect(page.locator("#panel-browse .tile b")).to_have_text(["Alba", "Bruno", "Carla"])
    page.locator("[name=shelf][value=albums]").check()
    page.locator("#panel-browse .tile").filter(has_text="First Light").click()
    expect(page.locator("#panel-browse h2")).to_have_text("First Light")
    rows = page.locator("#panel-browse .row")
    expect(rows.locator(".row-name b")).to_have_text(["Dawn", "Noon"])
    page.locator("#browse-play").click()
    expect(page.locator("#now-title")).to_have_text("Dawn")
    expect(page.locator("#panel-track h2")).to_have_text("Dawn")
    expect(rows.first).to_have_attribute("aria-current", "true")
    page.reload()  # the address names the album
    expect(page.locator("#panel-browse h2")).to_have_text("First Light")
    page.locator("#browse-back").click()
    expect(page.locator("#panel-browse .tile")).to_have_count(3)


def test_what_was_played_brings_more_and_what_is_disliked_goes(visit: Visit, held: Served) -> None:
    page = visit.page
    page.locator("#tab-browse").click()
    expect(page.locator("#panel-browse")).to_contain_text("stays in this browser")
    choose(page, "dawn")
    page.locator("#track-like").click()
    expect(page.locator("#track-like")).to_have_attribute("aria-pressed", "true")
    page.locator("#track-play").click()
    until(lambda: page.evaluate("localStorage.getItem('musicu.played')?.length > 9"))
    page.locator("#tab-browse").click()
    rows = page.locator("#panel-browse .row")
    expect(rows.first).to_be_visible()
    names = page.locator("#panel-browse .row-name b")
    disliked = names.first.inner_text()
    assert "Dawn" not in names.all_inner_texts()
    rows.first.get_by_role("button", name="More about").click()
    rows.first.locator("[data-action=dislike]").click()
    expect(names.filter(has_text=disliked)).to_have_count(0)
    log = held.service.settings.feedback
    until(lambda: "0,0,0" in log.read_text() and len(log.read_text().splitlines()) >= 4)
    said = [line.split(",") for line in log.read_text().splitlines()[1:]]
    assert {(line[0] == said[0][0], line[2]) for line in said} == {(True, "0"), (True, "1")}
    page.locator("#home-forget").click()
    expect(page.locator("#panel-browse")).to_contain_text("stays in this browser")


def test_it_speaks_german_and_opens_without_its_service(browser: Browser, held: Served) -> None:
    context = browser.new_context(locale="de-DE")
    page = context.new_page()
    page.goto(held.url)
    expect(page.locator("#tab-browse")).to_have_text("Stöbern ")
    expect(page.locator("#arrivals h3")).to_have_text("Neu dabei")
    assert page.evaluate("document.documentElement.lang") == "de"
    page.locator("#help-button").click()
    page.locator("#language").select_option("en")
    expect(page.locator("#tab-browse")).to_have_text("Browse ")
    page.evaluate("navigator.serviceWorker.ready.then(() => true)")
    context.set_offline(True)
    page.reload()
    expect(page.locator("#toasts")).to_contain_text("does not answer")
    expect(page.locator("#tab-browse")).to_have_text("Browse ")
    kept = page.evaluate(
        "caches.keys().then(async ([name]) => (await (await caches.open(name)).keys())"
        ".map(({ url }) => new URL(url).pathname))"
    )
    assert kept and all(path == "/" or path.startswith("/page/") for path in kept)
    context.close()


def test_a_track_has_neighbors_with_reasons(visit: Visit) -> None:
    page = visit.page
    choose(page, "granite")
    page.locator("#tab-similar").click()
    rows = page.locator("#panel-similar .row")
    # It begins with what the service compares by, and says so.
    expect(page.locator("#likeness")).to_contain_text("nothing else")
    page.locator("[name=by][value=all]").check()
    expect(page.locator("#likeness")).to_contain_text("all that is known")
    expect(rows).to_have_count(7)
    rows.first.get_by_role("button", name="More about").click()
    more = rows.first.locator(".row-more")
    expect(more).to_contain_text("Genres")
    expect(more).to_contain_text("Sound")
    more.locator("[data-action=moments]").click()
    until(lambda: seconds_played(page) > 0.1)


def test_a_format_that_the_browser_does_not_know_plays_all_the_same(visit: Visit) -> None:
    page = visit.page
    page.locator("#q").fill("solo")  # AIFF
    expect(page.locator("#panel-search .row")).to_have_count(1)
    page.locator("#panel-search .row-play").click()
    until(lambda: seconds_played(page) > 0.3)
    expect(page.locator("#toasts .error")).to_have_count(0)


def test_a_file_that_is_dropped_lands_among_its_neighbors(visit: Visit, tmp_path: Path) -> None:
    page = visit.page
    file = tmp_path / "new song.flac"
    write(file, notes(seed=77, seconds=SECONDS, sr=44100), 44100)
    data = page.evaluate_handle(
        """(bytes) => {
            const data = new DataTransfer();
            const file = new File([new Uint8Array(bytes)], "new song.flac", {type: "audio/flac"});
            data.items.add(file);
            return data;
        }""",
        list(file.read_bytes()),
    )
    for event in ("dragenter", "dragover", "drop"):
        page.dispatch_event("body", event, {"dataTransfer": data})
    expect(page.locator("#panel-similar .row").first).to_be_visible()
    expect(page.locator("#panel")).to_contain_text("new song")


def test_what_is_no_audio_is_told_in_one_line(visit: Visit, tmp_path: Path) -> None:
    page = visit.page
    file = tmp_path / "notes.mp3"
    file.write_text("not a song")
    page.locator("#file").set_input_files(file)
    expect(page.locator("#toasts")).to_contain_text("audio")
    # The browser itself reports the answer 422.
    visit.problems[:] = [text for text in visit.problems if "422" not in text]


def test_a_playlist_is_made_of_more_and_less_and_saved(visit: Visit, tmp_path: Path) -> None:
    page = visit.page
    choose(page, "dawn")
    page.get_by_role("button", name="More of this").first.click()
    page.locator("#tab-playlist").click()
    expect(page.locator("#playlist-result .row").first).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("button", name="Save").first.click()
    saved = tmp_path / "saved.m3u8"
    download.value.save_as(saved)
    lines = saved.read_text(encoding="utf-8").splitlines()
    assert lines[0] == "#EXTM3U"
    assert any(line.endswith((".flac", ".mp3", ".ogg", ".opus", ".m4a")) for line in lines)


def test_the_list_of_failed_files_and_a_scan_are_there(visit: Visit) -> None:
    page = visit.page
    page.locator("#tab-library").click()
    page.locator("#scan").click()
    expect(page.locator("#panel-library")).to_contain_text("8", timeout=_WAIT)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1280, 2000])
def test_it_is_accessible_in_every_size_and_scheme(
    browser: Browser, held: Served, width: int, scheme: Any
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
    visit = Visit(context.new_page(), held.url)
    page = visit.page
    page.goto(held.url)
    expect(page.locator("#legend")).to_be_visible()
    choose(page, "dawn")
    for tab in ("search", "browse", "track", "similar", "playlist", "journey", "library"):
        page.locator(f"#tab-{tab}").click()
        page.wait_for_timeout(300)
        found = axe.run(page).response["violations"]
        serious = [f for f in found if f["impact"] in ("serious", "critical")]
        assert serious == [], [(f["id"], f["nodes"][0]["html"]) for f in serious]
        overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert page.evaluate(overflow) <= 0
    visit.check()
    context.close()


def test_a_token_is_asked_for_once(browser: Browser, original: Shelf, tmp_path: Path) -> None:
    db = tmp_path / "music.db"
    shutil.copyfile(original.db, db)
    with serving(db, token="open sesame") as held:
        context = browser.new_context()
        page = context.new_page()
        page.goto(held.url)
        page.locator("#token").fill("wrong")
        page.locator("#session-send").click()
        expect(page.locator("#session-error")).not_to_be_empty()
        page.locator("#token").fill("open sesame")
        page.locator("#session-send").click()
        expect(page.locator("#session")).to_be_hidden()
        page.reload()
        expect(page.locator("#session")).to_be_hidden()
        expect(page.locator("#panel-search")).to_contain_text("8 tracks")
        context.close()
