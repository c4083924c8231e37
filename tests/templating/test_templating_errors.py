"""What a person reads when a template is wrong, and what a template may use up."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backbeat.templating import Limits, Template, TemplateError
from backbeat.templating.functions import alertmanager_functions, prometheus_functions

FUNCTIONS = {**prometheus_functions(), **alertmanager_functions()}


def problem(text: str, data: object = None, limits: Limits | None = None, name: str = "") -> TemplateError:
    with pytest.raises(TemplateError) as caught:
        Template.parse(text, name, functions=FUNCTIONS).render(data, limits=limits or Limits())
    return caught.value


def test_a_mistake_has_its_place_and_text() -> None:
    error = problem("first\n  {{ .Labels | toUper }}", name="rules.yml")
    assert (error.line, error.column, error.place) == (2, 16, "toUper")
    assert str(error) == 'rules.yml:2:16: at <toUper> function "toUper" not defined; did you mean toUpper?'


def test_an_unknown_variable_names_the_nearest() -> None:
    with pytest.raises(TemplateError, match=r'undefined variable "\$lables"; did you mean \$labels\?'):
        Template.parse("{{ $lables.job }}", variables=("labels", "value"))


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{{ .a", "unclosed action; it ends with }}"),
        ("{{/* x", "unclosed comment"),
        ("{{ if .a }}x", "{{if}} without {{end}}"),
        ("x {{ end }}", "unexpected {{ end }}"),
        ("{{ else }}", "unexpected {{ else }}"),
        ("{{ if }}x{{ end }}", "missing value for if"),
        ("{{}}", "missing value for command"),
        ('{{ "a }}', "unterminated quoted string"),
        ("{{ (1 }}", "is a ) missing?"),
        ("{{ 1 | 2 }}", "a pipe needs a function or method in stage 2"),
        ("{{ 5 6 }}", "takes no arguments"),
        ("{{ break }}", "{{break}} outside {{range}}"),
        ("{{ nil }}", "nil is not a command"),
        ("{{ template x }}", "expected a quoted name"),
        ('{{define "x"}}a{{end}}{{define "x"}}b{{end}}', "multiple definition"),
        ('{{if 1}}{{define "x"}}a{{end}}{{end}}', "belongs at the top"),
        ("{{ ? }}", "unexpected '?' in an action"),
    ],
)
def test_syntax_mistakes(template: str, message: str) -> None:
    assert message in str(problem(template))


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{{ .nil.c }}", "nil has no field c"),
        ("{{ .n.x }}", "can't evaluate field x in type int"),
        ("{{ index .l 5 }}", "index out of range: 5"),
        ('{{ lt 1 "a" }}', "incompatible types for comparison: int and string"),
        ("{{ eq .l .l }}", "can't compare"),
        ("{{ len 5 }}", "len of type int"),
        ("{{ range .n.x }}{{ end }}", "can't evaluate field x"),
        ('{{ range "abc" }}{{ end }}', "range can't iterate over string"),
        (
            '{{ template "tilte" }}{{define "title"}}x{{end}}',
            'template "tilte" not defined; did you mean title?',
        ),
        ("{{ toUpper 5 }}", "expected string; got int"),
        ("{{ toUpper }}", "want 1 got 0"),
        ("{{ lt 1 }}", "wrong number of args for lt"),
        ("{{ .n 5 }}", "n is no method"),
        ('{{ reReplaceAll "(" "" "x" }}', "invalid regular expression '('"),
        ('{{ query "up" }}', "queries are not available here"),
        ("{{ first .none }}", "first() called on vector with no elements"),
    ],
)
def test_mistakes_while_rendering(template: str, message: str) -> None:
    assert message in str(problem(template, {"nil": None, "n": 1, "l": ["x"]}))


def test_a_function_that_is_not_bound_is_named() -> None:
    template = Template.parse("{{ toUpper .x }}", functions={"toUpper": str.upper})
    assert template.render({"x": "a"}) == "A"


class Clock:
    """Every look costs a tenth of a second."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 0.1
        return self.now


def test_time_is_limited() -> None:
    error = problem("{{ range 100000 }}{{ end }}", limits=Limits(clock=Clock()))
    assert "took longer than 1 s" in str(error)


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{{ range 1000000000 }}{{ end }}", "steps"),
        ("{{ range 9999 }}" + "abcdefgh" * 10 + "{{ end }}", "output is larger than 262144 bytes"),
        ('{{define "a"}}{{template "a"}}{{end}}{{template "a"}}', "deeper than 50 levels"),
        ('{{$x := "aaaaaaaa"}}{{range 99}}{{$x = print $x $x}}{{end}}', "longer than"),
        ("{{$x := list 1}}{{range 99}}{{$x = list $x $x}}{{end}}{{$x}}", "longer than"),
        ("{{$x := list 1}}{{range 99}}{{$x = list $x $x}}{{end}}{{toJson $x}}", "nests deeper"),
        ("{{$x := list 1}}{{range 2000}}{{$x = list $x}}{{end}}{{$x}}", "nested too deeply"),
        (
            '{{$l := list}}{{range 999}}{{$l = append $l (printf "%99999d" .)}}{{end}}',
            "functions made more than",
        ),
        ('{{$x := printf "%99999d" 1}}{{reReplaceAll "" $x $x}}', "longer than"),
        ("{{" + "(" * 500 + "1" + ")" * 500 + "}}", "nested deeper than 100 levels"),
        ("{{if 1}}" * 500, "nested deeper than 100 levels"),
    ],
)
def test_everything_else_is_limited(template: str, message: str) -> None:
    limits = Limits(seconds=30, steps=20_000)
    assert message in str(problem(template, limits=limits))


WORDS = """
{{ }} {{- -}} /* */ if else end range with define template block break continue . .a .a.b $ $x := = | ( ) ,
1 1.5 0x1f 'c' "s" `r` nil true printf eq index len and toUpper query join list dict toJson tz now date %d
"""
DATA = {"a": {"b": [1, "x", None, {"c": 2.5}]}}


@settings(max_examples=500, deadline=None)
@given(st.one_of(st.text(max_size=25), st.lists(st.sampled_from(WORDS.split()), max_size=16).map(" ".join)))
def test_nothing_but_a_template_error(text: str) -> None:
    for source in (text, "{{ " + text + " }}"):
        try:
            Template.parse(source, functions=FUNCTIONS).render(DATA, limits=Limits(steps=2000))
        except TemplateError as error:
            shown = str(error)
        else:
            shown = ""
        assert not shown or ": " in shown


values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from([*sorted(FUNCTIONS), "eq", "lt", "len", "index", "slice", "printf", "html"]),
    values,
    values,
)
def test_functions_take_anything(name: str, one: object, other: object) -> None:
    for call in ("{{ F }}", "{{ F .one }}", "{{ F .one .other }}", "{{ F .one .other .one }}"):
        try:
            text = Template.parse(call.replace("F", name), functions=FUNCTIONS).render(
                {"one": one, "other": other}
            )
        except TemplateError:
            continue
        assert isinstance(text, str)
