"""What is not read, in part or at all, and why; nothing in a file can break a scan."""

from __future__ import annotations

import json
import os
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from run_trees import TRAINER_G3, by_file, roles, skipped, write

from rli_agent.discover import Discovery
from rli_agent.discover.look import ENDS, Looker
from rli_agent.parsers.pack_files import parse_pack
from rli_agent.parsers.packs import Pack


def test_what_is_no_file_to_read(tmp_path: Path, packs: dict[str, Pack]) -> None:
    run = write(
        tmp_path / "run",
        {
            "logs/trainer.log": TRAINER_G3,
            "core": b"\x7fELF" + bytes(100),
            "blob": bytes(range(256)) * 20,
            "wide.log": "step".encode("utf-16"),
            "holed.log": bytes(2 * ENDS) + TRAINER_G3.encode(),
            "nothing.log": bytes(100),
            ".git/logs/HEAD": "0 1\n",
            ".cache/x.log": "x\n",
            "hf/config.json": "{}",
            "hf/tokenizer.json": "{}",
            "ckpt/model-00001.safetensors": b"x",
            "metrics.prom": "x 1\n",
            "other_state.json": "{}",
            "plot.png": b"x",
            "old.log.gz": b"x",
            "broken.jsonl": "this is\nno JSON\n",
        },
    )
    outside = write(tmp_path / "outside", {"secret.log": "s\n"})
    os.mkfifo(run / "pipe.log")
    with socket.socket(socket.AF_UNIX) as listener:
        here = os.getcwd()
        os.chdir(run)  # a socket's path is short
        listener.bind("door")
        os.chdir(here)
    (run / "logs" / "loop").symlink_to("..")
    (run / "self").symlink_to("self")
    (run / "out").symlink_to(outside)
    (run / "gone.log").symlink_to("nowhere")
    scan = Discovery([run], packs).scan()
    assert set(roles(scan)) == {"logs/trainer.log", "holed.log"}
    left = skipped(scan, run)
    assert left.pop("out").startswith("a link out of the run, to ")
    assert left == {
        "core": "binary: an executable or a core dump", "blob": "binary: NUL bytes among its first",
        "wide.log": "UTF-16 text; logs are read as UTF-8", "nothing.log": "holds nothing but NUL bytes",
        ".git": "a cache or a hidden directory", ".cache": "a cache or a hidden directory",
        "hf/config.json": "a JSON document", "hf/tokenizer.json": "a JSON document",
        "ckpt/model-00001.safetensors": "weights or tensors", "metrics.prom": "a page of metrics",
        "other_state.json": "a JSON document", "plot.png": "an image or a film", "old.log.gz": "an archive",
        "broken.jsonl": "holds no JSON objects", "pipe.log": "a named pipe, not a file", "door": "a socket, not a file",
        "self": "a link that leads nowhere", "gone.log": "a link that leads nowhere",
    }  # fmt: skip


@contextmanager
def as_nobody() -> Iterator[None]:
    """Root may read everything: do without its rights."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_unreadable_files_are_named_and_read_when_they_may_be(packs: dict[str, Pack]) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        run = write(Path(folder), {"logs/trainer.log": TRAINER_G3, "logs/private/x.log": "x\n"})
        run.chmod(0o755)
        (run / "logs" / "trainer.log").chmod(0o000)
        (run / "logs" / "private").chmod(0o000)
        discovery = Discovery([run], packs)
        with as_nobody():
            scan = discovery.scan()
        assert scan.found == []
        assert skipped(scan, run) == {
            "logs/trainer.log": "cannot be read: Permission denied",
            "logs/private": "cannot be read: Permission denied",
        }
        (run / "logs" / "trainer.log").chmod(0o644)
        (run / "logs" / "private").chmod(0o755)
        with as_nobody():
            assert set(roles(discovery.scan())) == {"logs/trainer.log", "logs/private/x.log"}


def test_records_too_long_to_be_seen_whole(tmp_path: Path, packs: dict[str, Pack]) -> None:
    text = "w" * 3 * ENDS
    write(
        tmp_path,
        {
            "rollout_data/1.jsonl": json.dumps({"input": "q", "output": text, "score": 1.0, "step": 1}) + "\n",
            "other.jsonl": json.dumps({"prompt": text}) + "\n",
            "torn.jsonl": 'half a line"}\n{"step": 1, "time": 2.0}\n',
        },
    )
    scan = Discovery([tmp_path], packs).scan()
    assert roles(scan) == {"rollout_data/1.jsonl": "rollouts", "other.jsonl": "unknown", "torn.jsonl": "unknown"}
    unknown = by_file(scan)["other.jsonl"].source
    assert (unknown.reader, unknown.packs) == ("records", ())


def test_a_broken_configuration_is_a_note(tmp_path: Path, packs: dict[str, Pack]) -> None:
    run = write(
        tmp_path,
        {
            "logs/trainer.log": TRAINER_G3,
            "configs/trainer.toml": "max_steps = \n",
            "configs/orchestrator.json": "[" * 100_000,
            "configs/evil.yaml": "a: &a [x]\n!!python/object/apply:os.system [true]: 1\n",
            "configs/deep.yaml": "[" * 900_000,
            "configs/large.yaml": "a: " + "b" * (1 << 20),
            "configs/inference.toml": '[model]\nname = "Q"\n',
        },
    )
    scan = Discovery([run], packs).scan()
    assert [(f.key, f.value) for f in scan.facts] == [("model", "Q")]
    left = skipped(scan, run)
    assert left["configs/trainer.toml"].startswith("a configuration not valid TOML: ")
    assert left["configs/orchestrator.json"].startswith("a configuration not valid JSON: ")
    assert left["configs/evil.yaml"].startswith("a configuration not valid YAML: ")
    assert left["configs/large.yaml"] == "a configuration larger than 1 MiB"
    assert left["configs/deep.yaml"].endswith("nested deeper than 100 levels")
    assert len(scan.configs) == 6


def test_ends_are_all_that_is_read(tmp_path: Path) -> None:
    looker = Looker(["first", "middle", "last", "bright"])
    path = tmp_path / "x.log"
    path.write_text("first \x1b[1mbri\x1b[0mght" + " " * 2 * ENDS + "middle" + " " * 2 * ENDS + "last")
    assert looker.look(str(path), reader="text", thorough=True).hits == {"first", "last", "bright"}
    assert looker.look(str(path), reader="text", thorough=False).hits == {"first", "bright"}


def test_hostile_text_cannot_break_a_scan(tmp_path: Path) -> None:
    pack = parse_pack(
        "pack: p\ndetect: ['mark']\nsources:\n"
        "  - {role: trainer, paths: ['*.log'], lane: '{x:>9} {no.y}{', labels: '(a+)+$'}\n",
        "p.yaml",
    )
    name = "a" * 200 + "!.log"
    write(tmp_path, {name: "mark\n"})
    begun = time.perf_counter()
    (only,) = Discovery([tmp_path], {"p": pack}).scan().found
    assert time.perf_counter() - begun < 5
    assert (only.source.role, only.source.lane) == ("trainer", "{x:>9} {no.y}{")
