"""Hiragana in Latin letters, for ids that a person can read: Hepburn without marks for long vowels."""

from __future__ import annotations

_ROWS = {
    "": "あいうえお", "k": "かきくけこ", "g": "がぎぐげご", "s": "さしすせそ", "z": "ざじずぜぞ", "t": "たちつてと",
    "d": "だぢづでど", "n": "なにぬねの", "h": "はひふへほ", "b": "ばびぶべぼ", "p": "ぱぴぷぺぽ", "m": "まみむめも",
    "r": "らりるれろ",
}  # fmt: skip
_LETTERS = {kana: row + vowel for row, kanas in _ROWS.items() for kana, vowel in zip(kanas, "aiueo", strict=True)}
_LETTERS |= {"や": "ya", "ゆ": "yu", "よ": "yo", "わ": "wa", "を": "o", "ん": "n", "ゔ": "vu"}
_LETTERS |= {"し": "shi", "じ": "ji", "ち": "chi", "ぢ": "ji", "つ": "tsu", "づ": "zu", "ふ": "fu"}
_SMALL = {"ゃ": "ya", "ゅ": "yu", "ょ": "yo"}
_SMALL_VOWELS = dict(zip("ぁぃぅぇぉ", "aiueo", strict=True))
_STEMS = {"shi": "sh", "ji": "j", "chi": "ch"}


def romaji(kana: str) -> str:
    """`さっぽろし` -> `sapporoshi`. Raises ValueError for what is not hiragana."""
    text, doubled = "", False
    for character in kana:
        if character == "っ":
            doubled = True
            continue
        if character == "ー":
            continue
        if character in _SMALL:
            text = _contracted(text, _SMALL[character])
            continue
        letters = _LETTERS.get(character) or _SMALL_VOWELS.get(character)
        if letters is None:
            raise ValueError(f"not hiragana: {character!r} in {kana!r}")
        if doubled:
            letters = ("t" if letters.startswith("ch") else letters[0]) + letters
            doubled = False
        text += letters
    return text


def _contracted(text: str, small: str) -> str:
    for whole, stem in _STEMS.items():
        if text.endswith(whole):
            return text.removesuffix(whole) + stem + small[1:]
    return text[:-1] + small
