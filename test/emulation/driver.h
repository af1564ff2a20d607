/*
 * What the driver's calls share: handles, contexts with the work that waits in them,
 * and how a call begins and fails.
 */
#pragma once
#include "host.h"
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <stdio.h>
#include <stdlib.h>
#include <vector>

namespace emulated {
typedef int CUresult;
enum {
  SUCCESS = 0,
  INVALID_VALUE = 1,
  OUT_OF_MEMORY = 2,
  NOT_INITIALIZED = 3,
  NO_DEVICE = 100,
  INVALID_DEVICE = 101,
  INVALID_CONTEXT = 201,
  NO_BINARY_FOR_GPU = 209,
  INVALID_PTX = 218,
  UNSUPPORTED_PTX_VERSION = 222,
  INVALID_HANDLE = 400,
  ILLEGAL_STATE = 401,
  NOT_FOUND = 500,
  NOT_READY = 600,
  LAUNCH_FAILED = 719,
  CAPTURE_UNSUPPORTED = 900,
  CAPTURE_INVALIDATED = 901,
};

struct Launch {
  const Kernel *kernel;
  dim3 grid, block;
  std::shared_ptr<char> parameters;
};
struct Graph {
  std::vector<Launch> launches;
};
/* Work in its order. All ordinary streams of a context wait for one another, so they have one queue. */
struct Queue {
  std::deque<std::function<void()>> work;
};
struct Stream {
  std::shared_ptr<Queue> queue;
  Graph *captured;
  bool invalidated;
};
struct Event {
  std::shared_ptr<Queue> queue;
  bool pending;
};
struct Module {
  std::set<std::string> names;
};
struct Function {
  const Kernel *kernel;
  Module *module;
};

template <class T> struct Handles {
  std::map<T *, std::unique_ptr<T>> all;
  T *add(T value) {
    std::unique_ptr<T> made(new T(std::move(value)));
    T *const handle = made.get();
    all[handle] = std::move(made);
    return handle;
  }
  T *get(const void *handle) {
    const auto found = all.find((T *)handle);
    return found == all.end() ? 0 : found->second.get();
  }
  bool remove(const void *handle) { return all.erase((T *)handle) > 0; }
};

struct Context {
  int retained = 0;
  size_t used = 0;
  std::map<uint64_t, size_t> allocations, pinned;
  std::shared_ptr<Queue> ordinary = std::make_shared<Queue>();
  Handles<Module> modules;
  Handles<Function> functions;
  Handles<Stream> streams;
  Handles<Event> events;
  Handles<Graph> graphs, executables;
  CUresult broken = SUCCESS; /* after a launch that failed nothing works any more */
  ~Context() {
    for (const auto &each : allocations) free((void *)each.first);
    for (const auto &each : pinned) free((void *)each.first);
  }
};

extern std::recursive_mutex mutex;
extern bool initialized;
extern thread_local Context *present;
extern std::map<CUresult, std::string> reasons;
extern size_t total_bytes, taken_bytes;
extern int capability;

/* Remembers why a call fails, says so, and returns the code. */
__attribute__((format(printf, 2, 3))) CUresult refuse(CUresult code, const char *format, ...);
/* Whether bytes are inside one of the blocks. */
bool inside(const std::map<uint64_t, size_t> &blocks, uint64_t address, size_t bytes);
/* Does the work that waits. */
void drain(Queue &queue);
/* The newest PTX that the driver reads, times 10. */
int newest_ptx();
} // namespace emulated

/* What every call that needs a context begins with. */
#define IN_CONTEXT                                                                                                        \
  const std::lock_guard<std::recursive_mutex> lock(mutex);                                                                \
  if (!initialized) return NOT_INITIALIZED;                                                                               \
  if (!present || !present->retained) return refuse(INVALID_CONTEXT, "%s: this thread has no context", __func__);         \
  if (present->broken != SUCCESS) return present->broken;
/* What a capture does not allow, and does not survive. */
#define NOT_CAPTURING                                                                                                     \
  for (const auto &each : present->streams.all)                                                                           \
    if (each.second->captured) {                                                                                          \
      each.second->invalidated = true;                                                                                    \
      return refuse(CAPTURE_UNSUPPORTED, "%s while a stream is captured", __func__);                                      \
    }
/* The stream behind a handle; none means the context's own. */
#define STREAM(variable, handle)                                                                                          \
  Stream own_stream = {present->ordinary, 0, false};                                                                      \
  Stream *const variable = handle ? present->streams.get(handle) : &own_stream;                                           \
  if (!variable) return refuse(INVALID_HANDLE, "%s: no such stream", __func__);
#define ALLOCATED(address, bytes)                                                                                         \
  if (!inside(present->allocations, address, bytes))                                                                      \
    return refuse(INVALID_VALUE, "%s: %zu bytes at %p are not inside an allocation", __func__, (size_t)(bytes), (void *)(address));

#define API extern "C" __attribute__((visibility("default"))) CUresult
