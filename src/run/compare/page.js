// Draws the page out of its data: the table, and the rows that are ticked as curves, points and lines, in SVG.
"use strict";

const data = JSON.parse(document.getElementById("data").textContent);
// Okabe and Ito's palette, which colour-blind people tell apart, https://jfly.uni-koeln.de/color; yellow, pale on white, last.
const COLOURS = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#000000", "#f0e442"];
const DASHES = ["", "7 4", "2 3", "9 3 2 3"];
const PALE = "#d3d9df";
const hasCurve = (row) => data.rows[row].runs.some((name) => Object.keys(data.runs[name].curves).length);
const ticked = new Set([...data.rows.keys()].filter(hasCurve).slice(0, COLOURS.length));
let shown = [...data.rows.keys()];
let order = { column: null, descending: false };

const find = (selector) => document.querySelector(selector);
const colour = (row) => COLOURS[row % COLOURS.length];
const dash = (row) => DASHES[Math.floor(row / COLOURS.length) % DASHES.length];

function node(parent, tag, attributes = {}, text = null) {
  const space = parent.namespaceURI === "http://www.w3.org/2000/svg" || tag === "svg";
  const made = space ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (text !== null) made.textContent = text;
  parent.append(made);
  return made;
}

// The table

function sorted(rows) {
  if (order.column === null) return rows;
  const sign = order.descending ? -1 : 1;
  const numeric = data.numeric.includes(order.column);
  const cell = (row) => data.rows[row].cells[order.column];
  return [...rows].sort((a, b) => {
    const [[textA, valueA], [textB, valueB]] = [cell(a), cell(b)];
    if (valueA !== null && valueB !== null) return sign * (valueA - valueB) || a - b;
    if (numeric || valueA !== valueB) return (valueA === null) - (valueB === null) || a - b;  // what is no number: last
    return sign * textA.localeCompare(textB, "en") || a - b;
  });
}

function matching() {
  const words = find("#filter").value.toLowerCase().split(/\s+/).filter(Boolean);
  const text = (row) => [...row.cells.map((cell) => cell[0]), ...row.runs].join(" ").toLowerCase();
  return [...data.rows.keys()].filter((k) => words.every((word) => text(data.rows[k]).includes(word)));
}

function head() {
  const line = find("thead tr");
  node(line, "th", { class: "pick", "aria-label": "drawn" });
  data.header.forEach((name, column) => {
    const cell = node(line, "th", { tabindex: 0, class: data.numeric.includes(column) ? "numeric" : "" }, name);
    const sort = () => {
      order = { column, descending: order.column === column && !order.descending };
      update();
    };
    cell.addEventListener("click", sort);
    cell.addEventListener("keydown", (event) => ["Enter", " "].includes(event.key) && (event.preventDefault(), sort()));
  });
}

function body() {
  const list = find("tbody");
  list.replaceChildren();
  for (const k of sorted(shown)) {
    const row = data.rows[k];
    const line = node(list, "tr", { "data-row": k, title: row.runs.join("\n") });
    const label = node(node(line, "td", { class: "pick" }), "label");
    const box = node(label, "input", { type: "checkbox", "aria-label": "draw this row" });
    box.checked = ticked.has(k);
    box.addEventListener("change", () => (box.checked ? ticked.add(k) : ticked.delete(k), draw()));
    const swatch = node(label, "svg", { class: "swatch", viewBox: "0 0 22 10" });
    node(swatch, "line", { x1: 0, x2: 22, y1: 5, y2: 5, stroke: colour(k), "stroke-width": 3, "stroke-dasharray": dash(k) });
    row.cells.forEach(([text, value], column) => node(line, "td", { class: style(k, column, text, value) }, text));
  }
  [...find("thead tr").children].slice(1).forEach((cell, column) => {
    if (column === order.column) cell.setAttribute("aria-sort", order.descending ? "descending" : "ascending");
    else cell.removeAttribute("aria-sort");
  });
}

function style(row, column, text, value) {
  const isScore = data.header[column] === `best ${data.monitor}`;
  return [
    data.numeric.includes(column) ? "numeric" : "",
    text === "—" ? "none" : "",
    /NaN|inf| of /.test(text) && data.numeric.includes(column) ? "bad" : "",
    column === data.header.length - 1 && text !== "done" ? "bad" : "",
    isScore && row === 0 && value !== null ? "best" : "",
  ].join(" ");
}

// Axes

function scale(values, from, to, log) {
  const known = values.filter((value) => value !== null);
  let low = Math.min(...known), high = Math.max(...known);
  if (!known.length) [low, high] = [0, 1];
  const isLog = log && low > 0;
  const turn = isLog ? Math.log10 : (value) => value;
  let [a, b] = [turn(low), turn(high)];
  const room = (b - a) * 0.05 || Math.abs(a) * 0.05 || 0.5;
  [a, b] = [a - room, b + room];
  const at = (value) => from + ((turn(value) - a) / (b - a)) * (to - from);
  return { at: (value) => (isLog && value <= 0 ? null : at(value)), ticks: ticks(a, b, isLog).map((value) => [at(value), label(value)]) };
}

function categories(values, from, to) {
  const names = [...new Set(values.map(String))];
  const place = new Map(names.map((name, k) => [name, k]));
  const at = (value) => from + ((place.get(String(value)) + 0.5) / names.length) * (to - from);
  const every = Math.ceil(names.length / 12);
  return { at, lift: -9, ticks: names.filter((_, k) => k % every === 0).map((name) => [at(name), shorten(name)]) };
}

function ticks(low, high, isLog) {
  if (isLog && high - low >= 1) {
    const every = Math.ceil((high - low) / 8);
    const powers = [];
    for (let power = Math.ceil(low); power <= high; power += every) powers.push(10 ** power);
    if (powers.length > 1) return powers;
  }
  if (isLog) return [0, 1, 2, 3, 4].map((k) => Number((10 ** (low + ((high - low) * (k + 0.5)) / 5)).toPrecision(2)));
  const raw = (high - low) / 5, power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].find((factor) => factor * power >= raw) * power;
  const found = [];
  for (let k = Math.ceil(low / step); k * step <= high; k++) found.push(Number((k * step).toPrecision(12)));
  return found;
}

const label = (value) => (value !== 0 && (Math.abs(value) >= 1e5 || Math.abs(value) < 1e-3) ? value.toExponential().replace("e+", "e") : String(value));
const ascending = (values) => [...values].sort((a, b) => a - b || String(a).localeCompare(String(b), "en", { numeric: true }));
const shorten = (text) => (text.length > 18 ? `${text.slice(0, 17)}…` : text);
const spans = (values, factor = 50) => {
  const numbers = values.filter((value) => typeof value === "number");
  return Math.min(...numbers) > 0 && Math.max(...numbers) / Math.min(...numbers) >= factor;
};

function frame(svg, x, y, names) {
  const [, , width, height] = svg.getAttribute("viewBox").split(" ").map(Number);
  for (const [at, text] of y.ticks) {
    node(svg, "line", { class: "grid", x1: 70, x2: width - 12, y1: at, y2: at });
    node(svg, "text", { x: 63, y: at + 4, "text-anchor": "end" }, text);
  }
  for (const [at, text] of x.ticks) {
    node(svg, "line", { class: "axis", x1: at, x2: at, y1: height - 48, y2: height - 43 });
    node(svg, "text", { x: at, y: height - 29, "text-anchor": "middle" }, text);
  }
  node(svg, "path", { class: "axis", fill: "none", d: `M70,10V${height - 48}H${width - 12}` });
  node(svg, "text", { class: "title", x: (70 + width - 12) / 2, y: height - 8, "text-anchor": "middle" }, names[0]);
  node(svg, "text", { class: "title", transform: `translate(14,${(height - 38) / 2}) rotate(-90)`, "text-anchor": "middle" }, names[1]);
}

// The charts: what is ticked in its colour and on top of the rest

const drawn = () => shown.filter((row) => ticked.has(row));
const bottomUp = () => [...shown.filter((row) => !ticked.has(row)), ...drawn().reverse()];
const named = (row) => data.settings.map((name, k) => `${name}=${data.rows[row].settings[k]}`).join("  ");

function drawCurves(svg, score, log) {
  const lines = drawn().reverse().flatMap((row) => data.rows[row].runs.map((run) => ({ row, run, curve: data.runs[run].curves[score] }))).filter((line) => line.curve);
  const x = scale(lines.flatMap((line) => line.curve[0]), 70, 628, false);
  const y = scale(lines.flatMap((line) => line.curve[1]), 352, 10, log);
  frame(svg, x, y, ["step", score]);
  for (const { row, run, curve } of lines) {
    let path = "", pen = "M";
    curve[0].forEach((step, k) => {
      const at = curve[1][k] === null ? null : y.at(curve[1][k]);
      path += at === null ? "" : `${pen}${x.at(step).toFixed(1)},${at.toFixed(1)}`;
      pen = at === null ? "M" : "L";
    });
    const line = node(svg, "path", { class: "curve", d: path, stroke: colour(row), "stroke-dasharray": dash(row), "data-row": row });
    node(line, "title", {}, `${run}  ${named(row)}`);
  }
}

function drawScatter(svg, score, log) {
  const setting = Number(find("#scatter .x").value), k = data.scores.indexOf(score);
  const value = (row) => data.rows[row].settings[setting];
  const rows = bottomUp().filter((row) => data.rows[row].scores[k]?.[0] != null && value(row) !== null);
  const [xs, means] = [rows.map(value), rows.map((row) => data.rows[row].scores[k])];
  const mixed = xs.some((each) => typeof each === "string");
  const x = mixed ? categories(ascending(xs), 70, 628) : scale(xs, 70, 628, spans(xs, 10));
  const y = scale(means.flatMap(([mean, std]) => [mean, mean - (std ?? 0), mean + (std ?? 0)].filter((each) => !log || each > 0)), 352, 10, log);
  frame(svg, x, y, [data.settings[setting], score]);
  rows.forEach((row) => {
    const [mean, std] = data.rows[row].scores[k], paint = ticked.has(row) ? colour(row) : PALE;
    const at = x.at(value(row)) + (mixed ? ((row % 9) - 4) * 7 : 0);  // beside each other where all have the same place
    if (y.at(mean) === null) return;
    if (std) node(svg, "line", { x1: at, x2: at, y1: y.at(mean - std) ?? 352, y2: y.at(mean + std), stroke: paint, "stroke-width": 2, "data-row": row });
    const point = node(svg, "circle", { cx: at, cy: y.at(mean), r: 5, fill: paint, stroke: "#fff", "data-row": row });
    node(point, "title", {}, `${named(row)}  ${score} ${mean}`);
  });
}

function drawParallel(svg, score) {
  const k = data.scores.indexOf(score);
  const rows = bottomUp().filter((row) => data.rows[row].scores[k]?.[0] != null);
  const axes = [...data.settings.map((name, s) => ({ name, value: (row) => data.rows[row].settings[s] })), { name: score, value: (row) => data.rows[row].scores[k][0] }];
  axes.forEach((axis, place) => {
    const values = rows.map(axis.value);
    axis.x = 90 + (place * (1320 - 200)) / (axes.length - 1);
    const few = axis.name !== score && new Set(values).size <= 8;  // of a grid: evenly spaced, each with its label
    axis.scale = few || values.some((each) => typeof each === "string") ? categories(ascending(values), 350, 40) : scale(values, 350, 40, spans(values));
  });
  const place = (axis, row) => [axis.x, axis.value(row) === null ? 350 : axis.scale.at(axis.value(row))].map((each) => each.toFixed(1)).join(",");
  for (const row of rows) {
    const [paint, dashes] = ticked.has(row) ? [colour(row), dash(row)] : [PALE, ""];
    const line = node(svg, "path", { class: "curve", d: `M${axes.map((axis) => place(axis, row)).join("L")}`, stroke: paint, "stroke-dasharray": dashes, "data-row": row });
    node(line, "title", {}, `${named(row)}  ${score} ${data.rows[row].scores[k][0]}`);
  }
  for (const { x, scale: { ticks: marks, lift }, name } of axes) {
    node(svg, "line", { class: "axis", x1: x, x2: x, y1: 30, y2: 358 });
    node(svg, "text", { class: "title", x, y: 18, "text-anchor": "middle" }, shorten(name));
    for (const [at, text] of marks) node(svg, "text", { x: x + 6, y: at + 4 + (lift ?? 0), stroke: "#fff", "stroke-width": 3, "paint-order": "stroke" }, text);
  }
}

function draw() {
  for (const [id, paint] of [["curves", drawCurves], ["scatter", drawScatter], ["parallel", drawParallel]]) {
    const figure = find(`#${id}`), svg = figure.querySelector("svg");
    svg.replaceChildren();
    if (!figure.hidden) paint(svg, figure.querySelector(".y").value, figure.querySelector(".log")?.checked);
  }
  find("#shown").textContent = `${shown.length} of ${data.rows.length} rows, ${drawn().length} in colour`;
}

function update() {
  shown = matching();
  body();
  draw();
}

// Start

function options(select, names, chosen) {
  names.forEach((name) => {
    const option = node(select, "option", { value: name }, name);
    option.selected = name === chosen;
  });
}

function hover(event) {
  const row = event.target.closest?.("[data-row]")?.dataset.row;
  document.querySelectorAll(".hot").forEach((each) => each.classList.remove("hot"));
  if (row !== undefined) document.querySelectorAll(`[data-row="${row}"]`).forEach((each) => each.classList.add("hot"));
}

function start() {
  const all = Object.entries(data.runs).map(([name, run]) => ({ name, ...run }));
  const curves = [...new Set(all.flatMap((run) => Object.keys(run.curves)))].sort();
  find("#count").textContent = `${all.length} runs in ${data.rows.length} rows${data.monitor && `, best ${data.monitor} first`}`;
  options(find("#curves .y"), curves, data.monitor);
  for (const id of ["scatter", "parallel"]) options(find(`#${id} .y`), data.scores, `best ${data.monitor}`);
  data.settings.forEach((name, k) => node(find("#scatter .x"), "option", { value: k }, name));
  find("#curves").hidden = !curves.length;
  find("#scatter").hidden = data.rows.length < 2 || !data.scores.length;
  find("#parallel").hidden = data.rows.length < 2 || data.settings.length < 2 || !data.scores.length;
  const unfinished = all.filter((run) => run.state !== "done");
  find("#unfinished").hidden = !unfinished.length;
  for (const run of unfinished) {
    const item = node(find("#unfinished ul"), "li");
    node(item, "code", {}, run.name);
    item.append(` ${run.state}${run.error ? `: ${run.error}` : ""}`);
  }
  find("#filter").addEventListener("input", update);
  const tick = (rows) => (ticked.clear(), rows.forEach((row) => ticked.add(row)), update());
  find("#first").addEventListener("click", () => tick(sorted(shown).slice(0, COLOURS.length)));
  find("#all").addEventListener("click", () => tick(shown));
  find("#none").addEventListener("click", () => tick([]));
  document.querySelectorAll("figure select, figure input").forEach((each) => each.addEventListener("change", draw));
  const values = {
    curves: (score) => all.flatMap((run) => run.curves[score]?.[1] ?? []),
    scatter: (score) => data.rows.map((row) => row.scores[data.scores.indexOf(score)]?.[0]),
  };
  for (const [id, of] of Object.entries(values)) {
    const choose = find(`#${id} .y`), log = find(`#${id} .log`);
    const guess = () => (log.checked = spans(of(choose.value)));
    choose.addEventListener("change", () => (guess(), draw()));
    guess();
  }
  document.addEventListener("mouseover", hover);
  head();
  update();
}

start();
