"""HTTPS by web.yml, asked by real clients with and without certificates of their own."""

from __future__ import annotations

import asyncio
import os
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import uvicorn
from msgspec.structs import replace

from backbeat.config.secret import Secret
from backbeat.config.web import VERIFIED_CLIENTS, ServerTLS
from backbeat.config.web_fields import _CIPHERS
from backbeat.model.errors import WorldFailure
from backbeat.web.tls import protocol_for, server_context

Pair = tuple[Path, Path]


def make_pair(folder: Path, name: str) -> Pair:
    """A certificate that vouches for itself, and its key."""
    cert, key = folder / f"{name}.pem", folder / f"{name}.key"
    made = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    made += ["-days", "2", "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name},IP:127.0.0.1"]
    try:
        subprocess.run([*made, "-keyout", str(key), "-out", str(cert)], check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("openssl is not installed")
    return cert, key


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pem")


@pytest.fixture(scope="module")
def own(folder: Path) -> Pair:
    return make_pair(folder, "server.example")


@pytest.fixture(scope="module")
def ann(folder: Path) -> Pair:
    return make_pair(folder, "ann.example")


@pytest.fixture(scope="module")
def bob(folder: Path) -> Pair:
    return make_pair(folder, "bob.example")


def settings(own: Pair) -> ServerTLS:
    return ServerTLS(cert_file=str(own[0]), key_file=str(own[1]))


async def hello(scope: object, receive: object, send: object) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})  # type: ignore[operator]
    await send({"type": "http.response.body", "body": b"hi"})  # type: ignore[operator]


@asynccontextmanager
async def serving(tls: ServerTLS) -> AsyncIterator[int]:
    """The port of a server that says hi."""
    context = server_context(tls)
    server = uvicorn.Server(
        uvicorn.Config(
            hello,
            port=0,
            log_config=None,
            lifespan="off",
            http=protocol_for(tls.client_allowed_sans),
            ssl_context_factory=lambda *_: context,
        )
    )
    task = asyncio.create_task(server._serve())
    while not server.started:  # noqa: ASYNC110 (uvicorn has no event for it)
        await asyncio.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    await task


async def ask(
    port: int, *, client: Pair | None = None, newest: ssl.TLSVersion | None = None
) -> tuple[str, bytes]:
    """(what the server said, its certificate). Raises OSError where it does not want to talk."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if client:
        context.load_cert_chain(*client)
    if newest:
        context.maximum_version = newest
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    try:
        writer.write(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        said = await reader.read()
        shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        return said.decode(), shown
    finally:
        writer.close()


async def is_let_in(port: int, client: Pair | None = None, newest: ssl.TLSVersion | None = None) -> bool:
    try:
        said, _ = await ask(port, client=client, newest=newest)
    except OSError:
        return False
    return said.startswith("HTTP/1.1 200")


async def test_a_text_serves_as_well_as_a_file(own: Pair) -> None:
    tls = ServerTLS(cert=own[0].read_text(), key=Secret(own[1].read_text()))
    async with serving(tls) as port:
        assert await is_let_in(port)


async def test_old_versions_are_refused(own: Pair) -> None:
    async with serving(replace(settings(own), min_version="TLS13")) as port:
        assert await is_let_in(port)
        assert not await is_let_in(port, newest=ssl.TLSVersion.TLSv1_2)


async def test_only_clients_with_a_verified_certificate(own: Pair, ann: Pair, bob: Pair) -> None:
    tls = replace(settings(own), client_auth_type=VERIFIED_CLIENTS, client_ca_file=str(ann[0]))
    async with serving(tls) as port:
        assert await is_let_in(port, ann)
        assert not await is_let_in(port, bob)
        assert not await is_let_in(port)


async def test_a_certificate_may_be_left_out_where_it_is_optional(own: Pair, ann: Pair, bob: Pair) -> None:
    tls = replace(settings(own), client_auth_type="VerifyClientCertIfGiven", client_ca=ann[0].read_text())
    async with serving(tls) as port:
        assert await is_let_in(port)
        assert not await is_let_in(port, bob)


async def test_only_clients_with_an_allowed_name(own: Pair, ann: Pair, bob: Pair) -> None:
    both = ann[0].read_text() + bob[0].read_text()
    tls = replace(
        settings(own), client_auth_type=VERIFIED_CLIENTS, client_ca=both, client_allowed_sans=("bob.example",)
    )
    async with serving(tls) as port:
        assert await is_let_in(port, bob)
        assert not await is_let_in(port, ann)


async def test_a_new_certificate_is_shown_without_a_restart(own: Pair, ann: Pair, tmp_path: Path) -> None:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"

    def put(pair: Pair, at_ns: int) -> None:
        for path, source in zip((cert, key), pair, strict=True):
            path.write_text(source.read_text())
            os.utime(path, ns=(at_ns, at_ns))

    put(own, 10**18)
    async with serving(settings((cert, key))) as port:
        _, first = await ask(port)
        put(ann, 2 * 10**18)
        _, second = await ask(port)
        assert first != second
        cert.write_text("half a certif")
        _, third = await ask(port)
        assert third == second


@pytest.mark.parametrize("suite", _CIPHERS)
def test_every_cipher_has_a_name_here(own: Pair, suite: str) -> None:
    tls = replace(settings(own), cipher_suites=(suite,), max_version="TLS12")
    names = [each["name"] for each in server_context(tls).get_ciphers() if each["protocol"] != "TLSv1.3"]
    assert len(names) == 1 or not suite.startswith("TLS_ECDHE")


def test_a_wrong_certificate_is_one_clear_error(own: Pair, ann: Pair) -> None:
    for wrong in ((own[0], ann[1]), (own[1], own[1]), (Path("/nowhere"), own[1])):
        with pytest.raises(WorldFailure, match=r"web\.yml: tls_server_config: "):
            server_context(settings(wrong))
