"""`backbeat test`: runs files of rule tests, and says what differs.

Out: a line a test group, the differences of what failed, what no test reaches where that is asked for; exit
code 0 if everything passed, else 1.
"""

from __future__ import annotations

import logging
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from glob import glob
from pathlib import Path

from rich.console import Console
from rich.text import Text

from backbeat.cli.check import parsers
from backbeat.config.alertmanager import AlertmanagerConfig
from backbeat.config.findings import Finding, Findings, nearest_names
from backbeat.config.load import Reader
from backbeat.config.prometheus import RuleGroup
from backbeat.config.rule_tests import TestFile
from backbeat.model.errors import BackbeatError, WorldFailure
from backbeat.unit_tests import Coverage, Failure, GroupResult, run_file
from backbeat.web.params import parse_time


class WrongPattern(BackbeatError):
    """`--run` is no regular expression."""


def run_tests(
    paths: Sequence[Path], run: Sequence[str], junit: Path | None, *, shows_coverage: bool = False
) -> int:
    """Run each file. Raises BackbeatError for what is wrong with the command itself."""
    try:
        patterns = [re.compile(pattern) for pattern in run]
    except re.error as error:
        raise WrongPattern(f"--run: {error}; expected a regular expression for names of tests") from error
    console = Console(soft_wrap=True, highlight=False)
    suite = ElementTree.Element("testsuites")
    coverage = Coverage()
    failed = False
    for path in paths:
        console.print(f"[bold]{path}")
        with _quiet():
            results = _run_file(path, patterns, console, coverage)
        failed = failed or results is None or any(result.failures for result in results)
        _add_to(suite, path, results)
    if shows_coverage:
        _show_coverage(coverage, console)
    if junit is not None:
        try:
            ElementTree.ElementTree(suite).write(junit, "utf-8", xml_declaration=True)
        except OSError as error:
            raise WorldFailure(f"{junit}: {error}; choose another place with --junit") from error
    return 1 if failed else 0


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what a server would log of a rule that fails: it is in the result."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


def _run_file(
    path: Path, patterns: list[re.Pattern[str]], console: Console, coverage: Coverage
) -> list[GroupResult] | None:
    """The results; None where the file or one of the files that it names has mistakes."""
    reader = Reader(parsers())
    file = reader.rule_tests(path)
    groups = _rule_groups(file, reader, console) if file is not None else []
    alertmanager: AlertmanagerConfig | None = None
    if file is not None and file.alertmanager_config:
        alertmanager = reader.alertmanager(Path(file.alertmanager_config))
        if alertmanager is not None:
            _check_receivers(file, alertmanager, reader.findings)
    if _show_errors(reader.findings, console) or file is None:
        return None
    results = run_file(
        file,
        groups,
        parse_time,
        alertmanager=alertmanager,
        coverage=coverage,
        wanted=lambda name: not patterns or any(pattern.search(name) for pattern in patterns),
    )
    for result in results:
        _show(result, console)
    if not results:
        console.print("  no test to run")
    return results


def _rule_groups(file: TestFile, reader: Reader, console: Console) -> list[RuleGroup]:
    groups: list[RuleGroup] = []
    for pattern in file.rule_files:
        found = sorted(glob(pattern))
        if not found:
            console.print(f"  warning: {pattern} names no file", style="yellow", markup=False)
        for name in found:
            groups += reader.rules(Path(name)) or ()
    return groups


def _show_errors(findings: Findings, console: Console) -> int:
    """Returns how many there are."""
    for finding in findings:
        if not finding.is_warning:
            console.print(f"  {finding}", style="red", markup=False)
    return findings.error_count


def _check_receivers(file: TestFile, config: AlertmanagerConfig, findings: Findings) -> None:
    """A receiver that does not exist is told nothing, so a test of that would always hold."""
    known = [receiver.name for receiver in config.receivers]
    for test in (test for group in file.groups for test in group.notification_tests):
        expected = [(each.at, each.receiver) for each in test.notifications or ()]
        for at, name in [(test.at, test.receiver), *expected]:
            if name and name not in known:
                near = nearest_names(name, known)
                meant = " or ".join(repr(each) for each in near or known[:10])
                findings.add(Finding(at, f"{config.path} has no receiver {name!r}; did you mean {meant}?"))


def _show_coverage(coverage: Coverage, console: Console) -> None:
    console.print(f"reached: {coverage.summary()}")
    for line in coverage.missed():
        console.print(f"  not reached  {line}", style="yellow", markup=False)


def _show(result: GroupResult, console: Console) -> None:
    mark = Text("  failed  " if result.failures else "  passed  ", "red" if result.failures else "green")
    console.print(mark + Text(f"{result.group.name} ({result.took_s:.2f} s)"))
    for failure in result.failures:
        console.print(f"    {failure.at}: {failure.title}", markup=False)
        for text in failure.missing:
            console.print(_signed("-", text), style="red", markup=False)
        for text in failure.extra:
            console.print(_signed("+", text), style="green", markup=False)
        if failure.missing or failure.extra:
            console.print("      (- expected, + found)", style="dim")


def _signed(sign: str, text: str) -> str:
    return "\n".join(f"      {sign} {line}" for line in text.split("\n"))


def _add_to(suite: ElementTree.Element, path: Path, results: list[GroupResult] | None) -> None:
    """As JUnit's XML has it: a suite a file, a case a test group."""
    own = ElementTree.SubElement(suite, "testsuite", name=str(path))
    cases = results or []
    own.set("tests", str(len(cases)))
    own.set("failures", str(sum(bool(result.failures) for result in cases)))
    own.set("errors", "1" if results is None else "0")
    if results is None:
        ElementTree.SubElement(own, "error", message="the file, or a rule file of it, has mistakes")
    for result in cases:
        case = ElementTree.SubElement(own, "testcase", name=result.group.name, time=f"{result.took_s:.3f}")
        for failure in result.failures:
            ElementTree.SubElement(case, "failure", message=failure.title).text = _plain(failure)


def _plain(failure: Failure) -> str:
    lines = [
        *(_signed("-", text) for text in failure.missing),
        *(_signed("+", text) for text in failure.extra),
    ]
    return "\n".join([str(failure.at), *lines])
