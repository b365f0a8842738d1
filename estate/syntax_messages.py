"""What libyaml says about a syntax error, in Japanese, with what would be right."""

from __future__ import annotations

from .problems import visible

_KNOWN = (
    (
        "found character that cannot start any token",
        "ここから始まる値はありません。字下げのタブは空白に、@ ` % で始まる値は引用符で囲んでください",
    ),
    ("found a tab character", "字下げにタブがあります。空白に置き換えてください"),
    ("mapping values are not allowed", "「:」はここに書けません。字下げを確かめるか、値を引用符で囲んでください"),
    ("could not find expected ':'", "キーの後の「: 」がありません。「:」の後の空白も確かめてください"),
    ("did not find expected key", "ここに来るのはキーです。字下げと引用符を確かめてください"),
    ("did not find expected '-' indicator", "ここに来るのは「- 」の行です。字下げをそろえてください"),
    ("did not find expected ',' or ']'", "リスト [ ] の「,」か「]」がありません"),
    ("did not find expected ',' or '}'", "対応表 { } の「,」か「}」がありません"),
    ("did not find expected node content", "値がありません。括弧と「,」を確かめてください"),
    ("did not find expected <document start>", "文書の終わりの後に余分な行があります。字下げを確かめてください"),
    ("block sequence entries are not allowed", "「- 」はここに書けません。行を分けて字下げしてください"),
    ("block mapping entries are not allowed", "キーはここに書けません。字下げを確かめてください"),
    ("found unexpected end of stream", "引用符が閉じていません"),
    ("found unexpected document indicator", "引用符の中に文書の区切り（---）があります"),
    (
        "found unknown escape character",
        "二重引用符の中の「\\」の使い方が正しくありません。単引用符で囲むか「\\\\」と書いてください",
    ),
    ("found invalid Unicode character escape code", "「\\u」の文字番号が正しくありません"),
    ("did not find expected hexdecimal number", "「\\x」「\\u」の後は 16 進数です"),
    ("found undefined tag handle", "YAML のタグは使えません。「!」で始まる値は引用符で囲んでください"),
    ("found duplicate anchor", "同じ名前の「&」が二つあります"),
    ("found incompatible YAML document", "%YAML の版が読めません。この行を消してください"),
    ("found duplicate %YAML directive", "%YAML の行が二つあります。消してください"),
    ("found duplicate %TAG directive", "%TAG の行が二つあります。消してください"),
    ("found unknown directive name", "「%」で始まる行は指示文です。値なら引用符で囲んでください"),
    (
        "did not find expected alphabetic or numeric character",
        "「&」「*」の後には名前が要ります。値なら引用符で囲んでください",
    ),
    ("did not find expected comment or line break", "余分な文字があります。「#」の前には空白が要ります"),
    ("found extra ':' or '-' indicator", "「:」か「-」が余分です"),
)


def in_japanese(problem: str | None, context: str | None) -> str:
    """One sentence for the user; the parser's own words follow where no translation is known."""
    original = problem or context or ""
    for words, japanese in _KNOWN:
        if words in original:
            return f"YAML の構文の誤り：{japanese}"
    return f"YAML の構文の誤り（{visible(original)}）。字下げ、引用符、括弧を確かめてください"
