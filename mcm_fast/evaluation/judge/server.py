"""The local web server of a study: one process, standard library only.

    GET  /                          the page            GET /static/NAME
    POST /api/voters                {"name"} -> {"voter", ...session}
    GET  /api/session?voter=ID      where the voter is, the trial, and the next to load beforehand
    POST /api/vote                  {"id", "voter", "number", "choice", "seconds"} -> session
    POST /api/undo                  {"voter", "number"} -> session
    GET  /picture/VOTER/NUMBER/SIDE left or right: the address does not say whose picture it is
    GET  /original/INDEX            the original of the image with this index
    GET  /results, /votes.csv       for clients on this machine only

A vote is answered after it is on the disk. POST takes JSON only, which another site's page cannot
send without a permission that is never given.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from .study import Study

_TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
_STATIC = resources.files(__package__) / "static"
_LIMIT = 10_000  # bytes of a request's body
_POLICY = "; ".join(
    (
        "default-src 'self'",
        "img-src 'self' data:",
        "style-src 'self' 'unsafe-inline'",
        "frame-ancestors 'none'",
    )
)


class Server(ThreadingHTTPServer):
    """Serves a study until `shutdown`. Port 0 takes a free one: see `server_port`."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, study: Study, host: str = "127.0.0.1", port: int = 0):
        self.study, self.votes = study, study.open_votes()
        self.closed = False
        self.numbers = {image.name: i for i, image in enumerate(study.images)}
        super().__init__((host, port), _Handler)

    @property
    def address(self) -> str:
        host = self.server_address[0]
        return f"http://{f'[{host}]' if ':' in host else host}:{self.server_port}/"

    def start(self) -> threading.Thread:
        """Serve in a thread of its own."""
        thread = threading.Thread(target=self.serve_forever, daemon=True)
        thread.start()
        return thread

    def server_close(self) -> None:
        super().server_close()
        self.closed = True
        self.votes.close()

    def handle_error(self, request: object, client_address: object) -> None:
        """A browser that goes away, or asks while the server ends, is no event; others are."""
        if not self.closed and not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)

    def session(self, voter: str) -> dict[str, object]:
        """What the page shows. Raises KeyError for an unknown voter."""
        done, total, number = self.votes.position(voter)
        following = None if number is None or number + 1 >= total else number + 1
        return {
            "voter": voter,
            "question": self.study.question,
            "done": done,
            "total": total,
            "trial": None if number is None else self._trial(voter, number),
            "next": None if following is None else self._trial(voter, following),
        }

    def _trial(self, voter: str, number: int) -> dict[str, object]:
        image = self.study.image(self.votes.trial(voter, number).image)
        return {
            "number": number,
            "width": image.width,
            "height": image.height,
            "original": f"/original/{self.numbers[image.name]}",
            "left": f"/picture/{voter}/{number}/left",
            "right": f"/picture/{voter}/{number}/right",
        }


class _Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"  # connections stay open
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self._answer(self._get)

    def do_POST(self) -> None:
        self._answer(self._post)

    def _answer(self, action: Callable[[], None]) -> None:
        try:
            action()
        except (KeyError, FileNotFoundError) as error:
            self._error(HTTPStatus.NOT_FOUND, error)
        except PermissionError as error:
            self._error(HTTPStatus.FORBIDDEN, error)
        except (ValueError, TypeError) as error:
            self._error(HTTPStatus.BAD_REQUEST, error)
        except ImportError as error:
            self._error(HTTPStatus.SERVICE_UNAVAILABLE, error)
        except ConnectionError:
            self.close_connection = True

    def _get(self) -> None:
        url = urlsplit(self.path)
        parts = url.path.strip("/").split("/")
        match parts:
            case [""]:
                self._static("judge.html")
            case ["static", name]:
                self._static(name)
            case ["api", "session"]:
                self._json(self.server.session(parse_qs(url.query).get("voter", [""])[0]))
            case ["picture", voter, number, ("left" | "right") as side]:
                trial = self.server.votes.trial(voter, int(number))
                self._picture(trial.image, getattr(trial, side))
            case ["original", index]:
                self._picture(self.server.study.images[_index(self.server, index)].name, "original")
            case ["results"]:
                self._results()
            case ["votes.csv"]:
                self._private()
                self._send(self.server.votes.csv().encode(), "text/csv")
            case _:
                raise FileNotFoundError(f"no page {url.path}")

    def _post(self) -> None:
        body = self._body()
        votes, path = self.server.votes, urlsplit(self.path).path
        if path == "/api/voters":
            voter = votes.register(str(body.get("name", ""))[:80], self.server.study.allot)
        elif path == "/api/vote":
            voter, number = body["voter"], int(body["number"])
            votes.cast(str(body["id"]), voter, number, body["choice"], float(body["seconds"]))
        elif path == "/api/undo":
            voter = body["voter"]
            votes.undo(voter, int(body["number"]))
        else:
            raise FileNotFoundError(f"no page {path}")
        self._json(self.server.session(voter))

    def _body(self) -> dict[str, object]:
        length = int(self.headers.get("Content-Length", 0))
        if not 0 < length <= _LIMIT or self.headers.get_content_type() != "application/json":
            self.close_connection = True  # the body is not read
            raise ValueError(f"JSON of at most {_LIMIT} bytes wanted")
        body = json.loads(self.rfile.read(length))
        if not isinstance(body, dict):
            raise ValueError("a JSON object wanted")
        return body

    def _static(self, name: str) -> None:
        kind = _TYPES.get(Path(name).suffix)
        if kind is None or "/" in name or "\\" in name:
            raise FileNotFoundError(name)
        self._send((_STATIC / name).read_bytes(), kind)

    def _picture(self, image: str, name: str) -> None:
        study = self.server.study
        data = (study.folder / study.image(image).files[name]).read_bytes()
        self._send(data, "image/png", "private, max-age=86400, immutable")

    def _results(self) -> None:
        from .result import Result
        from .result_page import page

        self._private()
        result = Result.of(self.server.study, self.server.votes.rows())
        self._send(page(result).encode(), "text/html")

    def _private(self) -> None:
        """What would tell a voter which codec is which goes to this machine only."""
        if not ip_address(self.client_address[0]).is_loopback:
            raise PermissionError("results are shown on the machine of the study only")

    def _json(self, content: dict[str, object]) -> None:
        self._send(json.dumps(content).encode(), "application/json")

    def _error(self, status: HTTPStatus, error: Exception) -> None:
        text = error.args[0] if error.args else type(error).__name__
        self._send(json.dumps({"error": str(text)}).encode(), "application/json", status=status)

    def _send(
        self,
        data: bytes,
        kind: str,
        cache: str = "no-store",
        status: HTTPStatus = HTTPStatus.OK,
    ) -> None:
        self.send_response(status)
        charset = "; charset=utf-8" if kind.startswith("text/") else ""
        self.send_header("Content-Type", kind + charset)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Cache-Control", cache)
        self.send_header("Content-Security-Policy", _POLICY)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Nothing: a session is thousands of requests."""


def _index(server: Server, text: str) -> int:
    number = int(text)
    if not 0 <= number < len(server.study.images):
        raise KeyError(f"no original {number}")
    return number
