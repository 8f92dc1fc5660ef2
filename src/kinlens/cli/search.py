"""`kinlens search`: look-alikes as a table, as JSON, or as a contact sheet."""

from __future__ import annotations

import tempfile
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kinlens.cli import common
from kinlens.cli.waiting import waited
from kinlens.errors import InvalidInput
from kinlens.printable import escaped
from kinlens.types import DEFAULT_K, Answer, Example, Query, picture_source

if TYPE_CHECKING:
    from kinlens.cli.tables import Kind
    from kinlens.search import Search

UNLIKE = -0.5


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(search)


def search(
    picture: Annotated[
        list[str] | None,
        typer.Argument(
            help="Picture file or URL to be like; several are mixed.", show_default=False
        ),
    ] = None,
    ids: Annotated[
        list[str] | None,
        typer.Option("--id", help="An item of the catalog to be like.", show_default=False),
    ] = None,
    unlike: Annotated[
        list[str] | None,
        typer.Option("--unlike", help="Picture file or URL to be less like.", show_default=False),
    ] = None,
    unlike_id: Annotated[
        list[str] | None,
        typer.Option("--unlike-id", help="An item to be less like.", show_default=False),
    ] = None,
    crop: Annotated[
        str | None,
        typer.Option(
            help="Look at this box of the first picture only: x,y,width,height in fractions.",
            show_default=False,
        ),
    ] = None,
    k: Annotated[int, typer.Option("-k", help="How many look-alikes.")] = DEFAULT_K,
    where: common.WhereOption = None,
    metric: Annotated[str, typer.Option(help="cosine or euclidean.")] = "cosine",
    facets: Annotated[
        list[str] | None,
        typer.Option("--facet", help="Count this field's values as well.", show_default=False),
    ] = None,
    save: Annotated[
        Path | None,
        typer.Option("--save", help="Write a contact sheet, such as grid.png.", show_default=False),
    ] = None,
    open_: Annotated[bool, typer.Option("--open", help="Show the contact sheet.")] = False,
    json: common.Json = False,
    data: common.Data = None,
    encoder: common.Encoder = None,
) -> None:
    """Find the look-alikes of a picture, a URL or an item."""
    query = Query(
        examples=_examples(picture, ids, unlike, unlike_id, crop),
        k=k,
        where=common.parse_where(where),
        metric=metric,  # type: ignore[arg-type]  # checked by Query
        facets=tuple(facets or ()),
    )
    with common.open_catalog(data, encoder) as service:
        query = replace(query, where=common.where_for(service, where))
        _open_encoder(service, query)
        loading = waited()
        answer = service.search(query)
        if json:
            document = asdict(answer)
            document["took"]["loading"] = loading
            common.print_json(document)
        else:
            _print(service, answer, loading)
        if save or open_:
            _sheet(service, query, answer, save, show=open_)


def _examples(
    pictures: list[str] | None,
    ids: list[str] | None,
    unlike: list[str] | None,
    unlike_ids: list[str] | None,
    crop: str | None,
) -> tuple[Example, ...]:
    box = common.parse_crop(crop)
    examples = [
        *(Example(**picture_source(text)) for text in pictures or ()),
        *(Example(id=item) for item in ids or ()),
        *(Example(**picture_source(text), weight=UNLIKE) for text in unlike or ()),
        *(Example(id=item, weight=UNLIKE) for item in unlike_ids or ()),
    ]
    if not examples:
        raise InvalidInput(
            "What to search for is missing; give a picture file, a URL or --id ITEM."
        )
    if box:
        examples[0] = replace(examples[0], crop=box)
    return tuple(examples)


def _why_nothing(service: Search) -> str:
    if not service.count():
        return "Nothing is indexed yet."
    return "Nothing matches: the filter leaves no other items."


def _open_encoder(service: Search, query: Query) -> None:
    """Open it now if it is needed, so that what a search takes doesn't hold it."""
    if any(example.source not in {"id", "vector"} or example.crop for example in query.examples):
        _ = service.parts.encoder.recipe


def _print(service: Search, answer: Answer, loading: float) -> None:
    common.warn(answer.warnings)
    if not answer.hits:
        common.console().print(_why_nothing(service), markup=False)
        return
    rows = [
        (
            str(rank),
            hit.id,
            f"{hit.score:.3f}",
            f"{hit.distance:.3f}",
        )
        for rank, hit in enumerate(answer.hits, 1)
    ]
    columns: dict[str, Kind] = {"": "right", "id": "id", "score": "right", "distance": "right"}
    common.item_table(columns, rows, [(hit.id, hit.metadata) for hit in answer.hits])
    for field, counts in answer.facets.items():
        values = ", ".join(f"{common.show(entry.value)} {entry.count:,}" for entry in counts[:12])
        values = values or "no item has it"
        common.console().print(f"\n{escaped(f'{field}: {values}')}", markup=False)
    took = answer.took
    common.console().print(
        f"\n{len(answer.hits)} of {answer.total:,} · "
        f"{'exact' if answer.exact else 'approximate'} · {waited() / 1000:.2f} s in all: "
        f"loading {loading:.0f} ms, decode {took.decode:.1f} ms, encode {took.encode:.1f} ms, "
        f"search {took.search:.1f} ms",
        style="dim",
        soft_wrap=True,
    )


def _sheet(service: Search, query: Query, answer: Answer, save: Path | None, *, show: bool) -> None:
    from kinlens.cli.sheets import sheet_of

    path = save or Path(tempfile.mkdtemp(prefix="kinlens-")) / "look-alikes.png"
    try:
        sheet_of(service, query, answer).save(path)
    except (OSError, ValueError) as error:
        raise InvalidInput(
            f"The contact sheet can't be written to {path}: {error}. Name a .png or .jpg file in a "
            "folder that exists."
        ) from error
    common.console(error=True).print(f"Wrote {path}", markup=False)
    if show:
        typer.launch(str(path))
