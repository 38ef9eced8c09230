// Refreshes an open console page in place, by requests to the gateway, and posts its forms.
"use strict";
// A page is what the server wrote. This keeps it fresh: it asks for what is between the page's bars
// again and again, and changes only what is different, so that focus and what was typed stay.

const main = document.getElementById("main");
const lost = document.getElementById("lost");
const failed = document.getElementById("failed");
const PART = { "X-Teimoso-Part": "1" };
const EXACT = { hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3 };
let asking = 0;
let shown = "";

function alike(a, b) {
  return a.nodeType === b.nodeType && a.nodeName === b.nodeName && (a.id || "") === (b.id || "");
}

function become(here, there) {
  if (here.nodeType !== Node.ELEMENT_NODE) {
    if (here.nodeValue !== there.nodeValue) here.nodeValue = there.nodeValue;
    return;
  }
  // What is kept is the person's: what they typed, chose or opened.
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

// What the console did not write says nothing of it: a proxy before it may answer in its place.
function ours(response) {
  if (response.headers.get("X-Teimoso-Part") !== "1") throw new Error("no answer of the console");
  lost.hidden = true;
  return response;
}

function parsed(html) {
  return new DOMParser().parseFromString(`<main>${html}</main>`, "text/html");
}

// Why something failed, above the page: what is typed in it stays.
function say_failed(page, sent) {
  const alert = page && page.querySelector("[role=alert]");
  if (!page && failed.hasAttribute("data-sent") && !sent) return;
  failed.textContent = alert ? alert.textContent : "That failed; try it again soon.";
  failed.hidden = !page;
  failed.toggleAttribute("data-sent", Boolean(page && sent));
}

function put(html) {
  if (html !== shown) {
    shown = html;
    const page = parsed(html);
    tell_times(page);
    const list = main.querySelector("[data-follow]");
    const follows = list && list.scrollHeight - list.scrollTop - list.clientHeight < 80;
    become_children(main, page.querySelector("main"));
    if (follows) to_the_end();
  }
  tell_times(main);
}

function to_the_end() {
  const list = main.querySelector("[data-follow]");
  if (list) list.scrollTop = list.scrollHeight;
}

// Whether it was done. An answer that refuses what was sent, or that only for now cannot say how
// the page is, puts nothing in its place.
async function answered(response, sent) {
  if (ours(response).status === 401) {
    location.assign("/console/login");
    return false;
  }
  const html = await response.text();
  if (!response.ok && (sent || response.status >= 500 || response.status === 429)) {
    const page = parsed(html);
    say_failed(page, sent);
    if (sent && sent.hasAttribute("data-once")) take_number(sent, page);
    return false;
  }
  say_failed(null, sent);
  put(html);
  return response.ok;
}

// The server gives a new number where the old one stands for a text that was sent already.
function take_number(form, page) {
  const given = page.querySelector("[data-once] [name=once]");
  if (given) form.elements.once.value = given.value;
}

async function refresh() {
  // A secret that is shown once stays until the person leaves its page.
  if (!main.dataset.live) return;
  const turn = ++asking;
  try {
    const response = await fetch(main.dataset.live, { headers: PART, cache: "no-store" });
    // An answer that was overtaken by what the person did is older than what is shown.
    if (turn !== asking) return;
    // A page that is gone is said within it.
    await answered(response);
  } catch {
    lost.hidden = turn !== asking;
  }
}

// A code to scan serves for seconds: where one is shown, the page may ask more often than it else does.
function pause() {
  return Number((main.querySelector("[data-every]") || main).dataset.every) * 1000;
}

async function keep_fresh() {
  for (;;) {
    await new Promise((done) => setTimeout(done, pause()));
    if (!document.hidden && !busy) await refresh();
  }
}

let busy = 0;

async function send(form, button) {
  busy += 1;
  asking += 1;
  if (button) button.disabled = true;
  try {
    if (!(await attach(form))) return;
    const response = await fetch(form.action, {
      method: "POST",
      headers: PART,
      body: new URLSearchParams(new FormData(form)),
    });
    const done = await answered(response, form);
    // What was just sent is shown from there until the list has it.
    if (done && response.redirected && form.hasAttribute("data-once")) main.dataset.live = response.url;
    if (done && form.hasAttribute("data-once")) begin_anew(form);
    if (form.hasAttribute("data-once")) to_the_end();
  } catch {
    lost.hidden = false;
  } finally {
    busy -= 1;
    if (button) button.disabled = false;
  }
}

// The next message is another one: what is sent again after a lost answer carries the old number.
function begin_anew(form) {
  form.reset();
  for (const name of ["sha256", "mime", "name"]) form.elements[name].value = "";
  const random = crypto.getRandomValues(new Uint8Array(16));
  form.elements.once.value = [...random].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  fit(form.elements.text);
  say_file(form);
}

async function attach(form) {
  const file = form.elements.file && form.elements.file.files[0];
  if (!file || form.elements.sha256.value) return true;
  const told = form.querySelector("[data-file]");
  told.textContent = `Uploading ${file.name}`;
  const response = await fetch(`/console/media?name=${encodeURIComponent(file.name.slice(0, 255))}`, {
    method: "POST",
    headers: {
      "Content-Type": file.type || "application/octet-stream",
      "X-Teimoso-Token": document.body.dataset.token,
      ...PART,
    },
    body: file,
  });
  ours(response);
  if (!response.ok) {
    told.textContent = response.status === 401 ? "You were logged out." : (await response.json()).detail;
    return false;
  }
  const kept = await response.json();
  form.elements.sha256.value = kept.sha256;
  form.elements.mime.value = kept.mime;
  form.elements.name.value = kept.name || "";
  return true;
}

function say_file(form) {
  const file = form.elements.file.files[0];
  form.querySelector("[data-file]").textContent = file ? file.name : "";
  form.elements.text.required = !file;
}

function fit(area) {
  area.style.height = "auto";
  area.style.height = `${Math.min(area.scrollHeight + 2, 160)}px`;
}

// A picture that came makes the list longer: whoever reads its end goes on reading the end.
document.addEventListener("load", (event) => {
  const list = event.target.closest && event.target.closest("[data-follow]");
  if (!list || event.target.tagName !== "IMG") return;
  if (list.scrollHeight - list.scrollTop - list.clientHeight < event.target.height + 80) to_the_end();
}, true);

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.hasAttribute("data-act")) return;
  event.preventDefault();
  send(form, event.submitter || form.querySelector("button"));
});

document.addEventListener("change", (event) => {
  if (event.target.type !== "file") return;
  const form = event.target.form;
  for (const name of ["sha256", "mime", "name"]) form.elements[name].value = "";
  say_file(form);
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
  if (!document.hidden) refresh();
});

document.documentElement.classList.add("scripted");
tell_times(main);
to_the_end();
keep_fresh();
