"""Who plays: arrangement templates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from renders.arrange import TEMPOS, Template, own_sounds, random_sounds


@dataclass(frozen=True)
class Kind:
    """A template and when it is used.

    Attributes
    ----------
    sounds : callable
        Makes the sounds of an excerpt.
    weight : float
        How often it is drawn, relative to the others.
    tempos : (float, float)
        Range of the beat's tempo, beats per minute.
    free : float
        Probability of a performance whose tempo sways.
    collections : tuple of str
        Collections it is for; all if empty.
    """

    sounds: Template
    weight: float = 1.0
    tempos: tuple[float, float] = TEMPOS
    free: float = 0.0
    collections: tuple[str, ...] = ()


#: All templates by name.
TEMPLATES: dict[str, Kind] = {
    "random": Kind(random_sounds, 3.0),
    "as written": Kind(own_sounds, 2.0, free=0.15, collections=("freedoom", "openmsx")),
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
