"""Patterns of what is left out of a folder."""

from __future__ import annotations

import fnmatch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinlens.errors import InvalidInput
from kinlens.sources import SourceOptions
from kinlens.sources.patterns import Patterns


def excludes(pattern: str, path: str, *, folder: bool = False) -> bool:
    return Patterns([pattern]).excludes(path, folder=folder)


@pytest.mark.parametrize(
    ("pattern", "excluded", "kept"),
    [
        ("*_thumb.jpg", ["a_thumb.jpg", "x/y/b_thumb.jpg"], ["a.jpg", "a_thumb.jpg.png"]),
        ("a.jpg", ["a.jpg", "x/a.jpg"], ["aXjpg", "ba.jpg", "A.jpg"]),
        ("/a.jpg", ["a.jpg"], ["x/a.jpg"]),
        ("x/*.png", ["x/a.png"], ["x/y/a.png", "y/x/a.png", "a.png"]),
        ("x/**/*.png", ["x/a.png", "x/y/z/a.png"], ["y/a.png"]),
        ("**/x/a", ["x/a", "y/x/a", "z/y/x/a"], ["xx/a"]),
        ("x/**", ["x/a", "x/y/a"], ["x", "xy/a"]),
        ("?[ab][!c-e].jpg", ["xaf.jpg"], ["xac.jpg", "xcf.jpg", "af.jpg", "x/f.jpg"]),
        ("[.jpg", ["[.jpg"], ["x.jpg"]),
        ("größe (1)+.jpg", ["größe (1)+.jpg"], ["größe (1)11.jpg"]),
    ],
)
def test_patterns_are_compared_with_names_or_paths(pattern, excluded, kept):
    assert [path for path in excluded if not excludes(pattern, path)] == []
    assert [path for path in kept if excludes(pattern, path)] == []


def test_a_slash_at_the_end_means_folders():
    assert excludes("drafts/", "x/drafts", folder=True)
    assert not excludes("drafts/", "x/drafts")
    assert not excludes("/drafts/", "x/drafts", folder=True)
    assert excludes("drafts", "drafts", folder=True)


@given(
    pattern=st.text("ab*?.", min_size=1, max_size=12),
    name=st.text("ab.", min_size=1, max_size=12),
)
def test_names_are_compared_as_fnmatch_does(pattern: str, name: str):
    plain = pattern.replace("**", "*")
    while "**" in plain:
        plain = plain.replace("**", "*")
    assert excludes(plain, name) == fnmatch.fnmatchcase(name, plain)


def test_many_stars_end_soon():
    assert not excludes("*a" * 40 + "b", "a" * 255)


@pytest.mark.parametrize("pattern", ["", "/", "[z-a]", "a\0", "x" * 2000, "\ud800"])
def test_what_is_no_pattern_is_refused_before_the_run(pattern: str):
    with pytest.raises(InvalidInput, match="--exclude"):
        SourceOptions(exclude=(pattern,))


def test_patterns_are_kept_with_the_options():
    options = SourceOptions(exclude=("a/", "*.png"))
    assert SourceOptions.from_json(options.to_json()) == options
    assert SourceOptions.from_json("{}").exclude is None
    assert SourceOptions().after(options).exclude == ("a/", "*.png")
    assert SourceOptions(exclude=()).after(options).exclude == ()
    assert SourceOptions(exclude=("b",)).after(options).exclude == ("b",)
