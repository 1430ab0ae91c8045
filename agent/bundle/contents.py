"""What goes into a bundle: pieces of text, the most telling first, all of them cut before they are packed."""

from __future__ import annotations

import io
import json
import re
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from rli_agent.answer.report import Report, brief
from rli_agent.bundle.excerpts import Excerpt
from rli_agent.bundle.prompts import PromptCutter
from rli_agent.bundle.redactor import Redactor, counted
from rli_agent.diagnose.case import case_of_store
from rli_agent.diagnose.cause import cause_of
from rli_agent.diagnose.report import Diagnosis, as_text, diagnosis
from rli_agent.discover import Found
from rli_agent.errors import UserError
from rli_agent.export.chrome_trace import write_chrome_trace
from rli_agent.export.tables import table_named
from rli_agent.publish.naming import RunLabels
from rli_agent.store.connection import read_only

#: Log files and configurations that are looked at, and characters of a configuration that are taken.
_FILES, _CONFIGS, _CONFIG_SIZE = 60, 40, 1 << 18
#: Problems that are listed, the newest ones.
_PROBLEMS = 500
#: `torch==2.6.0`, `vLLM version 0.8.5`, `NCCL version 2.21.5+cuda12.4`: packages that a run names, and Python.
_VERSION = re.compile(
    r"(?i)(?:\b(?P<pinned>[a-z][a-z0-9_.-]{1,40})==(?P<is>\d[\w.+!-]{0,40})"
    r"|\b(?P<named>python|torch|pytorch|vllm|sglang|transformers|trl|verl|ray|deepspeed|megatron\w*|nccl|cuda|cudnn|flash[-_]attn|accelerate"
    r"|driver|triton|xformers|flashinfer|openrlhf|skyrl|slime|areal|nemo[-_]rl|prime[-_]rl|numpy|peft|datasets|liger\w*|wandb)"
    r"(?:[- _]version)?\s{0,3}[:=v ]\s{0,2}v?(?P<v>\d+\.\d[\w.+]{0,40}))"
)  # fmt: skip


class Material(Struct, frozen=True):
    """What is known of a run. files: its log files; configs: its configurations, both only where they are at hand.
    versions: of the agent and what it runs on. rollouts: what the model wrote, if that is wanted."""

    store: Path
    run: RunLabels
    root: Path
    report: Report
    files: Sequence[Found]
    configs: Sequence[Path]
    versions: Mapping[str, str]
    rollouts: str | None = None


class Piece(Struct):
    """A file of the bundle. about: what it is, in words."""

    name: str
    text: str
    about: str


class Cut(Struct):
    """What was cut out: secrets by their kind, lines and texts of prompts and completions, pieces for which there was
    no room, files that could not be read."""

    secrets: dict[str, int] = {}
    prompt_lines: int = 0
    prompt_texts: int = 0
    without_room: list[str] = []
    unread: list[str] = []


def gather(material: Material, redactor: Redactor, with_prompts: bool, most: int) -> tuple[list[Piece], Cut]:
    """The pieces, of `most` bytes together at most. Raises UserError, StoreError, sqlite3.Error."""
    cut = Cut()
    cutter = None if with_prompts else PromptCutter()
    pieces = list(_pieces(material, cutter, cut))
    pieces.insert(2, _versions(material, pieces))
    for piece in pieces:
        redactor.learn(piece.text)
    kept, room = [], most
    for piece in pieces:
        text = redactor.redact(piece.text)
        size = len(text.encode())
        if size > room:
            cut.without_room.append(f"{piece.name} ({size:,} bytes)")
            continue
        room -= size
        kept.append(Piece(_safe_name(redactor.redact(piece.name)), text, piece.about))
    cut.secrets = dict(counted("\n".join(piece.text for piece in kept)).most_common())
    if cutter is not None:
        cut.prompt_lines, cut.prompt_texts = cutter.lines, cutter.parts
    return kept, cut


def _pieces(m: Material, cutter: PromptCutter | None, cut: Cut) -> Iterator[Piece]:
    told = _diagnosis(m.store)
    around: dict[str, list[int]] = {}
    if told is not None:
        yield Piece("diagnosis.txt", _texts(cutter, as_text(told)) + "\n", "why it failed, or whether it did")
        if told.cause is not None:
            around.setdefault(told.cause.problem.file, []).append(told.cause.problem.offset)
    status = _in_texts(cutter, msgspec.to_builtins(brief(m.report)))
    yield Piece("status.json", json.dumps(status, indent=1) + "\n", "how it is, as `rli-agent status --json` says")
    with closing(read_only(m.store)) as db:
        yield Piece("problems.jsonl", _problems(db, cutter), f"the problems read, the last {_PROBLEMS}")
        yield Piece("facts.json", _facts(db), "what the run says of itself")
        yield from _configs(m, cutter, cut)
        yield from _logs(m, db, around, cutter, cut)
        if m.rollouts:
            yield Piece("rollouts.jsonl", m.rollouts, "what the model wrote")
        yield Piece("timeline.trace.json", _timeline(db, m.run), "states and common metrics, for ui.perfetto.dev")


def _texts(cutter: PromptCutter | None, text: str) -> str:
    return text if cutter is None else cutter.text(text)


def _in_texts(cutter: PromptCutter | None, data: Any) -> Any:
    """The same of all texts in a structure."""
    if isinstance(data, dict):
        return {key: _in_texts(cutter, value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [_in_texts(cutter, value) for value in data]
    return _texts(cutter, data) if isinstance(data, str) else data


def _diagnosis(store: Path) -> Diagnosis | None:
    try:
        case = case_of_store(store)
    except UserError:  # nothing is known of its life
        return None
    return diagnosis(case, cause_of(case))


def _problems(db: sqlite3.Connection, cutter: PromptCutter | None) -> str:
    table = table_named("problems")
    names = [name for name, _ in table.columns]
    rows = [dict(zip(names, row, strict=True)) for row in table.rows(db)][-_PROBLEMS:]
    for row in rows:
        row["message"] = _texts(cutter, str(row["message"]))
    return "".join(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in rows)


def _facts(db: sqlite3.Connection) -> str:
    rows = db.execute("SELECT file, line, key, value FROM facts ORDER BY key").fetchall()
    facts = [{"key": key, "value": value, "file": str(file), "line": line} for file, line, key, value in rows]
    return json.dumps(facts, ensure_ascii=False, indent=1) + "\n"


def _configs(m: Material, cutter: PromptCutter | None, cut: Cut) -> Iterator[Piece]:
    for path in m.configs[:_CONFIGS]:
        try:
            with path.open("rb") as file:
                text = file.read(_CONFIG_SIZE).decode("utf-8", "replace")
        except OSError as error:
            cut.unread.append(f"{path}: {error.strerror or error}")
            continue
        if cutter is not None:
            text = cutter.config(text)
        yield Piece(f"configs/{_relative(path, m.root)}", text, "a configuration")


def _logs(
    m: Material, db: sqlite3.Connection, around: Mapping[str, list[int]], cutter: PromptCutter | None, cut: Cut
) -> Iterator[Piece]:
    """Those with problems first."""
    found = {file for (file,) in db.execute("SELECT DISTINCT file FROM problems")}
    files = sorted(m.files, key=lambda f: (f.source.file not in around, f.source.file not in found))
    for file in files[:_FILES]:
        parts = []
        try:
            for missing, lines in Excerpt(file.path, file.source.file, db, around.get(file.source.file, ())).parts():
                parts += [f"[left out: {missing:,} bytes]"] if missing > 0 else []
                parts += [line.text for line in lines] if cutter is None else cutter.log(lines)
        except OSError as error:
            cut.unread.append(f"{file.source.file}: {error.strerror or error}")
            continue
        about = f"parts of the log ({file.source.role})"
        yield Piece(f"logs/{_relative(file.path, m.root)}", "\n".join(parts) + "\n", about)


def _timeline(db: sqlite3.Connection, run: RunLabels) -> str:
    out = io.StringIO()
    with tempfile.TemporaryDirectory(prefix="rli-agent-", ignore_cleanup_errors=True) as scratch:
        write_chrome_trace(db, run, out, Path(scratch) / "slices.sqlite", texts=False)
    return out.getvalue()


def _versions(m: Material, pieces: Iterable[Piece]) -> Piece:
    """Of the agent, and of what the run's own logs and configurations name."""
    named: dict[str, set[str]] = {}
    for piece in pieces:
        if piece.name.startswith(("logs/", "configs/")):
            for found in _VERSION.finditer(piece.text):
                name, version = found["pinned"] or found["named"], found["is"] or found["v"]
                named.setdefault(name.lower(), set()).add(version)
    told = {name: sorted(versions) for name, versions in sorted(named.items())}
    versions = {"agent": dict(m.versions), "framework": m.run.framework, "named by the run": told}
    return Piece("versions.json", json.dumps(versions, indent=1) + "\n", "of the agent, and those that the run names")


def _relative(path: Path, root: Path) -> str:
    return str(path.relative_to(root)) if path.is_relative_to(root) else path.name


def _safe_name(name: str) -> str:
    """A path that is unpacked where it should be, whatever files are called."""
    parts = [re.sub(r"[^\w.=@+:-]", "_", part, flags=re.ASCII)[:120] for part in name.split("/")]
    return "/".join(part for part in parts if part not in ("", ".", ".."))
