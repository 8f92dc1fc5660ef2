"""Item ids in paths: any text, line breaks and slashes too."""

from __future__ import annotations

from urllib.parse import unquote_to_bytes

from starlette.convertors import Convertor, register_url_convertor
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from kinlens.http.problems import respond


class ReadablePaths:
    """ASGI middleware: refuses paths that are no UTF-8, since different ones would read alike."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on a request whose path can be read."""
        if scope["type"] == "http":
            try:
                unquote_to_bytes(scope.get("raw_path") or b"").decode()
            except UnicodeDecodeError:
                refusal = HTTPException(400, "The path isn't UTF-8; percent-encode ids as UTF-8.")
                await respond(refusal, scope)(scope, receive, send)
                return
        await self.app(scope, receive, send)


class ItemConvertor(Convertor[str]):
    """Like Starlette's `path`, whose dot stops at a line break."""

    regex = r"[\s\S]*"

    def convert(self, value: str) -> str:
        """Take the id as it is."""
        return value

    def to_string(self, value: str) -> str:
        """Give the id as it is."""
        return value


register_url_convertor("item", ItemConvertor())
ITEM = "{id:item}"
