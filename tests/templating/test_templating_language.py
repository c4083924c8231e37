"""The language itself: every expected text is what Go's text/template gives for the same template and data."""
# ruff: noqa: E501 - a case reads best on one line

import pytest

from backbeat.templating import Template, TemplateSet
from backbeat.templating.functions import alertmanager_functions

DATA = {
    "S": "a<b>&\"'",
    "N": 1,
    "F": 1234567.0,
    "G": 0.5,
    "L": ["x", "y", "z"],
    "M": {"b": "2", "a": "1"},
    "E": {},
    "Nil": None,
    "T": True,
    "Z": 0,
    "Ints": [3, 1, 2],
    "Nest": {"In": {"k": "v"}},
}


def render(text: str, *, html: bool = False) -> str:
    return Template.parse(text, functions=alertmanager_functions(), html=html).render(DATA)


@pytest.mark.parametrize(
    ("template", "text"),
    [
        (
            "{{.F}} {{.G}} {{.N}} {{.T}} {{.Nil}} {{.Nest.no}} {{.M.zzz}}|",
            "1.234567e+06 0.5 1 true <no value> <no value> |",
        ),
        ("{{.L}} {{.M}} {{.E}} {{.Ints}} {{.Nest}}", "[x y z] map[a:1 b:2] map[] [3 1 2] map[In:map[k:v]]"),
        (
            "{{1.0}} {{100000.0}} {{1000000.0}} {{0.0001}} {{0.00001}} {{1e21}}",
            "1 100000 1e+06 0.0001 1e-05 1e+21",
        ),
        ('{{list 1 nil "a" 2.5}} {{list}}', "[1 <nil> a 2.5] []"),
    ],
)
def test_values_print_as_go_prints_them(template: str, text: str) -> None:
    assert render(template) == text


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{range .L}}{{.}},{{end}}", "x,y,z,"),
        ("{{range $i, $v := .L}}{{$i}}={{$v}} {{end}}", "0=x 1=y 2=z "),
        ("{{range $v := .L}}{{$v}} {{end}}", "x y z "),
        ("{{range $k, $v := .M}}{{$k}}:{{$v}} {{end}}", "a:1 b:2 "),
        ("{{range .E}}x{{else}}none{{end}}", "none"),
        ("{{range .Nil}}x{{else}}none{{end}}", "none"),
        ("{{range 3}}{{.}}{{end}}", "012"),
        ('{{range .L}}{{if eq . "y"}}{{continue}}{{end}}{{.}}{{end}}', "xz"),
        ('{{range .L}}{{if eq . "y"}}{{break}}{{end}}{{.}}{{end}}', "x"),
        ("{{range $i, $e := .L}}{{if $i}}, {{end}}{{$e}}{{end}}", "x, y, z"),
        ("{{with .Nest.In}}{{.k}}{{end}}{{with .Nil}}x{{else}}y{{end}}", "vy"),
        ("{{with .Nil}}x{{else with .N}}n{{.}}{{else}}y{{end}}", "n1"),
        ("{{if and .T .Nil}}a{{else if or .Z .N}}b{{else}}c{{end}}", "b"),
        ("{{with .N}}{{$.T}}{{end}}", "true"),
        ("{{if $z := .Z}}x{{else}}{{$z}}{{end}}", "0"),
    ],
)
def test_control_structures(template: str, text: str) -> None:
    assert render(template) == text


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ('a\n  {{- " trim " -}}  \n x', "a trim x"),
        ("a {{/* c */}} b {{- /* d */ -}} c", "a  bc"),
        ("{{- 3}} {{3 -}} x {{-3}} {{-3 -}} y", "3 3x -3 -3y"),
        ('{{.N}}}} {{ "}}" }}', "1}} }}"),
    ],
)
def test_trim_markers_and_comments(template: str, text: str) -> None:
    assert render(template) == text


@pytest.mark.parametrize(
    ("template", "text"),
    [
        (
            r"""{{"q\"uo\n\x41"}} {{`raw\n`}} {{'a'}} {{0x1F}} {{1_000}} {{017}} {{+.5}}""",
            'q"uo\nA raw\\n 97 31 1000 15 0.5',
        ),
        (
            "{{$x := 1}}{{$x}}{{$x = 2}}{{$x}}{{if true}}{{$x = 3}}{{$y := 9}}{{$x}}{{$y}}{{end}}{{$x}}",
            "12393",
        ),
        ('{{$x := "a"}}{{range .L}}{{$x = .}}{{end}}{{$x}}', "z"),
        ('{{$x := .Nest}}{{$x.In.k}} {{(.Nest).In.k}} {{(index .Nest "In").k}} {{$.N}}', "v v v 1"),
        ('{{(printf "%d" 5) | printf "%s%s" "a"}} {{printf "%v" (len .L)}}', "a5 3"),
        ('{{.S | html}} {{"a" | printf "%s-%s" "b"}}', "a&lt;b&gt;&amp;&#34;&#39; b-a"),
    ],
)
def test_pipelines_and_variables(template: str, text: str) -> None:
    assert render(template) == text


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ('{{not .Z}} {{and 1 0 2}} {{or 0 "" "x"}} {{and .T}}', "true 0 x true"),
        (
            '{{eq 1 1}} {{eq "a" "b" "a"}} {{ne 1 2}} {{lt 1 2}} {{le 2 2}} {{gt 3 2}} {{ge 1 2}}',
            "true true true true true true false",
        ),
        ("{{eq .Nil .Nil}} {{eq .N .Nil}} {{ne .S .Nil}}", "true false true"),
        ('{{len .L}} {{len .S}} {{len "héllo"}} {{"abc" | len}}', "3 7 6 3"),
        ('{{index .L 1}} {{index .M "q"}}| {{index .Nest "In" "k"}} {{index "abc" 1}}', "y | v 98"),
        ('{{slice .L 1}} {{slice .L 1 2}} {{slice "hello" 1 3}}', "[y z] [y] el"),
        ('{{print 1 2 "a" "b" 3}}|{{println "x" 1}}', "1 2a b3|x 1\n".replace("a b", "ab")),
        (
            """{{js "a'b<c>\\n=&"}} {{urlquery "a b&c=d/é"}}""",
            r"a\'b\u003Cc\u003E\u000A\u003D\u0026 a+b%26c%3Dd%2F%C3%A9",
        ),
    ],
)
def test_builtin_functions(template: str, text: str) -> None:
    assert render(template) == text


def test_and_or_evaluate_no_further_than_needed() -> None:
    assert render("{{or 1 (index .L 99)}}{{and 0 (index .L 99)}}") == "10"


@pytest.mark.parametrize(
    ("template", "text"),
    [
        (
            '{{printf "%d %s %q %v %5.1f|%-5s|%05d %t %x %%" 5 "a" "b" .L 3.14159 "ab" 42 true "hi"}}',
            '5 a "b" [x y z]   3.1|ab   |00042 true 6869 %',
        ),
        (
            '{{printf "%d" "x"}} {{printf "%s" 5}} {{printf "%d"}} {{printf "x" 1 "b"}} {{printf "%"}}',
            "%!d(string=x) %!s(int=5) %!d(MISSING) x%!(EXTRA int=1, string=b) %!(NOVERB)",
        ),
        ('{{printf "%v %s" .Nil .Nil}}', "<nil> %!s(<nil>)"),
        (
            '{{printf "%6.2f|%+d|%X|%o|%b|%c|%U|%e|%g|%G" 3.14159 5 255 8 5 65 65 1234.5 0.00001 1e10}}',
            "  3.14|+5|FF|10|101|A|U+0041|1.234500e+03|1e-05|1E+10",
        ),
        ('{{printf "%s %d %q" .L .Ints .L}}', '[x y z] [3 1 2] ["x" "y" "z"]'),
        ('{{printf "%*d|%-8v|%8v|" 5 42 "ab" .T}}', "   42|ab      |    true|"),
        ('{{printf "%T %T %T %T" 1 1.5 "a" true}}', "int float64 string bool"),
        (
            '{{printf "%[2]d %[1]d" 1 2}} {{printf "%.2s" "abc"}} {{printf "%08.3f" 3.14159}} {{printf "%#x" 255}}',
            "2 1 ab 0003.142 0xff",
        ),
    ],
)
def test_printf(template: str, text: str) -> None:
    assert render(template) == text


def test_templates_define_and_call_each_other() -> None:
    assert render('{{define "t"}}<{{.}}>{{end}}{{template "t" .N}}{{template "t"}}') == "<1><<no value>>"
    assert render('{{block "b" .N}}blk{{.}}{{end}}') == "blk1"
    assert render('{{define "q"}}{{$}}{{end}}{{range .L}}{{template "q" .}}{{$.N}}{{end}}') == "x1y1z1"


def test_a_set_holds_templates_of_many_files() -> None:
    files = TemplateSet(alertmanager_functions())
    files.add('{{define "title"}}{{ .N | printf "%03d" }}{{end}}', "a.tmpl")
    files.add('{{define "body"}}[{{ template "title" . }}]{{end}}', "b.tmpl")
    assert files.parse('{{ template "body" . }}').render(DATA) == "[001]"
    files.add('{{define "title"}}new{{end}}', "c.tmpl")
    assert files.parse('{{ template "body" . }}').render(DATA) == "[new]"
    local = files.parse('{{define "title"}}mine{{end}}{{ template "body" . }}')
    assert local.render(DATA) == "[mine]"
    assert files.parse('{{ template "body" . }}').render(DATA) == "[new]"


def test_fields_of_no_data_at_all_have_no_value() -> None:
    assert Template.parse("{{ .Foo.Bar }}").render(None) == "<no value>"
    assert Template.parse("{{ .Foo }}", html=True).render(None) == ""


def test_given_variables() -> None:
    template = Template.parse(
        "{{ $labels.job }} {{ $labels.none }}is {{ $value }}", variables=("labels", "value")
    )
    assert template.render(None, variables={"labels": {"job": "api"}, "value": 0.25}) == "api is 0.25"


def test_the_functions_a_template_uses_are_known() -> None:
    template = Template.parse("{{ toUpper .S | printf }}", functions=alertmanager_functions())
    assert template.functions_used == {"toUpper", "printf"}


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{.S}}", "a&lt;b&gt;&amp;&#34;&#39;"),
        ("{{.S | html}}", "a&lt;b&gt;&amp;&#34;&#39;"),
        ('{{"<b>" | safeHtml}}', "<b>"),
        ("<i>{{.Nil}}</i>", "<i></i>"),
        ('<a href="{{ "https://x/?a=b&c" }}">', '<a href="https://x/?a=b&amp;c">'),
        ('<a href="{{ "javascript:alert(1)" }}">', '<a href="#unsafe-url">'),
        ('<img src={{ " java\\tscript:x" }}>', "<img src=#unsafe-url>"),
        ('<a href="{{ "tel:+1" | safeUrl }}">', '<a href="tel:&#43;1">'),
    ],
)
def test_html_mode_escapes(template: str, text: str) -> None:
    assert render(template, html=True) == text


def test_what_labels_say_is_never_a_template() -> None:
    template = Template.parse("{{ . }}")
    assert template.render("{{ .Secret }}") == "{{ .Secret }}"
