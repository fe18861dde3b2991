// One training, and several side by side.
"use strict";

Monitor.states = {
  running: "training", waiting: "waiting", done: "done", failed: "failed", stopped: "stopped", reading: "reading …",
};

Monitor.state = (one) => Monitor.element("span", { class: `state ${one.state}`, text: Monitor.states[one.state] || one.state });

Monitor.progress = (one) => {
  const { element } = Monitor;
  if (one.state !== "running") return null;
  const parts = [`${Math.round(one.percent)} %`];
  if (one.pass) parts.push(`pass ${one.pass}`);
  if (one.iterations) parts.push(`iteration ${Monitor.count(one.iteration)} of ${Monitor.count(one.iterations)}`);
  if (one.stage && one.stage !== "training") parts.push(one.stage);
  if (one.remaining !== null && one.remaining !== undefined) parts.push(`${Monitor.duration(one.remaining)} left`);
  const label = parts.join(", ");
  return element("div", { class: "progress" }, element("progress", { max: "100", value: one.percent, "aria-label": "Progress" }), element("span", { text: label }));
};

Monitor.Training = (() => {
  const { element } = Monitor;

  const section = (title, id, ...children) => element("section", { "aria-labelledby": id }, element("h3", { id, text: title }), ...children);

  return class Training {
    constructor(key) {
      this.key = key;
      this.viewer = new Monitor.Viewer("The mesh");
      this.pictures = new Monitor.Pictures(key);
      this.head = element("div", { class: "head" });
      this.curves = element("div");
      this.warnings = element("div");
      this.settings = element("div");
      this.log = element("pre", { class: "log", tabindex: "0", role: "region", "aria-label": "Last lines of the log" });
      this.node = element(
        "article", { class: "training" }, this.head,
        element(
          "div", { class: "columns" },
          element("div", {}, section("Mesh", "h-mesh", this.viewer.node), section("Pictures", "h-pictures", this.pictures.node)),
          element("div", {}, section("Figures", "h-figures", this.curves), section("Warnings", "h-warnings", this.warnings), section("Asked for", "h-settings", this.settings)),
        ),
        element("details", { class: "loghold" }, element("summary", { text: "Log" }), this.log),
      );
    }

    async refresh() {
      const told = await Monitor.source.json(`${this.key}/detail`);
      if (!this.scene || !this.scene.views) {
        this.scene = await Monitor.source.json(`${this.key}/scene`).catch(() => ({}));
        if (this.scene.views) this.viewer.setScene(this.scene);
      }
      this._head(told);
      this._replace(this.curves, told.curves, (curves) => Monitor.curves(curves));
      this._replace(this.warnings, told.warnings, (warnings) => this._warned(warnings));
      this._replace(this.settings, told.settings, (settings) => this._asked(settings));
      this._log(told);
      await Promise.all([this.viewer.load(this.key, told.mesh), this.pictures.show(told.groups)]);
      return told;
    }

    dispose() { this.viewer.dispose(); }

    // What has not changed is left alone: a reader keeps place and focus.
    _replace(place, data, draw) {
      const said = JSON.stringify(data);
      if (place.said === said) return;
      place.said = said;
      place.replaceChildren(draw(data));
    }

    _head(told) {
      const figures = [
        ["PSNR", Monitor.decibels(told.psnr)],
        ["first pass", Monitor.decibels(told.psnr_pass1)],
        ["faces", Monitor.count(told.faces)],
        ["time", Monitor.duration(told.seconds)],
      ].filter(([, value]) => value !== "–");
      const failure = told.cause
        ? element("div", { class: "failure", role: "alert" }, element("p", { text: told.cause }), told.cure ? element("p", { class: "cure" }, element("b", { text: "Cure " }), told.cure) : null)
        : null;
      this._replace(this.head, [told.name, told.state, told.percent, told.remaining, told.iteration, told.stage, figures, told.cause, told.machine, told.engine], () =>
        element(
          "div", {},
          element("h2", {}, element("bdi", { text: told.name }), " ", Monitor.state(told)),
          Monitor.progress(told),
          element("dl", { class: "figures" }, ...figures.flatMap(([name, value]) => [element("div", {}, element("dt", { text: name }), element("dd", { text: value }))])),
          told.machine || told.engine ? element("p", { class: "hint", text: [told.engine, told.machine && `on ${told.machine}`, told.started].filter(Boolean).join(", ") }) : null,
          failure,
        ),
      );
    }

    _warned(warnings) {
      if (!warnings.length) return element("p", { class: "none", text: "None." });
      return element("ul", { class: "warnings" }, ...warnings.map((one) =>
        element("li", {}, element("p", { text: one.text }), one.cure ? element("p", { class: "cure" }, element("b", { text: "Cure " }), one.cure) : null)));
    }

    _asked(settings) {
      if (!settings.length) return element("p", { class: "none", text: "Nothing that differs from the defaults is known." });
      const columns = [
        { title: "Field", heads: true, of: (one) => one.name, cell: (one) => element("span", { title: one.help, text: one.name }) },
        { title: "Value", of: (one) => one.value },
        { title: "Default", of: (one) => one.default },
      ];
      const state = {};
      const hold = element("div");
      const draw = () => hold.replaceChildren(Monitor.table("Fields that differ from the defaults", columns, settings, state, draw).node);
      draw();
      return hold;
    }

    _log(told) {
      const said = `${told.log_bytes} ${told.log.length}`;
      if (this.log.said === said) return;
      this.log.said = said;
      const below = this.log.scrollHeight - this.log.scrollTop - this.log.clientHeight < 30;
      this.log.textContent = told.log.join("\n") || "There is no log.";
      if (below) this.log.scrollTop = this.log.scrollHeight;
    }
  };
})();

Monitor.Comparison = (() => {
  const { element } = Monitor;
  const MOST_VIEWERS = 4;

  return class Comparison {
    constructor(keys) {
      this.keys = keys;
      this.state = {};
      this.number = 0;
      this.viewers = new Map();
      this.meshes = element("div", { class: "side" });
      this.table = element("div");
      this.node = element("article", {}, element("h2", { text: `${keys.length} trainings side by side` }), this.meshes, this.table);
    }

    async refresh() {
      const told = await Promise.all(this.keys.map((key) => Monitor.source.json(`${key}/detail`).catch(() => null)));
      this.rows = told.filter(Boolean);
      const view = this.rows.map((one) => this._thumbnail(one));
      const thumbnails = await Promise.all(view);
      this.rows.forEach((one, place) => { one.thumbnail = thumbnails[place]; });
      // What has not changed is left alone: a reader keeps place and focus.
      const said = JSON.stringify(this.rows.map(({ log, log_bytes, curves, ...rest }) => rest));
      if (said !== this.said) { this.said = said; this._draw(); }
      return null;
    }

    async _thumbnail(one) {
      const group = one.groups.find((group) => group.name === "validate") || one.groups[0];
      if (!group) return null;
      // Of progress pictures the newest counts.
      const progress = group.name === "progress";
      const number = progress ? Math.floor((group.count - 1) / 48) : 0;
      const told = await Monitor.source.json(`${one.key}/views/${group.name}/${number}`).catch(() => null);
      const views = told ? told.views : [];
      if (!progress) this.most = Math.max(this.most || 0, Math.min(views.length, 48));
      const last = views.length - 1;
      const files = (views[progress ? last : Math.min(this.number, last)] || { files: {} }).files;
      const file = files.opt || files.strip;
      return file ? Monitor.source.address(one.key, file.key, file.revision) : null;
    }

    _draw(focus) {
      const names = [...new Set(this.rows.flatMap((one) => one.settings.map((field) => field.name)))];
      const value = (one, name) => {
        const found = one.settings.find((field) => field.name === name);
        if (found) return found.value;
        const other = this.rows.flatMap((row) => row.settings).find((field) => field.name === name);
        return other ? other.default : "";
      };
      const differing = names.filter((name) => new Set(this.rows.map((one) => value(one, name))).size > 1).sort();
      const numeric = (text) => (text !== "" && Number.isFinite(Number(text)) ? Number(text) : text);
      const columns = [
        { title: "Result", cell: (one) => (one.thumbnail ? element("img", { class: "thumbnail", src: one.thumbnail, alt: `result of ${one.name}`, loading: "lazy" }) : "–") },
        { title: "Training", heads: true, of: (one) => one.name, cell: (one) => element("a", { href: `#${one.key}` }, element("bdi", { text: one.name })) },
        { title: "State", of: (one) => one.state, cell: (one) => Monitor.state(one) },
        { title: "PSNR", number: true, of: (one) => one.psnr, cell: (one) => Monitor.decibels(one.psnr) },
        { title: "First pass", number: true, of: (one) => one.psnr_pass1, cell: (one) => Monitor.decibels(one.psnr_pass1) },
        { title: "Faces", number: true, of: (one) => one.faces, cell: (one) => Monitor.count(one.faces) },
        { title: "Time", number: true, of: (one) => one.seconds, cell: (one) => Monitor.duration(one.seconds) },
        ...differing.map((name) => ({ title: name, of: (one) => numeric(value(one, name)), cell: (one) => value(one, name) || "–" })),
      ];
      const made = Monitor.table("Figures and fields that differ", columns, this.rows, this.state, (title) => this._draw(title));
      const number = element("input", {
        type: "number", min: "1", max: String(this.most || 1), value: String(this.number + 1),
        onchange: () => { this.number = Math.max(0, Number(number.value) - 1); this.refresh(); },
      });
      this.table.replaceChildren(
        element("div", { class: "controls" }, element("label", {}, "View ", number), element("span", { class: "hint", text: differing.length ? "" : "No field differs." })),
        made.node,
      );
      if (focus) [...this.table.querySelectorAll("button.sort")].find((one) => one.textContent === focus)?.focus();
      this._viewers(made.order.slice(0, MOST_VIEWERS));
    }

    _viewers(rows) {
      const wanted = new Set(rows.map((one) => one.key));
      for (const [key, held] of [...this.viewers]) {
        if (!wanted.has(key)) { held.viewer.dispose(); this.viewers.delete(key); }
      }
      for (const one of rows) {
        if (!this.viewers.has(one.key)) {
          const viewer = new Monitor.Viewer(`The mesh of ${one.name}`);
          for (const other of this.viewers.values()) viewer.lock(other.viewer);
          const caption = element("figcaption");
          const figure = element("figure", { class: "meshes" }, viewer.node, caption);
          this.viewers.set(one.key, { viewer, figure, caption });
          Monitor.source.json(`${one.key}/scene`).then((scene) => viewer.setScene(scene)).catch(() => {});
        }
        const held = this.viewers.get(one.key);
        held.caption.replaceChildren(element("bdi", { text: one.name }), ` ${Monitor.decibels(one.psnr)}`);
        held.viewer.load(one.key, one.mesh);
      }
      const order = rows.map((one) => this.viewers.get(one.key).figure);
      if (order.some((figure, place) => this.meshes.children[place] !== figure) || order.length !== this.meshes.children.length) this.meshes.replaceChildren(...order);
    }

    dispose() { for (const one of this.viewers.values()) one.viewer.dispose(); }
  };
})();
