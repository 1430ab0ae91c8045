"""What vLLM's logs say beyond a line: JSON records, errors over several lines, files that no framework claims."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from rli_agent.parsing import parse_paths
from rli_agent.rulebook import Rulebook

TRACE = ["Traceback (most recent call last):", '  File "core.py", line 7, in run', "    step()", "ValueError: boom"]


def read(tmp_path: Path, book: Rulebook, text: str) -> list[dict[str, Any]]:
    (tmp_path / "inference.log").write_text(text, newline="")
    return [e for e in parse_paths([tmp_path], book, ZoneInfo("UTC")) if e["type"] != "fact"]


def error(message: str) -> str:
    return f"\x1b[1;36m(EngineCore_DP0 pid=7)\x1b[0;0m ERROR 05-19 10:13:11 [core.py:710] {message}"


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_an_engines_error_over_several_lines_is_one_problem(tmp_path: Path, book: Rulebook, ends: str) -> None:
    block = [error(text) for text in ("EngineCore encountered a fatal error.", *TRACE)]
    after = "(APIServer pid=1) ERROR 05-19 10:13:12 [async_llm.py:1] AsyncLLM output_handler failed."
    (problem,) = read(tmp_path, book, ends.join([*block, after, ""]))
    assert (problem["line"], problem["kind"]) == (1, "traceback")
    assert problem["message"].splitlines()[-1].startswith(("ValueError: boom", "AsyncLLM"))
    assert "\r" not in problem["message"]


def test_a_json_record_holds_its_traceback(tmp_path: Path, book: Rulebook) -> None:
    record = {
        "asctime": "05-19 10:13:11",
        "levelname": "ERROR",
        "name": "vllm",
        "message": "EngineCore failed to start.",
    }
    (problem,) = read(tmp_path, book, json.dumps(record | {"exc_info": "\n".join(TRACE)}) + "\n")
    assert (problem["line"], problem["kind"]) == (1, "traceback")
    assert problem["message"].endswith("ValueError: boom")
    assert problem["time"] % 86400 == 10 * 3600 + 13 * 60 + 11


def test_no_framework_silences_an_engine_in_nobodys_file(tmp_path: Path, book: Rulebook) -> None:
    silent = [r.id for p in book.packs.values() if p.kind == "framework" for r in p.rules if r.ignore]
    assert silent, "no pack passes over anything: this test says nothing"
    worker = "(VllmWorker TP{0} pid=2{0}) INFO 08-12 10:11:12 [loader.py:262] Loading weights took 1.1{0} seconds\n"
    said = read(tmp_path, book, worker.format(0) + worker.format(1))
    assert [(e["state"], e["duration_s"]) for e in said] == [("load", 1.1), ("load", 1.11)]


def test_what_a_request_asks_is_not_the_engines_word(tmp_path: Path, book: Rulebook) -> None:
    asked = "EngineCore encountered a fatal error. CUDA out of memory. It took 2.0 seconds to fall asleep."
    head = "(APIServer pid=1) INFO 05-19 10:13:11 [logger.py:1] "
    figures = "Avg prompt throughput: 1.0 tokens/s, Avg generation throughput: 2.0 tokens/s, Running: 3 reqs"
    quoted = f"{head}Received request cmpl-1: prompt: '{asked} {figures}', params: SamplingParams(n=1)\n"
    assert read(tmp_path, book, quoted + f"{head}a user wrote: It took 2.0 seconds to fall asleep.\n") == []
