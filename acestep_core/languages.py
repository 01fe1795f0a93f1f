"""Languages by the names and codes services use for them. Whisper says 'english', Scribe 'eng', others 'en-US'."""

_TABLE = """
ar ara arabic|az aze azerbaijani|bg bul bulgarian|bn ben bengali|ca cat catalan valencian|cs ces cze czech
da dan danish|de deu ger german|el ell gre greek|en eng english|es spa spanish castilian|fa fas per persian farsi
fi fin finnish|fr fra fre french|he heb iw hebrew|hi hin hindi|hr hrv croatian|ht hat haitian|hu hun hungarian
id ind in indonesian|is isl ice icelandic|it ita italian|ja jpn japanese|ko kor korean|la lat latin
lt lit lithuanian|ms msa may zsm malay|ne nep nepali|nl nld dut dutch flemish|no nor nb nob nn nno norwegian nynorsk
pa pan panjabi punjabi|pl pol polish|pt por portuguese|ro ron rum romanian moldavian moldovan|ru rus russian
sa san sanskrit|sk slk slo slovak|sr srp serbian|sv swe swedish|sw swa swh swahili|ta tam tamil|te tel telugu
th tha thai|tl tgl fil tagalog filipino|tr tur turkish|uk ukr ukrainian|ur urd urdu|vi vie vietnamese
yue cantonese|zh zho chi cmn chinese mandarin
"""
_CODES = {name: row.split()[0] for row in _TABLE.replace("\n", "|").split("|") if row for name in row.split()}


def language_code(name: object) -> str | None:
    """The model's code for a language named in any of these ways; None for what the model does not know."""
    words = str(name or "").lower().replace("_", "-").replace("-", " ").split()
    return _CODES.get(words[0]) if words else None
