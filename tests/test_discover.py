"""Discovery on small trees in the layouts that the frameworks write."""

from __future__ import annotations

import json
import os
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import rli_agent.discover.look as look_module
import rli_agent.rules
from rli_agent.discover import Discovery, Found, Scan
from rli_agent.discover.configs import config_facts
from rli_agent.discover.look import ENDS, Looker
from rli_agent.parsers.pack_files import load_pack, parse_pack
from rli_agent.parsers.packs import Pack

INFO = "\x1b[2m09:16:35\x1b[0m \x1b[1m   INFO\x1b[0m \x1b[1m\x1b[22m{}\x1b[0m\x1b[0m\n"
GOOD = "\x1b[2m09:16:38\x1b[0m \x1b[32m\x1b[1mSUCCESS\x1b[0m \x1b[32m\x1b[1m\x1b[22m{}\x1b[0m\x1b[0m\n"
TRAINER_G3 = GOOD.format(
    "Step 3 |    7.6s | Loss 0.0014 | Entropy 0.43 | Mismatch KL 0.0013 | Grad. Norm 0.0360 | LR 3e-06"
)
TRAINER_G2 = GOOD.format("Step 9 | Time: 4.29s | Loss: 0.0 | Entropy: 0.3 | Mismatch KL: 0.0007 | Grad. Norm: 0.1")
ORCHESTRATOR = GOOD.format("Step 3 |    7.3s | Reward 0.4962 | Turns 1.0 | Max Off-Policy 2 | Error 0.8%")
ENGINE = (
    "(APIServer pid=41) INFO 06-24 09:15:32 [loggers.py:259] Engine 000: Avg prompt throughput: 8163.3 tokens/s, "
    "Avg generation throughput: 3519.9 tokens/s, Running: 43 reqs, Waiting: 3 reqs, GPU KV cache usage: 8.7%\n"
)
VERL_START = "\x1b[36m(TaskRunner pid=41231)\x1b[0m Size of train dataloader: 58, Size of val dataloader: 1\n"
VERL_STEP = (
    "\x1b[36m(TaskRunner pid=41231)\x1b[0m step:1 - global_seqlen/min:69484 - actor/pg_loss:-0.0006 - "
    "training/global_step:1 - critic/score/mean:0.63 - timing_s/step:48.2\n"
)
SFT = "Epoch 1/3:   0%|   | 0/35 [00:00<?, ?it/s]step:1 - train/loss:1.1166 - train/lr(1e-3):0.0002\n"
EPISODE = json.dumps({"id": "a", "env": {"name": "gsm8k"}, "ok": True, "traces": [{"rewards": {"r": 1.0}}]}) + "\n"


@pytest.fixture(scope="module")
def packs() -> dict[str, Pack]:
    folder = Path(rli_agent.rules.__path__[0])
    return {n: load_pack(folder / f"{n}.yaml") for n in ("prime-rl", "verl", "vllm")}


def write(root: Path, files: dict[str, str | bytes]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return root


def by_file(scan: Scan) -> dict[str, Found]:
    return {f.source.file: f for f in scan.found}


def roles(scan: Scan) -> dict[str, str]:
    return {f.source.file: f.source.role for f in scan.found}


def skipped(scan: Scan, root: Path) -> dict[str, str]:
    return {os.path.relpath(p, root): why for p, why in scan.skipped}


def test_prime_rl_with_stdout_files_reads_each_line_once(tmp_path: Path, packs: dict[str, Pack]) -> None:
    run = write(
        tmp_path / "reverse-text",
        {
            "logs/rl.log": INFO.format("Starting RL run"),
            "logs/trainer.stdout": "[default0]:" + TRAINER_G2,
            "logs/trainer/rank_0.log": TRAINER_G2,
            "logs/trainer/rank_1.log": TRAINER_G2,
            "logs/orchestrator.stdout": ORCHESTRATOR,
            "logs/inference.stdout": ENGINE,
            "run_default/logs/orchestrator.log": ORCHESTRATOR,
            "torchrun/abc_x/attempt_0/0/stdout.log": TRAINER_G2,
            "rollouts/step_0/rank_0.bin": b"\0\1\2",
        },
    )
    scan = Discovery([run], packs).scan()
    assert scan.run.framework == "prime-rl"
    assert scan.run.confidence > 0.85
    assert scan.run.why.startswith("prime-rl (sure): logs/trainer")
    assert "“| Mismatch KL”" in scan.run.why
    assert scan.run.name == "reverse-text"
    assert roles(scan) == {
        "logs/rl.log": "launcher",
        "logs/trainer.stdout": "trainer",
        "logs/trainer/rank_1.log": "trainer",
        "logs/orchestrator.stdout": "orchestrator",
        "logs/inference.stdout": "inference",
    }
    assert by_file(scan)["logs/trainer/rank_1.log"].problems_only
    assert by_file(scan)["logs/trainer/rank_1.log"].source.labels == (("rank", "1"),)
    left = skipped(scan, run)
    assert left["logs/trainer/rank_0.log"] == "repeats logs/trainer.stdout"
    assert left["run_default/logs/orchestrator.log"] == "repeats logs/orchestrator.stdout"
    assert left["torchrun/abc_x/attempt_0/0/stdout.log"] == "repeats logs/trainer.stdout"
    assert left["rollouts/step_0/rank_0.bin"] == "weights or tensors"


def test_the_handlers_files_are_read_where_the_stdout_files_are_missing(tmp_path: Path, packs: dict[str, Pack]) -> None:
    files: dict[str, str | bytes] = {
        "logs/trainer/rank_0.log": TRAINER_G2, "logs/trainer/rank_1.log": TRAINER_G2,
        "run_default/logs/orchestrator.log": ORCHESTRATOR,
    }  # fmt: skip
    found = by_file(Discovery([write(tmp_path, files)], packs).scan())
    assert found.keys() == files.keys()
    assert [f.problems_only for f in found.values()] == [False, True, False]


def test_prime_rl_single_node(tmp_path: Path, packs: dict[str, Pack]) -> None:
    run = write(
        tmp_path / "run",
        {
            "configs/trainer.toml": (
                'max_steps = 12\n\n[model]\nname = "Qwen/Qwen3-0.6B"\n\n[wandb]\nproject = "p"\nname = "e"\n'
            ),
            "configs/orchestrator.toml": "max_steps = 12\nbatch_size = 128\n",
            "logs/trainer.log": "[trainer0]:" + TRAINER_G3,
            "logs/trainer/torchrun/stderr.log": "E0325 torch/distributed/elastic: failed (exitcode: -9)\n",
            "logs/trainer/torchrun/4f_x/attempt_0/0/stdout.log": TRAINER_G3,
            "logs/trainer/torchrun/4f_x/attempt_0/1/stderr.log": "RuntimeError: CUDA error\n",
            "logs/orchestrator.log": ORCHESTRATOR,
            "logs/inference.log": ENGINE,
            "logs/envs/train/reverse-text.log": INFO.format("EnvServer up: taskset=reverse-text"),
            "logs/envs/eval/math/env_worker_3.log": "2026-05-21 10:02:25 - verifiers.serve - INFO - up\n",
            "run_default/rollouts/step_3/train_rollouts.jsonl": '{"id": "x", "nodes": [], "rewards": {"r": 0.5}}\n',
            "run_default/rollouts/step_4/eval_rollouts_aime.jsonl": '{"id": "x", "nodes": [], "rewards": {}}\n',
            "run_default/broadcasts/step_4/STABLE": "",
            "job_4711.log": "srun: job 4711\n",
            "STATUS.md": "# status\n",
        },
    )
    scan = Discovery([run], packs).scan()
    assert (scan.run.framework, scan.run.project, scan.run.experiment) == ("prime-rl", "p", "e")
    found = by_file(scan)
    assert roles(scan) == {
        "logs/trainer.log": "trainer",
        "logs/trainer/torchrun/stderr.log": "trainer",
        "logs/trainer/torchrun/4f_x/attempt_0/1/stderr.log": "trainer",
        "logs/orchestrator.log": "orchestrator",
        "logs/inference.log": "inference",
        "logs/envs/train/reverse-text.log": "env",
        "logs/envs/eval/math/env_worker_3.log": "env",
        "run_default/rollouts/step_3/train_rollouts.jsonl": "rollouts",
        "run_default/rollouts/step_4/eval_rollouts_aime.jsonl": "rollouts",
        "job_4711.log": "job",
    }
    assert skipped(scan, run)["logs/trainer/torchrun/4f_x/attempt_0/0/stdout.log"] == "repeats logs/trainer.log"
    assert not found["logs/trainer/torchrun/stderr.log"].problems_only  # torchrun's own lines are nowhere else
    other_rank = found["logs/trainer/torchrun/4f_x/attempt_0/1/stderr.log"]
    assert other_rank.problems_only  # its traceback is not in trainer.log, its step lines are
    assert other_rank.source.labels == (("rank", "1"),)
    env = found["logs/envs/eval/math/env_worker_3.log"].source
    assert (env.lane, env.labels) == ("env math", (("environment", "math"), ("phase", "eval"), ("worker", "3")))
    assert found["logs/trainer.log"].source.packs == ("prime-rl", "vllm")
    rollouts = found["run_default/rollouts/step_3/train_rollouts.jsonl"].source
    assert (rollouts.reader, rollouts.packs) == ("records", ("prime-rl",))
    assert {(f.key, f.value, f.file.name, f.line) for f in scan.facts} == {
        ("max_steps", "12", "orchestrator.toml", 1), ("model", "Qwen/Qwen3-0.6B", "trainer.toml", 4),
        ("project", "p", "trainer.toml", 7), ("experiment", "e", "trainer.toml", 8),
        ("batch_size", "128", "orchestrator.toml", 2),
    }  # fmt: skip


def test_prime_rl_attempts_and_the_link_to_the_latest(tmp_path: Path, packs: dict[str, Pack]) -> None:
    name = "gsm8k--qwen3-4b--3fa9c1d2"
    root = write(
        tmp_path / "outputs",
        {
            f"{name}/configs/trainer.json": '{\n  "max_steps": 40,\n  "x": null,\n  "model": {\n    "name": "Q"}}\n',
            f"{name}/logs/attempt_1/trainer.log": "[trainer0]:" + TRAINER_G3,
            f"{name}/logs/attempt_1/orchestrator.log": ORCHESTRATOR,
            f"{name}/logs/attempt_2/trainer.log": "[trainer0]:" + TRAINER_G3,
            f"{name}/metrics.jsonl": '{"step": 1, "time": 1787356729.3, "loss/mean": 0.1}\n',
            f"{name}/rollouts/step_1/train/all/traces.jsonl": EPISODE,
            f"{name}/rollouts/step_1/train/effective/traces.jsonl": EPISODE,
            f"{name}/rollouts/step_2/train/effective/traces.jsonl": EPISODE,
        },
    )
    (root / name / "logs" / "latest").symlink_to("attempt_2")
    scan = Discovery([root], packs).scan()
    assert scan.run.framework == "prime-rl"
    assert scan.run.name == scan.run.experiment == name
    assert set(roles(scan)) == {
        f"{name}/logs/attempt_1/trainer.log", f"{name}/logs/attempt_1/orchestrator.log",
        f"{name}/logs/attempt_2/trainer.log", f"{name}/metrics.jsonl",
        f"{name}/rollouts/step_1/train/all/traces.jsonl", f"{name}/rollouts/step_1/train/effective/traces.jsonl",
        f"{name}/rollouts/step_2/train/effective/traces.jsonl",
    }  # fmt: skip
    assert roles(scan)[f"{name}/metrics.jsonl"] == "metrics"
    assert {(f.key, f.value, f.line) for f in scan.facts} == {("max_steps", "40", 2), ("model", "Q", 5)}
    # Given by its link, the attempt is read under its own path, and still belongs to the run.
    latest = Discovery([root / name / "logs" / "latest"], packs).scan()
    assert [f.path for f in latest.found] == [root / name / "logs" / "attempt_2" / "trainer.log"]
    assert latest.run.name == name


def test_prime_rl_on_two_nodes(tmp_path: Path, packs: dict[str, Pack]) -> None:
    run = write(
        tmp_path,
        {
            "logs/trainer/node_0.log": TRAINER_G3,
            "logs/trainer/node_1.log": TRAINER_G3,
            "logs/inference/node_0.log": ENGINE,
            "logs/inference/node_1_rank2.log": ENGINE,
            "logs/inference/router_0.log": "INFO vllm_router_rs::server\n",
            "logs/orchestrator.log": ORCHESTRATOR,
        },
    )
    (run / "logs" / "trainer.log").symlink_to("trainer/node_0.log")
    (run / "logs" / "inference.log").symlink_to("inference/node_0.log")
    found = by_file(Discovery([run], packs).scan())
    assert {n: f.source.role for n, f in found.items()} == {
        "logs/trainer/node_0.log": "trainer", "logs/trainer/node_1.log": "trainer",
        "logs/inference/node_0.log": "inference", "logs/inference/node_1_rank2.log": "inference",
        "logs/inference/router_0.log": "router", "logs/orchestrator.log": "orchestrator",
    }  # fmt: skip
    assert not found["logs/trainer/node_0.log"].problems_only
    assert found["logs/trainer/node_1.log"].problems_only
    assert found["logs/trainer/node_1.log"].source.labels == (("node", "1"),)
    assert found["logs/inference/node_1_rank2.log"].source.lane == "inference 1"


def verl_run(root: Path, console: str) -> Path:
    return write(
        root,
        {
            "grpo_vllm.log": "++ set -x\n" + console,
            "wandb/run-1/files/output.log": console.replace("\x1b[36m(TaskRunner pid=41231)\x1b[0m ", ""),
            "wandb/run-1/files/config.yaml": "wandb_version: 1\n",
            "wandb/run-1/files/requirements.txt": "verl==0.6\n",
            "wandb/run-1/run-1.wandb": b"\0",
            "outputs/2026-01-14/09-30-05/.hydra/config.yaml": (
                "actor_rollout_ref:\n  model:\n    path: /models/Q\n  actor:\n    total_training_steps: -1\n"
                "data:\n  train_batch_size: 128\ntrainer:\n  project_name: proj\n  experiment_name: exp\n"
                "  total_training_steps: null\n  default_local_dir: checkpoints/${trainer.project_name}\n"
            ),
            "outputs/2026-01-14/09-30-05/main_ppo.log": "",
            "checkpoints/proj/exp/global_step_5/actor/model.pt": b"\x80\x02",
            "checkpoints/proj/exp/latest_checkpointed_iteration.txt": "5",
            "proj/exp.jsonl": '{"step": 1, "data": {"critic/score/mean": 0.63}}\n',
            "val_data/4.jsonl": '{"input": "q", "output": "a", "score": 1.0, "step": 4}\n',
            "rollout_data/1.jsonl": '{"input": "q", "output": "a", "score": 1.0, "step": 1}\n',
        },
    )


def test_verl_is_known_by_its_console(tmp_path: Path, packs: dict[str, Pack]) -> None:
    run = verl_run(tmp_path, VERL_START + VERL_STEP)
    scan = Discovery([run], packs).scan()
    assert (scan.run.framework, scan.run.project, scan.run.experiment) == ("verl", "proj", "exp")
    assert roles(scan) == {
        "grpo_vllm.log": "trainer", "outputs/2026-01-14/09-30-05/main_ppo.log": "launcher",
        "val_data/4.jsonl": "rollouts", "rollout_data/1.jsonl": "rollouts",
    }  # fmt: skip
    left = skipped(scan, run)
    assert left["wandb/run-1/files/output.log"] == "repeats grpo_vllm.log"
    assert left["proj/exp.jsonl"] == "repeats grpo_vllm.log"
    assert left["wandb/run-1/files/requirements.txt"] == "W&B's own file"
    assert {(f.key, f.value, f.line) for f in scan.facts} == {
        ("model", "/models/Q", 3), ("project", "proj", 9), ("experiment", "exp", 10), ("batch_size", "128", 7),
    }  # fmt: skip


def test_verl_without_console_logger_is_read_from_its_file_logger(tmp_path: Path, packs: dict[str, Pack]) -> None:
    found = roles(Discovery([verl_run(tmp_path, VERL_START)], packs).scan())
    assert found["proj/exp.jsonl"] == "metrics"
    assert found["grpo_vllm.log"] == "trainer"


def test_verl_without_a_console_is_read_from_wandb(tmp_path: Path, packs: dict[str, Pack]) -> None:
    run = verl_run(tmp_path, VERL_STEP)
    (run / "grpo_vllm.log").unlink()
    scan = Discovery([run], packs).scan()
    assert scan.run.framework == "verl"
    assert roles(scan)["wandb/run-1/files/output.log"] == "trainer"


def test_sft_consoles(tmp_path: Path, packs: dict[str, Pack]) -> None:
    write(
        tmp_path, {"a/sft.log": SFT, "b/out.txt": GOOD.format("Step 1 | Time: 0.6s | Loss: 12.3 | Grad. Norm: 28.4812")}
    )
    assert Discovery([tmp_path / "a"], packs).scan().run.framework == "verl"
    assert Discovery([tmp_path / "b" / "out.txt"], packs).scan().run.framework == "prime-rl"


def test_an_engines_log_alone_is_no_framework(tmp_path: Path, packs: dict[str, Pack]) -> None:
    scan = Discovery([write(tmp_path, {"server.log": ENGINE})], packs).scan()
    assert (scan.run.framework, scan.run.confidence) == (None, 0.0)
    assert scan.run.why.startswith("no known framework")
    (only,) = scan.found
    assert only.source.role == "inference"
    assert set(only.source.packs) == set(packs)


def test_two_frameworks_in_one_tree(tmp_path: Path, packs: dict[str, Pack]) -> None:
    many = {f"verl_{i}.log": VERL_START + VERL_STEP for i in range(5)}
    scan = Discovery([write(tmp_path, {**many, "other/console.txt": TRAINER_G3})], packs).scan()
    found = by_file(scan)
    assert scan.run.framework == "verl"
    assert found["verl_0.log"].source.packs == ("verl", "vllm")
    assert set(found["other/console.txt"].source.packs) == set(packs)
    even = Discovery([write(tmp_path / "even", {"a.log": VERL_STEP, "b.log": TRAINER_G3 + ORCHESTRATOR})], packs).scan()
    assert even.run.framework is None
    assert "as much tells of" in even.run.why
    said = Discovery([tmp_path / "even"], packs, framework="verl").scan()
    assert (said.run.framework, said.run.confidence, said.run.why) == ("verl", 1.0, "verl: as the user says")


def test_an_unknown_framework_is_refused(tmp_path: Path, packs: dict[str, Pack]) -> None:
    with pytest.raises(ValueError, match="known: prime-rl, verl"):
        Discovery([tmp_path], packs, framework="vrel")


def test_nothing_there_yet_then_a_run(tmp_path: Path, packs: dict[str, Pack]) -> None:
    root = tmp_path / "run"
    discovery = Discovery([root], packs)
    assert discovery.scan().found == []
    assert skipped(discovery.scan(), root) == {".": "does not exist"}
    write(root, {"console": "", "logs/orchestrator.log": ""})
    scan = discovery.scan()
    assert scan.run.framework is None
    assert roles(scan) == {"logs/orchestrator.log": "orchestrator"}  # its name says who it is
    assert skipped(scan, root)["console"] == "empty so far"
    write(root, {"console": VERL_START})
    scan = discovery.scan()
    assert (scan.run.framework, roles(scan)["console"]) == ("verl", "trainer")


@pytest.mark.parametrize("begun", ["", '{"st'])
def test_records_get_their_role_when_the_first_is_whole(tmp_path: Path, packs: dict[str, Pack], begun: str) -> None:
    root = write(tmp_path / "run", {"metrics.jsonl": begun})
    discovery = Discovery([root], packs, "prime-rl")
    scan = discovery.scan()
    assert skipped(scan, root) == {"metrics.jsonl": "empty so far"}
    write(root, {"metrics.jsonl": '{"step": 1, "time": 1787356729.3, "loss/mean": 0.1}\n'})
    assert roles(discovery.scan()) == {"metrics.jsonl": "metrics"}


def test_a_console_that_grows_is_looked_at_again(tmp_path: Path, packs: dict[str, Pack]) -> None:
    console, copy = tmp_path / "console.txt", tmp_path / "proj" / "exp.jsonl"
    console.write_text("loading\n")
    discovery = Discovery([tmp_path], packs)
    assert discovery.scan().run.framework is None
    with console.open("a") as out:
        out.write("x" * 3 * ENDS + "\n" + VERL_START)
    write(tmp_path, {"proj/exp.jsonl": '{"step": 1, "data": {"a": 1.0}}\n'})
    scan = discovery.scan()
    assert scan.run.framework == "verl"
    assert set(roles(scan)) == {"console.txt", "proj/exp.jsonl"}
    with console.open("a") as out:
        out.write("y" * 2 * ENDS + "\n" + VERL_STEP)
    assert set(roles(discovery.scan())) == {"console.txt"}
    with console.open("a") as out:
        out.write("z" * 10 * ENDS)
    assert skipped(discovery.scan(), tmp_path)[os.path.relpath(copy, tmp_path)] == "repeats console.txt"


def test_what_is_no_file_to_read(tmp_path: Path, packs: dict[str, Pack]) -> None:
    run = write(
        tmp_path / "run",
        {
            "logs/trainer.log": TRAINER_G3,
            "core": b"\x7fELF" + bytes(100),
            "blob": bytes(range(256)) * 20,
            "wide.log": "step".encode("utf-16"),
            "holed.log": bytes(2 * ENDS) + TRAINER_G3.encode(),
            "nothing.log": bytes(100),
            ".git/logs/HEAD": "0 1\n",
            ".cache/x.log": "x\n",
            "hf/config.json": "{}",
            "hf/tokenizer.json": "{}",
            "ckpt/model-00001.safetensors": b"x",
            "metrics.prom": "x 1\n",
            "other_state.json": "{}",
            "plot.png": b"x",
            "old.log.gz": b"x",
            "broken.jsonl": "this is\nno JSON\n",
        },
    )
    outside = write(tmp_path / "outside", {"secret.log": "s\n"})
    os.mkfifo(run / "pipe.log")
    with socket.socket(socket.AF_UNIX) as listener:
        here = os.getcwd()
        os.chdir(run)  # a socket's path is short
        listener.bind("door")
        os.chdir(here)
    (run / "logs" / "loop").symlink_to("..")
    (run / "self").symlink_to("self")
    (run / "out").symlink_to(outside)
    (run / "gone.log").symlink_to("nowhere")
    scan = Discovery([run], packs).scan()
    assert set(roles(scan)) == {"logs/trainer.log", "holed.log"}
    left = skipped(scan, run)
    assert left.pop("out").startswith("a link out of the run, to ")
    assert left == {
        "core": "binary: an executable or a core dump", "blob": "binary: NUL bytes among its first",
        "wide.log": "UTF-16 text; logs are read as UTF-8", "nothing.log": "holds nothing but NUL bytes",
        ".git": "a cache or a hidden directory", ".cache": "a cache or a hidden directory",
        "hf/config.json": "a JSON document", "hf/tokenizer.json": "a JSON document",
        "ckpt/model-00001.safetensors": "weights or tensors", "metrics.prom": "a page of metrics",
        "other_state.json": "a JSON document", "plot.png": "an image or a film", "old.log.gz": "an archive",
        "broken.jsonl": "holds no JSON objects", "pipe.log": "a named pipe, not a file", "door": "a socket, not a file",
        "self": "a link that leads nowhere", "gone.log": "a link that leads nowhere",
    }  # fmt: skip


@contextmanager
def as_nobody() -> Iterator[None]:
    """Root may read everything: do without its rights."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_unreadable_files_are_named_and_read_when_they_may_be(packs: dict[str, Pack]) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        run = write(Path(folder), {"logs/trainer.log": TRAINER_G3, "logs/private/x.log": "x\n"})
        run.chmod(0o755)
        (run / "logs" / "trainer.log").chmod(0o000)
        (run / "logs" / "private").chmod(0o000)
        discovery = Discovery([run], packs)
        with as_nobody():
            scan = discovery.scan()
        assert scan.found == []
        assert skipped(scan, run) == {
            "logs/trainer.log": "cannot be read: Permission denied",
            "logs/private": "cannot be read: Permission denied",
        }
        (run / "logs" / "trainer.log").chmod(0o644)
        (run / "logs" / "private").chmod(0o755)
        with as_nobody():
            assert set(roles(discovery.scan())) == {"logs/trainer.log", "logs/private/x.log"}


def test_a_rotated_or_truncated_file_is_looked_at_again(tmp_path: Path, packs: dict[str, Pack]) -> None:
    write(tmp_path, {"a.log": bytes(range(256)) * 300, "b.log": bytes(range(256)) * 300})
    discovery = Discovery([tmp_path], packs)
    assert discovery.scan().found == []
    (tmp_path / "a.log").write_text(VERL_STEP)
    (tmp_path / "new").write_text(VERL_STEP * 400)
    os.replace(tmp_path / "new", tmp_path / "b.log")
    assert roles(discovery.scan()) == {"a.log": "trainer", "b.log": "trainer"}


def test_files_that_vanish_leave(tmp_path: Path, packs: dict[str, Pack]) -> None:
    write(tmp_path, {"logs/trainer.log": TRAINER_G3, "logs/orchestrator.log": ORCHESTRATOR})
    discovery = Discovery([tmp_path], packs)
    assert len(discovery.scan().found) == 2
    (tmp_path / "logs" / "trainer.log").unlink()
    assert roles(discovery.scan()) == {"logs/orchestrator.log": "orchestrator"}
    (tmp_path / "logs" / "orchestrator.log").unlink()
    (tmp_path / "logs").rmdir()
    assert discovery.scan().found == []


def test_names_in_a_run_of_several_places(tmp_path: Path, packs: dict[str, Pack]) -> None:
    write(tmp_path, {"a/run/train.log": VERL_STEP, "a/run/x.log": "x\n", "b/ray/x.log": "y\n", "c/only.log": "z\n"})
    given = [tmp_path / "a" / "run", tmp_path / "b" / "ray", tmp_path / "c" / "only.log", tmp_path / "a"]
    scan = Discovery(given, packs).scan()
    assert {f.source.file: f.path.relative_to(tmp_path).as_posix() for f in scan.found} == {
        "train.log": "a/run/train.log", "x.log": "a/run/x.log", "ray/x.log": "b/ray/x.log", "only.log": "c/only.log",
    }  # fmt: skip
    assert scan.run.root == tmp_path / "a" / "run"
    assert scan.run.paths == tuple(given)


def test_a_file_given_by_itself(tmp_path: Path, packs: dict[str, Pack]) -> None:
    write(tmp_path, {"run7/logs/trainer/node_0.log": TRAINER_G3, "run7/configs/x.toml": "a = 1\n"})
    link = tmp_path / "run7" / "logs" / "trainer.log"
    link.symlink_to("trainer/node_0.log")
    scan = Discovery([link], packs).scan()
    (only,) = scan.found
    assert (only.source.file, only.source.role) == ("trainer.log", "trainer")
    assert only.path == link.resolve()
    assert (scan.run.name, scan.run.root) == ("run7", link.resolve().parent)


def test_a_name_that_is_not_utf8(tmp_path: Path, packs: dict[str, Pack]) -> None:
    raw = os.fsencode(tmp_path) + b"/caf\xe9.log"
    with open(raw, "w") as out:
        out.write(VERL_STEP)
    (only,) = Discovery([tmp_path], packs).scan().found
    assert only.source.file == "caf�.log"
    assert os.fsencode(only.path) == raw


def test_records_too_long_to_be_seen_whole(tmp_path: Path, packs: dict[str, Pack]) -> None:
    text = "w" * 3 * ENDS
    write(
        tmp_path,
        {
            "rollout_data/1.jsonl": json.dumps({"input": "q", "output": text, "score": 1.0, "step": 1}) + "\n",
            "other.jsonl": json.dumps({"prompt": text}) + "\n",
            "torn.jsonl": 'half a line"}\n{"step": 1, "time": 2.0}\n',
        },
    )
    scan = Discovery([tmp_path], packs).scan()
    assert roles(scan) == {"rollout_data/1.jsonl": "rollouts", "other.jsonl": "unknown", "torn.jsonl": "unknown"}
    unknown = by_file(scan)["other.jsonl"].source
    assert (unknown.reader, unknown.packs) == ("records", ())


def test_a_broken_configuration_is_a_note(tmp_path: Path, packs: dict[str, Pack]) -> None:
    run = write(
        tmp_path,
        {
            "logs/trainer.log": TRAINER_G3,
            "configs/trainer.toml": "max_steps = \n",
            "configs/orchestrator.json": "[" * 100_000,
            "configs/evil.yaml": "a: &a [x]\n!!python/object/apply:os.system [true]: 1\n",
            "configs/deep.yaml": "[" * 900_000,
            "configs/large.yaml": "a: " + "b" * (1 << 20),
            "configs/inference.toml": '[model]\nname = "Q"\n',
        },
    )
    scan = Discovery([run], packs).scan()
    assert [(f.key, f.value) for f in scan.facts] == [("model", "Q")]
    left = skipped(scan, run)
    assert left["configs/trainer.toml"].startswith("a configuration not valid TOML: ")
    assert left["configs/orchestrator.json"].startswith("a configuration not valid JSON: ")
    assert left["configs/evil.yaml"].startswith("a configuration not valid YAML: ")
    assert left["configs/large.yaml"] == "a configuration larger than 1 MiB"
    assert left["configs/deep.yaml"].endswith("nested deeper than 100 levels")
    assert len(scan.configs) == 6


def test_config_facts_take_the_first_place_that_states_something(tmp_path: Path) -> None:
    write(tmp_path, {"a.yaml": "x:\n  y: ${z}\n  steps: -1\nn: true\n", "b.yaml": "x: 7\ny: {'steps': 5, name: m}\n"})
    wanted = {"steps": ["x.steps", "y.steps"], "name": ["x.y", "n", "y.name"], "gone": ["q"]}
    facts = config_facts([tmp_path / "a.yaml", tmp_path / "b.yaml"], wanted)
    assert [(f.key, f.value, f.file.name, f.line) for f in facts] == [
        ("steps", "5", "b.yaml", 2),
        ("name", "m", "b.yaml", 2),
    ]


def test_ends_are_all_that_is_read(tmp_path: Path) -> None:
    looker = Looker(["first", "middle", "last", "bright"])
    path = tmp_path / "x.log"
    path.write_text("first \x1b[1mbri\x1b[0mght" + " " * 2 * ENDS + "middle" + " " * 2 * ENDS + "last")
    assert looker.look(str(path), reader="text", thorough=True).hits == {"first", "last", "bright"}
    assert looker.look(str(path), reader="text", thorough=False).hits == {"first", "bright"}


def test_five_thousand_files(tmp_path: Path, packs: dict[str, Pack], monkeypatch: pytest.MonkeyPatch) -> None:
    for i in range(2500):
        folder = tmp_path / "rollouts" / f"step_{i}" / "train" / "all"
        folder.mkdir(parents=True)
        (folder / "traces.jsonl").write_text(EPISODE)
        (tmp_path / f"worker_{i}.log").write_text("nothing to see\n")
    write(tmp_path, {"logs/trainer.log": TRAINER_G3})
    discovery = Discovery([tmp_path], packs)
    begun = time.perf_counter()
    scan = discovery.scan()
    assert time.perf_counter() - begun < 5
    assert len(scan.found) == 5001
    read = []
    monkeypatch.setattr(look_module, "_ends", lambda path, *_: read.append(path))
    begun = time.perf_counter()
    assert discovery.scan().found == scan.found
    assert time.perf_counter() - begun < 2.5
    assert read == []


def test_hostile_text_cannot_break_a_scan(tmp_path: Path) -> None:
    pack = parse_pack(
        "pack: p\ndetect: ['mark']\nsources:\n"
        "  - {role: trainer, paths: ['*.log'], lane: '{x:>9} {no.y}{', labels: '(a+)+$'}\n",
        "p.yaml",
    )
    name = "a" * 200 + "!.log"
    write(tmp_path, {name: "mark\n"})
    begun = time.perf_counter()
    (only,) = Discovery([tmp_path], {"p": pack}).scan().found
    assert time.perf_counter() - begun < 5
    assert (only.source.role, only.source.lane) == ("trainer", "{x:>9} {no.y}{")
