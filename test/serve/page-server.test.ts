/** A page that is served on loopback: what is answered, to whom, and what those are sent who look at it. */
import { request, type IncomingHttpHeaders, type IncomingMessage } from "node:http";
import { connect } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { UserError } from "../../src/errors.ts";
import { PageServer, type ServedPage } from "../../src/serve/page-server.ts";
import { until } from "../support/cli.ts";

const pageOf = (main: string): ServedPage => ({
  page: `<main>${main}</main>`,
  main,
  figures: new Map([
    ["history.svg", "<svg/>"],
    ["history.json", "[]"],
  ]),
});

const opened: PageServer[] = [];
async function serve(current: () => Promise<ServedPage> = () => Promise.resolve(pageOf("first")), port?: number): Promise<PageServer> {
  const server = await PageServer.open(current, port);
  opened.push(server);
  return server;
}
afterEach(async () => {
  for (const server of opened.splice(0)) await server.close();
});

interface Answer {
  readonly status: number | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}
function ask(server: PageServer, path: string, method = "GET", host = `127.0.0.1:${server.port}`): Promise<Answer> {
  return new Promise((resolve, reject) => {
    request({ host: "127.0.0.1", port: server.port, path, method, headers: { host }, agent: false }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (piece: string) => (text += piece));
      response.on("end", () => resolve({ status: response.statusCode, headers: response.headers, text }));
    })
      .on("error", reject)
      .end();
  });
}
/** Looks at the page; `text` is what was sent so far. */
async function look(server: PageServer): Promise<{ readonly text: () => string; readonly response: IncomingMessage }> {
  let text = "";
  const response = await new Promise<IncomingMessage>((resolve, reject) =>
    request({ host: "127.0.0.1", port: server.port, path: "/events", agent: false }, resolve).on("error", reject).end(),
  );
  response.on("error", () => undefined);
  response.setEncoding("utf8").on("data", (piece: string) => (text += piece));
  return { text: () => text, response };
}

describe("a served page", () => {
  it("is answered with its figures, from memory and to nobody's cache, and nothing else is", async () => {
    const server = await serve();
    const page = await ask(server, "/?x=1");
    expect([page.status, page.text]).toEqual([200, "<main>first</main>"]);
    expect(page.headers).toMatchObject({
      "content-type": "text/html; charset=utf-8",
      "cache-control": "no-store",
      "x-content-type-options": "nosniff",
      "content-security-policy": "frame-ancestors 'none'",
    });
    expect(await ask(server, "/figures/history.svg")).toMatchObject({
      status: 200,
      text: "<svg/>",
      headers: { "content-type": "image/svg+xml; charset=utf-8" },
    });
    expect((await ask(server, "/figures/history.svg")).headers["content-security-policy"]).toContain("sandbox");
    expect(await ask(server, "/figures/history.json")).toMatchObject({ status: 200, text: "[]" });
    for (const path of [
      "/figures/history.csv",
      "/figures/../package.json",
      "/figures/%2e%2e/x.json",
      "/journal.jsonl",
      "//",
      "/events/",
      "/figures/constructor",
    ])
      expect((await ask(server, path)).status, path).toBe(404);
  });

  it("is only looked at", async () => {
    const server = await serve();
    expect(await ask(server, "/", "HEAD")).toMatchObject({ status: 200, text: "", headers: { "content-length": "18" } });
    for (const method of ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
      expect(await ask(server, "/", method), method).toMatchObject({ status: 405, headers: { allow: "GET, HEAD" } });
    expect((await ask(server, "/events", "HEAD")).text).toBe("");
  });

  it("is for this machine only: other names that lead here are refused", async () => {
    const server = await serve();
    for (const name of ["127.0.0.1", "localhost", "LocalHost", "[::1]"])
      expect((await ask(server, "/", "GET", `${name}:${server.port}`)).status).toBe(200);
    for (const name of ["evil.example", `evil.example:${server.port}`, "localhost", "localhost:1", `localhost:${server.port}.evil.example`])
      for (const path of ["/", "/events", "/figures/history.svg"]) expect((await ask(server, path, "GET", name)).status, name).toBe(403);
  });

  it("is on any free port where none is named", async () => {
    const server = await serve(undefined, 0);
    expect(server.port).toBeGreaterThan(0);
    expect((await ask(server, "/")).status).toBe(200);
  });

  it("says what keeps it from being made", async () => {
    const server = await serve(() => Promise.reject(new Error("no ink")));
    expect(await ask(server, "/")).toMatchObject({ status: 503, text: "the page could not be made: no ink\n" });
  });

  it("takes the next port when the usual one is in use, and refuses one that is named and taken", async () => {
    const [first, second] = [await serve(), await serve()];
    expect(second.port).toBeGreaterThan(first.port);
    const refused = PageServer.open(() => Promise.resolve(pageOf("")), first.port);
    await expect(refused).rejects.toSatisfy((error) => error instanceof UserError && error.diagnostics[0].code === "port_taken");
  });
});

describe("who looks at a served page", () => {
  it("is sent the newest at once, each new one, and is forgotten when gone", async () => {
    const server = await serve();
    const [one, other] = [await look(server), await look(server)];
    await until(() => one.text().includes("first") && other.text().includes("first"));
    expect(one.text()).toMatch(/^retry: \d+\n\nevent: page\ndata: \{"main":"first"\}\n\n$/);
    other.response.destroy();
    await until(() => server.watching === 1);
    server.show({ main: "two\nlines" });
    await until(() => one.text().endsWith('event: page\ndata: {"main":"two\\nlines"}\n\n'));
  });

  it("is sent no more than is read, and then the newest only", async () => {
    const server = await serve();
    const slow = connect({ port: server.port, host: "127.0.0.1" });
    let text = "";
    slow.setEncoding("utf8").on("data", (piece: string) => (text += piece));
    slow.write(`GET /events HTTP/1.1\r\nHost: localhost:${server.port}\r\n\r\n`);
    await until(() => text.includes("first"));
    slow.pause();
    const large = "x".repeat(4 << 20);
    for (let turn = 0; turn < 30; turn++) {
      server.show({ main: `${turn} ${large}` });
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    server.show({ main: "the newest" });
    slow.resume();
    await until(() => text.includes("the newest"));
    expect(text.match(/event: page/g)?.length).toBeLessThan(30);
    slow.destroy();
  });

  it("does not keep it from being closed", async () => {
    const server = await serve();
    const { port } = server;
    const { response } = await look(server);
    const ended = new Promise((resolve) => response.on("close", resolve));
    await server.close();
    await ended;
    const refused = await new Promise((resolve) => connect({ port, host: "127.0.0.1" }).on("error", resolve));
    expect(refused).toMatchObject({ code: "ECONNREFUSED" });
  });
});
