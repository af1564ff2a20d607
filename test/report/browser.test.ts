/** A report in a real browser: every figure is there, nothing overflows on a phone, nothing is complained of, in both colour schemes; it sorts, tells of trials, and follows a run. */
import { writeFileSync } from "node:fs";
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { sealed } from "../../src/evidence/records.ts";
import { hashOf } from "../../src/hash.ts";
import { figureNames } from "../../src/report/page/figure.ts";
import { run } from "../support/cli.ts";
import { findBrowser, openBrowser, type Page } from "../support/browser.ts";
import { inventedAnalysis, inventedCheck, inventedCurves, inventedPrelaunch } from "../support/evidence.ts";
import { temporaryFolder } from "../support/folder.ts";
import { makeReport } from "../../src/report/page/report.ts";
import { inputOf, madeTrial, reportSpec, writeConfirmed } from "../support/report.ts";

const browser = findBrowser();
const missing = browser === undefined ? "no Chromium is installed" : undefined;

it("is not skipped in CI", () => {
  if (process.env["MUTRANSFER_CI"]) expect(missing).toBeUndefined();
});

const sizes = { screen: [1280, 900, "wide"], phone: [420, 844, "narrow"] } as const;

describe.skipIf(missing !== undefined)(`the page${missing === undefined ? "" : ` (${missing})`}`, () => {
  const folder = temporaryFolder();
  let page: Page | undefined;
  const opened = (): Page => {
    if (page === undefined) throw new Error("the browser did not start");
    return page;
  };
  beforeAll(async () => {
    const path = writeConfirmed(join(folder, "run"), reportSpec(20), 20);
    const head = { spec_hash: hashOf(reportSpec(20)), cost: { proxy_flops: 1, target_flops: 2, ratio: 0.5 }, analysis: inventedAnalysis };
    writeFileSync(join(path, "results.json"), `${JSON.stringify(head, null, 2).slice(0, -2)},\n  "trials": []\n}\n`);
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

  const report = (): string => pathToFileURL(join(folder, "run", "report", "report.html")).href;
  /** Texts of a column of the ranking, from 0. */
  const column = (index: number): Promise<unknown> =>
    opened().evaluate(`[...document.querySelectorAll("#ranking-table tbody tr")].map((row) => row.cells[${index}].textContent)`);
  const press = async (key: string): Promise<void> => {
    const text = key === "Enter" ? "\r" : "";
    for (const type of ["keyDown", "keyUp"])
      await opened().send("Input.dispatchKeyEvent", { type, key, code: key, windowsVirtualKeyCode: key === "Enter" ? 13 : 9, text });
  };
  const head = (index: number): string => `document.querySelectorAll("#ranking-table th")[${index}]`;
  const centre = async (element: string): Promise<{ readonly x: number; readonly y: number }> =>
    (await opened().evaluate(`(() => {
      const at = ${element};
      at.scrollIntoView({ block: "center", behavior: "instant" });
      const box = at.getBoundingClientRect();
      return { x: box.x + box.width / 2, y: box.y + box.height / 2 };
    })()`)) as { x: number; y: number };
  const click = async (element: string): Promise<void> => {
    const place = { ...(await centre(element)), button: "left", clickCount: 1 };
    for (const type of ["mousePressed", "mouseReleased"]) await opened().send("Input.dispatchMouseEvent", { ...place, type });
  };

  it("sorts its ranking by click and by keyboard", async () => {
    const view = opened();
    await view.open(report(), 1280, 900, "light");
    const ranks = (await column(0)) as readonly string[];
    expect(ranks).toEqual(ranks.map((_, index) => String(index + 1)));
    const rates = 5;
    await click(`${head(rates)}.querySelector("button")`);
    const ascending = ((await column(rates)) as readonly string[]).map(Number);
    expect(ascending).toEqual([...ascending].sort((a, b) => a - b));
    expect(await view.evaluate(`[${head(0)}, ${head(rates)}].map((each) => each.getAttribute("aria-sort"))`)).toEqual([null, "ascending"]);
    await press("Enter");
    expect(((await column(rates)) as readonly string[]).map(Number)).toEqual([...ascending].reverse());
    expect(await view.evaluate(`${head(rates)}.getAttribute("aria-sort")`)).toBe("descending");
    // What has no mean is below what has one, whichever way the others go.
    for (const sorted of [() => click(`${head(3)}.querySelector("button")`), () => press("Enter")]) {
      await sorted();
      const means = (await column(3)) as readonly string[];
      expect(means.map((text) => text !== "")).toEqual(means.map((_, index) => index < 4));
    }
    expect(view.complaints).toEqual([]);
  });

  it("tells of the trial under the pointer, and lights it everywhere", async () => {
    const view = opened();
    await view.open(report(), 1280, 900, "light");
    expect(await view.evaluate(`document.querySelector("#tip").hidden`)).toBe(true);
    const at = await centre(`document.querySelector('#history .wide path[data-key="trial 3"]')`);
    await view.send("Input.dispatchMouseEvent", { ...at, type: "mouseMoved" });
    const tip = (await view.evaluate(`document.querySelector("#tip").innerText`)) as string;
    expect(tip).toMatch(/^trial 3: completed after 100 steps\nvalidation loss 2\.\d{4}\n(fresh seeds .*\n)?learning_rate 0\.0/);
    const lit = await view.evaluate(
      `[...new Set([...document.querySelectorAll(".lit")].map((each) => each.closest("figure, section").id))]`,
    );
    expect(lit).toEqual(["ranking", "slices", "parallel-coordinates", "history", "training-curves"]);
    await view.send("Input.dispatchMouseEvent", { x: 1, y: 1, type: "mouseMoved" });
    expect(await view.evaluate(`[document.querySelector("#tip").hidden, document.querySelectorAll(".lit").length]`)).toEqual([true, 0]);
    expect(view.complaints).toEqual([]);
  });

  it("says the same without a script", async () => {
    const view = opened();
    await view.send("Emulation.setScriptExecutionDisabled", { value: true });
    try {
      await view.open(report(), 1280, 900, "light");
      expect(
        await view.evaluate(`[document.querySelectorAll("th button").length, document.querySelectorAll("#ranking-table tbody tr").length]`),
      ).toEqual([0, 20]);
      expect(await view.evaluate(`document.querySelector('#history [data-key="trial 3"] > title').textContent`)).toMatch(
        /^trial 3: completed/,
      );
      expect(await view.evaluate(`document.querySelector(".hint").getBoundingClientRect().width`)).toBe(0);
      expect(view.complaints).toEqual([]);
    } finally {
      await view.send("Emulation.setScriptExecutionDisabled", { value: false });
    }
  });

  describe("kept up to date", () => {
    let server: Server | undefined;
    afterAll(() => {
      server?.closeAllConnections();
      server?.close();
    });
    const liveInput = (ended: number): Parameters<typeof makeReport>[0] => ({
      ...inputOf(Array.from({ length: ended }, (_, id) => madeTrial(id))),
      phase: "running",
      live: {
        ...{ fraction: ended / 20, stepsPerSecond: 1234.5, secondsLeft: 61 },
        stacks: [
          { step: 60, trainings: [{ trial: ended, seed: 1, curve: [0, 30, 60].map((step) => ({ step, validationLoss: 4 - step / 50 })) }] },
        ],
      },
    });
    const until = async (expression: string, wanted: unknown): Promise<void> => {
      for (let turn = 0; turn < 100 && (await opened().evaluate(expression)) !== wanted; turn++)
        await new Promise((resolve) => setTimeout(resolve, 30));
      expect(await opened().evaluate(expression)).toBe(wanted);
    };

    it("takes what comes, and leaves the reader's place, sorting, focus and what is open", async () => {
      const [before, after] = [await makeReport(liveInput(10), "live"), await makeReport(liveInput(14), "live")];
      const followers = new Set<ServerResponse>();
      server = createServer(({ url }, answer) => {
        if (url !== "/events")
          return void answer
            .writeHead(url === "/" ? 200 : 204, { "content-type": "text/html; charset=utf-8" })
            .end(url === "/" ? before.page : "");
        answer.writeHead(200, { "content-type": "text/event-stream" }).write("retry: 50\n\n");
        followers.add(answer);
      });
      await new Promise<void>((resolve) => server?.listen(0, "127.0.0.1", resolve));
      const view = opened();
      await view.open(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`, 1280, 900, "light");
      const rows = `document.querySelectorAll("#ranking-table tbody tr").length`;
      const percent = `document.querySelector("#progress [role=progressbar]").getAttribute("aria-valuenow")`;
      expect(await view.evaluate(`[${percent}, ${rows}, document.querySelector("#progress p").textContent]`)).toEqual([
        "50",
        10,
        "50 % · about 1:01 left · 1230 steps/s",
      ]);
      expect(await view.evaluate(`document.querySelector("#training-table tbody").innerText`)).toMatch(
        /trial 10\s+60 of \d+\s+2\.8000\s+3\.4000, 4\.0000/,
      );
      expect(await view.evaluate(`document.querySelectorAll('#training-curves .wide [data-key="trial 10"]').length`)).toBe(2);
      await click(`${head(1)}.querySelector("button")`);
      await press("Enter");
      await view.evaluate(`document.querySelector("#spec").open = false`);
      const place = await view.evaluate("scrollY");
      for (const each of followers) each.write(`event: page\ndata: ${JSON.stringify({ main: after.main })}\n\n`);
      await until(rows, 14);
      expect(await view.evaluate(percent)).toBe("70");
      expect((await column(1)) as readonly string[]).toEqual(Array.from({ length: 14 }, (_, index) => String(13 - index)));
      expect(await view.evaluate(`document.activeElement.closest("th").textContent`)).toBe("trial");
      expect(await view.evaluate(`[document.querySelector("#spec").open, scrollY]`)).toEqual([false, place]);
      expect(view.complaints).toEqual([]);
      expect(await view.evaluate(`document.querySelector("#connection").hidden`)).toBe(true);
      for (const each of followers) each.destroy();
      await until(`document.querySelector("#connection").hidden`, false);
      await until(`document.querySelector("#connection").hidden`, true);
    });
  });

  it("complains when something is wrong, so that its silence says something", async () => {
    const view = opened();
    writeFileSync(join(folder, "wrong.html"), '<img src="missing.png"><script>nothing()</script>');
    await view.open(pathToFileURL(join(folder, "wrong.html")).href, 390, 844, "light");
    expect(view.complaints.length).toBeGreaterThanOrEqual(2);
  });
});
