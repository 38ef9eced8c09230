"""Rules of the model test for sends and their owner, which claims them and reports their outcomes."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from actors.queue.outbound_queue import LeaseLost
from tests.integration.queue.desk import ANA, BEN, EVA, LEO, LID
from tests.integration.queue.transitions.model.comparison import Comparison

SECONDS = st.integers(1, 30)
SENDS = st.tuples(
    st.sampled_from((ANA, ANA, ANA, BEN, EVA, LEO, LID, LID)),
    st.sampled_from((0, 5, 5, 9)),
    st.none() | SECONDS,
)
OUTCOMES = ("sent", "waiting", "dead", "kept", "waiting", "dead", "unclaimed", "deferred")


class OwnerRules(Comparison):
    """The path of a message from its acceptance to its outcome."""

    @rule(sends=st.lists(SENDS, min_size=1, max_size=4))
    def accept(self, sends: list[tuple[str, int, int | None]]) -> None:
        for chat, priority, later in sends:
            text, self.accepted = f"{self.accepted:04}", self.accepted + 1
            send_at = None if later is None else self.desk.now + later
            self.model.accept(text, chat, priority, send_at, self.desk.now)
            self.do(self.desk.accept(text, chat, priority=priority, send_at=send_at))

    @rule(sends=st.lists(SENDS, min_size=1, max_size=4), data=st.data())
    def work(self, sends: list[tuple[str, int, int | None]], data: st.DataObject) -> None:
        """The usual work of an owner; the rules alone seldom come in an order that gets this far."""
        self.accept(sends)
        if data.draw(st.booleans(), label="the pace allows one"):
            self.desk.now += max(self.interval, self.gap)
        self.claim(data, 4, ahead=data.draw(st.booleans(), label="ahead"))
        for text in [text for text, epoch in self.given.items() if epoch == self.desk.epoch]:
            if text not in self.given:
                continue  # it was to follow one that failed
            outcome = data.draw(st.sampled_from(OUTCOMES), label="outcome")
            del self.given[text]
            if outcome == "sent":
                self.model.prove(text, "sent")
                self.do(self.desk.complete(text))
            elif outcome == "unclaimed":
                self._unclaim(text, self.desk.epoch)
            elif outcome == "deferred":
                self._defer(text, self.desk.epoch, 5)
                if data.draw(st.booleans(), label="lifted"):
                    self.lift(seconds=3, chat=None)
            elif outcome == "kept":
                self.given[text] = self.desk.epoch
            else:
                self._fail(text, self.desk.epoch, 5 if outcome == "waiting" else None, True)

    @rule(data=st.data(), limit=st.sampled_from((0, 1, 4, 4)), ahead=st.booleans())
    def claim(self, data: st.DataObject, limit: int, *, ahead: bool) -> None:
        """Often with proofs of what this epoch or an older one claimed. Nothing is to follow during joins."""
        ahead = ahead and not self.model.joining
        given = st.lists(st.sampled_from(sorted(self.given)), unique=True, max_size=3)
        sent = data.draw(given, label="sent") if self.given else []
        for text in sent:
            del self.given[text]
            self.model.prove(text, "sent")
        count, heads = self.model.claimable(limit, self.desk.now)
        given = self.do(self.desk.claim(limit, sent=sent, ahead=ahead))
        jobs = [job for job in given if job.text in {head.text for head in heads.values()}]
        assert len(jobs) == len({job.chat for job in jobs})
        # Which head comes first is open, and one that an owner crashed with flies alone.
        if any(head.crashes for head in heads.values()):
            assert len(jobs) <= count
            assert jobs or not count or self.model.flying()
        else:
            assert len(jobs) == count
        for job in jobs:
            assert heads[job.chat].text == job.text
            self.model.claim(job.text, self.desk.now)
            self.given[job.text] = self.desk.epoch
        followers = [job.text for job in given if job not in jobs]
        expected = self.model.followers() if ahead else []
        assert sorted(followers) == sorted(each.text for each in expected)
        for text in followers:
            self.model.claim(text, self.desk.now, ahead=True)
            self.given[text] = self.desk.epoch
        flying = self.model.flying()
        assert len(flying) < 2 or not any(message.crashes for message in flying)

    @rule(data=st.data())
    def claim_with_an_old_epoch(self, data: st.DataObject) -> None:
        """It takes nothing, and its proofs count."""
        sent = []
        proves = data.draw(st.booleans(), label="with a proof")
        if proves and self.given:
            sent = [self._take(data)[0]]
            self.model.prove(sent[0], "sent")
        with pytest.raises(LeaseLost):
            self.do(self.desk.claim(3, sent=sent, epoch=self.desk.epoch - 1))

    def _take(self, data: st.DataObject) -> tuple[str, int]:
        text = data.draw(st.sampled_from(sorted(self.given)), label="text")
        return text, self.given.pop(text)

    @precondition(lambda self: self.given)
    @rule(data=st.data())
    def complete(self, data: st.DataObject) -> None:
        """Also late, for an older epoch, after a receipt, a cancel or a death: proof counts."""
        text, epoch = self._take(data)
        self.model.prove(text, "sent")
        self._may_be_late(self.desk.complete(text, epoch=epoch), epoch)

    @precondition(lambda self: self.given)
    @rule(data=st.data(), retry_in=st.none() | SECONDS, uncertain=st.booleans())
    def fail(self, data: st.DataObject, retry_in: int | None, *, uncertain: bool) -> None:
        text, epoch = self._take(data)
        self._fail(text, epoch, retry_in, uncertain)

    def _fail(self, text: str, epoch: int, retry_in: int | None, uncertain: bool) -> None:
        due = None if retry_in is None else self.desk.now + retry_in
        behind = self._behind(text)
        failing = self.desk.fail(
            text, retry_in=retry_in, uncertain=uncertain, epoch=epoch, behind=behind
        )
        answer = self._may_be_late(failing, epoch)
        if epoch == self.desk.epoch:
            now = self.desk.now
            assert answer == self.model.fail(text, due=due, uncertain=uncertain, now=now)
            if answer == "waiting":
                self._put_down(behind)

    @precondition(lambda self: self.given)
    @rule(data=st.data())
    def unclaim(self, data: st.DataObject) -> None:
        self._unclaim(*self._take(data))

    def _unclaim(self, text: str, epoch: int) -> None:
        behind = self._behind(text)
        self._may_be_late(self.desk.unclaim(text, epoch=epoch, behind=behind), epoch)
        if epoch == self.desk.epoch:
            self.model.unclaim(text)
            self._put_down(behind)

    @precondition(lambda self: self.given)
    @rule(data=st.data(), seconds=SECONDS)
    def defer(self, data: st.DataObject, seconds: int) -> None:
        self._defer(*self._take(data), seconds)

    def _defer(self, text: str, epoch: int, seconds: int) -> None:
        until, behind = self.desk.now + seconds, self._behind(text)
        deferring = self.desk.defer(text, until, epoch=epoch, behind=behind)
        self._may_be_late(deferring, epoch)
        if epoch == self.desk.epoch:
            self.model.defer(text, until)
            self._put_down(behind)

    @rule(seconds=st.integers(-5, 30), chat=st.none() | st.sampled_from((ANA, BEN)))
    def lift(self, seconds: int, chat: str | None) -> None:
        """It ends sooner or later than was announced, or one chat is free of it."""
        until = self.desk.now + (seconds if chat is None else 0)
        self.model.lift(until, chat)
        self.do(self.desk.lift(until) if chat is None else self.desk.lift_chat(chat))

    def _put_down(self, texts: list[str]) -> None:
        for text in texts:
            self.given.pop(text, None)

    def _behind(self, text: str) -> list[str]:
        message = self.model.messages[text]
        flies = message.status == "sending" and not message.ahead
        follower = self.model.following(message.chat) if flies else None
        return [] if follower is None else [follower.text]
