/* What the driver's calls (driver.cc) need of the emulation (emulate.cc). */
#pragma once
#if !defined(EMULATED)
#define EMULATED host
#endif
#include "emulate.h"
#include <map>
#include <string>

namespace emulated {
/* All that the library holds, by name. */
std::map<std::string, Kernel> &kernels();
/* Runs a launch; returns why it could not end, or nothing. */
std::string launch(const Kernel &kernel, dim3 grid, dim3 block, const char *parameters);
} // namespace emulated
