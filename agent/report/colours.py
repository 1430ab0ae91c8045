"""A state has one colour wherever it is drawn."""

from __future__ import annotations

import re
import zlib

#: By state: on a light ground, on a dark one. Alike states have alike hues; waiting is grey.
STATES = {
    "rollout": ("#3f76c4", "#5b93e4"),
    "reward": ("#2f9c95", "#46bcb4"),
    "log_prob": ("#8064c0", "#9d83dc"),
    "ref_log_prob": ("#a58ad6", "#b9a3e6"),
    "values": ("#b264b0", "#cd84cb"),
    "advantage": ("#d47ba8", "#e296bd"),
    "update_actor": ("#dd8033", "#f09a50"),
    "train": ("#dd8033", "#f09a50"),
    "update_critic": ("#c9a227", "#e3bd45"),
    "weight_sync": ("#5a9e48", "#78bd65"),
    "save_ckpt": ("#8a6242", "#b08661"),
    "eval": ("#1f8fb8", "#3fb0da"),
    "wait": ("#b4b9c2", "#5c636f"),
    "pause": ("#c9b8b0", "#6f605a"),
    "sleep": ("#c3c7cf", "#535a66"),
    "load": ("#93a1b5", "#75839a"),
    "load_data": ("#7d94ad", "#8ba3bd"),
    "data_preprocess": ("#66839f", "#7f9cb8"),
    "compile": ("#7a7f96", "#8f95b0"),
    "onload": ("#9aa86a", "#aab97c"),
    "offload": ("#b0a05a", "#c2b26b"),
    "wake": ("#9aa86a", "#aab97c"),
    "resume": ("#9aa86a", "#aab97c"),
    "step": ("#d5d9e0", "#3c434e"),
}
#: Words in names that traces give to phases, and the states that they mean.
_WORDS = (
    ("ref", "ref_log_prob"), ("log_prob", "log_prob"), ("logp", "log_prob"), ("critic", "update_critic"),
    ("update_weight", "weight_sync"), ("generate", "rollout"), ("rollout", "rollout"), ("agent_loop", "rollout"),
    ("reward", "reward"), ("rm", "reward"), ("values", "values"), ("advantage", "advantage"),
    ("update", "update_actor"),
    ("train", "train"), ("sync", "weight_sync"), ("save", "save_ckpt"), ("load", "load"), ("valid", "eval"),
)  # fmt: skip
_OTHERS = (
    ("#4f8f7b", "#66ab95"), ("#9b6a9e", "#b585b8"), ("#a87c54", "#c4966c"), ("#5c79a8", "#7693c4"),
    ("#8f8f4f", "#abab66"), ("#b5656d", "#d17f87"),
)  # fmt: skip


def of(state: str) -> tuple[str, str]:
    """The colours of a state; of one of a framework's own some that stay the same."""
    if state in STATES:
        return STATES[state]
    name = state.lower().rpartition(".")[2]
    meant = next((meant for word, meant in _WORDS if re.search(rf"(?:^|_){word}", name)), None)
    return STATES[meant] if meant else _OTHERS[zlib.crc32(state.encode("utf-8", "replace")) % len(_OTHERS)]
