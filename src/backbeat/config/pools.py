"""A scrape config as it is in force: with what it takes from `global` and by default, secrets masked.

In:  the typed value of one scrape config, and its section in the file. Out: YAML, in Prometheus's order.
"""

from __future__ import annotations

from backbeat.config.masking import masked
from backbeat.config.nodes import Mapping, Node, Scalar, Sequence
from backbeat.config.prometheus import ScrapeConfig
from backbeat.config.schema import Section
from backbeat.config.yaml_reader import Document
from backbeat.model.durations import format_duration

_COUNTS = (
    "sample_limit",
    "target_limit",
    "label_limit",
    "label_name_length_limit",
    "label_value_length_limit",
)
_AS_WRITTEN = ("job_name", "body_size_limit", *_COUNTS)


def pool_text(scrape: ScrapeConfig, section: Section | None = None) -> str:
    """section: None where no file has the scrape config."""
    written = {} if section is None else {name: value for name, (_, value) in section.keys.items()}
    shown = _in_force(scrape)
    shown |= {name: value for name, value in written.items() if name in _AS_WRITTEN or name not in shown}
    entries = [(_scalar(name), value) for name, value in shown.items()]
    root = Mapping(0, 0, 0, 0, entries)
    return masked(Document("", "", root), set() if section is None else section.reading.secrets)


def _in_force(scrape: ScrapeConfig) -> dict[str, Node]:
    found: dict[str, Node] = {
        "job_name": _scalar(scrape.job_name),
        "honor_timestamps": _flag(scrape.honor_timestamps),
        "track_timestamps_staleness": _flag(scrape.track_timestamps_staleness),
        "scrape_interval": _scalar(format_duration(scrape.scrape_interval_ms)),
        "scrape_timeout": _scalar(format_duration(scrape.scrape_timeout_ms)),
    }
    if scrape.scrape_protocols:
        found["scrape_protocols"] = Sequence(0, 0, 0, 0, [_scalar(each) for each in scrape.scrape_protocols])
    if not scrape.host_collector:
        found["metrics_path"] = _scalar(scrape.metrics_path)
        found["scheme"] = _scalar(scrape.scheme)
        found["enable_compression"] = _flag(scrape.enable_compression)
        found["follow_redirects"] = _flag(scrape.http.follow_redirects)
    if scrape.body_size_limit:
        found["body_size_limit"] = _scalar(f"{scrape.body_size_limit}B")
    found |= {name: _scalar(str(getattr(scrape, name))) for name in _COUNTS if getattr(scrape, name)}
    return found


def _flag(value: bool) -> Scalar:
    return _scalar(str(value).lower())


def _scalar(text: str) -> Scalar:
    return Scalar(0, 0, 0, 0, text)
