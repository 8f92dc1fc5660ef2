"""Warnings about likely filter mistakes."""

from __future__ import annotations

from kinlens.catalog import filters
from kinlens.catalog.base import CatalogView


def filter_warnings(view: CatalogView) -> tuple[str, ...]:
    """What the filter of a view may not mean as it was said.

    Fields that no item has, and which there are; fields whose values are all of another kind
    than what they are compared with. It isn't an error: items may get such fields and values later.

    Parameters
    ----------
    view : opened with `metadata`, or with a filter
    """
    named = filters.fields_of(view.where)
    if not named or not view.size:
        return ()
    unknown = [name for name in named if not view.has_field(name)]
    if unknown:
        return (filters.unknown_fields(unknown, (field.name for field in view.fields())),)
    compared = filters.comparisons(view.where)
    return filters.other_kinds(compared, view.kinds(compared, every=not view.count()))
