"""Bundles from the Hugging Face Hub, pinned so that a name means one model for ever.

    hf://owner/name@REVISION                   REVISION: the 40 hex digits of a commit
    hf://owner/name@REVISION#sha256=DIGEST     DIGEST: sha256 of the bundle's card.json

A branch or tag can be moved and is refused. The card lists the sha256 of the other files, so the
revision, or the digest for those who don't trust the Hub, pins them all. `HF_ENDPOINT`,
`HF_HUB_OFFLINE`, `HF_TOKEN` and `HF_HOME` mean what they mean to huggingface_hub.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from kinlens.encoders.bundle import CARD, FILES, Bundle, read_bundle
from kinlens.errors import BundleError, InvalidInput, MissingDependency, ModelUnavailable

SCHEME = "hf://"

_REFERENCE = re.compile(
    r"hf://(?P<repo>[\w.-]+/[\w.-]+)@(?P<revision>[0-9a-f]{40})(#sha256=(?P<digest>[0-9a-f]{64}))?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class HubReference:
    """A bundle in a repository of the Hub.

    Parameters
    ----------
    repo : "owner/name"
    revision : commit, 40 hex digits
    digest : sha256 of card.json, or None
    """

    repo: str
    revision: str
    digest: str | None = None

    @classmethod
    def parse(cls, text: str) -> HubReference:
        """Read ``hf://owner/name@revision``; `InvalidInput` if it is anything else."""
        found = _REFERENCE.fullmatch(text)
        if not found:
            raise InvalidInput(
                "A model on the Hub is hf://owner/name@REVISION, with the 40 hex digits of a "
                "commit (a branch could be moved), and may end in #sha256= with the digest of its "
                f"card.json; got {text!r}."
            )
        return cls(found["repo"], found["revision"], found["digest"])


def fetch_bundle(reference: HubReference) -> Bundle:
    """Read a bundle, from this machine's cache or else from the Hub.

    Raises
    ------
    MissingDependency : huggingface_hub isn't installed
    ModelUnavailable : it isn't in the cache, and the Hub can't be reached or doesn't have it
    BundleError : what came isn't the bundle that was pinned
    """
    paths = [_download(reference, name) for name in FILES]
    folder = paths[0].parent
    if reference.digest:
        found = hashlib.sha256((folder / CARD).read_bytes()).hexdigest()
        if found != reference.digest:
            raise BundleError(
                f"card.json of {reference.repo} has the sha256 {found}, but {reference.digest} "
                "was asked for; don't use this model unless you know why it differs."
            )
    return read_bundle(folder, hashed=True)


def _download(reference: HubReference, file: str) -> Path:
    try:
        from httpx2 import HTTPError  # noqa: PLC0415 - what huggingface_hub lets through
        from huggingface_hub import hf_hub_download  # noqa: PLC0415 - optional, and slow to import
        from huggingface_hub.errors import (  # noqa: PLC0415
            EntryNotFoundError,
            LocalEntryNotFoundError,
            OfflineModeIsEnabled,
        )
    except ImportError as error:
        raise MissingDependency(
            "Models from the Hub need huggingface_hub: pip install 'kinlens[hub]'"
        ) from error
    repo, revision = reference.repo, reference.revision
    try:
        path = hf_hub_download(repo, file, revision=revision, library_name="kinlens")
    except (LocalEntryNotFoundError, OfflineModeIsEnabled) as error:
        raise ModelUnavailable(
            f"{file} of {repo} isn't on this machine, and the Hub can't be reached (or "
            "HF_HUB_OFFLINE is set). Where it can be reached, run `hf download "
            f"{repo} {' '.join(FILES)} --revision {revision} --local-dir FOLDER`, copy FOLDER here "
            "and name it as the encoder; or set HF_ENDPOINT to a mirror."
        ) from error
    except (OSError, ValueError, HTTPError, EntryNotFoundError) as error:
        reason = str(error).strip().splitlines()
        raise ModelUnavailable(
            f"{file} of {repo} at {revision} can't be had from the Hub: "
            f"{reason[0] if reason else type(error).__name__}. Kinlens reads bundles with "
            f"{', '.join(FILES)}; check the name, the revision and, if it is private, HF_TOKEN."
        ) from error
    return Path(path)
