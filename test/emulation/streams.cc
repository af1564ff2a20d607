/*
 * NVIDIA's driver, continued: memory, copies, streams, events, captures and launches. What
 * goes to a stream waits there until somebody waits for it, as on a GPU: pinned memory is
 * read late, errors of a launch come late, and a stream that is not ordered with others is not.
 */
#include "driver.h"
using namespace emulated;

API cuCtxSynchronize() {
  IN_CONTEXT NOT_CAPTURING
  drain(*present->ordinary);
  for (const auto &each : present->streams.all) drain(*each.second->queue);
  return present->broken;
}

API cuMemAlloc_v2(uint64_t *address, size_t bytes) {
  IN_CONTEXT NOT_CAPTURING
  if (bytes == 0) return refuse(INVALID_VALUE, "an allocation of no bytes");
  void *made;
  if (bytes > total_bytes - taken_bytes - present->used || posix_memalign(&made, 256, bytes) != 0)
    return refuse(OUT_OF_MEMORY, "%zu bytes do not fit: %zu of %zu are used", bytes, taken_bytes + present->used, total_bytes);
  memset(made, 0xff, bytes); /* NaN: nothing may rely on fresh memory */
  *address = (uint64_t)made;
  present->allocations[*address] = bytes;
  present->used += bytes;
  return SUCCESS;
}
API cuMemFree_v2(uint64_t address) {
  IN_CONTEXT NOT_CAPTURING
  if (address == 0) return SUCCESS;
  const auto found = present->allocations.find(address);
  if (found == present->allocations.end()) return refuse(INVALID_VALUE, "%s: not what an allocation returned", __func__);
  if (const CUresult code = cuCtxSynchronize()) return code;
  present->used -= found->second;
  free((void *)address);
  present->allocations.erase(found);
  return SUCCESS;
}
API cuMemGetInfo_v2(size_t *unused, size_t *total) {
  IN_CONTEXT
  *unused = total_bytes - taken_bytes - present->used;
  *total = total_bytes;
  return SUCCESS;
}
API cuMemHostAlloc(void **address, size_t bytes, unsigned) {
  IN_CONTEXT NOT_CAPTURING
  if (bytes == 0 || posix_memalign(address, 4096, bytes) != 0) return refuse(INVALID_VALUE, "%zu bytes on the host", bytes);
  memset(*address, 0xff, bytes);
  present->pinned[(uint64_t)*address] = bytes;
  return SUCCESS;
}
API cuMemFreeHost(void *address) {
  IN_CONTEXT
  const auto found = present->pinned.find((uint64_t)address);
  if (found == present->pinned.end()) return refuse(INVALID_VALUE, "%s: not what cuMemHostAlloc returned", __func__);
  if (const CUresult code = cuCtxSynchronize()) return code;
  free(address);
  present->pinned.erase(found);
  return SUCCESS;
}

/* To the device: what is not pinned is taken at once and arrives later. */
static CUresult upload(Queue &queue, uint64_t to, const void *from, size_t bytes) {
  if (inside(present->pinned, (uint64_t)from, bytes)) {
    queue.work.push_back([=] { memcpy((void *)to, from, bytes); });
  } else {
    const auto taken = std::make_shared<std::vector<char>>((const char *)from, (const char *)from + bytes);
    queue.work.push_back([=] { memcpy((void *)to, taken->data(), bytes); });
  }
  return SUCCESS;
}
API cuMemcpyHtoD_v2(uint64_t to, const void *from, size_t bytes) {
  IN_CONTEXT NOT_CAPTURING ALLOCATED(to, bytes)
  upload(*present->ordinary, to, from, bytes);
  if (inside(present->pinned, (uint64_t)from, bytes)) drain(*present->ordinary);
  return present->broken;
}
API cuMemcpyHtoDAsync_v2(uint64_t to, const void *from, size_t bytes, void *handle) {
  IN_CONTEXT NOT_CAPTURING STREAM(stream, handle) ALLOCATED(to, bytes)
  return upload(*stream->queue, to, from, bytes);
}
API cuMemcpyDtoH_v2(void *to, uint64_t from, size_t bytes) {
  IN_CONTEXT NOT_CAPTURING ALLOCATED(from, bytes)
  drain(*present->ordinary);
  if (present->broken == SUCCESS) memcpy(to, (const void *)from, bytes);
  return present->broken;
}
API cuMemcpyDtoHAsync_v2(void *to, uint64_t from, size_t bytes, void *handle) {
  IN_CONTEXT NOT_CAPTURING STREAM(stream, handle) ALLOCATED(from, bytes)
  stream->queue->work.push_back([=] { memcpy(to, (const void *)from, bytes); });
  if (!inside(present->pinned, (uint64_t)to, bytes)) drain(*stream->queue); /* so does the real driver */
  return present->broken;
}
static void fill(uint64_t to, unsigned value, size_t words) {
  for (size_t i = 0; i < words; i++) ((unsigned *)to)[i] = value;
}
API cuMemsetD32_v2(uint64_t to, unsigned value, size_t words) {
  IN_CONTEXT NOT_CAPTURING ALLOCATED(to, 4 * words)
  if (to % 4) return refuse(INVALID_VALUE, "%s: not the address of a word", __func__);
  present->ordinary->work.push_back([=] { fill(to, value, words); });
  return SUCCESS;
}
API cuMemsetD32Async(uint64_t to, unsigned value, size_t words, void *handle) {
  IN_CONTEXT NOT_CAPTURING STREAM(stream, handle) ALLOCATED(to, 4 * words)
  if (to % 4) return refuse(INVALID_VALUE, "%s: not the address of a word", __func__);
  stream->queue->work.push_back([=] { fill(to, value, words); });
  return SUCCESS;
}

API cuStreamCreate(void **handle, unsigned flags) {
  IN_CONTEXT
  *handle = present->streams.add({flags & 1 ? std::make_shared<Queue>() : present->ordinary, 0, false});
  return SUCCESS;
}
API cuStreamDestroy_v2(void *handle) {
  IN_CONTEXT
  STREAM(stream, handle)
  drain(*stream->queue);
  return present->streams.remove(handle) ? SUCCESS : INVALID_HANDLE;
}
/* The first that asks while there is work is told so, and the work is done. */
API cuStreamQuery(void *handle) {
  IN_CONTEXT NOT_CAPTURING STREAM(stream, handle)
  if (stream->queue->work.empty()) return SUCCESS;
  drain(*stream->queue);
  return present->broken != SUCCESS ? present->broken : NOT_READY;
}
API cuStreamSynchronize(void *handle) {
  IN_CONTEXT NOT_CAPTURING STREAM(stream, handle)
  drain(*stream->queue);
  return present->broken;
}
API cuEventCreate(void **handle, unsigned) {
  IN_CONTEXT
  *handle = present->events.add({});
  return SUCCESS;
}
#define EVENT                                                                          \
  Event *const event = present->events.get(handle);                                    \
  if (!event) return refuse(INVALID_HANDLE, "%s: no such event", __func__);
API cuEventRecord(void *handle, void *of) {
  IN_CONTEXT EVENT STREAM(stream, of)
  Context *const context = present;
  event->queue = stream->queue;
  event->pending = true;
  stream->queue->work.push_back([=] {
    if (Event *const still = context->events.get(handle)) still->pending = false;
  });
  return SUCCESS;
}
API cuEventQuery(void *handle) {
  IN_CONTEXT EVENT
  if (!event->pending) return SUCCESS;
  drain(*event->queue);
  return present->broken != SUCCESS ? present->broken : NOT_READY;
}
API cuEventSynchronize(void *handle) {
  IN_CONTEXT NOT_CAPTURING EVENT
  if (event->pending) drain(*event->queue);
  return present->broken;
}
API cuEventDestroy_v2(void *handle) {
  IN_CONTEXT
  return present->events.remove(handle) ? SUCCESS : INVALID_HANDLE;
}

static void enqueue(Queue &queue, const Launch &l) {
  Context *const context = present;
  queue.work.push_back([=] {
    const std::string failure = emulated::launch(*l.kernel, l.grid, l.block, l.parameters.get());
    if (!failure.empty()) context->broken = refuse(LAUNCH_FAILED, "%s", failure.c_str());
  });
}
API cuStreamBeginCapture_v2(void *handle, int) {
  IN_CONTEXT
  Stream *const stream = present->streams.get(handle);
  if (!stream) return refuse(CAPTURE_UNSUPPORTED, "%s: only a stream that was made can be captured", __func__);
  if (stream->captured) return refuse(ILLEGAL_STATE, "%s: the stream is captured already", __func__);
  stream->captured = present->graphs.add({});
  stream->invalidated = false;
  return SUCCESS;
}
API cuStreamEndCapture(void *handle, void **graph) {
  IN_CONTEXT STREAM(stream, handle)
  if (!stream->captured) return refuse(ILLEGAL_STATE, "%s: the stream is not captured", __func__);
  *graph = stream->captured;
  stream->captured = 0;
  if (!stream->invalidated) return SUCCESS;
  present->graphs.remove(*graph);
  *graph = 0;
  return refuse(CAPTURE_INVALIDATED, "%s: the capture ended with an error before", __func__);
}
API cuGraphInstantiateWithFlags(void **executable, void *handle, unsigned long long) {
  IN_CONTEXT
  const Graph *const graph = present->graphs.get(handle);
  if (!graph) return refuse(INVALID_HANDLE, "%s: no such graph", __func__);
  *executable = present->executables.add(*graph);
  return SUCCESS;
}
API cuGraphDestroy(void *handle) {
  IN_CONTEXT
  return present->graphs.remove(handle) ? SUCCESS : INVALID_HANDLE;
}
API cuGraphExecDestroy(void *handle) {
  IN_CONTEXT
  return present->executables.remove(handle) ? SUCCESS : INVALID_HANDLE;
}
API cuGraphLaunch(void *handle, void *on) {
  IN_CONTEXT NOT_CAPTURING STREAM(stream, on)
  const Graph *const graph = present->executables.get(handle);
  if (!graph) return refuse(INVALID_HANDLE, "%s: no such graph", __func__);
  for (const Launch &launch : graph->launches) enqueue(*stream->queue, launch);
  return SUCCESS;
}

API cuLaunchKernel(void *handle, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz, unsigned dynamic, void *on,
                   void **parameters, void **extra) {
  IN_CONTEXT STREAM(stream, on)
  const Function *const function = present->functions.get(handle);
  if (!function) return refuse(INVALID_HANDLE, "%s: no such function", __func__);
  const Kernel &kernel = *function->kernel;
  if (parameters || !extra || extra[0] != (void *)1 || extra[2] != (void *)2 || extra[4])
    return refuse(INVALID_VALUE, "%s: parameters must be one buffer, its size, and an end", kernel.name);
  const size_t bytes = *(const size_t *)extra[3];
  if (bytes != kernel.bytes || bytes > 4096)
    return refuse(INVALID_VALUE, "%s: %zu bytes of parameters, of which it has %zu", kernel.name, bytes, kernel.bytes);
  if (gx == 0 || gy == 0 || gz == 0 || gx > 2147483647u || gy > 65535 || gz > 65535)
    return refuse(INVALID_VALUE, "%s: a grid of %u × %u × %u blocks", kernel.name, gx, gy, gz);
  if ((uint64_t)bx * by * bz != (uint64_t)kernel.threads || kernel.threads > 1024 || kernel.threads % 32)
    return refuse(INVALID_VALUE, "%s: blocks of %u × %u × %u threads, of which it has %d", kernel.name, bx, by, bz, kernel.threads);
  if (dynamic != 0 || kernel.shared_end - kernel.shared > 49152)
    return refuse(INVALID_VALUE, "%s: a block shares %zu + %u bytes", kernel.name, (size_t)(kernel.shared_end - kernel.shared), dynamic);
  const Launch launch = {&kernel, {gx, gy, gz}, {bx, by, bz}, std::shared_ptr<char>((char *)malloc(bytes), free)};
  memcpy(launch.parameters.get(), extra[1], bytes);
  if (stream->captured)
    stream->captured->launches.push_back(launch);
  else
    enqueue(*stream->queue, launch);
  return SUCCESS;
}
