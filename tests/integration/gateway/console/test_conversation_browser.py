"""The console's conversations in a browser: texts, pictures that come late, files before they are sent."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from actors.messages.content import File, Image, pack
from actors.state.open_store import open_documents
from gateway.console.pages.conversations import LISTED
from tests.integration.gateway.api.chats.test_chat_list import person, say
from tests.integration.gateway.served import KEY, Gateway
from tests.processes.browser import DESK, PHONE, apart, chromium, png, violations
from tests.waits import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import FilePayload, Page, Route, ViewportSize

LIST = "/console/conversations/shop"
PAGE_MS = 30_000
LATE = 8
"""Pictures that are on one screen until they are there."""


@pytest.fixture(scope="module")
def page(gateway: Gateway) -> Iterator[Page]:
    with chromium() as browser:
        context = browser.new_context(
            base_url=f"http://127.0.0.1:{gateway.port}", viewport=DESK, reduced_motion="reduce"
        )
        context.set_default_timeout(PAGE_MS)
        opened = context.new_page()
        opened.goto("/")
        opened.get_by_label("API key").fill(KEY)
        opened.get_by_role("button", name="Log in").click()
        opened.get_by_role("heading", name="Connections").wait_for()
        yield opened


def said(gateway: Gateway, chat: str, *texts: str) -> None:
    """Store messages of the person, in this order."""

    async def store() -> None:
        documents = open_documents(gateway.settings)
        try:
            for number, text in enumerate(texts):
                await say(documents, int(chat[7:11]) * 100 + number, chat, text)
        finally:
            await documents.close()

    apart(asyncio.run, store())


def test_texts_are_formatted_and_run_nothing(gateway: Gateway, page: Page) -> None:
    chat = person(5001)
    harmful = "<img src=x onerror='window.ran=1'> javascript:window.ran=1 "
    said(
        gateway, chat,
        f"*bold* _it_ ~no~ ```mono``` {harmful}https://example.com/a_b_c.",
        "> asked\n- one\n- two\n\u05e9\u05dc\u05d5\u05dd 1, 2 (ok)",
    )  # fmt: skip
    page.goto(f"{LIST}/{chat}")
    text = page.locator(".message .text").first
    for tag, words in (("strong", "bold"), ("em", "it"), ("s", "no"), ("code", "mono")):
        assert text.locator(tag).inner_text() == words
    link = text.get_by_role("link")
    assert link.get_attribute("href") == "https://example.com/a_b_c"
    assert link.get_attribute("rel") == "noopener"
    assert text.locator("img").count() == 0
    assert page.evaluate("window.ran") is None
    second = page.locator(".message .text").last
    assert second.locator("li").all_inner_texts() == ["one", "two"]
    assert second.locator("blockquote").inner_text() == "asked"
    # Each line has its own direction, whatever stands before it.
    directions = second.locator("> *").evaluate_all(
        "all => all.map(one => one.matches(':dir(rtl)'))"
    )
    assert directions == [False, False, True]
    assert not violations(page)


def test_a_conversation_opens_at_its_end_also_when_pictures_come_late(
    gateway: Gateway, page: Page
) -> None:
    chat, picture = person(5002), png(200, 900)

    async def store() -> None:
        documents = open_documents(gateway.settings)
        image = pack(Image(File("0" * 64, len(picture), "image/png")))
        fields = {"type": "image", "content": image, "media": {"state": "stored"}}
        try:
            for number in range(40):
                await say(documents, 500_200 + number, chat, f"picture {number}", **fields)
        finally:
            await documents.close()

    apart(asyncio.run, store())
    held: list[Route] = []
    late = True

    def hold(route: Route) -> None:
        if late:
            held.append(route)
        else:
            route.fulfill(status=200, content_type="image/png", body=picture)

    page.route("**/console/media/**", hold)
    page.goto(f"{LIST}/{chat}", wait_until="domcontentloaded")

    def asked() -> bool:
        page.wait_for_timeout(50)
        return len(held) >= LATE

    until("the browser asks for them", asked, 20)
    shown = page.locator("#said")
    tall = shown.evaluate("one => one.scrollHeight")
    late = False
    for one in held:
        one.fulfill(status=200, content_type="image/png", body=picture)

    def at_the_end() -> bool:
        page.wait_for_timeout(50)
        higher, left = shown.evaluate(
            "one => [one.scrollHeight, one.scrollHeight - one.scrollTop - one.clientHeight]"
        )
        return higher > tall + LATE * 200 and left < 2

    until("the end is seen", at_the_end, 20)
    # Somebody who scrolled up stays there.
    shown.evaluate("one => one.scrollTop -= 1000")
    page.wait_for_timeout(100)
    top = shown.evaluate("one => one.scrollTop")
    said(gateway, person(5003), "another conversation")
    page.get_by_text("another conversation").wait_for()
    assert abs(shown.evaluate("one => one.scrollTop") - top) < 2
    page.unroute("**/console/media/**")


@pytest.mark.parametrize(
    ("scheme", "size"), [("light", DESK), ("dark", PHONE)], ids=["light", "dark"]
)
def test_a_file_is_seen_and_removed_before_it_is_sent(
    gateway: Gateway, page: Page, scheme: str, size: ViewportSize
) -> None:
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.set_viewport_size(size)
    page.goto(f"{LIST}/{person(5004)}")
    sent: list[str] = []
    page.on(
        "request", lambda request: sent.append(request.url) if request.method == "POST" else None
    )
    chosen = page.locator("#file")
    picture: FilePayload = {"name": "green.png", "mimeType": "image/png", "buffer": png(640, 320)}
    chosen.set_input_files(picture)
    preview = page.get_by_role("img", name="Preview of green.png")
    preview.wait_for()
    assert preview.evaluate("one => [one.width, one.height]") == [320, 160]
    drawn = preview.evaluate("one => [...one.getContext('2d').getImageData(9, 9, 1, 1).data]")
    assert drawn == [0x20, 0x80, 0x60, 255]
    page.get_by_text("green.png, ").wait_for()
    assert not violations(page)
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    remove = page.get_by_role("button", name="Remove the file")
    remove.focus()
    page.keyboard.press("Enter")
    expect(preview).to_be_hidden()
    expect(remove).to_be_hidden()
    expect(chosen).to_be_focused()
    assert chosen.evaluate("one => one.files.length") == 0
    assert page.locator("#text").evaluate("one => one.required")
    broken: FilePayload = {"name": "no.png", "mimeType": "image/png", "buffer": b"no picture"}
    chosen.set_input_files(broken)
    page.get_by_text("no.png, 0 kB").wait_for()
    expect(page.locator("[data-preview]")).to_be_hidden()
    assert not sent, "nothing was uploaded"
    page.evaluate("document.forms.composer.elements.file.value = ''")
    chosen.set_input_files(picture)
    page.get_by_role("button", name="Send").click()
    expect(page.locator(".message.out img").last).to_have_js_property("naturalWidth", 640)
    expect(preview).to_be_hidden()


@pytest.mark.parametrize(
    ("scheme", "size"), [("light", DESK), ("dark", PHONE)], ids=["light", "dark"]
)
def test_pictures_of_people_are_seen_in_the_list_and_at_the_head(
    gateway: Gateway, page: Page, scheme: str, size: ViewportSize
) -> None:
    """Each of the list is; one without a picture is an outline, and neither is a stop for the keyboard."""
    people = [person(6000 + number) for number in range(LISTED)]
    for chat in people:
        said(gateway, chat, "hello")
    there = png(96, 96)

    def answer(route: Route) -> None:
        path = route.request.url.partition("?")[0]
        if path.endswith(f"{people[-1].replace('@', '%40')}/picture"):
            route.fulfill(status=200, content_type="image/png", body=there)
        else:
            route.continue_()

    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.set_viewport_size({"width": size["width"], "height": 300})
    page.route("**/picture*", answer)
    page.goto(LIST)
    faces = page.locator(".chats .face")
    expect(faces).to_have_count(LISTED)
    assert faces.evaluate_all("all => all.every(one => one.loading === 'lazy' && !one.alt)")
    newest = page.get_by_role("link", name=f"+{people[-1].partition('@')[0]}").locator(".face")
    expect(newest).to_have_js_property("naturalWidth", 96)
    assert newest.evaluate("one => [one.width, one.height]") == [40, 40]
    assert not violations(page)
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    page.set_viewport_size(size)
    newest.locator("xpath=..").focus()
    page.keyboard.press("Enter")
    head = page.locator(".thread-head .face")
    expect(head).to_have_js_property("naturalWidth", 96)
    page.goto(f"{LIST}/{people[0]}")
    outline = page.locator(".thread-head .face")
    expect(outline).to_have_js_property("complete", value=True)
    assert outline.evaluate("one => one.naturalWidth") > 0, "the policy of the page lets it be"
    assert not violations(page)
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    page.unroute("**/picture*")
