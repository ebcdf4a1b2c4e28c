"""multipart/related bodies as clients write them: CRLF or LF, quoted boundaries, contents that look like boundaries."""

from __future__ import annotations

import pytest
from google.api_core import exceptions

from gcpmlops.emulator.services.storage.multipart import RelatedParser

_HEAD = b'--=b=\r\nContent-Type: application/json\r\n\r\n{"name": "o"}\r\n'
_CRLF = _HEAD + b"--=b=\r\ncontent-type: text/x\r\n\r\n%s\r\n--=b=--"


def _parse(body: bytes, boundary: str = "=b=", step: int = 10**6) -> tuple[RelatedParser, bytes]:
    parser = RelatedParser(f"multipart/related; boundary={boundary}")
    content = b"".join(parser.feed(body[start : start + step]) for start in range(0, len(body), step))
    return parser, content + parser.finish()


@pytest.mark.parametrize("step", [1, 7, 10**6])
@pytest.mark.parametrize("content", [b"", b"abc", b"\r\n--=b= --\r\n", b"--=b", b"\n\r\n" * 50, bytes(range(256)) * 40])
def test_content_comes_back_whole(content: bytes, step: int) -> None:
    parser, found = _parse(_CRLF % content, step=step)
    assert (parser.resource, parser.content_type, found) == ({"name": "o"}, "text/x", content)


def test_line_feeds_alone_quotes_and_a_last_newline() -> None:
    body = b"\n" + (_CRLF % b"abc").replace(b"\r\n", b"\n") + b"\n"
    for boundary in ('"=b="', "'=b='"):
        assert _parse(body, boundary)[1] == b"abc"


@pytest.mark.parametrize(
    "body",
    [b"", (_CRLF % b"abc")[:-1], (_CRLF % b"abc") + b"x", (_CRLF % b"abc").replace(b"--=b=--", b"--=c=--"), b"x" * 100],
)
def test_a_body_without_its_end_is_refused(body: bytes) -> None:
    with pytest.raises(exceptions.BadRequest, match="end boundary"):
        _parse(body)


def test_another_boundary_than_declared_is_refused() -> None:
    with pytest.raises(exceptions.BadRequest):
        _parse(_CRLF % b"abc", "other")
