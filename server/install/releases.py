"""Where the vendors keep a release: archive names, addresses, and the places of the published SHA-256 sums.

Prometheus, Alertmanager and Tempo: assets of a GitHub release, with one file of sums beside them (`sha256sums.txt`,
`SHA256SUMS`).
Grafana: archives whose name carries a build number since 12.1, each with its sum in a file `<archive>.sha256` beside
it; number and sum of every version are told by https://grafana.com/api/grafana/versions/VERSION.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from urllib.parse import quote

from msgspec import Struct

from rli_agent.errors import UserError
from rli_agent.server.programs import Program
from rli_agent.server.version import Version, find_version

#: Build numbers in the names of Grafana's archives, as its download pages give them.
GRAFANA_BUILDS: Mapping[str, str] = {
    "13.0.0": "24384745231",
    "13.0.1": "24542347077",
    "13.0.2": "26816849631",
    "13.1.0": "28013217238",
    "13.1.1": "29761037902",
    "13.2.1": "33191028959",
    "13.2.2": "34846740809",
}
GRAFANA_VERSIONS = "https://grafana.com/api/grafana/versions"


class Release(Struct, frozen=True):
    """One archive. `names`: what the file may be called, the vendor's name first. `url`: where the vendor keeps it.
    `sums`: where the vendor publishes its SHA-256, tried in order."""

    program: str
    version: Version
    arch: str
    names: tuple[str, ...]
    url: str
    sums: tuple[str, ...]

    @property
    def archive(self) -> str:
        return self.names[0]


def architecture() -> str:
    """This machine's, in the vendors' word. Raises UserError where no archive would run."""
    machine = platform.machine().lower()
    arch = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}.get(machine)
    if platform.system() != "Linux" or arch is None:
        raise UserError(
            f"the programs are installed on Linux with x86_64 or aarch64 alone; this is {platform.system()} {machine}",
            "install them yourself, and name them in server.yaml (`prometheus: {binary: PATH}`)",
        )
    return arch


def parse_version(text: str, option: str) -> Version:
    """A version as a user writes it: `2.54.1`, or `v2.54.1`. Raises UserError."""
    version = find_version(text)
    if version is None or text.strip().removeprefix("v") != str(version):
        raise UserError(f"{option} {text!r} is not a version", "give three numbers, such as 2.54.1")
    return version


def release(program: Program, version: Version, arch: str, build: str | None = None) -> Release | None:
    """The release of a version. None for a Grafana whose build number is not known here (`build` says it)."""
    if program.name in ("prometheus", "alertmanager"):
        return _github(program.name, version, arch, f"{program.name}-{version}.linux-{arch}.tar.gz", "sha256sums.txt")
    if program.name == "tempo":
        return _github("tempo", version, arch, f"tempo_{version}_linux_{arch}.tar.gz", "SHA256SUMS")
    plain = f"grafana-{version}.linux-{arch}.tar.gz"
    if version < (12, 1, 0):
        url = f"https://dl.grafana.com/oss/release/{plain}"
        return Release("grafana", version, arch, (plain,), url, (f"{url}.sha256",))
    build = build or GRAFANA_BUILDS.get(str(version))
    if build is None:
        return None
    name = f"grafana_{version}_{build}_linux_{arch}.tar.gz"
    url = f"https://dl.grafana.com/grafana/release/{version}/{name}"
    return Release("grafana", version, arch, (name, plain), url, (f"{url}.sha256", f"{GRAFANA_VERSIONS}/{version}"))


def _github(program: str, version: Version, arch: str, archive: str, sums: str) -> Release:
    owner = "grafana" if program == "tempo" else "prometheus"
    base = f"https://github.com/{owner}/{program}/releases/download/v{version}"
    return Release(program, version, arch, (archive,), f"{base}/{archive}", (f"{base}/{sums}",))


def mirrored(it: Release, base: str) -> Release:
    """The same release in a folder of archives that somebody else serves, with sums in a file of any of the vendors'
    forms."""
    base = base.rstrip("/")
    url = f"{base}/{quote(it.archive)}"
    sums = (f"{url}.sha256", f"{base}/sha256sums.txt", f"{base}/SHA256SUMS")
    return Release(it.program, it.version, it.arch, it.names, url, sums)
