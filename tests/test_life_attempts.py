"""Resumed runs, and the scheduler's limit."""

from __future__ import annotations

import pytest
from life_play import OOM, START, Play, running

from rli_agent.events import Problem

# -- attempts


def test_a_resume_says_what_is_lost() -> None:
    play = running(32)
    play.problem("oom_kill", "Detected 1 oom_kill event in StepId=1.0.")
    play.wait(1320)
    play.fact("resumed_from", "20")
    play.fact("resumed_from", "20", "orchestrator")
    play.wait(300)
    play.steps(21, 40)
    assert play.kinds == ["started", "failed", "failed/resolved", "resumed"]
    told = play.said[-1]
    assert told.title == "resumed from step 20: steps 21 to 32 are done again, about 12 min of work"
    assert "Nothing moved for 22 min." in told.text
    first, second = play.tracker.attempts()
    assert (first.first_step, first.last_step, second.number) == (1, 32, 2)
    assert (second.first_step, second.resumed_from, second.last_step) == (21, 20, 40)


def test_steps_that_go_back_are_a_resume_that_nobody_announced() -> None:
    play = running(32)
    play.wait(120)
    play.step(21)
    play.samples("metrics", 21, {"loss/mean": 0.5})
    play.steps(22, 25)
    assert play.kinds == ["started", "resumed"]
    assert "steps 21 to 32 are done again" in play.said[-1].title


def test_a_resume_without_loss_says_so() -> None:
    play = running(32)
    play.fact("life", "cancelled")
    play.wait(600)
    play.begins("load", "inference")
    play.wait(300)
    play.fact("max_steps", "1000")
    play.step(33)
    assert play.kinds == ["started", "cancelled", "cancelled/resolved", "resumed"]
    assert play.said[-1].title == "resumed from step 32: no step is lost"


def test_a_problem_that_is_told_late_ended_the_attempt_before() -> None:
    play = running(32)
    play.line += 1
    file, line, offset = "logs/trainer.log", play.line, play.line
    play.wait(900)
    play.steps(21, 25)
    cancelled = "slurmstepd: error: *** JOB 991 ON gpu-3 CANCELLED AT 2026-11-20T10:09:30 DUE TO PREEMPTION ***"
    play.give("trainer", Problem(file, line, offset, None, "estimated", "WARNING", "job_preempted", cancelled))
    play.tick(last=True)
    assert play.tracker.life == "running"
    play.problem("job_preempted", cancelled)
    play.wait(900)
    assert play.kinds[-1] == "preempted"


def test_a_second_start_that_hangs_is_told() -> None:
    play = running(32)
    play.fact("life", "failed")
    play.wait(600)
    play.begins("load", "inference")
    play.wait(3600)
    assert play.kinds == ["started", "failed", "failed/resolved", "stalled"]


# -- the scheduler's limit


@pytest.mark.parametrize(("since", "told"), [(1300.0, True), (600.0, False)])
def test_a_time_limit_is_told_when_much_would_be_lost(since: float, told: bool) -> None:
    play = Play()
    play.fact("max_steps", "1000")
    play.steps(1, 30)
    play.ends("save_ckpt", 20, step=30)
    play.job_end = play.now + since + 890
    play.tracker.job_end = play.job_end
    play.steps(31, 31 + round((since + 880) / 60))
    limits = [m for m in play.said if m.kind == "time_limit"]
    assert len(limits) == (1 if told else 0) or (not told and len(limits) == 1 and limits[0].time > play.job_end - 900)
    if told:
        assert "the job ends in 15 min" in limits[0].title
        assert "the last checkpoint is 22 min old" in limits[0].title


def test_a_run_that_will_be_done_before_its_limit_needs_no_message() -> None:
    play = Play(job_end=START + 3600)
    play.fact("max_steps", "55")
    play.steps(1, 54)
    assert "time_limit" not in play.kinds


def test_a_resumed_run_that_fails_before_its_next_step_says_from_where_it_resumed() -> None:
    play = Play()
    play.fact("resumed_from", "500")
    play.problem("cuda_oom", OOM)
    play.wait(600)
    assert play.said[-1].title.startswith("failed before the first step since it resumed from step 500: GPU")
