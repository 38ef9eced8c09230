// Opens the actions of a message, and prepares what the composer of a conversation sends: a reply, an edit, a file.
"use strict";

let draft = "";

function take_new_number(form) {
  const random = crypto.getRandomValues(new Uint8Array(16));
  form.elements.once.value = [...random].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

// The dialog is one for all messages: it shows what the message takes.
function open_actions(opener) {
  const dialog = document.getElementById("actions");
  const { offers, mine } = opener.dataset;
  for (const part of dialog.querySelectorAll("[data-offer]")) {
    part.hidden = !offers.split(" ").includes(part.dataset.offer);
    part.open = false;
  }
  for (const form of dialog.querySelectorAll("form")) {
    form.reset();
    form.elements.message.value = opener.closest(".message").id.slice(2);
    if (form.elements.once) take_new_number(form);
  }
  for (const button of dialog.querySelectorAll("[aria-pressed]")) {
    button.setAttribute("aria-pressed", button.value === mine);
  }
  dialog.querySelector("[data-take-back]").hidden = !mine;
  dialog.querySelector("[data-unpin]").hidden = !("pinned" in opener.dataset);
  dialog.querySelector("[data-refused]").hidden = true;
  say_message(dialog, "author", "excerpt", opener);
  dialog.showModal();
}

function say_message(place, title, text, opener) {
  place.querySelector(`[data-${title}]`).textContent = author_of(opener);
  place.querySelector(`[data-${text}]`).textContent = opener.getAttribute("aria-label").replace("Actions: ", "");
}

function author_of(opener) {
  return opener.closest(".message").querySelector("bdi").textContent;
}

function close_actions() {
  document.getElementById("actions").close();
}

// A form of the dialog was accepted.
function acted(form) {
  close_actions();
  document.getElementById("done").textContent = form.dataset.done || "";
}

// The composer's next message replies to one, or takes the place of its words.
function begin(field, id) {
  const opener = document.querySelector(`#m-${CSS.escape(id)} [data-offers]`);
  const form = document.getElementById("composer");
  close_actions();
  if (!opener) return;
  forget(form);
  form.elements[field].value = id;
  const about = form.querySelector("[data-about]");
  say_message(about, "about-title", "about-text", opener);
  const title = about.querySelector("[data-about-title]");
  const own = opener.closest(".out") ? "your message" : title.textContent;
  title.textContent = `${field === "edit" ? "Edit" : "Reply to"} ${own}`;
  about.hidden = false;
  if (field === "edit") {
    draft = form.elements.text.value;
    form.elements.text.value = opener.dataset.text;
  }
  form.classList.toggle("edits", field === "edit");
  fit(form.elements.text);
  form.elements.text.focus();
}

// The next message stands for itself again; the text from before an edit comes back.
function forget(form) {
  if (form.elements.edit.value) form.elements.text.value = draft;
  form.elements.edit.value = "";
  form.elements.reply_to.value = "";
  form.querySelector("[data-about]").hidden = true;
  form.classList.remove("edits");
  fit(form.elements.text);
}

// The next message is another one: one that is sent again after a lost answer carries the old number.
function composed(form, response, done) {
  if (done && form.elements.edit.value) {
    forget(form);
    take_new_number(form);
    return;
  }
  if (done) {
    // A message that was just sent is shown from there until the list has it.
    if (response.redirected) main.dataset.live = response.url;
    form.reset();
    forget(form);
    take_new_number(form);
    choose_file(form);
  }
  to_the_end();
}

// A message gets its number and its file before it is sent. Returns whether it may be sent.
async function attach(form) {
  if (!form.elements.once.value) take_new_number(form);
  const file = form.elements.file && form.elements.file.files[0];
  if (!file || form.elements.sha256.value || form.elements.edit.value) return true;
  const shown = form.querySelector("[data-file]");
  shown.textContent = `Uploading ${file.name}`;
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
    shown.textContent = response.status === 401 ? "You were logged out." : (await response.json()).detail;
    return false;
  }
  const kept = await response.json();
  if (form.elements.file.files[0] !== file) return false;
  form.elements.sha256.value = kept.sha256;
  form.elements.mime.value = kept.mime;
  form.elements.name.value = kept.name || "";
  return true;
}

// The file that goes with the message: its name, its size, and of a picture how it looks.
function say_file(form) {
  const file = form.elements.file && form.elements.file.files[0];
  form.querySelector("[data-file]").textContent = file ? `${file.name}, ${size(file.size)}` : "";
  form.querySelector("[data-remove]").hidden = !file;
  form.elements.text.required = !file;
  draw(form, file);
}

function size(bytes) {
  const [unit, of_them] = bytes < 1e6 ? ["kilobyte", bytes / 1e3] : ["megabyte", bytes / 1e6];
  return new Intl.NumberFormat("en", { style: "unit", unit, maximumFractionDigits: 1 }).format(of_them);
}

// Drawn on a canvas: the page's policy loads no picture but those of the service.
async function draw(form, file) {
  const canvas = form.querySelector("[data-preview]");
  canvas.hidden = true;
  if (!file || !file.type.startsWith("image/")) return;
  try {
    const picture = await createImageBitmap(file);
    if (form.elements.file.files[0] !== file) return;
    const scale = Math.min(1, 320 / Math.max(picture.width, picture.height));
    canvas.width = Math.max(1, picture.width * scale);
    canvas.height = Math.max(1, picture.height * scale);
    canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
    canvas.setAttribute("aria-label", `Preview of ${file.name}`);
    canvas.hidden = false;
    picture.close();
  } catch {
    // Its name says enough of a picture that this browser does not read.
  }
}

function choose_file(form) {
  for (const name of ["sha256", "mime", "name"]) form.elements[name].value = "";
  say_file(form);
}

document.addEventListener("change", (event) => {
  if (event.target.type === "file") choose_file(event.target.form);
});

document.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (event.target.id === "actions" || (button && button.hasAttribute("data-close"))) close_actions();
  else if (button && button.dataset.offers) open_actions(button);
  else if (button && button.dataset.begin) begin(button.dataset.begin, button.closest("dialog").querySelector("[name=message]").value);
  else if (button && button.hasAttribute("data-forget")) {
    forget(button.form);
    button.form.elements.text.focus();
  } else if (button && button.hasAttribute("data-remove")) {
    button.form.elements.file.value = "";
    choose_file(button.form);
    button.form.elements.file.focus();
  }
});

// Focus returns to where it was; where that message is gone, the list has it.
document.addEventListener("close", () => {
  if (document.activeElement === document.body) document.getElementById("said").focus();
}, true);

document.addEventListener("keydown", (event) => {
  const form = event.target.form;
  if (event.key === "Escape" && form && form.id === "composer") forget(form);
});
