// Pictures of views: the reference under the result with a slider between them, their difference,
// and what else was rendered of the view. Told page by page, since there may be thousands.
"use strict";

Monitor.Pictures = (() => {
  const { element } = Monitor;
  const NAMES = {
    opt: "result", ref: "reference", kd: "albedo", ks: "roughness (green), metalness (blue)",
    normal: "normals", latlong: "light", relight: "relit", strip: "picture",
  };

  return class Pictures {
    constructor(key) {
      this.key = key;
      this.at = 50;
      this.group = null;
      this.node = element("div", { class: "pictures" });
    }

    async show(groups) {
      const said = JSON.stringify(groups);
      if (said === this.said) return;
      this.said = said;
      this.groups = groups;
      if (!groups.length) {
        this.node.replaceChildren(element("p", { class: "none", text: "No pictures yet." }));
        return;
      }
      const former = groups.find((one) => this.group && one.name === this.group.name);
      this.group = former || groups.find((one) => one.name === "validate") || groups[0];
      // While it runs, the newest progress picture is the one to see.
      await this._open(this.group, former ? null : 0);
    }

    async _open(group, place) {
      const newest = group.name === "progress" && (place === null || place === 0) && this.follow !== false;
      const wanted = newest ? group.count - 1 : Math.min(place ?? this.place ?? 0, group.count - 1);
      await this._go(group, wanted);
    }

    async _go(group, place) {
      this.group = group;
      this.place = Math.max(0, Math.min(place, group.count - 1));
      const size = 48;
      const number = Math.floor(this.place / size);
      try {
        if (!this.page || this.page.group !== group || this.page.number !== number) {
          const told = await Monitor.source.json(`${this.key}/views/${group.name}/${number}`);
          this.page = { group, number, views: told.views };
        }
        this._draw(this.page.views[this.place - number * size]);
      } catch (error) {
        this.node.replaceChildren(element("p", { class: "none", text: `The pictures cannot be shown: ${error.message}` }));
      }
    }

    _draw(view) {
      if (!view) return;
      const focus = document.activeElement && this.node.contains(document.activeElement) ? document.activeElement.dataset.id : null;
      const said = (one) => (one.all > one.count ? `${one.count} of ${Monitor.count(one.all)}` : Monitor.count(one.count));
      const tabs = element(
        "div", { class: "tabs", role: "group", "aria-label": "Pictures of" },
        ...this.groups.map((one) => element("button", {
          type: "button", text: `${one.label} (${said(one)})`, "aria-pressed": String(one.name === this.group.name),
          "data-id": `group ${one.name}`, onclick: () => this._open(one, 0),
        })),
      );
      const step = (by, text, label) => element("button", {
        type: "button", text, "aria-label": label, "data-id": label,
        "aria-disabled": String(this.place + by < 0 || this.place + by >= this.group.count),
        onclick: () => { this.follow = this.place + by === this.group.count - 1; this._go(this.group, this.place + by); },
      });
      const number = element("input", {
        type: "number", min: "1", max: String(this.group.count), value: String(this.place + 1), "aria-label": "Number of the picture", "data-id": "number",
        onchange: () => { this.follow = Number(number.value) === this.group.count; this._go(this.group, Number(number.value) - 1 || 0); },
      });
      const bar = element(
        "div", { class: "controls" },
        step(-1, "‹", "Picture before"), number, element("span", { text: `of ${Monitor.count(this.group.count)}` }), step(1, "›", "Next picture"),
        element("b", { text: view.name }), element("span", { text: view.psnr === null || view.psnr === undefined ? "" : Monitor.decibels(view.psnr) }),
      );
      const image = (channel, alt) => {
        const file = view.files[channel];
        const address = file && Monitor.source.address(this.key, file.key, file.revision);
        return address ? element("img", { src: address, alt, decoding: "async" }) : null;
      };
      this.node.replaceChildren(tabs, bar, ...(view.files.opt && view.files.ref ? this._compared(view, image) : this._plain(view, image)));
      if (focus) this.node.querySelector(`[data-id="${CSS.escape(focus)}"]`)?.focus();
    }

    _compared(view, image) {
      const difference = image("opt", "");
      const under = image("ref", `reference of ${view.name}`);
      const over = image("opt", `result of ${view.name}`);
      over.className = "over";
      difference.className = "difference";
      const line = element("div", { class: "line" });
      const stage = element("div", { class: "compare" }, under, over, difference, line);
      const move = (at) => {
        this.at = at;
        over.style.clipPath = `inset(0 0 0 ${at}%)`;
        line.style.left = `${at}%`;
      };
      const slider = element("input", {
        type: "range", min: "0", max: "100", step: "0.5", value: String(this.at), class: "slider", "data-id": "slider",
        "aria-label": "Border between reference (left) and result (right)", oninput: () => move(Number(slider.value)),
      });
      const drag = (event) => {
        if (event.buttons !== 1) return;
        const box = stage.getBoundingClientRect();
        slider.value = String(Math.min(100, Math.max(0, ((event.clientX - box.left) / box.width) * 100)));
        move(Number(slider.value));
      };
      stage.addEventListener("pointerdown", drag);
      stage.addEventListener("pointermove", drag);
      move(this.at);
      const others = Object.keys(view.files).filter((one) => one !== "opt" && one !== "ref");
      const chosen = others.includes(this.channel) || this.channel === "difference" ? this.channel : "slider";
      const set = (channel) => {
        this.channel = channel;
        stage.dataset.shown = channel;
        stage.querySelector("img.other")?.remove();
        if (others.includes(channel)) {
          const other = image(channel, `${NAMES[channel] || channel} of ${view.name}`);
          other.className = "other";
          stage.append(other);
        }
        slider.disabled = channel !== "slider";
      };
      const select = element(
        "select", { "aria-label": "What is shown", "data-id": "channel", onchange: () => set(select.value) },
        element("option", { value: "slider", text: "reference | result" }), element("option", { value: "difference", text: "difference × 4" }),
        ...others.map((one) => element("option", { value: one, text: NAMES[one] || one })),
      );
      select.value = chosen;
      set(chosen);
      return [stage, element("div", { class: "controls" }, element("span", { class: "hint", text: "reference" }), slider, element("span", { class: "hint", text: "result" }), select)];
    }

    _plain(view, image) {
      return Object.keys(view.files).map((channel) => {
        const shown = image(channel, `${NAMES[channel] || channel} of ${view.name}`);
        if (shown) shown.className = "strip";
        return shown;
      });
    }
  };
})();
