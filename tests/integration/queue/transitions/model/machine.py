"""All rules of the model test: those of the owner, calls of others, deaths, time and names."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from actors.queue.outbound_queue import NotCancellable, NotDead, Which
from actors.runtime.limits.durations import DAY
from tests.integration.queue.desk import ANA, BEN, EVA, LEO, LID, SHOP
from tests.integration.queue.transitions.model.owner_rules import SECONDS, OwnerRules

KILLS = 1  # of the server in one run: each takes a while
NAMES = ((LID, ANA), (LID, ANA), (LEO, EVA), (ANA, EVA), (LEO, LEO))


class Machine(OwnerRules):
    """The state machine with all rules."""

    @precondition(lambda self: self.model.messages)
    @rule(data=st.data(), status=st.sampled_from(("delivered", "read")))
    def receipt(self, data: st.DataObject, status: str) -> None:
        text = self._any(data)
        self.model.prove(text, status)
        self.do(self.desk.receipt(text, status))

    @precondition(lambda self: self.model.messages)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        text = self._any(data)
        if self.model.cancel(text):
            self.do(self.desk.cancel(text))
        else:
            with pytest.raises(NotCancellable):
                self.do(self.desk.cancel(text))

    @precondition(lambda self: self.model.messages)
    @rule(data=st.data())
    def redrive(self, data: st.DataObject) -> None:
        dead = [text for text, one in self.model.messages.items() if one.status == "dead"]
        text = data.draw(st.sampled_from(dead), label="dead") if dead else self._any(data)
        self.desk.now += 1  # a repetition is known by its time
        if self.model.retry(text):
            self.do(self.desk.retry(text))
        else:
            with pytest.raises(NotDead):
                self.do(self.desk.retry(text))

    @rule()
    def redrive_all(self) -> None:
        self.desk.now += 1
        count = self.do(self.desk.lanes.dead_letters.retry_all(SHOP, self.desk.now))
        assert count == self.model.retry_all()

    @rule(chat=st.none() | st.sampled_from((ANA, BEN)), limit=st.none() | st.integers(1, 3))
    def redrive_by_filter(self, chat: str | None, limit: int | None) -> None:
        self.desk.now += 1
        which = Which(chat=chat, code="ack_timeout")
        found = self.do(
            self.desk.lanes.dead_letters.redrive(SHOP, which, limit=limit, now=self.desk.now)
        )
        assert found.count == self.model.redrive(chat, "ack_timeout", limit)

    @rule(seconds=st.sampled_from((0, 0, 20)))
    def prune(self, seconds: int) -> None:
        """Letters that died longer ago leave the list; each can still be sent again by its id."""
        self.desk.now += 1
        now = self.desk.now
        pruned = self.do(self.desk.lanes.dead_letters.prune(SHOP, seconds / DAY, now))
        assert pruned == self.model.prune(now - seconds)

    def _any(self, data: st.DataObject) -> str:
        text: str = data.draw(st.sampled_from(sorted(self.model.messages)), label="text")
        return text

    @rule(data=st.data())
    def crash_twice(self, data: st.DataObject) -> None:
        """A message that flies alone both times is poison."""
        self.take("crashed")
        for _ in range(2):
            self.claim(data, 1, ahead=False)
            self.take("hung")

    @rule(how=st.sampled_from([None, "crashed"]))
    def take(self, how: str | None) -> None:
        self.model.take(self.desk.now, seen=how is not None)
        self.do(self.desk.take(how))

    @rule(seconds=SECONDS)
    def pass_time(self, seconds: int) -> None:
        self.desk.now += seconds

    @precondition(lambda self: not self.interval and not self.gap)
    @rule(seconds=SECONDS)
    def set_the_clock_back(self, seconds: int) -> None:
        # By a fraction more each time, so that no time comes again: a redrive is known by its own.
        self.backs += 1
        self.desk.now -= seconds + self.backs / 64

    @rule()
    def promote(self) -> None:
        self.model.follow_clock(self.desk.now)
        due = self.do(self.desk.lanes.promote(SHOP, self.desk.now))
        self.model.promote(self.desk.now)
        gaps = {at for at in self.model.gaps.values() if at > self.desk.now}
        assert due == self.model.next_due() or due in gaps

    @rule()
    def mirror(self) -> None:
        self.do(self.mirror_all())

    @rule()
    def pass_a_day(self) -> None:
        """Finished messages leave, but for those that the state store lacks."""
        self.model.follow_clock(self.desk.now)
        self.model.promote(self.desk.now)
        gone = self.model.forget(self.do(self.marked()))
        ids = [self.desk.ids.pop(text) for text in gone]
        self.do(self.desk.pass_day())
        for text, id_ in zip(gone, ids, strict=True):
            self.given.pop(text, None)
            assert self.do(self.desk.lanes.reader.get(id_)) is None

    @precondition(lambda self: self.kills < KILLS)
    @rule()
    def kill_the_server(self) -> None:
        self.kills += 1
        self.server.kill()
        self.server.start()

    @rule(names=st.sampled_from(NAMES), put_down=st.booleans())
    def rename(self, names: tuple[str, str], *, put_down: bool) -> None:
        """Two addresses turn out to be one person's, or one is its own again."""
        behind = [
            each.text
            for chat in names
            if put_down and (each := self.model.following(chat)) is not None
        ]
        progress = self.do(self.desk.rename(*names, behind=behind))
        assert progress == self.model.rename(*names, behind)
        for text in behind:
            self.given.pop(text, None)

    @precondition(lambda self: self.model.joining)
    @rule()
    def go_on_with_joins(self) -> None:
        for names in list(self.model.joining.items()):
            self.rename(names, put_down=False)
