# ruff: noqa: E501 - messages stand whole, as an operator reads them
"""What a person reads when a query is wrong: the place, Prometheus's words, the line and a caret."""

import pytest

from backbeat.model.results import BadQuery
from backbeat.promql.parser import MAX_QUERY_BYTES, parse, parse_selector


def first_line(query: str) -> str:
    with pytest.raises(BadQuery) as caught:
        parse(query)
    return str(caught.value).split("\n")[0]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("", "unknown position: parse error: no expression found in input"),
        ("# only", "1:1: parse error: no expression found in input"),
        ("foo bar", '1:5: parse error: unexpected identifier "bar"'),
        ("1 +", "1:4: parse error: unexpected end of input"),
        ("*1", "1:1: parse error: unexpected <op:*>"),
        ("(1", "1:3: parse error: unclosed left parenthesis"),
        ("foo{", "1:5: parse error: unexpected end of input inside braces"),
        ("foo{a", "1:6: parse error: unexpected end of input inside braces"),
        ("foo{a}", '1:6: parse error: unexpected "}" in label matching, expected label matching operator'),
        ("foo{a=b}", '1:7: parse error: unexpected identifier "b" in label matching, expected string'),
        (
            'foo{a="b" c="d"}',
            '1:11: parse error: unexpected identifier "c" in label matching, expected "," or "}"',
        ),
        ("foo{,}", '1:5: parse error: unexpected "," in label matching, expected identifier or "}"'),
        ("foo[5m", "1:7: parse error: unclosed left bracket"),
        (
            "foo[]",
            '1:5: parse error: unexpected "]" in subquery or range selector, expected number, duration, step(), or range()',
        ),
        ("foo[0]", "1:5: parse error: duration must be greater than 0"),
        ("foo[5m]x", '1:8: parse error: unexpected identifier "x"'),
        (
            "foo[5m 5m]",
            '1:8: parse error: unexpected duration "5m" in subquery or range, expected ":" or "]"',
        ),
        ("foo[5m][5m]", "1:8: parse error: ranges only allowed for vector selectors"),
        ("foo offset 5m [5m]", "1:15: parse error: no offset modifiers allowed before range"),
        ("foo @ 5 [5m]", "1:9: parse error: no @ modifiers allowed before range"),
        (
            "foo offset",
            "1:11: parse error: unexpected end of input in offset, expected number, duration, step(), or range()",
        ),
        ("foo @ x", '1:7: parse error: unexpected identifier "x" in @, expected timestamp'),
        (
            "1 @ 5",
            "1:1: parse error: @ modifier must be preceded by an instant vector selector or range vector selector or a subquery",
        ),
        ("foo @ Inf", "1:1: parse error: timestamp out of bounds for @ modifier: +Inf"),
        ("foo offset 5m offset 5m", "1:1: parse error: offset may not be set multiple times"),
        ("sum by job (x)", '1:8: parse error: unexpected identifier "job" in grouping opts, expected "("'),
        ("sum by (1) (x)", '1:9: parse error: unexpected number "1" in grouping opts, expected label'),
        ("sum(x y)", '1:7: parse error: unexpected identifier "y" in aggregation'),
        ("sum()", "1:1: parse error: no arguments for aggregate expression provided"),
        (
            "topk(x)",
            "1:1: parse error: wrong number of arguments for aggregate expression provided, expected 2, got 1",
        ),
        ("rate(x[5m],)", "1:11: parse error: trailing commas not allowed in function call args"),
        ("1h30", '1:1: parse error: bad number or duration syntax: "1h30"'),
        ("1.5h", '1:1: parse error: unknown unit "." in duration "1.5h"'),
        ('"abc', "1:1: parse error: unterminated quoted string"),
        (r'"\z"', "1:1: parse error: unknown escape sequence U+007A 'z'"),
        (r'sum by ("\xff") (a)', r'1:9: parse error: invalid label name for grouping: "\xff"'),
        ("1s1h", '1:1: parse error: not a valid duration string: "1s1h"'),
        ("300y", "1:1: parse error: duration out of range"),
        ("9" * 5000 + "s", '1:1: parse error: not a valid duration string: "' + "9" * 5000 + 's"'),
        ("a + on(x) group_left * b", '1:22: parse error: unexpected <op:*> in grouping opts, expected "("'),
        ("a ! b", "1:3: parse error: unexpected character after '!': ' '"),
        ("a\n  =~ b", "2:3: parse error: unexpected character after '=': '~'"),
        ("foo[5m+1/0]", "1:9: parse error: division by zero"),
        (
            "foo[1m] smoothed anchored",
            "1:1: parse error: anchored and smoothed modifiers cannot be used together",
        ),
        ("$x", "1:1: parse error: unexpected character: '$'"),
    ],
)
def test_syntax_mistakes(query: str, message: str) -> None:
    assert first_line(query) == message


@pytest.mark.parametrize(
    ("query", "message"),
    [
        (
            "rate(x)",
            '1:6: parse error: expected type range vector in call to function "rate", got instant vector',
        ),
        (
            "abs(x[5m])",
            '1:5: parse error: expected type instant vector in call to function "abs", got range vector',
        ),
        ("abs()", '1:1: parse error: expected 1 argument(s) in call to "abs", got 0'),
        ("round(x, 1, 2)", '1:1: parse error: expected at most 2 argument(s) in call to "round", got 3'),
        ("label_join(x)", '1:1: parse error: expected at least 3 argument(s) in call to "label_join", got 1'),
        ("sum(1)", "1:5: parse error: expected type instant vector in aggregation expression, got scalar"),
        ("topk('a', x)", "1:6: parse error: expected type scalar in aggregation parameter, got string"),
        (
            "count_values(1, x)",
            "1:14: parse error: expected type string in aggregation parameter, got scalar",
        ),
        ("1 == 1", "1:3: parse error: comparisons between scalars must use BOOL modifier"),
        ("a + bool b", "1:3: parse error: bool modifier can only be used on comparison operators"),
        ("1 and 1", '1:1: parse error: set operator "and" not allowed in binary scalar expression'),
        ("a and on(x) group_left b", '1:1: parse error: no grouping allowed for "and" operation'),
        ("a or fill(0) b", "1:1: parse error: filling in missing series not allowed for set operators"),
        ("1 + on(x) b", "1:1: parse error: vector matching only allowed between instant vectors"),
        (
            "a / on(x) group_left(x) b",
            '1:3: parse error: label "x" must not occur in ON and GROUP clause at once',
        ),
        ("a + 'b'", "1:5: parse error: binary expression must contain only scalar and instant vector types"),
        (
            "-x[5m]",
            '1:1: parse error: unary expression only allowed on expressions of type scalar or instant vector, got "range vector"',
        ),
        ("1[5m:]", "1:1: parse error: subquery is only allowed on instant vector, got scalar instead"),
        ("{}", "1:1: parse error: vector selector must contain at least one non-empty matcher"),
        ('{a=~".*"}', "1:1: parse error: vector selector must contain at least one non-empty matcher"),
        ('foo{__name__="bar"}', '1:1: parse error: metric name must not be set twice: "foo" or "bar"'),
        ("info(x, y)", "1:9: parse error: expected label selectors only, got vector selector instead"),
        ("info(x, {a='b'} + {c='d'})", "1:9: parse error: expected label selectors only"),
    ],
)
def test_type_mistakes(query: str, message: str) -> None:
    assert first_line(query) == message


def test_the_line_and_a_caret_follow() -> None:
    with pytest.raises(BadQuery) as caught:
        parse("sum(\n\trate(foo[5m]) bar\n)")
    assert str(caught.value) == (
        '2:16: parse error: unexpected identifier "bar" in aggregation\n\trate(foo[5m]) bar\n\t              ^'
    )


@pytest.mark.parametrize(
    ("query", "message", "meant"),
    [
        ("1 + rat(foo[5m])", '1:5: parse error: unknown function with name "rat"', "rate"),
        ("summ(x)", '1:1: parse error: unknown function with name "summ"', "sum"),
        ("topq(3, x)", '1:1: parse error: unknown function with name "topq"', "topk"),
        ("mean(x)", '1:1: parse error: unknown function with name "mean"', "avg"),
        ("summ by (job) (x)", "1:6: parse error: unexpected <by>", "sum"),
        ("1 + sun without (job) (x)", "1:9: parse error: unexpected <without>", "sum"),
        ("max(averge by (job) (x))", "1:12: parse error: unexpected <by> in aggregation", "avg"),
    ],
)
def test_an_unknown_function_or_aggregation_names_the_nearest(query: str, message: str, meant: str) -> None:
    with pytest.raises(BadQuery) as caught:
        parse(query)
    lines = str(caught.value).split("\n")
    assert lines[0] == message
    assert lines[-1] == f"did you mean {meant}()?"


@pytest.mark.parametrize("query", ["checkout_latency(x)", "up by (job)", "rate by (job) (x)"])
def test_nothing_is_suggested_where_no_name_is_near(query: str) -> None:
    with pytest.raises(BadQuery) as caught:
        parse(query)
    assert "did you mean" not in str(caught.value)


def test_a_long_line_is_cut_around_the_place() -> None:
    query = "a + " * 100 + "+ * b + " + "c + " * 20
    with pytest.raises(BadQuery) as caught:
        parse(query)
    _, line, caret = str(caught.value).split("\n")
    assert len(line) < 130
    assert line[caret.index("^")] == "*"


def test_a_regex_that_re2_refuses_is_a_bad_query_with_its_place() -> None:
    assert first_line('foo{a="b", c=~"("}').startswith("1:12: parse error: invalid regular expression '('")
    assert "1:5: parse error:" in first_line('foo{a=~"x{0,5000}"}')


@pytest.mark.parametrize(
    "query",
    [
        "(" * 201 + "1" + ")" * 201,
        "-" * 500 + "foo",
        "abs(" * 300 + "x" + ")" * 300,
        "sum(" * 250 + "x" + ")" * 250,
        " + ".join("a" * 300),
        "2" + "^2" * 300,
        "x" + "[5m:]" * 300,
        f"x[{'(' * 300}5m{')' * 300}]",
        f"x[1m{' + 1m' * 300}]",
        "(" * 60000,
    ],
)
def test_deep_nesting_is_refused(query: str) -> None:
    assert "query nests deeper than 200 levels" in first_line(query)


def test_deep_but_allowed() -> None:
    assert parse("(" * 150 + "x" + ")" * 150)
    assert parse("abs(" * 150 + "x" + ")" * 150)
    assert parse(" + ".join(["a"] * 200))


def test_a_query_over_64_kib_is_refused() -> None:
    query = '{a="' + "é" * (MAX_QUERY_BYTES // 2) + '"}'
    assert "expected at most 65536" in first_line(query)


def test_a_lone_selector_is_nothing_else() -> None:
    for text in ("sum(x)", "x + y", "x[5m]", "1", ""):
        with pytest.raises(BadQuery):
            parse_selector(text)
