"""What to call items that are shown together, so that each can be told from the others.

The rule is the page's, see `web/captions.js` and `web/names.js`; its counts are of the items that
are shown, not of the catalog.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import accumulate

from kinlens.types import Metadata, Value

MOST_PARTS = 4
"""Parts of a path that a short name has at most; beyond, it is the whole id."""

_TITLES = [
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"^(title|name)$",
        r"^(product|item|display)[_ -]?(display)?[_ -]?(name|title)$",
        r"(name|title)$",
        r"^(label|caption)$",
    )
]
_NAMES_NOTHING = re.compile(r"[./\s]*")


class Captions:
    """Titles and short names of items.

    Parameters
    ----------
    items : id and metadata of each
    """

    def __init__(self, items: Iterable[tuple[str, Metadata]]) -> None:
        shown = dict(items)
        self.fields = _title_fields(list(shown.values()))
        titles = [self.title(metadata) for metadata in shown.values()]
        self._titles = Counter(title for title in titles if title is not None)
        self._ends = Counter(end for item_id in shown for end in dict.fromkeys(_endings(item_id)))

    def title(self, metadata: Metadata) -> str | None:
        """The first of the fields that may hold a title and does, for this item."""
        field = self.titled(metadata)
        return None if field is None else str(metadata[field])

    def titled(self, metadata: Metadata) -> str | None:
        """The field that the title is taken from."""
        return next((name for name in self.fields if _is_title(metadata.get(name))), None)

    def name(self, item_id: str, metadata: Metadata) -> str:
        """The title, or where there is none, as much of the id as tells it from the others."""
        title = self.title(metadata)
        return self.short(item_id) if title is None else title

    def short(self, item_id: str) -> str:
        """As few of the last parts of an id that is a path as no other has."""
        return next((end for end in _endings(item_id) if self._ends[end] < 2), item_id)

    def is_shared(self, metadata: Metadata) -> bool:
        """Whether several items have this title."""
        title = self.title(metadata)
        return title is not None and self._titles[title] > 1


def _title_fields(shown: Sequence[Metadata]) -> list[str]:
    """The fields that may hold titles, those first that tell more items apart.

    One item with a `title` must not hide the `name` of all others.
    """
    names = list(dict.fromkeys(name for metadata in shown for name in metadata))
    texts = [name for name in names if any(isinstance(m.get(name), str) for m in shown)]
    named = list(
        dict.fromkeys(name for pattern in _TITLES for name in texts if pattern.search(name))
    )
    distinct = {
        name: len({str(m[name]) for m in shown if _is_title(m.get(name))}) for name in named
    }
    most = max(distinct.values(), default=0)
    return sorted(named, key=lambda name: 2 * distinct[name] < most)


def _is_title(value: Value) -> bool:
    if isinstance(value, str):
        return bool(value.strip())
    return isinstance(value, int | float) and not isinstance(value, bool)


def _endings(item_id: str) -> list[str]:
    """The ends of a path, the shortest first, and the whole; dots alone name nothing."""
    parts = re.split(r"(?<=/)(?=[^/])", item_id)
    ends = accumulate(reversed(parts), lambda end, part: part + end)
    telling = [end for end in ends if not _NAMES_NOTHING.fullmatch(end)]
    return [*telling[:MOST_PARTS], item_id]
