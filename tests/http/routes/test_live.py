from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import httpx
import pytest

import live_servers
from http_door import Door, Doors, item_id, problem
from kinlens.http import streams
from kinlens.http.streams import Happened
from kinlens.live.service import LiveService
from kinlens.search import Search

JPEG = {"Content-Type": "image/jpeg"}


@pytest.fixture
def door(doors: Doors, stocked: Search) -> Door:
    return doors(stocked)


def show(client: httpx.Client, picture: bytes, device: str = "shelf-1", **options: Any) -> bool:
    """Be a camera; gives whether the frame was taken."""
    headers = JPEG | options.pop("headers", {})
    response = client.post(
        f"/v1/live/{device}/frames", content=picture, headers=headers, params=options
    )
    assert response.status_code == 202, response.text
    accepted: bool = response.json()["accepted"]
    return accepted


def wait_for(check: Callable[[], Any]) -> Any:
    """What the check gives once it gives something."""
    found: list[Any] = []
    live_servers.wait_for(lambda: found.append(check()) or found[-1])
    return found[-1]


def latest(client: httpx.Client, device: str = "shelf-1") -> dict[str, Any] | None:
    response = client.get(f"/v1/live/{device}/latest")
    return response.json() if response.status_code == 200 else None


@contextmanager
def reading(client: httpx.Client, path: str, **options: Any) -> Iterator[Iterator[Any]]:
    """The events of a stream as pairs of name and data; comments have no name."""

    def events(response: httpx.Response) -> Iterator[Any]:
        name = ""
        for line in response.iter_lines():
            if line.startswith("event:"):
                name = line[6:].strip()
            elif line.startswith("data:"):
                yield name, json.loads(line[5:])
            elif line.startswith(":"):
                yield "", line

    with client.stream("GET", path, **options) as response:
        assert response.status_code == 200, response.read()
        assert response.headers["content-type"].startswith("text/event-stream")
        yield events(response)


def seen(events: Iterator[Any]) -> dict[str, Any]:
    """The next view."""
    view: dict[str, Any] = next(body for name, body in events if name == "view")
    return view


def test_a_frame_is_matched_and_shown(door: Door, pictures: list[bytes]) -> None:
    assert door.client.get("/v1/live").json() == {"devices": []}
    assert show(door.client, pictures[3])
    view = wait_for(lambda: latest(door.client))
    assert view["hits"][0]["id"] == item_id(3)
    assert view["hits"][0]["metadata"]["color"] == "red"
    assert 0 <= view["age"] < 20
    assert view["picture"].startswith("data:image/jpeg;base64,")
    address = f"{door.server.url}{view['hits'][0]['image_url']}"
    assert httpx.get(address, timeout=60).content == pictures[3]
    [camera] = door.client.get("/v1/live").json()["devices"]
    assert (camera["device"], camera["state"]) == ("shelf-1", "online")
    assert door.client.get("/v1/live/shelf-1/picture").content == pictures[3]
    matched = b'kinlens_live_messages_total{outcome="matched"} 1.0'
    wait_for(lambda: matched in door.client.get("/metrics").content)


def test_history_is_newest_first(door: Door, pictures: list[bytes]) -> None:
    for number in (1, 4, 7):
        assert show(door.client, pictures[number])
        wait_for(
            lambda n=number: (
                (latest(door.client) or {"hits": [{}]})["hits"][0].get("id") == item_id(n)
            )
        )
    views = door.client.get("/v1/live/shelf-1/history?limit=2").json()["views"]
    assert [view["hits"][0]["id"] for view in views] == [item_id(7), item_id(4)]
    old = views[1]["sequence"]
    assert door.client.get(f"/v1/live/shelf-1/picture?sequence={old}").content == pictures[4]
    problem(door.client.get("/v1/live/shelf-1/history?limit=0"), 422, "invalid-request")


def test_a_stream_tells_of_what_is_and_what_comes(door: Door, pictures: list[bytes]) -> None:
    show(door.client, pictures[2])
    wait_for(lambda: latest(door.client))
    with reading(door.client, "/v1/live/shelf-1/events") as events:
        assert next(events)[1]["state"] == "online"
        assert seen(events)["hits"][0]["id"] == item_id(2)
        show(door.client, pictures[5])
        show(door.client, pictures[9], device="other")
        view = seen(events)
        assert view["hits"][0]["id"] == item_id(5)
        assert view["picture"]


def test_what_comes_just_before_a_stream_watches_is_told(
    door: Door, pictures: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    show(door.client, pictures[2])
    before = wait_for(lambda: latest(door.client))
    service: LiveService = door.server.app.state.kinlens.live
    watch = service.watch

    def watch_too_late(listener: Callable[[Happened], None]) -> Callable[[], None]:
        known = service.latest("shelf-1")
        assert known is not None
        service.store.put(replace(known, sequence=known.sequence + 1))
        return watch(listener)

    monkeypatch.setattr(service, "watch", watch_too_late)
    with reading(door.client, "/v1/live/shelf-1/events") as events:
        assert seen(events)["sequence"] == before["sequence"]
        assert seen(events)["sequence"] == before["sequence"] + 1


def test_the_stream_of_all_cameras_has_no_pictures(door: Door, pictures: list[bytes]) -> None:
    with reading(door.client, "/v1/live/events") as events:
        for number, device in enumerate(("a", "b")):
            show(door.client, pictures[number], device=device)
            view = seen(events)
            assert (view["device"], view["picture"]) == (device, None)


def test_a_stream_shows_that_it_lives(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "HEARTBEAT", 0.05)
    with reading(door.client, "/v1/live/silent/events") as events:
        assert [next(events)[1] for _ in range(3)] == [": still here"] * 3


def test_streams_end_when_the_server_does(doors: Doors, stocked: Search) -> None:
    door = doors(stocked, shutdown_timeout=120)
    ended = threading.Event()

    def read() -> None:
        with reading(door.client, "/v1/live/shelf-1/events") as events:
            list(events)
        ended.set()

    threading.Thread(target=read, daemon=True).start()
    wait_for(lambda: len(door.server.app.state.kinlens.streams))
    started = time.monotonic()
    door.server.__exit__()
    assert ended.wait(60)
    assert time.monotonic() - started < 10, "it waited for the stream"


def test_there_are_only_so_many_streams(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "MOST", 1)
    with reading(door.client, "/v1/live/a/events"):
        problem(door.client.get("/v1/live/b/events"), 503, "overloaded")
    wait_for(lambda: not len(door.server.app.state.kinlens.streams))
    with reading(door.client, "/v1/live/b/events"):
        pass


def test_a_stream_ends_with_its_key(
    doors: Doors, stocked: Search, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "HEARTBEAT", 0.05)
    door = doors(stocked, guarded=True)
    problem(door.client.get("/v1/live/a/events"), 401, "unauthenticated")
    headers = {"Authorization": f"Bearer {door.read}"}
    with reading(door.client, "/v1/live/a/events", headers=headers) as events:
        next(events)
        door.server.app.state.kinlens.keys.revoke("reader")
        assert len(list(events)) < 1000, "it ended"


def test_who_may_show_frames(doors: Doors, stocked: Search, pictures: list[bytes]) -> None:
    door = doors(stocked, guarded=True)

    def post(token: str, device: str) -> httpx.Response:
        headers = JPEG | ({"Authorization": f"Bearer {token}"} if token else {})
        return door.client.post(f"/v1/live/{device}/frames", content=pictures[0], headers=headers)

    problem(post("", "shelf-1"), 401, "unauthenticated")
    problem(post(door.read, "shelf-1"), 403, "permission-denied")
    assert post(door.write, "any").status_code == 202
    assert post(door.camera, "shelf-1").status_code == 202
    problem(post(door.camera, "shelf-2"), 403, "permission-denied")
    answer = door.client.get(
        "/v1/live/shelf-1/latest", headers={"Authorization": f"Bearer {door.camera}"}
    )
    problem(answer, 403, "permission-denied")


@pytest.mark.parametrize(
    ("content", "kind", "status", "slug"),
    [
        (b"", "image/jpeg", 422, "broken-picture"),
        (b"hello", "image/jpeg", 422, "unsupported-picture"),
        (b"\xff\xd8\xff\xe0 and no more", "image/jpeg", 422, "broken-picture"),
        (b"{}", "application/json", 415, "unsupported-content-type"),
        (b"\xff\xd8\xff" + bytes(4_000_001), "image/jpeg", 413, "body-too-large"),
    ],
)
def test_what_is_no_frame(door: Door, content: bytes, kind: str, status: int, slug: str) -> None:
    answer = door.client.post(
        "/v1/live/shelf-1/frames", content=content, headers={"Content-Type": kind}
    )
    problem(answer, status, slug)
    problem(door.client.get("/v1/live/shelf-1/latest"), 404, "not-found")


@pytest.mark.parametrize("device", ["a b", "x" * 65, "ä", "a+b", "%2E", "%2E%2E"])
def test_what_is_no_camera(door: Door, device: str, pictures: list[bytes]) -> None:
    answer = door.client.post(f"/v1/live/{device}/frames", content=pictures[0], headers=JPEG)
    assert answer.status_code == 422, answer.text
    assert door.client.get(f"/v1/live/{device}/latest").status_code == 422


def test_a_frame_of_another_page_is_refused(door: Door, pictures: list[bytes]) -> None:
    headers = {"Origin": "https://evil.example"}
    answer = door.client.post(
        "/v1/live/shelf-1/frames", content=pictures[0], headers=JPEG | headers
    )
    problem(answer, 403, "permission-denied")


def test_frames_out_of_order_are_no_news(
    door: Door, pictures: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kinlens.live.matcher.RESTART", 600.0)  # nor are they after a pause
    assert show(door.client, pictures[1], sequence=20)
    assert not show(door.client, pictures[2], sequence=19)
    view = wait_for(lambda: latest(door.client))
    assert view["hits"][0]["id"] == item_id(1)


def test_the_samples_page_gets_its_matches(
    doors: Doors, stocked: Search, pictures: list[bytes]
) -> None:
    door = doors(stocked)
    asked = {"ApiCallType": "check-search-results"}
    assert door.client.post("/matches", json=asked).json()["body"] == "NO MATCHES"
    show(door.client, pictures[6])
    wait_for(lambda: latest(door.client))
    answer = door.client.post("/matches", json=asked).json()
    assert answer["statusCode"] == "200"
    [first, *_] = json.loads(answer["body"].replace("'", '"'))["matches"]
    assert set(first) == {"id", "title", "url"}
    assert first["id"] == item_id(6)
    assert httpx.get(first["url"], timeout=60).content == pictures[6]


def test_titles_with_apostrophes_reach_the_samples_page(
    doors: Doors, empty: Search, pictures: list[bytes]
) -> None:
    from kinlens.types import NewItem

    title = 'Men\'s 6" "sneaker"'
    empty.add([NewItem("one", image=pictures[0], metadata={"title": title})])
    client = doors(empty).client
    show(client, pictures[0])
    wait_for(lambda: latest(client))
    body = client.post("/matches").json()["body"]
    # What the sample's page does with it.
    assert json.loads(body.replace("'", '"'))["matches"][0]["title"] == title


def test_a_camera_says_goodbye(door: Door, pictures: list[bytes]) -> None:
    show(door.client, pictures[2], within=30)
    assert door.client.delete("/v1/live/shelf-1/frames").status_code == 204
    [status] = door.client.get("/v1/live").json()["devices"]
    assert (status["state"], status["message"]) == ("offline", "It has stopped.")
    show(door.client, pictures[3])
    [status] = door.client.get("/v1/live").json()["devices"]
    assert status["state"] == "online"


def test_a_camera_that_promises_the_next_frame(door: Door, pictures: list[bytes]) -> None:
    show(door.client, pictures[2], within=1)

    def gone() -> bool:
        [status] = door.client.get("/v1/live").json()["devices"]
        return bool(status["message"] == "No frame has come for 1 s.")

    wait_for(gone)
    url = "/v1/live/shelf-1/frames"
    for within in (0, 0.5, 31, "nan", "x"):
        response = door.client.post(
            url, content=pictures[2], headers=JPEG, params={"within": within}
        )
        assert response.status_code == 422


def test_who_may_say_goodbye(doors: Doors, stocked: Search) -> None:
    door = doors(stocked, guarded=True)
    for token, status in ((door.camera, 204), (door.write, 204), (door.read, 403), ("", 401)):
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        answer = door.client.delete("/v1/live/shelf-1/frames", headers=headers)
        assert answer.status_code == status
    headers = {"Authorization": f"Bearer {door.camera}"}
    assert door.client.delete("/v1/live/other/frames", headers=headers).status_code == 403


def test_answers_tell_when_they_were_made(door: Door, pictures: list[bytes]) -> None:
    show(door.client, pictures[2])
    wait_for(lambda: latest(door.client))
    first, second = latest(door.client), latest(door.client)
    assert first is not None
    assert second is not None
    assert first["server"] == second["server"]
    assert first["clock"] <= second["clock"]
    with reading(door.client, "/v1/live/shelf-1/events") as events:
        for _, body in (next(events), next(events)):
            assert body["server"] == first["server"]
            assert body["clock"] >= second["clock"]
