"""Who plays: the arrangement templates by name."""

from __future__ import annotations

import numpy as np

from renders.arrange import own_sounds, random_sounds
from renders.ensembles import Ensemble, Kind

ACOUSTIC: dict[str, Kind] = {
    "symphony orchestra": Kind(
        Ensemble(
            lead=((40, 48), (73, 40, 48), (60, 48), (56, 60, 48), (68, 48), (71, 73, 48), (49, 48)),
            inner=((48,), (49, 60), (48, 70, 71), (45, 60)),
            bass=((43, 48), (42, 43), (58, 43, 42), (70, 43)),
            timpani=0.5,
        ),
        2.5,
        free=0.3,
    ),
    "string ensemble": Kind(
        Ensemble(everything=((48,), (49,), (48, 49), (45,), (44, 48)), compass=(52, 91)), free=0.3
    ),
    "string quartet": Kind(
        Ensemble(lead=((40,),), inner=((40, 41),), bass=((42,),), desks=True), 1.2, free=0.3
    ),
    "piano solo": Kind(Ensemble(everything=((0,), (0,), (1,))), 2.5, free=0.4),
    "old piano": Kind(Ensemble(everything=((3,), (2,))), 0.3),
    "church organ": Kind(Ensemble(everything=((19,), (19,), (19, 20)), compass=(48, 88)), free=0.2),
    "harpsichord": Kind(Ensemble(everything=((6,),)), free=0.2),
    "choir": Kind(
        Ensemble(everything=((52,), (52, 53), (53,), (52, 19)), compass=(53, 81), least=0.9),
        1.6,
        free=0.3,
    ),
    "choir and orchestra": Kind(
        Ensemble(
            lead=((52, 48), (52, 40)), inner=((52, 48), (48, 60)), bass=((43, 52),), timpani=0.6
        ),
        free=0.3,
    ),
    "brass band": Kind(
        Ensemble(lead=((56,), (56, 61)), inner=((60, 57), (61, 57)), bass=((58,),), desks=True)
    ),
    "woodwinds": Kind(
        Ensemble(lead=((73,), (68,)), inner=((68, 71), (71, 60)), bass=((70,),), desks=True),
        0.8,
        free=0.2,
    ),
    "solo melody": Kind(
        Ensemble(
            lead=tuple(
                (p,) for p in (40, 41, 42, 73, 71, 68, 70, 56, 57, 60, 65, 66, 64, 74, 22, 110, 75)
            )
        ),
        1.2,
        free=0.3,
    ),
    "melody and piano": Kind(
        Ensemble(
            lead=((40,), (42,), (73,), (71,), (68,), (56,), (60,), (65,)),
            inner=((0,),),
            bass=((0,),),
        ),
        free=0.4,
    ),
    "harp": Kind(Ensemble(everything=((46,),)), 0.5, free=0.3),
    "accordion": Kind(Ensemble(everything=((21,), (23,))), 0.5),
    "music box": Kind(Ensemble(everything=((10,), (8,), (9,), (14,), (10, 8)), compass=(67, 100))),
    "mallets": Kind(Ensemble(everything=((12,), (11,), (13,), (12, 11)), compass=(55, 90)), 0.6),
    "acoustic guitar": Kind(
        Ensemble(
            lead=((24,), (25,)),
            chords=((24,), (25,)),
            styles=("picking", "strum"),
            compass=(52, 81),
        ),
        1.2,
        free=0.2,
    ),
    "guitar solo": Kind(Ensemble(everything=((24,), (25,)), compass=(52, 83)), 0.6, free=0.3),
    "folk": Kind(
        Ensemble(
            lead=((110,), (73,), (22,), (21,), (105,), (74,), (109,)),
            chords=((25,), (24,), (21,)),
            styles=("strum", "quarters", "picking"),
            line=(32,),
            lines=("quarters", "fifths"),
        )
    ),
    "indian": Kind(
        Ensemble(lead=((104,), (104, 111)), chords=((104,),), styles=("picking", "pad")), 0.4
    ),
    "east asian": Kind(
        Ensemble(
            lead=((107,), (77,), (106,), (75,)),
            chords=((107,), (106,)),
            styles=("picking", "quarters"),
        ),
        0.5,
    ),
}
BANDS: dict[str, Kind] = {
    "big band": Kind(
        Ensemble(
            lead=((56, 61), (65, 66), (64, 65, 66), (71, 66)),
            inner=((57, 61), (66, 67), (57, 66)),
            chords=((0,), (26,)),
            styles=("comp", "quarters"),
            line=(32,),
            lines=("quarters", "fifths"),
            patterns=("swing", "shuffle", "jazz waltz"),
            kits=(0, 32, 40),
        ),
        tempos=(90, 200),
    ),
    "jazz combo": Kind(
        Ensemble(
            lead=((66,), (56,), (11,), (26,), (59,), (64,), (71,), (0,)),
            chords=((0,), (26,), (4,)),
            styles=("comp", "stabs"),
            line=(32,),
            lines=("quarters", "fifths"),
            patterns=("swing", "shuffle", "jazz waltz"),
            kits=(32, 40, 0),
            drums=0.85,
        ),
        1.5,
        tempos=(70, 210),
    ),
    "bossa": Kind(
        Ensemble(
            lead=((73,), (66,), (0,), (24,), (11,)),
            chords=((24,),),
            styles=("bossa",),
            line=(32,),
            lines=("fifths", "quarters"),
            patterns=("bossa",),
            kits=(0, 40),
        ),
        tempos=(90, 160),
    ),
    "rock band": Kind(
        Ensemble(
            lead=((29,), (30,), (30, 29), (27,), (18,)),
            chords=((30,), (29,), (29, 30)),
            styles=("power", "power held", "strum"),
            line=(33, 34),
            lines=("eighths", "long", "octaves"),
            patterns=("rock", "backbeat", "half-time", "double kick"),
            kits=(0, 8, 16),
        ),
        1.8,
        tempos=(75, 190),
    ),
    "pop band": Kind(
        Ensemble(
            lead=((27,), (0,), (4,), (25,), (80,)),
            chords=((0,), (25,), (4,), (27,)),
            styles=("strum", "quarters", "pad"),
            line=(33, 35),
            lines=("eighths", "quarters", "long"),
            patterns=("rock", "backbeat", "half-time"),
            kits=(0, 8, 16),
        ),
        tempos=(65, 150),
    ),
    "country": Kind(
        Ensemble(
            lead=((110,), (105,), (26,), (22,), (25,)),
            chords=((25,),),
            styles=("strum", "quarters"),
            line=(32, 33),
            lines=("fifths",),
            patterns=("train", "shuffle", "rock"),
            kits=(0, 40),
        ),
        tempos=(85, 180),
    ),
    "funk": Kind(
        Ensemble(
            lead=((61,), (65,), (18,), (27,)),
            chords=((7,), (27,), (28,), (4,)),
            styles=("funk", "stabs"),
            line=(36, 37, 33),
            lines=("octaves", "eighths"),
            patterns=("funk",),
            kits=(0, 16),
        ),
        tempos=(85, 130),
    ),
    "reggae": Kind(
        Ensemble(
            lead=((56,), (18,), (22,), (27,), (57,)),
            chords=((27,), (16,), (0,)),
            styles=("off-beat",),
            line=(33, 35, 38),
            lines=("quarters", "octaves", "long"),
            patterns=("one drop", "steppers"),
            kits=(0, 8),
        ),
        tempos=(62, 96),
    ),
    "latin": Kind(
        Ensemble(
            lead=((56,), (57,), (61,), (73,)),
            chords=((0,),),
            styles=("montuno",),
            line=(32, 33),
            lines=("fifths", "quarters"),
            patterns=("son", "congas"),
        ),
        tempos=(85, 200),
    ),
}
ELECTRONIC: dict[str, Kind] = {
    "synth pop": Kind(
        Ensemble(
            lead=((80,), (81,), (87,), (81, 80)),
            chords=((90,), (50,), (88,), (62,)),
            styles=("pad", "quarters", "sixteenths"),
            line=(38, 39),
            lines=("octaves", "eighths"),
            patterns=("disco", "rock", "backbeat"),
            kits=(24, 25, 16),
        ),
        1.2,
        tempos=(95, 135),
    ),
    "EDM": Kind(
        Ensemble(
            lead=((81,), (87,), (84,), (81, 90)),
            chords=((81,), (90,), (62,), (63,)),
            styles=("four stabs", "stabs", "sixteenths"),
            line=(38, 39),
            lines=("off-beat", "eighths"),
            patterns=("four on the floor", "house"),
            kits=(24, 25),
        ),
        1.5,
        tempos=(118, 145),
    ),
    "drum and bass": Kind(
        Ensemble(
            lead=((80,), (98,), (4,)),
            chords=((90,), (89,), (95,)),
            line=(38, 39, 87),
            lines=("long", "quarters"),
            patterns=("drum and bass", "break"),
            kits=(24, 25, 0),
            grid=1.0,
        ),
        0.8,
        tempos=(160, 180),
    ),
    "hip hop": Kind(
        Ensemble(
            lead=((4,), (11,), (73,), (48,), (0,)),
            chords=((4,), (5,), (48,), (0,)),
            styles=("pad", "comp"),
            line=(38, 39, 33),
            lines=("long", "quarters"),
            patterns=("hip-hop", "trap", "boom bap"),
            kits=(25, 24, 8),
        ),
        1.2,
        tempos=(68, 100),
    ),
    "ambient": Kind(
        Ensemble(
            everything=((89,), (88,), (91,), (94,), (89, 92), (95, 52), (50, 89)),
            least=5.0,
            grid=2.0,
            compass=(50, 88),
        ),
        1.2,
        tempos=(45, 85),
        free=0.4,
    ),
    "ambient bells": Kind(
        Ensemble(
            lead=((14,), (98,), (8,), (0,)),
            chords=((89,), (88,), (95,), (50,)),
            grid=1.0,
            least=2.0,
        ),
        0.6,
        tempos=(45, 85),
        free=0.3,
    ),
    "chiptune": Kind(
        Ensemble(
            lead=((80,),),
            inner=((80,), (81,)),
            bass=((80,), (38,)),
            patterns=("rock", "disco", "backbeat"),
            kits=(24, 25),
            drums=0.5,
        ),
        0.8,
        tempos=(90, 190),
    ),
}
#: All templates by name.
TEMPLATES: dict[str, Kind] = {
    "random": Kind(random_sounds, 2.0),
    "as written": Kind(own_sounds, 4.0, free=0.15, collections=("freedoom", "openmsx")),
    **ACOUSTIC,
    **BANDS,
    **ELECTRONIC,
}


def choose_template(names: tuple[str, ...], collection: str, rng: np.random.Generator) -> str:
    """Draw a template.

    Parameters
    ----------
    names : tuple of str
        The templates to draw from.
    collection : str
        The score's collection.
    rng : numpy.random.Generator
        Source of the choice.

    Returns
    -------
    str
        The template's name.
    """
    allowed = [n for n in names if collection in (TEMPLATES[n].collections or (collection,))]
    weights = np.array([TEMPLATES[name].weight for name in allowed])
    return str(rng.choice(allowed, p=weights / weights.sum()))
