"""A small HTTP server of a folder, with or without ranges, that may cut a download."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


@dataclass
class FileServer:
    """What is served, and what was asked for.

    Attributes:
        folder: What lies below the address.
        url: The address, without a slash at its end.
        ranges: Whether a part of a file can be asked for.
        cut: Bytes of a file after which the connection ends; 0 for none.
        arrived: Set by the test when it has them: only then does the connection end.
        asked: Method, path and range of each request.
    """

    folder: Path
    url: str = ""
    ranges: bool = True
    cut: int = 0
    arrived: threading.Event = field(default_factory=threading.Event)
    asked: list[tuple[str, str, str]] = field(default_factory=list)


@contextmanager
def serve(folder: Path) -> Iterator[FileServer]:
    """Serve a folder while a block runs."""
    server = FileServer(folder)

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *arguments: object) -> None:
            """Nothing is printed."""

        def do_HEAD(self) -> None:
            self._answer(body=False)

        def do_GET(self) -> None:
            self._answer(body=True)

        def _answer(self, *, body: bool) -> None:
            wanted = self.headers.get("Range", "")
            server.asked.append((self.command, self.path, wanted))
            path = server.folder / self.path.lstrip("/")
            if not path.is_file():
                self.send_error(404)
                return
            data, start = path.read_bytes(), 0
            match = re.fullmatch(r"bytes=(\d+)-(\d+)", wanted)
            if match and server.ranges:
                start = int(match[1])
                part = data[start : int(match[2]) + 1]
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {start}-{int(match[2])}/{len(data)}")
            else:
                part = data
                self.send_response(200)
            self.send_header("Content-Length", str(len(part)))
            self.send_header("ETag", f'"{path.stat().st_mtime_ns}"')
            self.end_headers()
            if body:
                self.wfile.write(part[: server.cut] if server.cut else part)
                if server.cut:
                    server.arrived.wait(20)
                    self.close_connection = True

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listening.daemon_threads = True
    server.url = f"http://127.0.0.1:{listening.server_port}"
    thread = threading.Thread(target=listening.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        listening.shutdown()
        listening.server_close()
        thread.join()
