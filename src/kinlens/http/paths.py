"""Item ids in paths: any text, line breaks and slashes too."""

from __future__ import annotations

from starlette.convertors import Convertor, register_url_convertor


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
