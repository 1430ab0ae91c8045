"""The life of a run, played event by event with its own clock: what pages a person, and above all what does not."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from rli_agent.events import Event, Interval, Level, Problem, RolloutBatch, RunFact, Samples, Shape, Source
from rli_agent.life.state import LifeState
from rli_agent.life.tracker import LifeTracker
from rli_agent.message import Message
from rli_agent.rollout_statistics import RolloutStatistics

START = 1_800_000_000.0
ENGINE = ("rl_engine_generation_tokens_per_second", "rl_engine_requests_running")
ROLES = {"trainer": "logs/trainer.log", "orchestrator": "logs/orchestrator.log", "inference": "logs/inference.log"}


class Play:
    """A run and its agent. Between any two calls the tracker's state goes through its serialised form (`forgetful`)."""

    def __init__(self, *, job_end: float | None = None, attached: bool = True, forgetful: bool = True) -> None:
        self.now = START
        self.job_end = job_end
        self.forgetful = forgetful
        self.said: list[Message] = []
        self.tracker = LifeTracker("r-1", LifeState(attached=attached), job_end)
        self.line = 0

    @property
    def kinds(self) -> list[str]:
        return [m.kind + ("/resolved" if m.resolved else "") for m in self.said]

    @property
    def pages(self) -> list[str]:
        """What wakes somebody."""
        return [m.kind for m in self.said if m.severity != "info"]

    def give(self, role: str, *events: Event, live: bool = True) -> None:
        self._through()
        self.said += self.tracker.record(events, Source(ROLES.get(role, f"logs/{role}.log"), role), self.now, live)

    def wait(self, seconds: float, every: float = 10.0, each: Callable[[], None] | None = None) -> None:
        end = self.now + seconds
        while self.now < end:
            self.now = min(end, self.now + every)
            if each is not None:
                each()
            self.tick()

    def tick(self, last: bool = False) -> None:
        self._through()
        self.said += self.tracker.tick(self.now, last)

    def _through(self) -> None:
        if self.forgetful:
            self.tracker = LifeTracker("r-1", LifeState.decode(self.tracker.state.encode()), self.job_end)

    def _at(self, role: str) -> tuple[str, int, int]:
        self.line += 1
        return ROLES.get(role, f"logs/{role}.log"), self.line, self.line

    def samples(
        self, role: str, step: int | None, names: dict[str, float], metrics: tuple[str | None, ...] = (), **more: bool
    ) -> None:
        shape = Shape(tuple(names), (None,) * len(names), metrics or (None,) * len(names), (("role", role),))
        values = list(names.values())
        self.give(role, Samples(*self._at(role), self.now, "logged", step, shape, values, json.dumps(values)), **more)

    def step(self, number: int, **more: bool) -> None:
        self.samples("trainer", number, {"loss/mean": 0.1 * number, "optim/lr": 1e-6}, **more)

    def steps(self, first: int, last: int, every: float = 60.0) -> None:
        for number in range(first, last + 1):
            self.wait(every)
            self.step(number)

    def engine(self, rate: float, running: float = 64.0) -> None:
        self.samples("inference", None, {"vllm:gen": rate, "vllm:running": running}, ENGINE)

    def begins(self, state: str, lane: str = "trainer", step: int | None = None) -> None:
        self.give(lane, Interval(*self._at(lane), "logged", lane, state, step, self.now, None))

    def ends(self, state: str, lasted: float, lane: str = "trainer", step: int | None = None) -> None:
        self.give(lane, Interval(*self._at(lane), "logged", lane, state, step, self.now - lasted, self.now, lasted))

    def problem(
        self, kind: str, message: str, role: str = "trainer", level: Level = "ERROR", time: float | None = None,
        step: int | None = None,
    ) -> None:  # fmt: skip
        when = time if time is not None else self.now
        self.give(role, Problem(*self._at(role), when, "logged", level, kind, message, 1, step))

    def fact(self, key: str, value: str, role: str = "trainer") -> None:
        self.give(role, RunFact(*self._at(role), self.now, "logged", key, value))


OOM = (
    "Fatal error in train\nTraceback (most recent call last):\n  File 'train.py', line 3, in f\n"
    "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB."
)


def running(last: int = 12, every: float = 60.0, **more: float) -> Play:
    """A run some steps old, that has evaluated and saved."""
    play = Play(**more)  # type: ignore[arg-type]
    play.fact("max_steps", "1000")
    play.steps(1, 6, every)
    play.begins("eval")
    play.wait(2 * every)
    play.ends("eval", 2 * every)
    play.begins("save_ckpt")
    play.wait(30)
    play.ends("save_ckpt", 30, step=6)
    play.steps(7, last, every)
    assert play.pages == []
    return play


# -- no false pages


def test_a_healthy_run_tells_that_it_started_and_finished_and_nothing_else() -> None:
    play = running(40)
    play.fact("life", "finished")
    play.wait(7200)
    assert play.kinds == ["started", "finished"]
    assert play.tracker.life == "finished"
    assert play.said[0].title.startswith("started: step 1 of 1000 is done, 60 s after the first sign")
    assert "Steps are left" in play.said[1].text  # 960 of them: its log says that it is done, and nobody pages


def test_a_run_that_made_all_its_steps_has_none_left() -> None:
    play = running(12)
    play.fact("max_steps", "12")
    play.fact("life", "finished")
    play.wait(60)
    assert play.kinds == ["started", "finished"]
    assert "Steps are left" not in play.said[1].text


def test_a_slow_first_step_pages_nobody() -> None:
    play = Play()
    for minutes in (5, 12, 20, 8):  # weights, compilation, the server
        play.wait(60 * minutes)
        play.fact(f"fact{minutes}", "x", "inference")
    play.fact("max_steps", "400")
    play.wait(55 * 60)
    play.step(1)
    assert play.kinds == ["started"]


def test_a_slow_first_step_with_tokens_may_take_hours() -> None:
    play = Play()
    play.fact("max_steps", "400")
    play.begins("rollout", "orchestrator")
    play.wait(5 * 3600, 60.0, lambda: play.engine(2100.0))
    assert play.kinds == []


def test_an_evaluation_and_a_checkpoint_longer_than_steps_page_nobody() -> None:
    play = running(20)
    play.begins("eval")
    play.wait(14 * 60)
    play.ends("eval", 14 * 60)
    play.begins("save_ckpt")
    play.wait(14 * 60)
    play.ends("save_ckpt", 14 * 60)
    play.steps(21, 30)
    assert play.pages == []


def test_the_first_evaluation_may_take_an_hour_and_so_may_one_that_is_not_announced_take_half() -> None:
    play = Play()
    play.steps(1, 10, 30.0)
    play.wait(29 * 60)  # nobody says that this is an evaluation
    play.step(11)
    play.begins("eval")
    play.wait(59 * 60)
    play.ends("eval", 59 * 60)
    play.step(12)
    assert play.pages == []


def test_evaluations_known_only_by_their_durations_page_nobody() -> None:
    play = Play()
    for number in range(1, 61):
        play.wait(60)
        if number % 20 == 0:
            play.wait(25 * 60)
            play.ends("eval", 25 * 60)
        play.step(number)
    assert play.pages == []


def test_waiting_has_no_deadline_while_another_lane_evaluates() -> None:
    play = running(20)
    play.begins("wait", "trainer")
    play.begins("eval", "orchestrator")
    play.wait(15 * 60, 10.0, lambda: play.engine(1500.0))
    play.ends("eval", 15 * 60, "orchestrator")
    play.ends("wait", 15 * 60, "trainer")
    play.step(21)
    assert play.pages == []


def test_progress_inside_a_long_step_counts() -> None:
    for count in ("tokens", "rollouts", "counts"):
        play = running(20)

        def moves(count: str = count, play: Play = play) -> None:
            if count == "tokens":
                play.engine(900.0)
            elif count == "rollouts":
                place = ("rollouts/step_21.jsonl", 1, 0)
                batch = RolloutBatch(
                    *place, play.now, "observed", 21, "train", "math", RolloutStatistics(play.line)
                )
                play.line += 1
                play.give("rollouts", batch)
            else:
                play.samples("orchestrator", None, {"console/train_batch": play.now, "dispatcher/inflight/train": 9.0})

        play.wait(90 * 60, 60.0, moves)
        play.step(21)
        assert play.pages == [], count


def test_a_finished_run_that_said_nothing_is_finished_when_all_steps_are_done() -> None:
    play = Play()
    play.fact("max_steps", "10")
    play.steps(0, 9)  # counted from zero
    play.wait(3 * 3600)
    assert play.kinds == ["started", "finished"]


@pytest.mark.parametrize("hours", [2, 24, 24 * 30])
def test_an_agent_that_comes_to_an_old_run_tells_nothing(hours: int) -> None:
    for end in ("finished", None):
        play = Play(attached=False)
        for number in range(1, 30):
            play.step(number, live=False)
        if end:
            play.give("trainer", RunFact("logs/trainer.log", 90, 0, play.now, "logged", "life", end), live=False)
        play.now += 3600 * hours
        play.tick()
        play.wait(3600 * 3)
        assert play.kinds == []


def test_an_agent_that_comes_to_a_run_in_its_middle_says_no_more_than_comes() -> None:
    play = Play(attached=False)
    play.problem("cuda_oom", OOM)
    for number in range(1, 30):
        play.step(number, live=False)
    play.tick()
    play.steps(30, 40)
    assert play.kinds == []


def test_steps_of_several_files_and_repeated_lines_make_no_new_attempt() -> None:
    play = Play()
    for number in range(1, 20):
        play.wait(60)
        play.step(number)
        play.samples("metrics", number - 1, {"loss/mean": 0.5})  # a file that is written later
        play.samples("trainer", number // 2, {"perf/rollout_time": 5.0})  # a count of its own
        play.samples("trainer", number, {"loss/mean": 0.5})
    assert play.kinds == ["started"]
    assert play.tracker.state.attempt.number == 1


def test_an_environment_that_fails_is_no_crash() -> None:
    play = running(20, every=30.0)
    play.problem("traceback", "Traceback (most recent call last):\nValueError: bad", role="env")
    play.problem("worker_death", "Worker 3 (pid=77) died", role="env")
    play.problem("env_error", "Trace failed in group 7")
    play.wait(9 * 60)
    play.step(21)
    assert play.pages == []


def test_a_caught_traceback_in_a_long_silent_step_is_no_crash() -> None:
    play = running(12, every=1200.0)
    play.wait(300)
    play.problem("traceback", "Traceback (most recent call last):\nValueError: bad tool call")
    play.wait(860)
    play.step(13)
    assert play.pages == []


FAILED_EVALUATION = (
    "Evaluation of aime2024 failed\nTraceback (most recent call last):\n"
    '  File "/app/rl/orchestrator.py", line 88, in run_evals\n    await evaluate(env)\nRuntimeError: no reply'
)


@pytest.mark.parametrize("after", ["checkpoint", "figures"])
def test_an_evaluation_that_fails_and_is_caught_is_no_end(after: str) -> None:
    play = running(1000, every=20.0)
    play.problem("traceback", FAILED_EVALUATION)
    if after == "checkpoint":
        play.wait(5)
        play.begins("save_ckpt", step=1000)
        play.ends("save_ckpt", 5.0, step=1000)
    else:
        play.samples("trainer", 1000, {"perf/throughput": 812.0})
    play.wait(3600)
    assert play.kinds == ["started", "finished"]


def test_an_evaluation_that_ends_the_process_is_an_end() -> None:
    play = running(20)
    play.problem("traceback", FAILED_EVALUATION)
    play.engine(120.0)  # others go on for a while
    play.wait(3600)
    assert play.kinds == ["started", "failed"]
    assert "no reply" in play.said[-1].title


def test_a_checkpoint_behind_any_other_traceback_does_not_make_it_harmless() -> None:
    play = running(20)
    play.problem("traceback", "Traceback (most recent call last):\n  File 'train.py', line 3, in step\nValueError: bad")
    play.begins("save_ckpt", step=20)
    play.ends("save_ckpt", 5.0, step=20)
    play.wait(3600)
    assert play.kinds == ["started", "failed"]


def test_a_caught_traceback_is_no_crash_for_as_long_as_steps_have_taken_before() -> None:
    play = running(20, every=20.0)
    play.wait(280)  # an evaluation that is not announced
    play.step(21)
    play.steps(22, 40, every=20.0)
    play.problem("traceback", "Traceback (most recent call last):\nValueError: bad tool call")
    play.wait(270)
    play.step(41)
    assert play.pages == []


def test_one_step_with_nan_heals_and_pages_nobody() -> None:
    play = running(20)
    play.step(21)
    play.problem("nan", "grad_norm nan", step=21)
    play.steps(22, 30)
    play.problem("nan", "grad_norm nan", step=30)
    play.steps(31, 40)
    assert play.pages == []


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
    assert page.title == (
        "failed at step 20 of 1000: torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB."
    )
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


def test_a_run_that_says_it_failed_is_told_with_what_other_files_say_shortly_after() -> None:
    play = running(20)
    play.fact("life", "failed", "launcher")
    play.now += 5
    play.problem("cuda_oom", OOM)
    play.wait(60)
    assert play.pages == ["failed"]
    assert "CUDA out of memory" in play.said[-1].title


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
    assert play.said[0].text.startswith("It was so when the agent came.")


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
