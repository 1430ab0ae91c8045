"""Rule packs: the YAML language in which a framework's lines are described.

The structs below *are* the language: unknown keys and wrong types are errors with file, line, column and the mend.
`docs/rule-packs.md` teaches it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, TypeAlias

from msgspec import Meta, Struct, field

from rli_agent.parsers.literals import LONGEST_LITERAL


class Named(Struct, forbid_unknown_fields=True):
    """`{name, unit}`: a metric's name and the unit in which the text prints it; `scale` multiplies the value."""

    name: str
    unit: str | None = None
    scale: float | None = None


def prefixed(prefix: str | Mapping[str, str], key: str) -> str:
    """The key behind a prefix, or with another beginning: see Pairs."""
    if isinstance(prefix, str):
        return prefix + key
    beginning = max((b for b in prefix if key.startswith(b)), key=len, default=None)
    return key if beginning is None else prefix[beginning] + key[len(beginning) :]


class Pairs(Struct, forbid_unknown_fields=True):
    """How many metrics stand in one group of a pattern.

    read: assigned  `key<assign>value<between>key<assign>value`, every key kept as its own name
          labelled  `Label value unit<between>Label: value unit`, labels translated by `names`
          dict      a Python dict's repr (never evaluated)
          json      a JSON object
          table     cells `name<between>value<between>name<between>value`; cells that are no such pair are left out
          figures   `key: value`, `key=value` or `key value`, with any of `,` `;` `|` ` - ` or a space between
    names: what stands in the text → the metric's name; others: whether keys without a name are kept.
    Names may hold `{group}` of the pattern. prefix is put before the names that are kept as they are, or takes the
    place of their beginnings: `{eval_: eval/, "": train/}` (the longest beginning that fits).
    """

    source: str = field(name="from", default="rest")
    read: Literal["assigned", "labelled", "dict", "json", "table", "figures"] = "assigned"
    between: str = " - "
    assign: str = ":"
    names: dict[str, str | Named | None] = {}
    others: Literal["keep", "drop"] = "keep"
    prefix: str | dict[str, str] = ""

    def kept_name(self, key: str) -> str:
        """The name of a key that `names` does not translate."""
        return prefixed(self.prefix, key)


class ProblemIs(Struct, forbid_unknown_fields=True):
    """level: of the problem, or `logged` for the level word of the line itself (ERROR where it has none)."""

    kind: str
    level: Literal["warning", "error", "critical", "logged"] = "error"


#: Something to look for: an empty text stands everywhere, a very long one nowhere.
Words: TypeAlias = Annotated[str, Meta(min_length=1, max_length=LONGEST_LITERAL)]


class When(Struct, forbid_unknown_fields=True):
    """Where a rule or a layout holds. All that is given must be true.

    role: of the source. path: globs on the file's path in the run. exists: globs of which one must match a file of the
    run. level: level words of the line. unset: slots that hold no number yet (rules only). has / lacks: globs on the
    metric names of the line (layouts only).
    """

    role: list[str] = []
    path: list[str] = []
    not_path: list[str] = []
    exists: list[str] = []
    not_exists: list[str] = []
    level: list[str] = []
    unset: list[str] = []
    has: list[str] = []
    lacks: list[str] = []


class Rule(Struct, forbid_unknown_fields=True):
    """One kind of line. Rules of a pack are tried in order; the first whose pattern matches takes the line, unless it
    says `also: true`; `every: true` takes each match on the line (records glued together). A pattern sees the
    *message*: colours, wrappers ([rank3]:, Ray, CRI …), time stamp and level are stripped before (`on: line` shows it
    the unwrapped line with its stamp and level, `on: bar` each refresh of a tqdm bar, up to the bracket behind its
    counts; a refresh whose `pairs` were said before says nothing).

    contains     literals of which every matching line holds one (taken from the pattern where that can be done)
    unless       a pattern that, found in the message, keeps the rule from matching
    metrics      named group → metric name
    pairs        many metrics in one group
    state        the line tells of a state that ended: group `duration`, or, in `elapsed`, another group
    begin / end  the line opens or closes a state of the lane
    closes       states of the lane that are over by now, where no line of their own says so
    step         group `step` gives the step. Without it: the step last set under the slot that `step_of` names, plus
                 `step_add`. `sets: {group: slot}` remembers a group's number under a slot, `resets: {slot: number}`
                 sets it, `counts: {slot: number}` adds to it where it holds one; all before the step is taken.
    step_in      group `step` counts within an epoch: the slot that is named holds the epoch (from 1), group `steps` how
                 many steps each has. The step is then that of the whole run, also where it is remembered.
    step_after   what prints through a progress bar has the bar drawn again behind it: the slot's number is that of the
                 first bar on the next line, where a rule on bars finds it there
    ends_block   the lines of a block (see Layout) are all there
    words        what `{group}` in state, begin or end says → the state; other words stay as they are
    repeats      figures that were already said at the same step, perhaps with more digits, are left out
    facts        named group → fact key; tells: fact key → value, said by the line's mere presence
    problem      the line is a problem. block: a pattern of the lines that go on with it (a traceback below it always
                 does). consequence: belongs to the problem just before it, and is one of its own only where
                 there is none
    ignore       the line says nothing to anybody: no other rule sees it. With `problem`: nor does what goes on with it
    labels       named group → label; also `constant: {label: value}`
    """

    id: str
    pattern: str
    contains: Words | list[Words] = []
    unless: str | None = None
    on: Literal["message", "line", "bar"] = "message"
    when: When | None = None
    also: bool = False
    every: bool = False
    metrics: dict[str, str | Named] = {}
    pairs: Pairs | None = None
    state: str | None = None
    elapsed: str = "duration"
    begin: str | None = None
    end: str | None = None
    closes: list[str] = []
    lane: str | None = None
    step_of: str | None = None
    step_add: int = 0
    step_in: str | None = None
    step_after: bool = False
    sets: dict[str, str] = {}
    resets: dict[str, int] = {}
    counts: dict[str, int] = {}
    words: dict[str, str] = {}
    repeats: bool = False
    ends_block: bool = False
    facts: dict[str, str] = {}
    tells: dict[str, str] = {}
    problem: ProblemIs | None = None
    block: str | None = None
    consequence: bool = False
    ignore: bool = False
    labels: dict[str, str] = {}
    constant: dict[str, str] = {}


class Skip(Struct, forbid_unknown_fields=True):
    """A region of echoed text (prompts, completions): lines of the same writer from a line that matches `start` until
    one that matches `end` say nothing. stamped: a line with a time stamp ends it, and is read. After `lines` lines the
    region is taken to be over. all: whoever writes them (a log's end that is printed again)."""

    start: str
    end: str = "(?!)"
    stamped: bool = False
    lines: int = 5000
    all: bool = False


class Layout(Struct, forbid_unknown_fields=True):
    """Durations printed at the end of a step, laid out in the order in which they ran.

    step: metric that holds the whole step's seconds (its `step_state` is the state's name). phases: inside the step,
    from its start; with at_end, up to its end (the first may have begun before the step). after: between the step's
    end and the line. outside: overlaps the step, and ends with it.
    within: of a phase, those parts that are printed as well: `{phase: {part: state}}`, from the phase's start.
    block: the durations stand in several lines. They are laid out together where a rule says `ends_block`, where one of
    them comes again, at another step, or at the end; `when` asks for the names of the whole block.
    """

    lane: str = ""
    when: When | None = None
    step: str | None = None
    step_state: str = "step"
    phases: dict[str, str] = {}
    after: dict[str, str] = {}
    outside: dict[str, str] = {}
    within: dict[str, dict[str, str]] = {}
    at_end: bool = False
    block: bool = False


class SourceIs(Struct, forbid_unknown_fields=True):
    """Which files play which role. Of the entries the first that fits a file takes it.

    paths: globs (`rli_agent.parsers.globs`: they match the tail of the path, `**` is any depth).
    has: literals of which one must stand in the file's first or last 64 KiB.
    labels: a pattern searched in the path; its named groups become labels, `run` the run's name. `lane` may hold
    `{group}`.
    twin_of: what this file repeats: globs from the directory in which `paths` began to match, `role:NAME` for a file
    that has the role by an entry without twins, or `text:LITERAL` for another file that holds the literal. Where one of
    them exists this file is not read, or, with problems_only, for problems only.
    ignore: never read.
    """

    role: str
    paths: list[str]
    has: list[str] = []
    lane: str = ""
    labels: str | None = None
    twin_of: list[str] = []
    problems_only: bool = False
    ignore: bool = False


class Records(Struct, forbid_unknown_fields=True):
    """JSONL whose records are metrics. keys: top-level keys that must be there. values: the key that holds the object
    of numbers ("" = the record itself, without `step`, `time` and `drop`). prefix: of names, as for pairs. step: key of
    a number or of a text `5/500`, or `path:` + pattern with a group `step` on the file's path. role_of:
    `{role: [keys or globs of which one is there]}`. labels: label → pattern whose one group, found in the record's
    first key, is its value. twin_of: as for sources."""

    id: str
    paths: list[str] = []
    keys: list[str] = []
    step: str | None = "step"
    time: str | None = None
    values: str = ""
    prefix: str | dict[str, str] = ""
    drop: list[str] = []
    role_of: dict[str, list[str]] = {}
    labels: dict[str, str] = {}
    twin_of: list[str] = []


class Rollouts(Struct, forbid_unknown_fields=True):
    """JSONL whose records are rollouts. Dotted paths name fields; `*` runs over a list's items or an object's values.
    Where a key takes several paths, the first that leads to something counts, and its hits are added up. A condition is
    a path, which must be true there, or `path=word`.

    reward: several hits of one path are summed, {score, weight} objects weighed. outcomes: other numeric fields that
    are metrics of their own; where there is no reward, the first is taken for it. solved: conditions; without them a
    reward of 1 means solved, one of 0 or -1 not solved, and other rewards leave it open.
    error: fields that, when not empty or false, make the record a problem env_error. ok: fields that, when false, do.
    truncated, cancelled: conditions. tool_errors: fields that, when not empty or false, tell of a tool's failure.
    step: dotted path or `path:` + pattern with a group `step` on the file's path. phase: "train", "eval", or such a
    pattern with a group `phase`. environment: its name. group: what the rollouts of one prompt have in common; else
    the prompt. part: the records are some of those of another file, so that they are not counted once more.
    prompt, completion: texts, chat messages, or lists of them; of messages the model's are the completion, those before
    them the prompt. tokens, prompt_tokens, total_tokens: numbers, or masks with one item a token. turns: else the
    messages that the model wrote. seconds: a number or an object with `duration`, or `start` and `end`.
    parts, metrics: objects of numbers by name: parts of the reward, and what the environment measures besides.
    each: a record holds several rollouts, the hits of this path, in which `reward`, `outcomes`, `labels` (`{label:
    dotted path}`), `solved`, texts and quantities are looked up; all else is the record's.
    """

    id: str
    paths: list[str]
    keys: list[str] = []
    step: list[str] = []
    phase: str = "train"
    reward: list[str] = []
    outcomes: list[str] = []
    solved: list[str] = []
    environment: list[str] = []
    group: list[str] = []
    error: list[str] = []
    ok: list[str] = []
    truncated: list[str] = []
    cancelled: list[str] = []
    tool_errors: list[str] = []
    prompt: list[str] = []
    completion: list[str] = []
    tokens: list[str] = []
    prompt_tokens: list[str] = []
    total_tokens: list[str] = []
    turns: list[str] = []
    seconds: list[str] = []
    parts: list[str] = []
    metrics: list[str] = []
    labels: dict[str, str] = {}
    each: str = ""
    part: bool = False
    twin_of: list[str] = []


class Switch(Struct, forbid_unknown_fields=True):
    """Metrics that a framework prints only where something is switched on: what to say when a run has none of them.

    metrics, where: globs on native names; asked only where one of `where` is there. set: what switches them on, as the
    framework's users write it. config: dotted paths in the run's configuration, off: values there that switch them off.
    default: what holds where no configuration says.
    """

    metrics: list[str]
    set: str
    where: list[str] = []
    config: list[str] = []
    off: list[str | int | float | bool | None] = field(default_factory=lambda: [False])
    default: Literal["on", "off"] = "off"


class Expected(Struct, forbid_unknown_fields=True):
    """What an example must give: any subset of the fields of the event as `rli-agent parse` prints it."""

    name: str | None = None
    value: float | int | str | None = None
    step: int | None = None
    state: str | None = None
    duration_s: float | None = None
    kind: str | None = None
    level: str | None = None
    key: str | None = None
    metric: str | None = None
    lane: str | None = None
    labels: dict[str, str] | None = None


class Example(Struct, forbid_unknown_fields=True):
    """A line (or several, joined by newlines in `lines`) and all that it gives; `expect: []` is a near miss.

    rule: which rule the example is for, where it is not plain. file, role: of the source, and files: others of the run,
    for rules that ask.
    """

    expect: list[Expected]
    line: str | None = None
    lines: str | None = None
    rule: str | None = None
    file: str = "logs/example.log"
    files: list[str] = []
    role: str = "trainer"


class Pack(Struct, forbid_unknown_fields=True):
    """A rule pack. kind: `framework` packs compete in detection, `engine` and `problems` packs read every text file,
    a `generic` one those of a run whose framework nobody knows.

    detect: literals or globs (those with a slash and an asterisk) that tell the framework: weight by `{literal:
    weight}`. strip: patterns cut out of every message. tag: a pattern of what the framework puts before the header of
    every line in a log that several writers share. first_rank: of lines that say which rank wrote them, only rank 0's
    are read for metrics and states (the others repeat them). aliases: documented name → the name that the code logs.
    switches: metrics that are there only where something is switched on.
    catalogue: native key (or glob) → common metric. units: native key → the unit that it has where the text says none,
    as in files of metrics (the console prints it). configs: fact (max_steps, model, project, experiment, batch_size,
    environments) → dotted paths in the run's configuration files, tried in order.
    """

    pack: str
    kind: Literal["framework", "engine", "generic", "problems"] = "framework"
    about: str = ""
    detect: list[Words | dict[Words, float]] = []
    sources: list[SourceIs] = []
    configs: dict[str, list[str]] = {}
    strip: list[str] = []
    tag: str | None = None
    first_rank: bool = False
    skip: list[Skip] = []
    rules: list[Rule] = []
    records: list[Records] = []
    rollouts: list[Rollouts] = []
    states: Layout | list[Layout] = []
    catalogue: dict[str, str] = {}
    units: dict[str, str] = {}
    aliases: dict[str, str] = {}
    switches: list[Switch] = []
    examples: list[Example] = []
    origin: str = field(name="$schema", default="")

    @property
    def layouts(self) -> list[Layout]:
        return self.states if isinstance(self.states, list) else [self.states]
