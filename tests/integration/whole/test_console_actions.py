"""Actions on messages in the console's conversations, in a browser on a whole instance, by the keyboard."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from tests.integration.whole.messages.test_kinds import says, sends
from tests.integration.whole.shop import CONTACT, SHOP, becomes
from tests.processes.browser import APPEARANCE, DESK, PHONE, chromium, violations
from tests.processes.instance import API_KEY, Instance
from tests.waits import until

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from playwright.sync_api import Locator, Page, ViewportSize

pytestmark = [pytest.mark.timeout(240), pytest.mark.usefixtures("is_open")]

PAGE_MS = 20_000  # milliseconds
THREAD = f"/console/conversations/{SHOP}/{CONTACT}@s.whatsapp.net"
OTHER = "15550100003"


@pytest.fixture(scope="module")
def page(instance: Instance) -> Iterator[Page]:
    """Somebody who is logged in; whatever runs wrong in a page fails the module."""
    becomes(instance, "open", None)
    errors: list[str] = []
    with chromium() as browser:
        context = browser.new_context(
            viewport=DESK, base_url=f"http://127.0.0.1:{instance.port}", reduced_motion="reduce"
        )
        context.set_default_timeout(PAGE_MS)
        opened = context.new_page()
        opened.on("pageerror", lambda error: errors.append(str(error)))
        opened.goto("/")
        opened.get_by_label("API key").fill(API_KEY)
        opened.get_by_role("button", name="Log in").click()
        opened.get_by_role("heading", name="Connections").wait_for()
        yield opened
    assert not errors


def newest(instance: Instance, kind: str) -> dict[str, Any]:
    """The newest of that kind that the contact got."""
    found: dict[str, Any] = until(
        f"a {kind} arrives",
        lambda: next((one for one in reversed(instance.inbox(CONTACT)) if one["type"] == kind), None),
        15,
    )  # fmt: skip
    return found


def got(instance: Instance, kind: str, text: str | None = None, **target: str) -> dict[str, Any]:
    """The message of that kind and text that the contact got, about the message with the `target`."""

    def look() -> dict[str, Any] | None:
        for one in instance.inbox(CONTACT):
            about = (one["content"] or {}).get("target" if "target" in target else "reply_to") or {}
            wanted = target.get("target") or target.get("reply_to")
            if (one["type"], one["text"]) == (kind, text) and about.get("id") == wanted:
                return one
        return None

    found: dict[str, Any] = until(f"{kind} {text} arrives", look, 15)
    return found


def opened(page: Page, words: str) -> Locator:
    """The dialog of the message with these words, opened by the keyboard."""
    opener = page.locator(".message", has_text=words).get_by_role("button", name="Actions")
    opener.last.focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    dialog.get_by_text(words).wait_for()
    return dialog


def test_a_message_is_answered(instance: Instance, page: Page) -> None:
    asked = says(instance, text="at noon?")
    page.goto(THREAD)
    composer = page.locator("#text")
    opened(page, "at noon?")
    assert page.evaluate("document.activeElement.textContent") == "Reply"
    page.keyboard.press("Enter")
    expect(composer).to_be_focused()
    page.get_by_text("Reply to").wait_for()
    # Escape has the next message stand for itself again.
    page.keyboard.press("Escape")
    page.get_by_text("Reply to").wait_for(state="hidden")
    opened(page, "at noon?")
    page.keyboard.press("Enter")
    page.keyboard.type("at one")
    page.keyboard.press("Enter")
    mine = page.locator(".message.out", has_text="at one")
    mine.locator(".quoted", has_text="at noon?").wait_for()
    got(instance, "text", "at one", reply_to=asked["message_id"])
    assert not page.get_by_text("Reply to").is_visible()
    # The link in a quote leads to the message.
    mine.locator(".quoted a").click()
    target = page.locator(f"#m-{asked['id'].replace('.', chr(92) + '.')}:target")
    expect(target).to_have_count(1)


def test_a_message_gets_a_reaction_that_is_taken_back(instance: Instance, page: Page) -> None:
    said = says(instance, text="react to this")
    page.goto(THREAD)
    message = page.locator(".message", has_text="react to this")
    opened(page, "react to this").get_by_role("button", name="Heart").press("Enter")
    got(instance, "reaction", "\N{HEAVY BLACK HEART}\ufe0f", target=said["message_id"])
    message.locator(".reactions").wait_for()
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(message.get_by_role("button", name="Actions")).to_be_focused()
    dialog = opened(page, "react to this")
    expect(dialog.get_by_role("button", name="Heart")).to_have_attribute("aria-pressed", "true")
    dialog.get_by_role("button", name="Take the reaction back").press("Enter")
    message.locator(".reactions").wait_for(state="detached")


def test_a_message_is_pinned_and_the_pin_is_taken_back(instance: Instance, page: Page) -> None:
    said = says(instance, text="pin this")
    page.goto(THREAD)
    pinned = page.locator(".message", has_text="pin this").locator(".meta", has_text="pinned")
    dialog = opened(page, "pin this")
    dialog.locator("summary", has_text="Pin").press("Enter")
    expect(dialog.get_by_role("button", name="Take the pin back")).to_be_hidden()
    dialog.get_by_role("button", name="7 days").press("Enter")
    pinned.wait_for()
    got(instance, "pin", None, target=said["message_id"])
    assert newest(instance, "pin")["content"]["seconds"] == 604_800
    dialog = opened(page, "pin this")
    dialog.locator("summary", has_text="Pin").press("Enter")
    dialog.get_by_role("button", name="Take the pin back").press("Enter")
    pinned.wait_for(state="detached")
    assert newest(instance, "pin")["content"]["seconds"] == 0


def test_own_words_are_edited_and_deleted(instance: Instance, page: Page) -> None:
    sent = sends(instance, text="tipped *wrong*")
    page.goto(THREAD)
    composer = page.locator("#text")
    composer.fill("half a sent")
    opened(page, "tipped").get_by_role("button", name="Edit").press("Enter")
    expect(composer).to_have_value("tipped *wrong*")
    composer.fill("typed right")
    composer.press("Enter")
    message = page.locator(".message.out", has_text="typed right")
    message.get_by_text("edited").wait_for()
    got(instance, "edit", "typed right", target=sent["message_id"])
    expect(composer).to_have_value("half a sent")
    dialog = opened(page, "typed right")
    dialog.locator("summary", has_text="Delete").press("Enter")
    dialog.get_by_role("button", name="Delete for everyone").press("Enter")
    page.locator(".message.out", has_text="Deleted by its sender").wait_for()
    got(instance, "delete", None, target=sent["message_id"])
    assert not page.get_by_text("typed right").is_visible()


def test_of_others_only_what_may_be_done_is_offered(instance: Instance, page: Page) -> None:
    says(instance, text="not ours")
    page.goto(THREAD)
    dialog = opened(page, "not ours")
    for offered in ("Edit", "Delete"):
        assert not dialog.get_by_text(offered, exact=True).is_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    opener = page.locator(".message", has_text="not ours").get_by_role("button", name="Actions")
    expect(opener).to_be_focused()


def test_a_message_is_forwarded(instance: Instance, page: Page) -> None:
    says(instance, text="read this")
    page.goto(THREAD)
    page.locator("#text").fill("half a sent")
    dialog = opened(page, "read this")
    dialog.locator("summary", has_text="Forward").press("Enter")
    number = dialog.get_by_label("To a number or group")
    number.fill("12")
    number.press("Enter")
    dialog.get_by_text("a phone number has 7 to 15 digits").wait_for()
    assert number.input_value() == "12", "what was typed stays"
    number.fill("+1 (555) 010-0003")
    number.press("Enter")
    expect(dialog).to_be_hidden()
    expect(page.locator("#done")).to_have_text("Forwarded.")
    assert page.locator("#text").input_value() == "half a sent"
    until(
        "it arrived",
        lambda: [one for one in instance.inbox(OTHER) if one["text"] == "read this"],
        15,
    )


def test_a_vote_is_cast_and_taken_back(instance: Instance, page: Page) -> None:
    poll = says(instance, type="poll", text="Tea?", options=["yes", "no"], selectable=1)
    page.goto(THREAD)
    shown = page.get_by_role("group", name="Tea?").last
    form = page.locator("form", has=shown)
    shown.get_by_label("no").check()
    form.get_by_role("button", name="Vote").press("Enter")
    form.get_by_role("button", name="Take the vote back").wait_for()
    assert newest(instance, "vote")["content"]["options"] == ["no"]
    expect(shown.get_by_label("no 1")).to_be_checked()
    form.get_by_role("button", name="Take the vote back").press("Enter")
    form.get_by_role("button", name="Take the vote back").wait_for(state="detached")
    assert not instance.message(poll["id"])["votes"][0]["options"]
    many = sends(instance, type="poll", question="When?", options=["now", "soon"], choices=2)
    when = page.get_by_role("group", name="When?").last
    for option in ("now", "soon"):
        when.get_by_label(option).check()
    page.locator("form", has=when).get_by_role("button", name="Vote").press("Enter")
    until(
        "both count",
        lambda: (
            [one["options"] for one in instance.message(many["id"])["votes"]] == [["now", "soon"]]
        ),
        15,
    )


def test_axe_finds_nothing_in_an_open_dialog(instance: Instance, page: Page) -> None:
    """At a desk in light colours, and on a phone in dark ones."""
    sends(instance, text="an own one")
    page.goto(THREAD)
    dialog = opened(page, "an own one")
    for summary in ("Forward", "Pin", "Delete"):
        dialog.locator("summary", has_text=summary).press("Enter")
        for size, rules in looks(page):
            assert not violations(page, rules=rules)
            box = dialog.bounding_box()
            assert box
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= size["width"]
    dialog.get_by_role("button", name="Reply").press("Enter")
    for _, rules in looks(page):
        assert not violations(page, rules=rules)
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


def looks(page: Page) -> Iterator[tuple[ViewportSize, Sequence[str]]]:
    """The page at a desk and on a phone: its size, and the rules of axe that may find something new."""
    page.emulate_media(color_scheme="light")
    page.set_viewport_size(DESK)
    yield DESK, ()
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size(PHONE)
    yield PHONE, APPEARANCE
