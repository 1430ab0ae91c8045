"""From the user's wish to what can be started: programs found, ports free, data ours alone, configurations accepted."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from msgspec import Struct

import rli_agent.dashboards
from rli_agent.errors import UserError
from rli_agent.follow.filesystems import file_system_type, is_network
from rli_agent.port_holder import held_by
from rli_agent.publish.listen import shown
from rli_agent.server.configure import alertmanager, check, grafana, prometheus, tempo
from rli_agent.server.configure.settings import Settings
from rli_agent.server.files import make_folder, try_lock, write_whole
from rli_agent.server.launch import Launch, reached_at
from rli_agent.server.locate import Installed, Prefer, look_for
from rli_agent.server.places import Places
from rli_agent.server.ports import is_taken, next_free, why_not
from rli_agent.server.processes import users_of
from rli_agent.server.programs import PROGRAMS, Program, program
from rli_agent.server.supervise import lineage

Say = Callable[[str], None]


class Wanted(Struct, frozen=True):
    """`only`: these programs alone. `also`: these optional ones, too. `any_port`: take another port where one is
    taken."""

    settings: Settings
    only: Sequence[str] = ()
    also: Sequence[str] = ()
    any_port: bool = False
    prefer: Prefer = "managed"


class Ready(Struct, frozen=True):
    """What can be started, with the locks of the data; what is left out, and why."""

    launches: list[Launch]
    locks: list[int]
    left_out: dict[str, str]


def prepare(places: Places, wanted: Wanted, say: Say) -> Ready:
    """Look for everything that would keep a program from starting, before any is started. Raises UserError."""
    found, left_out = choose(places, wanted)
    for name, why in left_out.items():
        say(f"{name} is left out: {why}")
    for folder in (places.server, places.logs, places.targets):
        make_folder(folder)
    listens = choose_ports({p.program: _ports(p.program, wanted.settings) for p in found}, wanted, say)
    data = {p.program: data_folder(places, wanted.settings, p.program) for p in found}
    locks = [_lock_data(folder) for folder in data.values()]
    for it in found:
        lineage.accept(data[it.program], it)
    _warn_of_network(data, say)
    launches = _launches(places, wanted.settings, found, listens, data)
    for it in found:
        check.accepted(it, places.config)
    if wanted.settings.bind not in ("127.0.0.1", "::1", "localhost"):
        _warn_of_openness(wanted.settings, launches, say)
    return Ready(launches, locks, left_out)


def choose(places: Places, wanted: Wanted) -> tuple[list[Installed], dict[str, str]]:
    """The programs that will run, in order, and why the others will not. Raises UserError where none is left, or one
    that was named cannot be had."""
    found, left_out = [], {}
    for it in PROGRAMS:
        settings = getattr(wanted.settings, it.name)
        named_here = it.name in (*wanted.only, *wanted.also)
        if not named_here and (wanted.only or (it.optional and not settings.enabled)):
            continue
        if not settings.enabled and not named_here:
            left_out[it.name] = "the settings say `enabled: false`"
            continue
        named = Path(settings.binary).expanduser() if settings.binary else None
        search = look_for(it, places, wanted.prefer, named)
        if search.found:
            found.append(search.found[0])
            continue
        left_out[it.name] = _missing(it, search.refused)
        if named_here or named is not None:
            raise UserError(f"{it.title} cannot be started: {left_out[it.name]}")
    if not found:
        why = "; ".join(f"{n}: {w}" for n, w in left_out.items())
        raise UserError(f"there is nothing to start: {why}", "rli-agent server install brings them")
    return found, left_out


def choose_ports(listens: Mapping[str, dict[str, int]], wanted: Wanted, say: Say) -> dict[str, dict[str, int]]:
    """The ports of each program by purpose. Raises UserError where one is taken and no other may be used."""
    chosen: dict[str, dict[str, int]] = {}
    used = {port for ports in listens.values() for port in ports.values()}
    for name, ports in listens.items():
        chosen[name] = {}
        for purpose, port in ports.items():
            host = "127.0.0.1" if purpose in _PRIVATE else wanted.settings.bind
            error = why_not(host, port)
            if error is not None and is_taken(error) and wanted.any_port:
                other = next_free(host, port, used)
                if other is not None:
                    say(f"{name}: port {port} is taken{held_by(port)}; it listens at {other} instead")
                    used.add(other)
                    port, error = other, None
            if error is not None:
                raise _cannot_listen(name, purpose, host, port, error)
            chosen[name][purpose] = port
    return chosen


def data_folder(places: Places, settings: Settings, name: str) -> Path:
    base = Path(settings.data_dir).expanduser() if settings.data_dir else places.data
    return base.absolute() / name


#: Listened at on the loopback whatever `bind` says.
_PRIVATE = ("grpc",)


def _ports(name: str, settings: Settings) -> dict[str, int]:
    if name == "tempo":
        return {"query": settings.tempo.port, "otlp": settings.tempo.otlp_port, "grpc": settings.tempo.grpc_port}
    return {"http": getattr(settings, name).port}


def _missing(it: Program, refused: Sequence[str]) -> str:
    seen = f" ({'; '.join(refused)})" if refused else ""
    return f"no {it.title} {it.minimum} or later is installed{seen}; `rli-agent server install --only {it.name}`"


def _cannot_listen(name: str, purpose: str, host: str, port: int, error: OSError) -> UserError:
    what = f"{name} cannot listen at {shown(host, port)}" + ("" if purpose == "http" else f" ({purpose})")
    if is_taken(error):
        found = held_by(port)
        mend = "stop that process" if found else f"see who has it with `ss -ltnp sport = :{port}`"
        return UserError(
            f"{what}: the port is taken{found}",
            f"{mend}, let it take another port (--ports auto), or leave it out (--only …); nothing was started",
        )
    return UserError(f"{what}: {error.strerror or error}", "choose another address with --bind, or another port")


def _lock_data(folder: Path) -> int:
    """The lock of a data folder, taken. Debian's Prometheus takes none itself."""
    make_folder(folder, private=True)
    try:
        handle = try_lock(folder / ".rli-agent.lock")
    except OSError as e:
        mend = "set data_dir in server.yaml to a directory on a local disk"
        raise UserError(f"the data in {folder} cannot be locked: {e.strerror or e}", mend) from None
    if handle is None:
        mend = "stop that one first; two would destroy each other's data"
        raise UserError(f"the data in {folder} is in use by another stack", mend)
    for other in users_of(folder):
        os.close(handle)
        line = " ".join(other.command)[:80]
        raise UserError(f"the data in {folder} is in use by process {other.pid} ({line})", "stop that process first")
    return handle


def _warn_of_network(data: Mapping[str, Path], say: Say) -> None:
    for folder in {f.parent for f in data.values()}:
        if is_network(folder):
            say(
                f"warning: {folder} is on {file_system_type(folder)}; Prometheus keeps data safe on local disks alone: "
                "set data_dir in server.yaml to one"
            )


def _warn_of_openness(settings: Settings, launches: Sequence[Launch], say: Say) -> None:
    open_ones = [p.program for p in launches if p.program != "grafana"]
    if open_ones:
        say(
            f"warning: whoever reaches {settings.bind} can read and change the data of {' and '.join(open_ones)}, "
            "which ask for no login; let a firewall, or a proxy with a login, stand before"
        )


def _launches(
    places: Places, settings: Settings, found: Sequence[Installed], listens: Mapping[str, dict[str, int]],
    data: Mapping[str, Path],
) -> list[Launch]:  # fmt: skip
    """Write the configurations, and say how each program is run with its own."""
    shutil.rmtree(places.config, ignore_errors=True)
    make_folder(places.config, private=True)
    environment = scrubbed(os.environ)
    launches: list[Launch] = []
    for it in found:
        ports = listens[it.program]
        line, retention = _configure(places, settings, it, listens, data[it.program], launches)
        known = program(it.program)
        launches.append(
            Launch(
                it.program, str(it.version), tuple(line), environment, settings.bind, ports, _PRIVATE, known.ready,
                known.patience, str(data[it.program]), str(places.logs / f"{it.program}.log"), retention,
            )
        )  # fmt: skip
    return launches


def _configure(
    places: Places, settings: Settings, it: Installed, listens: Mapping[str, dict[str, int]], data: Path,
    before: Sequence[Launch],
) -> tuple[list[str], str | None]:  # fmt: skip
    """Write one program's configuration; its command line and retention."""
    config, ports = places.config, listens[it.program]
    if it.program == "prometheus":
        file = config / "prometheus.yml"
        rules = _copy_packaged(config / "rules", "*.rules.yml")
        alerts = listens.get("alertmanager")
        told = shown(reached_at(settings.bind), alerts["http"]) if alerts is not None else None
        text = prometheus.render(settings.prometheus, it.version, ports["http"], places, rules, told)
        _write(file, text)
        listen = shown(settings.bind, ports["http"])
        return prometheus.command(settings.prometheus, it, file, data, listen), settings.prometheus.retention
    if it.program == "tempo":
        file = config / "tempo.yaml"
        _write(file, tempo.render(settings.tempo, it.version, settings.bind, ports, data))
        return tempo.command(it, file), settings.tempo.retention
    if it.program == "alertmanager":
        file = config / "alertmanager.yml"
        _write(file, alertmanager.render(settings.alertmanager))
        listen = shown(settings.bind, ports["http"])
        return alertmanager.command(settings.alertmanager, it, file, data, listen), settings.alertmanager.retention
    file = config / "grafana.ini"
    _write(file, grafana.render_ini(settings.grafana, settings.bind, ports["http"], places, data))
    _copy_packaged(config / "dashboards", "json/*.json")
    folders = [config / "dashboards", *(Path(d).expanduser().absolute() for d in settings.grafana.dashboards)]
    urls = {launch.program: launch.url for launch in before}
    for name, text in grafana.render_provisioning(urls.get("prometheus"), urls.get("tempo"), folders).items():
        _write(config / "provisioning" / name, text)
    grafana.keep_password(places.password)
    return grafana.command(it, file), None


def _copy_packaged(folder: Path, pattern: str) -> list[Path]:
    """Copy what ships in rli_agent.dashboards, so that a running stack does not change with an upgrade."""
    make_folder(folder)
    packaged = sorted(Path(rli_agent.dashboards.__path__[0]).glob(pattern))
    return [Path(shutil.copy(file, folder)) for file in packaged]


def _write(path: Path, text: str) -> None:
    make_folder(path.parent)
    try:
        write_whole(path, text, mode=0o600)
    except OSError as e:
        raise UserError(f"{path} cannot be written: {e.strerror or e}") from None


def scrubbed(environment: Mapping[str, str]) -> dict[str, str]:
    """What the programs see of our environment. Tempo would trace itself to the address in OTEL_…, which is its own;
    GF_… would override Grafana's configuration. What they ask of each other goes through no proxy."""
    kept = {k: v for k, v in environment.items() if not k.startswith(("OTEL_", "JAEGER_", "GF_"))}
    for name in ("no_proxy", "NO_PROXY"):
        kept[name] = ",".join(filter(None, [kept.get(name, ""), "127.0.0.1", "localhost", "::1"]))
    return kept
