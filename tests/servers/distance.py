"""A server put at a distance: what passes on the way to it and back takes its time, as on a real network."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Generator

_PIECE_BYTES = 64 * 1024


@contextlib.contextmanager
def at_distance(uri: str, round_trip_s: float) -> Generator[str]:
    """The address of the same server, as far away as that. Only time is added, no limit of bandwidth."""
    parts = urlsplit(uri)
    command = [sys.executable, "-m", "tests.servers.distance", str(parts.port), str(round_trip_s / 2)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.kill()


async def _serve(port: int, delay_s: float) -> None:
    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            there_reader, there_writer = await asyncio.open_connection("127.0.0.1", port)
            await asyncio.gather(
                _pass_on(reader, there_writer, delay_s), _pass_on(there_reader, writer, delay_s)
            )

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201 (whoever started it reads this)
    await server.serve_forever()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay_s: float) -> None:
    loop = asyncio.get_running_loop()
    while data := await reader.read(_PIECE_BYTES):
        loop.call_later(delay_s, writer.write, data)
    loop.call_later(delay_s, writer.close)


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), float(sys.argv[2])))
