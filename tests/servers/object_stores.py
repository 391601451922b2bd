"""Real object stores for tests: S3, served by rclone from a folder."""

from __future__ import annotations

import contextlib
import http
import http.client
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from tests.servers.messages import Answer, SeenRequest
from tests.servers.shared import shared_server

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

BUCKET = "models"
RCLONE = Path(sys.executable).parent / "rclone"


@attrs.frozen(kw_only=True)
class S3Server:
    """A running S3 server with one bucket, and who is let in."""

    uri: str
    access_key_id: str
    secret_access_key: str

    @property
    def options(self) -> Mapping[str, Any]:
        """What `storage_options` says of it, for `s3`."""
        return {
            "endpoint": self.uri,
            "access_key_id": self.access_key_id,
            "secret_access_key": self.secret_access_key,
        }

    @property
    def variables(self) -> dict[str, str]:
        """What an environment says of it, to MLflow and to mlopus."""
        return {
            "MLFLOW_S3_ENDPOINT_URL": self.uri,
            "AWS_ACCESS_KEY_ID": self.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.secret_access_key,
            "AWS_DEFAULT_REGION": "us-east-1",
        }


@contextlib.contextmanager
def running_s3(folder: Path, *, access_key_id: str | None = None) -> Generator[S3Server]:
    """Share the server that keeps its bucket in the folder. Everything in it goes through the server.

    With an id it lets in who has that id and its secret, otherwise everybody.
    """
    secret = f"secret-of-{access_key_id}"
    (folder / "buckets" / BUCKET).mkdir(parents=True, exist_ok=True)
    keys = () if access_key_id is None else ("--auth-key", f"{access_key_id},{secret}")

    def command(port: int) -> tuple[str, ...]:
        address = f"127.0.0.1:{port}"
        return (
            *(str(RCLONE), "serve", "s3", "--config", os.devnull, "--addr", address),
            *(*keys, str(folder / "buckets")),
        )

    environment = {name: value for name, value in os.environ.items() if not name.startswith("RCLONE_")}
    with shared_server(folder, command, environment, is_up=answers) as uri:
        yield S3Server(uri=uri, access_key_id=access_key_id or "anybody", secret_access_key=secret)


def giving_parts(_: SeenRequest, answer: Answer) -> Answer:
    """Say that a part is one: rclone sends it, with its Content-Range, as if it were the whole (200)."""
    is_part = any(name.lower() == "content-range" for name, _ in answer.headers)
    return attrs.evolve(answer, status=http.HTTPStatus.PARTIAL_CONTENT) if is_part else answer


def answers(port: int) -> bool:
    """Whether a server there answers anything at all."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/")
        connection.getresponse().read()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    return True
