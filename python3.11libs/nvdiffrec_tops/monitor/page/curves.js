// Curves of the training's figures, each with its newest value, drawn as SVG.
"use strict";

Monitor.curves = (() => {
  const { element } = Monitor;
  const WIDTH = 320, HEIGHT = 116, LEFT = 62, RIGHT = 6, TOP = 8, BOTTOM = 18;
  const SHOWN = [
    ["image_loss", "Image loss", true, ""],
    ["psnr", "PSNR", false, "dB"],
    ["learning_rate", "Learning rate", false, ""],
    ["memory", "Memory", false, "MiB"],
  ];

  const svg = (tag, settings, ...children) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(settings)) made.setAttribute(name, value);
    made.append(...children);
    return made;
  };

  function curve(title, unit, logarithmic, points, end, passes) {
    const values = points.map((one) => one[1]);
    let low = Math.min(...values), high = Math.max(...values);
    const log = logarithmic && low > 0;
    const scale = log ? Math.log : (value) => value;
    if (!log && low > 0 && low < 0.6 * high) low = 0;
    if (high === low) { high += Math.abs(high) * 0.1 || 1; low -= Math.abs(low) * 0.1; }
    const x = (epoch) => LEFT + (epoch / Math.max(end, 1)) * (WIDTH - LEFT - RIGHT);
    const y = (value) => TOP + (1 - (scale(value) - scale(low)) / (scale(high) - scale(low))) * (HEIGHT - TOP - BOTTOM);
    const last = points[points.length - 1];
    const parts = passes.map((epoch) => svg("line", { x1: x(epoch), x2: x(epoch), y1: TOP, y2: HEIGHT - BOTTOM, class: "pass" }));
    const line = points.map(([epoch, value]) => `${x(epoch).toFixed(1)},${y(value).toFixed(1)}`).join(" ");
    if (points.length > 1) parts.push(svg("polyline", { points: line, class: "line" }));
    if (points.length <= 12) parts.push(...points.map(([epoch, value]) => svg("circle", { cx: x(epoch), cy: y(value), r: 2.5, class: "dot" })));
    parts.push(svg("circle", { cx: x(last[0]), cy: y(last[1]), r: 3.5, class: "dot" }));
    const said = (value) => `${Monitor.figure(value)}${unit ? ` ${unit}` : ""}`;
    const top = svg("text", { x: LEFT - 6, y: TOP + 6, "text-anchor": "end", class: "scale" });
    top.textContent = Monitor.figure(high);
    const bottom = svg("text", { x: LEFT - 6, y: HEIGHT - BOTTOM, "text-anchor": "end", class: "scale" });
    bottom.textContent = Monitor.figure(low);
    const right = svg("text", { x: WIDTH - RIGHT, y: HEIGHT - 4, "text-anchor": "end", class: "scale" });
    right.textContent = `${Monitor.count(Math.round(end))} iterations${log ? ", logarithmic" : ""}`;
    const drawing = svg(
      "svg",
      { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": `${title}: ${points.length} values, the newest ${said(last[1])}, from ${said(Math.min(...values))} to ${said(Math.max(...values))}` },
      svg("line", { x1: LEFT, x2: WIDTH - RIGHT, y1: HEIGHT - BOTTOM, y2: HEIGHT - BOTTOM, class: "axis" }),
      ...parts, top, bottom, right,
    );
    return element("figure", { class: "curve" }, element("figcaption", {}, element("span", { text: title }), element("b", { text: said(last[1]) })), drawing);
  }

  return (columns) => {
    const epochs = columns.epoch || [];
    const end = epochs.length ? epochs[epochs.length - 1] : 0;
    const passes = (columns.pass || []).flatMap((one, row) => (row && one !== columns.pass[row - 1] ? [epochs[row]] : []));
    const drawn = [];
    for (const [name, title, logarithmic, unit] of SHOWN) {
      let points = (columns[name] || []).map((value, row) => [epochs[row], value]);
      if (name === "psnr" && columns.progress_psnr) {
        points = points.map(([epoch, value], row) => [epoch, value ?? columns.progress_psnr[row]]);
      }
      points = points.filter(([epoch, value]) => epoch !== null && value !== null && value !== undefined);
      if (points.length) drawn.push(curve(title, unit, logarithmic, points, end, passes));
    }
    if (!drawn.length) return element("p", { class: "none", text: "No figures yet." });
    return element("div", { class: "curves" }, ...drawn);
  };
})();
