from __future__ import annotations

import hashlib
import stat
import threading
import time
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import itsdangerous
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinlens.errors import ConfigError, PermissionDenied
from kinlens.http.signing import UrlSigner, load_secret

SECRET = "ab" * 32
IDS = st.text(min_size=1).filter(lambda text: not any("\ud800" <= c <= "\udfff" for c in text))


def parts(url: str) -> tuple[str, int, str]:
    split = urlsplit(url)
    query = parse_qs(split.query)
    name = unquote(split.path.rpartition("/")[2])
    return name, int(query["expires"][0]), query["signature"][0]


@given(IDS, st.integers(1, 100_000), st.floats(0, 4e9))
def test_a_url_opens_its_picture_for_at_most_the_lifetime(
    item_id: str, lifetime: int, now: float
) -> None:
    signer = UrlSigner(SECRET, lifetime)
    for url in signer.urls(item_id, now):
        name, expires, signature = parts(url)
        assert name == item_id
        assert now < expires <= now + lifetime
        assert expires - now >= lifetime - lifetime / 4 - 1
        assert 0 < signer.check(name, expires, signature, now) <= lifetime
        with pytest.raises(PermissionDenied, match="expired"):
            signer.check(name, expires, signature, now + lifetime)


def test_signatures_are_keyed_blake2_under_a_key_of_itsdangerous() -> None:
    name, expires, signature = parts(UrlSigner(SECRET, 300).urls("röck", 1000)[0])
    key = itsdangerous.Signer(
        SECRET, salt="kinlens.pictures", key_derivation="hmac", digest_method=hashlib.sha256
    ).derive_key()
    code = hashlib.blake2b(f"{expires}:{name}".encode(), key=key, digest_size=32)
    assert signature == itsdangerous.encoding.base64_encode(code.digest()).decode()


def test_the_url_repeats_within_a_quarter_of_the_lifetime() -> None:
    signer = UrlSigner(SECRET, 300)
    start = 75 * 1000
    urls = {signer.urls("x", start + second) for second in range(75)}
    assert len(urls) == 1
    assert signer.urls("x", start + 75) not in urls


@given(IDS, IDS)
def test_a_signature_fits_one_picture(first: str, second: str) -> None:
    signer = UrlSigner(SECRET, 300)
    name, expires, signature = parts(signer.urls(first, 1000)[0])
    if first != second:
        with pytest.raises(PermissionDenied, match="signature"):
            signer.check(second, expires, signature, 1000)
    with pytest.raises(PermissionDenied, match="signature"):
        signer.check(name, expires + 1, signature, 1000)
    with pytest.raises(PermissionDenied, match="signature"):
        UrlSigner("cd" * 32, 300).check(name, expires, signature, 1000)


@given(st.text())
def test_no_guess_opens_a_picture(guess: str) -> None:
    with pytest.raises(PermissionDenied):
        UrlSigner(SECRET, 300).check("x", 2**40, guess, 1000)


def test_a_prefix_makes_urls_absolute() -> None:
    image, thumbnail = UrlSigner(SECRET, 300, "https://shop.example/visual/").urls("a/b c")
    assert image.startswith("https://shop.example/visual/v1/images/a%2Fb%20c?")
    assert thumbnail.startswith("https://shop.example/visual/v1/thumbnails/a%2Fb%20c?")


def test_the_secret_is_made_once_for_its_owner(tmp_path: Path) -> None:
    secret = load_secret(tmp_path / "data")
    assert len(secret) == 64
    assert load_secret(tmp_path / "data") == secret
    file = tmp_path / "data" / "secret"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [entry.name for entry in file.parent.iterdir()] == ["secret"]


def test_servers_that_start_together_share_a_secret(tmp_path: Path) -> None:
    found: set[str] = set()
    threads = [
        threading.Thread(target=lambda: found.add(load_secret(tmp_path / "data"))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 1


@pytest.mark.parametrize("content", [b"", b"short", b"\xff" * 64, b"g" * 64])
def test_a_secret_that_is_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "secret").write_bytes(content)
    with pytest.raises(ConfigError, match="secret"):
        load_secret(tmp_path)


def test_a_secret_that_is_a_folder(tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    with pytest.raises(ConfigError, match="can't be used"):
        load_secret(tmp_path)


class Clocks:
    """The system's clocks, which a test sets."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.unix, self.steady = 1_000_000.0, 50.0
        monkeypatch.setattr(time, "time", lambda: self.unix)
        monkeypatch.setattr(time, "monotonic", lambda: self.steady)

    def wait(self, seconds: float) -> None:
        self.unix += seconds
        self.steady += seconds


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> Clocks:
    return Clocks(monkeypatch)


@pytest.mark.parametrize("step", [-86_400.0, -3600.0, -60.0, 60.0, 3600.0, 86_400.0])
def test_a_clock_that_is_set_leaves_urls_as_they_are(step: float, clocks: Clocks) -> None:
    signer = UrlSigner(SECRET, 300)
    given = parts(signer.urls("x")[0])
    before = signer.check(*given)
    clocks.unix += step
    clocks.wait(10)
    later = parts(signer.urls("x")[0])
    assert clocks.unix < later[1] <= clocks.unix + 300, "by the clock that other processes see"
    for url in (given, later):
        assert 0 < signer.check(*url) <= 300
    assert 0 < UrlSigner(SECRET, 300).check(*later) <= 300
    if abs(step) > 300:
        assert signer.check(*given) == pytest.approx(before - 10)
        clocks.wait(before - 10)
        with pytest.raises(PermissionDenied, match="expired"):
            signer.check(*given)
    clocks.wait(600)
    for url in (given, later):
        with pytest.raises(PermissionDenied, match="expired"):
            signer.check(*url)


def test_urls_of_a_clock_that_was_ahead_end_with_the_process(clocks: Clocks) -> None:
    given = parts(UrlSigner(SECRET, 300).urls("x")[0])
    clocks.unix -= 3600
    with pytest.raises(PermissionDenied, match="expired"):
        UrlSigner(SECRET, 300).check(*given)


def test_a_clock_that_is_set_again_and_again(clocks: Clocks) -> None:
    signer = UrlSigner(SECRET, 300)
    given = parts(signer.urls("x")[0])
    for step in (5000.0, -9000.0, 70_000.0):
        clocks.unix += step
        clocks.wait(20)
        assert 0 < signer.check(*given) <= 300
    clocks.wait(301)
    assert len(signer._clock.times()) == 1
