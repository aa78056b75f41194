// Pictures in SVG: axes; curves, settings against a score, and parallel coordinates of the rows in `data`.
"use strict";

const WIDTH = 1320;  // of the parallel coordinates, where they need no more

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
  const marks = ticks(a, b, isLog).map((value) => [at(value), label(value)]);
  return { at: (value) => (isLog && value <= 0 ? null : at(value)), ticks: marks, lift: 4 };
}

function categories(values, from, to, most = 18) {
  const names = [...new Set(values)];
  const place = new Map(names.map((name, k) => [name, k]));
  const at = (value) => from + ((place.get(value) + 0.5) / names.length) * (to - from);
  const every = Math.ceil(names.length / 12), digits = enough(names);
  const text = (name) => shorten(typeof name === "number" ? label(name, digits) : name, most);
  return { at, lift: -5, ticks: names.filter((_, k) => k % every === 0).map((name) => [at(name), text(name)]) };
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

function label(value, digits = 12) {
  const rounded = Number.isSafeInteger(value) ? value : Number(value.toPrecision(digits));
  const isPlain = rounded === 0 || (Math.abs(rounded) >= 1e-3 && Math.abs(rounded) < 1e5);
  return isPlain ? String(rounded) : rounded.toExponential().replace("e+", "e");
}

// As many significant digits, 4 and more, as keep the numbers apart
function enough(values) {
  const numbers = [...new Set(values.filter((value) => typeof value === "number"))];
  const differ = (digits) => new Set(numbers.map((value) => label(value, digits))).size === numbers.length;
  return [4, 6, 8, 10, 12, 14, 17].find(differ);
}

const byName = new Intl.Collator("en", { numeric: true }).compare;
const ascending = (values) => [...values].sort((a, b) => a - b || byName(String(a), String(b)));
const shorten = (text, most = 18) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);
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
  const upright = `translate(14,${(height - 38) / 2}) rotate(-90)`;
  node(svg, "text", { class: "title", transform: upright, "text-anchor": "middle" }, names[1]);
}

// The charts: what is ticked in its colour and on top of the rest

const drawn = () => shown.filter((row) => ticked.has(row));
const bottomUp = () => [...shown.filter((row) => !ticked.has(row)), ...drawn().reverse()];
const named = (row) => data.settings.map((name, k) => `${name}=${data.rows[row].settings[k]}`).join("  ");

function drawCurves(svg, score, log) {
  const of = (row) => data.rows[row].runs.map((run) => ({ row, run, curve: data.runs[run].curves[score] }));
  const lines = drawn().reverse().flatMap(of).filter((line) => line.curve);
  const x = scale(lines.flatMap((line) => line.curve[0]), 70, 628, false);
  const y = scale(lines.flatMap((line) => line.curve[1]), 352, 10, log);
  frame(svg, x, y, ["step", score]);
  for (const { row, run, curve } of lines) {
    const points = curve[0].map((step, k) => [x.at(step), curve[1][k] === null ? null : y.at(curve[1][k])]);
    const has = (k) => (points[k]?.[1] ?? null) !== null;
    const seen = [...points.keys()].filter(has);
    const path = seen.map((k) => `${has(k - 1) ? "L" : "M"}${points[k].map((at) => at.toFixed(1))}`).join("");
    const style = { class: "curve", stroke: colour(row), "stroke-dasharray": dash(row), "data-row": row };
    const alone = seen.filter((k) => !has(k - 1) && !has(k + 1));  // where no line shows them
    const dot = { r: 4, fill: colour(row), stroke: "#fff", "data-row": row };
    const made = alone.map((k) => node(svg, "circle", { cx: points[k][0], cy: points[k][1], ...dot }));
    if (alone.length < seen.length) made.push(node(svg, "path", { d: path, ...style }));
    made.forEach((each) => node(each, "title", {}, `${run}  ${named(row)}`));
  }
}

function drawScatter(svg, score, log) {
  const setting = Number(find("#scatter .x").value), k = data.scores.indexOf(score);
  const value = (row) => data.rows[row].settings[setting];
  const rows = bottomUp().filter((row) => data.rows[row].scores[k]?.[0] != null && value(row) !== null);
  const [xs, means] = [rows.map(value), rows.map((row) => data.rows[row].scores[k])];
  const mixed = xs.some((each) => typeof each === "string");
  const x = mixed ? categories(ascending(xs), 70, 628) : scale(xs, 70, 628, spans(xs, 10));
  const ends = means.flatMap(([mean, std]) => [mean, mean - (std ?? 0), mean + (std ?? 0)]);
  const y = scale(ends.filter((end) => !log || end > 0), 352, 10, log);
  frame(svg, x, y, [data.settings[setting], score]);
  rows.forEach((row) => {
    const [mean, std] = data.rows[row].scores[k], paint = ticked.has(row) ? colour(row) : PALE;
    const at = x.at(value(row)) + (mixed ? ((row % 9) - 4) * 7 : 0);  // beside each other where all have the same place
    if (y.at(mean) === null) return;
    const bar = `M${at},${y.at(mean - std) ?? 352}V${y.at(mean + std)}`;
    if (std) node(svg, "path", { d: bar, stroke: paint, "stroke-width": 2, "data-row": row });
    const point = node(svg, "circle", { cx: at, cy: y.at(mean), r: 5, fill: paint, stroke: "#fff", "data-row": row });
    node(point, "title", {}, `${named(row)}  ${score} ${mean}`);
  });
}

// How titles of axes fit above them: level where they have room, else slanted, and at worst in a wider picture
function titling(names) {
  const isLevel = names.every((name) => name.length * 7 < Math.min(200, (WIDTH - 200) / (names.length - 1)));
  const [turn, anchor, above, right] = isLevel ? ["", "middle", 0, 110] : ["rotate(-22)", "start", 75, 190];
  return { turn, anchor, above, right, width: Math.max(WIDTH, 90 + right + 90 * (names.length - 1)) };
}

function drawParallel(svg, score) {
  const k = data.scores.indexOf(score);
  const rows = bottomUp().filter((row) => data.rows[row].scores[k]?.[0] != null);
  const axes = data.settings.map((name, s) => ({ name, value: (row) => data.rows[row].settings[s] }));
  axes.push({ name: score, value: (row) => data.rows[row].scores[k][0] });
  const { turn, anchor, above, right, width } = titling(axes.map((axis) => axis.name));
  svg.setAttribute("viewBox", `0 ${-above} ${width} ${380 + above}`);
  svg.style.minWidth = `${0.9 * width}px`;  // a smaller window scrolls, for a text of 11 pixels
  const apart = (width - 90 - right) / (axes.length - 1), most = Math.min(18, Math.floor(apart / 7));
  axes.forEach((axis, place) => {
    const values = rows.map(axis.value);
    axis.x = 90 + place * apart;
    const few = axis.name !== score && new Set(values).size <= 8;  // of a grid: evenly spaced, each with its label
    const isGrid = few || values.some((each) => typeof each === "string");
    axis.scale = isGrid ? categories(ascending(values), 350, 40, most) : scale(values, 350, 40, spans(values));
  });
  const place = (axis, row) => `${axis.x.toFixed(1)},${axis.scale.at(axis.value(row)).toFixed(1)}`;
  for (const row of rows) {
    const [paint, dashes] = ticked.has(row) ? [colour(row), dash(row)] : [PALE, ""];
    const path = `M${axes.map((axis) => place(axis, row)).join("L")}`;
    const style = { class: "curve", stroke: paint, "stroke-dasharray": dashes, "data-row": row };
    const line = node(svg, "path", { d: path, ...style });
    node(line, "title", {}, `${named(row)}  ${score} ${data.rows[row].scores[k][0]}`);
  }
  for (const { x, scale: { ticks: marks, lift }, name } of axes) {
    node(svg, "line", { class: "axis", x1: x, x2: x, y1: 30, y2: 358 });
    const place = { transform: `translate(${x},18)${turn}`, "text-anchor": anchor };
    const title = node(svg, "text", { class: "title", ...place }, shorten(name, 30));
    node(title, "title", {}, name);
    const halo = { stroke: "#fff", "stroke-width": 3, "paint-order": "stroke" };
    for (const [at, text] of marks) node(svg, "text", { x: x + 6, y: at + lift, ...halo }, text);
  }
}
