// Sends what a form of this page describes, and shows the answer as text. The API key stays in this page's memory.
"use strict";

const key = document.getElementById("key");
document.getElementById("key-form").addEventListener("submit", (event) => event.preventDefault());
for (const hidden of document.querySelectorAll("[data-script]")) {
  hidden.hidden = false;
}

const shown = (type, text) => {
  if (!type.includes("json")) {
    return text;
  }
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
};

const request = (form) => {
  let path = form.dataset.path;
  const query = new URLSearchParams();
  const headers = new Headers();
  for (const field of form.querySelectorAll("[data-in]")) {
    if (field.dataset.in === "path") {
      path = path.replace(`{${field.name}}`, () => encodeURIComponent(field.value));
    } else if (field.value !== "" && field.dataset.in === "query") {
      query.set(field.name, field.value);
    } else if (field.value !== "") {
      headers.set(field.name, field.value);
    }
  }
  if (form.dataset.key && key.value !== "") {
    headers.set("X-Api-Key", key.value);
  }
  const options = { method: form.dataset.method, headers, credentials: "omit", cache: "no-store" };
  const body = form.elements.namedItem("body");
  const file = form.elements.namedItem("file");
  if (body !== null && body.value.trim() !== "") {
    headers.set("Content-Type", "application/json");
    options.body = body.value;
  } else if (file !== null && file.files.length > 0) {
    options.body = file.files[0];
  }
  return new Request(`${path}${query.size ? `?${query}` : ""}`, options);
};

const answered = async (answer) => {
  const type = answer.headers.get("Content-Type") ?? "";
  if (type.startsWith("text/event-stream")) {
    const reader = answer.body.getReader();
    const { value } = await reader.read();
    await reader.cancel();
    return new TextDecoder().decode(value);
  }
  if (type !== "" && !type.startsWith("text/") && !type.includes("json")) {
    return `${(await answer.blob()).size} bytes of ${type}`;
  }
  return shown(type, await answer.text());
};

for (const form of document.querySelectorAll("form[data-path]")) {
  const output = form.querySelector("output");
  form.elements.namedItem("example")?.addEventListener("change", (event) => {
    const chosen = form.querySelector(`[data-example="${CSS.escape(event.target.value)}"]`);
    form.elements.namedItem("body").value = chosen.content.textContent.trim();
  });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = form.querySelector("button");
    button.disabled = true;
    output.textContent = "Sending …";
    try {
      const answer = await fetch(request(form));
      output.textContent = `${answer.status} ${answer.statusText}\n${await answered(answer)}`;
    } catch (error) {
      output.textContent = `Not sent: ${error.message}`;
    } finally {
      button.disabled = false;
    }
  });
}
