/* Shows the overview anew every ten seconds, while somebody may be looking. */
(() => {
  "use strict";
  const SECONDS = 10;
  const PATIENCE = 60; // seconds
  const KEY = "django_jobs.refresh";
  const shown = () => document.getElementById("jobs-overview");
  const box = document.getElementById("jobs-refresh");
  const failed = document.getElementById("jobs-refresh-failed");
  if (!shown() || !box) return;

  const remembered = () => {
    try {
      return localStorage.getItem(KEY);
    } catch {
      return null; // storage may be forbidden
    }
  };
  box.checked = remembered() !== "off";
  box.closest("label").hidden = false;
  box.addEventListener("change", () => {
    try {
      localStorage.setItem(KEY, box.checked ? "on" : "off");
    } catch {
      /* it holds until the page is left */
    }
  });

  const isBusy = () => {
    const held = document.activeElement;
    // What is unfolded is found again; nothing else is taken from under somebody's keyboard.
    return (shown().contains(held) && held.localName !== "summary") || !getSelection().isCollapsed;
  };

  const show = (fresh) => {
    const held = document.activeElement.closest("#jobs-overview details[id]");
    for (const open of shown().querySelectorAll("details[open][id]")) {
      fresh.querySelector(`#${open.id}`)?.setAttribute("open", "");
    }
    shown().replaceWith(document.adoptNode(fresh));
    if (held) document.querySelector(`#${held.id} > summary`)?.focus({ preventScroll: true });
  };

  let isUnderWay = false; // a server that is slow is not asked again and again

  const refresh = async () => {
    if (isUnderWay || !box.checked || document.hidden || isBusy()) return;
    isUnderWay = true;
    try {
      const signal = AbortSignal.timeout(PATIENCE * 1000);
      const response = await fetch(location.href, { credentials: "same-origin", signal });
      const page = new DOMParser().parseFromString(await response.text(), "text/html");
      const fresh = page.getElementById("jobs-overview");
      if (!response.ok || !fresh) throw new Error("not the overview");
      if (!isBusy()) show(fresh);
      failed.hidden = true;
    } catch {
      failed.hidden = false;
    } finally {
      isUnderWay = false;
    }
  };
  setInterval(refresh, SECONDS * 1000);
  document.addEventListener("visibilitychange", refresh);
})();
