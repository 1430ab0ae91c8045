"""The sum of a download, in whatever form a vendor gives it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rli_agent.server.install.sums import find_sum, is_sum

SUM = "0123456789abcdef" * 4


@pytest.mark.parametrize(
    "text",
    [
        f"{SUM}  a.tar.gz\n",
        f"{SUM} *a.tar.gz",
        f"{'f' * 64}  b.tar.gz\n{SUM.upper()}  ./dist/a.tar.gz\r\n",
        SUM,
        f"{SUM}\n",
        f'{{"packages": [{{"url": "https://x/b.tar.gz", "sha256": "{"f" * 64}"}}, {{"url": "https://x/a.tar.gz", '
        f'"sha256": "{SUM}"}}]}}',
    ],
)
def test_a_sum_is_found_in_every_form_that_vendors_use(text: str) -> None:
    assert find_sum(text, "a.tar.gz") == SUM


@pytest.mark.parametrize(
    "text",
    [
        "", SUM[1:], f"{SUM}  aa.tar.gz", f"{SUM}  a.tar.gz.sig", f"SHA256 (b.tar.gz) = {SUM}", "<html>404</html>",
        "{", '{"packages": 1}', '{"packages": [1]}', '{"packages": [{"url": "a.tar.gz", "sha256": "no"}]}',
    ],
)  # fmt: skip
def test_no_sum_is_made_up(text: str) -> None:
    assert find_sum(text, "a.tar.gz") is None


@given(st.text(max_size=200))
def test_whatever_a_server_answers_gives_a_sum_or_none(text: str) -> None:
    found = find_sum(text, "a.tar.gz")
    assert found is None or is_sum(found)
