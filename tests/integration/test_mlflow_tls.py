"""Encrypted servers: who is trusted, who is let in, and what is said if not."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import attrs
import pytest
import trustme
from cryptography.hazmat.primitives import serialization

from mlopus.domain.keys import RunKey
from mlopus.errors import IllegalPath, MlopusError, Unreachable, UnreadableReply
from mlopus.repositories.surroundings import Surroundings
from mlopus.result import Success
from tests.integration.mlflow_answers import RUN, at, failure
from tests.servers.loopback import Loopback, answering
from tests.servers.messages import Answer, SeenRequest


@attrs.frozen
class Authority:
    """A certificate authority made for a test, and where its files are."""

    own: trustme.CA
    folder: Path

    @property
    def ca_cert(self) -> str:
        """The file that makes its certificates trusted."""
        path = self.folder / "ca.pem"
        self.own.cert_pem.write_to_path(path)
        return str(path)

    def client_cert(self, password: bytes | None = None) -> str:
        """The file of a client's certificate and key."""
        path = self.folder / "client.pem"
        issued = self.own.issue_cert("client@example.org")
        key = issued.private_key_pem.bytes()
        path.write_bytes(key + b"".join(part.bytes() for part in issued.cert_chain_pems))
        if password is not None:
            path.write_bytes(encrypted(key, password) + issued.cert_chain_pems[0].bytes())
        return str(path)


def encrypted(key: bytes, password: bytes) -> bytes:
    loaded = serialization.load_pem_private_key(key, None)
    return loaded.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(password),
    )


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(trustme.CA(), tmp_path)


StartTls = Callable[..., Loopback]


@pytest.fixture
def encrypting(authority: Authority) -> Iterator[StartTls]:
    """Starts servers with a certificate of the authority, for 127.0.0.1 unless another name is given."""
    with ExitStack() as running:

        def start(
            reply: Answer | Callable[[SeenRequest], Answer], *, name: str = "127.0.0.1", asks: bool = False
        ) -> Loopback:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            authority.own.issue_cert(name).configure_cert(context)
            if asks:
                authority.own.configure_trust(context)
                context.verify_mode = ssl.CERT_REQUIRED
            return running.enter_context(answering(reply, tls=context))

        yield start


def refusal(uri: str, **settings: object) -> MlopusError:
    return failure(at(uri, max_retries=0, **settings).get(RunKey("r1")))


def test_a_server_whose_authority_is_given_is_trusted(encrypting: StartTls, authority: Authority) -> None:
    server = encrypting(RUN)
    tracking = at(server.uri, ca_cert=authority.ca_cert)
    assert [isinstance(tracking.get(RunKey("r1")), Success) for _ in range(3)] == [True] * 3
    assert server.connections == 1


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
def test_an_authority_of_the_environment_is_trusted(
    encrypting: StartTls, authority: Authority, variable: str
) -> None:
    around = Surroundings.of({variable: authority.ca_cert})
    assert isinstance(at(encrypting(RUN).uri, surroundings=around).get(RunKey("r1")), Success)


def test_the_authority_that_is_given_counts_not_the_environments(
    encrypting: StartTls, authority: Authority, tmp_path: Path
) -> None:
    around = Surroundings.of({"SSL_CERT_FILE": str(tmp_path / "none.pem")})
    tracking = at(encrypting(RUN).uri, surroundings=around, ca_cert=authority.ca_cert)
    assert isinstance(tracking.get(RunKey("r1")), Success)


def test_a_server_of_an_unknown_authority_is_refused_and_told_nothing(encrypting: StartTls) -> None:
    server = encrypting(RUN)
    error = refusal(server.uri, token="abc")  # noqa: S106
    assert (type(error), "ca_cert" in (error.hint or ""), server.requests) == (Unreachable, True, ())


def test_a_server_with_the_certificate_of_another_host_is_refused(
    encrypting: StartTls, authority: Authority
) -> None:
    server = encrypting(RUN, name="mlflow.example")
    error = refusal(server.uri, ca_cert=authority.ca_cert)
    assert (type(error), server.requests) == (Unreachable, ())


def test_a_server_is_not_checked_where_the_settings_say_so(encrypting: StartTls) -> None:
    assert isinstance(at(encrypting(RUN).uri, verify_tls=False).get(RunKey("r1")), Success)


def test_a_client_shows_its_certificate(encrypting: StartTls, authority: Authority) -> None:
    server = encrypting(RUN, asks=True)
    tracking = at(server.uri, ca_cert=authority.ca_cert, client_cert=authority.client_cert())
    assert isinstance(tracking.get(RunKey("r1")), Success)


def test_a_client_without_a_certificate_is_not_let_in(encrypting: StartTls, authority: Authority) -> None:
    server = encrypting(RUN, asks=True)
    error = refusal(server.uri, ca_cert=authority.ca_cert)
    assert (type(error), server.requests) == (Unreachable, ())


def test_a_key_with_a_password_is_refused_and_nobody_is_asked_for_it(
    encrypting: StartTls, authority: Authority
) -> None:
    certificate = authority.client_cert(b"secret")
    error = refusal(encrypting(RUN).uri, verify_tls=False, client_cert=certificate)
    assert (type(error), certificate in str(error)) == (IllegalPath, True)


@contextmanager
def tunnelling(target_uri: str) -> Generator[tuple[str, list[bytes]]]:
    """A proxy that lets one connection through to a server, and what it was told about it."""
    told: list[bytes] = []

    def pass_on(source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65_536):
                sink.sendall(data)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_RDWR)

    def serve() -> None:
        with listener.accept()[0] as client:
            told.append(client.recv(65_536))
            target = urlsplit(target_uri)
            with socket.create_connection((target.hostname, target.port)) as server:
                client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                back = threading.Thread(target=pass_on, args=(server, client))
                back.start()
                pass_on(client, server)
                back.join()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", told
        thread.join()


def test_a_proxy_passes_on_what_is_encrypted_and_learns_the_host_only(
    encrypting: StartTls, authority: Authority
) -> None:
    server = encrypting(RUN)
    with tunnelling(server.uri) as (proxy, told):
        around = Surroundings.of({"HTTPS_PROXY": proxy})
        tracking = at(server.uri, surroundings=around, ca_cert=authority.ca_cert, token="abc-12345")  # noqa: S106
        answered = [isinstance(tracking.get(RunKey("r1")), Success) for _ in range(3)]
        del tracking
    assert (answered, server.connections) == ([True] * 3, 1)
    assert told[0].startswith(f"CONNECT {server.uri.removeprefix('https://')} ".encode())
    assert b"abc-12345" not in told[0]


def test_a_redirect_out_of_the_encryption_is_refused(encrypting: StartTls, authority: Authority) -> None:
    with answering(RUN) as plain:
        server = encrypting(Answer(status=307, headers=(("Location", plain.uri),)))
        error = refusal(server.uri, ca_cert=authority.ca_cert, token="abc")  # noqa: S106
    assert (type(error), plain.requests) == (UnreadableReply, ())


def test_a_server_that_does_not_encrypt_is_unreachable_by_https() -> None:
    with answering(RUN) as plain:
        error = refusal(plain.uri.replace("http:", "https:"))
    assert isinstance(error, Unreachable)
