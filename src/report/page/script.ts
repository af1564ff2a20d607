/**
 * The page's script, as text: sorting, what is told under the pointer, and a live page's
 * updates. A page without it says the same. It is plain strict-mode JavaScript, whose types
 * in comments a test checks: what the compiler makes of a function differs between builds,
 * and the same input has to give the same bytes.
 */
import { createHash } from "node:crypto";

const common = String.raw`"use strict";
/** @type {HTMLElement} */
const main = /** @type {HTMLElement} */ (document.querySelector("main"));
const tip = document.body.appendChild(document.createElement("div"));
tip.id = "tip";
tip.hidden = true;
/** What is told of a mark, by its key. @type {Map<string, string>} */
const tips = new Map();
/** How tables are sorted, by their ids: by which head's column, which may move. @type {Map<string, { title: string, descends: boolean }>} */
const sorts = new Map();
let lit = "";

/** @param {HTMLTableCellElement} cell */
const keyOf = (cell) => cell.dataset["value"] ?? cell.textContent ?? "";

/** @param {HTMLTableElement} table */
function sort(table) {
  const heads = [...table.tHead?.rows[0].cells ?? []];
  const { title, descends } = sorts.get(table.id) ?? { title: "", descends: false };
  const column = Math.max(0, heads.findIndex(({ textContent }) => textContent === title));
  const rows = [...table.tBodies[0].rows].map((row) => ({ row, key: keyOf(row.cells[column]) }));
  const isNumeric = rows.every(({ key }) => key === "" || Number.isFinite(Number(key)));
  rows.sort((a, b) => {
    // What has no value comes last either way.
    if (a.key === "" || b.key === "") return Number(a.key === "") - Number(b.key === "");
    const order = isNumeric ? Number(a.key) - Number(b.key) : a.key < b.key ? -1 : Number(a.key > b.key);
    return descends ? -order : order;
  });
  table.tBodies[0].append(...rows.map(({ row }) => row));
  for (const [index, head] of heads.entries()) {
    if (index === column) head.setAttribute("aria-sort", descends ? "descending" : "ascending");
    else head.removeAttribute("aria-sort");
  }
}

/** Makes what the page has just got do what it can with a script. */
function prepare() {
  for (const title of main.querySelectorAll("[data-key] > title")) {
    const mark = /** @type {HTMLElement} */ (/** @type {unknown} */ (title.parentElement));
    tips.set(mark.dataset["key"] ?? "", title.textContent ?? "");
    title.replaceWith();
  }
  for (const hint of main.querySelectorAll(".hint")) hint.removeAttribute("hidden");
  for (const table of /** @type {NodeListOf<HTMLTableElement>} */ (main.querySelectorAll("table[data-sorts]"))) {
    for (const head of table.tHead?.rows[0].cells ?? []) {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const descends = head.getAttribute("aria-sort") === "ascending";
        sorts.set(table.id, { title: head.textContent ?? "", descends });
        sort(table);
      });
    }
    sort(table);
  }
  light(lit);
}

/** Lights one trial in all figures and tables. @param {string} key */
function light(key) {
  for (const mark of main.querySelectorAll(".lit")) mark.classList.toggle("lit", false);
  lit = key;
  if (key === "") return;
  for (const mark of main.querySelectorAll("[data-key=" + CSS.escape(key) + "]")) mark.classList.add("lit");
}

/** @param {PointerEvent} event */
function point(event) {
  const at = event.target instanceof Element ? event.target.closest("[data-key]") : null;
  const key = at === null ? "" : (at.getAttribute("data-key") ?? "");
  if (key !== lit) light(key);
  const text = at instanceof SVGElement ? (tips.get(key) ?? "") : "";
  tip.hidden = text === "";
  tip.textContent = text;
  const { width, height } = tip.getBoundingClientRect();
  tip.style.left = Math.max(4, Math.min(event.clientX + 14, innerWidth - width - 4)) + "px";
  tip.style.top = (event.clientY + 18 + height > innerHeight ? Math.max(4, event.clientY - height - 10) : event.clientY + 18) + "px";
}
main.addEventListener("pointermove", point);
main.addEventListener("pointerover", point);
main.addEventListener("pointerleave", () => {
  tip.hidden = true;
  light("");
});
prepare();
`;

const updates = String.raw`
const reached = "a[href], button, summary";
const note = document.getElementById("connection");

/** @template {Element} T @param {string} what @returns {T[]} */
const all = (what) => /** @type {T[]} */ ([...main.querySelectorAll(what)]);

/** Shows a new page where the old one was, as the reader has left it. @param {string} text */
function replace(text) {
  const place = { left: scrollX, top: scrollY, behavior: /** @type {const} */ ("instant") };
  const open = new Map(/** @type {HTMLDetailsElement[]} */ (all("details[id]")).map((each) => [each.id, each.open]));
  const across = new Map(/** @type {HTMLElement[]} */ (all(".scroll[id]")).map((each) => [each.id, each.scrollLeft]));
  const focused = main.contains(document.activeElement) ? document.activeElement : null;
  const holder = focused === null ? null : focused.closest("[id]");
  const turn = focused === null || holder === null ? -1 : [...holder.querySelectorAll(reached)].indexOf(focused);
  // Everything that a user wrote is escaped in it.
  main.innerHTML = text;
  for (const each of /** @type {HTMLDetailsElement[]} */ (all("details[id]"))) each.open = open.get(each.id) ?? each.open;
  prepare();
  for (const each of /** @type {HTMLElement[]} */ (all(".scroll[id]"))) each.scrollLeft = across.get(each.id) ?? 0;
  if (holder !== null && turn >= 0) {
    const same = document.getElementById(holder.id)?.querySelectorAll(reached)[turn];
    if (same instanceof HTMLElement) same.focus({ preventScroll: true });
  }
  scrollTo(place);
}

/** @param {boolean} isLost */
function tell(isLost) {
  if (note !== null) note.hidden = !isLost;
}

function follow() {
  const source = new EventSource("events");
  source.addEventListener("open", () => tell(false));
  source.addEventListener("page", (event) => {
    tell(false);
    replace(JSON.parse(event.data).main);
  });
  source.addEventListener("error", () => {
    tell(true);
    // A browser tries again by itself, unless it was refused.
    if (source.readyState === EventSource.CLOSED) setTimeout(follow, 3000);
  });
}
follow();
`;

/** What a page is for: a file, or one that is kept up to date by whoever serves it. */
export type PageKind = "static" | "live";

/** The script of each kind of page. */
export const scripts: { readonly [K in PageKind]: string } = { static: common, live: common + updates };

/** Its hash, as a page's policy names what may run. */
export const scriptHash = (kind: PageKind): string => `sha256-${createHash("sha256").update(scripts[kind]).digest("base64")}`;
