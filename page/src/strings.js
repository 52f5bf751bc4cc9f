// All that the page says, in English and German: one line a text, read by its name.
//
// {name} is filled in; "one|many" is chosen by n. To add a language, add its text to each line
// and its code to LANGUAGES.

export const LANGUAGES = { en: "English", de: "Deutsch" };

const TEXTS = {
  tracks: ["{n} track|{n} tracks", "{n} Titel|{n} Titel"],
  "tab.browse": ["Browse", "Stöbern"],
  "browse.shelf": ["Browse", "Stöbern in"],
  "browse.new": ["New", "Neu"],
  "browse.albums": ["Albums", "Alben"],
  "browse.artists": ["Artists", "Künstler"],
  "browse.genres": ["Genres", "Genres"],
  "browse.count.new": ["{n} arrival|{n} arrivals", "{n} Neuzugang|{n} Neuzugänge"],
  "browse.count.albums": ["{n} album|{n} albums", "{n} Album|{n} Alben"],
  "browse.count.artists": ["{n} artist|{n} artists", "{n} Künstler|{n} Künstler"],
  "browse.count.genres": ["{n} genre|{n} genres", "{n} Genre|{n} Genres"],
  "browse.none": [
    "The tracks of this catalog name none.",
    "Die Titel dieses Katalogs nennen keine.",
  ],
  "browse.back": ["Back", "Zurück"],
  "browse.more": ["Show more", "Mehr zeigen"],
  "browse.play": ["Play all", "Alle abspielen"],
  "browse.arrivals": ["New here", "Neu dabei"],
  "browse.all": ["Browse all", "Alles durchstöbern"],
};

const codes = Object.keys(LANGUAGES);
let at = 0;

/** The language that is spoken now. */
export const language = () => codes[at];

/** Speak a language; one that is not known is English. */
export function speak(code) {
  at = Math.max(0, codes.indexOf(code));
}

/** A text in the language of the page. */
export function t(name, values = {}) {
  const texts = TEXTS[name];
  if (!texts) throw new Error(`no text is called ${name}`);
  const forms = texts[at].split("|");
  const text = forms.length > 1 && values.n !== 1 ? forms[1] : forms[0];
  return text.replace(/\{(\w+)\}/g, (_, key) => {
    const value = values[key];
    return typeof value === "number" ? value.toLocaleString(language()) : `${value ?? ""}`;
  });
}
