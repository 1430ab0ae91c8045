"""What pages nobody: evaluations, checkpoints, slow steps, finished runs, what heals."""

from __future__ import annotations

import pytest
from life_play import OOM, Play, running

from rli_agent.events import RolloutBatch, RunFact
from rli_agent.rollout_statistics import RolloutStatistics


def test_a_healthy_run_tells_that_it_started_and_finished_and_nothing_else() -> None:
    play = running(40)
    play.fact("life", "finished")
    play.wait(7200)
    assert play.kinds == ["started", "finished"]
    assert play.tracker.life == "finished"
    assert play.said[0].title.startswith("started: step 1 of 1000 is done, 60 s after it began")
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
                batch = RolloutBatch(*place, play.now, "observed", 21, "train", "math", RolloutStatistics(play.line))
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
