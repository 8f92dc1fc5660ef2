"""The runtimes a network can be compiled by, the preferred one first."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Literal, Protocol, cast, get_args

from kinlens.config import usable_cores
from kinlens.encoders.compiled import CompiledCache
from kinlens.encoders.network import Network, NetworkEncoder, Precision, Session
from kinlens.errors import InvalidInput, MissingDependency

EXTRAS = {"openvino": "kinlens", "onnxruntime": "'kinlens[onnxruntime]'"}
"""What to install for each runtime; the module of the same name here holds its one function."""


class _Runtime(Protocol):
    def precisions(self) -> tuple[Precision, ...]: ...
    def open_session(
        self,
        network: Network,
        threads: int,
        precision: Precision,
        cache: CompiledCache | None = None,
    ) -> Session: ...


def installed_runtimes() -> list[str]:
    """Names of the runtimes that are installed, the preferred one first."""
    return [name for name in EXTRAS if find_spec(name) is not None]


def precisions(runtime: str) -> tuple[Precision, ...]:
    """What an installed runtime computes in on this machine, the default first."""
    return _load(_choose(runtime)).precisions()


def connect(
    network: Network,
    *,
    runtime: str = "auto",
    threads: int = 0,
    precision: Precision | Literal["auto"] = "auto",
    cache: CompiledCache | None = None,
) -> NetworkEncoder:
    """Compile a network.

    Parameters
    ----------
    network : to compile
    runtime : "openvino", "onnxruntime", or "auto" for the first that is installed
    threads : to compute with; 0 for one a core
    precision : "float32"; "bfloat16", where the CPU has it and the runtime is OpenVINO; or "auto"
        for the fastest that this machine has
    cache : of compiled networks, for a process that encodes few pictures; None to compile

    Raises
    ------
    InvalidInput : an unknown runtime, fewer than 0 threads, or a precision that isn't there
    MissingDependency : the runtime isn't installed
    BundleError : the runtime can't read the network
    """
    if threads < 0:
        raise InvalidInput(f"threads is 0 for one a core, or more; got {threads}.")
    name = _choose(runtime)
    module = _load(name)
    chosen = _choose_precision(precision, name, module.precisions())
    session = module.open_session(network, threads or usable_cores(), chosen, cache)
    return NetworkEncoder(network, session)


def _choose_precision(wanted: str, runtime: str, able: tuple[Precision, ...]) -> Precision:
    if wanted == "auto":
        return able[0]
    for precision in able:
        if precision == wanted:
            return precision
    known = get_args(Precision)
    if wanted not in known:
        raise InvalidInput(f"precision is one of auto, {', '.join(known)}; got {wanted!r}.")
    raise InvalidInput(
        f"{runtime} computes in {' or '.join(able)} on this machine; got {wanted!r}. bfloat16 "
        "needs OpenVINO and a CPU that has it; `kinlens doctor` says."
    )


def _choose(runtime: str) -> str:
    if runtime != "auto" and runtime not in EXTRAS:
        raise InvalidInput(f"runtime is one of auto, {', '.join(EXTRAS)}; got {runtime!r}.")
    installed = installed_runtimes()
    if runtime in installed:
        return runtime
    if runtime == "auto" and installed:
        return installed[0]
    extra = EXTRAS["onnxruntime" if runtime == "auto" else runtime]
    wanted = "an inference runtime" if runtime == "auto" else runtime
    raise MissingDependency(f"Encoding needs {wanted}, which isn't installed: pip install {extra}")


def _load(name: str) -> _Runtime:
    try:
        return cast("_Runtime", import_module(f"kinlens.encoders.{name}"))
    except ImportError as error:
        raise MissingDependency(
            f"{name} is installed but can't be loaded ({error}); install it again, or choose "
            "another runtime."
        ) from error
