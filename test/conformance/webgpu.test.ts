/** WebGPU on whatever device Vulkan offers: a GPU, or the software device that .ci/run installs. */
import { describe, expect, it } from "vitest";
import { engineHost } from "../../src/cache.ts";
import { vulkanDevices } from "../../src/engines/gpus.ts";
import { engines } from "../../src/engines/registry.ts";
import { engineConformance } from "./suite.ts";

const devices = await vulkanDevices();
const missing = devices.length === 0 ? "Vulkan offers no device" : undefined;

it("is not skipped in CI", () => {
  if (process.env["MUTRANSFER_CI"]) expect(missing).toBeUndefined();
});

engineConformance("webgpu", () => engines.webgpu.open(engineHost()), { threaded: false, missing });

describe.skipIf(missing !== undefined)("the devices that Vulkan lists", () => {
  it("have a name, memory and a largest buffer", () => {
    for (const { name, memoryBytes, bufferBytes } of devices) {
      expect(name).toMatch(/^[\x20-\x7e]+$/);
      expect(memoryBytes).toBeGreaterThan(2 ** 28);
      expect(bufferBytes).toBeGreaterThanOrEqual(2 ** 27);
    }
  });
});
