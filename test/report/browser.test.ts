/** A report in a real browser: every figure is there, nothing overflows on a phone, nothing is complained of, in both colour schemes. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { sealed } from "../../src/evidence/records.ts";
import { hashOf } from "../../src/hash.ts";
import { figureNames } from "../../src/report/page/figure.ts";
import { run } from "../support/cli.ts";
import { findBrowser, openBrowser, type Page } from "../support/browser.ts";
import { inventedCheck, inventedCurves, inventedPrelaunch } from "../support/evidence.ts";
import { temporaryFolder } from "../support/folder.ts";
import { reportSpec, writeRun } from "../support/report.ts";

const browser = findBrowser();
const missing = browser === undefined ? "no Chromium is installed" : undefined;

it("is not skipped in CI", () => {
  if (process.env["MUTRANSFER_CI"]) expect(missing).toBeUndefined();
});

const sizes = { screen: [1280, 900, "wide"], phone: [390, 844, "narrow"] } as const;

describe.skipIf(missing !== undefined)(`the page${missing === undefined ? "" : ` (${missing})`}`, () => {
  const folder = temporaryFolder();
  let page: Page | undefined;
  const opened = (): Page => {
    if (page === undefined) throw new Error("the browser did not start");
    return page;
  };
  beforeAll(async () => {
    const path = writeRun(join(folder, "run"), reportSpec(20), 20);
    writeFileSync(join(path, "curves.json"), JSON.stringify(inventedCurves));
    writeFileSync(join(path, "coord-check.json"), JSON.stringify(inventedCheck));
    writeFileSync(join(path, "prelaunch.json"), JSON.stringify(sealed({ ...inventedPrelaunch, spec_hash: hashOf(reportSpec(20)) })));
    expect((await run(["report", path, "-q"], folder)).code).toBe(0);
    page = await openBrowser(browser ?? "", join(folder, "profile"));
  });
  afterAll(() => page?.close());

  for (const scheme of ["light", "dark"] as const)
    for (const [name, [width, height, layout]] of Object.entries(sizes))
      it(`on a ${name}, ${scheme}`, async () => {
        const view = opened();
        await view.open(pathToFileURL(join(folder, "run", "report", "report.html")).href, width, height, scheme);
        expect(await view.evaluate("document.documentElement.scrollWidth")).toBe(width);
        const shown = (await view.evaluate(`[...document.querySelectorAll("figure")].map((figure) => {
          const drawings = [...figure.querySelectorAll("svg")].filter((svg) => svg.getBoundingClientRect().width > 0);
          const [{ left, right, height }] = drawings.map((svg) => svg.getBoundingClientRect());
          const texts = [...drawings[0].querySelectorAll("text")].filter((text) => text.textContent !== "");
          const small = Math.min(...texts.map((text) => text.getBoundingClientRect().height && parseFloat(getComputedStyle(text).fontSize) * drawings[0].getScreenCTM().a));
          const outside = texts.map((text) => text.getBoundingClientRect()).filter((box) => box.left < left - 1 || box.right > right + 1).length;
          return { id: figure.id, layouts: drawings.map((svg) => svg.parentElement.className), fits: left >= 0 && right <= innerWidth, height, small, outside };
        })`)) as readonly { id: string; layouts: string[]; fits: boolean; height: number; small: number; outside: number }[];
        expect(await view.evaluate(`document.querySelector("#prelaunch") !== null`)).toBe(true);
        expect(shown.map(({ id }) => id)).toEqual(figureNames);
        for (const figure of shown) {
          expect(figure).toMatchObject({ layouts: [layout], fits: true, outside: 0 });
          expect(figure.height, figure.id).toBeGreaterThan(150);
          expect(figure.small, `${figure.id}'s smallest text`).toBeGreaterThan(10.5);
        }
        const inks = await view.evaluate(`[getComputedStyle(document.body).backgroundColor,
          getComputedStyle(document.querySelector("figure svg text")).fill, getComputedStyle(document.querySelector("h1")).color]`);
        expect(inks).toEqual(
          scheme === "light"
            ? ["rgb(255, 255, 255)", "rgb(86, 93, 107)", "rgb(28, 31, 36)"]
            : ["rgb(21, 24, 29)", "rgb(169, 177, 190)", "rgb(232, 234, 237)"],
        );
        expect(view.complaints).toEqual([]);
      });

  it("complains when something is wrong, so that its silence says something", async () => {
    const view = opened();
    writeFileSync(join(folder, "wrong.html"), '<img src="missing.png"><script>nothing()</script>');
    await view.open(pathToFileURL(join(folder, "wrong.html")).href, 390, 844, "light");
    expect(view.complaints.length).toBeGreaterThanOrEqual(2);
  });
});
