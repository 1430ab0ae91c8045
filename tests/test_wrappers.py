"""What other programs put around a line comes off, and nothing else does."""

import json
import time
from collections.abc import Callable

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from rli_agent.parsers.captures import PREFIXES, Form
from rli_agent.parsers.wrappers import (
    MAX_SEGMENTS,
    Origin,
    segments,
    split_bar,
    split_tail,
    strip_ansi,
    unwrap,
)

STAMP = b"2025-11-30T12:13:49.388123456Z"
NOBODY = Origin()
BAR = "Training Progress:  47%|████▋     | 408/870 [5:36:16<6:05:28, 47.46s/it]".encode()


@pytest.mark.parametrize(
    ("line", "text", "origin"),
    [
        (b"(TaskRunner pid=1) step:1", b"step:1", Origin("TaskRunner pid=1", "TaskRunner", "1")),
        (
            b"\x1b[36m(WorkerDict pid=9, ip=10.0.0.5)\x1b[0m   File",
            b"  File",
            Origin("WorkerDict pid=9 ip=10.0.0.5", "WorkerDict", "9", "10.0.0.5"),
        ),
        (b"\x1b[2m\x1b[36m(main_task pid=4)\x1b[0m x", b"x", Origin("main_task pid=4", "main_task", "4")),
        (b"\x1b[33m(raylet)\x1b[0m spilled", b"spilled", Origin("raylet")),
        (b"(raylet, ip=10.0.0.9) spilled", b"spilled", Origin("raylet ip=10.0.0.9", ip="10.0.0.9")),
        (b"(autoscaler +3m) x", b"x", Origin("autoscaler")),
        (b"(autoscaler +1h2m3s) x", b"x", Origin("autoscaler")),
        (b"(pid=123) x", b"x", Origin("pid=123", pid="123")),
        (b"(pid=gcs_server) x", b"x", Origin("pid=gcs_server", pid="gcs_server")),
        (
            b"(VGNd5CWorkerDict_0:0 WorkerDict pid=65860) x",
            b"x",
            Origin("VGNd5CWorkerDict_0:0 WorkerDict pid=65860", "VGNd5CWorkerDict_0:0 WorkerDict", "65860"),
        ),
        (b"(MyActor(index=2) pid=48) x", b"x", Origin("MyActor(index=2) pid=48", "MyActor(index=2)", "48")),
        (
            b"(DTensorPolicyWorkerV2[rank=3] pid=48) x",
            b"x",
            Origin("DTensorPolicyWorkerV2[rank=3] pid=48", "DTensorPolicyWorkerV2[rank=3]", "48", rank="3"),
        ),
        (b"(TaskRunner pid=1)", b"", Origin("TaskRunner pid=1", "TaskRunner", "1")),
        (
            b"\x1b[1;36m(APIServer pid=41211)\x1b[0;0m INFO x",
            b"INFO x",
            Origin("APIServer pid=41211", "APIServer", "41211"),
        ),
        (
            b"(EngineCore_0 pid=1) (VllmWorker TP0 pid=2) INFO",
            b"INFO",
            Origin("EngineCore_0 pid=1 VllmWorker TP0 pid=2", "VllmWorker TP0", "2"),
        ),
        (
            b"(VllmWorker rank=1 pid=84) INFO",
            b"INFO",
            Origin("VllmWorker rank=1 pid=84", "VllmWorker rank=1", "84", rank="1"),
        ),
        (
            b"[AsyncVLLMInferenceEngine pid=1] [EngineCore_DP0 pid=2] ERROR",
            b"ERROR",
            Origin("AsyncVLLMInferenceEngine pid=1 EngineCore_DP0 pid=2", "EngineCore_DP0", "2"),
        ),
        (b"[trainer0]:\x1b[2m10:04:34\x1b[0m", b"10:04:34", Origin("trainer0", rank="0")),
        (b"[default7]:  File", b"  File", Origin("default7", rank="7")),
        (b"[default0]:[rank8]: Traceback", b"Traceback", Origin("default0 rank8", rank="8")),
        (b"[rank3]:   File", b"  File", Origin("rank3", rank="3")),
        (b"[rank3]:[W1130 12:13:49.388 x.cpp:7] m", b"[W1130 12:13:49.388 x.cpp:7] m", Origin("rank3", rank="3")),
        (b"[policy-worker12]:text", b"text", Origin("policy-worker12", rank="12")),
        (b"[1,3]<stdout>:  File", b"  File", Origin("3", rank="3")),
        (b"[1,mpirank:9,algo-2]<stderr>:  File", b"  File", Origin("9", rank="9")),
        (b"[prterun-node-7@1,12]<stderr>:   File", b"  File", Origin("12", rank="12")),
        (b"[80746] [rank0]:[E321 02:07] m", b"[E321 02:07] m", Origin("rank0", rank="0")),
        (b'[80747]   File "x.py", line 1', b'  File "x.py", line 1', NOBODY),
        (b"[1865] frame #6: clone", b"frame #6: clone", NOBODY),
        (b"[pod/run-0/trainer] x", b"x", Origin("pod/run-0/trainer")),
        (b"\0\0\0\0(TaskRunner pid=1) x\r", b"x", Origin("TaskRunner pid=1", "TaskRunner", "1")),
    ],
)
def test_wrapper_is_taken_off_and_names_its_writer(line: bytes, text: bytes, origin: Origin) -> None:
    got = unwrap(line)
    assert (got.text, got.origin, got.repeated, got.stamp) == (text, origin, 1, None)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"   indented",
        b"(see pid=3 above) foo",
        b"(pid=3), which died",
        b"(x) y",
        b"(raylets) x",
        b"[INFO] x",
        b"[step3]: loss 0.5",
        b"[12] loss 0.5",
        b"[1,0] x",
        b"trainer-1  | x",
        b"dgx-03: x",
        b"08:28:47 x",
        b"[2025-11-30 12:13:49 pid=3] x",
        b"[rank0] x",
        b"2025-11-30T12:13:49.388123Z  INFO vllm_router: x",
        b"2025-11-30T12:13:49 x",
        b"3: x",
        b'{"log":"x","level":"INFO"}',
        b'{"log":"x","stream":"stdout","time":"t","more":1}',
        b'{"log":1,"stream":"stdout","time":"t"}',
        b'{"log":"unfinished',
        b"text (TaskRunner pid=1) in the middle",
        b"x [repeated 7x across cluster] y",
    ],
)
def test_text_that_only_looks_wrapped_stays(line: bytes) -> None:
    assert unwrap(line) == (line, NOBODY, 1, None)


def test_srun_labels_come_off_only_where_the_file_has_them() -> None:
    assert unwrap(b" 13:   File", "task")[:2] == (b"  File", Origin("13", rank="13"))
    assert unwrap(b"3:", "task")[:2] == (b"", Origin("3", rank="3"))
    assert unwrap(b"3: [rank25]: x", "task")[:2] == (b"x", Origin("3 rank25", rank="25"))
    assert unwrap(b"3: 4: x", "task").text == b"4: x"
    assert unwrap(b"no label", "task")[:2] == (b"no label", NOBODY)


@pytest.mark.parametrize(
    ("form", "line", "text", "who", "stamp"),
    [
        ("service", b"\x1b[36mtrainer-1  |\x1b[0m   File", b"  File", "trainer-1", None),
        ("service", b"trainer-1  | ", b"", "trainer-1", None),
        ("host", b"10.0.0.7: [rank3]: x", b"x", "10.0.0.7 rank3", None),
        ("host", b"dgx-03:   File", b"  File", "dgx-03", None),
        ("clock", b"Jul  1 08:28:47 (A pid=1) x", b"x", "A pid=1", b"Jul  1 08:28:47"),
        ("clock", b"[08:28:47]   File", b"  File", "", b"08:28:47"),
        ("clock", b"08:28:47    INFO x", b"08:28:47    INFO x", "", None),  # the program's own
    ],
)
def test_what_the_files_lines_bear_comes_off(
    form: Form, line: bytes, text: bytes, who: str, stamp: bytes | None
) -> None:
    got = unwrap(line, form)
    assert (got.text, got.origin.who, got.stamp) == (text, who, stamp)


@pytest.mark.parametrize(
    "stamp",
    [b"2025-11-30 12:13:49", b"2025-11-30T12:13:49.388Z", b"2025-11-30T12:13:49+08:00", b"2025-11-30 12:13:49,123"],
)
@pytest.mark.parametrize("brackets", [b"%b ", b"[%b] ", b"%b: "])
def test_a_time_before_another_wrapper_is_of_what_captured_the_line(stamp: bytes, brackets: bytes) -> None:
    assert unwrap(brackets % stamp + b"(A pid=1)   x")[::3] == (b"  x", stamp)
    assert unwrap(brackets % stamp + b"[rank3]: x")[::3] == (b"x", stamp)
    assert unwrap(brackets % stamp + b"x (A pid=1) y") == (brackets % stamp + b"x (A pid=1) y", NOBODY, 1, None)


@pytest.mark.parametrize(
    ("line", "count", "text"),
    [
        (b"x [repeated 7x across cluster]", 7, b"x"),
        (b"x \x1b[32m [repeated 12x across cluster]\x1b[0m", 12, b"x "),
        (
            b"x [repeated 2x across cluster] (Ray deduplicates logs by default. Set RAY_DEDUP_LOGS=0 to disable it)",
            2,
            b"x",
        ),
        (b"(A pid=1) x\x1b[32m [repeated 3x across cluster]\x1b[0m\r", 3, b"x"),
    ],
)
def test_ray_tells_how_often_it_left_a_line_out(line: bytes, count: int, text: bytes) -> None:
    assert (unwrap(line).repeated, unwrap(line).text) == (count, text)


@pytest.mark.parametrize(
    "line",
    [
        STAMP + b" stderr F (A pid=1)   x",
        STAMP + b" stdout P (A pid=1)   x",
        STAMP + b" (A pid=1)   x",
        b"[pod/run-0/trainer] " + STAMP + b" (A pid=1)   x",
        b'{"log":"\\u001b[36m(A pid=1)\\u001b[0m   x\\n","stream":"stderr","time":"' + STAMP + b'"}',
        b'{"log":"(A pid=1) \\r 1%|\\r  x\\r\\n","stream":"stderr","attrs":{"tag":"t"},"time":"' + STAMP + b'"}',
    ],
)
def test_container_wrappers_give_the_time(line: bytes) -> None:
    got = unwrap(line)
    assert (got.text, got.stamp, got.origin.pid) == (b"  x", STAMP, "1")


@pytest.mark.parametrize("stamp", [b"2025-11-30T12:13:49.3881234Z", b"2025-11-30T12:13:49.388123456+08:00"])
def test_kubectl_stamps_may_be_shorter_or_of_another_zone(stamp: bytes) -> None:
    assert unwrap(stamp + b" x") == (b"x", NOBODY, 1, stamp)


def test_cri_line_may_be_empty() -> None:
    assert unwrap(b"2025-11-30T12:13:49Z stdout F ") == (b"", NOBODY, 1, b"2025-11-30T12:13:49Z")


RANKS = st.integers(0, 9999).map(lambda n: str(n).encode())
RAY = st.builds(
    lambda name, pid, ip, colour: (
        (b"\x1b[36m(%b%b%b)\x1b[0m " if colour else b"(%b%b%b) ")
        % (name + b" " if name else b"", b"pid=" + pid, b", ip=10.0.0.5" if ip else b"")
    ),
    st.sampled_from([b"", b"TaskRunner", b"VllmWorker TP0", b"ab12WorkerDict_0:0 WorkerDict", b"A(i=1)", b"W[rank=3]"]),
    RANKS,
    st.booleans(),
    st.booleans(),
)
DAEMON = st.sampled_from([b"(raylet) ", b"\x1b[33m(raylet)\x1b[0m ", b"(autoscaler +3m) ", b"(pid=gcs_server) "])
RANK = RANKS.map(lambda n: b"[rank%b]: " % n)
TEE = st.builds(lambda role, n: b"[%b%b]:" % (role, n), st.sampled_from([b"trainer", b"default"]), RANKS)
BRACKETED = RANKS.map(lambda n: b"[EngineCore_DP0 pid=%b] " % n)
OUTER = st.sampled_from([b"", STAMP + b" stderr F ", STAMP + b" ", b"[pod/a/b] ", b"[pod/a/b] " + STAMP + b" "])
INNER = st.lists(st.one_of(RAY, DAEMON, RANK, TEE, BRACKETED), max_size=5).map(b"".join)
TEXTS = st.one_of(
    st.text(st.characters(exclude_characters="\r\n\x1b\0", codec="utf-8")).map(str.encode),
    st.lists(st.sampled_from([b" ", b"(", b")", b"pid=1", b"[rank1]", b":", b"loss 0.5", b"\t"])).map(b"".join),
)


@given(OUTER, INNER, TEXTS, st.integers(0, 99))
@example(STAMP + b" stderr F ", b"[trainer0]:\x1b[36m(A pid=1)\x1b[0m ", b'  File "x"', 7)
def test_every_combination_of_wrappers_comes_off(outer: bytes, inner: bytes, text: bytes, repeated: int) -> None:
    assume(unwrap(text) == (text, NOBODY, 1, None))
    suffix = b"\x1b[32m [repeated %dx across cluster]\x1b[0m" % repeated if repeated else b""
    got = unwrap(outer + inner + text + suffix)
    assert got.text == text
    assert got.repeated == (repeated or 1)
    assert got.stamp == (STAMP if STAMP in outer else None)
    assert bool(got.origin.who) == (b"pod" in outer or bool(inner))
    assert unwrap(got.text) == (text, NOBODY, 1, None)


@given(OUTER, INNER, TEXTS)
def test_docker_wraps_any_line(outer: bytes, inner: bytes, text: bytes) -> None:
    line = outer + inner + text
    assume(not line.startswith(b"{") and line.strip())
    record = {"log": line.decode() + "\n", "stream": "stdout", "time": "2025-11-30T12:13:49Z"}
    wrapped = unwrap(json.dumps(record, separators=(",", ":")).encode())
    assert wrapped == unwrap(line)._replace(stamp=b"2025-11-30T12:13:49Z")


@pytest.mark.parametrize(
    "record",
    [
        {"log": "TEXT\n", "stream": "stdout", "docker": {}, "kubernetes": {"pod_name": "rl-0"}, "time": "TIME"},
        {"date": 1.5, "@timestamp": "TIME", "_p": "F", "log": "TEXT", "kubernetes": {"pod_name": "rl-0"}},
        {"insertId": "a", "textPayload": "TEXT", "resource": {"labels": {}}, "severity": "ERROR", "timestamp": "TIME"},
    ],
)
def test_collectors_of_pods_wrap_a_line(record: dict[str, object]) -> None:
    line = json.dumps(record).replace("TEXT", "(TaskRunner pid=7) step:1").replace("TIME", "2025-11-30T12:13:49Z")
    got = unwrap(line.encode())
    assert (got.text, got.origin.pid, got.stamp) == (b"step:1", "7", b"2025-11-30T12:13:49Z")
    broken = json.dumps({"log": 1, "kubernetes": [], "textPayload": None}).encode()
    assert unwrap(broken).text == broken


@given(INNER, st.text(), st.text())
def test_two_lines_of_one_writer_have_one_who(inner: bytes, one: str, other: str) -> None:
    assert unwrap(inner + b"x" + one.encode()).origin == unwrap(inner + b"y" + other.encode()).origin


SEQUENCES = st.one_of(
    st.from_regex(rb"\A\x1b\[[0-?]{0,8}[ -/]{0,2}[@-~]\Z"),
    st.from_regex(rb"\A\x1b\]8;[^\x07\x1b]{0,20}(?:\x07|\x1b\\)\Z"),
    st.from_regex(rb"\A\x1b[PX^_][^\x07\x1b]{0,20}\x1b\\\Z"),
    st.sampled_from([b"\x1b(B", b"\x1b7", b"\x1bc", b"\x1b=", b"\x1bM"]),
)


@pytest.mark.real
@given(st.lists(st.tuples(SEQUENCES, st.text(st.characters(exclude_characters="\x1b", codec="utf-8")).map(str.encode))))
def test_every_escape_sequence_is_stripped(parts: list[tuple[bytes, bytes]]) -> None:
    assert strip_ansi(b"".join(sequence + text for sequence, text in parts)) == b"".join(text for _, text in parts)


def test_link_keeps_its_text_and_an_open_one_hides_nothing() -> None:
    assert strip_ansi(b"\x1b]8;;https://x.y\x1b\\run\x1b]8;;\x1b\\ ok") == b"run ok"
    assert strip_ansi(b"\x1b]8;;CUDA out of memory") == b"8;;CUDA out of memory"


@given(st.binary(), st.sampled_from([None, *PREFIXES]))
def test_nothing_raises_and_no_escape_survives(line: bytes, form: Form | None) -> None:
    got = unwrap(line, form)
    assert b"\x1b" not in got.text
    assert len(got.text) <= len(line)
    segments(line)
    split_bar(line)
    assert b"".join(filter(None, split_tail(line))) == line


# -- carriage returns


@pytest.mark.parametrize(
    ("line", "texts"),
    [
        (b"plain", [b"plain"]),
        (b"", [b""]),
        (b"\r", []),
        (b"ends with CR LF\r", [b"ends with CR LF"]),
        (b"(A pid=1) \rbar", [b"(A pid=1) bar"]),
        (b"\x1b[36m(A pid=1)\x1b[0m \rone\rtwo", [b"\x1b[36m(A pid=1)\x1b[0m one", b"\x1b[36m(A pid=1)\x1b[0m two"]),
        (b"[trainer0]:one\rtwo\r", [b"[trainer0]:one", b"[trainer0]:two"]),
        (STAMP + b" stderr F \rone", [STAMP + b" stderr F one"]),
        (b"(A pid=1) one\r(B pid=2) two", [b"(A pid=1) one", b"(B pid=2) two"]),
        (b"[default0]:one\r[rank0]: two", [b"[default0]:one", b"[default0]:[rank0]: two"]),
        (BAR + b"\r" + BAR, [BAR]),
        (BAR + b"\r                \r", [BAR]),
        (BAR + b"\x1b[A\r" + b"step:1 - a:1", [b"step:1 - a:1"]),
        (BAR + b"glued\r" + BAR + b"\rlast", [BAR + b"glued", b"last"]),
        (b"before\r" + BAR, [b"before", BAR]),
    ],
)
def test_texts_of_one_physical_line(line: bytes, texts: list[bytes]) -> None:
    assert segments(line) == texts


@pytest.mark.real
@given(INNER, st.lists(st.from_regex(rb"\A[a-z][a-z: ]{0,10}\Z"), min_size=1, max_size=2 * MAX_SEGMENTS))
def test_segments_keep_order_and_writer(prefix: bytes, texts: list[bytes]) -> None:
    got = segments(prefix + b"\r".join(texts))
    assert [unwrap(segment).text for segment in got] == texts[-MAX_SEGMENTS:]
    assert {unwrap(segment).origin for segment in got} == {unwrap(prefix + b"x").origin}


# -- progress bars


@pytest.mark.parametrize(
    ("text", "bar", "rest"),
    [
        (b"no bar", None, b"no bar"),
        (b"50%| of nothing", None, b"50%| of nothing"),
        (BAR, BAR, b""),
        (BAR + BAR, BAR + BAR, b""),
        (
            b"Epoch 1/3:   0%|   | 0/35 [00:00<?, ?it/s]step:1 - train/loss:1.1",
            b"Epoch 1/3:   0%|   | 0/35 [00:00<?, ?it/s]",
            b"step:1 - train/loss:1.1",
        ),
        (
            b"  5%| | 1.05G/9.98G [00:33<00:00, 7.65it/s]\x1b[2m10:04:34",
            b"  5%| | 1.05G/9.98G [00:33<00:00, 7.65it/s]",
            b"\x1b[2m10:04:34",
        ),
        (b"T: 1%|#| 1/2 [0:01<0:02, loss=[1, 2]]{'a': 1}", b"T: 1%|#| 1/2 [0:01<0:02, loss=[1, 2]]", b"{'a': 1}"),
        (BAR + b"step:1 - a:1 " + BAR, BAR, b"step:1 - a:1 " + BAR),
    ],
)
def test_bar_before_a_text(text: bytes, bar: bytes | None, rest: bytes) -> None:
    assert split_bar(text) == (bar, rest)


TAIL = "(TaskRunner pid=1458263) Training Progress:   3%|▎ | 27/870 [21:07<11:17:13, 48.20s/it]".encode()


@pytest.mark.parametrize(
    ("text", "tail"),
    [
        (b"step:1 - perf/throughput:334.25", TAIL),
        (b"step:1 - a:1", b"(VGN_0:0 WorkerDict pid=1, ip=10.0.0.5)" + TAIL[24:]),
        (BAR, TAIL),
        (b"step:1 - a:1", TAIL + TAIL.replace(b"TaskRunner", b"Critic")),
    ],
)
def test_bar_of_another_writer_behind_a_text(text: bytes, tail: bytes) -> None:
    assert split_tail(text + tail) == (text, tail)


@pytest.mark.parametrize("text", [TAIL, b"no bar (A pid=1) x", b"50%| (A pid=1) of nothing", BAR])
def test_no_bar_of_another_writer(text: bytes) -> None:
    assert split_tail(text) == (text, None)


MEGABYTE = 1 << 20


@pytest.mark.parametrize(
    "unit",
    [
        b"\x1b", b"\x1b[", b"\x1b]8;;", b"(", b"[", b" ", b"9", b"\0", b"(A pid=1) ", b"[rank1]:", b"[repeated ",
        b"1%|", b"1%|a|1/2 [", b"1%|a|1/2 [[x]", b"(A pid=1) 1%|", b"\r" + BAR, b"\r", b"\r ", b"a\r", b'{"log":"',
        b" [repeated 7x across cluster]",
    ],
)  # fmt: skip
def test_long_hostile_lines_take_no_time(unit: bytes) -> None:
    line = unit * (MEGABYTE // len(unit))
    for function in (unwrap, segments, split_bar, split_tail):
        # 0.2 s on a busy machine; what is quadratic takes far longer
        assert min(seconds(function, line) for _ in range(3)) < 1.0, function


def seconds(function: Callable[[bytes], object], line: bytes) -> float:
    began = time.process_time()
    function(line)
    return time.process_time() - began
