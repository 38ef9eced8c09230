"""Mentions between the service's addresses and those of a group on the wire."""

from __future__ import annotations

import pytest

from actors.connection.engine import SendError
from actors.connection.protocol.identities.addresses import Address
from actors.connection.protocol.mentions import received, sent
from actors.connection.protocol.wire_format.nodes import proto
from actors.messages.content import EVERYBODY, MOST_MENTIONS, Mentions

ANA, BEN, CARA = (f"1555010000{n}@s.whatsapp.net" for n in (2, 3, 4))
ANA_LID, BEN_LID = "90000000000002@lid", "90000000000003@lid"
LIDS = {ANA_LID: ANA, BEN_LID: BEN}


def canonical(address: Address) -> Address:
    known = str(address.canonical)
    return Address.parse(LIDS.get(known, known))


def members(*pairs: tuple[str, str]) -> dict[Address, Address]:
    return {Address.parse(one): Address.parse(other) for one, other in pairs}


BY_LID = members((ANA, ANA_LID), (BEN, BEN_LID))
BY_NUMBER = members((ANA, ANA), (BEN, BEN))


@pytest.mark.parametrize(
    ("mentions", "group", "addresses", "text"),
    [
        pytest.param(None, BY_LID, (), "@15550100003 hi", id="nobody"),
        pytest.param((BEN,), BY_NUMBER, (BEN,), "@15550100003 hi", id="by number"),
        pytest.param((BEN,), BY_LID, (BEN_LID,), "@90000000000003 hi", id="by LID"),
        pytest.param((BEN_LID,), BY_LID, (BEN_LID,), "@90000000000003 hi", id="named by LID"),
        pytest.param((BEN_LID,), BY_NUMBER, (BEN,), "@15550100003 hi", id="a LID, by number"),
        pytest.param((BEN, BEN_LID), BY_LID, (BEN_LID,), "@90000000000003 hi", id="twice"),
        pytest.param((ANA,), BY_LID, (ANA_LID,), "@15550100003 hi", id="another in the text"),
        pytest.param(EVERYBODY, BY_LID, (ANA_LID, BEN_LID), "@90000000000003 hi", id="all"),
    ],
)
def test_a_group_reads_its_own_addresses(
    mentions: Mentions | None, group: dict[Address, Address], addresses: tuple[str, ...], text: str
) -> None:
    found = sent(mentions, group, canonical)
    assert found.addresses == addresses
    assert found.text("@15550100003 hi") == text


@pytest.mark.parametrize("group", [BY_NUMBER, BY_LID, {}])
def test_somebody_who_is_not_in_the_group_is_refused_for_good(
    group: dict[Address, Address],
) -> None:
    with pytest.raises(SendError) as refused:
        sent((CARA,), group, canonical)
    assert (refused.value.code, refused.value.permanent) == ("mention_not_in_group", True)


def test_digits_within_longer_ones_are_no_mention() -> None:
    found = sent((BEN,), BY_LID, canonical)
    same = "@155501000031 15550100003 @ 15550100003 @+15550100003"
    assert found.text(same) == same
    assert found.text("a@15550100003b, @15550100003.") == "a@90000000000003b, @90000000000003."


@pytest.mark.parametrize(
    ("listed", "everybody", "mentions", "text"),
    [
        pytest.param([], 0, None, "@90000000000003", id="nobody"),
        pytest.param([BEN], 0, (BEN,), "@90000000000003", id="by number"),
        pytest.param([BEN_LID, BEN], 0, (BEN,), "@15550100003", id="by LID"),
        pytest.param(["90000000000003:2@lid"], 0, (BEN,), "@15550100003", id="by a device"),
        pytest.param(
            ["90000000000009@lid"], 0, ("90000000000009@lid",), "@90000000000003", id="hidden"
        ),
        pytest.param(
            ["", "x", "120363000000000001@g.us"], 0, None, "@90000000000003", id="no people"
        ),
        pytest.param([BEN_LID], 1, EVERYBODY, "@15550100003", id="all"),
    ],
)
def test_a_message_is_read_with_canonical_addresses(
    listed: list[str], everybody: int, mentions: Mentions | None, text: str
) -> None:
    context = proto.ContextInfo(mentionedJid=listed, nonJidMentions=everybody)
    found, mentioned = received(context, canonical)
    assert found == mentions
    assert mentioned.text("@90000000000003") == text


def test_no_more_people_are_read_than_a_group_has() -> None:
    many = [f"1555{n:07}@s.whatsapp.net" for n in range(MOST_MENTIONS + 1)]
    found, _ = received(proto.ContextInfo(mentionedJid=many), canonical)
    assert found == tuple(many[:-1])
