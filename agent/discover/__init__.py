"""Which run is this, and which of its files plays which role?"""

from rli_agent.discover.discovery import NEWEST, Discovery, root_of
from rli_agent.discover.found import Found, Run, Scan
from rli_agent.discover.look import NEEDS, UNREADABLE
from rli_agent.discover.tree import reader_of

__all__ = ["NEEDS", "NEWEST", "UNREADABLE", "Discovery", "Found", "Run", "Scan", "reader_of", "root_of"]
