"""Whether something put a prefix before every line is told by the file as a whole."""

from datetime import datetime, timezone

import pytest

from rli_agent.events import Problem, Source
from rli_agent.parsers.captures import Form, capture
from rli_agent.parsers.compiled import RuleSet
from rli_agent.parsers.source_parser import SourceParser


def telling(raw: bytes) -> bool:
    return raw.startswith(b"INFO ")


@pytest.mark.parametrize(
    ("text", "form"),
    [
        (b"0: step:1 - a:1\n0: step:2 - a:1\n0: step:3 - a:1\n0: step:4 - a:1\n", "task"),
        (b" 3: a\n11: b\n 3: c\n11:\n", "task"),
        (b"module load cuda\n+ srun\n0: a\n1: b\n0: c\n1: d\n0: e\nsrun: error: task 1\n", "task"),
        (b"0: a\n0: b\n0: c\n", None),  # too few to tell
        (b"1: one\n2: two\n3: three\n4: four\n", None),  # a numbered list
        (b"0: a\n0: b\nplain\nother\n0: c\n0: d\n", None),
        (b"\x1b[36mtrain-1  |\x1b[0m INFO a\ntrain-1  | b\ntrain-1  | c\ntrain-1  | d\n", "service"),
        (b"train-1  | step:1 - a:1\ntrain-1  | b\ntrain-1  | c\ntrain-1  | d\n", "service"),  # numbered by compose
        (b"dgx-03: step:1 - a:1\ndgx-03: b\ndgx-03: c\ndgx-03: d\n", "host"),
        (b"phi-1 | 1\nphi-2 | 2\nphi-3 | 3\nphi-4 | 4\n", None),
        (b"loss | 1\nloss | 2\nloss | 3\nloss | 4\n", None),  # a table: no log's line behind the name
        (b"dgx-03: INFO a\ndgx-03: b\ndgx-03:   c\ndgx-03: d\n", "host"),
        (b"gpu0: 40 C\ngpu0: 41 C\ngpu0: 42 C\ngpu0: 40 C\n", None),
        (b"[0]: a\n[1]: b\n[0]: c\n[1]: d\n", "task"),
        (b"rl-0 trainer INFO a\nrl-0 trainer b\nrl-0 trainer c\nrl-0 trainer d\n", "pod"),
        (b"all is well\nall is done\nall is good\nall is fine\n", None),
        (b"Jul 31 08:28:47 gpu-1 rl[7]: INFO a\n" + b"Jul 31 08:28:48 gpu-1 rl[7]: b\n" * 3, "unit"),
        (b"Jul 31 08:28:47 a\nJul 31 08:28:47 INFO b\nJul 31 08:28:48 c\nJul 31 08:28:49 d\n", "clock"),
        (b"08:28:47    INFO a\n08:28:47   DEBUG b\n08:28:48    INFO c\n08:28:48    INFO d\n", None),
    ],
)
def test_a_prefix_is_borne_by_nearly_all_lines_and_few_writers(text: bytes, form: Form | None) -> None:
    assert capture(text, telling) == form


@pytest.mark.parametrize(
    ("line", "year", "second"),
    [(b"2024-03-05T04:01:37Z ERROR 03-05 04:01:36 [core.py:1] gone\n", 2024, 37),  # what captured it knows the year
     (b"2024-03-05T04:01:37Z 04:01:36 ERROR gone\n", 2024, 37)],
)  # fmt: skip
def test_of_two_times_of_a_line_that_counts_which_tells_the_year(line: bytes, year: int, second: int) -> None:
    source = Source("x.log", "engine")
    parser = SourceParser(source, RuleSet([], source), timezone.utc, 1767312000.0)
    (problem,) = parser.feed(line, 0, 1) + parser.flush()
    assert isinstance(problem, Problem)
    time = datetime.fromtimestamp(problem.time or 0.0, timezone.utc)
    assert (time.year, time.second) == (year, second)
