"""A script: a real SFTP server on loopback that shows one folder as its root."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import asyncssh

USERNAME = "ann"
PASSWORD = "correct horse battery"  # noqa: S105  (of a server that lives as long as a test session)


class Login(asyncssh.SSHServer):
    """Lets one user in, by password."""

    def begin_auth(self, username: str) -> bool:
        """Ask everybody for one."""
        del username
        return True

    def password_auth_supported(self) -> bool:
        """Yes."""
        return True

    def validate_password(self, username: str, password: str) -> bool:
        """Compare."""
        return (username, password) == (USERNAME, PASSWORD)


async def main(port: int, folder: str) -> None:
    """Serve until the process is ended."""

    def rooted(channel: asyncssh.SSHServerChannel[bytes]) -> asyncssh.SFTPServer:
        return asyncssh.SFTPServer(channel, chroot=folder.encode())

    untyped: Any = asyncssh
    server = await asyncssh.create_server(
        Login,
        "127.0.0.1",
        port,
        server_host_keys=[untyped.generate_private_key("ssh-ed25519")],
        sftp_factory=rooted,
    )
    await server.wait_closed()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2]))
