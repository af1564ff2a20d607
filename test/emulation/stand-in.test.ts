/** The library that runs kernels without a GPU finds what it is there to find: each fault once, and none in what is right. */
import { spawnSync } from "node:child_process";
import koffi from "koffi";
import { afterEach, describe, expect, it } from "vitest";
import { ptxOf, sanitized, standIn } from "../support/stand-in.ts";

const head = `#include "emulate.h"
struct Run { float *out; const float *in; };
struct Choice { int32_t which, count; };
`;
const unit = (name: string, body: string, threads = 64): string =>
  [
    // A function template, as most kernels call: compilers may treat what it shares in a way of its own.
    `${head}template <int> DEVICE void body(const Run &run, const Choice &o) {`,
    "  const int t = threadIdx.x;",
    body,
    `}\nKERNEL(${name}, ${threads}, 1, Choice, body<0>)\n`,
  ].join("\n");

const probes = {
  // Each thread writes what another one put into shared memory; without the barrier some read NaN.
  reversed: "  __shared__ float row[64];\n  row[t] = t;\n  __syncthreads();\n  run.out[64 * blockIdx.x + t] = row[63 - t];",
  barrier_by_some: "  if (t < o.which) __syncthreads();",
  barriers_apart: "  if (t < 32) {\n    __syncthreads();\n  } else {\n    __syncthreads();\n  }",
  barrier_and_shuffle: "  if (t % 32 == 5) __syncthreads();\n  else run.out[t] = __shfl_xor_sync(~0u, 1.0f, 1);",
  shuffles_apart: "  if (t < 7)\n    run.out[t] = __shfl_xor_sync(~0u, 1.0f, 1);\n  else\n    run.out[t] = __shfl_xor_sync(~0u, 1.0f, 1);",
  shuffle_by_some: "  if (t != 40) run.out[t] = __shfl_sync(~0u, 1.0f, 0);",
  // What a block leaves in shared memory is not there for the next.
  unset: `  __shared__ float left[64];
  const float found = left[t];
  left[t] = 1.0f;
  run.out[64 * blockIdx.x + t] = found;`,
  outside: "  run.out[o.which + t] = 1.0f;",
  outside_shared: "  __shared__ float row[64];\n  row[t + o.which] = 1.0f;\n  __syncthreads();\n  run.out[t] = row[t];",
  shuffles: `  const int lane = t % 32;
  int failed = 0;
  failed |= __shfl_xor_sync(~0u, lane, 5) != (lane ^ 5);
  failed |= __shfl_sync(~0u, lane, 7) != 7;
  failed |= __shfl_sync(~0u, lane, 3, 8) != lane / 8 * 8 + 3;
  failed |= __shfl_down_sync(~0u, lane, 4) != (lane < 28 ? lane + 4 : lane);
  failed |= __shfl_up_sync(~0u, lane, 4, 16) != (lane % 16 >= 4 ? lane - 4 : lane);
  failed |= __shfl_xor_sync(~0u, (double)lane, 16) != (double)(lane ^ 16);
  failed |= __ballot_sync(~0u, lane % 2) != 0xaaaaaaaau;
  failed |= !__any_sync(~0u, lane == 3) || __all_sync(~0u, lane != 3) || !__all_sync(~0u, 1);
  run.out[t] = failed;`,
  // A [16, k] in the first 256 floats and B [k, 8] in the next; rows and columns as the PTX manual states them.
  tensor: `  const int group = t / 4, inner = t % 4, depth = o.which;
  const float *a = run.in, *b = run.in + 256;
  float c[4] = {0.5f, 0.5f, 0.5f, 0.5f};
  uint32_t fa[4], fb[2];
  for (int i = 0; i < 4; i++) {
    const float *row = a + (group + i % 2 * 8) * depth;
    fa[i] = depth == 8 ? to_tf32(row[inner + i / 2 * 4]) : pack_bf16(row[2 * inner + i / 2 * 8], row[2 * inner + i / 2 * 8 + 1]);
  }
  for (int i = 0; i < 2; i++)
    fb[i] = depth == 8 ? to_tf32(b[(inner + 4 * i) * 8 + group])
                       : pack_bf16(b[(2 * inner + 8 * i) * 8 + group], b[(2 * inner + 8 * i + 1) * 8 + group]);
  if (depth == 8) mma_tf32(c, fa, fb);
  else mma_bf16(c, fa, fb);
  for (int i = 0; i < 4; i++) run.out[(group + i / 2 * 8) * 8 + 2 * inner + i % 2] = c[i];`,
  // A matrix has one half or the other of each row's 8 pairs, which are numbered over the whole.
  matrices: `  __shared__ __align__(16) uint32_t rows[64][8];
  for (int i = 0; i < 8; i++) rows[t][i] = 8 * t + i;
  __syncthreads();
  __align__(16) const uint32_t outside[4] = {};
  uint32_t got[4];
  const void *const row = o.which == 2 && t == 9 ? (const void *)outside : &rows[t][t / 8 % 2 * 4 + (o.which == 1 && t == 9)];
  load_matrices(got[0], got[1], got[2], got[3], row);
  for (int i = 0; i < 4; i++) run.out[4 * t + i] = got[i];`,
} as const;
type Probe = keyof typeof probes;
const units = Object.fromEntries(Object.entries(probes).map(([name, body]) => [name, unit(name, body, name === "tensor" ? 32 : 64)]));

const { library, missing } = await standIn({ units });

/** The driver's calls as the library has them: results are CUDA's numbers. */
function open(path: string) {
  const made = koffi.load(path);
  const call = (prototype: string) => made.func(prototype) as (...values: unknown[]) => number;
  const out = (of: (...values: unknown[]) => number, ...after: unknown[]): bigint => {
    const value: [bigint | number] = [0]; // koffi has small ones as numbers
    const code = of(value, ...after);
    if (code !== 0) throw new Error(`${code}: ${text(code)}`);
    return BigInt(value[0]);
  };
  const errorString = call("int cuGetErrorString(int, _Out_ const char **)");
  const text = (code: number): string => {
    const value = [""];
    errorString(code, value);
    return value[0];
  };
  const retain = call("int cuDevicePrimaryCtxRetain(_Out_ uint64_t *, int)");
  const load = call("int cuModuleLoadDataEx(_Out_ uint64_t *, const char *, uint32_t, void *, void *)");
  const functionOf = call("int cuModuleGetFunction(_Out_ uint64_t *, uint64_t, const char *)");
  const streamCreate = call("int cuStreamCreate(_Out_ uint64_t *, uint32_t)");
  const alloc = call("int cuMemAlloc_v2(_Out_ uint64_t *, size_t)");
  const launchKernel = call(
    "int cuLaunchKernel(uint64_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t, uint64_t, void *, void *)",
  );
  const endCapture = call("int cuStreamEndCapture(uint64_t, _Out_ uint64_t *)");
  const instantiate = call("int cuGraphInstantiateWithFlags(_Out_ uint64_t *, uint64_t, uint64_t)");
  const calls = {
    text,
    init: () => call("int cuInit(uint32_t)")(0),
    load: (ptx: string) => load([0n], ptx, 0, null, null),
    functionIn: (ptx: string, name: string) => functionOf([0n], out(load, ptx, 0, null, null), name),
    kernel: (name: string) => out(functionOf, out(load, ptxOf([name]), 0, null, null), name),
    alloc: (bytes: number) => alloc([0n], bytes),
    allocate: (bytes: number) => out(alloc, bytes),
    release: () => call("int cuDevicePrimaryCtxRelease_v2(int)")(0),
    upload: call("int cuMemcpyHtoD_v2(uint64_t, const void *, size_t)"),
    download: call("int cuMemcpyDtoH_v2(void *, uint64_t, size_t)"),
    clear: call("int cuMemsetD32_v2(uint64_t, uint32_t, size_t)"),
    begin: call("int cuStreamBeginCapture_v2(uint64_t, int)"),
    end: (stream: bigint) => out((graph, of) => endCapture(of, graph), stream),
    endCapture: (stream: bigint) => endCapture(stream, [0n]),
    instantiate: (graph: bigint) => out(instantiate, graph, 0),
    launchGraph: call("int cuGraphLaunch(uint64_t, uint64_t)"),
    event: () => out(call("int cuEventCreate(_Out_ uint64_t *, uint32_t)"), 0),
    record: call("int cuEventRecord(uint64_t, uint64_t)"),
    queryEvent: call("int cuEventQuery(uint64_t)"),
    pinned: (bytes: number) => out(call("int cuMemHostAlloc(_Out_ uint64_t *, size_t, uint32_t)"), bytes, 0),
    uploadLater: call("int cuMemcpyHtoDAsync_v2(uint64_t, uint64_t, size_t, uint64_t)"),
    query: call("int cuStreamQuery(uint64_t)"),
    synchronize: call("int cuStreamSynchronize(uint64_t)"),
    stream: () => out(streamCreate, 0),
    launch: (
      kernel: bigint,
      stream: bigint,
      parameters: BigInt64Array,
      { grid = [1, 1, 1], threads = 64, bytes = parameters.byteLength } = {},
    ) => {
      const size = BigInt64Array.of(BigInt(bytes));
      const extra = BigInt64Array.of(1n, koffi.address(parameters), 2n, koffi.address(size), 0n);
      return launchKernel(kernel, ...grid, threads, 1, 1, 0, stream, null, extra);
    },
  };
  const begin = (): void => {
    expect(calls.init()).toBe(0);
    expect(call("int cuCtxSetCurrent(uint64_t)")(out(retain, 0))).toBe(0);
  };
  return { ...calls, start: begin };
}

const parameters = (out: bigint, which = 0, input = 0n): BigInt64Array => BigInt64Array.of(out, input, BigInt(which));

describe.skipIf(missing)(`the stand-in for NVIDIA's driver${missing ? ` (${missing})` : ""}`, () => {
  const gpu = missing === undefined ? open(library) : undefined;
  const use = () => {
    if (gpu === undefined) throw new Error(missing);
    gpu.start();
    return gpu;
  };
  afterEach(() => {
    for (const name of Object.keys(process.env).filter((each) => each.startsWith("EMULATED_"))) Reflect.deleteProperty(process.env, name);
    gpu?.release();
  });

  /** What a probe writes, or what the driver says of it. */
  function result(
    name: Probe,
    { which = 0, grid = [1, 1, 1], floats = 256, input = new Float32Array(1), threads = 64 } = {},
  ): Float32Array | string {
    const driver = use();
    const [out, given] = [driver.allocate(4 * floats), driver.allocate(input.byteLength)];
    expect(driver.upload(given, input, input.byteLength)).toBe(0);
    expect(driver.launch(driver.kernel(name), driver.stream(), parameters(out, which, given), { grid, threads })).toBe(0);
    const values = new Float32Array(floats);
    const code = driver.download(values, out, values.byteLength);
    return code === 0 ? values : `${code} ${driver.text(code)}`;
  }

  it("runs a block's threads with their barriers, block by block", () => {
    const values = result("reversed", { grid: [3, 1, 1] }) as Float32Array;
    expect(values.slice(0, 192)).toEqual(Float32Array.from({ length: 192 }, (_, i) => 63 - (i % 64)));
    expect(Array.from(values.slice(192)).every(Number.isNaN)).toBe(true); // fresh memory is NaN
  });
  it("shows a barrier that was taken out", async () => {
    const planted = await standIn({
      units,
      plant: ({ file, text }) => (file === "reversed.cc" ? text.replace("__syncthreads();", "") : text),
    });
    const driver = open(planted.library ?? "");
    driver.start();
    const out = driver.allocate(256);
    driver.launch(driver.kernel("reversed"), driver.stream(), parameters(out));
    const values = new Float32Array(64);
    expect(driver.download(values, out, 256)).toBe(0);
    expect(Array.from(values).some(Number.isNaN)).toBe(true);
    driver.release();
  });
  it.each<[Probe, number, RegExp]>([
    [
      "barrier_by_some",
      20,
      /^719 barrier_by_some, block 0 0 0: thread \d+ waits for __syncthreads at barrier_by_some.cc:7, thread \d+ has ended/,
    ],
    ["barriers_apart", 0, /^719 .*is at __syncthreads at barriers_apart.cc:\d+, others wait for __syncthreads at barriers_apart.cc:\d+/],
    [
      "barrier_and_shuffle",
      0,
      /^719 .*waits for __(?:syncthreads|shfl_xor_sync) at .*, thread \d+ waits for __(?:shfl_xor_sync|syncthreads) at/,
    ],
    [
      "shuffles_apart",
      0,
      /^719 .*is at __shfl_xor_sync at shuffles_apart.cc:\d+, others wait for __shfl_xor_sync at shuffles_apart.cc:\d+/,
    ],
    ["shuffle_by_some", 0, /^719 .*waits for __shfl_sync at shuffle_by_some.cc:7, thread 40 has ended/],
    ["matrices", 1, /^719 .*lane 9 gives load_matrices a row that is not aligned to 16 bytes/],
    ["matrices", 2, /^719 .*lane 9 gives load_matrices a row outside shared memory/],
  ])("ends %s with the place", (name, which, expected) => {
    expect(result(name, { which })).toMatch(expected);
    const driver = use(); // nothing works any more, until the context is made anew
    expect(driver.alloc(4)).toBe(719);
    driver.release();
    driver.release();
    expect(result("reversed")).not.toBeTypeOf("string");
  });
  it("fills shared memory with NaN before every block", () => {
    const values = result("unset", { grid: [4, 1, 1] }) as Float32Array;
    expect(Array.from(values).every(Number.isNaN)).toBe(true);
  });
  it("shuffles and votes as CUDA does", () => expect((result("shuffles") as Float32Array).slice(0, 64)).toEqual(new Float32Array(64)));
  it.each([8, 16])("multiplies fragments of depth %i", (depth) => {
    const input = Float32Array.from({ length: 512 }, (_, i) => ((i * 37) % 101) - 50);
    const values = result("tensor", { which: depth, input, threads: 32 }) as Float32Array;
    const expected = Float32Array.from({ length: 128 }, (_, i) => {
      const [m, n] = [Math.floor(i / 8), i % 8];
      return Array.from({ length: depth }, (_, k) => input[m * depth + k] * input[256 + k * 8 + n]).reduce((a, b) => a + b, 0.5);
    });
    expect(values.slice(0, 128)).toEqual(expected);
  });
  it("loads matrices from the rows that the lanes give", () => {
    const expected = Float32Array.from({ length: 256 }, (_, i) => {
      const [warp, lane, matrix] = [Math.floor(i / 128), Math.floor(i / 4) % 32, i % 4];
      return 8 * (32 * warp + 8 * matrix + Math.floor(lane / 4)) + (matrix % 2) * 4 + (lane % 4);
    });
    expect(result("matrices")).toEqual(expected);
  });

  it("refuses launches that a GPU would refuse", () => {
    const driver = use();
    const [out, stream, kernel] = [driver.allocate(256), driver.stream(), driver.kernel("reversed")];
    const launched = (settings: object): string => {
      const code = driver.launch(kernel, stream, parameters(out), settings);
      return `${code} ${driver.text(code)}`;
    };
    expect(launched({ bytes: 16 })).toBe("1 reversed: 16 bytes of parameters, of which it has 24");
    expect(launched({ threads: 128 })).toBe("1 reversed: blocks of 128 × 1 × 1 threads, of which it has 64");
    expect(launched({ grid: [1, 65536, 1] })).toBe("1 reversed: a grid of 1 × 65536 × 1 blocks");
    expect(launched({ grid: [1, 1, 65536] })).toBe("1 reversed: a grid of 1 × 1 × 65536 blocks");
    expect(launched({ grid: [0, 1, 1] })).toMatch(/^1 /);
    expect(driver.launch(kernel + 8n, stream, parameters(out))).toBe(400);
  });
  it("refuses copies outside allocations", () => {
    const driver = use();
    const [out, host] = [driver.allocate(256), new Float32Array(65)];
    for (const copy of [
      () => driver.upload(out, host, 260),
      () => driver.download(host, out, 260),
      () => driver.upload(out - 4n, host, 4),
      () => driver.clear(out, 0, 65),
    ])
      expect(copy()).toBe(1);
    expect(driver.text(1)).toContain("260 bytes at");
  });
  it("has as much memory as it is told to", () => {
    process.env["EMULATED_MEGABYTES"] = "1";
    const driver = use();
    expect(driver.alloc(1 << 20)).toBe(0);
    expect(driver.alloc(4)).toBe(2);
    expect(driver.text(2)).toBe("4 bytes do not fit: 1048576 of 1048576 are used");
  });
  it("records what is launched while a stream is captured, and nothing else", () => {
    const driver = use();
    const [out, stream, kernel, values] = [driver.allocate(256), driver.stream(), driver.kernel("outside"), new Float32Array(64)];
    const given = parameters(out, 0);
    expect(driver.clear(out, 0, 64)).toBe(0);
    expect(driver.begin(stream, 2)).toBe(0);
    expect(driver.launch(kernel, stream, given)).toBe(0);
    given[0] = 0n; // the launch has a copy
    const graph = driver.instantiate(driver.end(stream));
    driver.download(values, out, 256);
    expect(values).toEqual(new Float32Array(64));
    expect(driver.launchGraph(graph, stream)).toBe(0);
    expect([driver.query(stream), driver.query(stream)]).toEqual([600, 0]);
    driver.download(values, out, 256);
    expect(values).toEqual(new Float32Array(64).fill(1));
    for (const call of [
      () => driver.download(values, out, 256),
      () => driver.clear(out, 0, 1),
      () => driver.alloc(4),
      () => driver.synchronize(stream),
    ]) {
      expect(driver.begin(stream, 2)).toBe(0);
      expect(call()).toBe(900);
      expect(driver.endCapture(stream)).toBe(901);
    }
  });
  it("does what waits in a stream when somebody waits for it, and pinned memory is read only then", () => {
    const driver = use();
    const [out, stream, event, pinned] = [driver.allocate(8), driver.stream(), driver.event(), driver.pinned(8)];
    const [values, host] = [new Float32Array(2), koffi.view(pinned, 8)];
    new Float32Array(host).set([1, 2]);
    expect(driver.uploadLater(out, pinned, 8, stream)).toBe(0);
    expect(driver.record(event, stream)).toBe(0);
    new Float32Array(host).set([3, 4]); // too early, and so it shows
    expect([driver.queryEvent(event), driver.queryEvent(event)]).toEqual([600, 0]);
    driver.download(values, out, 8);
    expect(Array.from(values)).toEqual([3, 4]);
  });
  it("reads PTX as far as a driver would refuse it", () => {
    process.env["EMULATED_DRIVER"] = "12020";
    process.env["EMULATED_CAPABILITY"] = "75";
    const driver = use();
    expect(driver.load("nonsense")).toBe(218);
    expect(driver.load(ptxOf([], "8.3"))).toBe(222);
    expect(driver.load(ptxOf([], "8.2"))).toBe(0);
    expect(driver.load(ptxOf([], "7.0", "sm_80"))).toBe(209);
    expect(driver.functionIn(ptxOf(["outside"]), "reversed")).toBe(500);
    expect(driver.functionIn(ptxOf(["nowhere"]), "nowhere")).toBe(500);
    expect(driver.functionIn(ptxOf(["outside", "reversed"]), "reversed")).toBe(0);
  });
  it("has no GPU when it is told so", () => {
    process.env["EMULATED_DEVICES"] = "0";
    expect(gpu?.init()).toBe(100);
  });

  it.each<[Probe, number, RegExp]>([
    ["outside", 1, /AddressSanitizer: heap-buffer-overflow[\s\S]*outside\.cc/],
    ["outside_shared", 1, /outside_shared\.cc:8:\d+: runtime error: index 64 out of bounds/],
    ["outside", 0, /^$/],
    ["outside_shared", 0, /^$/],
  ])("sanitized: %s by %i", async (name, which, expected) => {
    const { library: path = "" } = await standIn({ units: { [name]: units[name] }, sanitize: true });
    const script = `
      const koffi = require("koffi");
      const library = koffi.load(${JSON.stringify(path)});
      const call = (name, parameters) => library.func("int " + name + "(" + parameters + ")");
      const made = (of, ...after) => {
        const out = [0n];
        if (of(out, ...after)) process.exit(3);
        return out[0];
      };
      const handle = "_Out_ uint64_t *";
      call("cuInit", "uint32_t")(0);
      call("cuCtxSetCurrent", "uint64_t")(made(call("cuDevicePrimaryCtxRetain", handle + ", int"), 0));
      const module = made(call("cuModuleLoadData", handle + ", const char *"), ${JSON.stringify(ptxOf([name]))});
      const kernel = made(call("cuModuleGetFunction", handle + ", uint64_t, const char *"), module, "${name}");
      const given = BigInt64Array.of(BigInt(made(call("cuMemAlloc_v2", handle + ", size_t"), 256)), 0n, ${which}n);
      const size = BigInt64Array.of(24n);
      const extra = BigInt64Array.of(1n, koffi.address(given), 2n, koffi.address(size), 0n);
      const launch = call("cuLaunchKernel", "uint64_t" + ", uint32_t".repeat(7) + ", uint64_t, void *, void *");
      process.exit(launch(kernel, 1, 1, 1, 64, 1, 1, 0, 0, null, extra) || call("cuCtxSynchronize", "")());`;
    const ended = spawnSync(process.execPath, ["-e", script], { encoding: "utf8", env: { ...process.env, ...sanitized() } });
    expect(ended.stderr).toMatch(expected);
    expect(ended.status === 0).toBe(which === 0);
  });
});
