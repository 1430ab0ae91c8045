"""The wheel holds the tree, takes one name in site-packages, and works from an install of it alone."""

from __future__ import annotations

import importlib
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import rli_agent
from rli_agent.cli import COMMANDS

ROOT = Path(__file__).parents[1]
TOML: Any = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
PROJECT = TOML.loads((ROOT / "pyproject.toml").read_text())
#: Package → folder, and the packages that lie in them.
FOLDERS: dict[str, str] = PROJECT["tool"]["setuptools"]["package-dir"]
#: CPU seconds (user and system) that --help and --version may take.
BOUND = 0.30


def shipped() -> Iterator[str]:
    """The files of the tree as they are named in the wheel: all but notes for readers of the repository."""
    for package, folder in FOLDERS.items():
        for path in (ROOT / folder).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".md":
                yield f"{package.replace('.', '/')}/{path.relative_to(ROOT / folder).as_posix()}"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy: setuptools would leave, and later ship, what it builds inside the tree."""
    tree, out = tmp_path_factory.mktemp("tree"), tmp_path_factory.mktemp("wheel")
    for folder in FOLDERS.values():
        shutil.copytree(ROOT / folder, tree / folder, ignore=shutil.ignore_patterns("__pycache__", "*.so"))
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tree)
    pip(sys.executable, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(out), str(tree))
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def scripts(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of a fresh environment that has the wheel, and borrows only its dependencies from this one."""
    home = tmp_path_factory.mktemp("environment")
    venv.create(home, with_pip=False, symlinks=True)
    pip(str(home / "bin" / "python"), "install", "--no-deps", "--no-index", str(wheel))
    (packages,) = home.glob("lib/python*/site-packages")
    borrowed = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (packages / "borrowed.pth").write_text("\n".join(sorted(borrowed)) + "\n")
    return home / "bin"


def pip(python: str, *arguments: str) -> None:
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "--python", python, *arguments]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def run(command: list[Path | str], cwd: Path) -> str:
    clean = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    result = subprocess.run(command, cwd=cwd, env=clean, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.mark.real
def test_the_wheel_holds_every_file_of_the_tree_and_no_other(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert sorted(n for n in names if ".dist-info/" not in n) == sorted(shipped())


@pytest.mark.real
def test_the_wheel_takes_one_name_in_site_packages(wheel: Path) -> None:
    tops = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"rli_agent"}


def test_the_licence_is_in_the_wheel(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    (licence,) = (name for name in archive.namelist() if name.endswith("licenses/LICENSE"))
    assert b"Apache License" in archive.read(licence)


@pytest.mark.real
def test_script_and_module_run_from_the_install_alone(scripts: Path, tmp_path: Path) -> None:
    where = run([scripts / "python", "-c", "import rli_agent.rules; print(rli_agent.rules.__file__)"], tmp_path)
    assert where.startswith(str(scripts.parent))
    told = f"rli-agent {rli_agent.__version__}\n"
    assert run([scripts / "rli-agent", "--version"], tmp_path) == told
    assert run([scripts / "python", "-m", "rli_agent", "--version"], tmp_path) == told


@pytest.mark.real
def test_help_names_every_command(scripts: Path, tmp_path: Path) -> None:
    helped = run([scripts / "rli-agent", "--help"], tmp_path)
    assert re.findall(r"^    (\w+) ", helped.partition("Commands:")[2], re.MULTILINE) == list(COMMANDS)


def test_installed_rules_read_an_installed_sample(scripts: Path, tmp_path: Path) -> None:
    (sample,) = scripts.parent.glob("lib/python*/site-packages/rli_agent/samples/verl")
    first = json.loads(run([scripts / "rli-agent", "parse", sample], tmp_path).splitlines()[0])
    assert (first["key"], first["value"]) == ("framework", "verl")


@pytest.mark.real
@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_and_version_answer_at_once(
    scripts: Path, tmp_path: Path, option: str, record_property: Callable[[str, object], None]
) -> None:
    spent = [cpu_seconds([str(scripts / "rli-agent"), option], tmp_path) for _ in range(6)][1:]  # the first compiles
    record_property("cpu_seconds", statistics.median(spent))
    assert statistics.median(spent) < BOUND, spent


def cpu_seconds(command: list[str], cwd: Path) -> float:
    with subprocess.Popen(command, cwd=cwd, stdout=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return usage.ru_utime + usage.ru_stime
