"use strict";
const content = document.getElementById("content");
const freshness = document.getElementById("freshness");
const wait = Number(content.dataset.refresh);

async function refresh() {
  try {
    const answer = await fetch("/dashboard/content", { redirect: "error", cache: "no-store" });
    if (answer.status === 401 || answer.status === 403) {
      location.reload();
      return;
    }
    if (!answer.ok) throw new Error(String(answer.status));
    const html = await answer.text();
    if (!document.getSelection().toString()) {
      const open = new Set([...content.querySelectorAll("details[open]")].map((d) => d.dataset.key));
      content.innerHTML = html;
      for (const details of content.querySelectorAll("details")) {
        details.open = open.has(details.dataset.key);
      }
    }
    freshness.textContent = "";
  } catch {
    freshness.textContent = "The server does not answer; what you see is old.";
  }
  setTimeout(refresh, wait);
}
setTimeout(refresh, wait);
