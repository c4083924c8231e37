"""`backbeat check`: every file validated, every finding with its place, nothing started.

In:  directories and files. Out: findings on standard output, and the exit code: 1 where anything is wrong.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from backbeat.config.file_kinds import FileKind, recognise
from backbeat.config.findings import ConfigErrors, Finding, Findings
from backbeat.config.load import Parsers, Reader, load_with
from backbeat.config.yaml_reader import read_file
from backbeat.model.errors import Position

_SUFFIXES = frozenset((".yml", ".yaml"))


def check(paths: list[Path]) -> int:
    """Check directories and files, print every finding sorted by place, and return the exit code."""
    findings = Findings()
    checked: set[Path] = set()
    reader = Reader(parsers(), findings=findings, read_paths=checked)
    for path in paths:
        if path.is_dir():
            _check_directory(path, reader)
        else:
            _check_file(path, reader, named=True)
    for finding in findings:
        print(finding)
    print(_summary(len(checked), findings))
    return 1 if findings.error_count else 0


def parsers() -> Parsers:
    """The parsers of PromQL and of templates, for checks inside of the files."""
    from backbeat.cli.lint import lint_rule
    from backbeat.promql.parser import parse
    from backbeat.templating import Template
    from backbeat.templating.functions import alertmanager_functions, prometheus_functions

    of_rules, of_messages = prometheus_functions(), alertmanager_functions()
    variables = ("labels", "externalLabels", "externalURL", "value")
    return Parsers(
        parse,
        lambda text: Template.parse(text, functions=of_rules, variables=variables),
        lambda text: Template.parse(text, functions=of_messages),
        lint_rule,
    )


def _check_directory(directory: Path, reader: Reader) -> None:
    """The configuration of a directory with its cross-references, then every other file in it."""
    main = directory / "prometheus.yml"
    if main.exists():
        with suppress(ConfigErrors):  # its findings are the reader's own
            load_with(reader, directory)
    # Of a file that is no YAML nobody knows what it names.
    knows_names = main.exists() and read_file(main, Findings()) is not None
    files = sorted(each for each in directory.iterdir() if each.suffix in _SUFFIXES and each.is_file())
    for path in files:
        if path not in reader.read_paths:
            kind = _check_file(path, reader, named=False)
            if kind is FileKind.RULES and knows_names:
                message = (
                    "no entry of rule_files in prometheus.yml names this file: its rules are not evaluated"
                )
                reader.findings.add(Finding(Position(str(path), 1), message, is_warning=True))
    if not files:
        place = Position(str(directory), 1)
        reader.findings.add(Finding(place, "holds no .yml file; expected at least prometheus.yml"))


def _check_file(path: Path, reader: Reader, *, named: bool) -> FileKind | None:
    """One file alone, as the kind that its name and content tell; None where they tell nothing."""
    document = read_file(path, reader.findings)
    if document is None:
        reader.read_paths.add(path)
        return None
    kind = recognise(path.name, document.root)
    if kind is None:
        if named:
            message = "is no prometheus, rule, alertmanager, web or backbeat file; check its fields"
            reader.findings.add(Finding(Position(str(path), 1), message))
            reader.read_paths.add(path)
        return None
    check_as(kind, path, reader)
    return kind


def check_as(kind: FileKind, path: Path, reader: Reader) -> None:
    """Check a file of a known kind; what is wrong goes to the reader's findings."""
    match kind:
        case FileKind.PROMETHEUS:
            reader.prometheus(path)
        case FileKind.SCRAPE:
            reader.scrape_file(path)
        case FileKind.RULES:
            reader.rules(path)
        case FileKind.ALERTMANAGER:
            reader.alertmanager(path)
        case FileKind.BACKBEAT:
            reader.backbeat(path)
        case FileKind.WEB:
            reader.web(path)
        case FileKind.TARGETS:
            reader.target_file(path)
        case FileKind.RULE_TESTS:
            reader.rule_tests(path)


def _summary(files: int, findings: Findings) -> str:
    warnings = len(findings) - findings.error_count
    text = f"{_count(files, 'file')}, {_count(findings.error_count, 'finding')}"
    return text + (f", {_count(warnings, 'warning')}" if warnings else "")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
