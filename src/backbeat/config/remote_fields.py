"""Fields of remote_write and remote_read, with the ways to log in at a cloud's endpoint."""

from __future__ import annotations

import re

from backbeat.config.http_fields import HTTP_FIELDS, check_http
from backbeat.config.kinds import COUNT, DURATION, FLAG, INTEGER, TEXT, URL, OneOf, label_set
from backbeat.config.relabel_fields import relabel_list
from backbeat.config.schema import Kind, MapOf, Section, StructOf, quoted
from backbeat.config.secret_kinds import SECRET

_RESERVED_HEADERS = frozenset(
    (
        *("host", "content-encoding", "content-length", "content-type", "user-agent"),
        *("connection", "keep-alive", "proxy-authenticate", "proxy-authorization"),
        *("www-authenticate", "accept-encoding", "x-prometheus-remote-write-version"),
        *("x-prometheus-remote-read-version", "x-amz-date", "x-amz-security-token"),
        *("x-amz-content-sha256",),
    )
)
_UUID = re.compile(r"(?:urn:uuid:)?\{?[0-9a-fA-F]{8}-?(?:[0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}\}?")

_SESSION_NAME = re.compile(r"[\w+=,.@-]{2,64}", re.ASCII)


def _check_sigv4(section: Section) -> None:
    if section.has("access_key") != section.has("secret_key"):
        section.error("", "must provide a AWS SigV4 Access key and Secret Key if credentials are specified")
    if section.has("external_id") and not section.has("role_arn"):
        section.error("external_id", "external_id can only be used with role_arn")
    for name in ("session_name", "tags"):
        if section.has(name) and not section.has("role_arn"):
            section.error(name, f"{name} can only be used with role_arn")
    session = section.get("session_name", "")
    if session and not _SESSION_NAME.fullmatch(session):
        section.error(
            "session_name",
            f"found {quoted(session)}, expected 2 to 64 letters, digits and characters of _+=,.@-",
        )
    for key, value in section.get("tags") or ():
        if not key:
            section.error("tags", "a tag's key must not be empty")
        elif len(key.encode()) > 128:
            section.error("tags", f"the tag {quoted(key)} is longer than 128 bytes")
        elif len(value.encode()) > 256:
            section.error("tags", f"the value of the tag {quoted(key)} is longer than 256 bytes")


SIGV4 = StructOf(
    "sigv4",
    {
        **dict.fromkeys(("region", "access_key", "profile", "role_arn", "external_id", "service_name"), TEXT),
        "session_name": TEXT,
        "tags": MapOf(TEXT, what="a mapping of tags to values"),
        "secret_key": SECRET,
        "use_fips_sts_endpoint": FLAG,
    },
    _check_sigv4,
)


def check_headers(section: Section, allowed_by: str) -> None:
    """No header that the protocol itself sets."""
    for name, _ in section.get("headers") or ():
        path = f"{section.field('headers')}.{name}"
        if name.lower() == "authorization":
            section.reading.error(section.at("headers"), path, f"authorization header {allowed_by}")
        elif name.lower() in _RESERVED_HEADERS:
            section.reading.error(
                section.at("headers"), path, f"{name} is a reserved header. It must not be changed"
            )


_AUTH_FIELDS = "basic_auth, authorization, oauth2, sigv4, azuread or google_iam"


def _check_queue(section: Section) -> None:
    defaults = {"max_shards": 50, "min_shards": 1, "max_samples_per_send": 2000, "capacity": 10_000}
    for name, default in defaults.items():
        if section.get(name, default) <= 0:
            section.error(name, f"remote write queue {name} must be positive")
    if section.get("min_shards", 1) > section.get("max_shards", 50) > 0:
        section.error("min_shards", "remote write queue min_shards must not be greater than max_shards")
    if section.get("max_backoff", 5000) < section.get("min_backoff", 30):
        section.error("max_backoff", "remote write queue max_backoff must not be less than min_backoff")


def _check_remote_write(section: Section) -> None:
    if not section.has("url"):
        section.error("url", "url for remote_write is empty")
    check_headers(section, f"must be changed via the {_AUTH_FIELDS} parameter")
    check_http(section)
    others = [name for name in ("sigv4", "azuread", "google_iam") if section.get(name) is not None]
    given = [
        name for name in ("basic_auth", "authorization", "oauth2") if section.get(name) is not None
    ] + others
    if others and len(given) > 1:
        section.error(given[1], f"found {' and '.join(given)}, expected at most one of {_AUTH_FIELDS}")


def _check_azure(section: Section) -> None:
    ways = ("managed_identity", "workload_identity", "oauth", "sdk", "certificate")
    given = [name for name in ways if section.get(name) is not None or name in section.broken]
    if not given:
        section.error("", f"is without a way to log in; expected one of {', '.join(ways)}")
    elif len(given) > 1:
        section.error(
            given[1], f"cannot provide multiple authentication methods: found {' and '.join(given)}"
        )
    if not re.fullmatch(r"[\w\s:/.\-]*", section.get("scope", "")):
        section.error("scope", "the provided scope contains invalid characters")


def _azure_way(
    what: str, required: tuple[str, ...], uuids: tuple[str, ...], fields: dict[str, Kind]
) -> StructOf:
    def check(section: Section) -> None:
        section.require(*required)
        for name in uuids:
            text = section.get(name, "")
            if text and not _UUID.fullmatch(text):
                section.error(name, f"found {quoted(text)}, expected a UUID")

    return StructOf(what, fields, check)


AZURE = StructOf(
    "azuread",
    {
        "cloud": OneOf(("", "AzurePublic", "AzureGovernment", "AzureChina"), what="a cloud"),
        "scope": TEXT,
        "managed_identity": _azure_way("managed_identity", (), ("client_id",), {"client_id": TEXT}),
        "workload_identity": _azure_way(
            "workload_identity",
            ("client_id", "tenant_id"),
            ("client_id", "tenant_id"),
            {"client_id": TEXT, "tenant_id": TEXT, "token_file_path": TEXT},
        ),
        "oauth": _azure_way(
            "oauth",
            ("client_id", "client_secret", "tenant_id"),
            ("client_id",),
            {"client_id": TEXT, "client_secret": SECRET, "tenant_id": TEXT},
        ),
        "sdk": _azure_way("sdk", (), (), {"tenant_id": TEXT}),
        "certificate": _azure_way(
            "certificate",
            ("client_id", "tenant_id", "certificate_path"),
            ("client_id",),
            {
                **dict.fromkeys(("client_id", "tenant_id", "certificate_path", "certificate_key_path"), TEXT),
                "certificate_password": SECRET,
                "send_certificate_chain": FLAG,
            },
        ),
    },
    _check_azure,
)

_REMOTE: dict[str, Kind] = {
    **HTTP_FIELDS,
    "url": URL,
    "remote_timeout": DURATION,
    "headers": MapOf(TEXT),
    "name": TEXT,
}
REMOTE_WRITE = StructOf(
    "a remote_write config",
    {
        **_REMOTE,
        "write_relabel_configs": relabel_list("relabeling rule in remote write config"),
        **dict.fromkeys(
            (
                *("send_exemplars", "send_native_histograms", "round_robin_dns", "failed_request_logging"),
                "convert_nhcb_to_classic",
            ),
            FLAG,
        ),
        "protobuf_message": OneOf(
            ("prometheus.WriteRequest", "io.prometheus.write.v2.Request"),
            what="invalid protobuf_message value",
        ),
        "queue_config": StructOf(
            "queue_config",
            {
                **dict.fromkeys(("capacity", "max_shards", "min_shards", "max_samples_per_send"), INTEGER),
                **dict.fromkeys(
                    ("batch_send_deadline", "min_backoff", "max_backoff", "sample_age_limit"), DURATION
                ),
                "retry_on_http_429": FLAG,
            },
            _check_queue,
        ),
        "metadata_config": StructOf(
            "metadata_config", {"send": FLAG, "send_interval": DURATION, "max_samples_per_send": INTEGER}
        ),
        "sigv4": SIGV4,
        "azuread": AZURE,
        "google_iam": StructOf("google_iam", {"credentials_file": TEXT}),
    },
    _check_remote_write,
)


def _check_remote_read(section: Section) -> None:
    if not section.has("url"):
        section.error("url", "url for remote_read is empty")
    check_headers(section, f"must be changed via the {_AUTH_FIELDS} parameter")
    check_http(section)


REMOTE_READ = StructOf(
    "a remote_read config",
    {
        **_REMOTE,
        "chunked_read_limit": COUNT,
        "read_recent": FLAG,
        "required_matchers": label_set(),
        "filter_external_labels": FLAG,
    },
    _check_remote_read,
)
