"""The statements and expressions of a script, out of BEGIN, IF, CASE, WHILE, FOR, LOOP and REPEAT."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

_TOKEN = re.compile(
    r"""--[^\n]*|\#[^\n]*|/\*.*?\*/|'{3}.*?'{3}|"{3}.*?"{3}|'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|`[^`]*`"""
    r"""|(?P<word>[A-Za-z_]\w*)|(?P<mark>[();])""",
    re.DOTALL,
)
_ENDS = {  # a word that opens a condition: the words that end it
    "IF": ("THEN",), "ELSEIF": ("THEN",), "WHEN": ("THEN",), "WHILE": ("DO",), "UNTIL": ("END",), "CASE": ("WHEN",),
}  # fmt: skip
_PLAIN = {"LOOP", "REPEAT", "ELSE", "THEN", "DO", "END"}  # what follows them is a statement, or the end of one
_CLOSED = {"IF", "WHILE", "LOOP", "FOR", "REPEAT", "CASE"}  # END IF
Word = tuple[str, int, int]  # in capitals, or ; at depth 0; where it begins and ends


def is_script(sql: str) -> bool:
    """Whether it begins with one of those words, or one stands after a semicolon."""
    words = _words(sql)
    opening = (word for at, (word, _, _) in enumerate(words) if at == 0 or words[at - 1][0] == ";")
    return any(word in (*_ENDS, *_PLAIN, "BEGIN", "FOR") for word in opening)


def parts(sql: str) -> Iterator[str]:
    """Each statement; a condition as a SELECT of it, the query of a FOR as it is."""
    words, at = _words(sql), 0
    while at < len(words):
        word, start, end = words[at]
        if word in _ENDS:
            at = _find(words, at + 1, _ENDS[word])
            yield _condition(sql[end : _begin(words, at, sql)])
        elif word == "FOR":
            at, inner = _find(words, at + 1, ("DO",)), _find(words, at + 1, ("IN",))
            yield sql[words[min(inner, len(words) - 1)][2] : _begin(words, at, sql)].strip().removeprefix("(")[:-1]
        elif word == "EXCEPTION":
            at = _find(words, at + 1, ("THEN",))
        elif word == "BEGIN" and not _opens_transaction(words, at):
            at += 1
        elif word in _PLAIN or word == ";":
            at += 2 if word == "END" and at + 1 < len(words) and words[at + 1][0] in _CLOSED else 1
        else:
            at = _find(words, at + 1, (";",))
            yield sql[start : _begin(words, at, sql)]


def _words(sql: str) -> Sequence[Word]:
    """Outside of strings, comments and parentheses."""
    found, depth = [], 0
    for token in _TOKEN.finditer(sql):
        if token["mark"] in ("(", ")"):
            depth += 1 if token["mark"] == "(" else -1
        elif depth == 0 and (token["word"] or token["mark"]):
            found.append((token[0].upper(), token.start(), token.end()))
    return found


def _find(words: Sequence[Word], at: int, wanted: tuple[str, ...]) -> int:
    return next((place for place in range(at, len(words)) if words[place][0] in wanted), len(words))


def _begin(words: Sequence[Word], at: int, sql: str) -> int:
    return words[at][1] if at < len(words) else len(sql)


def _condition(text: str) -> str:
    return f"SELECT ({text.strip()})" if text.strip() else "SELECT 1"


def _opens_transaction(words: Sequence[Word], at: int) -> bool:
    return at + 1 == len(words) or words[at + 1][0] in ("TRANSACTION", ";")
