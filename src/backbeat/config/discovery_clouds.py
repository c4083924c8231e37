"""Fields of the service discoveries that ask the API of a cloud or a platform."""

from __future__ import annotations

from backbeat.config.http_fields import HTTP_FIELDS, TLS_CONFIG, check_http
from backbeat.config.kinds import DURATION, FLAG, INTEGER, TEXT, URL, OneOf, texts
from backbeat.config.nodes import is_null
from backbeat.config.schema import Check, Kind, ListOf, Section, StructOf, all_of, quoted
from backbeat.config.secret_kinds import SECRET

_FILTERS = ListOf(StructOf("a filter", {"name": TEXT, "values": texts()}))
_COMMON: dict[str, Kind] = {"refresh_interval": DURATION, "port": INTEGER}
_AWS: dict[str, Kind] = {
    **HTTP_FIELDS,
    **_COMMON,
    **dict.fromkeys(("region", "endpoint", "access_key", "profile", "role_arn", "external_id"), TEXT),
    "secret_key": SECRET,
}
_CLUSTERS: dict[str, Kind] = {"clusters": texts(), "request_concurrency": INTEGER}


def _check_clusters(section: Section) -> None:
    check_http(section)
    name = "request_concurrency"
    if section.get(name, 1) <= 0 and not is_null(section.at(name)):
        section.error(name, f"{name} must be positive")


def _struct(what: str, fields: dict[str, Kind], check: Check | None = None, *, http: bool = True) -> StructOf:
    def both(section: Section) -> None:
        if http:
            check_http(section)
        if check is not None:
            check(section)

    return StructOf(what, {**(HTTP_FIELDS if http else {}), **_COMMON, **fields}, both)


def _needs(*names: str) -> Check:
    return lambda section: section.require(*names)


def _check_ec2(section: Section) -> None:
    for item in section.sections("filters"):
        if not item.has("values"):
            item.error("values", "EC2 SD configuration filter values cannot be empty")


def _check_aws(section: Section) -> None:
    if not section.has("role"):
        section.error("role", "is missing; expected one of ec2, ecs, elasticache, lightsail, msk, rds")


def _check_azure(section: Section) -> None:
    method = section.get("authentication_method", "OAuth")
    names = ["subscription_id"]
    if method == "OAuth":
        names += ["tenant_id", "client_id", "client_secret"]
    section.require(*names)
    methods = ("OAuth", "ManagedIdentity", "SDK", "WorkloadIdentity")
    if method not in methods and "authentication_method" not in section.broken:
        section.error(
            "authentication_method", f"found {quoted(method)}, expected one of {', '.join(methods)}"
        )


def _check_role(*roles: str) -> Check:
    def check(section: Section) -> None:
        if not section.has("role"):
            section.error("role", f"role missing (one of: {', '.join(roles)})")

    return check


def _check_openstack(section: Section) -> None:
    _check_role("instance", "hypervisor", "loadbalancer")(section)
    section.require("region")
    if not section.get("availability", "public"):
        section.error("availability", "found '', expected one of admin, internal, public")


def _check_oci(section: Section) -> None:
    section.require("region")
    keys = ("tenancy", "user", "fingerprint", "key_file", "key_passphrase", "key_passphrase_file")
    auth = section.get("auth", "api_key")
    if auth == "api_key":
        section.require(*keys[:4])
        section.at_most_one("key_passphrase", "key_passphrase_file")
    elif auth == "instance_principal":
        for name in keys:
            if section.has(name):
                section.error(name, f"instance_principal auth must not have {name} set")
    elif "auth" not in section.broken:
        section.error("auth", f"found {quoted(auth)}, expected one of api_key, instance_principal")
    if section.get("refresh_interval", 1) == 0:
        section.error("refresh_interval", "refresh_interval must be positive")


def _check_ovh(section: Section) -> None:
    section.require("application_key", "application_secret", "consumer_key", "service")
    if section.get("endpoint", "ovh-eu") == "":
        section.error("endpoint", "endpoint can not be empty")


def _check_puppet(section: Section) -> None:
    from backbeat.config.discovery_fields import check_http_url

    section.require("url", "query")
    check_http_url(section, "url")


def _check_scaleway(section: Section) -> None:
    _check_role("instance", "baremetal")(section)
    section.require("project_id", "access_key")
    section.exactly_one("secret_key", "secret_key_file")


def _check_outscale(section: Section) -> None:
    section.require("access_key")
    if section.get("region", "eu-west-2") == "":
        section.error("region", "outscale SD configuration requires a region")
    section.exactly_one("secret_key", "secret_key_file")


def _check_stackit(section: Section) -> None:
    if not section.has("endpoint") and section.get("region", "eu01") == "":
        section.error("", "stackit_sd: endpoint and region missing")


def _check_triton(section: Section) -> None:
    section.require("account", "dns_suffix", "endpoint")
    role = section.get("role", "container")
    if role not in ("container", "cn") and "role" not in section.broken:
        section.error("role", f"found {quoted(role)}, expected 'container' or 'cn'")
    if section.get("refresh_interval", 1) == 0:
        section.error("refresh_interval", "must be longer than 0")


CLOUDS: dict[str, StructOf] = {
    "aws_sd_configs": StructOf(
        "AWS discovery",
        {
            **_AWS,
            "filters": _FILTERS,
            "clusters": texts(),
            "role": OneOf(("ec2", "ecs", "elasticache", "lightsail", "msk", "rds"), what="an AWS SD role"),
        },
        _check_aws,
    ),
    "ec2_sd_configs": StructOf(
        "EC2 discovery",
        {**_AWS, "filters": _FILTERS},
        all_of(check_http, _check_ec2),
    ),
    "ecs_sd_configs": StructOf("ECS discovery", {**_AWS, **_CLUSTERS}, _check_clusters),
    "elasticache_sd_configs": StructOf("ElastiCache discovery", {**_AWS, **_CLUSTERS}, _check_clusters),
    "lightsail_sd_configs": StructOf("Lightsail discovery", _AWS, check_http),
    "msk_sd_configs": StructOf("MSK discovery", {**_AWS, **_CLUSTERS}, _check_clusters),
    "rds_sd_configs": StructOf("RDS discovery", {**_AWS, **_CLUSTERS, "filters": _FILTERS}, _check_clusters),
    "azure_sd_configs": _struct(
        "Azure discovery",
        {
            **dict.fromkeys(("environment", "subscription_id", "tenant_id", "client_id"), TEXT),
            **dict.fromkeys(("authentication_method", "resource_group"), TEXT),
            "client_secret": SECRET,
        },
        _check_azure,
    ),
    "digitalocean_sd_configs": _struct(
        "DigitalOcean discovery", {"role": OneOf(("droplets", "databases"), what="a role")}
    ),
    "gce_sd_configs": _struct(
        "GCE discovery",
        {"project": TEXT, "zone": TEXT, "filter": TEXT, "tag_separator": TEXT},
        _needs("project", "zone"),
        http=False,
    ),
    "hetzner_sd_configs": _struct(
        "Hetzner discovery",
        {"role": OneOf(("robot", "hcloud"), what="a role (unknown role otherwise)"), "label_selector": TEXT},
        _check_role("robot", "hcloud"),
    ),
    "ionos_sd_configs": _struct("IONOS discovery", {"datacenter_id": TEXT}, _needs("datacenter_id")),
    "linode_sd_configs": _struct("Linode discovery", {"tag_separator": TEXT, "region": TEXT}),
    "nomad_sd_configs": StructOf(
        "Nomad discovery",
        {
            **HTTP_FIELDS,
            **dict.fromkeys(("namespace", "region", "server", "tag_separator"), TEXT),
            "allow_stale": FLAG,
            "refresh_interval": DURATION,
        },
        check_http,
    ),
    "oci_sd_configs": _struct(
        "OCI discovery",
        {
            **dict.fromkeys(
                ("auth", "tenancy", "user", "fingerprint", "key_file", "key_passphrase_file"), TEXT
            ),
            "key_passphrase": SECRET,
            "region": TEXT,
            "compartments": texts(),
        },
        _check_oci,
    ),
    "openstack_sd_configs": _struct(
        "OpenStack discovery",
        {
            **dict.fromkeys(("identity_endpoint", "username", "userid", "project_name", "project_id"), TEXT),
            **dict.fromkeys(("domain_name", "domain_id", "region"), TEXT),
            **dict.fromkeys(("application_credential_name", "application_credential_id"), TEXT),
            "password": SECRET,
            "application_credential_secret": SECRET,
            "role": OneOf(("instance", "hypervisor", "loadbalancer"), what="an OpenStack SD role"),
            "all_tenants": FLAG,
            "tls_config": TLS_CONFIG,
            "availability": OneOf(("admin", "internal", "public"), what="an availability"),
        },
        _check_openstack,
        http=False,
    ),
    "outscale_sd_configs": _struct(
        "Outscale discovery",
        {"endpoint": TEXT, "region": TEXT, "access_key": TEXT, "secret_key": SECRET, "secret_key_file": TEXT},
        _check_outscale,
    ),
    "ovhcloud_sd_configs": StructOf(
        "OVHcloud discovery",
        {
            "endpoint": TEXT,
            "application_key": TEXT,
            "application_secret": SECRET,
            "consumer_key": SECRET,
            "refresh_interval": DURATION,
            "service": OneOf(("dedicated_server", "vps"), what="a service"),
        },
        _check_ovh,
    ),
    "puppetdb_sd_configs": _struct(
        "PuppetDB discovery", {"url": URL, "query": TEXT, "include_parameters": FLAG}, _check_puppet
    ),
    "scaleway_sd_configs": _struct(
        "Scaleway discovery",
        {
            **dict.fromkeys(
                ("project_id", "api_url", "zone", "access_key", "secret_key_file", "name_filter"), TEXT
            ),
            "secret_key": SECRET,
            "tags_filter": texts(),
            "role": OneOf(("instance", "baremetal"), what="a role"),
        },
        _check_scaleway,
    ),
    "stackit_sd_configs": _struct(
        "STACKIT discovery",
        {
            **dict.fromkeys(("project", "region", "service_account_key_path", "private_key_path"), TEXT),
            "endpoint": URL,
            "credentials_file_path": TEXT,
            "service_account_key": SECRET,
            "private_key": SECRET,
        },
        _check_stackit,
    ),
    "triton_sd_configs": _struct(
        "Triton discovery",
        {
            **dict.fromkeys(("account", "role", "dns_suffix", "endpoint"), TEXT),
            "groups": texts(),
            "tls_config": TLS_CONFIG,
            "version": INTEGER,
        },
        _check_triton,
        http=False,
    ),
    "uyuni_sd_configs": StructOf(
        "Uyuni discovery",
        {
            **HTTP_FIELDS,
            **dict.fromkeys(("username", "entitlement", "separator"), TEXT),
            "server": URL,
            "password": SECRET,
            "refresh_interval": DURATION,
        },
        all_of(check_http, _needs("server", "username", "password")),
    ),
    "vultr_sd_configs": _struct("Vultr discovery", {}),
}
