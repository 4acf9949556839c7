"""Which of the page's languages somebody reads, by what their browser says (RFC 9110 §12.5.4)."""

LANGUAGES = ("en", "ru")


def preferred(accept_language: str) -> str:
    """The first of them with the greatest weight; English, if none is wanted."""
    best, weight_of_best = LANGUAGES[0], 0.0
    for part in accept_language.split(","):
        name, _, weight = part.partition(";")
        code = name.strip().lower().partition("-")[0]
        value = _weight(weight)
        if code in LANGUAGES and value > weight_of_best:
            best, weight_of_best = code, value
    return best


def _weight(text: str) -> float:
    name, _, value = text.partition("=")
    if not name.strip():
        return 1.0
    try:
        return float(value) if name.strip() == "q" else 1.0
    except ValueError:
        return 0.0
