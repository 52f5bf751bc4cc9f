import unicodedata
from pathlib import Path

import pytest

from musicu.errors import MetadataError
from musicu.metadata.fields import Metadata
from musicu.metadata.sheet import Sheet, load_sheet


def sheet_of(folder: Path, text: str) -> Sheet:
    file = folder / "sheet.csv"
    file.write_text(text, encoding="utf-8")
    return load_sheet(file)


def test_columns_go_by_their_usual_names(tmp_path: Path) -> None:
    sheet = sheet_of(
        tmp_path,
        "File Name,Artist(s),Album Artist,Release Date,GENRES,Record_Label,BPM,Mood,Track Number"
        ",Bitrate,Instruments,country\n"
        "a.mp3,A|B & C,AA,2004-05-01,Rock; Pop,Label,128.5,calm,3/12,320,piano|calm,uk\n",
    )
    assert sheet.ignored == ("Bitrate",)
    assert sheet.lookup(str(tmp_path / "a.mp3")) == Metadata(
        artist="A; B & C",
        artists=("A", "B & C"),
        album_artist="AA",
        year=2004,
        date="2004-05-01",
        genres=("Rock", "Pop"),
        label="Label",
        bpm=128.5,
        track=3,
        country="GB",
        tags=("calm", "piano"),
    )


def test_paths_match_whatever_their_spelling(tmp_path: Path) -> None:
    sheet = sheet_of(tmp_path, "path,title\nBj\u00f6rk\\./x/../J\u00f3ga.mp3,Joga\n/abs/b.mp3,B\n")
    decomposed = unicodedata.normalize("NFD", "Bj\u00f6rk/J\u00f3ga.mp3")
    for path in (tmp_path / decomposed, Path("/any/root") / decomposed):
        found = sheet.lookup(str(path))
        assert found is not None and found.title == "Joga"
    assert sheet.lookup("/abs/b.mp3") == Metadata(title="B")
    assert sheet.lookup("/other/abs/b.mp3") is None


def test_the_longest_ending_wins_and_only_whole_components_count(tmp_path: Path) -> None:
    sheet = sheet_of(tmp_path, "path,title\nsong.mp3,short\nalbum/song.mp3,long\n")
    assert sheet.lookup("/m/album/song.mp3") == Metadata(title="long")
    assert sheet.lookup("/m/other/song.mp3") == Metadata(title="short")
    assert sheet.lookup("/m/other/my song.mp3") is None


def test_a_row_whose_own_file_exists_matches_no_other(tmp_path: Path) -> None:
    (tmp_path / "song.mp3").touch()
    sheet = sheet_of(tmp_path, "path,title\nsong.mp3,T\n")
    assert sheet.lookup(str(tmp_path / "deeper" / "song.mp3")) is None
    assert sheet.lookup(str(tmp_path / "song.mp3")) == Metadata(title="T")


def test_isrc_matches_and_the_row_of_the_path_prevails(tmp_path: Path) -> None:
    sheet = sheet_of(
        tmp_path,
        "path,isrc,title,label\n,gb-aye-06-01498,by code,L\na.mp3,,by path,\n",
    )
    assert sheet.lookup("/x/b.mp3", "GBAYE0601498") == Metadata(
        title="by code", label="L", isrc="GBAYE0601498"
    )
    assert sheet.lookup("/x/a.mp3", "GBAYE0601498") == Metadata(
        title="by path", label="L", isrc="GBAYE0601498"
    )
    assert sheet.lookup("/x/b.mp3", "USRC17607839") is None
    assert sheet.lookup("/x/b.mp3", None) is None


def test_a_code_shared_by_releases_tells_nothing_apart(tmp_path: Path) -> None:
    sheet = sheet_of(tmp_path, "path,isrc,album\na.mp3,GBAYE0601498,One\nb.mp3,GBAYE0601498,Two\n")
    assert sheet.lookup("/x/c.mp3", "GBAYE0601498") is None
    found = sheet.lookup("/x/b.mp3", "GBAYE0601498")
    assert found is not None and found.album == "Two"


def test_rows_without_a_match_and_with_several_are_told(tmp_path: Path) -> None:
    sheet = sheet_of(tmp_path, "path,isrc,title\na.mp3,,A\nb.mp3,,B\n,GBAYE0601498,C\n")
    assert len(sheet) == 3
    assert sheet.unused() == ("a.mp3", "b.mp3", "GBAYE0601498")
    for path in ("/x/a.mp3", "/y/a.mp3", "/y/a.mp3"):
        assert sheet.lookup(path) is not None
    assert sheet.unused() == ("b.mp3", "GBAYE0601498")
    assert sheet.shared() == {"a.mp3": ("/x/a.mp3", "/y/a.mp3")}


def test_rows_may_repeat(tmp_path: Path) -> None:
    sheet = sheet_of(tmp_path, "path,title,label\na.mp3,A\na.mp3,A,,,\n")
    assert len(sheet) == 1
    assert sheet.lookup("/x/a.mp3") == Metadata(title="A")


def test_several_values_may_be_a_list(tmp_path: Path) -> None:
    """As ``musicu catalog export`` writes them."""
    sheet = sheet_of(tmp_path, 'path,artists,tags\na.mp3,"[""A; B"", ""C""]","[""calm""]"\n')
    found = Metadata(artist="A; B; C", artists=("A; B", "C"), tags=("calm",))
    assert sheet.lookup("/x/a.mp3") == found


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("title,year\nA,2004\n", ["'path' or 'isrc'", "'title', 'year'"]),
        ("path,year\na.mp3,2004\nb.mp3,abc\n", ["row 3", "'year'", "'abc'", "1000 to 2100"]),
        ("path,Tempo\na.mp3,-3\n", ["row 2", "'Tempo'", "'-3'", "above 0"]),
        ("path,bpm\na.mp3,inf\n", ["row 2", "'bpm'", "'inf'"]),
        ("path,isrc\na.mp3,XX\n", ["row 2", "'isrc'", "'XX'", "ISRC"]),
        ("path,date\na.mp3,5/2004\n", ["row 2", "'date'", "'5/2004'"]),
        ("path,track\na.mp3,0\n", ["row 2", "'track'", "'0'"]),
        ("path,mb_album\na.mp3,x\n", ["row 2", "'mb_album'", "'x'", "UUID"]),
        ("path,title\na.mp3,A\n./a.mp3,B\n", ["rows 2 and 3", "a.mp3"]),
        ("isrc,title\nGBAYE0601498,A\nGB-AYE-06-01498,B\n", ["rows 2 and 3", "GBAYE0601498"]),
        ("path,title\n,A\n", ["row 2", "neither path nor isrc"]),
        ("path,genre,genres\na.mp3,A,B\n", ["'genre' and 'genres'"]),
    ],
)
def test_faults_are_told_by_place(tmp_path: Path, text: str, told: list[str]) -> None:
    with pytest.raises(MetadataError) as caught:
        sheet_of(tmp_path, text)
    message = str(caught.value)
    assert "\n" not in message
    for part in ["sheet.csv", *told]:
        assert part in message
