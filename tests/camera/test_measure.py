from __future__ import annotations

from itertools import islice

import pytest

from kinlens.camera.eye import Eye, SmallPicture
from kinlens.camera.measure import made_frames, measure
from kinlens.camera.options import Options
from kinlens.encoders import NetworkEncoder
from kinlens.errors import InvalidInput
from kinlens.images import PictureLoader


def test_every_step_is_measured(encoder: NetworkEncoder, loader: PictureLoader):
    figures = measure(Eye(encoder, loader, picture=SmallPicture()), made_frames(320, 240), 20)
    assert figures.frames == 20
    assert (figures.width, figures.height) == (320, 240)
    steps = (figures.decode, figures.encode, figures.picture, figures.pack)
    assert min(steps) > 0
    assert max(steps) <= figures.total
    assert figures.frames_per_second == pytest.approx(1000 / figures.total)
    assert 1000 < figures.bytes < 200_000


def test_few_frames_are_enough(encoder: NetworkEncoder, loader: PictureLoader):
    assert measure(Eye(encoder, loader), islice(made_frames(64, 48), 2)).frames == 2


@pytest.mark.parametrize(
    "wrong",
    [{"rate": 0}, {"rate": float("nan")}, {"change": 1.5}, {"change": -1}, {"heartbeat": 0}],
)
def test_options_of_no_sense_are_refused(wrong: dict[str, float]):
    with pytest.raises(InvalidInput, match=next(iter(wrong))):
        Options(**wrong)  # type: ignore[arg-type]
