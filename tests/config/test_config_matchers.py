"""Alertmanager's matchers in both syntaxes."""

from __future__ import annotations

import pytest

from backbeat.config.matcher_syntax import MatcherError, parse_matchers


@pytest.mark.parametrize(
    ("text", "matchers"),
    [
        ('severity="critical"', ['severity="critical"']),
        ("severity=critical", ['severity="critical"']),
        (' severity !~ "a|b" ', ['severity!~"a|b"']),
        ('{foo="bar", dings!=bums, }', ['foo="bar"', 'dings!="bums"']),
        ('statuscode=~"5.."', ['statuscode=~"5.."']),
        ("path=/a/b c", ['path="/a/b c"']),
        ('a="x,y"', ['a="x,y"']),
        (r'a="say \"hi\"\n"', [r'a="say \"hi\"\n"']),
        (r'a="back\\slash"', [r'a="back\\slash"']),
        (r"a=\d+", [r'a="\\d+"']),
        ('"größe"="ü"', ['"größe"="ü"']),
        ("größe=ü", ['"größe"="ü"']),
        ('"a b"=~"c"', ['"a b"=~"c"']),
        (r'"\u00fc"="x"', ['"ü"="x"']),
        ("a=", ['a=""']),
        ("{}", []),
        ("", []),
    ],
)
def test_what_is_read(text: str, matchers: list[str]) -> None:
    assert [str(each) for each in parse_matchers(text)] == matchers


@pytest.mark.parametrize(
    "text", ["a", "=b", 'a="b', 'a="b"c"', "a=b,,c=d", 'a=~"["', "{ü=b", "{ü=b}}", "a b=c", "1a=b,ü"]
)
def test_what_is_refused(text: str) -> None:
    with pytest.raises(MatcherError):
        parse_matchers(text)
