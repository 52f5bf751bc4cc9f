"""What is installed with musicu, and under which licences: docs/licenses.md and an SBOM.

``closure.py licenses`` and ``closure.py sbom`` write to stdout, from what is installed here: musicu
with its extra ``serve``, and all that these need.
"""

import importlib.metadata
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from packaging.requirements import Requirement

EXTRAS = ("serve",)

# Packages that state a licence in other words than SPDX's.
_SPDX = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache 2.0": "Apache-2.0",
    "BSD": "BSD-3-Clause",
    "BSD 3-Clause License": "BSD-3-Clause",
    "ISC License": "ISC",
    "MIT License": "MIT",
    "License :: OSI Approved :: Apache Software License": "Apache-2.0",
    "License :: OSI Approved :: BSD License": "BSD-3-Clause",
    "License :: OSI Approved :: ISC License (ISCL)": "ISC",
    "License :: OSI Approved :: MIT License": "MIT",
    "License :: OSI Approved :: Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
}
# Shared libraries that lie in wheels, by the beginning of their names.
_BUNDLED = {
    "libSvtAv1Enc": "BSD-3-Clause-Clear",
    "libXau": "MIT",
    "libasound": "LGPL-2.1-or-later",
    "libav": "LGPL-3.0-or-later",
    "libdav1d": "BSD-2-Clause",
    "libdrm": "MIT",
    "libgfortran": "GPL-3.0-or-later WITH GCC-exception-3.1",
    "libgmp": "LGPL-3.0-or-later OR GPL-2.0-or-later",
    "libgnutls": "LGPL-2.1-or-later",
    "libgomp": "GPL-3.0-or-later WITH GCC-exception-3.1",
    "libhogweed": "LGPL-3.0-or-later OR GPL-2.0-or-later",
    "libmp3lame": "LGPL-2.0-or-later",
    "libnettle": "LGPL-3.0-or-later OR GPL-2.0-or-later",
    "libopencore": "Apache-2.0",
    "libopus": "BSD-3-Clause",
    "libquadmath": "LGPL-2.1-or-later",
    "libscipy_openblas": "BSD-3-Clause",
    "libsharpyuv": "BSD-3-Clause",
    "libsndfile": "LGPL-2.1-or-later",
    "libsw": "LGPL-3.0-or-later",
    "libunistring": "LGPL-3.0-or-later OR GPL-2.0-or-later",
    "libvpl": "MIT",
    "libvpx": "BSD-3-Clause",
    "libwebp": "BSD-3-Clause",
    "libx264": "GPL-2.0-or-later",
    "libx265": "GPL-2.0-or-later",
    "libxcb": "MIT",
}
_LIBRARY = re.compile(r"(?:^|/)(?:[\w.]+\.libs|\.dylibs|_soundfile_data)/(lib[^/]*?\.(?:so|dylib))")


@dataclass(frozen=True, order=True)
class Part:
    """A package of the closure.

    Attributes
    ----------
    name, version, license : str
    needs : tuple of str
        Names of the packages it needs here.
    bundled : tuple of (str, str)
        Shared libraries in its wheel, each with its licence.
    """

    name: str
    version: str
    license: str
    needs: tuple[str, ...]
    bundled: tuple[tuple[str, str], ...]


def closure(name: str = "musicu", extras: tuple[str, ...] = EXTRAS) -> list[Part]:
    """Return a package and all that it needs here, by name."""
    parts: dict[str, Part] = {}
    waiting = [(name, frozenset(extras))]
    while waiting:
        name, wanted = waiting.pop()
        if _key(name) in parts:
            continue
        found = importlib.metadata.distribution(name)
        needed = [r for r in map(Requirement, found.requires or ()) if _applies(r, wanted)]
        parts[_key(name)] = Part(
            _key(name),
            found.version,
            license_of(found.metadata),
            tuple(sorted({_key(r.name) for r in needed})),
            tuple(sorted(_bundled(found))),
        )
        waiting += [(r.name, frozenset(r.extras)) for r in needed]
    return sorted(parts.values())


def _key(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _applies(requirement: Requirement, extras: frozenset[str]) -> bool:
    marker = requirement.marker
    return marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *extras))


def license_of(metadata: importlib.metadata.PackageMetadata) -> str:
    """Return a package's licence by its SPDX expression, or as it says it."""
    if said := metadata.get("License-Expression"):
        return said
    line = (metadata.get("License") or "").partition("\n")[0].strip()
    named = [c for c in metadata.get_all("Classifier") or () if c.startswith("License ::")]
    for words in (line, *named):
        if words in _SPDX:
            return _SPDX[words]
    return line or " ".join(named) or "unknown"


def _bundled(found: importlib.metadata.Distribution) -> Iterator[tuple[str, str]]:
    for file in found.files or ():
        if library := _LIBRARY.search(file.as_posix()):
            name = re.sub(r"-[0-9a-f]{8}", "", library[1])
            kinds = [kind for start, kind in _BUNDLED.items() if name.startswith(start)]
            yield name, kinds[-1] if kinds else "unknown"


def copyleft(license: str) -> bool:
    """Whether a licence leaves no choice but the GPL or the AGPL."""
    choices = re.split(r"\bOR\b", license)
    strong = [re.search(r"\bA?GPL|General Public", c) and "WITH" not in c for c in choices]
    return all(strong)


def licenses(parts: list[Part]) -> str:
    """Write docs/licenses.md."""
    about = {part.name: part for part in parts}
    direct = set(about["musicu"].needs)
    rows = [
        f"| {f'**{part.name}**' if part.name in direct else part.name} "
        f"| {part.version} | {part.license} |"
        for part in parts
        if part.name != "musicu"
    ]
    libraries = [
        f"| {part.name} | {', '.join(names)} | {kind} |"
        for part in parts
        for kind in sorted({kind for _, kind in part.bundled})
        for names in [sorted({name for name, own in part.bundled if own == kind})]
    ]
    return "\n".join([_HEAD, *rows, _LIBRARIES, *libraries, _WORDS])


_HEAD = """\
# Licences

musicu is MIT. This is what `pip install '.[serve]'` puts beside it, as `make licenses` finds it on
Linux; what musicu itself asks for is bold. `make sbom` writes the same as CycloneDX. A test holds
that no package states the GPL or the AGPL as its licence; what wheels bring besides stands below.

| package | version | licence |
|---|---|---|"""
_LIBRARIES = """
Shared libraries inside their wheels:

| wheel | libraries | licence |
|---|---|---|"""
_WORDS = """
What this means for those who hand musicu on inside a product:

- **LGPL, linked dynamically**: FFmpeg (in PyAV), libsndfile (in soundfile) and soxr are files of
  their own that Python loads and that can be replaced. Their licences go along, and their sources
  are offered. soxr's extension module contains libsoxr: to replace it is to build `soxr` anew.
- **GPL inside PyAV's wheel**: the wheels on PyPI bring the video encoders x264 and x265
  (GPL-2.0-or-later), and the FFmpeg in them is linked with both, although it reports the LGPL.
  musicu encodes no video and calls neither. Who installs from PyPI is not concerned; who
  redistributes should build PyAV over an FFmpeg without them: `pip install --no-binary av av`,
  beside the headers of an LGPL build.
- GCC's runtime libraries come with its runtime exception, and ask for nothing.
- orjson (MPL-2.0, and Apache-2.0 or MIT) and tqdm (MPL-2.0 and MIT): changes to their own files are
  to be published, nothing else.
"""


def sbom(parts: list[Part]) -> str:
    """Write the closure as CycloneDX 1.6."""

    def component(part: Part) -> dict[str, object]:
        purl = f"pkg:pypi/{part.name}@{part.version}"
        return {
            "type": "library",
            "bom-ref": purl,
            "name": part.name,
            "version": part.version,
            "purl": purl,
            "licenses": _license(part.license),
            "components": [
                {
                    "type": "library",
                    "bom-ref": f"{purl}#{name}",
                    "name": name,
                    "licenses": _license(kind),
                }
                for name, kind in sorted(set(part.bundled))
            ],
        }

    made = {part.name: component(part) for part in parts}
    own = made.pop("musicu")
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {**own, "type": "application"}},
        "components": list(made.values()),
        "dependencies": [
            {
                "ref": f"pkg:pypi/{part.name}@{part.version}",
                "dependsOn": [made[name]["bom-ref"] for name in part.needs if name in made],
            }
            for part in parts
        ],
    }
    return json.dumps(document, indent=2) + "\n"


def _license(words: str) -> list[dict[str, object]]:
    if words == "unknown" or not re.fullmatch(r"[\w.+() -]+", words):
        return [{"license": {"name": words}}]
    return [{"expression": words}]


if __name__ == "__main__":
    sys.stdout.write({"licenses": licenses, "sbom": sbom}[sys.argv[1]](closure()))
