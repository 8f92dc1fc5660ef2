"""From what a user names to an encoder that works."""

from __future__ import annotations

from dataclasses import replace
from os import PathLike, fspath
from pathlib import Path
from typing import Literal

from kinlens.encoders.bundle import Bundle, is_bundle, read_bundle
from kinlens.encoders.compiled import CompiledCache
from kinlens.encoders.files import read_network
from kinlens.encoders.hub import SCHEME, HubReference, fetch_bundle
from kinlens.encoders.network import Network, NetworkEncoder, Precision
from kinlens.encoders.pooling import Pooling, as_pooling
from kinlens.encoders.registry import list_models
from kinlens.encoders.runtimes import connect
from kinlens.errors import InvalidInput, ModelUnavailable


def open_encoder(
    name_or_path: str | PathLike[str],
    *,
    runtime: str = "auto",
    threads: int = 0,
    precision: Precision | Literal["auto"] = "auto",
    recipe: str | PathLike[str] | None = None,
    output: str | None = None,
    pooling: Pooling | None = None,
    cache: str | PathLike[str] | None = None,
) -> NetworkEncoder:
    """Open an encoder.

    Parameters
    ----------
    name_or_path : one of

        - a name of `list_models`, such as "kinlens-mini";
        - a bundle folder: model.onnx, recipe.json, golden.npz, card.json;
        - an ONNX file, with its recipe beside it: `NAME.recipe.json` for `NAME.onnx`;
        - a recipe file whose "model" is the path of its ONNX file;
        - ``hf://owner/name@REVISION``, a bundle on the Hugging Face Hub.
    runtime : "openvino", "onnxruntime", or "auto" for the first that is installed
    threads : to compute with; 0 for one a core
    precision : "float32"; "bfloat16", where the CPU has it and the runtime is OpenVINO; or "auto"
        for the fastest that this machine has
    recipe : recipe file of an ONNX file, where it doesn't lie beside it
    output, pooling : instead of what the recipe says: an output or a tensor within, and what makes
        a vector of a spatial map ("average", "max", "none"); golden numbers then say nothing
    cache : a folder where compiled networks are kept, so that the next process needn't compile;
        None to compile. The golden numbers are checked all the same

    Returns
    -------
    encoder : thread-safe; `encoder.runtime` and `encoder.precision` say how it computes

    Raises
    ------
    ModelUnavailable : no such model, or it can't be fetched
    BundleError : files that are incomplete, damaged or don't fit, an output that isn't there, or
        golden numbers that the runtime doesn't reproduce
    EncoderError : a network that gives no vectors
    MissingDependency : no runtime, or no huggingface_hub for a model on the Hub
    InvalidInput : an unknown runtime, a precision that isn't there, or a recipe where none is read
    """
    found = _found(name_or_path, recipe)
    compiled = CompiledCache(Path(cache)) if cache is not None else None
    if output is None and pooling is None and isinstance(found, Bundle):
        return found.load(runtime=runtime, threads=threads, precision=precision, cache=compiled)
    network = found.network if isinstance(found, Bundle) else found
    tapped = _tapped(network, output, pooling)
    return connect(tapped, runtime=runtime, threads=threads, precision=precision, cache=compiled)


def _tapped(network: Network, output: str | None, pooling: Pooling | None) -> Network:
    if pooling is not None:
        as_pooling(pooling)
    elif output is None:
        pooling = network.pooling
    return replace(network, named_output=output or network.named_output, pooling=pooling)


def _found(
    name_or_path: str | PathLike[str], recipe: str | PathLike[str] | None
) -> Bundle | Network:
    name, path = fspath(name_or_path), Path(name_or_path).expanduser()
    rows = {model.name: model for model in list_models()}
    if recipe is not None and path.suffix.lower() != ".onnx":
        raise InvalidInput(f"A recipe is given for an ONNX file (.onnx); {name} is none.")
    if name.startswith(SCHEME):
        return fetch_bundle(HubReference.parse(name))
    if name in rows:
        return rows[name].read()
    try:
        bundle, file = path.is_dir() and is_bundle(path), path.is_file()
    except OSError as error:
        raise ModelUnavailable(
            f"The encoder {path} can't be read: {error.strerror}. Check its permissions."
        ) from error
    if bundle:
        return read_bundle(path)
    if file:
        return read_network(path, Path(recipe).expanduser() if recipe is not None else None)
    raise _unknown(name, path, list(rows))


def _unknown(name: str, path: Path, known: list[str]) -> ModelUnavailable:
    found = f"{path} is a folder without model.onnx" if path.is_dir() else f"no model {name!r} here"
    return ModelUnavailable(
        f"An encoder is a known name ({', '.join(known)}), a bundle folder, an ONNX file with its "
        f"recipe, or hf://owner/name@REVISION; {found}."
    )
