"""A bundle: the folder in which training hands a model to serving.

model.onnx     the network, in one file
recipe.json    how pictures become its input; "output" names the vector where there are several,
               "pooling" makes one of a spatial map
golden.npz     pictures and the vectors, in float32, a reference run gave them; loading checks them
card.json      "name" and "license", then whatever a user should know; "sha256" of the other
               files, and "golden_cosine" by precision where the usual one doesn't fit
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from kinlens.encoders.compiled import CompiledCache
from kinlens.encoders.files import parse_json, parse_recipe, read_bytes
from kinlens.encoders.golden import MIN_COSINE, Golden
from kinlens.encoders.network import Network, NetworkEncoder, Precision
from kinlens.encoders.pooling import Pooling
from kinlens.encoders.runtimes import connect, installed_runtimes, precisions
from kinlens.errors import BundleError
from kinlens.preprocess import Recipe
from kinlens.types import Pixels, Vectors

MODEL, RECIPE, GOLDEN, CARD = "model.onnx", "recipe.json", "golden.npz", "card.json"
FILES = (CARD, RECIPE, GOLDEN, MODEL)

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True)
class Bundle:
    """What a bundle folder holds.

    Parameters
    ----------
    network : with its recipe and output
    golden : what it has to reproduce
    card : content of `card.json`
    """

    network: Network
    golden: Golden
    card: Mapping[str, Any]

    def load(
        self,
        *,
        runtime: str = "auto",
        threads: int = 0,
        precision: Precision | Literal["auto"] = "auto",
        cache: CompiledCache | None = None,
    ) -> NetworkEncoder:
        """An encoder that has reproduced the golden numbers; for `cache` see `connect`.

        Raises
        ------
        BundleError : it doesn't reproduce them, or the runtime can't read the network
        MissingDependency : the runtime isn't installed
        InvalidInput : the runtime doesn't compute in this precision here
        """
        encoder = connect(
            self.network, runtime=runtime, threads=threads, precision=precision, cache=cache
        )
        self.golden.check(encoder, self.card.get("golden_cosine", {}))
        return encoder


def is_bundle(folder: Path) -> bool:
    """Whether a folder holds at least one of the files that only bundles have."""
    return (folder / CARD).is_file() or (folder / MODEL).is_file()


def read_bundle(folder: Path, *, hashed: bool = False) -> Bundle:
    """Read and check the files of a bundle; `Bundle.load` then checks its numbers.

    Parameters
    ----------
    folder : of the bundle
    hashed : whether the card has to list the sha256 of each file; listed ones are always checked

    Raises
    ------
    BundleError : a file is missing, can't be read, isn't what the card says, or doesn't fit
    """
    missing = [name for name in FILES if not (folder / name).is_file()]
    if missing:
        raise BundleError(
            f"The bundle {folder} needs {', '.join(FILES)}; missing: {', '.join(missing)}."
        )
    card = _checked_card(parse_json(read_bytes(folder / CARD), folder / CARD), folder / CARD)
    contents = {name: read_bytes(folder / name) for name in FILES if name != CARD}
    _check_hashes(card.get("sha256"), contents, folder, required=hashed)
    recipe = parse_recipe(contents[RECIPE], folder / RECIPE)
    network = recipe.network(card["name"], contents[MODEL])
    return Bundle(network, Golden.from_bytes(contents[GOLDEN]), card)


def write_bundle(
    folder: Path,
    *,
    onnx: bytes,
    recipe: Recipe,
    images: Pixels,
    vectors: Vectors | None = None,
    card: Mapping[str, Any],
    output: str | None = None,
    pooling: Pooling | None = None,
) -> Bundle:
    """Write a bundle, once every installed runtime has reproduced the reference run.

    Each is tried in every precision that it has on this machine, float32 among them. A bundle that
    was there before is replaced only then.

    Parameters
    ----------
    folder : to write; may hold an older bundle
    onnx : content of the network's file
    recipe : of its input
    images : uint8 (n, height, width, 3), n from 1 to 64; sizes other than the recipe's check the
        resize too
    vectors : float32 (n, dim), what the reference run gave for them, computed in float32; None to
        compute them here
    card : at least "name" and "license"
    output : which of several outputs, or which tensor within, is the vector or the map
    pooling : of a map: "average", "max" or "none"

    Raises
    ------
    BundleError : a runtime gives other vectors, or a part can't be used
    """
    if vectors is None:
        name = _checked_card(card, folder / CARD)["name"]
        vectors = _reference(Network(name, onnx, recipe, output, pooling), images)
    named = {"output": output, "pooling": pooling}
    fields = recipe.to_dict() | {key: value for key, value in named.items() if value}
    contents = {
        MODEL: onnx,
        RECIPE: _json(fields),
        GOLDEN: Golden(images, vectors).to_bytes(),
    }
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in contents.items()}
    contents[CARD] = _json({**card, "sha256": hashes})
    if folder.exists() and any(folder.iterdir()) and not is_bundle(folder):
        raise BundleError(f"{folder} holds something that is no bundle; name another folder.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = _aside(folder)
    draft.mkdir()
    try:
        for name, data in contents.items():
            (draft / name).write_bytes(data)
        bundle = read_bundle(draft, hashed=True)
        for runtime in installed_runtimes():
            for precision in precisions(runtime):
                bundle.load(runtime=runtime, precision=precision)
        _replace(folder, draft)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return bundle


def rewrite_golden(folder: Path) -> float:
    """Give a bundle golden vectors that are computed in float32, in place of those it has.

    A bundle that was written on a CPU with bfloat16 may hold vectors that were computed in it.
    Its fingerprint stays: catalogs go on with it.

    Parameters
    ----------
    folder : of the bundle

    Returns
    -------
    cosine : the lowest between an old vector and its new one

    Raises
    ------
    BundleError : the old vectors differ by more than rounding, so that the files may not belong
        together; or a file can't be used
    """
    old = read_bundle(folder)
    network = old.network
    vectors = _reference(network, old.golden.images)
    if vectors.shape != old.golden.vectors.shape:
        raise BundleError(
            f"The golden vectors of {folder} have {old.golden.vectors.shape[1]} dimensions, but "
            f"the network gives {vectors.shape[1]}; the files of the bundle don't belong together."
        )
    cosine = float(np.sum(vectors * old.golden.vectors, axis=1).min())
    if not cosine >= MIN_COSINE["bfloat16"]:
        raise BundleError(
            f"The golden vectors of {folder} differ from what its network gives by more than "
            f"rounding: cosine {cosine:.5f}, needed {MIN_COSINE['bfloat16']}. Its files don't "
            "belong together; fetch or export the bundle again."
        )
    write_bundle(
        folder,
        onnx=network.onnx,
        recipe=network.recipe,
        images=old.golden.images,
        vectors=vectors,
        card=old.card,
        output=network.named_output,
        pooling=network.pooling,
    )
    return cosine


def _reference(network: Network, images: Pixels) -> Vectors:
    """Unit vectors, computed in float32 by the preferred runtime."""
    encoder = connect(network, precision="float32")
    vectors = np.empty((len(images), encoder.identity.dim), np.float32)
    for row, image in enumerate(images):
        vectors[row] = encoder.encode_images([image])[0]
    return vectors


def _replace(folder: Path, draft: Path) -> None:
    if folder.exists():
        old = _aside(folder)
        folder.replace(old)
        draft.replace(folder)
        shutil.rmtree(old)
    else:
        draft.replace(folder)


def _aside(folder: Path) -> Path:
    return folder.parent / f".{folder.name}-{secrets.token_hex(4)}"


def _checked_card(card: Mapping[str, Any], path: Path) -> Mapping[str, Any]:
    name, license_ = card.get("name"), card.get("license")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise BundleError(
            f'{path} needs "name": 1 to 64 letters, digits, ".", "_" or "-"; got {name!r}.'
        )
    if not isinstance(license_, str) or not license_:
        raise BundleError(f'{path} needs "license", such as "Apache-2.0"; got {license_!r}.')
    needed = card.get("golden_cosine", {})
    is_map = isinstance(needed, Mapping)
    if not is_map or not all(isinstance(v, int | float) and 0 < v <= 1 for v in needed.values()):
        raise BundleError(
            f'{path} may have "golden_cosine", numbers above 0 up to 1 by precision; got {needed}.'
        )
    return card


def _check_hashes(
    table: object, contents: Mapping[str, bytes], folder: Path, *, required: bool
) -> None:
    if table is None and not required:
        return
    if not isinstance(table, Mapping) or not set(contents) <= set(table):
        raise BundleError(
            f'{folder / CARD} needs "sha256" with the hash of each of {", ".join(contents)}; '
            "write the bundle with write_bundle."
        )
    for name, data in contents.items():
        found = hashlib.sha256(data).hexdigest()
        if found != table[name]:
            raise BundleError(
                f"{folder / name} was changed or damaged: its sha256 is {found}, the card says "
                f"{table[name]}; fetch or export the bundle again."
            )


def _json(content: Mapping[str, Any]) -> bytes:
    return (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode()
