"""The page's files, read once and served from memory: what is not in the table does not exist."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from dashboards.web.api import bytes_response
from dashboards.web.problems import Problem, shown

STATIC: Final = Path(__file__).parent / "static"
CODE_MARK: Final = b"{{code}}"
_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
    ".txt": "text/plain; charset=utf-8",
}


class Page:
    """``code`` names this version of the files: a page that runs another loads itself again."""

    def __init__(self, directory: Path = STATIC) -> None:
        names = sorted(p for p in directory.rglob("*") if p.is_file() and p.suffix in _TYPES)
        self._files = {p.relative_to(directory).as_posix(): p.read_bytes() for p in names}
        digest = hashlib.blake2b(digest_size=8)
        for name, text in self._files.items():
            digest.update(name.encode() + b"\0" + text + b"\0")
        self.code = digest.hexdigest()

    def names(self) -> list[str]:
        """Every file's name below ``/static/``."""
        return list(self._files)

    async def file(self, request: Request) -> Response:
        """A file by its exact name. Raises ``Problem`` 404."""
        name = str(request.path_params["name"])
        if name not in self._files or name.endswith(".html"):
            raise Problem(404, "no-such-file", f"file {shown(name)}: the page is at /, the API at /api/v1/")
        return self._respond(request, name)

    def show(self, request: Request, name: str, status: int = 200) -> Response:
        """A page by its name."""
        response = self._respond(request, name)
        if status != 200 and response.status_code == 200:
            response.status_code = status
        return response

    def _respond(self, request: Request, name: str) -> Response:
        body = self._files[name].replace(CODE_MARK, self.code.encode())
        return bytes_response(request, body, _TYPES[Path(name).suffix])
