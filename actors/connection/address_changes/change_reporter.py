"""Reports to Redis which chats changed address (LID, phone number), and has the queue join a person's two lanes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Literal

from actors.connection.address_changes.port import NameChange
from actors.connection.engine import NotConnected
from actors.connection.session.file import SessionUnavailable
from actors.queue.outbound_queue import LeaseLost
from actors.redis.client import RedisAway

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from actors.connection.address_changes.port import NamedChats
    from actors.queue.outbound_queue import ClaimedMessage, OutboundQueue, Renamed

NAMES_PER_REPORT: Final = 200
"""Names that one round reports, in one round trip."""


class ChangeReporter:
    """Every name that the session learnt is in Redis before the next claim (G4).

    A round of `step` is due while `waits`; until it succeeds the owner claims nothing. A name is reported
    again after a crash, and where Redis lost all: Redis has the number of the last one whose lanes are one.
    A join that an earlier owner began is finished, also where the session is an older copy without that name.
    """

    def __init__(
        self,
        owner: tuple[str, int],
        engine: NamedChats,
        lanes: OutboundQueue,
        on_joined: Callable[[str], None],
        on_lost: Callable[[str], None],
    ) -> None:
        """`owner` is a connection and the epoch under which it is served.

        `on_joined` is called with a chat whose lane another one joined, `on_lost` as the sender's.
        """
        self._owner = owner
        self._engine, self._names = engine, engine.names
        self._lanes = lanes
        self._on_joined, self._on_lost = on_joined, on_lost
        self._at_start = engine.names.renamed_to
        self._reported: int | None = None
        self._noted = 0
        self._joining: dict[str, NameChange] = {}
        self._inherited: dict[str, str] = {}
        self._put_down: dict[str, list[str]] = {}
        self._written_to: set[str] = set()

    @property
    def named(self) -> bool:
        """Whether Redis has all names that the engine learnt."""
        return self._reported is not None and self._names.renamed_to <= self._reported

    @property
    def unfinished(self) -> bool:
        """Whether a join of lanes is not done yet."""
        return len(self._joining) > 0

    @property
    def waits(self) -> bool:
        """Whether there is something for `step` to do."""
        return self.unfinished or not self.named or not self._is_noted

    def check(self, chat: str) -> None:
        """Raises `NotConnected` where Redis lacks a name, be it that of a claimed message's chat.

        The message goes back, unattempted, and is claimed again at its place once Redis has the name. So does
        one whose send is what finds the name.
        """
        if self._names.chat_today(chat) != chat:
            self.request_names([chat])
            raise NotConnected
        if not self.named:
            raise NotConnected

    def request_names(self, chats: Iterable[str]) -> None:
        """Have the next round report today's names of these chats, unchanged ones too."""
        for chat in chats:
            self._joining.setdefault(chat, NameChange(self._reported or 0, chat, chat))

    async def step(
        self, following: dict[str, list[ClaimedMessage]]
    ) -> Literal["done", "more", "away"]:
        """Report to Redis the names that it lacks, where `waits`; ``more``: the next round is due at once.

        `following` has, by chat, messages that the owner claimed to follow one in flight: those of chats that
        join are taken out, and go back into their lane.
        """
        if not self.waits:
            return "done"
        try:
            return "more" if await self._step(following) else "done"
        except RedisAway:
            return "away"
        except LeaseLost:
            self._on_lost("lost")
            return "away"

    async def _step(self, following: dict[str, list[ClaimedMessage]]) -> bool:
        if self._reported is None:
            reported = await self._lanes.joins.noted_renames(self._owner[0])
            # An older copy of a session knows other names by the same numbers, and fewer of them.
            self._reported = self._noted = reported if reported <= self._at_start else 0
            if reported > self._reported:
                await self._lanes.joins.note_renamed(
                    *self._owner, 0
                )  # or the next owner skips the names of this round
            self._inherited = await self._lanes.joins.unfinished(self._owner[0])
            self.request_names(self._inherited)
        news, learnt = (
            self._names.renamings(self._reported, NAMES_PER_REPORT),
            self._names.renamed_to,
        )
        again = (each._replace(new=self._name(each.old)) for each in self._joining.values())
        round_ = {each.old: each for each in (*again, *news)}
        for each in round_.values():
            taken = [*following.pop(each.old, ()), *following.pop(each.new, ())]
            self._put_down.setdefault(each.old, []).extend(job.id for job in taken)
        answers = await asyncio.gather(*map(self._rename, round_.values()), return_exceptions=True)
        more = len(news) == NAMES_PER_REPORT
        for each, renamed in zip(round_.values(), answers, strict=True):
            if isinstance(renamed, BaseException):
                continue
            del self._put_down[each.old]
            self._follow(each, renamed)
            more |= renamed.progress == "more"
        for failed in answers:
            if isinstance(failed, BaseException):
                raise failed
        if news:
            self._reported = news[-1].number
        elif self._reported < learnt:
            self._reported = learnt  # what came between was forgotten at a logout
        await self._note()
        return more

    def _name(self, chat: str) -> str:
        """The chat's address today; by an earlier owner's session where this one, an older copy, has none."""
        today = self._names.chat_today(chat)
        return self._inherited.get(chat, chat) if today == chat else today

    async def _rename(self, each: NameChange) -> Renamed:
        put_down = self._put_down[each.old]
        return await self._lanes.joins.rename(*self._owner, each.old, each.new, put_down=put_down)

    def _follow(self, each: NameChange, renamed: Renamed) -> None:
        if renamed.written_to:
            self._written_to.add(each.old)
        if renamed.progress == "done":
            self._joining.pop(each.old, None)
            self._inherited.pop(each.old, None)
            if renamed.joined:
                self._on_joined(each.new)
        else:
            self._joining[each.old] = each

    @property
    def _finished(self) -> int:
        """The number of the last name that is reported and whose lanes are one, as are those before it."""
        reported = self._reported or 0
        return min([reported, *(each.number - 1 for each in self._joining.values())])

    @property
    def _is_noted(self) -> bool:
        return self._noted >= self._finished and not self._written_to

    async def _note(self) -> None:
        if self._is_noted:
            return
        try:
            pairs = [(old, self._names.chat_today(old)) for old in self._written_to]
            if renamed := [(old, new) for old, new in pairs if new != old]:
                await self._engine.merge(renamed)
        except SessionUnavailable:
            return  # a full disk: the next round tries again
        finished, written_to = max(self._noted, self._finished), list(self._written_to)
        await self._lanes.joins.note_renamed(*self._owner, finished, written_to)
        self._noted = finished
        self._written_to.clear()
