"""The versions that programs say."""

from __future__ import annotations

from pathlib import Path

import pytest

from rli_agent.server.version import Version, VersionError, find_version, version_of

from .conftest import script


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("prometheus, version 2.42.0+ds (branch: debian/sid, revision: 2.42.0+ds-5+deb12u1)", Version(2, 42, 0)),
        ("tempo, version v3.0.3 (branch: , revision: unknown)", Version(3, 0, 3)),
        ("grafana version 13.0.1+security-01", Version(13, 0, 1)),
        ("built with 1.2 on 10.11.12.13", None),
        ("", None),
    ],
)
def test_versions_are_read_from_what_programs_say(text: str, version: Version | None) -> None:
    assert find_version(text) == version


def test_versions_are_compared_as_numbers() -> None:
    assert Version(2, 9, 9) < Version(2, 10, 0) < Version(13, 0, 0)


def test_a_program_that_says_no_version_is_quoted(tmp_path: Path) -> None:
    binary = tmp_path / "mute"
    binary.write_bytes(script("I am no server"))
    binary.chmod(0o755)
    with pytest.raises(VersionError, match="says no version, but: I am no server"):
        version_of(binary)
