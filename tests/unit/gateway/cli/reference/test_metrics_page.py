"""`docs/metrics.md` has a row for each metric, made of its declaration."""

from __future__ import annotations

import pytest

from gateway.cli.reference import metrics_page
from gateway.cli.reference.settings_page import REPOSITORY

PAGE = (REPOSITORY / "docs" / "metrics.md").read_text()


def test_the_page_is_current() -> None:
    assert metrics_page.markdown(PAGE) == PAGE, "`make docs`"


@pytest.mark.parametrize(
    "name",
    [
        "teimoso_messages_received_total",
        "teimoso_messages_sent_total",
        "teimoso_queue_messages",
        "teimoso_http_request_duration_seconds",
        "teimoso_webhook_held_chats",
    ],
)
def test_a_row_is_made_of_its_declaration(name: str) -> None:
    (row,) = [line for line in PAGE.splitlines() if line.startswith(f"| `{name}`")]
    bare = PAGE.replace(row, f"| `{name}` |")
    assert bare != PAGE
    assert metrics_page.markdown(bare) == PAGE


@pytest.mark.parametrize(
    "page",
    [PAGE.replace("| `teimoso_redis_up`", "| x"), PAGE + "| `teimoso_moods` | gauge | | |\n"],
)
def test_a_metric_without_a_row_and_a_row_without_a_metric_are_named(page: str) -> None:
    with pytest.raises(ValueError, match=r"teimoso_redis_up|teimoso_moods"):
        metrics_page.markdown(page)
