/** A headless Chromium, driven over its debugging pipe: no port, no package. */
import { spawn } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import type { Readable, Writable } from "node:stream";

const names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/** The browser's path, if one is installed. */
export function findBrowser(): string | undefined {
  const folders = (process.env["PATH"] ?? "").split(delimiter);
  return folders
    .flatMap((folder) => names.map((name) => join(folder, name)))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

type Values = Readonly<Record<string, unknown>>;
interface Answer {
  readonly id?: number;
  readonly method?: string;
  readonly params?: Values;
  readonly result?: Values;
  readonly error?: { readonly message: string };
}

export interface Page {
  /** Everything the page has complained of since it was opened: console, exceptions, refused requests. */
  readonly complaints: string[];
  send(method: string, params?: Values): Promise<Values>;
  evaluate(expression: string): Promise<unknown>;
  /** Opens an address at a size, in a colour scheme, and waits until it is loaded. */
  open(url: string, width: number, height: number, scheme: "light" | "dark"): Promise<void>;
  close(): Promise<void>;
}

export async function openBrowser(path: string, profile: string): Promise<Page> {
  const flags = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
    `--user-data-dir=${profile}`,
  ];
  const child = spawn(path, [...flags, "about:blank"], { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"] });
  const input = child.stdio[3] as Writable;
  const output = child.stdio[4] as Readable;
  const waiting = new Map<number, (answer: Answer) => void>();
  const heard = new Map<string, () => void>();
  const complaints: string[] = [];
  let [rest, last, sessionId] = ["", 0, ""];
  const hear = ({ id, method = "", params = {}, ...answer }: Answer): void => {
    if (id !== undefined) waiting.get(id)?.(answer);
    heard.get(method)?.();
    if (["Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded"].includes(method)) complaints.push(JSON.stringify(params));
  };
  output.setEncoding("utf8").on("data", (text: string) => {
    const messages = (rest + text).split("\0");
    rest = messages.pop() ?? "";
    for (const message of messages) hear(JSON.parse(message) as Answer);
  });
  const send = (method: string, params: Values = {}): Promise<Values> =>
    new Promise((resolve, reject) => {
      const id = ++last;
      waiting.set(id, ({ result, error }) => {
        waiting.delete(id);
        if (error === undefined) resolve(result ?? {});
        else reject(new Error(`${method}: ${error.message}`));
      });
      input.write(`${JSON.stringify({ id, method, params, ...(sessionId !== "" && { sessionId }) })}\0`);
    });
  const evaluate = async (expression: string): Promise<unknown> => {
    const { result, exceptionDetails } = await send("Runtime.evaluate", { expression, returnByValue: true });
    if (exceptionDetails !== undefined) throw new Error(JSON.stringify(exceptionDetails));
    return (result as { value?: unknown }).value;
  };
  const { targetInfos } = await send("Target.getTargets");
  const target = (targetInfos as readonly { type: string; targetId: string }[]).find(({ type }) => type === "page");
  sessionId = (await send("Target.attachToTarget", { targetId: target?.targetId, flatten: true }))["sessionId"] as string;
  for (const domain of ["Page", "Runtime", "Log"]) await send(`${domain}.enable`);
  return {
    complaints,
    send,
    evaluate,
    open: async (url, width, height, scheme) => {
      await send("Emulation.setDeviceMetricsOverride", { width, height, deviceScaleFactor: 1, mobile: width < 600 });
      await send("Emulation.setEmulatedMedia", { features: [{ name: "prefers-color-scheme", value: scheme }] });
      const loaded = new Promise<void>((resolve) => heard.set("Page.loadEventFired", resolve));
      complaints.length = 0;
      await send("Page.navigate", { url });
      await loaded;
    },
    close: async () => {
      const closed = new Promise((resolve) => child.on("close", resolve));
      sessionId = "";
      send("Browser.close").catch(() => undefined);
      await closed;
    },
  };
}
