import pytest
from google.api_core import exceptions

from gcpmlops.emulator.services.pubsub.filters import compiled

COM = {"domain": "com", "iana.org/tag": "en", "n-1": "x"}


@pytest.mark.parametrize(
    ("text", "let_through"),
    [
        ("attributes:domain", True),
        ("attributes:missing", False),
        ("NOT attributes:missing", True),
        ("-attributes:domain", False),
        ('attributes.domain = "com"', True),
        ('attributes.domain="org"', False),
        ('attributes.domain != "org"', True),
        ('attributes.missing != "org"', True),
        ('attributes."iana.org/tag" = "en"', True),
        ('attributes.n-1 = "x"', True),
        ("attributes:1st", False),
        ('hasPrefix(attributes.domain, "co")', True),
        ('hasPrefix(attributes.missing, "")', False),
        ('attributes:domain AND attributes.domain != "com"', False),
        ('attributes:missing OR attributes.domain = "com"', True),
        ('attributes:domain AND (attributes:missing OR NOT attributes.domain = "org")', True),
        ('NOT (attributes:missing OR attributes.domain = "com")', False),
        (r'attributes.domain = "\"com\""', False),
        (r'attributes.domain = "\x63\157m"', True),
    ],
)
def test_what_a_filter_lets_through(text, let_through):
    assert compiled(text)(COM) is let_through


def test_no_filter_lets_everything_through():
    assert compiled("  ") is None


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("attributes", "its end"),
        ("attributes.a = b", "'b'"),
        ("attributes:a AND", "its end"),
        ("attributes:a and attributes:b", "'and'"),
        ("attributes:a AND attributes:b OR attributes:c", "parentheses"),
        ("(attributes:a", "')'"),
        ("data = 'x'", "can't be read"),
        ('hasPrefix(attributes:a, "b")', "'.'"),
        ('attributes.a = "' + "x" * 256 + '"', "256"),
    ],
)
def test_a_filter_that_cannot_be_is_refused_with_the_place(text, named):
    with pytest.raises(exceptions.InvalidArgument, match="(?s)" + named.replace("(", r"\(").replace(")", r"\)")):
        compiled(text)
