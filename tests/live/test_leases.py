"""A device that promised to be heard again, and isn't."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from kinlens import wiring
from kinlens.errors import InvalidInput
from kinlens.live.leases import Leases
from kinlens.live.service import LiveService
from kinlens.live.types import DeviceStatus, Sighting
from kinlens.search import Search
from live_servers import wait_for

See = Callable[..., Sighting]


@pytest.fixture
def live(search: Search) -> Iterator[LiveService]:
    with wiring.open_live(search, live_max_age=600.0) as opened:
        yield opened


def state(live: LiveService, device: str = "shelf") -> tuple[str, str | None] | None:
    found = [each for each in live.devices() if each.device == device]
    return (found[0].state, found[0].message) if found else None


def frame(see: See, number: int = 3) -> bytes:
    picture = see(number).picture
    assert picture is not None
    return picture


def test_each_that_is_silent_is_called_once() -> None:
    called: list[tuple[str, float]] = []
    again = threading.Event()

    def lapsed(device: str, within: float) -> bool:
        called.append((device, within))
        return device != "elsewhere" or again.is_set()

    leases = Leases(lapsed, 10)
    leases.renew("far", 1000.0)
    leases.renew("near", 0.01)
    leases.renew("elsewhere", 0.02)
    wait_for(lambda: called.count(("elsewhere", 0.02)) > 3, "one that was heard of elsewhere")
    again.set()
    wait_for(lambda: not set(leases._leases) - {"far"})
    assert called.count(("near", 0.01)) == 1
    leases.renew("near", 0.01)
    wait_for(lambda: called.count(("near", 0.01)) == 2)
    leases.close()
    leases.renew("near", 0.001)
    time.sleep(0.05)
    assert called.count(("near", 0.01)) == 2
    assert "far" not in [name for name, _ in called]


def test_only_so_many_are_known() -> None:
    leases = Leases(lambda *_: True, 3)
    for number in range(9):
        leases.renew(str(number), 1000.0)
    assert list(leases._leases) == ["6", "7", "8"]
    leases.close()


def test_a_device_that_breaks_its_promise_is_offline(live: LiveService, see: See) -> None:
    told: list[str] = []
    live.watch(lambda event: told.append(event.state) if isinstance(event, DeviceStatus) else None)
    live.see("shelf", frame(see))
    live.see("patient", frame(see))
    live.stay("shelf", 0.2)
    wait_for(lambda: state(live) == ("offline", "No frame has come for 0 s."))
    assert told[-1] == "offline", "those who watch are told"
    assert state(live, "patient") == ("online", None)
    live.see("shelf", frame(see, 4))
    assert state(live) == ("online", None)


def test_one_whose_frames_come_by_another_server_is_online(live: LiveService, see: See) -> None:
    live.see("shelf", frame(see))
    wait_for(lambda: live.latest("shelf"))
    live.stay("shelf", 600.0)
    assert not live._lapsed("shelf", 600.0)
    assert state(live) == ("online", None)


def test_goodbye(live: LiveService, see: See) -> None:
    live.see("shelf", frame(see))
    live.leave("shelf")
    assert state(live) == ("offline", "It has stopped.")
    live.leave("nobody")
    assert state(live, "nobody") is None
    with pytest.raises(InvalidInput):
        live.leave("no/device")


def test_a_frame_that_comes_after_the_goodbye_is_no_return(
    live: LiveService, see: See, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kinlens.live.service.LAST_FRAME", 0.05)
    live.see("shelf", frame(see))
    live.leave("shelf")
    live.see("shelf", frame(see, 4))
    wait_for(lambda: (state(live) or ("",))[0] == "offline")
