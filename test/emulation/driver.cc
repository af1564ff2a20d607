/*
 * NVIDIA's driver as far as the engine calls it: devices, contexts, modules, errors
 * (streams.cc has the rest). What the real driver refuses is refused, and the reason is
 * what cuGetErrorString says and stderr shows. The environment says what is emulated:
 * EMULATED_DEVICES, EMULATED_CAPABILITY, EMULATED_DRIVER, EMULATED_MEGABYTES, of which other processes
 * hold EMULATED_TAKEN kilobytes; all as cuInit finds it.
 */
#include "driver.h"
#include <stdarg.h>

namespace emulated {
std::recursive_mutex mutex;
bool initialized;
int capability;
static int driver_version, device_count;
size_t total_bytes, taken_bytes;
static std::vector<std::unique_ptr<Context>> devices; /* as many as ever were, since threads may hold one */
thread_local Context *present;
std::map<CUresult, std::string> reasons;

static int setting(const char *name, int otherwise) {
  const char *text = getenv(name);
  return text && *text ? atoi(text) : otherwise;
}

CUresult refuse(CUresult code, const char *format, ...) {
  char text[500];
  va_list values;
  va_start(values, format);
  vsnprintf(text, sizeof text, format, values);
  va_end(values);
  fprintf(stderr, "emulated GPU: %s\n", text);
  reasons[code] = text;
  return code;
}

bool inside(const std::map<uint64_t, size_t> &blocks, uint64_t address, size_t bytes) {
  auto next = blocks.upper_bound(address);
  if (next == blocks.begin()) return false;
  --next;
  return address + bytes <= next->first + next->second;
}

void drain(Queue &queue) {
  while (!queue.work.empty() && present->broken == SUCCESS) {
    const std::function<void()> next = std::move(queue.work.front());
    queue.work.pop_front();
    next();
  }
}
/* The number after a directive such as ".version", times 10; −1 without one. */
static int directive(const std::string &text, const char *name, const char *format) {
  const size_t found = text.find(name);
  int whole, tenths = 0;
  if (found == std::string::npos || sscanf(text.c_str() + found + strlen(name), format, &whole, &tenths) < 1) return -1;
  return 10 * whole + tenths;
}
/* CUDA 11.0 reads PTX 7.0, and each release one version more; 12.6 and later one less, since 12.5 and 12.6 read the same. */
int newest_ptx() {
  const int major = driver_version / 1000, minor = driver_version % 1000 / 10;
  if (major < 11) return 63 + minor;
  return 10 * (major - 4) + minor - (major == 12 && minor >= 6 ? 1 : 0);
}
} // namespace emulated
using namespace emulated;

API cuInit(unsigned) {
  const std::lock_guard<std::recursive_mutex> lock(mutex);
  for (const auto &device : devices)
    if (device->retained > 0) return SUCCESS; /* somebody uses what there is */
  capability = setting("EMULATED_CAPABILITY", 90);
  driver_version = setting("EMULATED_DRIVER", 13000);
  total_bytes = (size_t)setting("EMULATED_MEGABYTES", 4096) << 20;
  taken_bytes = (size_t)setting("EMULATED_TAKEN", 0) << 10;
  device_count = setting("EMULATED_DEVICES", 1);
  while ((int)devices.size() < device_count) devices.emplace_back(new Context);
  initialized = device_count > 0;
  return initialized ? SUCCESS : NO_DEVICE;
}
API cuDriverGetVersion(int *version) {
  *version = initialized ? driver_version : setting("EMULATED_DRIVER", 13000);
  return SUCCESS;
}

#define DEVICE_CALL(device)                                \
  const std::lock_guard<std::recursive_mutex> lock(mutex); \
  if (!initialized) return NOT_INITIALIZED;                \
  if (device < 0 || device >= device_count) return INVALID_DEVICE;
API cuDeviceGetCount(int *count) {
  if (!initialized) return NOT_INITIALIZED;
  *count = device_count;
  return SUCCESS;
}
API cuDeviceGet(int *device, int ordinal) {
  DEVICE_CALL(ordinal)
  *device = ordinal;
  return SUCCESS;
}
API cuDeviceGetName(char *name, int bytes, int device) {
  DEVICE_CALL(device)
  snprintf(name, (size_t)bytes, "emulated GPU");
  return SUCCESS;
}
API cuDeviceGetUuid_v2(unsigned char *uuid, int device) {
  DEVICE_CALL(device)
  for (int i = 0; i < 16; i++) uuid[i] = (unsigned char)(17 * i);
  uuid[15] = (unsigned char)device;
  return SUCCESS;
}
API cuDeviceTotalMem_v2(size_t *bytes, int device) {
  DEVICE_CALL(device)
  *bytes = total_bytes;
  return SUCCESS;
}
API cuDeviceGetAttribute(int *value, int attribute, int device) {
  DEVICE_CALL(device)
  static const std::map<int, int> fixed = {
      {1, 1024}, {2, 1024}, {3, 1024}, {4, 64},                      /* threads of a block, and along each side */
      {5, 2147483647}, {6, 65535}, {7, 65535}, {8, 49152},           /* blocks along each side, bytes that a block shares */
      {10, 32}, {12, 65536}, {13, 1980000}, {16, 132}, {18, 0},      /* warp, registers, kHz, processors, integrated */
      {20, 0}, {33, 1}, {34, 0}, {36, 2619000}, {37, 5120}, {38, 50 << 20}, {39, 2048}, {50, 0}, {81, 233472}, {97, 232448}};
  if (attribute == 75 || attribute == 76) return *value = attribute == 75 ? capability / 10 : capability % 10, SUCCESS;
  const auto found = fixed.find(attribute);
  if (found == fixed.end()) return refuse(INVALID_VALUE, "attribute %d of a device is not emulated", attribute);
  *value = found->second;
  return SUCCESS;
}
API cuDevicePrimaryCtxRetain(void **context, int device) {
  DEVICE_CALL(device)
  devices[(size_t)device]->retained++;
  *context = devices[(size_t)device].get();
  return SUCCESS;
}
API cuDevicePrimaryCtxRelease_v2(int device) {
  DEVICE_CALL(device)
  Context &context = *devices[(size_t)device];
  if (context.retained == 0) return INVALID_CONTEXT;
  if (--context.retained == 0) {
    context.~Context();
    new (&context) Context;
  }
  return SUCCESS;
}
API cuCtxSetCurrent(void *context) {
  const std::lock_guard<std::recursive_mutex> lock(mutex);
  if (!initialized) return NOT_INITIALIZED;
  for (const auto &device : devices)
    if (!context || (device.get() == context && device->retained > 0)) return present = (Context *)context, SUCCESS;
  return INVALID_CONTEXT;
}
API cuCtxGetCurrent(void **context) {
  if (!initialized) return NOT_INITIALIZED;
  *context = present;
  return SUCCESS;
}


/* Reads what a driver would refuse a module for, and its entries. */
static CUresult read_module(const std::string &text, Module &module) {
  const int version = directive(text, ".version", "%d.%d"), target = directive(text, ".target", " sm_%d") / 10, newest = newest_ptx();
  if (version < 0 || text.find(".target") == std::string::npos) return refuse(INVALID_PTX, "a module without .version and .target");
  if (version > newest)
    return refuse(UNSUPPORTED_PTX_VERSION, "PTX %d.%d, but this driver reads %d.%d", version / 10, version % 10, newest / 10, newest % 10);
  if (target > capability) return refuse(NO_BINARY_FOR_GPU, "a module for sm_%d, but this GPU is sm_%d", target, capability);
  for (size_t at = 0; (at = text.find(".entry", at)) != std::string::npos;) {
    const size_t from = text.find_first_not_of(" \t\n", at += 6), to = text.find_first_of(" \t\n(", from);
    module.names.insert(text.substr(from, to - from));
  }
  return SUCCESS;
}
API cuModuleLoadDataEx(void **module, const void *image, unsigned count, int *options, void **values) {
  IN_CONTEXT
  char *log = 0;
  size_t log_bytes = 0;
  for (unsigned i = 0; i < count; i++) {
    if (options[i] == 5) log = (char *)values[i]; /* CU_JIT_ERROR_LOG_BUFFER and its size */
    if (options[i] == 6) log_bytes = (size_t)values[i];
  }
  Module made;
  const CUresult code = read_module(image ? (const char *)image : "", made);
  if (code == SUCCESS) *module = present->modules.add(made);
  else if (log) snprintf(log, log_bytes, "%s", reasons[code].c_str());
  return code;
}
API cuModuleLoadData(void **module, const void *image) { return cuModuleLoadDataEx(module, image, 0, 0, 0); }
API cuModuleUnload(void *handle) {
  IN_CONTEXT
  if (!present->modules.remove(handle)) return refuse(INVALID_HANDLE, "%s: no such module", __func__);
  auto &functions = present->functions.all;
  for (auto each = functions.begin(); each != functions.end();)
    each = each->second->module == handle ? functions.erase(each) : std::next(each);
  return SUCCESS;
}
API cuModuleGetFunction(void **function, void *handle, const char *name) {
  IN_CONTEXT
  Module *const module = present->modules.get(handle);
  if (!module) return refuse(INVALID_HANDLE, "%s: no such module", __func__);
  if (!module->names.count(name)) return refuse(NOT_FOUND, "the module has no entry %s", name);
  const auto found = emulated::kernels().find(name);
  if (found == emulated::kernels().end()) return refuse(NOT_FOUND, "the stand-in has no kernel %s", name);
  for (const auto &each : present->functions.all)
    if (each.second->module == module && each.second->kernel == &found->second) return *function = each.first, SUCCESS;
  *function = present->functions.add({&found->second, module});
  return SUCCESS;
}
API cuFuncGetAttribute(int *value, int attribute, void *handle) {
  IN_CONTEXT
  const Function *const function = present->functions.get(handle);
  if (!function) return refuse(INVALID_HANDLE, "%s: no such function", __func__);
  const Kernel &kernel = *function->kernel;
  const int values[] = {kernel.threads, (int)(kernel.shared_end - kernel.shared), 0, 0, 32, newest_ptx(), capability};
  if (attribute < 0 || attribute > 6) return refuse(INVALID_VALUE, "attribute %d of a function is not emulated", attribute);
  *value = values[attribute];
  return SUCCESS;
}

API cuGetErrorName(CUresult code, const char **name) {
  static const std::map<CUresult, const char *> names = {
      {SUCCESS, "CUDA_SUCCESS"},
      {INVALID_VALUE, "CUDA_ERROR_INVALID_VALUE"},
      {OUT_OF_MEMORY, "CUDA_ERROR_OUT_OF_MEMORY"},
      {NOT_INITIALIZED, "CUDA_ERROR_NOT_INITIALIZED"},
      {NO_DEVICE, "CUDA_ERROR_NO_DEVICE"},
      {INVALID_DEVICE, "CUDA_ERROR_INVALID_DEVICE"},
      {INVALID_CONTEXT, "CUDA_ERROR_INVALID_CONTEXT"},
      {NO_BINARY_FOR_GPU, "CUDA_ERROR_NO_BINARY_FOR_GPU"},
      {INVALID_PTX, "CUDA_ERROR_INVALID_PTX"},
      {UNSUPPORTED_PTX_VERSION, "CUDA_ERROR_UNSUPPORTED_PTX_VERSION"},
      {INVALID_HANDLE, "CUDA_ERROR_INVALID_HANDLE"},
      {ILLEGAL_STATE, "CUDA_ERROR_ILLEGAL_STATE"},
      {NOT_FOUND, "CUDA_ERROR_NOT_FOUND"},
      {NOT_READY, "CUDA_ERROR_NOT_READY"},
      {LAUNCH_FAILED, "CUDA_ERROR_LAUNCH_FAILED"},
      {CAPTURE_UNSUPPORTED, "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED"},
      {CAPTURE_INVALIDATED, "CUDA_ERROR_STREAM_CAPTURE_INVALIDATED"}};
  const auto found = names.find(code);
  *name = found == names.end() ? 0 : found->second;
  return *name ? SUCCESS : INVALID_VALUE;
}
/* The reason that was found last for such an error, where there is one. */
API cuGetErrorString(CUresult code, const char **text) {
  const std::lock_guard<std::recursive_mutex> lock(mutex);
  const auto found = reasons.find(code);
  if (found == reasons.end()) return cuGetErrorName(code, text);
  *text = found->second.c_str();
  return SUCCESS;
}
