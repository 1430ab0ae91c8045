from __future__ import annotations

from pathlib import Path

import pytest

from rli_agent.follow import filesystems
from rli_agent.follow.filesystems import announces_writes, file_system_type, is_network, type_in_table

TABLE = rb"""22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime shared:1 master:2 - ext4 /dev/vda rw
40 27 0:50 / /scratch rw - lustre 10.0.0.1@tcp:/scratch rw
41 40 0:51 / /scratch/with\040space\134 rw - nfs4 filer:/x rw
42 27 0:52 / /data rw - xfs /dev/vdb rw
43 27 0:53 / /data rw - fuse.sshfs me@host: rw
a line that is no mount
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        (b"/", "ext4"),
        (b"/home/me/run", "ext4"),
        (b"/scratch", "lustre"),
        (b"/scratch/run/a.log", "lustre"),
        (b"/scratchy/run", "ext4"),
        (b"/scratch/with space\\/run", "nfs4"),
        (b"/data/run", "fuse.sshfs"),
    ],
)
def test_the_longest_and_last_mount_covers_a_path(path: bytes, kind: str) -> None:
    assert type_in_table(TABLE, path) == kind


def test_a_real_path_and_a_missing_one_below_it_have_one_type(tmp_path: Path) -> None:
    kind = file_system_type(tmp_path)
    assert kind
    assert file_system_type(tmp_path / "not" / "there") == kind
    assert file_system_type(Path("/proc/self")) == "proc"


@pytest.mark.parametrize(
    ("kind", "network", "announced"),
    [
        ("ext4", False, True),
        ("nfs4", True, False),
        ("fuse.juicefs", True, False),
        ("overlay", False, False),
        ("", False, True),
    ],
)
def test_trust(monkeypatch: pytest.MonkeyPatch, kind: str, network: bool, announced: bool) -> None:
    monkeypatch.setattr(filesystems, "file_system_type", lambda _: kind)
    assert is_network(Path("/x")) is network
    assert announces_writes(Path("/x")) is announced
