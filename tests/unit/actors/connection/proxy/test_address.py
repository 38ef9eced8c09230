"""URLs of proxies: which are read, and that none of their secrets is shown."""

from __future__ import annotations

import re

import pytest

from actors.connection.proxy.address import (
    PROXY_PATTERN,
    SHOWN_PATTERN,
    InvalidProxy,
    ProxyAddress,
    parse,
    shown,
)


@pytest.mark.parametrize(
    ("url", "address", "as_shown"),
    [
        ("http://10.0.0.1:3128", ("http", "10.0.0.1", 3128, None, None), "http://10.0.0.1:3128"),
        ("socks5://p.example:1080/", ("socks5", "p.example", 1080, None, None), None),
        ("socks5h://p.example:1080", ("socks5", "p.example", 1080, None, None), None),
        (
            "http://shop:s3cret@p.example:65535",
            ("http", "p.example", 65535, "shop", "s3cret"),
            "http://***:***@p.example:65535",
        ),
        (
            "socks5://us%40er:p%3Aw%2F%20d@[::1]:1",
            ("socks5", "::1", 1, "us@er", "p:w/ d"),
            "socks5://***:***@[::1]:1",
        ),
    ],
)
def test_a_proxy_is_read(url: str, address: tuple[object, ...], as_shown: str | None) -> None:
    found = parse(url)
    assert found == ProxyAddress(*address)  # type: ignore[arg-type]
    assert re.fullmatch(PROXY_PATTERN, url)
    if as_shown is not None:
        assert (found.shown, shown(url)) == (as_shown, as_shown)
    assert "s3cret" not in repr(found)
    assert parse(found.url) == found


@pytest.mark.parametrize(
    "url",
    [
        "",
        "p.example:1080",
        "https://p.example:1080",
        "socks4://p.example:1080",
        "ftp://p.example:1080",
        "http://p.example",
        "http://p.example:0",
        "http://p.example:65536",
        "http://p.example:80/path",
        "http://p.example:80?query",
        "http://p.example:80#fragment",
        "http://:1080",
        "http://[zz]:1080",
        "http://[::::]:1080",
        "socks5://s3cret@p.example:1080",
        "socks5://s3cret:@p.example:1080",
        "socks5://:s3cret@p.example:1080",
        "socks5://s3cret:s3cret%0d@p.example:1080",
        "socks5://s3cret:s3 cret@p.example:1080",
        "socks5://s3cret:s3@cret@p.example:1080",
        "http://p.example:1080\n",
        "http://" + "s3cret" * 50 + ":p@p.example:1",
        "http://***:***@p.example:1080",
        "http://p" + "p" * 2048 + ":1",
    ],
)
def test_what_is_no_proxy_is_refused_with_a_sentence_that_quotes_nothing(url: str) -> None:
    with pytest.raises(InvalidProxy) as refused:
        parse(url)
    assert "s3cret" not in str(refused.value)
    assert shown(url) == "***"


def test_a_url_as_answers_show_it_is_refused_and_the_document_says_so() -> None:
    url = parse("http://shop:s3cret@p.example:1080").shown
    assert re.match(SHOWN_PATTERN, url)
    with pytest.raises(InvalidProxy, match="answers show stars"):
        parse(url)
    assert parse("http://%2A%2A%2A:***@p.example:1080").password == "***"


def test_a_user_without_a_password_is_refused() -> None:
    with pytest.raises(InvalidProxy, match="a user needs a password"):
        parse("http://shop@p.example:1080")


def test_nothing_is_shown_of_no_proxy() -> None:
    assert shown(None) is None
