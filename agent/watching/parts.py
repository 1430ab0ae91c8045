"""What takes part in a watch: those that judge what is read, those that keep something with it, those that send it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence, Set
from datetime import tzinfo
from functools import partial
from typing import TYPE_CHECKING

from msgspec.structs import asdict

from rli_agent.alerts.filling import DiskWatch
from rli_agent.alerts.lookout import Lookout
from rli_agent.alerts.opening import Alerts
from rli_agent.alerts.pager import Pager
from rli_agent.catalogue import Catalogue
from rli_agent.detect.loading import detector_files, load
from rli_agent.errors import UserError
from rli_agent.events import Labels, Source
from rli_agent.keeping import Keeper
from rli_agent.life.state import ENDS
from rli_agent.life.wording import spoken
from rli_agent.machine.gpu_evidence import gpu_evidence
from rli_agent.options import WatchOptions
from rli_agent.publish.naming import RunLabels
from rli_agent.publish.publisher import Publisher
from rli_agent.publish.tallies import Tallies
from rli_agent.rulebook import Rulebook
from rli_agent.server.engine_targets import EngineTargets
from rli_agent.watching.files import RunFiles
from rli_agent.watching.remote_writing import RemoteWriting
from rli_agent.watching.setting import Setting

if TYPE_CHECKING:
    from rli_agent.engines.poller import EnginePoller


class Parts:
    """Makes the parts that the options ask for, and has the keeper call them. Raises UserError.

    run: its id; labels: what its series carry by now; unsettled: the files whose times may still change.
    """

    def __init__(
        self, options: WatchOptions, setting: Setting, book: Rulebook, run: str, files: RunFiles, keeper: Keeper,
        labels: Callable[[], RunLabels], unsettled: Callable[[], Set[str]], say: Callable[[str], None],
    ) -> None:  # fmt: skip
        self._options = options
        self._run = run
        self._files = files
        self._keeper = keeper
        self._store, self._exposition, self._status = keeper.store, keeper.exposition, keeper.status
        self._labels = labels
        self._unsettled = unsettled
        self._stop = setting.stop
        self._say = say
        self._count_on(setting)
        self.engines = self._poll_engines(book)
        self.pager = self._page(setting.alerts)
        self.lookout = self._look_out()
        self._look_at_disks()
        self.exporters = [*self._export_spans(), *self._write_remotely(setting.catalogue, setting.address)]
        self._check_in(setting.zone)
        self._register_engines()

    def _count_on(self, setting: Setting) -> None:
        """Let counters outlive the process, and show the machine beside the run."""
        tallies = Tallies(self._store.knowledge)
        self._keeper.participants.append(tallies)
        self._exposition.tallies = tallies.series
        if setting.machine is not None:
            self._exposition.machine = partial(setting.machine.figures, self._files.scan.run.root)

    def _poll_engines(self, book: Rulebook) -> EnginePoller | None:
        """Ask the run's servers for their metrics, while it is followed."""
        if self._options.once:
            return None
        from rli_agent.engines.addresses import given_address  # here: it brings an HTTP client with it
        from rli_agent.engines.poller import EnginePoller

        packs = tuple(name for name, pack in book.packs.items() if pack.kind == "engine")
        rules = book.rules_for(Source("", packs=packs))
        poller = EnginePoller(map(given_address, self._options.engines), rules.shape)
        self._keeper.publishers.append(poller)
        return poller

    def _page(self, alerts: Alerts) -> Pager:
        """Follow the run's life, and tell of it."""

        def labels() -> Labels:
            return tuple((name, value) for name, value in asdict(self._labels()).items() if value)

        nodes = self._options.nodes
        leads = nodes.leads
        pager = Pager(
            self._store, self._run, alerts, os.environ, labels, self._files.last_change, self._say,
            self._exposition.own, lambda: gpu_evidence(self._files.scan.run.root),
            None if leads else nodes.own or "a part of the run",
        )  # fmt: skip
        self._status.tracker = pager.tracker
        if leads:
            self._exposition.life = lambda: pager.tracker.state
        self._keeper.participants.append(pager)
        self._keeper.publishers.append(pager)
        return pager

    def _look_out(self) -> Lookout:
        """Judge whether the run still learns. Before the pager, which keeps and says its messages."""
        options = self._options
        detectors = load([*detector_files(options.paths), *options.detectors])
        lookout = Lookout(self._store, self._run, detectors, self.pager, fresh=options.start == "start")
        if options.nodes.leads:
            self._exposition.alerts = lambda: lookout.active
        self._status.alerts = lambda: lookout.active
        self._keeper.participants.insert(0, lookout)
        self._keeper.publishers.insert(0, lookout)
        return lookout

    def _look_at_disks(self) -> None:
        """Tell of a disk that fills, while the run is followed."""
        if not self._options.once:
            root = self._files.scan.run.root
            self._keeper.publishers.append(DiskWatch(self._store, self.pager, self._run, root))

    def _register_engines(self) -> None:
        """Have the machine's Prometheus, if there is one, scrape the engines too."""
        poller, tracker = self.engines, self.pager.tracker
        if poller is not None and not self._options.private:
            self._keeper.publishers.append(
                EngineTargets(
                    self._run, lambda: poller.known, lambda: asdict(self._labels()), lambda: tracker.life not in ENDS
                )
            )

    def _export_spans(self) -> Sequence[Publisher]:
        options = self._options
        if options.otlp_endpoint is None:
            return []
        from rli_agent.publish.spans.exporter import SpanExporter  # here: it brings requests with it
        from rli_agent.publish.spans.headers import headers_for

        headers = headers_for(options.otlp_endpoint, options.otlp_headers_file, os.environ)
        layout = None if options.span_layout == "auto" else options.span_layout
        try:
            spans = SpanExporter(
                self._store, options.otlp_endpoint, layout, self._labels, self._exposition.own, self._stop, headers
            )
        except ValueError as e:
            raise UserError(str(e)) from None
        self._keeper.publishers.append(spans)
        return [spans]

    def _write_remotely(self, catalogue: Catalogue, address: Callable[[], str | None]) -> Sequence[Publisher]:
        """Send what the logs tell to receivers of remote write: the one that was named, and the machine's own."""
        writing = RemoteWriting(
            self._options, catalogue, self._store, self._exposition, self._labels, self._unsettled, self._stop
        )
        exporters = writing.exporters(address)
        self._keeper.publishers += exporters
        return exporters

    def _check_in(self, zone: tzinfo) -> None:
        """Write entries into STATUS.md."""
        options, root = self._options, self._files.scan.run.root
        if options.status_md is None or not options.nodes.leads:
            return
        from rli_agent.reporters.checkins import CheckIns  # here: most watches have no use for it

        path = options.status_file or (root if root.is_dir() else root.parent) / "STATUS.md"
        self._keeper.publishers.append(CheckIns(self._store.path, path, options.status_md, self._status, zone))
        self._say(f"check-ins: {path} (every {spoken(options.status_md)})")
