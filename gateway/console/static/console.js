// Follows an open console page by the gateway's stream of it, changes it in place, and posts its forms.
"use strict";
// A page is what the server wrote. Its stream brings what is between the page's bars whenever that is another,
// and this changes only what is different, so that focus and what was typed stay.

const main = document.getElementById("main");
const lost = document.getElementById("lost");
const failed = document.getElementById("failed");
const PART = { "X-Teimoso-Part": "1" };
const EXACT = { hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3 };
const PAUSE = 2000; // milliseconds until a stream is opened anew that the browser gave up
let shown = "";

function alike(a, b) {
  return a.nodeType === b.nodeType && a.nodeName === b.nodeName && (a.id || "") === (b.id || "");
}

function become(here, there) {
  if (here.nodeType !== Node.ELEMENT_NODE) {
    if (here.nodeValue !== there.nodeValue) here.nodeValue = there.nodeValue;
    return;
  }
  // Kept: the person's own, as they typed, chose or opened it.
  if (here.hasAttribute("data-keep")) return;
  for (const { name } of [...here.attributes]) {
    if (!there.hasAttribute(name) && name !== "open") here.removeAttribute(name);
  }
  for (const { name, value } of there.attributes) {
    if (here.getAttribute(name) !== value && name !== "open") here.setAttribute(name, value);
  }
  become_children(here, there);
}

function become_children(here, there) {
  let next = here.firstChild;
  for (const wanted of [...there.childNodes]) {
    // One with an id is looked for among those that follow, so that a new one pushes none away.
    let found = next;
    if (wanted.id) {
      while (found && !alike(found, wanted)) found = found.nextSibling;
    } else if (found && !alike(found, wanted)) {
      found = null;
    }
    if (!found) {
      here.insertBefore(document.importNode(wanted, true), next);
      continue;
    }
    while (next !== found) {
      const gone = next;
      next = next.nextSibling;
      gone.remove();
    }
    next = found.nextSibling;
    become(found, wanted);
  }
  while (next) {
    const gone = next;
    next = next.nextSibling;
    gone.remove();
  }
}

function between(at, now) {
  const seconds = Math.round((now - at) / 1000);
  return [[86400, "day"], [3600, "hour"], [60, "minute"], [1, "second"]]
    .map(([length, name]) => [Math.trunc(seconds / length), name])
    .find(([count, name]) => count !== 0 || name === "second");
}

function ago(at, now) {
  const [amount, unit] = between(at, now);
  return new Intl.RelativeTimeFormat("en", { numeric: "auto" }).format(-amount, unit);
}

function lasting(at, now) {
  const [amount, unit] = between(at, now);
  const words = new Intl.NumberFormat("en", { style: "unit", unit, unitDisplay: "long" });
  return `for ${words.format(Math.max(amount, 0))}`;
}

function tell_times(root) {
  const now = new Date();
  for (const time of root.querySelectorAll("time[datetime]")) {
    const at = new Date(time.dateTime);
    const how = time.dataset.how;
    const clock = at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
    const date = at.toLocaleDateString([], { day: "numeric", month: "short" });
    if (how === "ago") time.textContent = ago(at, now);
    else if (how === "for") time.textContent = lasting(at, now);
    else if (how === "exact") time.textContent = `${date}, ${at.toLocaleTimeString([], EXACT)}`;
    else if (how === "clock") time.textContent = at.toLocaleTimeString();
    else if (how === "day") time.textContent = at.toDateString() === now.toDateString() ? clock : date;
    else if (how === "short") time.textContent = clock;
    else time.textContent = at.toDateString() === now.toDateString() ? clock : `${date}, ${clock}`;
    time.title = at.toLocaleString();
  }
}

// A page that the console did not write says nothing of it: a proxy before it may answer in its place.
function ours(response) {
  if (response.headers.get("X-Teimoso-Part") !== "1") throw new Error("no answer of the console");
  lost.hidden = true;
  return response;
}

function parsed(html) {
  return new DOMParser().parseFromString(`<main>${html}</main>`, "text/html");
}

// Why something failed, above the page or in the dialog that asked for it: typed text in it stays.
function say_failed(page, sent) {
  const place = (sent && sent.closest("dialog")?.querySelector("[data-refused]")) || failed;
  const alert = page && page.querySelector("[role=alert]");
  if (!page && place.hasAttribute("data-sent") && !sent) return;
  place.textContent = alert ? alert.textContent : "That failed; try it again soon.";
  place.hidden = !page;
  place.toggleAttribute("data-sent", Boolean(page && sent));
}

function put(html) {
  if (html !== shown) {
    shown = html;
    const page = parsed(html);
    tell_times(page);
    become_children(main, page.querySelector("main"));
    if (following) to_the_end();
  }
  tell_times(main);
}

// A person who reads the end of a list goes on reading it while the list grows, until they scroll up.
let following = !location.hash;
let last_top = 0;

function to_the_end() {
  const list = main.querySelector("[data-follow]");
  if (!list) return;
  list.scrollTop = list.scrollHeight;
  last_top = list.scrollTop;
  following = true;
}

function follow() {
  if (following) to_the_end();
}

// Whether it was done. An answer that refuses what was sent puts nothing in the page's place.
async function answered(response, sent) {
  if (ours(response).status === 401) {
    go("/console/login");
    return false;
  }
  if (response.redirected && new URL(response.url).pathname !== new URL(main.dataset.live, location).pathname) {
    go(response.url);
    return true;
  }
  const html = await response.text();
  if (!response.ok) {
    const page = parsed(html);
    say_failed(page, sent);
    if (sent.hasAttribute("data-once")) take_number(sent, page);
    return false;
  }
  say_failed(null, sent);
  put(html);
  return true;
}

// The server gives a new number where the old one stands for a text that was sent already.
function take_number(form, page) {
  const given = page.querySelector("[data-once] [name=once]");
  if (given) form.elements.once.value = given.value;
}

let stream = null;

// A page that nobody looks at takes up no connection of the browser and no reader of the key; a secret that is shown
// once stays until the person leaves its page.
function open_stream() {
  if (stream || busy || document.hidden || !main.dataset.live) return;
  const opened = new EventSource(main.dataset.live);
  let heard = false;
  const on = (name, act) => opened.addEventListener(name, ({ data }) => {
    lost.hidden = heard = true;
    act(data);
  });
  on("part", (html) => {
    say_failed(null);
    put(html);
  });
  on("failed", (html) => say_failed(parsed(html)));
  on("moved", go);
  // The browser comes again by itself, also to a stream of one part; it gives up where a proxy answers in its place.
  opened.onerror = () => {
    lost.hidden = heard;
    heard = false;
    if (opened.readyState !== EventSource.CLOSED) return;
    setTimeout(() => {
      if (stream !== opened) return;
      close_stream();
      open_stream();
    }, PAUSE);
  };
  stream = opened;
}

function close_stream() {
  if (stream) stream.close();
  stream = null;
}

function go(address) {
  main.dataset.live = "";
  close_stream();
  location.assign(address);
}

let busy = 0;

async function send(form, button) {
  busy += 1;
  close_stream(); // what it brings may be older than the answer
  if (button) button.disabled = true;
  try {
    if (form.hasAttribute("data-once") && !(await attach(form))) return;
    const fields = new URLSearchParams(new FormData(form));
    if (button && button.name) fields.set(button.name, button.value);
    const response = await fetch(form.action, { method: "POST", headers: PART, body: fields });
    const done = await answered(response, form);
    if (form.hasAttribute("data-once")) composed(form, response, done);
    else if (done && form.closest("dialog")) acted(form);
  } catch {
    lost.hidden = false;
    if (form.closest("dialog")) say_failed(parsed(`<p role="alert">${lost.textContent}</p>`), form);
  } finally {
    busy -= 1;
    if (button) button.disabled = false;
    open_stream();
  }
}

function fit(area) {
  area.style.height = "auto";
  area.style.height = `${Math.min(area.scrollHeight + 2, 160)}px`;
}

document.addEventListener("scroll", ({ target: list }) => {
  if (!(list instanceof Element) || !list.hasAttribute("data-follow")) return;
  const at_end = list.scrollHeight - list.scrollTop - list.clientHeight < 80;
  // A list that grew is not at its end either, but nobody scrolled up.
  if (at_end || list.scrollTop < last_top) following = at_end;
  last_top = list.scrollTop;
}, true);

// A picture that came, or did not, makes the list longer; a composer that grows makes it lower.
for (const event of ["load", "error"]) document.addEventListener(event, follow, true);
for (const list of main.querySelectorAll("[data-follow]")) new ResizeObserver(follow).observe(list);

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.hasAttribute("data-act")) return;
  event.preventDefault();
  send(form, event.submitter || form.querySelector("button:not([type=button])"));
});

document.addEventListener("input", (event) => {
  if (event.target.tagName === "TEXTAREA") fit(event.target);
});

document.addEventListener("keydown", (event) => {
  if (event.target.tagName !== "TEXTAREA" || event.isComposing || event.target.hasAttribute("data-lines")) return;
  if (event.key === "Enter" && !event.shiftKey) {
    event.preventDefault();
    event.target.form.requestSubmit();
  }
});

document.addEventListener("visibilitychange", () => {
  if (document.hidden) close_stream();
  else open_stream();
});

document.documentElement.classList.add("scripted");
tell_times(main);
setInterval(() => tell_times(main), PAUSE);
follow();
open_stream();
