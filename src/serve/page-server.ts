/**
 * Serves one page and its figures on this machine's loopback, and tells whoever looks at it when
 * there is a new one (server-sent events). Knows no run and no file: everything comes from memory
 * and from a closed table. Other machines do not reach it, and neither do pages of other sites.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { UserError } from "../errors.ts";

/** What is served. */
export interface ServedPage {
  readonly page: string;
  /** The inner HTML of the page's main element, which is sent to those who look at it. */
  readonly main: string;
  /** By the name in the page's links: `history.svg`. */
  readonly figures: ReadonlyMap<string, string>;
}

const host = "127.0.0.1";
/** Where it is served unless told otherwise, and how many ports after that are tried. */
export const [usualPort, triedPorts] = [8377, 20] as const;
const heartbeatSeconds = 15;
/** Milliseconds after which a browser that lost its connection tries again. */
const retryMilliseconds = 2000;
const mostWatchers = 64;

const types: Readonly<Record<string, string>> = {
  svg: "image/svg+xml; charset=utf-8",
  csv: "text/csv; charset=utf-8",
  json: "application/json; charset=utf-8",
};
const shared = {
  "cache-control": "no-store",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cross-origin-resource-policy": "same-origin",
};
/** A figure that is opened by itself is a page of its own, in which nothing runs. */
const figurePolicy = "default-src 'none'; style-src 'unsafe-inline'; sandbox";
/** What a page's own policy, which is in it, cannot say. */
const pagePolicy = "frame-ancestors 'none'";

/** A page that is served until it is closed. */
export class PageServer {
  private readonly server: Server;
  private readonly current: () => Promise<ServedPage>;
  /** Who looks at the page, and whether the newest has not been sent to them. */
  private readonly watchers = new Map<ServerResponse, { isBehind: boolean }>();
  private newest = "";
  private readonly heartbeat: NodeJS.Timeout;

  /** `current` gives the page whenever somebody asks for it. */
  private constructor(current: () => Promise<ServedPage>) {
    this.current = current;
    this.server = createServer((request, response) => void this.answer(request, response));
    this.server.maxConnections = 4 * mostWatchers;
    this.heartbeat = setInterval(() => {
      for (const watcher of this.watchers.keys()) if (!watcher.writableNeedDrain) watcher.write(": still here\n\n");
    }, heartbeatSeconds * 1000);
  }

  /** Serves on a port (0 is any free one), or on the usual one or the next that is free; throws a UserError when that is none. */
  static async open(current: () => Promise<ServedPage>, port?: number): Promise<PageServer> {
    const served = new PageServer(current);
    const ports = port === undefined ? Array.from({ length: triedPorts }, (_, index) => usualPort + index) : [port];
    for (const each of ports) if (await served.listen(each)) return served;
    await served.close();
    throw new UserError({
      code: "port_taken",
      message: port === undefined ? `ports ${ports[0]} to ${ports.at(-1)} are all in use` : `port ${port} is in use, or not this user's`,
      hint: port === undefined ? "name a free port" : "leave the port out, and a free one is taken, or name another",
    });
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }
  get address(): string {
    return `http://${host}:${this.port}/`;
  }
  /** How many look at the page now. */
  get watching(): number {
    return this.watchers.size;
  }

  /** Sends a new page to everybody who looks at the one before. */
  show({ main }: Pick<ServedPage, "main">): void {
    this.newest = eventOf(main);
    for (const watcher of this.watchers.keys()) this.send(watcher);
  }

  /** Ends every connection. */
  close(): Promise<void> {
    clearInterval(this.heartbeat);
    return new Promise((resolve) => {
      this.server.close(() => resolve());
      this.server.closeAllConnections();
    });
  }

  private listen(port: number): Promise<boolean> {
    const { server } = this;
    return new Promise((resolve, reject) => {
      const fail = (error: NodeJS.ErrnoException): void => {
        if (error.code === "EADDRINUSE" || error.code === "EACCES") resolve(false);
        else reject(error);
      };
      server.once("error", fail).listen({ port, host, exclusive: true }, () => {
        server.off("error", fail);
        resolve(true);
      });
    });
  }

  /** Sends the newest page; whoever has not read the one before gets it, or a newer one, when that is read. */
  private send(watcher: ServerResponse): void {
    const state = this.watchers.get(watcher);
    if (state === undefined) return;
    state.isBehind = watcher.writableNeedDrain;
    if (!state.isBehind) watcher.write(this.newest);
  }

  /** Whether a request names this machine: another site's name that was made to lead here does not. */
  private isOwn({ headers }: IncomingMessage): boolean {
    const asked = headers.host?.toLowerCase();
    return ["localhost", host, "[::1]"].some((name) => asked === `${name}:${this.port}` || (this.port === 80 && asked === name));
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const refuse = (status: number, text: string, more: Readonly<Record<string, string>> = {}): void =>
      void response
        .writeHead(status, { ...shared, "content-type": "text/plain; charset=utf-8", ...more })
        .end(request.method === "HEAD" ? "" : `${text}\n`);
    if (!this.isOwn(request)) return void refuse(403, "this page is for this machine only");
    const isHead = request.method === "HEAD";
    if (request.method !== "GET" && !isHead) return void refuse(405, "this page is only looked at", { allow: "GET, HEAD" });
    const [path] = (request.url ?? "").split("?", 1);
    if (path === "/events") return void this.follow(response, isHead);
    const name = /^\/figures\/([a-z-]+\.(svg|csv|json))$/.exec(path);
    if (path !== "/" && name === null) return void refuse(404, "there is no such thing here");
    try {
      const { page, figures } = await this.current();
      const body = name === null ? page : figures.get(name[1]);
      if (body === undefined) return void refuse(404, "there is no such figure now");
      const [type, policy] = name === null ? ["text/html; charset=utf-8", pagePolicy] : [types[name[2]], figurePolicy];
      const headers = { ...shared, "content-type": type, "content-security-policy": policy, "content-length": Buffer.byteLength(body) };
      response.writeHead(200, headers).end(isHead ? undefined : body);
    } catch (error) {
      refuse(503, `the page could not be made: ${(error as Error).message}`);
    }
  }

  private follow(response: ServerResponse, isHead: boolean): void {
    if (this.watchers.size >= mostWatchers) return void response.writeHead(503, shared).end();
    response.writeHead(200, { ...shared, "content-type": "text/event-stream; charset=utf-8" });
    if (isHead) return void response.end();
    this.watchers.set(response, { isBehind: false });
    const forget = (): void => void this.watchers.delete(response);
    response.on("close", forget).on("error", forget);
    response.on("drain", () => this.watchers.get(response)?.isBehind === true && this.send(response));
    response.write(`retry: ${retryMilliseconds}\n\n`);
    // Whoever comes back after a lost connection may have missed a page.
    this.current().then(
      ({ main }) => {
        this.newest = eventOf(main);
        this.send(response);
      },
      () => response.end(),
    );
  }
}

const eventOf = (main: string): string => `event: page\ndata: ${JSON.stringify({ main })}\n\n`;
