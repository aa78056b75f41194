// Makes the page out of its data: the table, what sorts, filters and ticks its rows, and when pictures are drawn.

const data = JSON.parse(document.getElementById("data").textContent);
// Okabe and Ito's palette, which colour-blind people tell apart (jfly.uni-koeln.de/color); yellow, pale on white, last.
const COLOURS = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#000000", "#f0e442"];
const DASHES = ["", "7 4", "2 3", "9 3 2 3"];
const PALE = "#d3d9df";
const STATE = data.header.length - 1;  // the column
const hasCurve = (row) => data.rows[row].runs.some((name) => Object.keys(data.runs[name].curves).length);
const ticked = new Set([...data.rows.keys()].filter(hasCurve).slice(0, COLOURS.length));
const digits = data.settings.map((_, setting) => enough(data.rows.map((row) => row.settings[setting])));
let shown = [...data.rows.keys()];
let order = { column: null, descending: false };

const find = (selector) => document.querySelector(selector);
const colour = (row) => COLOURS[row % COLOURS.length];
const dash = (row) => DASHES[Math.floor(row / COLOURS.length) % DASHES.length];

const together = (counts) => counts.replace(/(\d) /g, "$1\u00a0");  // a line ends between the states

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
    const cell = node(line, "th", { tabindex: 0, class: data.numeric.includes(column) ? "numeric" : "" });
    name.split(/(?<=[._/])/).forEach((part, k) => cell.append(...(k ? [document.createElement("wbr"), part] : [part])));
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
    const pick = node(node(line, "td", { class: "pick" }), "label");
    const box = node(pick, "input", { type: "checkbox", "aria-label": "draw this row" });
    box.checked = ticked.has(k);
    box.addEventListener("change", () => (box.checked ? ticked.add(k) : ticked.delete(k), draw()));
    const swatch = node(pick, "svg", { class: "swatch", viewBox: "0 0 22 10" });
    node(swatch, "path", { d: "M0,5H22", stroke: colour(k), "stroke-width": 3, "stroke-dasharray": dash(k) });
    row.cells.forEach(([text, value], column) => {
      const isLong = column < digits.length && value !== null && text.length > 10;
      const short = isLong ? label(value, digits[column]) : column === STATE ? together(text) : text;
      const cell = node(line, "td", { class: style(k, column, text, value) }, short);
      if (isLong) cell.title = text;
    });
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
    column === STATE && text !== "done" ? "bad" : "",
    isScore && row === 0 && value !== null ? "best" : "",
  ].join(" ");
}

// The whole

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
  const last = data.rows.every((row) => row.cells[STATE][0] === "done") ? "" : ", what is not done last";
  const first = data.monitor && `, best ${data.monitor} first${last}`;
  find("#count").textContent = `${all.length} runs in ${data.rows.length} rows${first}`;
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
