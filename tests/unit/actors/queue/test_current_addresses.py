from __future__ import annotations

from dataclasses import replace

import pytest

from actors.messages.content import Quote, Reaction, ReadMark, Target, Text, UnknownContent, encode
from actors.queue.current_addresses import addresses, renamed
from tests.unit.actors.queue.mirror.test_mirror_writes import ANA, RECORD

LID = "90000000000002@lid"
NAMES = {LID: ANA, ANA: ANA}


def test_a_record_is_in_the_chat_of_today() -> None:
    record = replace(RECORD, chat=LID)
    assert addresses([record]) == {LID}
    assert renamed(record, NAMES) == RECORD
    assert renamed(RECORD, NAMES) == RECORD


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (Reaction(Target("A", LID), "👍"), Reaction(Target("A", ANA), "👍")),
        (Text("hi", Quote(Target("A", LID), "é")), Text("hi", Quote(Target("A", ANA), "é"))),
        (ReadMark((Target("A", LID),)), ReadMark((Target("A", ANA),))),
        (Reaction(Target("A", None), "@lid"), Reaction(Target("A", None), "@lid")),
    ],
)
def test_addresses_in_the_content_are_renamed_too(before: object, after: object) -> None:
    record = replace(RECORD, content=encode(before))  # type: ignore[arg-type]
    assert renamed(record, NAMES).decoded == after
    known = addresses([record]) - {RECORD.chat}
    assert known == ({LID} if before != after else set())


def test_a_target_of_a_number_for_which_another_one_answers_is_renamed_too() -> None:
    former = "15550100009@s.whatsapp.net"
    record = replace(RECORD, content=encode(Reaction(Target("A", former), "👍")))
    assert former in addresses([record])
    assert renamed(record, {former: ANA, ANA: ANA}).decoded == Reaction(Target("A", ANA), "👍")


@pytest.mark.parametrize("content", ["no JSON @lid", '["@lid"]'])
def test_what_a_newer_release_wrote_is_left_as_it_is(content: str) -> None:
    record = replace(RECORD, content=content)
    assert addresses([record]) == {RECORD.chat}
    assert renamed(record, NAMES) == record
    with pytest.raises(UnknownContent):
        _ = record.decoded
