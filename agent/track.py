"""One file on its way through the stages: followed, scanned and parsed; what it gives is committed by who drives it."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Sequence
from datetime import tzinfo
from typing import NamedTuple

from rli_agent.discover import Found
from rli_agent.events import METRIC_FILES, Event, Interval, Problem, RolloutBatch, RunFact, Samples
from rli_agent.follow.reader import FileReader, Framing, Position
from rli_agent.journal import logger
from rli_agent.parsers.api_events import ApiEventsParser, ApiEventsState
from rli_agent.parsers.compiled import PATTERN_TIMEOUT
from rli_agent.parsers.metric_files import history, leveldb_log, tfrecords
from rli_agent.parsers.metric_files.history import HistoryParser, HistoryState
from rli_agent.parsers.metric_files.tensorboard import TensorBoardParser, TensorBoardState
from rli_agent.parsers.metric_files.wandb import WandbParser, WandbState
from rli_agent.parsers.parser_state import ParserState
from rli_agent.parsers.record_parser import RecordParser, RecordState
from rli_agent.parsers.rollouts import tables
from rli_agent.parsers.rollouts.tables import TableParser
from rli_agent.parsers.shapes import record_shape
from rli_agent.parsers.source_parser import SourceParser
from rli_agent.parsers.timestamps import Shift
from rli_agent.rulebook import Rulebook
from rli_agent.store.run_store import Checkpoint
from rli_agent.unread import Unread

#: Events that show that a file's lines are understood; a problem may be told by its level alone.
_TELLING = (Samples, Interval, RolloutBatch, RunFact)

#: How the files that are not made of lines are cut into records.
_FRAMINGS: dict[str, Framing] = {
    "tensorboard": tfrecords.whole, "wandb": leveldb_log.whole, "history": history.whole, "table": tables.whole,
}  # fmt: skip
#: Bytes read at a time; the longest line, and the longest record of another kind.
_BLOCK, _LINE, _RECORD = 1 << 19, 1 << 20, 64 << 20
#: Events of one turn: what is committed together, and in memory at once.
_MOST = 8_192
#: Bytes that came since the last look and tell nothing are left for later if they are fewer.
_DULL = 1 << 13


#: Seconds after which a file that was there before the agent goes on with nothing that it had begun.
_QUIET = 2.0
#: Seconds after which records that keep coming are summed up.
SUMMING = 10.0


class Taken(NamedTuple):
    """What one turn gave. `ended`: the end of the file was reached, so that its times can be settled with `shift`."""

    events: list[Event]
    bytes: int
    lines: int
    ended: bool
    shift: Shift | None
    broken: int = 0


class Track:
    """A source, its reader and its parser. `live` once the end was reached: later lines are read as they are
    written. `settled`: no event of what was read up to its checkpoint waits for a time."""

    def __init__(
        self, found: Found, book: Rulebook, files: Sequence[str], zone: tzinfo, checkpoint: Checkpoint | None = None,
        *, live: bool = False, settled: bool = False, from_end: bool = False, fixed: bool = False,
    ) -> None:  # fmt: skip
        self.found = found
        self.source = found.source
        self.live = live
        self.settled = settled
        self._zone = zone
        position = None
        if checkpoint is not None:
            position = Position(
                checkpoint.device, checkpoint.inode, checkpoint.offset, checkpoint.line, checkpoint.fingerprint
            )
        self.reader = FileReader(
            found.path, position, block_size=_BLOCK, line_limit=_LINE if found.source.reader == "text" else _RECORD,
            start_at_end=from_end, fixed=fixed, framing=_FRAMINGS.get(found.source.reader),
        )  # fmt: skip
        self.unread = Unread(self._unknown)
        self._told = ""
        self._told_broken = False
        self.last_read = self._flushed = 0.0
        self._left = 0  # bytes that tell nothing and were left for later
        self.use(book, files, checkpoint.state if checkpoint is not None else None)

    def turn_into(self, found: Found, book: Rulebook, files: Sequence[str]) -> None:
        """Discovery knows better by now what this file is."""
        state = self.state if found.source.reader == self.source.reader else None
        self.found, self.source = found, found.source
        self.use(book, files, state)

    def use(self, book: Rulebook, files: Sequence[str], state: bytes | None) -> None:
        """Read on with these rules, from this state (None: from scratch)."""
        self.rules = book.rules_for(self.source, files)
        self._packs = book.packs_of(self.source)
        self._start(state)

    def _start(self, state: bytes | None) -> None:
        try:
            self.parser = self._parser(state)
        except ValueError as e:
            logger.warning(
                "{}: what was remembered of it is of another version ({}): context begins anew", self.source.file, e
            )
            self._start(None)

    def _parser(
        self, state: bytes | None
    ) -> SourceParser | RecordParser | TensorBoardParser | WandbParser | HistoryParser | ApiEventsParser:
        """Raises ValueError for a state of another version."""
        source, rules, packs = self.source, self.rules, self._packs
        if source.reader == "records":
            records = RecordState.decode(state) if state else None
            return RecordParser(source, rules, packs, str(self.found.path), records)
        if source.reader == "table":
            rows = RecordState.decode(state) if state else None
            return TableParser(source, rules, packs, str(self.found.path), rows)
        if source.reader == "tensorboard":
            return TensorBoardParser(source, rules, packs, TensorBoardState.decode(state) if state else None)
        if source.reader == "wandb":
            return WandbParser(source, rules, packs, WandbState.decode(state) if state else None)
        if source.reader == "history":
            return HistoryParser(source, rules, packs, HistoryState.decode(state) if state else None)
        if source.reader == "events":
            return ApiEventsParser(source, rules, ApiEventsState.decode(state) if state else None)
        known = ParserState.decode(state) if state else None
        return SourceParser(source, rules, self._zone, self.reader.mtime, known)

    @property
    def state(self) -> bytes:
        return self.parser.state.encode()

    @property
    def checkpoint(self) -> Checkpoint:
        """How far the events given so far reach: to be committed with them."""
        at = self.reader.position
        return Checkpoint(
            self.source.file, at.device, at.inode, at.offset, at.line, at.fingerprint, self.state, self.reader.mtime
        )

    @property
    def waiting(self) -> bool:
        """Whether something is held back that `flush` would give."""
        return self.parser.waiting

    @property
    def is_busy(self) -> bool:
        """Whether there is something to do although nothing changes, now or later."""
        return self.reader.more or self.reader.due is not None or self.waiting

    def is_due(self, now: float) -> bool:
        """Whether `take` should be called although nothing changed; `now` of the monotonic clock."""
        due = self.reader.due
        return self.reader.more or (due is not None and due <= now)

    @property
    def is_bulk(self) -> bool:
        """Whether it is to wait while others are read: what the model wrote comes in gigabytes."""
        return self.source.role == "rollouts"

    def is_overdue(self, now: float, quiet: float) -> bool:
        """Whether what is held back should be told: the file has been quiet so long, or its records, which are summed
        up, have come for a while."""
        summing = self.is_bulk and now - self._flushed >= SUMMING
        return self.waiting and (now - self.last_read >= quiet or summing)

    def is_dull(self) -> bool:
        """Whether what came since this was asked last is so little, and tells so surely nothing, that it may be read
        later, with what comes then."""
        if not self.live or not isinstance(self.parser, SourceParser):
            return False
        new = self.reader.peek(self._left, _DULL)
        if not 0 < len(new) < _DULL or not self.parser.passes_over(new):
            return False
        self._left += new.rfind(b"\n") + 1
        return True

    def take(self, budget: int, now: float, *, last: bool = False, until: float = math.inf) -> Taken:
        """Read about `budget` bytes of what is new. `last`: the file is over, its unterminated last line counts.
        `until`: when to leave the rest to the next time, of the monotonic clock; a portion is read in any case."""
        events: list[Event] = []
        size = lines = self._left = 0
        broken = self._broken()
        for block in self.reader.read(budget, last=last):
            if block.restarted:
                events += self.parser.flush()
                self._start(None)
                self.live = True  # it was emptied under our eyes
            if not size and isinstance(self.parser, SourceParser):
                self.parser.reference(now if self.live else self.reader.mtime)
            given = self.parser.feed(block.data, block.offset, block.line, now if self.live else None)
            size += len(block.data) + block.cut
            self.last_read = now
            read = self.reader.position.line - block.line
            lines += read
            if any(isinstance(e, _TELLING) for e in given):
                self.unread.gave(read, len(given))
            elif self.source.reader not in METRIC_FILES:
                self.unread.passed(block.data, read, block.line)
                self.unread.problems += len(given)
            events += given
            if len(events) >= _MOST or time.monotonic() >= until:
                break
        self._complain()
        ended = not self.reader.more
        shift = None
        if ended:
            old = not self.live and (self.is_bulk or now - self.reader.mtime >= _QUIET)
            if last or old:  # so that the times of what is held back are settled with the others
                events += self.parser.flush()
            shift = self.parser.settle(self.reader.mtime)
        return Taken(self._wanted(events), size, lines, ended, shift, self._broken() - broken)

    def flush(self) -> list[Event]:
        """What the parser held back."""
        self._flushed = time.time()
        return self._wanted(self.parser.flush())

    def rest(self) -> None:
        """Nothing more is expected of it soon."""
        if isinstance(self.parser, RecordParser) and not self.waiting:
            self.parser.rest()

    def _unknown(self, raw: bytes) -> str | None:
        return self.parser.unknown(raw) if isinstance(self.parser, SourceParser) else record_shape(raw)

    def _wanted(self, events: Iterable[Event]) -> list[Event]:
        if self.found.problems_only:
            return [e for e in events if isinstance(e, Problem | RunFact)]
        return events if isinstance(events, list) else list(events)

    def _broken(self) -> int:
        """Records so far that could not be read."""
        return 0 if isinstance(self.parser, SourceParser) else self.parser.state.broken

    def slow_rules(self) -> list[tuple[str, int]]:
        """Rules whose patterns ran out of time on a line, and how often, since this was asked last; they are told."""
        found = []
        for rule in self.rules.rules:
            if rule.untold:
                found.append((rule.id, rule.untold))
                rule.untold = 0
                what = "it is switched off until the pack is changed" if rule.off else "the line is passed over"
                logger.warning(
                    "rule {}: its pattern needs more than {} s on a line of {}: {}; `rli-agent rules check` tries it",
                    rule.id, PATTERN_TIMEOUT, self.source.file, what,
                )  # fmt: skip
        return found

    def _complain(self) -> None:
        if self._broken() and not self._told_broken:
            self._told_broken = True
            logger.warning("{}: some of its records cannot be read and are skipped", self.found.path)
        said = self.reader.problem or ""
        if said != self._told:
            self._told = said
            if said:
                logger.warning("{}; it is tried again", said)

    def close(self) -> None:
        self.reader.close()
