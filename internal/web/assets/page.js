// Replaces the parts of the page as the service sends them. Without it the
// page is complete, and stands still.
"use strict";
(() => {
  const state = document.getElementById("state");
  const at = document.getElementById("at");
  const replace = (id, html) => {
    const part = document.getElementById(id);
    const focused = part.contains(document.activeElement) ? document.activeElement.id : "";
    const scrolled = new Map([...part.querySelectorAll(".scroll[id]")].map((e) => [e.id, e.scrollLeft]));
    part.innerHTML = html;
    for (const [name, left] of scrolled) {
      const e = document.getElementById(name);
      if (e) e.scrollLeft = left;
    }
    if (focused) document.getElementById(focused)?.focus({preventScroll: true});
  };
  const source = new EventSource("/events");
  for (const id of ["health", "now", "front", "who", "changed"]) {
    source.addEventListener(id, (e) => replace(id, e.data));
  }
  source.addEventListener("at", (e) => {
    at.textContent = e.data;
    state.textContent = "live,";
  });
  source.addEventListener("error", () => { state.textContent = "not connected, as of"; });
})();
