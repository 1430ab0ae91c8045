"""`rl_insight.agent_loop`: what RL-Insight's board of agent loops asks for."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from .api import metric_gauge, trace_span


def agent_loop_lane_id(experiment_name: Any, sample: Any, session: Any, traj: Any) -> str:
    """The lane of a trajectory."""
    return f"experiment={experiment_name}/sample={sample}/session={session}/traj={traj}"


def agent_loop_session(
    *, project: Any = None, experiment_name: Any, sample: Any, session: Any, traj: Any = 0, uid: Any = None,
    global_steps: Any = None, session_id: Any = None,
) -> AgentLoopSession:  # fmt: skip
    """A session begins now."""
    texts = {"project": project, "uid": uid, "session_id": session_id}
    identity = {name: "" if value is None else str(value) for name, value in texts.items()} | {
        "experiment_name": str(experiment_name), "sample": str(sample), "session": str(session), "traj": str(traj),
        "state_lane_id": agent_loop_lane_id(experiment_name, sample, session, traj),
        "global_steps": "" if global_steps is None else global_steps,
    }  # fmt: skip
    return AgentLoopSession(identity, time.time_ns())


class AgentLoopSession:
    """A session that goes on until `finish`. start_ns: Unix nanoseconds."""

    def __init__(self, identity: dict[str, Any], start_ns: int) -> None:
        self.identity = identity
        self.start_ns = start_ns

    def finish(
        self, *, trajectories: Sequence[Any], status: str, runner_name: str | None = None,
        reward_source: str | None = None, finished: bool | None = None,
    ) -> None:  # fmt: skip
        """The session is over: its place in the board, and its span."""
        end = time.time_ns()
        self._place(trajectories, end)
        about = {
            "monitor.trace_source": "session", "status": status, "num_trajectories": len(trajectories),
            "runner_name": runner_name or "", "reward_source": reward_source or "",
            "finished": "" if finished is None else finished,
        }  # fmt: skip
        trace_span(
            name="agent_session", start_time_ns=self.start_ns, end_time_ns=end, attributes={**self.identity, **about}
        )

    def _place(self, trajectories: Sequence[Any], end: int) -> None:
        """Gauges whose labels are the tree of runs, samples, sessions and trajectories."""
        own = {name: str(self.identity[name]) for name in ("experiment_name", "global_steps")}
        sample, session = self.identity["sample"], self.identity["session"]
        key = f"sample={sample}/session={session}"
        metric_gauge("agent_loop_run_info", 1.0, **own, title=own["experiment_name"])
        metric_gauge("agent_loop_sample_info", 1.0, **own, sample=sample, title=f"sample {sample}")
        metric_gauge(
            "agent_loop_session_info", 1.0, **own, sample=sample, session=session, sess_key=key,
            title=f"session {session}",
        )  # fmt: skip
        for number, trajectory in enumerate(trajectories):
            chain = getattr(trajectory, "chain_id", None)
            traj = number if chain is None else int(chain) - 1
            reward, turns = getattr(trajectory, "reward_score", None), getattr(trajectory, "num_turns", None)
            told = f"trajectory {traj}: reward {_number(reward):g}, {int(_number(turns))} turns"
            metric_gauge(
                "agent_loop_traj_info", 1.0, **own, sample=sample, session=session, traj=str(traj),
                leaf=f"{key}/traj={traj}", title=told,
            )  # fmt: skip
        metric_gauge("agent_loop_first_turn_unixtime", self.start_ns / 1e9, **own)
        metric_gauge("agent_loop_last_turn_unixtime", end / 1e9, **own)


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return 0.0
