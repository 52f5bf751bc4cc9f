"""Genres: which spellings are one, and which genre is a kind of which.

The table is musicu's own. It holds the names that taggers and music services use most: ID3's and
AllMusic's top genres, the styles of Discogs and Jamendo, and the genre tags most used on Last.fm.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from types import MappingProxyType

from musicu.metadata.id3 import GENRES
from musicu.metadata.names import squash_name

__all__ = ["KNOWN", "canonical", "lineage"]

# What a genre says of the genre it is a kind of.
_INHERITED = 0.6

# A genre, then its kinds; a kind may stand under several genres.
_KINDS = """
rock: classic rock, hard rock, alternative, punk, metal, progressive rock, psychedelic rock, rock
 and roll, blues rock, folk rock, country rock, southern rock, soft rock, pop rock, garage rock,
 surf rock, glam rock, stoner rock, space rock, krautrock, post rock, math rock, instrumental
 rock, funk rock, jazz rock, j rock, latin rock, rap rock, arena rock, jam band, noise rock,
 experimental rock, acoustic rock, electronic rock, industrial rock, celtic rock, heartland rock,
 pub rock, beat music, proto punk
alternative: indie rock, grunge, britpop, shoegaze, new wave, slowcore, gothic rock, alternative
 metal, alternative pop, dream pop, madchester, noise pop, post punk, indie
indie: indie rock, indie pop, indie folk, indietronica, lo fi, chamber pop, twee pop, bedroom pop,
 jangle pop
progressive rock: symphonic prog, canterbury scene, neo prog, zeuhl, rock in opposition
j rock: visual kei
rock and roll: rockabilly, psychobilly, doo wop
punk: hardcore punk, post punk, pop punk, emo, screamo, ska punk, oi, post hardcore, melodic
 hardcore, crust punk, riot grrrl, folk punk, horror punk, anarcho punk, dance punk, new wave, no
 wave, proto punk, garage punk, skate punk, celtic punk
hardcore punk: post hardcore, melodic hardcore, crust punk, metalcore, grindcore, powerviolence
post punk: cold wave, dark wave, dance punk, gothic rock, no wave
metal: black metal, death metal, doom metal, thrash metal, power metal, progressive metal,
 metalcore, gothic metal, symphonic metal, folk metal, viking metal, industrial metal, nu metal,
 alternative metal, groove metal, sludge metal, grindcore, glam metal, nwobhm, post metal, djent,
 christian metal, avantgarde metal, speed metal, neoclassical metal
black metal: atmospheric black metal, melodic black metal, symphonic black metal, blackgaze,
 depressive black metal, viking metal
death metal: melodic death metal, technical death metal, brutal death metal, deathcore, death doom
doom metal: stoner metal, sludge metal, funeral doom, death doom, drone metal
metalcore: deathcore, mathcore
pop: pop rock, synth pop, indie pop, dance pop, electropop, folk pop, power pop, teen pop,
 europop, k pop, j pop, c pop, latin pop, traditional pop, britpop, dream pop, chamber pop, art
 pop, instrumental pop, adult contemporary, schlager, chanson, french pop, hyperpop, noise pop,
 sophisti pop, ballad, girl group, city pop, alternative pop, jangle pop, bedroom pop, country
 pop, acoustic pop, ambient pop, reggae pop, pop rap, pop punk
electronic: house, techno, trance, drum and bass, dubstep, ambient, downtempo, idm, breakbeat,
 industrial, electro, electroclash, synth pop, electropop, edm, hardcore techno, uk garage,
 minimal, glitch, synthwave, big beat, chiptune, vaporwave, witch house, nu jazz, electro swing,
 indietronica, electronic rock, bass music, footwork, moombahton, space music, dark wave,
 folktronica, grime, dance, musique concrete, electroacoustic, berlin school, dub techno,
 breakcore, live electronics, lo fi
dance: house, techno, trance, disco, eurodance, dance pop, edm, hi nrg, freestyle, dancehall
edm: big room, future bass, festival trap, moombahton, hardstyle, electro house, progressive house
house: deep house, tech house, progressive house, electro house, acid house, chicago house, french
 house, microhouse, tropical house, garage house, latin house, tribal house, funky house, afro
 house, bass house, big room, soulful house, ambient house, hard house, italo house, nu disco, hip
 house, future house, piano house, balearic, amapiano, jazz house
techno: minimal techno, detroit techno, acid techno, hard techno, dub techno, tech house, ambient
 techno, industrial techno, melodic techno, tribal techno, free tekno, hardcore techno
minimal: minimal techno, microhouse, minimal wave
hardcore techno: gabber, happy hardcore, speedcore, hardstyle, breakcore
trance: psytrance, progressive trance, uplifting trance, vocal trance, hard trance, acid trance,
 tech trance, dream trance
psytrance: goa trance, progressive psytrance, full on
drum and bass: jungle, liquid funk, neurofunk, drumstep, techstep, darkstep, jump up
bass music: dubstep, drum and bass, uk garage, future bass, miami bass
dubstep: brostep, post dubstep, chillstep
uk garage: grime, future garage, bassline
breakbeat: big beat, nu skool breaks, jungle
electro: electro funk, electroclash, techno bass
ambient: dark ambient, drone, space music, ambient house, ambient techno, psybient, ambient pop,
 new age, field recording, atmospheric
downtempo: chillout, trip hop, lounge, chillwave, psybient, chillhop
chillout: lounge, balearic, chillhop
idm: glitch, drill and bass
industrial: ebm, dark electro, electro industrial, industrial rock, industrial metal, power
 electronics, power noise, industrial techno, martial industrial, futurepop
synth pop: new romantic, synthwave, futurepop, minimal wave, italo disco
new wave: synth pop, neue deutsche welle, cold wave, new romantic
dark wave: cold wave, ethereal wave, neoclassical dark wave
hip hop: trap, gangsta rap, boom bap, conscious hip hop, alternative hip hop, underground hip hop,
 instrumental hip hop, east coast hip hop, west coast hip hop, southern hip hop, crunk, pop rap,
 jazz rap, trip hop, cloud rap, drill, grime, turntablism, old school hip hop, hardcore hip hop,
 french hip hop, german hip hop, latin hip hop, christian hip hop, emo rap, phonk, rap rock, miami
 bass, uk hip hop, country rap, chillhop, hip house, glitch hop
r and b: soul, funk, new jack swing, doo wop, alternative r and b, neo soul, quiet storm,
 contemporary r and b, jump blues
soul: neo soul, northern soul, southern soul, motown, psychedelic soul, blue eyed soul, philly
 soul, soul jazz
funk: p funk, jazz funk, electro funk, funk rock, afrobeat, go go, groove, acid jazz, funk metal,
 baile funk
disco: italo disco, nu disco, euro disco, hi nrg, boogie, disco polo
eurodance: eurobeat, italo dance
jazz: bebop, hard bop, cool jazz, free jazz, swing, fusion, smooth jazz, acid jazz, latin jazz,
 vocal jazz, dixieland, ragtime, gypsy jazz, soul jazz, modal jazz, nu jazz, contemporary jazz,
 spiritual jazz, jazz funk, bossa nova, piano jazz, third stream, nordic jazz, ethio jazz, dark
 jazz, jazz rap, jazz house, stride
fusion: jazz rock, jazz funk, world fusion
swing: big band, gypsy jazz, western swing, electro swing
blues: delta blues, electric blues, chicago blues, texas blues, blues rock, jump blues, soul
 blues, piano blues, british blues, louisiana blues, contemporary blues
folk: folk rock, indie folk, folk pop, singer songwriter, psychedelic folk, celtic, neofolk,
 contemporary folk, anti folk, folk punk, folk metal, american folk, british folk, nordic folk,
 traditional, polka, chamber folk, americana, sea shanty, folktronica, klezmer, bluegrass, country
 folk
country: alternative country, bluegrass, country rock, honky tonk, outlaw country, americana,
 country pop, nashville sound, texas country, western swing, traditional country, cajun, country
 folk, country rap, bakersfield sound
americana: alternative country
reggae: dub, dancehall, roots reggae, ska, rocksteady, lovers rock, reggae pop, reggaeton, dub
 poetry
ska: ska punk, two tone
latin: salsa, bossa nova, samba, tango, merengue, bachata, cumbia, reggaeton, latin pop, latin
 jazz, mariachi, mpb, flamenco, cuban, tropicalia, norteno, forro, sertanejo, latin rock, nueva
 cancion, latin hip hop, vallenato, andean, bolero, baile funk
cuban: son cubano, rumba, mambo, cha cha
world: african, celtic, balkan, klezmer, indian, arabic, flamenco, world fusion, asian,
 polynesian, native american, gypsy, fado, throat singing, caribbean, greek, turkish, traditional,
 andean
african: afrobeat, afropop, highlife, soukous, mbalax, desert blues, kwaito, mande, afro house,
 amapiano, ethio jazz, juju, gnawa
caribbean: calypso, soca, zouk, kompa
indian: bollywood, bhangra, raga, qawwali, ghazal, indian classical
arabic: rai
asian: gamelan, enka
celtic: celtic rock, celtic punk, celtic new age
classical: baroque, romantic, opera, symphonic, chamber music, choral, orchestral, contemporary
 classical, early music, minimalism, impressionism, sacred music, sonata, concerto, solo piano,
 art song, oratorio, ballet, classical crossover, classical period, classical guitar, serialism,
 indian classical, third stream, waltz
early music: medieval, renaissance, gregorian chant
contemporary classical: minimalism, serialism, electroacoustic, musique concrete, neoclassical
choral: a cappella, gregorian chant
new age: meditation, celtic new age, space music, nature sounds, healing
easy listening: lounge, exotica, light music, adult contemporary, crooner, traditional pop, soft
 rock, smooth jazz, instrumental pop, ballad
soundtrack: film score, musical, trailer music, video game music, anime, tv music, library music,
 bollywood
video game music: chiptune
experimental: noise, musique concrete, sound collage, electroacoustic, drone, improvisation, no
 wave, avantgarde, plunderphonics, experimental rock, power electronics, field recording, glitch,
 free jazz, rock in opposition
noise: harsh noise, power noise, power electronics, noise rock
improvisation: free jazz
religious: gospel, worship, christian rock, christian hip hop, christian metal, hymns, devotional,
 sacred music, contemporary christian
spoken word: comedy, audiobook, poetry, dub poetry, radio play
children: lullaby
holiday: christmas
vocal: a cappella, vocal jazz, crooner
acoustic: acoustic pop, acoustic rock, fingerstyle
instrumental: instrumental rock, instrumental pop, instrumental hip hop
"""

# Other names of a genre; spaces, hyphens, case and a last "music" make no other name.
_NAMES = """
alternative = alternative rock = alt rock = alt = college rock = modern rock; hard rock = heavy
rock; progressive rock = prog rock = prog = progressive = art rock; psychedelic rock = psychedelic
= psychedelia = psych rock = psych = acid rock; rock and roll = rock n roll; soft rock = aor =
yacht rock; pop rock = pop and rock = rock and pop = rock pop; surf rock = surf = surf music;
garage rock = garage; glam rock = glam; stoner rock = stoner = desert rock; krautrock = kosmische
= kosmische musik; arena rock = album rock; beat music = merseybeat = british invasion; shoegaze =
shoegazing = nu gaze; grunge = post grunge; slowcore = sadcore; gothic rock = gothic = goth = goth
rock; madchester = baggy; chamber pop = baroque pop; twee pop = twee; indietronica = indie
electronic; punk = punk rock; hardcore punk = hardcore; emo = emocore = midwest emo; screamo =
skramz; ska punk = skacore; oi = street punk; crust punk = crust = d beat; metal = heavy metal;
doom metal = doom; thrash metal = thrash; power metal = epic metal; progressive metal = prog
metal; symphonic metal = opera metal; folk metal = pagan metal; industrial metal = neue deutsche
harte; nu metal = rap metal; sludge metal = sludge; grindcore = goregrind; glam metal = hair
metal; nwobhm = new wave of british heavy metal; melodic death metal = melodeath; blackgaze = post
black metal; depressive black metal = dsbm; drone metal = drone doom; stoner metal = stoner doom;
folk pop = pop folk; teen pop = bubblegum pop = boy band; k pop = korean pop; j pop = japanese
pop; c pop = mandopop = cantopop; traditional pop = standards = pop standards = vocal pop; ballad
= ballads = power ballad = slow rock = slow jam; french pop = variete = variete francaise;
schlager = volkstumlich; electronic = electronica = electronics = elektronisch = electronique;
dance = club = club dance = dance floor; edm = electronic dance music; deep house = deep tech
house; electro house = complextro; french house = filter house = french touch; microhouse =
minimal house; tribal house = tribal; nu disco = disco house; big room = big room house; soulful
house = vocal house; acid techno = acid; hard techno = schranz; free tekno = tekno; hardcore
techno = rave; gabber = gabba; psytrance = psychedelic trance = psy; goa trance = goa; drum and
bass = drum n bass = dnb = d and b; liquid funk = liquid drum and bass = liquid; uk garage = 2
step = speed garage; breakbeat = breaks; bass music = uk bass; footwork = juke; psybient =
psychill = ambient dub; atmospheric = ambiance = ambience; chillout = chill; chillhop = lofi hip
hop; idm = intelligent dance music = braindance; ebm = electronic body music; electro industrial =
aggrotech; power noise = rhythmic noise; synth pop = techno pop; synthwave = retrowave = outrun;
minimal wave = minimal synth; neue deutsche welle = ndw; ethereal wave = ethereal; chiptune = 8
bit = bitpop; vaporwave = future funk; hip hop = rap = hip hop rap = rap and hip hop; gangsta rap
= gangsta = gangster rap; trap = trap music; conscious hip hop = political hip hop = conscious
rap; alternative hip hop = alternative rap = abstract hip hop = abstract; underground hip hop =
underground rap; instrumental hip hop = beats; east coast hip hop = east coast rap; west coast hip
hop = west coast rap = g funk; southern hip hop = southern rap = dirty south; jazz rap = jazz hop;
drill = uk drill; old school hip hop = old school rap; hardcore hip hop = hardcore rap =
horrorcore; french hip hop = french rap = rap francais; german hip hop = german rap = deutschrap;
latin hip hop = latin rap; christian hip hop = christian rap; rap rock = rapcore; r and b = rnb =
rhythm and blues = rhythm n blues = r and b soul = urban; neo soul = nu soul; southern soul = deep
soul; philly soul = philadelphia soul; funk = funky; baile funk = funk carioca = brazilian funk;
boogie = post disco; eurodance = euro = euro house; bebop = bop; hard bop = post bop; cool jazz =
west coast jazz; free jazz = avantgarde jazz; improvisation = free improvisation = improvised
music = improv; fusion = jazz fusion = jazz and fusion; latin jazz = afro cuban jazz; vocal jazz =
jazz vocal; dixieland = new orleans jazz = trad jazz = traditional jazz; gypsy jazz = jazz
manouche; nu jazz = future jazz = jazztronica; contemporary jazz = modern jazz; piano jazz = jazz
piano; delta blues = country blues = acoustic blues; electric blues = modern electric blues; piano
blues = boogie woogie; contemporary blues = modern blues; folk = folklore; singer songwriter =
songwriter = singer and songwriter = liedermacher = cantautor; psychedelic folk = freak folk =
psych folk = new weird america; neofolk = dark folk = apocalyptic folk; american folk = old time =
appalachian; traditional = traditional folk; world = world music = ethno = ethnic = international
= worldbeat; country = country and western; alternative country = alt country; bluegrass =
newgrass; americana = roots; country pop = contemporary country = modern country; traditional
country = classic country; cajun = zydeco; dancehall = ragga = raggamuffin; two tone = 2 tone;
reggae pop = reggae fusion; tango = nuevo tango; mariachi = ranchera = regional mexican; norteno =
tejano = banda; bossa nova = bossa; samba = pagode; mpb = musica popular brasileira = brazilian =
brazil; forro = baiao; nueva cancion = trova = nueva trova; bolero = latin ballad; reggaeton =
urbano latino; afrobeat = afrobeats; soukous = congolese rumba; desert blues = tuareg; balkan =
balkan brass; greek = laiko = rebetiko; polynesian = hawaiian; arabic = arab = arabian = middle
eastern; bollywood = filmi; celtic = irish = irish folk; classical = klassik = classique =
clasica; baroque = barock; opera = operetta; symphonic = symphony; chamber music = chamber =
string quartet; choral = choir = chorus; orchestral = orchestra; contemporary classical = modern
classical = contemporary = modern composition = 20th century classical; minimalism = minimalist =
minimal music; impressionism = impressionist; solo piano = piano solo = classical piano;
art song = lied = lieder; a cappella = acapella; meditation = relaxation = yoga; nature sounds =
nature; easy listening = muzak = background music = mood music; lounge = cocktail; soundtrack =
soundtracks = ost = original soundtrack = stage and screen = cinematic; film score = film music =
score = original score = filmmusik = movie soundtrack = film soundtrack; musical = musicals =
musical theatre = show tunes = broadway; trailer music = epic music; video game music = vgm =
video game = game music = game; anime = anison; library music = production music; experimental =
experimental music; noise = noise music = japanoise; sound collage = sound art; experimental rock
= avant rock; religious = christian = spiritual = inspirational; gospel = christian gospel =
southern gospel = black gospel; worship = praise and worship = praise; contemporary christian =
ccm; devotional = bhajan = kirtan = mantra; spoken word = spoken = speech; comedy = humour = humor
= parody = novelty = satire; radio play = audio theatre = horspiel; children = childrens = kids;
christmas = xmas = weihnachten; vocal = vocals; acoustic = unplugged; 50s = fifties = 1950s; 60s =
sixties = 1960s = oldies; 70s = seventies = 1970s; 80s = eighties = 1980s; 90s = nineties = 1990s;
00s = 2000s; 10s = 2010s
"""


def _read() -> tuple[dict[str, str], dict[str, list[str]]]:
    """Return the canonical name of each folded spelling, and the parents of each name."""
    lines = re.sub(r"\n ", " ", _KINDS).strip().split("\n")
    kinds = {head: rest.split(", ") for head, rest in (line.split(": ") for line in lines)}
    parents: dict[str, list[str]] = {}
    for genre, below in kinds.items():
        parents.setdefault(genre, [])
        for kind in below:
            parents.setdefault(kind, []).append(genre)
    spellings: dict[str, str] = {}
    for row in re.sub(r"\s+", " ", _NAMES).strip().split("; "):
        genre, *others = row.split(" = ")
        parents.setdefault(genre, [])
        spellings.update((squash_name(name), genre) for name in others)
    return spellings | {squash_name(name): name for name in parents}, parents


_SPELLINGS, _PARENTS = _read()
KNOWN = frozenset(_PARENTS)


def _known(name: str) -> str | None:
    folded = squash_name(name)
    return _SPELLINGS.get(folded) or _SPELLINGS.get(folded.removesuffix("music"))


@lru_cache(maxsize=100_000)
def canonical(name: str) -> str:
    """Return the one spelling of a genre: of the table, or without spaces and punctuation.

    Parameters
    ----------
    name : str
        ``"Hip-Hop"``, ``"hiphop"`` and ``"rap"`` are one; ``"(17)"`` is ID3's number of a genre.
    """
    if number := re.fullmatch(r"\s*\((\d{1,3})\)\s*", name):
        at = int(number.group(1))
        name = GENRES[at] if at < len(GENRES) else name
    return _known(name) or squash_name(name)


def _pieces(name: str) -> Iterator[str]:
    # "Folk, World, & Country"; "Dance/Electronic"; "Electronic---House"
    return filter(None, map(str.strip, re.split(r"---|[/,;&+>|]|\s-\s|\b[Aa]nd\b", name)))


@lru_cache(maxsize=100_000)
def lineage(name: str) -> Mapping[str, float]:
    """Return a genre and all it is a kind of, with the share of each: the genre itself has 1.

    A name that joins several genres is all of them. An unknown name is a kind of the genre that
    its last words name, or else its first words: "swedish death metal", "rock argentino".

    Parameters
    ----------
    name : str

    Returns
    -------
    mapping of str to float in (0, 1]
    """
    own = canonical(name)
    pieces = [] if own in KNOWN else list(_pieces(name))
    if len(pieces) > 1:
        return _merged((lineage(piece), 1.0) for piece in pieces)
    above = _PARENTS.get(own, [])
    if own not in KNOWN:
        words = re.split(r"[\s_-]+", name.strip())
        ends = (" ".join(words[at:]) for at in range(1, len(words)))
        starts = (" ".join(words[:at]) for at in range(len(words) - 1, 0, -1))
        above = [*filter(None, map(_known, (*ends, *starts)))][:1]
    return _merged([({own: 1.0}, 1.0), *((lineage(parent), _INHERITED) for parent in above)])


def _merged(parts: Iterable[tuple[Mapping[str, float], float]]) -> Mapping[str, float]:
    found: dict[str, float] = {}
    for part, share in parts:
        for name, weight in part.items():
            found[name] = max(found.get(name, 0.0), share * weight)
    return MappingProxyType(found)  # it is kept for the next time
