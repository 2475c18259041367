"use strict";
// Every text from the data is set with textContent or drawn on the canvas: no name can become markup.
const DATA = JSON.parse(document.getElementById("data").textContent);
const $ = id => document.getElementById(id);
const words = code => String(code).replaceAll("_", " ");

// Okabe and Ito's colours; findings that share a colour differ by their dash.
const STYLES = {
  tenure_status: {
    uncovered: ["#D55E00", [], "uncovered: no title in the snapshot"],
    partly_covered: ["#E69F00", [], "partly covered by titles in force"],
    lapsed: ["#F0E442", [], "lapsed: a title ended before the day"],
    not_yet_valid: ["#F0E442", [7, 3], "not yet valid: a title begins later"],
    suspended: ["#F0E442", [2, 3], "suspended title"],
    stage_mismatch: ["#CC79A7", [], "stage mismatch: title without extraction"],
    commodity_mismatch: ["#CC79A7", [7, 3], "commodity mismatch: title for other minerals"],
    formalisation_zone: ["#56B4E9", [], "formalisation zone"],
    covered: ["#009E73", [], "covered by titles in force"],
    within_tolerance: ["#009E73", [7, 3], "within the tolerance of a title"],
    unknown: ["#C8C8C8", [], "unknown: cadastre missing, stale or in doubt"],
  },
  state: {
    confirmed: ["#D55E00", [], "confirmed: two or more clear looks"],
    provisional: ["#F0E442", [7, 3], "provisional: not yet enough looks"],
    closed: ["#56B4E9", [], "closed"],
    withdrawn: ["#C8C8C8", [2, 3], "withdrawn: nothing had changed"],
  },
};
const LAYERS = [
  ["alerts", "Alerts", "#D55E00", [], 3],
  ["disturbances", "Other disturbances", "#E8D5B0", [], 2],
  ["titles", "Mining titles", "#FFFFFF", [], 1.3],
  ["protected", "Protected areas", "#8CE99A", [2, 4], 2],
  ["indigenous", "Indigenous territories", "#D0B3FF", [2, 4], 2],
  ["area", "Area of interest", "#FFFFFF", [9, 6], 1.5],
];
const shown = Object.fromEntries(LAYERS.map(layer => [layer[0], true]));

// --- features in metres right of and below the upper left corner of the pictures ---------------------------------
const [LEFT, BOTTOM, RIGHT, TOP] = DATA.bounds;
const WIDTH = RIGHT - LEFT, HEIGHT = TOP - BOTTOM;

function prepare(feature) {
  const path = new Path2D(), box = [Infinity, Infinity, -Infinity, -Infinity];
  for (const ring of feature.rings) {
    ring.forEach(([x, y], i) => {
      if (i) path.lineTo(x, y); else path.moveTo(x, y);
      box[0] = Math.min(box[0], x); box[1] = Math.min(box[1], y); box[2] = Math.max(box[2], x); box[3] = Math.max(box[3], y);
    });
    path.closePath();
  }
  return Object.assign(feature, { path, box });
}
const isIndigenous = area => area.kind === "indigenous_territory";
DATA.alerts.forEach(a => Object.assign(prepare(a), { list: "alerts" }));
DATA.disturbances.forEach(a => Object.assign(prepare(a), { list: "disturbances" }));
DATA.titles.forEach(prepare);
DATA.protected.forEach(prepare);
const AREA = prepare({ rings: DATA.area });

// --- the view -----------------------------------------------------------------------------------------------------
const canvas = $("map"), pen = canvas.getContext("2d");
const view = { k: 1, x: 0, y: 0, w: 1, h: 1, cut: 0 };  // pixels per metre, offset and size in pixels, divider 0 to 1
let chosen = null, colourBy = "tenure_status", due = false;
const pictures = ["before", "after"].map(name => { const i = new Image(); i.onload = redraw; i.src = DATA[name]; return i; });

function redraw() { if (!due) { due = true; requestAnimationFrame(() => { due = false; draw(); }); } }

function fit([x0, y0, x1, y1] = [0, 0, WIDTH, HEIGHT]) {
  view.k = Math.min(view.w / (x1 - x0), view.h / (y1 - y0)) * 0.95;
  view.x = view.w / 2 - (x0 + x1) / 2 * view.k;
  view.y = view.h / 2 - (y0 + y1) / 2 * view.k;
  settle();
}

function settle() {
  const least = Math.min(view.w / WIDTH, view.h / HEIGHT) * 0.6;
  view.k = Math.min(Math.max(view.k, least), 8);
  view.x = Math.min(Math.max(view.x, view.w / 2 - WIDTH * view.k), view.w / 2);  // the middle stays on the pictures
  view.y = Math.min(Math.max(view.y, view.h / 2 - HEIGHT * view.k), view.h / 2);
  redraw();
  tellPlace(view.w / 2, view.h / 2);
}

function zoom(factor, x = view.w / 2, y = view.h / 2) {
  const k = Math.min(Math.max(view.k * factor, Math.min(view.w / WIDTH, view.h / HEIGHT) * 0.6), 8);
  view.x = x - (x - view.x) * k / view.k;
  view.y = y - (y - view.y) * k / view.k;
  view.k = k;
  settle();
}

function isVisible(feature) {
  const [x0, y0, x1, y1] = feature.box, { k, x, y, w, h } = view;
  return x1 * k + x >= -20 && y1 * k + y >= -20 && x0 * k + x <= w + 20 && y0 * k + y <= h + 20;
}

function outline(path, colour, width, dash, fill) {
  pen.strokeStyle = colour;
  pen.lineWidth = width / view.k;
  pen.setLineDash(dash.map(d => d / view.k));
  if (fill) { pen.fillStyle = fill; pen.fill(path, "evenodd"); }
  pen.stroke(path);
}

function drawPictures() {
  const [before, after] = pictures, at = view.cut * view.w;
  pen.imageSmoothingEnabled = after.naturalWidth ? view.k * WIDTH / after.naturalWidth < 1.5 : true;
  for (const [picture, from, to] of [[after, at, view.w], [before, 0, at]]) {
    if (!picture.naturalWidth || to <= from) continue;
    pen.save();
    pen.beginPath();
    pen.rect((from - view.x) / view.k, -view.y / view.k, (to - from) / view.k, view.h / view.k);
    pen.clip();
    pen.drawImage(picture, 0, 0, WIDTH, HEIGHT);
    pen.restore();
  }
}

function styleOf(alert) {
  if (alert.list === "disturbances") return ["#E8D5B0", [], "other disturbance"];
  return STYLES[colourBy][alert.p[colourBy]] || ["#FFFFFF", [], words(alert.p[colourBy])];
}

function drawAlert(alert) {
  const [colour, dash] = styleOf(alert), isChosen = alert === chosen, [x0, y0, x1, y1] = alert.box;
  const size = Math.max(x1 - x0, y1 - y0) * view.k;
  outline(alert.path, isChosen ? "#FFFFFF" : "#000000", isChosen ? 8 : 5, []);
  outline(alert.path, colour, isChosen ? 4 : 2.6, isChosen ? [] : dash, alert.p.state === "confirmed" && !isChosen ? colour + "30" : "");
  if (size > 14) return;
  const dot = new Path2D();  // too small to see: a dot marks it
  dot.arc((x0 + x1) / 2, (y0 + y1) / 2, 7 / view.k, 0, 7);
  outline(dot, isChosen ? "#FFFFFF" : "#000000", isChosen ? 5 : 2, [], colour);
}

function drawNames() {
  pen.font = "12px sans-serif"; pen.lineWidth = 3; pen.strokeStyle = "rgba(0,0,0,.75)"; pen.fillStyle = "#FFFFFF";
  for (const title of DATA.titles) {
    const [x0, y0, x1] = title.box, room = (x1 - x0) * view.k;
    if (!isVisible(title) || pen.measureText(title.name).width + 10 > room) continue;
    pen.strokeText(title.name, x0 * view.k + view.x + 5, y0 * view.k + view.y + 15);
    pen.fillText(title.name, x0 * view.k + view.x + 5, y0 * view.k + view.y + 15);
  }
}

function draw() {
  const d = window.devicePixelRatio || 1, { k, x, y } = view;
  pen.setTransform(1, 0, 0, 1, 0, 0);
  pen.clearRect(0, 0, canvas.width, canvas.height);
  pen.setTransform(d * k, 0, 0, d * k, d * x, d * y);
  drawPictures();
  if (shown.area) outline(AREA.path, "#FFFFFF", 1.5, [9, 6]);
  for (const area of DATA.protected) {
    const [, , colour, dash, width] = LAYERS.find(l => l[0] === (isIndigenous(area) ? "indigenous" : "protected"));
    if (shown[isIndigenous(area) ? "indigenous" : "protected"] && isVisible(area)) outline(area.path, colour, width, dash, colour + "1c");
  }
  if (shown.titles) for (const title of DATA.titles.filter(isVisible)) { outline(title.path, "#00000080", 3, []); outline(title.path, "#FFFFFF", 1.3, []); }
  if (shown.disturbances) DATA.disturbances.filter(isVisible).forEach(drawAlert);
  if (shown.alerts) DATA.alerts.filter(isVisible).forEach(drawAlert);
  if (chosen && shown[chosen.list]) drawAlert(chosen);
  pen.setTransform(d, 0, 0, d, 0, 0);
  pen.setLineDash([]);
  if (shown.titles) drawNames();
  placeDivider();
  const lengths = [10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000, 100000];
  const metres = lengths.filter(m => m * k < 130).pop() || 10;
  $("bar-text").textContent = metres >= 1000 ? `${metres / 1000} km` : `${metres} m`;
  $("bar-line").style.width = `${metres * k}px`;
}

// --- before and after -----------------------------------------------------------------------------------------------
function placeDivider() {
  const x = view.cut * view.w, seen = Math.min(Math.max(x, 1), view.w - 1), inset = Math.min(Math.max(x, 24), view.w - 24) - seen;
  $("divider").style.left = `${seen - 1}px`;
  $("handle").style.transform = `translateX(${inset}px)`;
  $("before-label").style.visibility = x < $("before-label").offsetWidth + 62 ? "hidden" : "";
  $("after-label").style.visibility = view.w - x < $("after-label").offsetWidth + 16 ? "hidden" : "";
  $("after-label").style.transform = x < 60 ? `translateX(${56 - x}px)` : "";
}

function cut(share) {
  view.cut = Math.min(Math.max(share, 0), 1);
  const handle = $("handle");
  handle.setAttribute("aria-valuenow", Math.round(view.cut * 100));
  handle.setAttribute("aria-valuetext", `${Math.round(view.cut * 100)} % of the map shows the picture before`);
  for (const b of $("views").children) b.setAttribute("aria-pressed", Number(b.dataset.cut) === view.cut);
  redraw();
}

// --- where ------------------------------------------------------------------------------------------------------------
function tellPlace(px, py) {
  const u = (px - view.x) / view.k / WIDTH, v = (py - view.y) / view.k / HEIGHT, [a, b, c, d] = DATA.corners;
  const [lon, lat] = [0, 1].map(i => (a[i] * (1 - u) + b[i] * u) * (1 - v) + (d[i] * (1 - u) + c[i] * u) * v);
  $("place").textContent = `lon ${lon.toFixed(5)}, lat ${lat.toFixed(5)}`;
}

function holds(rings, x, y) {
  let isInside = false;
  for (const ring of rings) {
    for (let i = 0, j = ring.length - 1; i < ring.length; j = i++) {
      const [xi, yi] = ring[i], [xj, yj] = ring[j];
      if ((yi > y) !== (yj > y) && x < (xj - xi) * (y - yi) / (yj - yi) + xi) isInside = !isInside;
    }
  }
  return isInside;
}

function under(px, py) {
  const x = (px - view.x) / view.k, y = (py - view.y) / view.k, near = 10 / view.k;
  const touches = a => {
    const [x0, y0, x1, y1] = a.box;
    if (x < x0 - near || x > x1 + near || y < y0 - near || y > y1 + near) return false;
    return Math.max(x1 - x0, y1 - y0) * view.k < 24 || holds(a.rings, x, y) || a.rings.some(r => r.some(p => Math.hypot(p[0] - x, p[1] - y) < near));
  };
  const found = [...(shown.alerts ? DATA.alerts : []), ...(shown.disturbances ? DATA.disturbances : [])].filter(touches);
  found.sort((a, b) => a.p.area_ha - b.p.area_ha);
  const lands = [...(shown.titles ? DATA.titles : []), ...DATA.protected.filter(p => shown[isIndigenous(p) ? "indigenous" : "protected"])];
  return { alert: found[0] || null, lands: () => lands.filter(l => holds(l.rings, x, y)) };
}

// --- the panel --------------------------------------------------------------------------------------------------------
function make(tag, text, parent, attributes = {}) {
  const element = document.createElement(tag);
  if (text !== undefined && text !== null) element.textContent = text;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (parent) parent.append(element);
  return element;
}

function fact(list, name, value) {
  if (value === null || value === undefined || value === "" || (Array.isArray(value) && !value.length)) return;
  make("dt", name, list);
  const place = make("dd", undefined, list);
  if (value instanceof Node) place.append(value);
  else if (Array.isArray(value)) { const all = make("ul", undefined, place); value.forEach(v => make("li", v, all)); }
  else place.textContent = value;
}

const ha = value => value === null || value === undefined ? null : `${Number(value).toFixed(2)} ha`;
const facts = (parent, heading) => { if (heading) make("h3", heading, parent); return make("dl", undefined, parent); };
const CAUSE = { mining: "Looks like mining", other_clearing: "Other clearing", burn: "Burn", water: "Water", unclear: "Cause unclear" };

function tellGround(panel, p) {
  const list = facts(panel, "What was seen");
  const sure = STYLES.state[p.state];
  fact(list, "State", sure ? sure[2] : words(p.state));
  fact(list, "Activity", words(p.activity));
  fact(list, "Area", ha(p.area_ha));
  fact(list, "of which", `bare or tailings ${ha(p.tailings_ha)}, ponds ${ha(p.pond_ha)}, cleared ${ha(p.clearing_ha)}`);
  fact(list, "Growth, 30 days", ha(p.growth_30d_ha));
  fact(list, "Began", `after ${p.last_clear_unchanged_on || "a day that is not known"}, seen by ${p.first_detected_on}`);
  fact(list, "Confirmed", p.confirmed_on || "not yet");
  fact(list, "Last seen changed", p.last_detected_on);
  fact(list, "Clear looks", p.clear_observations);
  fact(list, "Mining", p.mining_probability === null ? "not told: the model does not know this landscape" : `probability ${p.mining_probability.toFixed(2)}`);
  fact(list, "because of", p.mining_terms);
}

function tellLaw(panel, p) {
  const list = facts(panel, `Titles, as of ${p.evaluated_on}`), said = STYLES.tenure_status[p.tenure_status];
  fact(list, "Finding", said ? said[2] : words(p.tenure_status));
  if (p.tenure_status_at_detection !== p.tenure_status) fact(list, "when first seen", words(p.tenure_status_at_detection));
  fact(list, "Why", p.tenure_reasons);
  fact(list, "Without title", p.uncovered_ha === null ? "not known" : ha(p.uncovered_ha));
  fact(list, "Titles", p.titles.map(t => [t.id, t.holder, words(t.kind), words(t.status), `${t.valid_from || "?"} to ${t.valid_to || "?"}`, ha(t.overlap_ha), words(t.finding)].filter(Boolean).join(", ")));
  fact(list, "Cadastre", p.cadastre.map(c => `${c.name}, copy of ${c.retrieved_on || "an unknown day"}, ${c.title_count} titles`));
  fact(list, "Protected land", p.protected_areas.map(a => `${a.name} (${words(a.kind)}): ${ha(a.overlap_ha)}`));
}

function tellWork(panel, alert) {
  const p = alert.p, list = facts(panel, "Priority and proof");
  fact(list, "Priority", `${p.priority} points; it orders the work and says nothing about guilt`);
  fact(list, "made of", Object.entries(p.priority_terms).map(([name, points]) => `${words(name)}: ${points}`));
  if (alert.evidence) fact(list, "Evidence", make("a", "signed bundle with pictures, series and hashes", null, { href: alert.evidence }));
  fact(list, "Reviewed", p.review_verdict || "not yet");
  fact(list, "Scenes", p.scenes);
  fact(list, "Site", p.site_id);
  fact(list, "Revision", p.revision);
  fact(list, "Merged from", p.merged_from);
  fact(list, "Split from", p.split_from);
  fact(list, "Model", p.model_id);
}

function openPanel(heading) {
  const panel = $("detail");
  panel.replaceChildren();
  panel.hidden = false;
  $("index").hidden = true;
  const bar = make("div", undefined, panel, { class: "bar" });
  make("button", "Back to the list", bar, { id: "back" }).onclick = () => choose(null);
  make("h2", heading, panel);
  return panel;
}

function choose(alert, isZoomed) {
  const last = chosen;
  chosen = alert;
  if (!alert) {
    $("detail").hidden = true;
    $("index").hidden = false;
    const row = last && document.querySelector(`#rows button[data-id="${CSS.escape(last.id)}"]`);
    if (row) row.focus({ preventScroll: false });
  } else {
    const panel = openPanel(`${CAUSE[alert.p.likely_cause] || words(alert.p.likely_cause)}: ${ha(alert.p.area_ha)}`);
    const next = make("button", "Next", panel.firstChild);
    next.onclick = () => { const all = ordered(), i = all.indexOf(alert); choose(all[(i + 1) % all.length], true); };
    tellGround(panel, alert.p); tellLaw(panel, alert.p); tellWork(panel, alert);
    panel.parentElement.scrollTop = 0;
    if (isZoomed) {
      window.scrollTo(0, 0);
      const [x0, y0, x1, y1] = alert.box, margin = Math.max(250, x1 - x0, y1 - y0) * 0.6;
      fit([x0 - margin, y0 - margin, x1 + margin, y1 + margin]);
      $("back").focus({ preventScroll: true });
    }
  }
  redraw();
}

function showLands(lands) {
  chosen = null;
  const panel = openPanel(lands.length === 1 ? "What holds here" : `${lands.length} titles and areas hold here`);
  for (const land of lands) {
    const list = facts(panel, land.name);
    for (const [name, value] of land.facts) fact(list, name, value);
  }
  redraw();
}

// --- the list ---------------------------------------------------------------------------------------------------------
const COLUMNS = [["Site", "site_id"], ["ha", "area_ha"], ["First seen", "first_detected_on"], ["Titles say", "tenure_status"], ["Priority", "priority"]];
let listed = DATA.alerts.length || !DATA.disturbances.length ? "alerts" : "disturbances", by = "priority", isRising = false;

function ordered() {
  const sign = isRising ? 1 : -1;
  return [...DATA[listed]].sort((a, b) => {
    const x = a.p[by], y = b.p[by];
    return x < y ? -sign : x > y ? sign : a.id < b.id ? -1 : 1;
  });
}

function key(parent, colour, dash, width = 5) {
  const space = $("north").namespaceURI, svg = document.createElementNS(space, "svg"), line = document.createElementNS(space, "line");
  svg.setAttribute("class", "key"); svg.setAttribute("viewBox", "0 0 24 12"); svg.setAttribute("aria-hidden", "true");
  for (const [name, value] of Object.entries({ x1: 2, y1: 6, x2: 22, y2: 6, stroke: colour, "stroke-width": width, "stroke-dasharray": dash.join(" ") })) line.setAttribute(name, value);
  svg.append(line);
  parent.append(svg);
}

function list() {
  for (const name of ["alerts", "disturbances"]) {
    $(`tab-${name}`).textContent = `${name === "alerts" ? "Alerts" : "Other disturbances"} (${DATA[name].length})`;
    $(`tab-${name}`).setAttribute("aria-pressed", listed === name);
  }
  $("hint").textContent = listed === "alerts" ? "Changes that look like mining or whose cause is unclear. Choose one here or on the map." : "Confirmed changes that do not look like mining, and sites that ended. Nobody is sent out for these.";
  $("sort").replaceChildren();
  for (const [name, property] of COLUMNS) {
    const head = make("th", undefined, $("sort"), { scope: "col", "aria-sort": by === property ? (isRising ? "ascending" : "descending") : "none" });
    const button = make("button", name + (by === property ? (isRising ? " \u25b4" : " \u25be") : ""), head, { "data-by": property });
    button.onclick = () => {
      isRising = by === property ? !isRising : false; by = property; list();
      document.querySelector(`#sort button[data-by=${property}]`).focus();
    };
  }
  $("rows").replaceChildren();
  for (const alert of ordered()) {
    const row = make("tr", undefined, $("rows")), first = make("td", undefined, row), p = alert.p;
    key(first, ...styleOf(alert).slice(0, 2));
    make("button", p.site_id.slice(0, 8), first, { "data-id": alert.id, "aria-label": `Site ${p.site_id.slice(0, 8)}, ${words(p.likely_cause)}, ${ha(p.area_ha)}` });
    make("small", p.state === "confirmed" ? words(p.likely_cause) : `${words(p.likely_cause)}, ${p.state}`, first);
    make("td", p.area_ha.toFixed(2), row);
    make("td", p.first_detected_on, row);
    make("td", words(p.tenure_status), row, { class: "long" });
    make("td", p.priority, row);
    row.onclick = () => choose(alert, true);
  }
}

function legend() {
  const used = new Set(DATA.alerts.map(a => a.p[colourBy]));
  $("legend").replaceChildren();
  for (const [code, [colour, dash, text]] of Object.entries(STYLES[colourBy])) {
    if (used.has(code)) { const row = make("div", undefined, $("legend")); key(row, colour, dash); make("span", words(code), row, { title: text }); }
  }
  make("div", "Filled: confirmed. Dot: too small to draw.", $("legend"), { class: "soft" });
}

function layers() {
  for (const [name, text, colour, dash, width] of LAYERS) {
    const label = make("label", undefined, $("layer-list")), box = make("input", undefined, label, { type: "checkbox", id: `layer-${name}` });
    box.checked = true;
    box.onchange = () => { shown[name] = box.checked; redraw(); };
    key(label, colour, dash, Math.max(width, 2));
    const count = { alerts: DATA.alerts, disturbances: DATA.disturbances, titles: DATA.titles, protected: DATA.protected.filter(a => !isIndigenous(a)), indigenous: DATA.protected.filter(isIndigenous) }[name];
    make("span", count ? `${text} (${count.length})` : text, label);
  }
}

// --- hands ------------------------------------------------------------------------------------------------------------
const fingers = new Map();
let moved = 0, gap = 0;
const at = event => { const r = canvas.getBoundingClientRect(); return [event.clientX - r.left, event.clientY - r.top]; };

canvas.addEventListener("pointerdown", event => {
  if (event.button) return;
  canvas.setPointerCapture(event.pointerId);
  fingers.set(event.pointerId, at(event));
  if (fingers.size === 1) moved = 0;
  gap = 0;
});
canvas.addEventListener("pointermove", event => {
  const here = at(event), before = fingers.get(event.pointerId);
  if (!before) { tellPlace(...here); canvas.classList.toggle("over", under(...here).alert !== null); return; }
  fingers.set(event.pointerId, here);
  if (fingers.size === 1) {
    view.x += here[0] - before[0]; view.y += here[1] - before[1];
    moved += Math.hypot(here[0] - before[0], here[1] - before[1]);
    settle();
  } else {
    const [a, b] = [...fingers.values()], wide = Math.hypot(a[0] - b[0], a[1] - b[1]);
    if (gap) zoom(wide / gap, (a[0] + b[0]) / 2, (a[1] + b[1]) / 2);
    gap = wide; moved = 99;
  }
});
canvas.addEventListener("pointerup", event => {
  const wasDown = fingers.delete(event.pointerId);
  gap = 0;
  if (!wasDown || moved >= 6 || fingers.size) return;
  const { alert, lands } = under(...at(event));
  if (alert) choose(alert); else if (lands().length) showLands(lands()); else choose(null);
});
canvas.addEventListener("pointercancel", event => fingers.delete(event.pointerId));
canvas.addEventListener("wheel", event => { event.preventDefault(); zoom(Math.exp(-Math.min(Math.max(event.deltaY, -240), 240) / 400), ...at(event)); }, { passive: false });
canvas.addEventListener("keydown", event => {
  const moves = { ArrowLeft: [60, 0], ArrowRight: [-60, 0], ArrowUp: [0, 60], ArrowDown: [0, -60] };
  if (moves[event.key]) { view.x += moves[event.key][0]; view.y += moves[event.key][1]; settle(); }
  else if (event.key === "+" || event.key === "=") zoom(1.4);
  else if (event.key === "-") zoom(1 / 1.4);
  else if (event.key === "0") fit();
  else return;
  event.preventDefault();
});
addEventListener("keydown", event => { if (event.key === "Escape" && !$("detail").hidden) choose(null); });

const handle = $("handle");
handle.addEventListener("pointerdown", event => { handle.setPointerCapture(event.pointerId); event.preventDefault(); handle.focus(); });
handle.addEventListener("pointermove", event => { if (handle.hasPointerCapture(event.pointerId)) cut(at(event)[0] / view.w); });
handle.addEventListener("keydown", event => {
  const steps = { ArrowLeft: view.cut - 0.05, ArrowRight: view.cut + 0.05, Home: 0, End: 1 };
  if (event.key in steps) { cut(steps[event.key]); event.preventDefault(); }
});
for (const button of $("views").children) button.onclick = () => cut(Number(button.dataset.cut));
$("in").onclick = () => zoom(1.4);
$("out").onclick = () => zoom(1 / 1.4);
$("all").onclick = () => fit();
$("colour").onchange = () => { colourBy = $("colour").value; legend(); list(); redraw(); };
for (const name of ["alerts", "disturbances"]) $(`tab-${name}`).onclick = () => { listed = name; list(); };

// --- begin ------------------------------------------------------------------------------------------------------------
function size() {
  const r = $("stage").getBoundingClientRect(), d = window.devicePixelRatio || 1;
  const x = (view.w / 2 - view.x) / view.k, y = (view.h / 2 - view.y) / view.k, isFirst = view.w === 1;
  view.w = r.width; view.h = r.height;
  canvas.width = Math.round(r.width * d); canvas.height = Math.round(r.height * d);
  if (isFirst) return fit();
  view.x = view.w / 2 - x * view.k; view.y = view.h / 2 - y * view.k;
  settle();
}
document.title = $("head").textContent = DATA.title;
$("simulated").hidden = !DATA.simulated;
$("before-label").textContent = `Before: ${DATA.before_label}`;
$("after-label").textContent = `After: ${DATA.after_label}`;
$("disclaimer").textContent = DATA.disclaimer;
$("attribution").textContent = DATA.attribution;
$("north").style.transform = `rotate(${DATA.north_deg}deg)`;
$("layers").open = window.matchMedia("(min-width: 1000px)").matches;
layers(); legend(); list(); cut(0); size();
new ResizeObserver(size).observe($("stage"));
const wanted = [...DATA.alerts, ...DATA.disturbances].find(a => a.id === location.hash.slice(1));
if (wanted) choose(wanted, true);
