// The page: the list of trainings, one of them, or several side by side, by the address's end.
"use strict";

(() => {
  const { element, source } = Monitor;
  const main = document.getElementById("main");
  const live = document.getElementById("live");
  const OFTEN = 1000, SELDOM = 4000; // milliseconds
  let shown = null; // what is in `main`: has node, refresh, dispose
  let place = null;
  let chosen = new Set();

  class List {
    constructor() {
      this.state = {};
      this.node = element("article");
    }

    async refresh(told) {
      this.rows = told.trainings;
      const said = JSON.stringify([this.rows, [...chosen], this.state]);
      if (said !== this.said) { this.said = said; this._draw(); }
      return null;
    }

    _draw(focus) {
      const held = focus || (this.node.contains(document.activeElement) ? document.activeElement.dataset.id : null);
      const counts = {};
      for (const one of this.rows) counts[one.state] = (counts[one.state] || 0) + 1;
      const columns = [
        {
          title: "Compare", hidden: true,
          cell: (one) => element("input", {
            type: "checkbox", checked: chosen.has(one.key), "aria-label": `compare ${one.name}`, "data-id": `choose ${one.key}`,
            onchange: (event) => { if (event.target.checked) chosen.add(one.key); else chosen.delete(one.key); this._draw(); },
          }),
        },
        { title: "Training", heads: true, of: (one) => one.name, cell: (one) => element("a", { href: `#${one.key}`, "data-id": one.key }, element("bdi", { text: one.name })) },
        { title: "State", of: (one) => one.state, cell: (one) => element("div", {}, Monitor.state(one), Monitor.progress(one), one.cause ? element("p", { class: "cause", text: one.cause }) : null) },
        { title: "Time left", number: true, of: (one) => one.remaining, cell: (one) => Monitor.duration(one.remaining) },
        { title: "PSNR", number: true, of: (one) => one.psnr, cell: (one) => Monitor.decibels(one.psnr) },
        { title: "Faces", number: true, of: (one) => one.faces, cell: (one) => Monitor.count(one.faces) },
        { title: "Time", number: true, of: (one) => one.seconds, cell: (one) => Monitor.duration(one.seconds) },
        { title: "Machine", of: (one) => one.machine, cell: (one) => element("bdi", { text: one.machine || "–" }) },
      ];
      const compare = element("button", {
        type: "button", class: "main", "data-id": "compare", disabled: chosen.size < 2, text: chosen.size < 2 ? "Choose two or more to compare" : `Compare ${chosen.size}`,
        onclick: () => { location.hash = [...chosen].join(","); },
      });
      const all = element("button", {
        type: "button", "data-id": "all", text: chosen.size ? "Choose none" : "Choose all",
        onclick: () => { chosen = new Set(chosen.size ? [] : this.rows.map((one) => one.key)); this._draw(); },
      });
      const table = Monitor.table("Trainings", columns, this.rows, this.state, () => this._draw());
      this.node.replaceChildren(
        element("h2", { text: `${this.rows.length} trainings` }),
        element("ul", { class: "counts" }, ...Object.keys(Monitor.states).filter((one) => counts[one]).map((one) => element("li", {}, element("b", { text: String(counts[one]) }), ` ${Monitor.states[one]}`))),
        element("div", { class: "controls" }, compare, all), table.node,
      );
      if (held) this.node.querySelector(`[data-id="${CSS.escape(held)}"]`)?.focus();
    }

    dispose() {}
  }

  class Nothing {
    constructor() {
      this.node = element("p", { class: "none", text: "There is no training here yet. It appears when one begins." });
    }
    async refresh() { return null; }
    dispose() {}
  }

  function wanted(told) {
    const keys = new Set(told.trainings.map((one) => one.key));
    const named = location.hash.slice(1).split(",").filter((one) => keys.has(one));
    if (named.length > 1) return [named.join(","), () => new Monitor.Comparison(named)];
    if (named.length === 1) return [named[0], () => new Monitor.Training(named[0])];
    if (keys.size === 1) { const [only] = keys; return [only, () => new Monitor.Training(only)]; }
    return keys.size ? ["list", () => new List()] : ["nothing", () => new Nothing()];
  }

  let busy = false, again = 0;
  async function refresh() {
    if (busy) return;
    busy = true;
    clearTimeout(again);
    let running = true;
    try {
      const told = await source.json("overview");
      running = told.trainings.some((one) => ["running", "reading"].includes(one.state));
      document.title = told.title;
      document.getElementById("home").textContent = told.title;
      const [next, make] = wanted(told);
      if (next !== place) {
        if (shown) shown.dispose();
        place = next;
        shown = make();
        const back = told.trainings.length > 1 && next !== "list" ? element("p", { class: "back" }, element("a", { href: "#", text: "‹ all trainings" })) : null;
        main.replaceChildren(...[back, shown.node].filter(Boolean));
      }
      await shown.refresh(told);
      live.textContent = source.live ? (running ? "Live" : "Up to date") : "Report";
      live.className = source.live && running ? "on" : "";
    } catch (error) {
      live.textContent = source.live ? "No answer from the server" : `Damaged: ${error.message}`;
      live.className = "lost";
    } finally {
      busy = false;
      main.dataset.ready = "1";
      if (source.live) again = setTimeout(refresh, document.hidden ? 4 * SELDOM : running ? OFTEN : SELDOM);
    }
  }

  // -- theme ----------------------------------------------------------------------------------
  const THEMES = ["system", "light", "dark"];
  const button = document.getElementById("theme");
  let theme = "system";
  try { theme = localStorage.getItem("theme") || theme; } catch { /* it is not kept, then */ }
  const dress = () => {
    if (!THEMES.includes(theme)) theme = "system";
    document.documentElement.dataset.theme = theme;
    button.textContent = `Theme: ${theme}`;
  };
  button.addEventListener("click", () => {
    theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
    try { localStorage.setItem("theme", theme); } catch { /* it is not kept, then */ }
    dress();
  });
  dress();

  // A panorama that misses the viewer must not take the page's place.
  for (const name of ["dragover", "drop"]) document.addEventListener(name, (event) => event.preventDefault());
  window.addEventListener("hashchange", () => { if (location.hash !== "#main") refresh(); });
  document.addEventListener("visibilitychange", () => { if (!document.hidden) refresh(); });
  refresh();
})();
