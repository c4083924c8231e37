"""Requests by the operator's settings, against real servers on loopback."""

import asyncio
import base64
import os
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from aiohttp import web
from yarl import URL

from backbeat.config.http_client import TLS, HTTPClient, OAuth2, SecretSource
from backbeat.config.secret import Secret
from backbeat.httpclient import (
    CertificateError,
    Client,
    ExchangeError,
    RedirectError,
    Session,
    TokenError,
    tls_context,
)
from backbeat.httpclient.oauth2 import TokenSource
from backbeat.httpclient.proxy import proxy_for

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Peer:
    """A server that keeps what it was asked: (method, path, body, headers)."""

    def __init__(self) -> None:
        self.got: list[tuple[str, str, str, dict[str, str]]] = []
        self.url = ""
        self.answer: Answer = self.fine

    async def fine(self, _: web.Request) -> web.Response:
        return web.Response(text="fine")

    async def take(self, request: web.Request) -> web.StreamResponse:
        headers = {name: ",".join(request.headers.getall(name)) for name in request.headers}
        self.got.append((request.method, request.path_qs, await request.text(), headers))
        return await self.answer(request)


async def open_peer(context: ssl.SSLContext | None = None) -> tuple[Peer, web.AppRunner]:
    peer = Peer()
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", peer.take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    peer.url = f"http{'s' if context else ''}://127.0.0.1:{runner.addresses[0][1]}"
    return peer, runner


@pytest.fixture
async def peer() -> AsyncIterator[Peer]:
    opened, runner = await open_peer()
    yield opened
    await runner.cleanup()


@pytest.fixture
async def other() -> AsyncIterator[Peer]:
    opened, runner = await open_peer()
    yield opened
    await runner.cleanup()


@pytest.fixture
async def session() -> AsyncIterator[Session]:
    async with Session() as opened:
        yield opened


def secret(text: str) -> SecretSource:
    return SecretSource(Secret(text))


async def ask(session: Session, http: HTTPClient, url: str, method: str = "POST", **more: object) -> int:
    async with Client(session, http).request(
        method, URL(url), {"X-Ours": "1"}, data=b"body" if method == "POST" else None, **more
    ) as response:
        await response.read(1 << 20)
        return response.status


async def test_every_way_to_log_in(session: Session, peer: Peer, tmp_path: Path) -> None:
    name = tmp_path / "name"
    name.write_text("ann\n")
    for http in (
        HTTPClient(username="ann", password=secret("pw")),
        HTTPClient(username_file=str(name), password=secret("pw")),
        HTTPClient(authorization=secret("tok"), authorization_type="Token"),
        HTTPClient(
            headers=(("X-A", "1"), ("X-A", "2")), secret_headers=(("X-B", secret("s")), ("X-B", secret("t")))
        ),
    ):
        assert await ask(session, http, peer.url) == 200
    basic = "Basic " + base64.b64encode(b"ann:pw").decode()
    told = [headers for *_, headers in peer.got]
    assert [each.get("Authorization") for each in told] == [basic, basic, "Token tok", None]
    assert (told[3]["X-A"], told[3]["X-B"], told[3]["X-Ours"]) == ("1,2", "s,t", "1")


async def test_a_channels_own_credentials_win(session: Session, peer: Peer) -> None:
    http = HTTPClient(authorization=secret("tok"))
    await ask(session, http, peer.url, credentials={"Authorization": "GenieKey k"})
    assert peer.got[0][3]["Authorization"] == "GenieKey k"


@pytest.mark.parametrize(
    ("method", "status", "then"),
    [
        pytest.param("GET", 301, ("GET", ""), id="a question is asked again"),
        pytest.param("POST", 307, ("POST", "body"), id="kept by 307"),
        pytest.param("POST", 308, ("POST", "body"), id="kept by 308"),
        pytest.param("POST", 302, ("GET", ""), id="a result elsewhere"),
        pytest.param("POST", 303, ("GET", ""), id="see other"),
    ],
)
async def test_redirects(
    session: Session,
    peer: Peer,
    other: Peer,
    method: str,
    status: int,
    then: tuple[str, str],
) -> None:
    async def away(request: web.Request) -> web.Response:
        target = "/next" if request.path == "/" else f"{other.url}/there"
        return web.Response(status=status, headers={"Location": target})

    peer.answer = away
    http = HTTPClient(authorization=secret("tok"), headers=(("X-Key", "k"),))
    assert await ask(session, http, peer.url, method, credentials={"X-Token": "t"}) == 200
    assert [each[:3] for each in peer.got[1:] + other.got] == [
        (then[0], "/next", then[1]),
        (then[0], "/there", then[1]),
    ]
    assert peer.got[1][3]["Authorization"] == "Bearer tok"
    assert other.got[0][3]["X-Ours"] == "1"
    assert not {"Authorization", "X-Key", "X-Token"} & other.got[0][3].keys()


async def test_redirects_that_are_not_followed(session: Session, peer: Peer) -> None:
    location, status = "/", 307

    async def away(_: web.Request) -> web.Response:
        return web.Response(status=status, headers={"Location": location} if location else {})

    peer.answer = away
    with pytest.raises(RedirectError, match="stopped after 10"):
        await ask(session, HTTPClient(), peer.url)
    assert len(peer.got) == 11
    assert await ask(session, HTTPClient(follow_redirects=False), peer.url) == 307
    status = 301
    with pytest.raises(RedirectError, match="moved for good"):
        await ask(session, HTTPClient(), peer.url)
    status, location = 302, "gopher://127.0.0.1/"
    with pytest.raises(RedirectError, match="gopher"):
        await ask(session, HTTPClient(), peer.url)
    location = ""
    with pytest.raises(RedirectError, match="without a Location"):
        await ask(session, HTTPClient(), peer.url)


async def test_a_proxy_is_told_its_own_headers(
    session: Session, peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    http = HTTPClient(proxy_url=peer.url, proxy_headers=(("X-Proxy", secret("p")),))
    assert await ask(session, http, "http://far.example/x") == 200
    assert peer.got[0][3]["Host"] == "far.example"
    monkeypatch.setenv("HTTP_PROXY", peer.url)
    assert await ask(session, HTTPClient(proxy_from_environment=True), "http://far.example/y") == 200
    assert [each[1] for each in peer.got] == ["/x", "/y"]


async def test_a_tunnel_is_asked_for_with_the_proxys_headers(session: Session) -> None:
    heard = asyncio.get_running_loop().create_future()

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.set_result(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        proxy = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        http = HTTPClient(
            proxy_url=proxy, proxy_headers=(("X-Proxy", secret("p")),), authorization=secret("tok")
        )
        with pytest.raises(ExchangeError, match=r"refused the tunnel: HTTP status 403 Forbidden$"):
            await ask(session, http, "https://far.example/x")
        told = (await heard).decode()
    assert told.startswith("CONNECT far.example:443")
    assert "X-Proxy: p" in told
    assert "tok" not in told


PROXY = "http://proxy.example:3128"


@pytest.mark.parametrize(
    ("url", "no_proxy", "is_direct"),
    [
        pytest.param("http://a.example/", "", False, id="no exception"),
        pytest.param("http://localhost/", "", False, id="alone, proxy_url is for every host"),
        pytest.param("http://localhost/", "x.example", True, id="localhost, once there are exceptions"),
        pytest.param("http://127.0.0.1/", "x.example", True, id="loopback"),
        pytest.param("http://a.example/", "a.example", True, id="the host"),
        pytest.param("http://b.a.example/", "A.example", True, id="a host below it"),
        pytest.param("http://ba.example/", "a.example", False, id="no host below it"),
        pytest.param("http://a.example/", ".a.example", False, id="a dot leaves the domain itself out"),
        pytest.param("http://b.a.example/", "*.a.example", True, id="a star and a dot"),
        pytest.param("http://a.example:81/", "a.example:80", False, id="another port"),
        pytest.param("http://a.example/", "x, a.example:80", True, id="the port"),
        pytest.param("http://10.1.2.3/", "10.0.0.0/8", True, id="a network"),
        pytest.param("http://10.1.2.3/", "10.1.2.4,10.1.2.3", True, id="an address"),
        pytest.param("http://[fd00::1]:90/", "[fd00::1]:90", True, id="an address with a port"),
        pytest.param("http://a.example/", "*", True, id="all"),
        pytest.param("http://a.example/", "a/b,:80,", False, id="nonsense"),
    ],
)
def test_no_proxy(url: str, no_proxy: str, is_direct: bool) -> None:
    http = HTTPClient(proxy_url=PROXY, no_proxy=no_proxy)
    assert proxy_for(URL(url), http, {}) == (None if is_direct else PROXY)


def test_the_environments_proxy() -> None:
    settings = HTTPClient(proxy_from_environment=True)
    environment = {"HTTP_PROXY": "one:1", "https_proxy": "http://two:2", "NO_PROXY": "direct.example"}

    def proxy(url: str) -> str | None:
        return proxy_for(URL(url), settings, environment)

    assert proxy("http://far.example/") == "http://one:1"
    assert proxy("https://far.example/") == "http://two:2"
    assert proxy("https://direct.example/") is None
    assert proxy("http://127.0.0.1/") is None
    assert proxy_for(URL("http://far.example/"), HTTPClient(), environment) is None


class Tokens:
    """An authorization server's answers, a token after the other."""

    def __init__(self, *, lasts_s: float = 3600, needs_body: bool = False) -> None:
        self.given = 0
        self.lasts_s = lasts_s
        self.needs_body = needs_body

    async def __call__(self, request: web.Request) -> web.Response:
        if request.path != "/token":
            return web.Response()
        form = parse_qs(await request.text())
        if self.needs_body and "client_secret" not in form:
            return web.Response(status=401)
        self.given += 1
        token = {"access_token": f"t{self.given}", "token_type": "bearer", "expires_in": self.lasts_s}
        return web.json_response(token)


def oauth2(peer: Peer, **more: object) -> HTTPClient:
    settings = {"client_id": "me", "client_secret": secret("s3:cret"), "scopes": ("a", "b"), **more}
    return HTTPClient(oauth2=OAuth2(token_url=f"{peer.url}/token", **settings))


async def test_an_oauth2_token_is_fetched_once(session: Session, peer: Peer) -> None:
    peer.answer = Tokens()
    http = oauth2(peer, endpoint_params=(("audience", "api"),))
    await ask(session, http, f"{peer.url}/one")
    await ask(session, http, f"{peer.url}/two")
    assert [each[1] for each in peer.got] == ["/token", "/one", "/two"]
    assert parse_qs(peer.got[0][2]) == {
        "grant_type": ["client_credentials"],
        "scope": ["a b"],
        "audience": ["api"],
    }
    login = base64.b64encode(b"me:s3%3Acret").decode()
    assert [each[3]["Authorization"] for each in peer.got] == [f"Basic {login}", "Bearer t1", "Bearer t1"]


async def test_an_oauth2_server_that_wants_the_secret_in_the_body(session: Session, peer: Peer) -> None:
    peer.answer = Tokens(needs_body=True)
    await ask(session, oauth2(peer), f"{peer.url}/one")
    assert parse_qs(peer.got[1][2])["client_secret"] == ["s3:cret"]
    assert "Authorization" not in peer.got[1][3]
    assert peer.got[2][3]["Authorization"] == "Bearer t1"


async def test_an_oauth2_token_that_ends_or_is_refused_is_fetched_anew(
    session: Session, peer: Peer, tmp_path: Path
) -> None:
    clock = [0.0]
    peer.answer = Tokens(lasts_s=60)
    file = tmp_path / "secret"
    file.write_text("one")
    settings = oauth2(peer, client_secret=SecretSource(file=str(file))).oauth2
    assert settings is not None
    source = TokenSource(settings, lambda: clock[0])
    assert await source.header(session) == "Bearer t1"
    clock[0] = 49
    assert await source.header(session) == "Bearer t1"
    clock[0] = 51
    assert await source.header(session) == "Bearer t2"
    file.write_text("two")
    assert await source.header(session) == "Bearer t3"

    tokens = Tokens()

    async def refuse_the_first(request: web.Request) -> web.Response:
        if request.headers.get("Authorization") == "Bearer t1":
            return web.Response(status=401)
        return await tokens(request)

    peer.answer = refuse_the_first
    http = oauth2(peer)
    assert [await ask(session, http, f"{peer.url}/x") for _ in range(2)] == [401, 200]


@pytest.mark.parametrize("said", ["[]", "{}", '{"access_token": 1}', "no JSON", '{"access_token": ""}'])
async def test_an_oauth2_answer_without_a_token(session: Session, peer: Peer, said: str) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(text=said)

    peer.answer = answer
    with pytest.raises(TokenError, match="holds no access_token"):
        await ask(session, oauth2(peer), peer.url)

    async def refuse(_: web.Request) -> web.Response:
        return web.Response(status=403, text="s3:cret")

    peer.answer = refuse
    with pytest.raises(TokenError, match=r"HTTP status 403$"):
        await ask(session, oauth2(peer), peer.url)


async def test_tls_by_file_and_by_text(session: Session, pem: tuple[str, str]) -> None:
    cert, key = pem
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    context.load_verify_locations(cert)
    context.verify_mode = ssl.CERT_REQUIRED
    peer, runner = await open_peer(context)
    cert_text, key_text = (SecretSource(file=path).read() for path in pem)
    for tls in (
        TLS(ca_file=cert, cert_file=cert, key_file=key),
        TLS(ca=cert_text, cert=cert_text, key=Secret(key_text), server_name="peer.example"),
        TLS(ca=cert_text, cert=cert_text, key_file=key, min_version="TLS13"),
        TLS(insecure_skip_verify=True, cert_file=cert, key=Secret(key_text), max_version="TLS12"),
    ):
        assert await ask(session, HTTPClient(tls=tls), peer.url) == 200
    with pytest.raises(CertificateError):
        await ask(session, HTTPClient(), peer.url)
    wrong = TLS(ca_file=cert, cert_file=cert, key_file=key, server_name="wrong.example")
    with pytest.raises(CertificateError):
        await ask(session, HTTPClient(tls=wrong), peer.url)
    await runner.cleanup()


def test_contexts_are_shared_until_a_file_changes(pem: tuple[str, str]) -> None:
    tls = TLS(ca_file=pem[0])
    first = tls_context(tls)
    assert tls_context(TLS(ca_file=pem[0])) is first
    os.utime(pem[0], ns=(1, 1))
    assert tls_context(tls) is not first
    with pytest.raises(OSError, match="none"):
        tls_context(TLS(ca_file="/no/such/none.pem"))
