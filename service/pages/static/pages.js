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
