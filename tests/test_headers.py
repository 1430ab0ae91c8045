"""Headers of the log lines that RL frameworks and their engines print."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rli_agent.parsers.headers import Stamp, read_header, read_stamp


def clock(text: str) -> float:
    hour, minute, second = text.split(":")
    return int(hour) * 3600 + int(minute) * 60 + float(second)


def at(year: int | None, month: int, day: int, time: str, offset: float | None = None) -> Stamp:
    return Stamp(year, month, day, clock(time), offset)


HEADERS = [
    # prime-rl
    ("09:16:38 SUCCESS Step 3 |    7.3s", "SUCCESS", Stamp(seconds=33398), "Step 3 |    7.3s"),
    ("09:14:08    INFO   Enforcing", "INFO", Stamp(seconds=33248), "  Enforcing"),
    ("23:59:59   DEBUG [trainer] Loading batch", "DEBUG", Stamp(seconds=86399), "[trainer] Loading batch"),
    ("00:00:00 CRITICAL gone", "CRITICAL", Stamp(seconds=0), "gone"),
    ("2025-11-30 10:11:18.123 | ERROR    | a.b:run:41 - boom", "ERROR", at(2025, 11, 30, "10:11:18.123"), "boom"),
    ("2025-11-30 10:11:18.123 | INFO     | __main__:<module>:4 - x", "INFO", at(2025, 11, 30, "10:11:18.123"), "x"),
    # logging
    ("WARNING:root:Waiting for 2", "WARNING", None, "Waiting for 2"),
    ("ERROR:torch.distributed.elastic.api:failed (code: -9)", "ERROR", None, "failed (code: -9)"),
    ("INFO:2026-01-14 09:34:23,393:weights done", "INFO", at(2026, 1, 14, "09:34:23.393"), "weights done"),
    ("INFO:step:5 - reward/mean:1.0", "INFO", None, "step:5 - reward/mean:1.0"),
    ("ERROR:http://10.0.0.1/x", "ERROR", None, "http://10.0.0.1/x"),
    ("WARN: rank 0 grad_norm is not finite: nan", "WARNING", None, "rank 0 grad_norm is not finite: nan"),
    ("DEBUG: Creating AppContext", "DEBUG", None, "Creating AppContext"),
    ("2024-05-07 15:51:09,140 - root - INFO - go", "INFO", at(2024, 5, 7, "15:51:09.140"), "go"),
    ("2026-05-21 10:02:21 - verifiers.x - INFO - go", "INFO", at(2026, 5, 21, "10:02:21"), "go"),
    ("2025-06-18 16:50:58,067 - INFO - a.b - go - on", "INFO", at(2025, 6, 18, "16:50:58.067"), "go - on"),
    ("2025-01-01 10:00:00,000 - INFO - one - two", "INFO", at(2025, 1, 1, "10:00:00"), "one - two"),
    ("[2024-03-05 11:22:33,444] [INFO] [x.py:190:f] [d] go", "INFO", at(2024, 3, 5, "11:22:33.444"), "[d] go"),
    ("[2024-03-05 11:22:33,444] torch.distributed.run: [WARNING] go", "WARNING", at(2024, 3, 5, "11:22:33.444"), "go"),
    ("[2025-08-04 12:26:42,932][file][INFO] - [Rank 0] go", "INFO", at(2025, 8, 4, "12:26:42.932"), "[Rank 0] go"),
    ("[Rank 0 | Local Rank 0] 2026-03-25 11:39:14 INFO [/b.py:12] => go", "INFO", at(2026, 3, 25, "11:39:14"), "go"),
    ("[INFO|trainer.py:1234] 2025-03-25 11:39:14,004 >> go", "INFO", at(2025, 3, 25, "11:39:14.004"), "go"),
    ("[Router (Rust)] 2025-03-08 02:33:09 - INFO - go", "INFO", at(2025, 3, 8, "02:33:09"), "go"),
    ("20260520-13:06:54.247 [FSDPEngine Rank 0] INFO: go", "INFO", at(2026, 5, 20, "13:06:54.247"), "go"),
    ("20250616-06:38:13.851 Experiment Common Utils INFO: go", "INFO", at(2025, 6, 16, "06:38:13.851"), "go"),
    ("[AReaL] 20260120-13:06:54.247 StatsLogger INFO: go", "INFO", at(2026, 1, 20, "13:06:54.247"), "go"),
    ("(AReaL) 20260520-13:06:54.247 StatsLogger WARNING: go", "WARNING", at(2026, 5, 20, "13:06:54.247"), "go"),
    # engines
    ("INFO 03-25 11:39:13 [file.py:43] go", "INFO", at(None, 3, 25, "11:39:13"), "go"),
    ("INFO 03-25 11:39:13 [v1/engine/core.py:710] go", "INFO", at(None, 3, 25, "11:39:13"), "go"),
    ("INFO 01-07 09:14:02 metrics.py:467] go", "INFO", at(None, 1, 7, "09:14:02"), "go"),
    ("ERROR 05-08 15:30:47 go", "ERROR", at(None, 5, 8, "15:30:47"), "go"),
    ("node7 ERROR 05-08 15:30:47 [core.py:1] go", "ERROR", at(None, 5, 8, "15:30:47"), "go"),
    ("[r0]ERROR 05-08 15:30:47 [core.py:1] go", "ERROR", at(None, 5, 8, "15:30:47"), "go"),
    ("it said ERROR 05-08 15:30:47 [core.py:1] go", None, None, "it said ERROR 05-08 15:30:47 [core.py:1] go"),
    ('INFO:     127.0.0.1:4032 - "POST /x"', "INFO", None, '127.0.0.1:4032 - "POST /x"'),
    ("[2025-06-18 10:11:12 DP0 TP1] Decode", None, at(2025, 6, 18, "10:11:12"), "Decode"),
    ("[2025-06-18 10:11:12.871] Decode", None, at(2025, 6, 18, "10:11:12.871"), "Decode"),
    ("[2026-06-03 21:10:00] timer.py:24 - Timer x start", None, at(2026, 6, 3, "21:10:00"), "Timer x start"),
    ("[2026-05-21 23:55:54] WARNING _http.py:329: Retrying", "WARNING", at(2026, 5, 21, "23:55:54"), "Retrying"),
    ("[2025-12-10 08:00:02] INFO:     127.0.0.1:1 - x", "INFO", at(2025, 12, 10, "08:00:02"), "127.0.0.1:1 - x"),
    ("2026-11-21 07:13:49  INFO a_rs::server: src/server.rs:1025: go", "INFO", at(2026, 11, 21, "07:13:49", 0.0), "go"),
    ("2026-11-21 07:13:49  WARN smg::a: go", "WARNING", at(2026, 11, 21, "07:13:49", 0.0), "go"),
    ('2026-11-21 07:13:49 INFO h{i="a b"}:n{x=1}: s::a: /b.rs:3: go', "INFO", at(2026, 11, 21, "07:13:49", 0.0), "go"),
    # torch, glog, Ray, TensorFlow
    ("[E314 14:33:45.172185860 P.cpp:607] [Rank 1] go", "ERROR", at(None, 3, 14, "14:33:45.172185860"), "[Rank 1] go"),
    ("[W1130 12:09:02.410 P.cpp:1538] go", "WARNING", at(None, 11, 30, "12:09:02.410"), "go"),
    ("[I111 12:09:02.410 P.cpp:1538] go", "INFO", at(None, 1, 11, "12:09:02.410"), "go"),
    ("W0624 09:14:01.882000 3391201 torch/distributed/run.py:851] ", "WARNING", at(None, 6, 24, "09:14:01.882"), ""),
    ("F0325 20:57:27.620000 2606 site-packages/a.py:869] go", "CRITICAL", at(None, 3, 25, "20:57:27.62"), "go"),
    ("[E ProcessGroupNCCL.cpp:915] go", "ERROR", None, "go"),
    ("E0000 00:00:1731234567.123456   12345 cuda_dnn.cc:8310] go", "ERROR", Stamp(epoch=1731234567.123456), "go"),
    ("W0227 04:51:33.500000 20185 torch/_inductor/codecache.py:1021] [0/0_1]   go", "WARNING",
     Stamp(month=2, day=27, seconds=17493.5), "  go"),
    ("2024-05-07 15:51:09.140123: W tensorflow/x.cc:123] go", "WARNING", at(2024, 5, 7, "15:51:09.140123"), "go"),
    ("[2024-08-25 19:21:02,241 E 11 11] (raylet) file.cc:3064: go", "ERROR", at(2024, 8, 25, "19:21:02.241"), "go"),
    ("2023-02-15 12:53:55,788\tWARNING worker.py:1851 -- go", "WARNING", at(2023, 2, 15, "12:53:55.788"), "go"),
    # machinery around
    ("[2024-07-08 15:17:34 +0200] [12] [INFO] go", "INFO", at(2024, 7, 8, "15:17:34", 7200.0), "go"),
    ("2025-11-30T12:13:49.388Z go", None, at(2025, 11, 30, "12:13:49.388", 0.0), "go"),
    ("2025-11-30T12:13:49-03:30 go", None, at(2025, 11, 30, "12:13:49", -12600.0), "go"),
    ("Nov 30 12:13:49 host unit[12]: go", None, at(None, 11, 30, "12:13:49"), "go"),
    ("May  5 23:09:27 host kernel: [  514.682838] go", None, at(None, 5, 5, "23:09:27"), "go"),
    ("[Thu May 15 23:09:27 2025] go", None, at(2025, 5, 15, "23:09:27"), "go"),
    ("wandb: WARNING go", "WARNING", None, "go"),
    ("wandb: ERROR go", "ERROR", None, "go"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "level", "stamp", "message"), HEADERS, ids=[h[0][:40] for h in HEADERS])
def test_header(text: str, level: str | None, stamp: Stamp | None, message: str) -> None:
    header = read_header(text)
    assert (header.level, header.stamp, header.message) == (level, stamp, message)
    assert text[header.start :] == message


@pytest.mark.parametrize(
    ("text", "level", "stamp"),
    [
        ("[2024-07-08 15:17:34] INFO 07-08 07:17:34 x.py:1] go", "INFO", at(2024, 7, 8, "15:17:34")),
        ("2025-11-30T12:13:49Z WARNING 07-08 07:17:34 [x.py:1] go", "WARNING", at(2025, 11, 30, "12:13:49", 0.0)),
        ("2025-11-30T12:13:49Z INFO:     go", "INFO", at(2025, 11, 30, "12:13:49", 0.0)),
        ("2025-11-30T12:13:49Z 09:14:08   ERROR go", "ERROR", at(2025, 11, 30, "12:13:49", 0.0)),
        ("Nov 30 12:13:49 host unit[1]: ERROR:root:go", "ERROR", at(None, 11, 30, "12:13:49")),
        ("Nov 30 12:13:49 host unit[1]: 2025-11-30 12:13:48 - a.b - INFO - go", "INFO", at(2025, 11, 30, "12:13:48")),
    ],
)
def test_a_header_in_a_header_goes_too(text: str, level: str, stamp: Stamp) -> None:
    header = read_header(text)
    assert (header.level, header.stamp, header.message) == (level, stamp, "go")


@pytest.mark.parametrize(
    "text",
    [
        "", "Error in sys.excepthook:", "INFO about the run", "ERROR in foo", "ERROR", "WARNING signs",
        "INFORMATION: x", "Warning: x", "12:30:00 elapsed", "25:00:00    INFO x", "[2024-13-05 11:22:33] x",
        "2025-01-01 is a date",
        "2025-01-32 10:00:00 x", "[Rank 2] Saved model", "[prompt] INFO: x", "INFO 13-25 11:39:13 [a.py:1] x",
        "step:5 - actor/entropy:0.1", "May 5 be with you", "Decode batch", "E 5", "E1350 10:00:00.1 1 a.py:1] x",
        "Training Progress:  12%|1/8 [01:00<07:01, 60.20s/it]", "wandb: Run summary:", "wandb: WARNINGS 3",
        "(AReaL) hello", "[AReaL] hello", "[ 8211.10] NVRM: Xid", "٠٩:١٤:٠٨    INFO x", '{"level": "INFO"}', "[INFO",
        "[2025-01-01 10:00:00",
    ],
)  # fmt: skip
def test_what_is_no_header_is_all_message(text: str) -> None:
    header = read_header(text)
    assert (header.level, header.stamp, header.message, header.start) == (None, None, text, 0)


PIECES = st.sampled_from([
    "2025-11-30", "10:11:18", ",123", "|", "ERROR", "INFO", ":", "-", "[", "]", "(AReaL)", "E314", "W0624", "T", "Z",
    "+02:00", "a.py:3]", "a::b:", "{x}", "wandb: ", "Nov", "30", "\t", " ", " - ", "host u[1]: ", "[INFO|a:3] ",
])  # fmt: skip


@given(st.one_of(st.text(), st.lists(st.one_of(PIECES, st.text(max_size=3)), max_size=20).map("".join)))
def test_any_text_gives_a_header_and_a_rest(text: str) -> None:
    header = read_header(text)
    assert 0 <= header.start <= len(text)
    assert header.message == text[header.start :]
    assert header.level in {None, "DEBUG", "INFO", "SUCCESS", "WARNING", "ERROR", "CRITICAL"}


@given(st.sampled_from([h for h in HEADERS if h[2] is not None and h[3]]), st.text())
def test_the_message_does_not_change_the_header(
    header: tuple[str, str | None, Stamp | None, str], message: str
) -> None:
    text, level, stamp, old = header
    found = read_header(text[: len(text) - len(old)] + "words " + message)
    assert (found.level, found.stamp, found.message) == (level, stamp, "words " + message)


def test_a_header_of_ray_whose_message_begins_on_the_next_line() -> None:
    found = read_header("[2026-04-17 15:06:03 E 6 6] (raylet) node_manager.cc:3250:")
    assert (found.level, found.stamp, found.message) == ("ERROR", at(2026, 4, 17, "15:06:03"), "")


def test_a_stamp_by_itself() -> None:
    assert read_stamp("2026-08-21T10:03:11.123456+00:00") == at(2026, 8, 21, "10:03:11.123456", 0.0)
    assert read_stamp("2026-08-21 10:03:11,5") == at(2026, 8, 21, "10:03:11.5")
    assert read_stamp("07-28 10:13:11") == at(None, 7, 28, "10:13:11")
    assert read_stamp("yesterday") is None
