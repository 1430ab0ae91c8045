"""How fast rollout files are read, beside a plain loop of json.loads over the same lines.

usage: rollouts.py [--megabytes 400] [--rounds 3]

Both read the same files from the page cache, in one process each, one after the other; CPU seconds decide. The agent's
share is all that a watch does of a file but storing it: following, decoding, statistics, events.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import timezone
from pathlib import Path
from statistics import median
from typing import Any

from rli_agent.discover import Discovery
from rli_agent.rulebook import Rulebook
from rli_agent.track import Track
from rli_agent.watching.turns import PORTION, TURN

CHANCE = random.Random(7)
WORDS = [
    "so", "the", "integer", "proof", "hence", "\\boxed{42}", "we", "check", "that", "is", "prime", "tokens", "“x”",
    "因此", "newline\n", '"quoted"',
]  # fmt: skip


def prose(size: int) -> str:
    return " ".join(CHANCE.choices(WORDS, k=size // 7))


def chat(size: int) -> dict[str, Any]:
    """verifiers' RolloutOutput (prime-rl, 2026-05): texts and little else."""
    turns = [{"role": CHANCE.choice(["assistant", "tool"]), "content": prose(size // 8)} for _ in range(8)]
    return {
        "example_id": CHANCE.randrange(64), "reward": CHANCE.random(), "env_name": "math", "is_truncated": False,
        "prompt": [{"role": "user", "content": prose(200)}], "completion": turns, "error": None,
        "token_usage": {"input_tokens": 99, "output_tokens": size // 4}, "metrics": {"correct": 1.0},
    }  # fmt: skip


def trace(size: int) -> dict[str, Any]:
    """verifiers' Trace (prime-rl, 2026-06): for each token an id, a mask and a log-probability."""
    tokens = size // 100
    nodes = [
        {
            "message": {"role": "assistant", "content": prose(4 * tokens)}, "sampled": True,
            "token_ids": [CHANCE.randrange(150_000) for _ in range(tokens)], "mask": [True] * tokens,
            "logprobs": [-CHANCE.random() for _ in range(tokens)],
        }
        for _ in range(3)
    ]  # fmt: skip
    task = {"idx": CHANCE.randrange(64)}
    return {"id": "t", "task": task, "nodes": nodes, "rewards": {"a": CHANCE.random()}, "metrics": {}, "errors": []}


def image(size: int) -> dict[str, Any]:
    """A chat about a picture, which lies in the record."""
    record = chat(4000)
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "iVBORw0KGgo" * (size // 11)}}
    record["prompt"] = [{"role": "user", "content": [picture, {"type": "text", "text": "What is it?"}]}]
    return record


KINDS: dict[str, tuple[Callable[[int], dict[str, Any]], int]] = {
    "chat, 1 KB": (chat, 1000), "chat, 100 KB": (chat, 100_000), "trace, 100 KB": (trace, 100_000),
    "trace, 4 MB": (trace, 4_000_000), "image, 1 MB": (image, 1_000_000),
}  # fmt: skip


def write(folder: Path, kind: str, size: int) -> None:
    make, bytes_each = KINDS[kind]
    some = [json.dumps(make(bytes_each), ensure_ascii=i % 2 == 0) + "\n" for i in range(16)]
    folder.mkdir(parents=True)
    with (folder / "train_rollouts.jsonl").open("w") as out:
        while out.tell() < size:
            out.write(CHANCE.choice(some))


def by_agent(run: Path) -> tuple[float, float]:
    """CPU seconds, and the longest turn of a watch (in seconds)."""
    book = Rulebook()
    (found,) = Discovery([run], book.packs).scan().found
    track = Track(found, book, [], timezone.utc)
    begun, longest, ended = time.process_time(), 0.0, False
    while not ended:
        before = time.process_time()
        ended = track.take(TURN, time.time(), last=True, until=time.monotonic() + PORTION).ended
        longest = max(longest, time.process_time() - before)
    return time.process_time() - begun, longest


def by_json(run: Path) -> tuple[float, float]:
    begun = time.process_time()
    with next(run.rglob("*.jsonl")).open("rb") as lines:
        for line in lines:
            json.loads(line)
    return time.process_time() - begun, 0.0


def measured(read: Callable[[Path], tuple[float, float]], run: Path) -> tuple[float, float, float]:
    """CPU seconds, longest turn, and MB of peak memory, in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_with_memory, (read, run))


def _with_memory(read: Callable[[Path], tuple[float, float]], run: Path) -> tuple[float, float, float]:
    seconds, turn = read(run)
    status = Path("/proc/self/status").read_text()  # getrusage would tell of the process that this one was made from
    return seconds, turn, int(status.split("VmHWM:")[1].split()[0]) / 1024


def kinds(root: Path, size: int) -> Iterator[tuple[str, Path]]:
    for i, kind in enumerate(KINDS):
        run = root / str(i)
        write(run / "rollouts" / "step_1", kind, size)
        yield kind, run


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--megabytes", type=int, default=400)
    arguments.add_argument("--rounds", type=int, default=3)
    options = arguments.parse_args()
    size = options.megabytes * 1_000_000
    print(f"{'records':15} {'rli-agent':>14} {'json.loads':>14}  {'longest turn':>12}  {'memory':>8}")
    with tempfile.TemporaryDirectory() as folder:
        for kind, run in kinds(Path(folder), size):
            ours, theirs, turns, memory = [], [], [0.0], 0.0
            for _ in range(options.rounds):
                seconds, turn, memory = measured(by_agent, run)
                ours.append(size / seconds / 1e6)
                turns.append(turn)
                theirs.append(size / measured(by_json, run)[0] / 1e6)
            print(
                f"{kind:15} {median(ours):9.0f} MB/s {median(theirs):9.0f} MB/s  {max(turns) * 1000:9.0f} ms  "
                f"{memory:5.0f} MB"
            )


if __name__ == "__main__":
    main()
