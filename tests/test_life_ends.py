"""What pages a person: stalls, and how a run ends."""

from __future__ import annotations

import pytest
from life_play import OOM, START, Play, running

from rli_agent.events import Problem
from rli_agent.life.wording import where

# -- stalls


def test_a_run_without_a_step_is_told_once_and_when_it_moves_again() -> None:
    play = running(20)
    play.wait(3 * 3600)
    assert play.pages == ["stalled"]
    page = play.said[-1]
    assert page.severity == "critical"
    assert "no progress for 10 min, at step 20 of 1000" in page.title
    assert page.time - START < 20 * 60 + 2000
    assert play.tracker.life == "stalled"
    play.step(21)
    assert play.kinds[-2:] == ["stalled", "stalled/resolved"]
    assert play.said[-1].episode == page.episode
    assert play.tracker.life == "running"
    play.wait(3 * 3600)
    assert play.pages == ["stalled", "stalled"]
    assert play.said[-1].episode != page.episode


def test_a_state_that_outlasts_its_history_is_named_with_what_is_usual() -> None:
    play = running(20)
    for _ in range(5):
        play.begins("weight_sync")
        play.wait(8)
        play.ends("weight_sync", 8)
    play.begins("weight_sync")
    play.wait(3600)
    assert play.pages == ["stalled"]
    assert "trainer in weight_sync for 10 min (usually 8.0 s)" in play.said[-1].title


def test_a_start_that_hangs_is_told_after_half_an_hour() -> None:
    play = Play()
    play.begins("load", "inference")
    play.wait(29 * 60)
    assert play.pages == []
    play.wait(3 * 60)
    assert play.pages == ["stalled"]
    assert "before the first step" in play.said[-1].title
    assert "inference in load" in play.said[-1].title


def test_alive_without_progress_is_found_and_says_what_each_role_said_last() -> None:
    play = running(20)

    def heartbeat() -> None:
        play.engine(0.0, 64.0)
        play.give("inference")  # an access line: written, and telling nothing
        play.samples("orchestrator", None, {"event_loop_lag/mean": play.now % 7, "system/memory_used": play.now})

    play.wait(3600, 30.0, heartbeat)
    assert play.pages == ["stalled"]
    page = play.said[-1]
    assert page.title.startswith("alive without progress for")
    assert "64 requests running, 0 tokens/s" in page.title
    assert "trainer: 10 min ago: step 20: loss/mean 2" in page.text
    assert "inference: " in page.text


def test_a_stall_is_told_to_an_agent_that_comes_while_it_is_new() -> None:
    play = Play(attached=False)
    for number in range(1, 30):
        play.step(number, live=False)
        play.now += 60
    play.ends("eval", 90)
    play.ends("save_ckpt", 9)
    play.now += 45 * 60
    play.tick()
    assert play.pages == ["stalled"]


# -- ends


def test_a_crash_is_one_message_with_the_first_problem_in_time() -> None:
    play = running(20, every=30.0)
    play.wait(5)
    first = play.now
    play.now += 2
    play.problem("nccl", "Watchdog caught collective operation timeout", role="orchestrator")
    play.problem("cuda_oom", OOM, time=first)
    for _ in range(8):
        play.problem("worker_death", "Worker exit type: SYSTEM_ERROR", role="orchestrator")
    play.wait(3600)
    assert play.pages == ["failed"]
    page = play.said[-1]
    assert page.title == "failed at step 20 of 1000: GPU out of memory: it asked for 2.00 GiB"
    assert "logs/trainer.log:" in page.text
    assert "9 more problems followed: 8 worker_death, 1 nccl." in page.text
    assert "Last checkpoint of step 6" in page.text
    assert page.severity == "critical"
    assert page.time == first
    assert play.tracker.life == "failed"


def test_silence_after_a_deadly_problem_is_short() -> None:
    play = running(20, every=60.0)
    play.problem("cuda_oom", OOM)
    play.wait(119)
    assert play.pages == []
    play.wait(10)
    assert play.pages == ["failed"]


def test_a_step_after_a_problem_clears_it() -> None:
    play = running(20)
    play.problem("cuda_oom", OOM)
    play.wait(60)
    play.step(21)
    play.wait(9 * 60)
    assert play.pages == []


def test_a_problem_that_is_told_late_and_stands_before_the_newest_step_is_no_end() -> None:
    play = running(20)
    stood, play.line = play.line, play.line + 9
    play.step(21)
    goes_on, play.line = play.line, stood
    play.problem("traceback", "Traceback (most recent call last):\n  File 'env.py', line 3, in f\nTypeError: no action")
    assert play.tracker.state.suspect is None
    play.line = goes_on
    play.problem("traceback", "Traceback (most recent call last):\n  File 'env.py', line 3, in f\nTypeError: no action")
    assert play.tracker.state.suspect is not None


def _caught(number: int) -> str:
    return (
        f"Traceback (most recent call last):\n  File 'env.py', line {number}, in act\n"
        f"ValueError: step {number} - no action in the answer <think>{number} birds"
    )


def test_an_error_that_the_run_goes_on_after_is_no_end_when_it_comes_again() -> None:
    play = running(20)
    play.problem("traceback", _caught(3))
    play.steps(21, 22)
    play.problem("traceback", _caught(8))
    play.wait(400)
    assert play.tracker.life == "running"
    play.problem("traceback", "Traceback (most recent call last):\n  File 'b.py', line 1, in f\nKeyError: 'x'")
    play.wait(600)
    assert play.tracker.life == "failed"
    assert "KeyError" in play.said[-1].title


def test_the_same_error_ends_another_attempt() -> None:
    play = running(20)
    play.problem("traceback", _caught(3))
    play.step(21)
    play.fact("resumed_from", "6")
    play.step(7)
    play.problem("traceback", _caught(8))
    play.wait(600)
    assert play.tracker.life == "failed"


def test_a_last_step_that_waits_for_what_stands_behind_it_does_not_undo_the_end() -> None:
    play = running(20)
    line = play.line
    play.fact("life", "finished")
    play.line = line
    play.step(21)
    play.tick(last=True)
    assert play.tracker.life == "finished"


def test_the_exception_at_the_end_of_a_long_traceback_is_named() -> None:
    play = running(20)
    frames = "".join(f"  File 'a/{'b' * 60}.py', line {i}, in call\n    return call()\n" for i in range(80))
    play.problem("cuda_oom", f"Traceback (most recent call last):\n{frames}{OOM.splitlines()[-1]}")
    play.wait(600)
    assert "it asked for 2.00 GiB" in play.said[-1].title


def test_a_run_that_ends_in_its_first_step_did_not_end_before_it() -> None:
    play = Play()
    play.begins("rollout", step=1)
    play.problem("cuda_oom", OOM)
    play.wait(600)
    assert play.tracker.life == "failed"
    assert "in step 1" in play.said[-1].title
    assert where(play.tracker.state) == "in step 1"


def test_a_run_that_says_it_failed_is_told_with_what_other_files_say_shortly_after() -> None:
    play = running(20)
    play.fact("life", "failed", "launcher")
    play.now += 5
    play.problem("cuda_oom", OOM)
    play.wait(60)
    assert play.pages == ["failed"]
    assert "GPU out of memory" in play.said[-1].title


@pytest.mark.parametrize(
    ("message", "kind", "life"),
    [
        ("slurmstepd: error: *** JOB 7 ON n1 CANCELLED AT 2026-01-01T00:00:00 DUE TO PREEMPTION ***", "job_preempted",
         "preempted"),
        ("slurmstepd: error: *** JOB 7 ON n1 CANCELLED AT 2026-01-01T00:00:00 ***", "job_preempted", "cancelled"),
        ("slurmstepd: error: *** JOB 7 ON n1 CANCELLED AT 2026-01-01T00:00:00 DUE TO TIME LIMIT ***", "timeout",
         "cancelled"),
        ("slurmstepd: error: *** JOB 7 ON n1 CANCELLED AT 2026-01-01T00:00:00 DUE TO NODE FAILURE ***", "job_preempted",
         "failed"),
    ],
)  # fmt: skip
def test_what_the_scheduler_ends_is_named_so(message: str, kind: str, life: str) -> None:
    play = running(20)
    play.problem(kind, message, role="launcher", level="WARNING" if kind == "job_preempted" else "ERROR")
    play.problem("nccl", "NCCL error in: x.cpp")
    play.wait(3600)
    assert play.kinds[1:] == [life]
    assert play.tracker.life == life


def test_a_job_that_is_cancelled_because_it_failed_has_failed() -> None:
    play = running(20)
    play.problem("oom_kill", "slurmstepd: error: Detected 1 oom_kill event in StepId=7.0.", role="launcher")
    play.problem(
        "job_preempted", "slurmstepd: error: *** STEP 7.0 ON n1 CANCELLED AT 2026-01-01T00:00:00 ***", "launcher"
    )
    play.wait(3600)
    assert play.kinds == ["started", "failed"]


def test_a_sampler_that_dies_of_nan_is_a_crash() -> None:
    play = running(20)
    error = "RuntimeError: probability tensor contains either `inf`, `nan` or element < 0"
    text = f"Traceback (most recent call last):\n{error}"
    play.problem("nan", text)
    play.wait(3600)
    assert play.kinds == ["started", "failed"]
    assert "probability tensor" in play.said[-1].title


def test_an_old_failure_is_told_once_to_an_agent_that_comes_later() -> None:
    play = Play(attached=False)
    for number in range(1, 9):
        play.step(number, live=False)
    play.give("trainer", Problem("logs/trainer.log", 9, 9, play.now, "logged", "ERROR", "cuda_oom", OOM), live=False)
    play.now += 40 * 86_400
    play.tick()
    play.wait(3600)
    assert play.kinds == ["failed"]
    assert play.said[0].text.startswith("It had ended when the agent came.")


def test_an_end_that_does_not_end_is_told_once() -> None:
    play = running(20)
    play.fact("life", "finished")
    play.wait(20)

    def lines() -> None:
        play.give("inference")
        play.engine(0.0, 3.0)
        play.problem("timeout", "timed out", role="orchestrator")

    play.wait(3 * 3600, 30.0, lines)
    assert play.kinds == ["started", "finished", "lingers"]
    assert "inference, orchestrator still writes" in play.said[-1].title


def test_a_last_evaluation_after_the_trainer_finished_is_no_end_that_does_not_end() -> None:
    play = running(20)
    play.fact("life", "finished")
    play.wait(20)
    play.wait(3600, 30.0, lambda: play.engine(800.0))
    play.wait(300)
    assert play.kinds == ["started", "finished"]


def test_nan_on_two_steps_running_is_critical_and_over_after_five_clean_ones() -> None:
    play = running(20)
    for number in (21, 22, 23):
        play.wait(60)
        play.step(number)
        play.problem("nan", "loss/mean nan", step=number)
        play.problem("nan", "loss/mean nan", role="metrics", step=number)
    assert play.pages == ["nan"]
    assert play.said[-1].severity == "critical"
    assert play.said[-1].step == 22
    play.steps(24, 30)
    assert play.kinds[-1] == "nan/resolved"
