"""What devices send: every byte, every fault."""

from __future__ import annotations

import json
import math
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from kinlens.errors import InvalidInput, PermissionDenied
from kinlens.keys import secret_of
from kinlens.live import wire
from kinlens.live.types import DeviceStatus, Sighting

JPEG = b"\xff\xd8\xff\xe0 the rest of a picture"
SECRET = secret_of("kl_a key")
DEVICES = st.from_regex(r"\A[A-Za-z0-9._-]{1,64}\Z")
FEW = settings(max_examples=60, deadline=None)


def sighting(**given: object) -> Sighting:
    vector = np.zeros(8, np.float32)
    vector[[1, 3]] = 0.6, 0.8
    values: dict[str, object] = {
        "device": "door-1",
        "sequence": 42,
        "taken_at": 1700000000.25,
        "fingerprint": "0123456789abcdef",
        "vector": vector,
        "picture": JPEG,
        "session": 99,
    }
    return Sighting(**values | given)  # type: ignore[arg-type]


def same(first: Sighting, second: Sighting) -> bool:
    names = ("device", "sequence", "taken_at", "fingerprint", "picture", "session")
    equal = all(getattr(first, name) == getattr(second, name) for name in names)
    return equal and np.allclose(first.vector, second.vector, atol=2e-3)


def test_every_byte_is_where_the_documentation_says() -> None:
    packed = wire.pack(sighting(), SECRET)
    assert packed[:8] == b"KNLS\x01\x01\x08\x00"
    assert struct.unpack_from("<QQdI", packed, 8) == (99, 42, 1700000000.25, len(JPEG))
    assert packed[36:40] == b"\x10\x00\x00\x00"
    assert packed[40:56] == b"0123456789abcdef"
    assert np.frombuffer(packed, "<f2", 8, 56)[[1, 3]] == pytest.approx([0.6, 0.8], abs=1e-3)
    assert packed[72 : 72 + len(JPEG)] == JPEG
    assert len(packed) == 72 + len(JPEG) + 32


@pytest.mark.parametrize("secret", [None, SECRET])
@pytest.mark.parametrize("picture", [None, JPEG])
@pytest.mark.parametrize("fingerprint", [None, "f" * 128])
def test_there_and_back(secret: str | None, picture: bytes | None, fingerprint: str | None) -> None:
    wanted = sighting(picture=picture, fingerprint=fingerprint)
    secrets = [secret] if secret else None
    found = wire.unpack(wire.pack(wanted, secret), "door-1", secrets=secrets, received_at=3.5)
    assert same(found, wanted)
    assert found.received_at == 3.5
    assert found.vector.dtype == np.float32
    assert np.linalg.norm(found.vector) == pytest.approx(1, abs=1e-6)


@FEW
@given(
    device=DEVICES,
    sequence=st.integers(0, 2**64 - 1),
    session=st.integers(0, 2**64 - 1),
    taken_at=st.floats(allow_nan=False, allow_infinity=False),
    fingerprint=st.none() | st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1)
    .map(lambda text: text[:128]),
    vector=arrays.arrays(np.float32, st.integers(1, 300), elements=st.floats(-1, 1, width=16)),
    picture=st.none() | st.binary(max_size=200).map(lambda rest: b"\xff\xd8\xff" + rest),
    signed=st.booleans(),
)  # fmt: skip
def test_any_sighting_there_and_back(
    device: str,
    sequence: int,
    session: int,
    taken_at: float,
    fingerprint: str | None,
    vector: np.ndarray,
    picture: bytes | None,
    signed: bool,
) -> None:
    length = np.linalg.norm(vector.astype(float))
    if length < 0.1:
        vector = vector + 1
        length = np.linalg.norm(vector.astype(float))
    unit = (vector / length).astype(np.float32)
    session = session or int(signed)  # who signs draws one
    wanted = Sighting(device, sequence, taken_at, fingerprint, unit, picture, session=session)
    packed = wire.pack(wanted, SECRET if signed else None)
    assert same(wire.unpack(packed, device, secrets=[SECRET] if signed else None), wanted)


@FEW
@given(st.binary(max_size=300), st.booleans())
def test_noise(payload: bytes, guarded: bool) -> None:
    secrets = [SECRET] if guarded else None
    for read in (
        lambda: wire.unpack(payload, "door-1", secrets=secrets),
        lambda: wire.unpack(wire.pack(sighting())[:36] + payload, "door-1", secrets=secrets),
        lambda: wire.unpack_deeplens(payload, "door-1", received_at=0.0),
        lambda: wire.unpack_status(payload, "door-1", secrets=secrets, at=0.0),
    ):
        with pytest.raises((InvalidInput, PermissionDenied)):
            read()


@FEW
@given(st.data())
def test_a_garbled_sighting_is_refused_or_still_a_vector(data: st.DataObject) -> None:
    packed = bytearray(wire.pack(sighting()))
    for _ in range(data.draw(st.integers(1, 4))):
        packed[data.draw(st.integers(0, len(packed) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = wire.unpack(bytes(packed), "door-1")
    except InvalidInput:
        return
    assert math.isfinite(found.taken_at)
    assert np.linalg.norm(found.vector) == pytest.approx(1, abs=1e-5)


@FEW
@given(st.data())
def test_a_signature_holds_for_every_byte(data: st.DataObject) -> None:
    packed = bytearray(wire.pack(sighting(), SECRET))
    place = data.draw(st.integers(0, len(packed) - 1))
    packed[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises((InvalidInput, PermissionDenied)):
        wire.unpack(bytes(packed), "door-1", secrets=[SECRET])


@pytest.mark.parametrize("length", [0, 1, 39, 40, 60, 100])
def test_truncated(length: int) -> None:
    with pytest.raises(InvalidInput, match="cut off"):
        wire.unpack(wire.pack(sighting(picture=JPEG * 10))[:length], "door-1")


@pytest.mark.parametrize(
    ("place", "raw", "message"),
    [
        (0, b"JPEG", "begins with"),
        (4, b"\x02", "version 2"),
        (5, b"\x80", "flags"),
        (6, b"\xff\xff", "cut off or garbled"),
        (6, b"\x00\x00", "cut off or garbled"),
        (24, struct.pack("<d", math.nan), "taken_at"),
        (24, struct.pack("<d", -math.inf), "taken_at"),
        (32, b"\xff\xff\xff\xff", "garbled"),
        (36, b"\xff", "garbled"),
        (40, b"\x00", "fingerprint"),
        (40, b"\xc3\xa9", "fingerprint"),
        (56, b"\x00\x7e", "finite"),
        (56, b"\x00\x7c", "finite"),
        (56, b"\x00" * 16, "not all 0"),
        (72, b"GIF", "JPEG"),
    ],
)
def test_what_is_wrong_is_named(place: int, raw: bytes, message: str) -> None:
    packed = bytearray(wire.pack(sighting()))
    packed[place : place + len(raw)] = raw
    with pytest.raises(InvalidInput, match=message):
        wire.unpack(bytes(packed), "door-1")


def test_no_numbers_at_all() -> None:
    bare = wire.pack(sighting(vector=np.zeros(0, np.float32), picture=None))
    with pytest.raises(InvalidInput, match="vector"):
        wire.unpack(bare, "door-1")


def test_oversized() -> None:
    with pytest.raises(InvalidInput, match="smaller picture"):
        wire.pack(sighting(picture=JPEG + bytes(wire.MAX_PAYLOAD)))
    with pytest.raises(InvalidInput, match="At most"):
        wire.unpack(bytes(wire.MAX_PAYLOAD + 1), "door-1")
    with pytest.raises(InvalidInput, match="At most"):
        wire.unpack_status(b" " * 5000, "door-1", at=0.0)


@pytest.mark.parametrize("values", [{"sequence": -1}, {"sequence": 2**64}, {"taken_at": "now"}])
def test_what_cant_be_packed(values: dict[str, object]) -> None:
    with pytest.raises(InvalidInput, match="packed"):
        wire.pack(sighting(**values))


def test_signatures() -> None:
    packed = wire.pack(sighting(), SECRET)
    other = secret_of("kl_another")
    assert wire.unpack(packed, "door-1").sequence == 42
    assert wire.unpack(packed, "door-1", secrets=[other, SECRET]).sequence == 42
    for payload, device, secrets in (
        (packed, "door-1", [other]),
        (packed, "door-1", []),
        (packed, "door-2", [SECRET]),
        (wire.pack(sighting()), "door-1", [SECRET]),
        (wire.pack(sighting(), other), "door-1", [SECRET]),
    ):
        with pytest.raises(PermissionDenied, match="keys create"):
            wire.unpack(payload, device, secrets=secrets)


def test_a_signature_cant_be_taken_off() -> None:
    packed = bytearray(wire.pack(sighting(), SECRET))
    packed[5] = 0
    with pytest.raises(InvalidInput):
        wire.unpack(bytes(packed), "door-1")
    with pytest.raises(PermissionDenied):
        wire.unpack(bytes(packed[:-32]), "door-1", secrets=[SECRET])


def test_deeplens() -> None:
    payload = json.dumps({"features": "0.6, -0.8,0,1e-9", "more": "is ignored"}).encode()
    found = wire.unpack_deeplens(payload, "lens", received_at=12.5)
    assert (found.device, found.fingerprint, found.picture) == ("lens", None, None)
    assert (found.sequence, found.taken_at, found.received_at) == (12_500_000, 12.5, 12.5)
    assert found.vector == pytest.approx([0.6, -0.8, 0, 0], abs=1e-6)
    listed = wire.unpack_deeplens(b'{"features": [3, 4]}', "lens", received_at=1.0)
    assert listed.vector == pytest.approx([0.6, 0.8])


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"[]",
        b"{}",
        b'{"features": null}',
        b'{"features": ""}',
        b'{"features": "1,two"}',
        b'{"features": "nan,1"}',
        b'{"features": "inf"}',
        b'{"features": [[1]]}',
        b'{"features": [NaN]}',
        b'{"features": "0,0"}',
        b'{"features": [1e999]}',
        b'{"features": "' + b"1," * 9000 + b'1"}',
        b'{"features": ' + b"[" * 100_000,
        b'{"features": [' + b"9" * 5000 + b"]}",
        b'{"features": "1,2"}\xff',
    ],
)
def test_deeplens_faults(payload: bytes) -> None:
    with pytest.raises(InvalidInput):
        wire.unpack_deeplens(payload, "lens", received_at=0.0)


@FEW
@given(
    st.sampled_from(["online", "offline", "error"]),
    st.none() | st.floats(0, 1000),
    st.none() | st.text(max_size=600),
    st.booleans(),
)
def test_statuses_there_and_back(
    state: str, rate: float | None, message: str | None, signed: bool
) -> None:
    wanted = DeviceStatus("door", state, 1.0, rate, "abc", message)  # type: ignore[arg-type]
    packed = wire.pack_status(wanted, SECRET if signed else None)
    if len(packed) > wire.MAX_STATUS:
        return
    found = wire.unpack_status(packed, "door", secrets=[SECRET] if signed else None, at=5.0)
    assert (found.device, found.state, found.at) == ("door", state, 5.0)
    assert (found.frames_per_second, found.fingerprint) == (rate, "abc")
    assert len(found.message or "") == min(len(message or ""), 500)
    assert (found.message or "").isprintable()


def test_statuses_are_plain_json_for_others_to_write() -> None:
    found = wire.unpack_status(b'{"state": "online"}', "door", at=5.0)
    assert found == DeviceStatus("door", "online", 5.0)


@pytest.mark.parametrize(
    "payload",
    [
        b'{"state": "sleeping"}',
        b'{"state": ["online"]}',
        b'{"state": "online", "message": 5}',
        b'{"state": "online", "fingerprint": {}}',
        b'{"state": "online", "frames_per_second": "many"}',
        b'{"state": "online", "frames_per_second": true}',
        b'{"state": "online", "frames_per_second": NaN}',
        b'{"state": "online", "frames_per_second": -1}',
    ],
)
def test_status_faults(payload: bytes) -> None:
    with pytest.raises(InvalidInput):
        wire.unpack_status(payload, "door", at=0.0)


def test_a_status_is_signed_too() -> None:
    packed = wire.pack_status(DeviceStatus("door", "online", 1.0), SECRET)
    assert wire.unpack_status(packed, "door", at=0.0).state == "online"
    garbled = packed.replace(b"online", b"error ")
    for payload in (packed.partition(b"\n")[0], garbled, packed + b"0", packed[:-2] + b"\xff\xff"):
        with pytest.raises(PermissionDenied):
            wire.unpack_status(payload, "door", secrets=[SECRET], at=0.0)


def test_topics() -> None:
    for make in (wire.sightings_topic, wire.status_topic, wire.deeplens_topic):
        assert wire.device_of(make("door-1")) == "door-1"


@pytest.mark.parametrize(
    "topic", ["", "kinlens", "kinlens/sightings", "kinlens//sightings", "kinlens/é/sightings",
              "kinlens/" + "x" * 65 + "/status", "kinlens/a b/status", "kinlens/a\n/status"],
)  # fmt: skip
def test_topics_of_no_device(topic: str) -> None:
    with pytest.raises(InvalidInput):
        wire.device_of(topic)
