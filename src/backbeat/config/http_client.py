"""Settings of an outgoing HTTP connection, shared by scrapes, notifications and everything that is sent."""

from __future__ import annotations

from msgspec import Struct, field

from backbeat.config.secret import Secret


class SecretSource(Struct, frozen=True):
    """A secret given inline or in a file; the file is read at every use, so rotation needs no reload."""

    value: Secret | None = None
    file: str = ""

    def __bool__(self) -> bool:
        return bool(self.value) or bool(self.file)

    def read(self) -> str:
        """The secret's text; trailing newlines of a file are cut. Raises OSError where the file is gone."""
        if self.file:
            with open(self.file, encoding="utf-8") as opened:
                return opened.read().strip()
        return self.value.reveal() if self.value else ""


NO_SECRET = SecretSource()


class TLS(Struct, frozen=True):
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    server_name: str = ""
    insecure_skip_verify: bool = False
    min_version: str = ""
    max_version: str = ""
    ca: str = ""
    """PEM text, instead of the file"""
    cert: str = ""
    key: Secret | None = None


SecretHeaders = tuple[tuple[str, SecretSource], ...]


class OAuth2(Struct, frozen=True):
    """Where a bearer token comes from: the client credentials grant."""

    client_id: str
    token_url: str
    client_secret: SecretSource = NO_SECRET
    scopes: tuple[str, ...] = ()
    endpoint_params: tuple[tuple[str, str], ...] = ()
    tls: TLS = field(default_factory=TLS)
    proxy_url: str = ""
    no_proxy: str = ""
    proxy_from_environment: bool = False
    proxy_headers: SecretHeaders = ()


class HTTPClient(Struct, frozen=True):
    """How to reach a peer: who we are, whom we trust, through what."""

    username: str = ""
    password: SecretSource = NO_SECRET
    authorization_type: str = "Bearer"
    authorization: SecretSource = NO_SECRET
    headers: tuple[tuple[str, str], ...] = ()
    tls: TLS = field(default_factory=TLS)
    proxy_url: str = ""
    follow_redirects: bool = True
    username_file: str = ""
    secret_headers: SecretHeaders = ()
    """headers whose values nobody may see, beside `headers`"""
    no_proxy: str = ""
    """hosts that are reached without the proxy, separated by commas"""
    proxy_from_environment: bool = False
    proxy_headers: SecretHeaders = ()
    """what a proxy is told when it is asked for a connection"""
    oauth2: OAuth2 | None = None
