"""The shape of a login is read off the bytes of the client payload."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from pyaileys.proto import WAProto_pb2

from actors.connection.trace import login_payload


def test_a_login() -> None:
    made = WAProto_pb2.ClientPayload(username=15550100001, passive=True, pull=True, device=7)
    for name, number in (("primary", 2), ("secondary", 3000), ("tertiary", 1035194821)):
        setattr(made.userAgent.appVersion, name, number)
    made.webInfo.webSubPlatform = 0
    shown = login_payload.shape(made.SerializeToString())
    assert shown["version"] == "2.3000.1035194821"
    assert (shown["passive"], shown["pull"], shown["pairing"]) == (1, 1, False)
    assert {"1", "18"} <= {*shown["fields"]}
    assert "15550100001" not in str(shown)


def test_a_registration() -> None:
    made = WAProto_pb2.ClientPayload(passive=False)
    made.devicePairingData.eRegid = (123456789).to_bytes(4, "big")
    shown = login_payload.shape(made.SerializeToString())
    assert (shown["pairing"], shown["passive"]) == (True, 0)
    assert "19" in shown["fields"]
    assert not any(field.startswith("19.") for field in shown["fields"])


@given(st.binary(max_size=300))
def test_any_bytes_are_read(data: bytes) -> None:
    shown = login_payload.shape(data)
    assert len(shown["fields"]) <= login_payload.MOST_FIELDS
    assert len(str(shown)) < 20_000


@given(st.integers(10_000, 2**63), st.integers(1, 2**60))
def test_large_numbers_and_texts_do_not_come_out(number: int, other: int) -> None:
    """Wherever they stand: a phone number in ``lc`` is none that is shown."""
    made = WAProto_pb2.ClientPayload(lc=number % 2**31 | 2**14, username=other)
    made.pushName = f"zq{number}"
    made.userAgent.phoneId = f"zq{other}"
    shown = login_payload.shape(made.SerializeToString())
    assert "lc" not in shown
    assert "zq" not in str(shown)
    assert shown["fields"] == ["1", "5", "5.9", "7", "24"]
