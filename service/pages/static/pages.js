"use strict";
// What was typed is scored as it is typed; without this file the button does the same.
const form = document.querySelector("form[data-live]");
if (form) {
  const target = document.getElementById(form.dataset.live);
  let waiting, asking;
  const show = async () => {
    if (asking) asking.abort();
    asking = new AbortController();
    target.setAttribute("aria-busy", "true");
    try {
      const answer = await fetch(form.action, {
        method: "POST", body: new URLSearchParams(new FormData(form)), headers: { "x-part": "result" }, signal: asking.signal,
      });
      if (!answer.ok) throw new Error(String(answer.status));
      // Our own page, in which every value is text already.
      target.innerHTML = await answer.text();
    } catch (error) {
      if (error.name !== "AbortError") target.textContent = "The draft could not be looked at. Press the button to see why.";
      return;
    }
    target.removeAttribute("aria-busy");
  };
  form.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(show, 300); });
}

// A strip is kept up to date by the server until somebody pauses it; without this file it is as it was when loaded.
for (const strip of document.querySelectorAll("[data-live-from]")) {
  const button = document.querySelector(`[data-pause="${strip.id}"]`);
  let source = null;
  const stop = () => { if (source) source.close(); source = null; button.textContent = "Go on"; };
  const start = () => {
    source = new EventSource(strip.dataset.liveFrom);
    button.textContent = "Pause";
    source.onmessage = (event) => {
      const open = strip.querySelector("details[open]") !== null;
      // Our own page, in which every value is text already.
      strip.innerHTML = event.data;
      if (open && strip.querySelector("details")) strip.querySelector("details").open = true;
    };
    source.onerror = () => { if (source && source.readyState === EventSource.CLOSED) stop(); };
  };
  button.hidden = false;
  button.addEventListener("click", () => { if (source) stop(); else start(); });
  start();
}
