"""Warnings about likely filter mistakes."""

from __future__ import annotations

from kinlens.catalog import filters
from kinlens.catalog.base import CatalogView


def filter_warnings(view: CatalogView) -> tuple[str, ...]:
    """What the filter of a view may not mean as it was said.

    Fields that no item has, and which there are; where no item passes, fields whose values are all
    of another kind. It isn't an error: items may get such fields and values later.

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
    if view.count():
        return ()
    kinds = {field.name: field.kind for field in view.fields()}
    return filters.other_kinds(filters.kinds_compared(view.where), kinds)
