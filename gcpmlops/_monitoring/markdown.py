"""The little Markdown that text widgets and runbooks use, as HTML."""

from __future__ import annotations

import html
import re


def to_html(text: str) -> str:
    """Headings, lists, bold, code, links, paragraphs; anything else stays as it is written."""
    return "\n".join(_block(block) for block in re.split(r"\n\s*\n", text.strip()) if block.strip())


def _block(block: str) -> str:
    lines = block.splitlines()
    if heading := re.fullmatch(r"(#{1,4}) (.+)", block):
        return f"<h4>{_inline(heading[2])}</h4>"
    for mark, tag in ((r"[-*] ", "ul"), (r"\d+\. ", "ol")):
        if all(re.match(mark, line) for line in lines):
            items = "".join(f"<li>{_inline(re.sub(f'^{mark}', '', line))}</li>" for line in lines)
            return f"<{tag}>{items}</{tag}>"
    return f"<p>{'<br>'.join(map(_inline, lines))}</p>"


def _inline(text: str) -> str:
    text = html.escape(text)
    text = re.sub(r"`([^`]+)`", r"<code>\1</code>", text)
    text = re.sub(r"\*\*([^*]+)\*\*", r"<b>\1</b>", text)
    return re.sub(r"\[([^\]]+)\]\((https?://[^)\s]+)\)", r'<a href="\2">\1</a>', text)
