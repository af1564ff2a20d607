/** The page's script is text: its types, which its comments say, are checked here, and so is the policy that lets it run. */
import { createHash } from "node:crypto";
import ts from "typescript";
import { expect, it } from "vitest";
import { makeReport } from "../../src/report/page/report.ts";
import { scripts } from "../../src/report/page/script.ts";
import { inputOf, madeTrial } from "../support/report.ts";

function mistakes(text: string): readonly string[] {
  const options: ts.CompilerOptions = {
    ...{ allowJs: true, checkJs: true, noEmit: true, strict: true, types: [], noImplicitReturns: true, noUnusedLocals: true },
    ...{ target: ts.ScriptTarget.ES2022, lib: ["lib.es2022.d.ts", "lib.dom.d.ts", "lib.dom.iterable.d.ts"] },
  };
  const host = ts.createCompilerHost(options);
  const page = ts.createSourceFile("page.js", text, ts.ScriptTarget.ES2022);
  const [hasFile, sourceOf] = [host.fileExists.bind(host), host.getSourceFile.bind(host)];
  host.fileExists = (name) => name === page.fileName || hasFile(name);
  host.getSourceFile = (name, language) => (name === page.fileName ? page : sourceOf(name, language));
  const program = ts.createProgram([page.fileName], options, host);
  return ts.getPreEmitDiagnostics(program).map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, " "));
}

it("has the types that it says", () => {
  expect(mistakes(scripts.live)).toEqual([]);
  expect(mistakes(scripts.live.replace("tip.hidden = true", "tip.hiden = true"))).not.toEqual([]);
});

it("is strict, small, and the only one that a page may run", async () => {
  for (const kind of ["static", "live"] as const) {
    const { page, main } = await makeReport(inputOf([madeTrial(1), madeTrial(2)]), kind);
    const [, text = ""] = /<script>([\s\S]*)<\/script>/.exec(page) ?? [];
    expect(text.startsWith('"use strict";')).toBe(true);
    expect(text.length).toBeLessThan(8000);
    expect(page).toContain(`script-src 'sha256-${createHash("sha256").update(text).digest("base64")}'`);
    expect(page.includes("connect-src 'self'")).toBe(kind === "live");
    expect(page.includes('<noscript><meta http-equiv="refresh" content="10"')).toBe(kind === "live");
    expect(page).toContain(`<main>${main}</main>`);
  }
});
