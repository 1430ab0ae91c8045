"""Cuts out of logs and configurations what people asked and models answered.

A console shows it in many forms (verl's `[prompt] …`, TRL's tables, vLLM's `Received request … prompt: '…'`, slime's
`First rollout sample: [...]`), and what is in it may look like anything. So of a log only those lines are kept that are
known to be none of it: with a time or level of their own, read by a rule, of a traceback; and in these, texts that
are named like prompts, or are long and in quotes, are cut.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from msgspec import Struct

from rli_agent.parsers.headers import read_header
from rli_agent.terminal import many

#: Names of texts, as keys of settings, records and arguments have them.
_NAME = (
    r"\b\w*(?:prompt|completion|response|instruction|question|answer|solution|ground_truth|conversation|content"
    r"|thinking|reasoning|generation|generated|decoded|template|sample)s?(?:_text|_str|_content)?"
)
_QUOTE = r"(?P<quote>\\{0,3}[\"'])"
_TEXT = r"(?P<text>(?:(?!(?P=quote))(?:\\.|.))*)"
_IS = r"\s{0,4}(?:=>|[:=])\s{0,4}"
_QUOTED = re.compile(rf"(?i)(?:{_NAME}|\b(?:text|input|output|query)s?)\\{{0,3}}[\"']?{_IS}[\[({{]?{_QUOTE}{_TEXT}")
#: The rest of a line that is such a text, not in quotes, or a list of such.
_BARE = re.compile(rf"(?i){_NAME}{_IS}(?!True|False|None)(?P<text>[^\s\"'\d<$][^\n]{{24,}})")
#: A list of such texts, as slime and AReaL print it.
_LISTED = re.compile(r"(?i)\b(?:rollout|data|batch|group)s?:\s?(?P<text>[\[(][\[({]?[\"'].*)")
#: verl's reward managers, and what others print likewise: a mark at the beginning, and then all that follows.
_MARKED = re.compile(
    r"(?i)\[(?:prompt|response|ground[ _]truth|question|answer|completion|sequence|extracted|query|\w*solution)[\w ]*\]"
    r"(?P<text>.*)"
)
#: Texts in quotes that are longer are no settings.
_LONG = 160
_LONG_QUOTED = re.compile(rf"{_QUOTE}(?P<text>(?:(?!(?P=quote))(?:\\.|.)){{{_LONG},}})")
#: A setting whose text goes on over lines: a block of YAML, a text of TOML in three quotes.
_YAML_BLOCK = re.compile(
    rf"(?im)^(?P<indent>[ \t]*)(?:- )?{_NAME}[ \t]*:[ \t]*[|>][+-]?\d?[ \t]*\n"
    r"(?P<text>(?:(?P=indent)[ \t]+[^\n]*\n?|[ \t]*\n)+)"
)
_TOML_BLOCK = re.compile(rf"(?is){_NAME}[ \t]*=[ \t]*(?P<quote>\"\"\"|''')(?P<text>.*?)(?P=quote)")
#: How lines of tracebacks, of NCCL, of schedulers and of bars begin that have no time of their own.
_TECHNICAL = re.compile(
    r"\s*(?:Traceback \(most recent call last\)|File \"[^\"]+\", line \d+|[\^~ ]+$"
    r"|[\w.]+(?:Error|Exception|Interrupt|Exit)\b|The above exception was|During handling of the above"
    r"|\S+:\d+:\d+ \[\d+\] NCCL|NCCL version|slurmstepd: |srun: |sbatch: |Killed$|Aborted\b|Segmentation fault"
    r"|Fatal Python error|Current thread 0x|Thread 0x|\*\*\* |frame #\d+|terminate called|[\w-]+==\d[\w.+-]*$"
    r"|[^|]{0,80}\d+%\|)"
)  # fmt: skip
_FRAME = re.compile(r"\s*File \"[^\"]+\", line \d+")
_HEADER = 400


class LogText(Struct, frozen=True):
    """A line: `text` as it stands in the file, `body` without what Ray, torchrun and others put before it. known: a
    rule has read it."""

    text: str
    body: str
    known: bool = False


class PromptCutter:
    """Cuts texts, and counts what it cut: whole lines, and parts of lines."""

    def __init__(self) -> None:
        self.lines = 0
        self.parts = 0

    def log(self, lines: Iterable[LogText]) -> Iterator[str]:
        """The lines of a log, with notes in place of those that may be such texts."""
        missing, inside, code = 0, False, False
        for line in lines:
            header = read_header(line.body[:_HEADER])
            own = line.known or header.level is not None or header.stamp is not None
            if own:
                inside = False
            marked = _MARKED.match(header.message.lstrip()) is not None
            if own or (not inside and not marked and (code or _TECHNICAL.match(line.body))):
                yield from self._note(missing)
                missing = 0
                yield self.text(line.text)
            elif line.body:
                missing += 1
            inside = inside or marked
            code = not inside and _FRAME.match(line.body) is not None
        yield from self._note(missing)

    def text(self, text: str) -> str:
        """A text without such texts in it, line by line."""
        for pattern in (_MARKED, _LISTED, _QUOTED, _BARE, _LONG_QUOTED):
            text = pattern.sub(self._cut, text)
        return text

    def config(self, text: str) -> str:
        """A configuration without such texts in it."""
        for pattern in (_YAML_BLOCK, _TOML_BLOCK):
            text = pattern.sub(self._cut, text)
        return self.text(text)

    def _cut(self, found: re.Match[str]) -> str:
        text = found["text"]
        if " " not in text.strip() or text.lstrip().startswith("[cut: "):
            return found[0]  # a name, a path, a number
        self.parts += 1
        begin, end = found.start("text") - found.start(), found.end("text") - found.start()
        tail = "\n" if text.endswith("\n") else ""
        return f"{found[0][:begin]}[cut: {len(text)} characters]{tail}{found[0][end:]}"

    def _note(self, missing: int) -> Iterator[str]:
        if missing:
            self.lines += missing
            yield f"[cut: {many(missing, 'line')} that may be of a prompt or a completion]"
