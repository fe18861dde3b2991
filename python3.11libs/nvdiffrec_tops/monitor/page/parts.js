// What every other part of the page uses: elements, texts, and where data come from.
"use strict";

const Monitor = {};

// An element. Texts are set as texts, never as HTML: names come from anywhere.
Monitor.element = (tag, settings = {}, ...children) => {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(settings)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "text") made.textContent = value;
    else if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name in made && name !== "list" && typeof value !== "string") made[name] = value;
    else made.setAttribute(name === "class" ? "class" : name, value === true ? "" : value);
  }
  made.append(...children.filter((one) => one !== null && one !== undefined));
  return made;
};

Monitor.duration = (seconds) => {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds < 60) return `${Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")} min`;
};

Monitor.decibels = (value) => (typeof value === "number" ? `${value.toFixed(2)} dB` : "–");
Monitor.count = (value) => (typeof value === "number" ? value.toLocaleString("en") : "–");
Monitor.bytes = (value) => (value < 1e6 ? `${Math.ceil(value / 1e3)} kB` : `${(value / 1e6).toFixed(1)} MB`);

Monitor.figure = (value) => {
  if (typeof value !== "number") return "–";
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e6)) return value.toExponential(2);
  return String(Number(value.toPrecision(4)));
};

// Where data come from: the server, or what lies in this very file.
Monitor.source = (() => {
  const inside = document.getElementById("data");
  const kept = inside ? JSON.parse(inside.textContent) : null;
  const kinds = { png: "image/png", jpg: "image/jpeg" };

  const encoded = (address) =>
    address.split("/").map((part) => encodeURIComponent(part)).join("/");

  return {
    live: kept === null,
    async json(address) {
      if (kept) {
        if (!(address in kept.data)) throw new Error("it is not in this report");
        return kept.data[address];
      }
      const answer = await fetch(`data/${encoded(address)}`, { cache: "no-store" });
      if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
      return answer.json();
    },
    // The address of a file for an <img>; null where it is not here.
    address(key, file, revision = "") {
      const address = `files/${key}/${file}`;
      if (!kept) return `${encoded(address)}${revision ? `?${encodeURIComponent(revision)}` : ""}`;
      if (!(address in kept.files)) return null;
      const ending = file.split(".").pop();
      return `data:${kinds[ending] || "application/octet-stream"};base64,${kept.files[address]}`;
    },
    async bytes(key, file, revision = "") {
      if (!kept) {
        const answer = await fetch(this.address(key, file, revision));
        if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
        return answer.arrayBuffer();
      }
      const address = `files/${key}/${file}`;
      if (!(address in kept.files)) throw new Error("it is not in this report");
      const text = atob(kept.files[address]);
      return Uint8Array.from(text, (one) => one.charCodeAt(0)).buffer;
    },
  };
})();

// A table whose columns can be sorted: each {title, of(row) -> value, cell(row) -> node or text}.
Monitor.table = (caption, columns, rows, state, redraw) => {
  const { element } = Monitor;
  const sorted = [...rows];
  const by = columns.find((one) => one.title === state.by);
  if (by) {
    const rank = (row) => {
      const value = by.of(row);
      return value === null || value === undefined || value === "" ? null : value;
    };
    sorted.sort((a, b) => {
      const [x, y] = [rank(a), rank(b)];
      if (x === null || y === null) return (x === null) - (y === null); // unknown ones last
      const order = typeof x === "number" && typeof y === "number"
        ? x - y
        : String(x).localeCompare(String(y), "en", { numeric: true });
      return state.down ? -order : order;
    });
  }
  const head = columns.map((column) => {
    if (!column.of) return element("th", { scope: "col" }, element("span", { class: column.hidden ? "hidden" : "", text: column.title }));
    const own = state.by === column.title;
    return element(
      "th",
      { scope: "col", class: column.number ? "number" : "", "aria-sort": own ? (state.down ? "descending" : "ascending") : "none" },
      element("button", {
        type: "button",
        class: "sort",
        text: column.title,
        onclick: () => {
          state.down = own ? !state.down : Boolean(column.number);
          state.by = column.title;
          redraw(column.title);
        },
      }),
    );
  });
  const body = sorted.map((row) =>
    element(
      "tr",
      {},
      ...columns.map((column, place) => {
        const shown = column.cell ? column.cell(row) : column.of(row);
        const tag = column.heads ? "th" : "td";
        return element(tag, { class: column.number ? "number" : "", scope: column.heads ? "row" : null }, shown ?? "–");
      }),
    ),
  );
  return {
    order: sorted,
    node: element(
      "div",
      { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
      element("table", {}, element("caption", { class: "hidden", text: caption }), element("thead", {}, element("tr", {}, ...head)), element("tbody", {}, ...body)),
    ),
  };
};
