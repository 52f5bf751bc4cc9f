"""Words for the General MIDI programs."""

from __future__ import annotations

DRUMS = 128  # stands for the drum channel where programs are listed

#: First program and word: a word holds up to the next entry.
_WORDS = [
    (0, "piano"),
    (4, "electric piano"),
    (6, "harpsichord"),
    (7, "clavinet"),
    (8, "bells"),
    (11, "mallets"),
    (14, "bells"),
    (15, "dulcimer"),
    (16, "organ"),
    (21, "accordion"),
    (22, "harmonica"),
    (23, "accordion"),
    (24, "acoustic guitar"),
    (26, "electric guitar"),
    (29, "distorted guitar"),
    (31, "electric guitar"),
    (32, "bass"),
    (40, "violin"),
    (41, "viola"),
    (42, "cello"),
    (43, "double bass"),
    (44, "strings"),
    (46, "harp"),
    (47, "timpani"),
    (48, "strings"),
    (50, "synth pad"),
    (52, "choir"),
    (55, "orchestra hit"),
    (56, "trumpet"),
    (57, "brass"),
    (59, "trumpet"),
    (60, "brass"),
    (64, "saxophone"),
    (68, "oboe"),
    (70, "bassoon"),
    (71, "clarinet"),
    (72, "flute"),
    (76, "whistle"),
    (77, "flute"),
    (78, "whistle"),
    (80, "synth lead"),
    (88, "synth pad"),
    (104, "sitar"),
    (105, "banjo"),
    (106, "shamisen"),
    (107, "koto"),
    (108, "mallets"),
    (109, "bagpipe"),
    (110, "violin"),
    (111, "shanai"),
    (112, "bells"),
    (113, "percussion"),
    (114, "steel drums"),
    (115, "percussion"),
    (120, "effects"),
    (DRUMS, "drums"),
]


def word_of(program: int) -> str:
    """Return the word for a General MIDI program.

    Parameters
    ----------
    program : int
        0 to 127, or `DRUMS`.

    Returns
    -------
    str
        The word.

    Examples
    --------
    >>> word_of(0), word_of(30), word_of(DRUMS)
    ('piano', 'distorted guitar', 'drums')
    """
    return [word for first, word in _WORDS if first <= program][-1]
