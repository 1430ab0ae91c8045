"""A short prime-rl run (0.8.1.dev, 2026-08): a 0.6B model learns to reverse text on one GPU."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from typing import Any

from rli_agent.samples.writing import Files, loguru, short, stamp

START = 1787580120.0  # 2026-08-24 14:02:00 UTC
STEPS, EVAL_EVERY, SAVE_AT = 12, 6, 6
GROUPS, GROUP = 2, 4
BATCH = GROUPS * GROUP
MODEL = "PrimeIntellect/Qwen3-0.6B-Reverse-Text-SFT"
RUN = "reverse-text--qwen3-0.6b-reverse-text-sft--5b1e09c4"
FAILED = (5, 3)  # step and episode whose environment times out
TIMEOUT = "no answer from the environment within 2.0s"
DIR = f"outputs/{RUN}"
LOGS = f"{DIR}/logs/attempt_1"
TRAINER, ORCHESTRATOR, INFERENCE = f"{LOGS}/trainer.log", f"{LOGS}/orchestrator.log", f"{LOGS}/inference.log"
METRICS = f"{DIR}/metrics.jsonl"
WORDS = ("amber", "basin", "cedar", "delta", "ember", "fjord", "grove", "heron", "inlet", "kelp", "maple", "opal")


class Run:
    """The processes of the run, moment by moment."""

    def __init__(self) -> None:
        self.files = Files()
        self._dice = random.Random(7)
        self._row = [0.0] * (STEPS + 1)  # when each trainer step ended
        self._published = [0.0] * (STEPS + 1)  # when each policy version was with the engine
        self._shipped = [0.0] * (STEPS + 1)  # when each batch was complete
        self._tokens = 0
        self._requests = 0

    def make(self) -> Files:
        self._configs()
        self._start_up()
        for step in range(1, STEPS + 1):
            self._collect(step)
            self._train(step)
        self._end()
        return self.files

    def _configs(self) -> None:
        shared = {"output_dir": "outputs", "max_steps": STEPS, "run": {"name": RUN, "dir": RUN}}
        monitors = {"wandb": {"project": "reverse-text", "name": "smoke"}, "file": {"path": "metrics.jsonl"}}
        trainer = {
            **shared, "model": {"name": MODEL, "seq_len": 512}, "optim": {"lr": 3e-6, "max_norm": 1.0},
            "ckpt": {"interval": SAVE_AT}, "monitors": monitors,
        }  # fmt: skip
        orchestrator = {
            **shared, "model": {"name": MODEL}, "batch_size": BATCH, "group_size": GROUP,
            "eval": {"interval": EVAL_EVERY, "env": [{"id": "reverse-text", "name": "reverse-text-eval"}]},
            "env": [{"id": "reverse-text", "name": "reverse-text"}], "monitors": monitors,
        }  # fmt: skip
        inference = {"model": {"name": MODEL}, "server": {"host": None, "port": 8000}}
        for name, config in (("trainer", trainer), ("orchestrator", orchestrator), ("inference", inference)):
            self.files.whole(f"{DIR}/configs/{name}.json", json.dumps(config, indent=2) + "\n")
        self.files.link(f"{DIR}/logs/latest", "attempt_1")

    # -- what each process prints

    def _trainer(self, at: float, message: str, level: str = "INFO") -> None:
        self.files.line(TRAINER, at, "[trainer0]:" + loguru(at, level, message))

    def _orchestrator(self, at: float, message: str, level: str = "INFO") -> None:
        self.files.line(ORCHESTRATOR, at, loguru(at, level, message))

    def _engine(self, at: float, message: str, process: str = "APIServer pid=20418") -> None:
        self.files.line(INFERENCE, at, f"({process}) INFO {stamp(at, '%m-%d %H:%M:%S')} {message}")

    def _request(self, at: float, path: str) -> None:
        port = self._dice.randrange(40000, 60000)
        said = f'INFO:     127.0.0.1:{port} - "POST {path} HTTP/1.1" 200 OK'
        self.files.line(INFERENCE, at, f"(APIServer pid=20418) {said}")

    def _env(self, at: float, message: str) -> None:
        self.files.line(f"{LOGS}/envs/train/reverse-text.log", at, loguru(at, "INFO", message))

    # -- the run

    def _start_up(self) -> None:
        t, core = START, "EngineCore_DP0 pid=20533"
        torchrun = f"W{stamp(t, '%m%d %H:%M:%S')}.318000 20417 torch/distributed/run.py:851]"
        threads = "Setting OMP_NUM_THREADS environment variable for each process to be 1 in default."
        for text in ("", "*" * 41, threads, "*" * 41):
            self.files.line(TRAINER, t + 0.3, f"{torchrun} {text}")
        world = "World(world_size=1, rank=0, local_rank=0, local_world_size=1, num_nodes=1)"
        self._trainer(t + 0.6, f"Starting RL trainer in {world} in {DIR}")
        logging = f"Logging metrics to {METRICS} and episodes to {DIR}/rollouts"
        self._trainer(t + 0.8, logging)
        self._trainer(t + 1.0, f"Initializing model (name='{MODEL}', attn='flash_attention_2')")
        self._orchestrator(t + 0.5, "Starting orchestrator (algorithm: grpo)")
        self._orchestrator(t + 0.7, logging)
        self._env(t + 1.4, "EnvServerPool up: address=tcp://127.0.0.1:5101 workers=1/2 multiplex=64 elastic=True")
        self._orchestrator(t + 1.6, "Env reverse-text ready: num_tasks=1000")
        self._orchestrator(t + 1.6, "Train environment(s) ready", "SUCCESS")
        self._orchestrator(t + 1.8, "Eval environment(s) ready", "SUCCESS")
        arguments = {"model": MODEL, "port": 8000, "enable_prefix_caching": True}
        self._engine(t + 0.9, f"[utils.py:328] non-default args: {arguments}")
        for after, text in (
            (1.9, f"[core.py:94] Initializing a V1 LLM engine (v0.19.1) with config: model='{MODEL}'"),
            (3.1, "[default_loader.py:314] Loading weights took 0.41 seconds"),
            (3.3, "[gpu_model_runner.py:3551] Model loading took 1.12 GiB memory and 0.902114 seconds"),
            (4.2, "[kv_cache_utils.py:1229] GPU KV cache size: 301,664 tokens"),
            (5.4, "[gpu_model_runner.py:4470] Graph capturing finished in 1 secs, took 0.21 GiB"),
            (5.5, "[core.py:255] init engine (profile, create kv cache, warmup model) took 2.11 seconds"),
        ):
            self._engine(t + after, text, core)
        self._engine(t + 6.0, "[api_server.py:580] Starting vLLM API server 0 on http://0.0.0.0:8000")
        self._trainer(t + 4.6, "Starting from step 1 (total_tokens=0, total_samples=0)")
        self._trainer(t + 4.7, f"Starting training loop (max_steps={STEPS})")
        self._trainer(t + 4.7, "Broadcasting startup policy weights (v0) to inference engines")
        self._orchestrator(t + 6.3, "Policy inference pool ready", "SUCCESS")
        self._orchestrator(t + 6.3, "Training from scratch")
        self._update_policy(0, t + 6.5)
        self._orchestrator(t + 6.8, f"Starting orchestrator loop (max_steps={STEPS})")
        self._row[0], self._shipped[0] = t + 4.7, t + 6.8

    def _update_policy(self, version: int, at: float) -> None:
        self._published[version] = at
        self._orchestrator(at, f"Updating policy in-flight to v{version}")
        self._request(at + 0.02, "/pause?mode=keep&clear_cache=false")
        self._request(at + 0.15, "/update_weights")
        self._request(at + 0.17, "/resume")

    def _collect(self, step: int) -> None:
        """The orchestrator collects a batch, one ahead of the trainer, while the engine generates."""
        began = self._shipped[step - 1]
        complete = began + self._dice.uniform(2.3, 2.7) + (1.4 if step % EVAL_EVERY == 1 and step > 1 else 0.0)
        needed = self._published[step - 2] if step > 2 else 0.0
        if complete < needed:
            wanted = f"until the trainer publishes policy v{step - 2} (currently v{step - 3})"
            self._orchestrator(complete, f"Holding batch {step} {wanted}")
            complete = needed + 0.05
        self._shipped[step] = complete
        episodes = [self._episode(step, i, began, complete, "train") for i in range(BATCH)]
        for episode, over in episodes:
            self._rollout(step, "train", "all", over, episode)
            self._request(over, "/inference/v1/generate")
        if step == FAILED[0]:
            failed = episodes[FAILED[1]][0]
            group = failed["group"]["id"]
            uuid = f"{group[:8]}-{group[8:12]}-{group[12:16]}-{group[16:20]}-{group[20:]}"
            text = f"Trace failed in group {uuid} (reverse-text) — TimeoutError: {TIMEOUT}"
            self._orchestrator(episodes[FAILED[1]][1], text, "WARNING")
        trained = [(e, over) for e, over in episodes if e["ok"]]
        for episode, _ in trained:
            self._rollout(step, "train", "effective", complete + 0.02, episode)
        if step % 4 == 1:  # every 10 s
            done, inflight = self._dice.randrange(2, BATCH), self._dice.randrange(8, 17)
            share = f"Train batch {done}/{BATCH} ({100 * done / BATCH:.1f}%) (reverse-text={done})"
            kinds = f"(train={inflight}, eval=0 | reverse-text={inflight})"
            self._orchestrator(began + 1.1, f"{share}; {inflight} inflight episodes {kinds}")
            self._statistics(began + 1.3, inflight)
        rewards = [_reward(e) for e, _ in trained]
        mean = sum(rewards) / len(rewards)
        error = 1 - len(trained) / BATCH
        lag = 0 if step == 1 else 1
        took = complete - began
        self._orchestrator(
            complete,
            f"Step {step} | {short(took):>7} | Reward {mean:.4f} | "
            f"Trainable {len(trained)}/{BATCH} ({100 - 100 * error:.1f}%) | Turns 1.0 | Branches 1.0 | "
            f"Max Off-Policy {lag} | Error {100 * error:.1f}% | Cancelled 0.0% | Truncation 0.0%",
            "SUCCESS",
        )
        self._orchestrator_row(step, complete + 0.03, took, [e for e, _ in episodes], lag)

    def _statistics(self, at: float, running: int) -> None:
        prompt, generated = self._dice.uniform(300, 700), self._dice.uniform(500, 1100)
        usage, hits = self._dice.uniform(0.3, 1.4), self._dice.uniform(35, 60)
        self._engine(
            at,
            f"[loggers.py:271] Engine 000: Avg prompt throughput: {prompt:.1f} tokens/s, "
            f"Avg generation throughput: {generated:.1f} tokens/s, Running: {running} reqs, Waiting: 0 reqs, "
            f"GPU KV cache usage: {usage:.1f}%, Prefix cache hit rate: {hits:.1f}%",
        )

    def _rollout(self, step: int, phase: str, subset: str, at: float, episode: dict[str, Any]) -> None:
        self.files.record(f"{DIR}/rollouts/step_{step}/{phase}/{subset}/traces.jsonl", at, episode)

    def _hex(self, digits: int) -> str:
        return f"{self._dice.getrandbits(4 * digits):0{digits}x}"

    def _episode(
        self, step: int, index: int, began: float, complete: float, phase: str
    ) -> tuple[dict[str, Any], float]:
        """One record of a rollout file, and when it was over."""
        if index % GROUP == 0:
            self._group, self._prompt = self._hex(32), " ".join(self._dice.sample(WORDS, 3))
        answer = self._prompt[::-1]
        score = min(1.0, round(0.2 + 0.75 * step / (step + 5) + self._dice.uniform(-0.22, 0.22), 4))
        said = answer if score > 0.95 else answer[: max(4, int(len(answer) * score))]
        number = self._requests // GROUP
        task = {"type": "Task", "data": {"idx": number, "prompt": self._prompt, "answer": answer}, "key": str(number)}
        start = round(began + self._dice.uniform(0.0, 0.5), 3)
        over = round(start + (complete - start) * self._dice.uniform(0.5, 0.95), 3)
        ok = not (phase == "train" and (step, index) == FAILED)
        errors = [] if ok else [{"type": "TimeoutError", "message": TIMEOUT}]
        tokens = [self._dice.randrange(100, 150000) for _ in range(6 + len(said) // 4)]
        nodes = [
            {"message": {"role": "user", "content": self._prompt}, "sampled": False, "token_ids": tokens[:6]},
            {
                "parent": 0, "message": {"role": "assistant", "content": f"<reversed_text>{said}</reversed_text>"},
                "sampled": True, "token_ids": tokens[6:],
            },
        ]  # fmt: skip
        policy = {"start": max(0, step - 2), "end": max(0, step - 1)}
        trace = {
            "version": 1, "id": self._hex(32), "task": {"type": "Task", "key": str(number)},
            "agent": {"name": "agent", "trainable": True}, "nodes": nodes if ok else nodes[:1],
            "rewards": {"lcs_reward_func": {"score": score, "weight": 1.0}} if ok else {},
            "metrics": {"num_chars": float(len(said))}, "is_completed": ok, "ok": ok,
            "stop_condition": "stop" if ok else "error", "errors": errors,
            "timing": {"start": start, "agent": {"start": start, "end": over}, "scoring": {"start": over, "end": over}},
        }  # fmt: skip
        self._requests += 1
        work = {"type": phase, "step": step, "policy": policy}
        name = "reverse-text" if phase == "train" else "reverse-text-eval"
        return {
            "id": self._hex(32), "env": {"id": "reverse-text", "name": name}, "task": task,
            "group": {"id": self._group},
            "run": {"type": "train", "id": "c0ffee5b1e09c4a17d3f2b6e8a940512", "name": RUN, "work": work},
            "ok": ok, "errors": errors, "traces": [trace],
        }, over  # fmt: skip

    def _orchestrator_row(
        self, step: int, at: float, took: float, episodes: Sequence[dict[str, Any]], lag: int
    ) -> None:
        trained = [e for e in episodes if e["ok"]]
        row: dict[str, Any] = {"step": step, "time": round(at, 6)}
        for name in ("agg", "reverse-text"):
            for subset, chosen in (("all", episodes), ("effective", trained)):
                base = f"train/{name}/{subset}"
                row |= _statistics_of(f"{base}/num_total_tokens", [_tokens(e) for e in chosen])
                row[f"{base}/num_turns/mean"] = row[f"{base}/num_branches/mean"] = 1.0
                row[f"{base}/has_error/mean"] = 1 - len([e for e in chosen if e["ok"]]) / len(chosen)
                row |= _statistics_of(f"{base}/agent/reward", [_reward(e) for e in chosen if e["ok"]])
                row[f"{base}/agent/is_truncated/mean"] = 0.0
                if subset == "all":
                    row[f"{base}/cancelled/mean"] = 0.0
        tokens = sum(_tokens(e) for e in trained)
        self._tokens += tokens
        row |= {
            "progress/tokens": tokens, "progress/rollouts": BATCH, "progress/total_tokens": self._tokens,
            "progress/total_rollouts": BATCH * step, "off_policy/mean": float(lag), "off_policy/max": lag,
            "off_policy/dropped": 0, "batch/reverse-text": 1.0, "time/step": round(took, 6),
            "time/pack": round(self._dice.uniform(0.004, 0.009), 6), "time/wait_for_policy": 0.0, "time/save_ckpt": 0.0,
        }  # fmt: skip
        self.files.record(METRICS, at, row, compact=False)

    def _train(self, step: int) -> None:
        """The trainer waits for the batch, trains on it, broadcasts the weights, and may save a checkpoint."""
        began = self._row[step - 1]
        wait = max(0.05, self._shipped[step] + 0.06 - began)
        load, learn = self._dice.uniform(0.01, 0.03), self._dice.uniform(1.1, 1.4)
        broadcast = self._dice.uniform(0.25, 0.35)
        save = self._dice.uniform(1.0, 1.3) if step == SAVE_AT else 0.0
        sent = began + wait + load + learn + broadcast
        end = sent + save + 0.02
        self._update_policy(step, sent)
        if save:
            self._trainer(sent, f"Saving checkpoint at step {step}")
            self._orchestrator(sent, f"Saving checkpoint at step {step}")
        self._row[step] = end
        took = end - began
        loss = round(self._dice.uniform(-0.004, 0.006), 6)
        entropy = round(0.34 + 0.22 * 5 / (step + 5) + self._dice.uniform(-0.012, 0.012), 6)
        kl = round(0.0005 + 0.00004 * step + self._dice.uniform(0.0, 0.0002), 6)
        norm = round(0.09 - 0.002 * step + self._dice.uniform(-0.015, 0.02), 6)
        throughput, mfu = round(self._dice.uniform(980, 1240), 3), round(self._dice.uniform(1.8, 2.3), 4)
        memory = 14.2 if step < SAVE_AT else 14.6
        self._trainer(
            end,
            f"Step {step} | {short(took):>7} | Loss {loss:.4f} | Entropy {entropy:.4f} | Mismatch KL {kl:.4f} | "
            f"Grad. Norm {norm:.4f} | LR 3.00e-06 | Throughput {throughput:.0f} tokens/s | MFU {mfu:.1f}% | "
            f"Peak Mem. {memory:.1f} GiB",
            "SUCCESS",
        )
        rows: list[dict[str, Any]] = [
            {
                "perf/throughput": throughput, "perf/throughput_per_gpu": throughput,
                "perf/mfu": mfu, "perf/peak_memory": memory,
            },
            {"optim/lr": 3e-06, "optim/grad_norm": norm},
            {
                "loss/mean": loss, "loss/std": round(abs(loss) / 2, 6), "entropy/all/mean": entropy,
                "entropy/all/max": 3.1, "mismatch_kl/all/mean": kl, "mismatch_kl/all/max": round(kl * 90, 6),
                "is_masked/mean": 0.0012, "kl_ent_ratio/mean": round(kl / entropy, 8),
            },
            {
                "time/step": round(took, 6), "time/wait_for_batch": round(wait, 6), "time/load_data": round(load, 6),
                "time/forward_backward": round(learn, 6), "time/broadcast_weights": round(broadcast, 6),
                "time/save_ckpt": round(save, 6),
            },
            {
                "system/ckpt_disk_free_gib": 412.5, "system/ckpt_disk_total_gib": 500.0,
                "system/ckpt_disk_free_ratio": 0.825,
            },
        ]  # fmt: skip
        for i, row in enumerate(rows, 1):
            at = round(end + 0.01 * i, 6)
            self.files.record(METRICS, at, {"step": step, "time": at, **row}, compact=False)
        if step % EVAL_EVERY == 0:
            self._evaluate(step, sent + 0.2)

    def _evaluate(self, step: int, began: float) -> None:
        over = began + self._dice.uniform(1.9, 2.3)
        why = f"because eval was triggered at step {step}"
        self._orchestrator(began, f"Switching dispatcher mode to prefer eval episodes {why}")
        self._orchestrator(began, f"Starting evals in reverse-text-eval ({GROUP} total episodes)")
        episodes = [self._episode(step, i, began, over, "eval") for i in range(GROUP)]
        for episode, at in episodes:
            self._rollout(step, "eval", "all", at, episode)
        rewards = [_reward(e) for e, _ in episodes]
        mean = sum(rewards) / len(rewards)
        self._orchestrator(
            over,
            f"Evaluated reverse-text-eval (Step {step}) | Policy v{step} | {short(over - began):>7} | "
            f"Reward {mean:.4f} | Turns 1.0 | Branches 1.0 | Error 0.0% | Cancelled 0.0% | Truncation 0.0%",
            "SUCCESS",
        )
        base = "eval/reverse-text-eval"
        row: dict[str, Any] = {"step": step, "time": round(over + 0.02, 6), f"{base}/policy_version": step}
        row |= _statistics_of(f"{base}/effective/agent/reward", rewards)
        row |= {f"{base}/effective/num_turns/mean": 1.0, f"{base}/all/has_error/mean": 0.0}
        row[f"{base}/effective/agent/avg@1"] = round(mean, 6)
        self.files.record(METRICS, over + 0.02, row, compact=False)
        self._over = over

    def _end(self) -> None:
        last = self._row[STEPS]
        shipped = self._shipped[STEPS] + 0.1
        self._orchestrator(shipped, "Shipped the final batch — draining pipeline (0 inflight episodes)")
        self._trainer(last + 0.1, "Writing final checkpoint")
        self._trainer(last + 1.3, "Peak memory: 14.6 GiB")
        self._trainer(last + 1.4, "RL trainer finished!", "SUCCESS")
        done = max(self._over, last) + 0.3
        self._orchestrator(done, f"Orchestrator step loop done in {short(done - START - 6.8)}")
        self._orchestrator(done + 0.1, "Orchestrator finished.")


def _reward(episode: dict[str, Any]) -> float:
    score = episode["traces"][0]["rewards"]["lcs_reward_func"]["score"]
    assert isinstance(score, float)
    return score


def _tokens(episode: dict[str, Any]) -> int:
    return sum(len(node["token_ids"]) for node in episode["traces"][0]["nodes"])


def _statistics_of(name: str, values: Sequence[float]) -> dict[str, float]:
    mean = round(sum(values) / len(values), 6)
    return {f"{name}/mean": mean, f"{name}/max": max(values), f"{name}/min": min(values)}
