"""The console in a browser, on a whole instance: a person links, writes, reads, and sees it get up."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

import pytest
from playwright.sync_api import expect

from gateway.console.pages.home import picture
from tests.chaos.harness.faults.outage import frozen
from tests.integration.whole.screenshots import keep_screenshot
from tests.integration.whole.shop import ACCOUNT, CONTACT, SHOP, arrived, becomes
from tests.processes.browser import APPEARANCE, DESK, PHONE, apart, chromium, png, violations
from tests.processes.instance import API_KEY, Instance
from tests.processes.valkey import free_port
from tests.waits import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page, ViewportSize

pytestmark = pytest.mark.timeout(240)

PAGE_MS = 20_000  # milliseconds
NAME = "Person 0002"
NOBODY = "15550100097"
"""The name that the contact shows."""
PAGES = (
    "/",
    f"/console/connections/{SHOP}",
    f"/console/conversations/{SHOP}",
    f"/console/conversations/{SHOP}/{CONTACT}@s.whatsapp.net",
    "/console/queue",
    "/console/recovery",
    "/console/system",
    "/console/api-keys",
    "/console/settings?changed=true",
    "/console/logs",
)

ALIKE = 3
"""Rows of one form that axe looks at: the logs have two hundred, and what it finds in one it finds in all."""
SHORTEN = """most => {
  close_stream();  // so that none comes again
  const seen = {};
  for (const row of document.querySelectorAll("main li")) {
    const parts = [row, ...row.querySelectorAll("*")].map(one => one.tagName + one.getAttribute("class"));
    const form = [...new Set(parts)].join();
    seen[form] = (seen[form] || 0) + 1;
    if (seen[form] > most) row.remove();
  }
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def page(instance: Instance, browser: Browser) -> Iterator[Page]:
    """Somebody who is logged in; whatever runs wrong in a page fails the test that it ran in."""
    becomes(instance, "open", None)
    context = browser.new_context(viewport=DESK, base_url=f"http://127.0.0.1:{instance.port}")
    context.set_default_timeout(PAGE_MS)
    opened = context.new_page()
    opened.goto("/")
    assert opened.url.endswith("/console/login")
    # By the keyboard alone: the field has the focus.
    focused = opened.locator("#key:focus")
    focused.wait_for()
    opened.keyboard.type("tmo_" + "wrong" * 9)
    opened.keyboard.press("Enter")
    opened.get_by_role("alert").get_by_text("There is no such API key").wait_for()
    focused.wait_for()
    opened.keyboard.type(API_KEY)
    opened.keyboard.press("Enter")
    opened.get_by_role("heading", name="Connections").wait_for()
    yield opened
    context.close()


@pytest.fixture
def errors(page: Page) -> Iterator[list[str]]:
    found: list[str] = []

    def hear(error: object) -> None:
        found.append(str(error))

    page.on("pageerror", hear)
    yield found
    page.remove_listener("pageerror", hear)
    assert not found


def stay(page: Page) -> None:
    """Mark the page as it was loaded: `stayed` tells that it was not loaded again."""
    page.evaluate("window.stayed = true")


def stayed(page: Page) -> bool:
    return bool(page.evaluate("window.stayed === true"))


def test_a_connection_is_added_and_linked_without_a_reload(
    instance: Instance, page: Page, errors: list[str]
) -> None:
    page.goto("/")
    page.get_by_label("Name").fill("desk")
    page.get_by_role("button", name="Add").click()
    code = page.locator("svg.qr path")
    code.wait_for()
    stay(page)
    shown = code.get_attribute("d")
    assert shown
    qr = until("the QR of the page", lambda: instance.qr("desk"), 10)
    until("the page shows that QR", lambda: f'd="{code.get_attribute("d")}"' in picture(qr), 10)
    # Another code is shown in its place, as when one expires.
    instance.api.post("/api/connections/desk/restart").raise_for_status()
    expect(code).not_to_have_attribute("d", shown, timeout=PAGE_MS)
    number = "15550100021"
    instance.simulator.post("/phones", json={"number": number}).raise_for_status()
    until("a QR to scan", lambda: (qr := instance.qr("desk")) and instance.simulator.post(
        f"/phones/{number}/scan", json={"qr": qr}).is_success, 60)  # fmt: skip
    page.locator("#state").get_by_text("Open").wait_for()
    page.get_by_text(f"+{number}", exact=True).wait_for()
    expect(page.locator("svg.qr")).to_have_count(0, timeout=PAGE_MS)
    assert stayed(page)
    page.get_by_text("Log out or remove").click()
    page.get_by_text("+" + number + " has to be linked anew").first.wait_for()
    page.get_by_role("button", name="Remove desk").click()
    assert instance.api.get("/api/connections/desk").status_code == 200, "one click removes nothing"
    page.get_by_label("Type desk to remove it").fill("desk")
    page.get_by_role("button", name="Remove desk").click()
    page.get_by_role("heading", name="Connections").wait_for()
    page.locator("#c-desk").wait_for(state="detached")
    until("it is gone", lambda: instance.api.get("/api/connections/desk").status_code == 404, 20)


def test_a_connection_is_linked_by_a_code_without_a_reload(
    instance: Instance, page: Page, errors: list[str]
) -> None:
    number = "15550100022"
    instance.simulator.post("/phones", json={"number": number}).raise_for_status()
    instance.api.post("/api/connections", json={"id": "kiosk"}).raise_for_status()
    page.goto("/console/connections/kiosk")
    page.locator("svg.qr").wait_for()
    stay(page)
    page.get_by_text("Link with a phone number instead").click()
    field = page.get_by_label("The phone's number")
    field.fill("12")
    page.get_by_role("button", name="Get a code").click()
    page.get_by_text("a phone number has 7 to 15 digits").wait_for()
    assert field.input_value() == "12", "what was typed stays"
    field.fill(f"+{number}")
    page.get_by_role("button", name="Get a code").click()
    letters = page.locator(".link-code")
    letters.wait_for()
    expect(page.locator("svg.qr")).to_have_count(1, timeout=PAGE_MS)
    answer = instance.simulator.post(
        f"/phones/{number}/link-code", json={"code": letters.text_content()}
    )
    assert answer.is_success, answer.text
    page.locator("#state").get_by_text("Open").wait_for()
    expect(letters).to_have_count(0, timeout=PAGE_MS)
    assert stayed(page)
    instance.answered()
    instance.api.delete("/api/connections/kiosk").raise_for_status()


def _name(instance: Instance) -> str | None:
    """The name of the contact's chat in the list, once it wrote."""
    items = instance.api.get("/api/chats", params={"connection": SHOP}).json()["items"]
    names: dict[str, str] = {one["chat"]: one["name"] for one in items}
    return names.get(f"{CONTACT}@s.whatsapp.net")


def test_what_is_written_arrives_and_what_arrives_is_shown(
    instance: Instance, page: Page, errors: list[str]
) -> None:
    instance.say(CONTACT, ACCOUNT, "good morning")
    until("the contact's name is known", lambda: _name(instance) == NAME, 15)
    page.goto(f"/console/conversations/{SHOP}")
    page.get_by_label("Number or group to write to").fill("+1 (555) 010-0002")
    page.get_by_role("button", name="Write").click()
    page.get_by_role("heading", name=NAME).wait_for()
    page.locator(".thread-head").get_by_text(f"+{CONTACT}").wait_for()
    page.get_by_role("button", name="Mark as read").click()
    page.get_by_role("button", name="Mark as read").wait_for(state="detached")
    stay(page)
    words = "written on the page <b>as it is</b>"
    composer = page.get_by_label(f"Message to {NAME}")
    composer.fill(words)
    composer.press("Enter")
    mine = page.locator(".message.out", has_text=words)
    mine.wait_for()
    assert composer.input_value() == ""
    mine.locator(".tick.read").wait_for()
    assert arrived(instance, words) == [ACCOUNT]
    assert mine.locator("b").count() == 0
    # The text in the composer stays while the page changes around it.
    composer.fill("half a sent")
    instance.say(CONTACT, ACCOUNT, "answered by the contact")
    page.locator(".message.in", has_text="answered by the contact").wait_for()
    assert composer.input_value() == "half a sent"
    assert page.evaluate("document.activeElement.id") == "text"
    composer.fill("with a picture")
    page.locator("#file").set_input_files(
        {"name": "green.png", "mimeType": "image/png", "buffer": png(60, 40)}
    )
    page.get_by_role("button", name="Send").click()
    sent = page.locator(".message.out", has_text="with a picture")
    sent.locator("img").wait_for()
    expect(sent.locator("img")).to_have_js_property("naturalWidth", 60, timeout=PAGE_MS)
    sent.locator(".tick:is(.delivered, .read)").wait_for()
    asked = {"to": ACCOUNT, "type": "document", "size": 2000, "file_name": "page.txt"}
    instance.simulator.post(f"/contacts/{CONTACT}/say", json=asked).raise_for_status()
    link = page.locator(".message.in a[download]", has_text="page.txt")
    link.wait_for()
    with page.expect_download() as download:
        link.click()
    assert len(download.value.path().read_bytes()) == 2000
    assert stayed(page)


def test_an_actor_that_is_killed_gets_up_on_the_page(
    instance: Instance, page: Page, errors: list[str]
) -> None:
    page.goto(f"/console/connections/{SHOP}")
    epoch = instance.connection(SHOP)["epoch"]
    stay(page)
    apart(instance.kill, "connection", SHOP)
    page.locator(".timeline li").first.get_by_text(f"epoch {epoch} → {epoch + 1}").wait_for()
    page.locator("#state").get_by_text("Open").wait_for()
    assert stayed(page)
    assert instance.connection(SHOP)["epoch"] == epoch + 1


def test_a_gateway_that_is_killed_is_missed_and_found_again(
    instance: Instance, page: Page, errors: list[str]
) -> None:
    page.goto("/")
    page.get_by_role("link", name=SHOP, exact=True).wait_for()
    stay(page)
    lost = page.get_by_text("The service does not answer")
    assert not lost.is_visible()
    keeper = apart(instance.process, "keeper")
    # It would have the next one up before the page asks again.
    with frozen(keeper):
        apart(instance.kill, "gateway")
        lost.wait_for(state="visible")
    lost.wait_for(state="hidden")
    assert stayed(page), "and nobody had to log in again"
    assert page.locator("#connections").is_visible()


def test_a_dead_letter_tells_why_and_is_sent_again(
    instance: Instance, page: Page, errors: list[str]
) -> None:
    instance.simulator.post(f"/contacts/{NOBODY}", json={"registered": False}).raise_for_status()
    for words in ("to nobody", "to nobody either"):
        send = {"connection": SHOP, "to": NOBODY, "text": words}
        instance.api.post("/api/messages", json=send).raise_for_status()
    page.goto("/console/queue")
    letter = page.locator(".letter", has_text=re.compile("to nobody$|to nobody\\s"))
    page.locator(".letter", has_text="to nobody either").wait_for()
    assert page.locator(".letter .why", has_text="The number is not on WhatsApp").count() >= 2
    instance.simulator.post(f"/contacts/{NOBODY}", json={"registered": True}).raise_for_status()
    stay(page)
    face = "one => getComputedStyle(one).fontFamily + getComputedStyle(one).fontSize"
    shown = (letter.first.locator(".text"), page.locator("body"))
    assert len({one.evaluate(face) for one in shown}) == 1, "set like any text"
    before = page.locator(".letter").count()
    letter.first.get_by_role("button", name="Redrive").click()

    inbox = instance.inbox
    until("it arrived", lambda: any("to nobody" in one["text"] for one in inbox(NOBODY)), 20)
    expect(page.locator(".letter")).to_have_count(before - 1, timeout=PAGE_MS)
    assert stayed(page)


@pytest.fixture(scope="module")
def hook(instance: Instance) -> Iterator[str]:
    """The id of one of two webhooks that hear of alerts, and lead nowhere."""
    wanted = {"url": f"http://127.0.0.1:{free_port()}/hook", "events": ["alert.raised"]}
    made = [instance.api.post("/api/webhooks", json=wanted).json()["id"] for _ in range(2)]
    yield made[0]
    for one in made:
        instance.api.delete(f"/api/webhooks/{one}").raise_for_status()


def test_headers_of_a_webhook_are_typed_line_by_line(
    page: Page, hook: str, errors: list[str]
) -> None:
    page.goto(f"/console/webhooks/{hook}")
    page.get_by_label("Headers").focus()
    page.keyboard.type("X-One: 1")
    page.keyboard.press("Enter")
    page.keyboard.type("X-Two: 2")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.locator("dd", has_text="X-One, X-Two").wait_for()


def test_a_key_is_made_and_revoked_by_the_keyboard_alone(
    instance: Instance, page: Page, errors: list[str]
) -> None:
    page.goto("/console/api-keys")
    page.get_by_label("Purpose").focus()
    keyboard = page.keyboard
    keyboard.type("kiosk")
    for _ in ("everything", "send", "read"):
        keyboard.press("Tab")
    keyboard.press("Space")
    keyboard.press("Enter")
    secret = page.locator("#secret")
    secret.wait_for()
    token = secret.text_content() or ""
    # As when the person comes back from where they copied it to.
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    assert page.evaluate("stream") is None
    assert secret.text_content() == token
    headers = {"X-Api-Key": token}
    assert instance.api.get("/api/connections", headers=headers).status_code == 200
    page.get_by_role("link", name="It is copied").focus()
    keyboard.press("Enter")
    entry = page.locator(".entry", has_text="kiosk")
    entry.locator("summary").focus()
    keyboard.press("Enter")
    entry.get_by_text("reading messages and events, for all connections").wait_for()
    keyboard.press("Tab")
    keyboard.press("Enter")
    entry.wait_for(state="detached")
    assert instance.api.get("/api/connections", headers=headers).status_code == 401


def test_axe_finds_nothing_on_pages_that_are_full(page: Page, hook: str, errors: list[str]) -> None:
    """At a desk in light colours, and on a phone in dark ones, where conversations have other parts."""
    found = []
    for address in (*PAGES, "/console/webhooks", f"/console/webhooks/{hook}"):

        def filled(address: str = address) -> bool:
            page.goto(address)
            return page.locator("main :is(li, tr, dd, .message)").count() > 1

        appear(page, DESK, "light")
        until(f"{address} is full", filled, 20)
        fits(page, address)
        appear(page, PHONE, "dark")
        fits(page, address)
        page.evaluate(SHORTEN, ALIKE)
        keep_screenshot(page, address, "phone")
        rules = () if "conversations" in address else APPEARANCE
        found += [f"{address} {one}" for one in violations(page, rules=rules)]
        appear(page, DESK, "light")
        keep_screenshot(page, address, "desk")
        found += [f"{address} {one}" for one in violations(page)]
    assert not found, "\n".join(found)


def appear(page: Page, size: ViewportSize, scheme: Literal["light", "dark"]) -> None:
    page.set_viewport_size(size)
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")


def fits(page: Page, address: str) -> None:
    wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert wide <= 0, f"{address} is wider than the screen"
    if "conversations" in address:
        long = page.evaluate("document.documentElement.scrollHeight - innerHeight")
        assert long <= 0, f"{address} scrolls beside the list that does"


def test_the_keyboard_reaches_everything_and_logs_out(page: Page, errors: list[str]) -> None:
    page.set_viewport_size(DESK)
    page.goto("/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    reached = []
    for _ in range(30):
        page.keyboard.press("Tab")
        seen = page.evaluate(
            "() => { const one = document.activeElement; const style = getComputedStyle(one);"
            " return [one.textContent.trim() || one.id, style.outlineStyle]; }"
        )
        reached.append(seen[0])
        assert seen[1] != "none", f"{seen[0]}: where the focus is cannot be seen"
        if seen[0] == "Add":
            break
    assert {"Connections", "System", "Log out", SHOP, "Add"} <= set(reached)
    page.get_by_role("button", name="Log out").focus()
    page.keyboard.press("Enter")
    page.get_by_label("API key").wait_for()
    assert not violations(page)
    page.goto("/console/queue")
    assert page.url.endswith("/console/login")
