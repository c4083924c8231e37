"""The files of a configuration directory to one typed value, or all of their mistakes at once.

In:  a directory with prometheus.yml and, beside it, whatever of alertmanager.yml, backbeat.yml and web.yml
     there is; rule files and scrape config files by the globs of prometheus.yml.
Out: `Config`, or `ConfigErrors`. Nothing is half-loaded.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from glob import glob
from pathlib import Path

from msgspec import Struct, field
from msgspec.structs import replace

from backbeat.config import nodes
from backbeat.config.alertmanager import AlertmanagerConfig
from backbeat.config.alertmanager_fields import ALERTMANAGER
from backbeat.config.alertmanager_rules import alertmanager_config, check_alertmanager, template_files
from backbeat.config.backbeat import BackbeatConfig, Config
from backbeat.config.backbeat_fields import BACKBEAT, backbeat_config
from backbeat.config.discovery_fields import TARGET_GROUP
from backbeat.config.findings import ConfigErrors, Finding, Findings
from backbeat.config.masking import masked
from backbeat.config.prometheus import PrometheusConfig, Rule, RuleGroup
from backbeat.config.prometheus_fields import PROMETHEUS, SCRAPE_FILE
from backbeat.config.prometheus_rules import check_prometheus, check_scrapes, defaults_of, prometheus_config
from backbeat.config.rule_files import RULE_FILE, check_rule_file, rule_groups
from backbeat.config.rule_tests import TEST_FILE, TestFile, check_rule_tests, rule_tests
from backbeat.config.schema import ListOf, Reading, Section, StructOf, quoted
from backbeat.config.variables import fill_variables
from backbeat.config.web import WebConfig
from backbeat.config.web_fields import WEB, web_config
from backbeat.config.yaml_reader import Document, read_file
from backbeat.model.errors import BackbeatError, Position

Parse = Callable[[str], object]
"""Raises a BackbeatError, whose message begins with line:column where it knows them."""


class Parsers(Struct, frozen=True):
    """The languages inside of the files, which live in rooms above. None: their texts are not checked.

    expr:             PromQL of rules
    rule_template:    labels and annotations of alerting rules
    message_template: texts of notifications
    lint_rule:        remarks on a rule that is valid
    """

    expr: Parse | None = None
    rule_template: Parse | None = None
    message_template: Parse | None = None
    lint_rule: Callable[[Rule], Iterable[str]] | None = None


class Reader(Struct):
    """Reads files of every kind; what is wrong goes to `findings`. Used once: it remembers what it read."""

    parsers: Parsers = field(default_factory=Parsers)
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    findings: Findings = field(default_factory=Findings)
    read_paths: set[Path] = field(default_factory=set)
    is_to_run: bool = False
    """whether what is read is to be used here and now: the files that it names must be there"""

    def prometheus(self, path: Path) -> PrometheusConfig | None:
        """prometheus.yml with all files that it names; None where any of them has a mistake."""
        errors = self.findings.error_count
        opened = self._open(path, PROMETHEUS)
        if opened is None:
            return None
        section, document = opened
        check_prometheus(section)
        files = self._scrape_files(section)
        groups = self._rule_files(section)
        if self.findings.error_count > errors:
            return None
        return prometheus_config(section, files, groups, masked(document, section.reading.secrets))

    def _scrape_files(self, main: Section) -> list[Section]:
        taken = main.sections("scrape_configs")
        found: list[Section] = []
        for path in self._named_files(main, "scrape_config_files", unique=False):
            opened = self._open(path, SCRAPE_FILE)
            if opened is not None:
                section = opened[0]
                check_scrapes(section.sections("scrape_configs"), defaults_of(main), taken)
                taken = [*taken, *section.sections("scrape_configs")]
                found.append(section)
        return found

    def _rule_files(self, main: Section) -> tuple[RuleGroup, ...]:
        legacy = defaults_of(main).legacy
        groups: list[RuleGroup] = []
        for path in self._named_files(main, "rule_files", unique=True):
            groups += self.rules(path, legacy=legacy) or ()
        return tuple(groups)

    def _named_files(self, main: Section, name: str, *, unique: bool) -> list[Path]:
        """The files that the patterns of a field name, in their order; `unique`: each once."""
        found: list[Path] = []
        missing: list[int] = []
        patterns = main.get(name) or ()
        for index, pattern in enumerate(patterns):
            paths = [Path(each) for each in sorted(glob(main.reading.join(pattern)))]
            if not paths:
                missing.append(index)
            found += (each for each in paths if not (unique and each in found))
        places = main.item_nodes(name)
        for index in missing:
            # Like Prometheus, go on without a file that is not there; but not without any list of jobs.
            literal = not any(character in patterns[index] for character in "*?[")
            report = main.reading.error if literal and not unique and not found else main.reading.warn
            report(places[index], f"{main.field(name)}[{index}]", f"{quoted(patterns[index])} names no file")
        return found

    def rules(self, path: Path, *, legacy: bool = False) -> tuple[RuleGroup, ...] | None:
        """The groups of a rule file; None where it has a mistake."""
        errors = self.findings.error_count
        opened = self._open(path, RULE_FILE)
        if opened is None:
            return None
        check_rule_file(opened[0], legacy=legacy)
        if self.findings.error_count > errors:
            return None
        groups = rule_groups(opened[0])
        self._lint(groups)
        return groups

    def _lint(self, groups: Iterable[RuleGroup]) -> None:
        look = self.parsers.lint_rule
        if look is not None:
            for rule in (rule for group in groups for rule in group.rules):
                for remark in look(rule):
                    self.findings.add(Finding(rule.expr_at, remark, is_warning=True))

    def alertmanager(self, path: Path) -> AlertmanagerConfig | None:
        """alertmanager.yml; None where it, or a template file of it, has a mistake."""
        errors = self.findings.error_count
        opened = self._open(path, ALERTMANAGER, self.parsers.message_template)
        if opened is None:
            return None
        section, document = opened
        check_alertmanager(section)
        self._template_files(section)
        if self.findings.error_count > errors:
            return None
        config = alertmanager_config(section, "")
        if self.findings.error_count > errors:
            return None
        for node, text in section.reading.written:
            node.text = text
        return replace(config, text=masked(document, section.reading.secrets))

    def _template_files(self, section: Section) -> None:
        places = section.item_nodes("templates")

        def missing(index: int) -> None:
            pattern = section.get("templates")[index]
            section.reading.warn(places[index], f"templates[{index}]", f"{quoted(pattern)} names no file")

        for name in template_files(section, missing):
            try:
                text = Path(name).read_text(encoding="utf-8")
                if self.parsers.message_template is not None:
                    self.parsers.message_template(text)
            except (OSError, UnicodeDecodeError) as error:
                self.findings.add(Finding(Position(name, 1), f"cannot be read: {error}"))
            except BackbeatError as error:
                line, column = getattr(error, "line", 1), getattr(error, "column", 1)
                self.findings.add(
                    Finding(Position(name, line, column), f"the template cannot be parsed: {error}")
                )

    def backbeat(self, path: Path) -> BackbeatConfig | None:
        errors = self.findings.error_count
        opened = self._open(path, BACKBEAT)
        if opened is None or self.findings.error_count > errors:
            return None
        return backbeat_config(opened[0])

    def web(self, path: Path) -> WebConfig | None:
        errors = self.findings.error_count
        opened = self._open(path, WEB)
        if opened is None or self.findings.error_count > errors:
            return None
        return web_config(opened[0])

    def target_file(self, path: Path) -> None:
        """A list of target groups, as file_sd_configs name them."""
        self.read_paths.add(path)
        document = read_file(path, self.findings)
        if document is not None and document.root is not None:
            ListOf(TARGET_GROUP).read(document.root, "", self._reading(path, document))

    def rule_tests(self, path: Path) -> TestFile | None:
        """A file of rule tests; None where it has a mistake."""
        errors = self.findings.error_count
        opened = self._open(path, TEST_FILE)
        if opened is None:
            return None
        check_rule_tests(opened[0])
        return rule_tests(opened[0]) if self.findings.error_count == errors else None

    def scrape_file(self, path: Path) -> None:
        """A scrape config file alone, without the defaults of a main file."""
        opened = self._open(path, SCRAPE_FILE)
        if opened is not None:
            check_scrapes(opened[0].sections("scrape_configs"), defaults_of(opened[0]))

    def _open(
        self, path: Path, struct: StructOf, template: Parse | None = None
    ) -> tuple[Section, Document] | None:
        self.read_paths.add(path)
        document = read_file(path, self.findings)
        if document is None:
            return None
        reading = self._reading(path, document, template)
        root = document.root
        if root is None or nodes.is_null(root):
            root = nodes.Mapping(1, 1, 0, 0)
        if struct is ALERTMANAGER:
            fill_variables(root, reading, struct)
            reading.is_filled = True
            reading.files_must_exist = self.is_to_run
        section = struct.read(root, "", reading)
        return (section, document) if isinstance(section, Section) else None

    def _reading(self, path: Path, document: Document, template: Parse | None = None) -> Reading:
        return Reading(
            path=str(path),
            directory=path.parent,
            findings=self.findings,
            environment=self.environment,
            text=document.text,
            parse_expr=self.parsers.expr,
            parse_template=template or self.parsers.rule_template,
        )


def load_config(
    directory: Path,
    parse_expr: Parse | None = None,
    parse_template: Parse | None = None,
    parse_message_template: Parse | None = None,
    *,
    environment: Mapping[str, str] | None = None,
    is_to_run: bool = False,
) -> Config:
    """Read a configuration directory. Raises ConfigErrors, which holds every finding of every file.

    parse_expr, parse_template: check PromQL, and templates of rules; they raise a BackbeatError
    parse_message_template:     checks templates of notifications
    environment:                instead of the process's own variables
    is_to_run:                  whether the files of secrets must be there
    """
    reader = Reader(
        Parsers(parse_expr, parse_template, parse_message_template),
        dict(os.environ) if environment is None else environment,
        is_to_run=is_to_run,
    )
    return load_with(reader, directory)


def load_with(reader: Reader, directory: Path) -> Config:
    """Read a configuration directory with a reader of the caller's. Raises ConfigErrors."""
    if not directory.is_dir():
        kind = "is not a directory" if directory.exists() else "does not exist"
        raise ConfigErrors(
            [Finding(Position(str(directory), 1), f"{kind}; expected one with prometheus.yml in it")]
        )
    prometheus = reader.prometheus(directory / "prometheus.yml")
    alertmanager = backbeat = web = None
    if (path := directory / "alertmanager.yml").exists():
        alertmanager = reader.alertmanager(path)
    if (path := directory / "backbeat.yml").exists():
        backbeat = reader.backbeat(path)
    if (path := directory / "web.yml").exists():
        web = reader.web(path)
    reader.findings.raise_errors()
    assert prometheus is not None
    return Config(
        directory=str(directory),
        prometheus=prometheus,
        alertmanager=alertmanager,
        backbeat=backbeat or BackbeatConfig(),
        web=web,
        warnings=reader.findings.warnings,
    )
