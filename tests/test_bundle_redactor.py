"""The redactor: finds what is secret, leaves what is not, and does so once and for all."""

from __future__ import annotations

import json
import re
import string
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from planted_secrets import Planted, planted

from rli_agent.bundle.redactor import Redactor, counted

KINDS = [one.kind for one in planted(0)]
AROUND = st.text(st.characters(codec="utf-8", exclude_characters="\x1b"), max_size=40)
#: What runs print that looks a little like a secret.
INNOCENT = (
    "2026-01-14 09:30:05 INFO step:12 - actor/entropy:0.35 - perf/total_num_tokens:123456 - training/global_step:12",
    "{'loss': 0.0123, 'grad_norm': 0.52, 'learning_rate': 1e-06, 'num_tokens': 120394.0, 'epoch': 0.1}",
    "eos_token: <|im_end|>", "pad_token_id: 151643", "max_tokens: 4096", "token_level_loss: true", "stop_token=</s>",
    "prompt_key: prompt", "reward_fn_key: data_source", "kv_cache_dtype: auto", "key: value", "author: verl",
    "tokenizer: Qwen/Qwen2.5-7B-Instruct", "num_key_value_heads: 8", "sort_key: step", "password: null",
    "api_key: ${oc.env:WANDB_API_KEY}", "wandb_api_key: ***", "token: None", "output_tokens/mean=812.5",
    "commit 3f786850e387550fdab836ed7e6dc881de23001b", "worker_id=0f8fad5b-d9cb-469f-a165-70867728950e",
    "/workspace/checkpoints/DeepSeek-R1-Distill-Qwen-1-5B-GRPO/global_step_100/actor/model_world_size_8_rank_0.pt",
    "(WorkerDict pid=123456, ip=10.0.0.12) NCCL INFO Channel 00/02 : 0 1 2 3 [2] -> 3", "node[01-04]", "1:2:3:4",
    "http://127.0.0.1:8000/v1/completions?model=x", "File \"/usr/lib/python3.11/site-packages/torch/nn.py\", line 12",
    "Engine 000: Avg prompt throughput: 8163.3 tokens/s, GPU KV cache usage: 8.7%, Prefix cache hit rate: 50.1%",
)  # fmt: skip


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_left_of_a_secret(kind: str, seed: int) -> None:
    one = next(one for one in planted(seed) if one.kind == kind)
    left = Redactor().redact(one.text)
    assert_gone(one, left)
    assert counted(left).total() >= 1


def assert_gone(one: Planted, left: str) -> None:
    for part in one.secret.split():
        assert part not in left, (one.kind, left)
        # nor a good part of it
        for at in range(0, len(part) - 11, 4):
            assert part[at : at + 12] not in left, (one.kind, left)


@given(st.integers(0, 10**6), st.integers(0, len(KINDS) - 1), AROUND, AROUND)
def test_whatever_stands_on_the_lines_around_it(seed: int, at: int, before: str, after: str) -> None:
    one = planted(seed)[at]
    assert_gone(one, Redactor().redact(f"{before}\n{one.text}\n{after}"))


@pytest.mark.real
@given(st.integers(0, 10**6), AROUND)
def test_to_do_it_again_changes_nothing(seed: int, around: str) -> None:
    text = "\n".join([around, *(one.text for one in planted(seed)), around, *INNOCENT])
    once = Redactor(people=True).redact(text)
    assert Redactor(people=True).redact(once) == once


@pytest.mark.parametrize("text", INNOCENT)
def test_what_is_no_secret_stays(text: str) -> None:
    assert Redactor().redact(text) == text


@given(st.integers(0, 10**6))
def test_what_was_seen_once_is_cut_where_nothing_gives_it_away(seed: int) -> None:
    secrets = [one for one in planted(seed) if one.kind in ("wandb environment", "url", "hydra")]
    redactor = Redactor()
    for one in secrets:
        redactor.learn(one.text)
    for one in secrets:
        assert redactor.redact(f"sent {one.secret}.") == "sent [redacted: seen elsewhere]."


def test_secrets_of_the_environment_are_cut_wherever_they_stand() -> None:
    redactor = Redactor({"MY_PASSWORD": "tr0ub4dor&3x", "HOME": "/home/ada", "N_TOKENS": "abcdef0123456"})
    left = redactor.redact("x tr0ub4dor&3x /home/ada abcdef0123456")
    assert left == "x [redacted: seen elsewhere] /home/ada abcdef0123456"


def test_names_of_people_are_cut_if_asked_for() -> None:
    text = "ada@example.org wrote /home/ada/run and /Users/bob.c/x"
    assert Redactor().redact(text) == text
    cut = "[redacted: e-mail] wrote /home/[redacted: user]/run and /Users/[redacted: user]/x"
    assert Redactor(people=True).redact(text) == cut


@given(st.dictionaries(st.text(string.ascii_letters + "_", min_size=1, max_size=12), st.text(max_size=30), max_size=5))
def test_json_stays_json(content: dict[str, str]) -> None:
    content |= {"api_key": 'a"b\\c' + "x9" * 8, "steps": "4"}
    read = json.loads(Redactor().redact(json.dumps(content)))
    assert set(read) == set(content)
    assert read["api_key"].startswith("[redacted")


@pytest.mark.real
def test_a_megabyte_of_anything_takes_no_longer_than_it_should() -> None:
    pieces = ("a", "=", '"', "key=", "'a': ", "://", "a.b-c_", "x@y.", "-----BEGIN PRIVATE KEY-----", "--a ", "name: a")
    for piece in pieces:
        text = piece * (200_000 // len(piece))
        began = time.process_time()
        Redactor(people=True).redact("\n".join(text[at : at + 19_000] for at in range(0, len(text), 19_000)))
        assert time.process_time() - began < 20, piece


def test_colours_do_not_hide_a_secret() -> None:
    secret = "hf_" + "aB3" * 12
    assert secret[:20] not in Redactor().redact(f"{secret[:9]}\x1b[1m{secret[9:]}\x1b[0m")
    assert re.sub(r"\[.*?\]", "", Redactor().redact(f"\x1b]8;;x\x07{secret}")) == ""
