"""Encoders: pictures in, unit vectors out; a model is data, a runtime is one file."""

from kinlens.encoders.base import BaseEncoder, Encoder
from kinlens.encoders.bundle import Bundle, read_bundle, rewrite_golden, write_bundle
from kinlens.encoders.network import NetworkEncoder
from kinlens.encoders.opening import open_encoder
from kinlens.encoders.registry import Model, list_models
from kinlens.encoders.runtimes import installed_runtimes

__all__ = [
    "BaseEncoder",
    "Bundle",
    "Encoder",
    "Model",
    "NetworkEncoder",
    "installed_runtimes",
    "list_models",
    "open_encoder",
    "read_bundle",
    "rewrite_golden",
    "write_bundle",
]
