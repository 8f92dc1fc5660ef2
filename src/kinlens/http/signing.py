"""Signed picture URLs: they need no key, name one picture, and expire.

An expiry is rounded, so that the same picture has the same URL within a quarter of the lifetime
and browsers can cache it. A URL is never valid for longer than the lifetime, also when the system's
clock is set back or forward.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
from pathlib import Path
from urllib.parse import quote

from itsdangerous import Signer
from itsdangerous.encoding import base64_encode

from kinlens.errors import ConfigError, PermissionDenied
from kinlens.http.clocks import STEP, SteadyClock

_SECRET = re.compile(r"[0-9a-f]{64}")


class UrlSigner:
    """Makes and checks the URLs of pictures and thumbnails.

    Parameters
    ----------
    secret : who knows it can sign
    lifetime : seconds a URL is valid at most
    prefix : put before the path, such as "https://shop.example/visual"
    """

    def __init__(self, secret: str, lifetime: int, prefix: str = "") -> None:
        self.lifetime = lifetime
        self.prefix = prefix.rstrip("/")
        self._window = max(1, lifetime // 4)
        signer = Signer(
            secret, salt="kinlens.pictures", key_derivation="hmac", digest_method=hashlib.sha256
        )
        self._key = signer.derive_key()
        self._clock = SteadyClock(lifetime)

    def urls(self, item_id: str, now: float | None = None) -> tuple[str, str]:
        """The URLs of an item's picture and of its thumbnail; one signature opens both."""
        current = int(self._clock.now() if now is None else now)
        expires = current // self._window * self._window + self.lifetime
        path = quote(item_id, safe="")
        query = f"?expires={expires}&signature={self._sign(item_id, expires)}"
        return (
            f"{self.prefix}/v1/images/{path}{query}",
            f"{self.prefix}/v1/thumbnails/{path}{query}",
        )

    def check(self, item_id: str, expires: int, signature: str, now: float | None = None) -> float:
        """Seconds until the URL expires; `PermissionDenied` if it has, or wasn't made here."""
        expected = self._sign(item_id, expires)
        if not hmac.compare_digest(expected.encode(), signature.encode("utf-8", "replace")):
            raise PermissionDenied(
                "The signature doesn't fit this picture; take the URL from an answer, unchanged."
            )
        times = self._clock.times() if now is None else [now]
        left = [expires - time for time in times if 0 < expires - time <= self.lifetime + STEP]
        if not left:
            raise PermissionDenied("This picture's URL has expired; ask for the item again.")
        return min(left[0], self.lifetime)

    def _sign(self, item_id: str, expires: int) -> str:
        value = f"{expires}:{item_id}".encode("utf-8", "surrogatepass")
        # Keyed BLAKE2 (RFC 7693) is an authentication code by itself. What OpenSSL computes lets
        # other threads take over each time, and an answer signs every hit.
        code = hashlib.blake2b(value, key=self._key, digest_size=32).digest()
        return base64_encode(code).decode("ascii")


def load_secret(folder: Path) -> str:
    """The secret that signs this catalog's URLs: 64 hex digits, made on first use.

    Raises
    ------
    ConfigError : the file can't be read or made, or holds something else
    """
    path = folder / "secret"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            _create(path)
        secret = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"The signing secret {path} can't be used: {error}.") from error
    if not _SECRET.fullmatch(secret):
        raise ConfigError(
            f"The signing secret {path} needs 64 hex digits and holds something else; delete it "
            "and a new one is made. URLs signed with the old one stop working."
        )
    return secret


def _create(path: Path) -> None:
    """Write a new secret whole or not at all; of two processes at once, one wins."""
    draft = path.with_name(f"secret.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(32))
        os.link(draft, path)
    except FileExistsError:
        pass
    except OSError:  # a file system without hard links
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
