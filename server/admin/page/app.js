"use strict";
/* The status page: asks /api/state once a second and shows it; changes go to /api/load, /api/rollback
   and /api/promote with the token. Text from the server is only ever set as text. */

const POLL_MS = 1000;
const PATIENCE_MS = 5000;
const SAMPLES_SHOWN = 300, SAMPLES_LEAST = 60;
const INDEXES_SHOWN = 50;
const CLASSES = ["1xx", "2xx", "3xx", "4xx", "5xx"];
/* Columns of a sample (docs/admin.md). */
const AT = 0, FIRST_CLASS = 1, BYTES = 6, P50 = 7, P99 = 8, CONNECTIONS = 9;

const byId = (id) => document.getElementById(id);
const view = { state: null, samples: [], sampleCount: 0, indexes: null, isBusy: false, shown: {} };

/* ---- elements ---- */

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) {
      made.addEventListener(key.slice(2), value);
    } else if (value !== null && value !== false) {
      made.setAttribute(key, value === true ? "" : value);
    }
  }
  made.append(...children);
  return made;
}

function drawing(name, attributes = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) {
    made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

/* Replaces the content when what it is made from has changed, so that focus and selection stay. */
function show(id, source, make) {
  const text = JSON.stringify([source, view.isBusy]);
  if (view.shown[id] !== text) {
    const place = byId(id);
    const focused = place.contains(document.activeElement) ? document.activeElement.dataset.key : null;
    view.shown[id] = text;
    place.replaceChildren(...make());
    if (focused) {
      place.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
    }
  }
}

/* ---- words ---- */

const plain = new Intl.NumberFormat("en");
const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

function rate(number) {
  return number === 0 ? "0" : number >= 1000 ? short.format(number) : number >= 10 ? number.toFixed(0) : number.toFixed(1);
}

function bytes(number) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  while (number >= 1024 && unit < units.length - 1) {
    number /= 1024;
    unit++;
  }
  return `${unit > 0 && number < 10 ? number.toFixed(1) : number.toFixed(0)} ${units[unit]}`;
}

function milliseconds(number) {
  if (number === null) {
    return "–";
  }
  return number < 1 ? `${(number * 1000).toFixed(0)} µs`
    : number < 1000 ? `${number.toFixed(number < 10 ? 1 : 0)} ms` : `${(number / 1000).toFixed(1)} s`;
}

function time(date) {
  const when = new Date(date);
  const today = when.toDateString() === new Date().toDateString();
  const clock = when.toLocaleTimeString("en-GB");
  return today ? clock : `${when.toLocaleDateString("en-CA")} ${clock.slice(0, 5)}`;
}

function timeElement(date) {
  return element("time", { datetime: new Date(date).toISOString(), title: new Date(date).toISOString() }, time(date));
}

function duration(seconds) {
  const days = Math.floor(seconds / 86400), hours = Math.floor(seconds / 3600) % 24;
  const minutes = Math.floor(seconds / 60) % 60;
  return days > 0 ? `${days} d ${hours} h` : hours > 0 ? `${hours} h ${minutes} min`
    : minutes > 0 ? `${minutes} min` : `${Math.floor(seconds)} s`;
}

function siteName(site) {
  const everyone = view.state.sites.every((other) => other.hosts.includes("*")) ? "every host" : "every other host";
  const hosts = site.hosts.map((host) => (host === "*" ? everyone : host)).join(", ");
  return site.at === "/" ? hosts : `${hosts} at ${site.at}`;
}

/* ---- talking to the server ---- */

class ServerError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

async function ask(path, body, patience = PATIENCE_MS) {
  const options = { signal: patience > 0 ? AbortSignal.timeout(patience) : null, cache: "no-store" };
  if (body !== undefined) {
    options.method = "POST";
    options.body = JSON.stringify(body);
    options.headers = { "Content-Type": "application/json", "Authorization": `Bearer ${token()}` };
  }
  const answer = await fetch(path, options);
  const document_ = await answer.json();
  if (!answer.ok) {
    throw new ServerError(answer.status, document_.error ?? `status ${answer.status}`);
  }
  return document_;
}

function token() {
  return sessionStorage.getItem("token") ?? "";
}

function notice(text, level = "") {
  const place = byId("notice");
  place.hidden = text === "";
  place.dataset.level = level;
  place.textContent = text;
}

/* ---- dialogs ---- */

const waiting = new Map(); /* by dialog: what ends the wait for it */

/* Whether it was left with yes. The event of a closing comes late, maybe when the dialog is open
   again: who waited for it is told before that, so that one yes is never taken for two. */
function wait(dialog) {
  waiting.get(dialog)?.();
  return new Promise((resolve) => {
    const onClose = () => {
      if (!dialog.open) {
        dialog.removeEventListener("close", onClose);
        waiting.delete(dialog);
        resolve(dialog.returnValue === "yes");
      }
    };
    dialog.addEventListener("close", onClose);
    waiting.set(dialog, onClose);
    dialog.returnValue = "";
    dialog.showModal();
  });
}

async function askForToken() {
  const input = byId("token-text");
  input.value = "";
  if (!(await wait(byId("token"))) || input.value === "") {
    return false;
  }
  sessionStorage.setItem("token", input.value.trim());
  input.value = "";
  renderToken();
  return true;
}

function confirmed(title, text, yes) {
  byId("confirm-title").textContent = title;
  byId("confirm-text").textContent = text;
  byId("confirm-yes").textContent = yes;
  return wait(byId("confirm"));
}

/* One change: what will happen is said first, what has happened afterwards. */
async function change(title, text, yes, path, body) {
  if ((token() === "" && !(await askForToken())) || !(await confirmed(title, text, yes))) {
    return;
  }
  view.isBusy = true;
  notice(`${title}: under way…`);
  render();
  try {
    const done = await ask(path, body, 0);
    notice(`Done: release ${done.release} is live with ${plain.format(done.paths)} paths (${done.ms} ms).`);
  } catch (error) {
    if (error.status === 401) {
      sessionStorage.removeItem("token");
    }
    notice(error.status ? `Refused. ${error.message}` : "No answer: the connection was lost. What was asked for may have been done; look at the sites.", "bad");
  }
  view.isBusy = false;
  await refresh();
  await findIndexes();
}

/* ---- charts ---- */

const WIDTH = 300, HEIGHT = 96;

/* The next round number, for the top of a scale. */
function ceiling(number) {
  const power = 10 ** Math.floor(Math.log10(Math.max(number, 1e-9)));
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= number) ?? 10 * power;
}

function points(values, top) {
  const step = WIDTH / (Math.max(SAMPLES_LEAST, values.length) - 1);
  const first = WIDTH - step * (values.length - 1);
  return values.map((value, i) => [first + i * step, HEIGHT - (HEIGHT * Math.min(value, top)) / top]);
}

const line = (at) => at.map(([x, y], i) => `${i === 0 ? "M" : "L"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");

/* Runs without the seconds in which nothing was measured. */
function runs(values, top) {
  const at = points(values.map((value) => value ?? 0), top);
  const found = [];
  let run = [];
  values.forEach((value, i) => {
    if (value === null) {
      found.push(run);
      run = [];
    } else {
      run.push(at[i]);
    }
  });
  return [...found, run].filter((part) => part.length > 1).map(line).join("");
}

function chart(id, title, value, series, format, isStacked, others = []) {
  const largest = isStacked
    ? Math.max(0, ...(series[0]?.values ?? []).map((_, i) => series.reduce((sum, one) => sum + one.values[i], 0)))
    : Math.max(0, ...series.flatMap((one) => one.values));
  const top = largest > 0 ? ceiling(largest * 1.05) : 1;
  const picture = drawing("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img",
    "aria-label": `${title}, the last ${duration(view.samples.length)}: now ${value}, at most ${format(largest)}` });
  for (const y of [0, HEIGHT / 2, HEIGHT]) {
    picture.append(drawing("line", { class: "grid", x1: 0, x2: WIDTH, y1: y, y2: y }));
  }
  let below = null;
  for (const one of series) {
    if (isStacked) {
      const sums = one.values.map((number, i) => number + (below?.[i] ?? 0));
      const upper = points(sums, top), lower = points(below ?? sums.map(() => 0), top).reverse();
      if (upper.length > 1 && one.values.some((number) => number > 0)) {
        picture.append(drawing("path", { class: `area ${one.color}`, d: `${line(upper)}${line(lower).replace("M", "L")}Z` }));
      }
      below = sums;
    } else {
      picture.append(drawing("path", { class: `curve ${one.color}`, d: runs(one.values, top) }));
    }
  }
  const legend = element("ul", { class: "legend" }, ...series.concat(others).map((one) => element("li", {},
    one.color === undefined ? "" : drawing("svg", { viewBox: "0 0 10 10", "aria-hidden": "true" }, drawing("rect", { class: `area ${one.color}`, width: 10, height: 10, rx: 2 })),
    `${one.name} `, element("b", {}, one.now))), element("li", { class: "top" }, `top ${format(top)}`));
  byId(id).replaceChildren(
    element("figcaption", {}, element("span", {}, title), element("b", {}, value)),
    picture, legend);
}

function renderCharts() {
  const samples = view.samples;
  const last = samples.at(-1);
  const column = (i) => samples.map((sample) => sample[i]);
  const byClass = [1, 2, 3, 4].map((i) => ({ name: CLASSES[i], color: `c${i + 1}`,
    values: column(FIRST_CLASS + i), now: last ? rate(last[FIRST_CLASS + i]) : "–" }));
  const now = last ? byClass.reduce((sum, one) => sum + one.values.at(-1), 0) : 0;
  chart("chart-requests", "Requests a second", last ? rate(now) : "–", byClass, rate, true);
  chart("chart-latency", "Time to answer, p99", last ? milliseconds(last[P99]) : "–", [
    { name: "p50", color: "c2", values: column(P50), now: last ? milliseconds(last[P50]) : "–" },
    { name: "p99", color: "c4", values: column(P99), now: last ? milliseconds(last[P99]) : "–" }], milliseconds, false);
  const connections = view.state?.connections ?? {};
  chart("chart-connections", "Connections", last ? plain.format(last[CONNECTIONS]) : "–", [
    { name: "open", color: "c2", values: column(CONNECTIONS), now: last ? plain.format(last[CONNECTIONS]) : "–" }],
  (number) => plain.format(Math.ceil(number)), false,
  [["idle", "idle"], ["writing", "writing"], ["waiting_for_disk", "disk"]].map(
    ([state, name]) => ({ name, now: plain.format(connections[state] ?? 0) })));
  byId("span").textContent = samples.length > 0 ? `the last ${duration(samples.length)}, ${bytes(last[BYTES])} a second now` : "";
}

/* ---- sites ---- */

const STATES = { live: "live", below: "below", retired: "taken back", damaged: "damaged" };

function canChange() {
  return view.state.takes_changes && !view.isBusy;
}

function button(key, text, label, run) {
  return element("button", { type: "button", "data-key": key, "aria-label": label, disabled: !canChange(), onclick: run }, text);
}

function rollbackButton(site, place) {
  const [top, next] = site.releases;
  const text = `Release ${top.release} stops answering for ${siteName(site)}, and release ${next.release} answers instead, at once.\nFiles of ${top.release} whose names prove their content go on being found, for tabs that are open.`;
  return button(`rollback-${place}`, `Roll back to ${next.release}`, `Roll ${siteName(site)} back from release ${top.release} to ${next.release}`,
    () => change(`Roll back to release ${next.release}`, text, `Roll back to ${next.release}`, "/api/rollback", { host: site.hosts[0], at: site.at, id: top.id }));
}

function promoteButton(site, release) {
  const text = `Release ${release.release} (${release.index}) goes on top of ${siteName(site)}, in the place of release ${site.releases[0].release}, at once.`;
  return button(`promote-${release.id}-${site.at}-${site.hosts[0]}`, "Promote", `Promote release ${release.release} of ${siteName(site)}`,
    () => change(`Promote release ${release.release}`, text, `Promote ${release.release}`, "/api/promote",
      { id: release.id, host: site.hosts.join(","), at: site.at }));
}

function cell(label, kind, ...content) {
  return element("td", { "data-label": label || null, class: kind }, ...content);
}

function releaseRow(site, release) {
  const state = release.state === "damaged" ? "damaged" : release.is_taken_back ? "retired" : release.is_on_top ? "live" : "below";
  return element("tr", { class: release.is_on_top ? "current" : state === "retired" ? "past" : "" },
    cell("", "name", `Release ${release.release}`),
    cell("", "", element("span", { class: "state", "data-state": state }, STATES[state])),
    cell("id", "number", String(release.id)),
    cell("paths", "number", plain.format(release.paths)),
    cell("archive", "number", bytes(release.archive_bytes)),
    cell("loaded", "", timeElement(release.loaded)),
    cell("", "path", release.kind === "overlay" ? "overlay, " : "", release.index),
    cell("", "action", ...(release.is_on_top ? [] : [promoteButton(site, release)])));
}

function table(names, rows) {
  return element("table", {}, element("thead", {}, element("tr", {}, ...names.map(([name, kind]) => element("th", { scope: "col", class: kind ?? "" }, name)))),
    element("tbody", {}, ...rows));
}

function siteElement(site, place) {
  const columns = [["Release"], ["State"], ["Id", "number"], ["Paths", "number"], ["Archive", "number"], ["Loaded"], ["Index"], [""]];
  const damage = site.is_damaged ? [element("span", { class: "state", "data-state": "damaged" }, "answers 503: its files were cut")] : [];
  return element("article", { class: "site" },
    element("header", {}, element("h3", {}, siteName(site)), ...damage, ...(site.can_roll_back ? [rollbackButton(site, place)] : [])),
    table(columns, site.releases.map((release) => releaseRow(site, release))));
}

function renderSites() {
  const { sites, takes_changes } = view.state;
  show("site-list", [sites, takes_changes, new Date().toDateString()], () => sites.length > 0 ? sites.map(siteElement)
    : [element("p", { class: "empty" }, "No release is loaded: every request is answered 503. Load one below, or with cairn-ctl load index PATH.")]);
}

/* ---- indexes ---- */

function loadedIndexes() {
  return new Map(view.state.sites.flatMap((site) => site.releases.map((release) => [release.index, release])));
}

function loadButton(index) {
  const text = `Release ${index.release} (${index.path}) goes on top of where its archive answers, at once.`;
  return button(`load-${index.path}`, "Load", `Load release ${index.release} from ${index.path}`,
    () => change(`Load release ${index.release}`, text, `Load ${index.release}`, "/api/load", { index: index.path }));
}

function indexRow(index, loaded) {
  const release = loaded.get(index.path);
  return element("tr", {},
    cell("", "name", `Release ${index.release}`),
    cell("paths", "number", plain.format(index.paths)),
    cell("packed", "", timeElement(index.created)),
    cell("", "path", index.path),
    cell("", "action", release?.is_on_top ? element("span", { class: "state", "data-state": "live" }, "live") : loadButton(index)));
}

function renderIndexes() {
  if (view.indexes === null) {
    return;
  }
  const wanted = byId("filter-text").value.trim().toLowerCase();
  const found = view.indexes.filter((index) => `release ${index.release} ${index.path} ${index.created}`.toLowerCase().includes(wanted));
  const loaded = loadedIndexes();
  const source = [found.slice(0, INDEXES_SHOWN), found.length, [...loaded], view.state.takes_changes];
  show("index-list", source, () => {
    if (found.length === 0) {
      return [element("p", { class: "empty" }, wanted === "" ? "There is no index in these folders." : "Nothing of that name.")];
    }
    const more = found.length > INDEXES_SHOWN ? [element("p", { class: "empty" }, `${plain.format(found.length - INDEXES_SHOWN)} older ones are not shown: find them by name.`)] : [];
    const columns = [["Release"], ["Paths", "number"], ["Packed"], ["Index"], [""]];
    return [element("div", { class: "sheet" }, table(columns, found.slice(0, INDEXES_SHOWN).map((index) => indexRow(index, loaded)))), ...more];
  });
}

async function findIndexes() {
  try {
    view.indexes = (await ask("/api/indexes", undefined, 0)).rows;
    renderIndexes();
  } catch (error) {
    show("index-list", error.message, () => [element("p", { class: "empty" }, `They could not be read: ${error.message}`)]);
  }
}

/* ---- the rest ---- */

function renderRefused() {
  show("refused", view.state.refused, () => view.state.refused.length === 0 ? [element("p", { class: "empty" }, "Nothing.")]
    : [element("div", { class: "sheet" }, table([["Last"], ["Times", "number"], ["What"]], view.state.refused.map((one) => element("tr", {},
      cell("", "", timeElement(one.at * 1000)), cell("times", "number", plain.format(one.count)), cell("", "wide path", one.text)))))]);
}

function health() {
  const { sites, is_draining } = view.state;
  const damaged = sites.filter((site) => site.is_damaged).length;
  return is_draining ? ["Draining", "warn"] : sites.length === 0 ? ["Nothing loaded", "bad"]
    : damaged > 0 ? [`${damaged} damaged`, "bad"] : ["Serving", "good"];
}

function setHealth([text, level]) {
  const badge = byId("health");
  if (badge.textContent !== text) {
    badge.textContent = text;
  }
  badge.dataset.level = level;
}

function renderToken() {
  const place = byId("token-button");
  place.hidden = !view.state?.takes_changes;
  place.textContent = token() === "" ? "Enter the token" : "Forget the token";
}

function renderFacts() {
  const { started, workers, pid, totals, sandbox } = view.state;
  const facts = { Up: duration(Date.now() / 1000 - started), Workers: workers, Process: pid, Answered: short.format(totals.requests),
    Sent: bytes(totals.bytes), Sandbox: sandbox };
  byId("facts").replaceChildren(...Object.entries(facts).map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, String(value)))));
}

function render() {
  setHealth(health());
  renderFacts();
  renderCharts();
  renderSites();
  renderIndexes();
  renderRefused();
  renderToken();
  byId("version").textContent = `cairn-serve ${view.state.version}${view.state.takes_changes ? "" : ", read-only: started without --admin-token-file"}`;
}

async function askForState() {
  try {
    const state = await ask(`/api/state?after=${view.sampleCount}`);
    if (state.pid !== view.state?.pid) {
      view.samples = [];
    }
    view.samples = [...view.samples, ...state.samples].slice(-SAMPLES_SHOWN);
    view.sampleCount = state.sample_count;
    view.state = state;
    document.body.classList.remove("lost");
    render();
  } catch (error) {
    document.body.classList.add("lost");
    setHealth(["Connection lost", "bad"]);
    for (const one of document.querySelectorAll("td button, .site > header button")) {
      one.disabled = true;
    }
    view.shown = {}; // made anew when there is an answer
  }
}

/* One after the other: each asks for the samples behind those that the one before has brought. */
let refreshed = Promise.resolve();

function refresh() {
  refreshed = refreshed.then(askForState);
  return refreshed;
}

async function run() {
  await refresh();
  await findIndexes();
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    const wasLost = document.body.classList.contains("lost");
    if (!document.hidden) {
      await refresh();
    }
    if (wasLost && !document.body.classList.contains("lost")) {
      await findIndexes();
    }
  }
}

byId("host").textContent = location.host;
byId("filter-text").addEventListener("input", renderIndexes);
byId("filter").addEventListener("submit", (event) => {
  event.preventDefault();
  findIndexes();
});
byId("token-button").addEventListener("click", () => {
  if (token() === "") {
    askForToken();
  } else {
    sessionStorage.removeItem("token");
    renderToken();
  }
});
document.addEventListener("visibilitychange", () => document.hidden || refresh());
run();
