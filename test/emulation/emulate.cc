/*
 * Runs the blocks of a launch, one after the other in a shuffled order, and the threads of
 * a block as fibers that switch by hand. Whoever waits hands over to another thread that
 * may run; the last that arrives at a barrier lets all go on, in an order drawn anew.
 * A launch that cannot go on as a GPU would ends with the reason.
 */
#include "host.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include <vector>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#else
#define __sanitizer_start_switch_fiber(...)
#define __sanitizer_finish_switch_fiber(...)
#define __asan_unpoison_memory_region(...)
#endif

uint3 threadIdx, blockIdx;
dim3 blockDim, gridDim;

/* Keeps what a function must preserve on the stack that runs, stores where, and goes on where another stack stopped. */
extern "C" void emulated_switch(void **save, void *load);
#if defined(__x86_64__)
__asm__(".text\n.globl emulated_switch\n.hidden emulated_switch\n.type emulated_switch,@function\nemulated_switch:\n"
        "push %rbp\npush %rbx\npush %r12\npush %r13\npush %r14\npush %r15\n"
        "mov %rsp, (%rdi)\nmov %rsi, %rsp\n"
        "pop %r15\npop %r14\npop %r13\npop %r12\npop %rbx\npop %rbp\nret\n");
enum { kept_words = 6, words_above = 2 };
#elif defined(__aarch64__)
__asm__(".text\n.globl emulated_switch\n.hidden emulated_switch\n.type emulated_switch,@function\nemulated_switch:\n"
        "sub sp, sp, #160\n"
        "stp x19, x20, [sp]\nstp x21, x22, [sp, #16]\nstp x23, x24, [sp, #32]\nstp x25, x26, [sp, #48]\nstp x27, x28, [sp, #64]\n"
        "stp d8, d9, [sp, #80]\nstp d10, d11, [sp, #96]\nstp d12, d13, [sp, #112]\nstp d14, d15, [sp, #128]\nstp x29, x30, [sp, #144]\n"
        "mov x9, sp\nstr x9, [x0]\nmov sp, x1\n"
        "ldp x19, x20, [sp]\nldp x21, x22, [sp, #16]\nldp x23, x24, [sp, #32]\nldp x25, x26, [sp, #48]\nldp x27, x28, [sp, #64]\n"
        "ldp d8, d9, [sp, #80]\nldp d10, d11, [sp, #96]\nldp d12, d13, [sp, #112]\nldp d14, d15, [sp, #128]\nldp x29, x30, [sp, #144]\n"
        "add sp, sp, #160\nret\n");
enum { kept_words = 19, words_above = 1 };
#else
#error "the stand-in switches stacks on x86-64 and on 64-bit ARM only"
#endif

namespace emulated {
namespace {
const size_t stack_bytes = 256 << 10, guard_bytes = 64 << 10;
const unsigned most_threads = 1024;

struct Fiber {
  void *stack_pointer; /* where it stopped */
  char *stack;
};
struct Thread {
  Fiber *fiber; /* none before it begins */
  unsigned index;
  Site waits; /* where, for messages */
  bool done;
};
/* Where `expected` threads meet; those that arrived, and the site of the first. */
struct Meeting {
  unsigned arrived, generation;
  Site site;
};

std::vector<Fiber> fibers;
std::vector<Fiber *> idle;
Thread threads[most_threads];
unsigned thread_count, left;
unsigned ready[most_threads], ready_count; /* threads that may run, the next one last */
Meeting of_block, of_warp[most_threads / 32];
Slot slots[most_threads / 32][2][32];
Thread *current;
const Kernel *running;
const char *arguments;
std::string failure;
Fiber launcher;
#if defined(__SANITIZE_ADDRESS__)
const void *launcher_stack;
size_t launcher_bytes;
#endif

uint32_t random_state = 1;
uint32_t random_below(uint32_t n) {
  random_state ^= random_state << 13, random_state ^= random_state >> 17, random_state ^= random_state << 5;
  return (uint32_t)((uint64_t)random_state * n >> 32);
}
template <class T> void shuffle_all(T *each, unsigned count) {
  for (unsigned i = count; i > 1; i--) {
    const unsigned j = random_below(i);
    const T kept = each[i - 1];
    each[i - 1] = each[j], each[j] = kept;
  }
}

void go_to(Fiber &from, Fiber &to) {
#if defined(__SANITIZE_ADDRESS__)
  void *fake;
  const bool back = &to == &launcher;
  __sanitizer_start_switch_fiber(&fake, back ? launcher_stack : to.stack, back ? launcher_bytes : stack_bytes);
#endif
  emulated_switch(&from.stack_pointer, to.stack_pointer);
#if defined(__SANITIZE_ADDRESS__)
  const void *came_from;
  size_t bytes;
  __sanitizer_finish_switch_fiber(fake, &came_from, &bytes);
#endif
}

void set_index(unsigned t) { threadIdx = {t % blockDim.x, t / blockDim.x % blockDim.y, t / blockDim.x / blockDim.y}; }

/* Ends the launch: no fiber that runs now goes on. */
[[noreturn]] void fail(const char *format, ...) {
  char text[400];
  va_list values;
  va_start(values, format);
  vsnprintf(text, sizeof text, format, values);
  va_end(values);
  failure = std::string(running->name) + ", block " + std::to_string(blockIdx.x) + " " + std::to_string(blockIdx.y) + " " +
            std::to_string(blockIdx.z) + ": " + text;
  Fiber lost = {};
  go_to(current && current->fiber ? *current->fiber : lost, launcher);
  abort();
}

const char *base_name(const char *file) {
  const char *slash = strrchr(file, '/');
  return slash ? slash + 1 : file;
}
bool same(const Site &a, const Site &b) {
  return a.line == b.line && (a.file == b.file || !strcmp(a.file, b.file)) && (a.call == b.call || !strcmp(a.call, b.call));
}
std::string described(const Site &site) { return std::string(site.call) + " at " + base_name(site.file) + ":" + std::to_string(site.line); }

/* Why nobody can go on: the first that waits, and one that does not wait with it, of its own warp where there is one. */
void fail_stuck() {
  const Thread *first = 0, *other = 0;
  for (unsigned t = 0; t < thread_count; t++)
    if (!threads[t].done && !first) first = &threads[t];
  for (unsigned i = 0; i < thread_count && !other; i++) {
    const Thread &each = threads[(first->index / 32 * 32 + i) % thread_count];
    if (each.done || !same(each.waits, first->waits)) other = &each;
  }
  const std::string theirs = !other ? "no other arrives" : other->done ? "has ended" : "waits for " + described(other->waits);
  const unsigned which = other ? other->index : first->index;
  fail("thread %u waits for %s, thread %u %s", first->index, described(first->waits).c_str(), which, theirs.c_str());
}

/* Hands over to the next that may run; returns when `mine` runs again. An ended thread's fiber takes one that has not begun itself. */
void hand_over(Fiber *mine, bool ended) {
  if (ready_count == 0) {
    if (left > 0) fail_stuck();
    current = 0;
    idle.push_back(mine);
    go_to(*mine, launcher);
    return;
  }
  Thread *const next = &threads[ready[--ready_count]];
  current = next;
  set_index(next->index);
  if (next->fiber == mine) return;
  if (!next->fiber) {
    if (ended) {
      next->fiber = mine;
      return;
    }
    next->fiber = idle.back();
    idle.pop_back();
  } else if (ended) {
    idle.push_back(mine);
  }
  go_to(*mine, *next->fiber);
}

void fiber_main() {
#if defined(__SANITIZE_ADDRESS__)
  const void *from;
  size_t bytes;
  __sanitizer_finish_switch_fiber(0, &from, &bytes);
  if (!launcher_stack) launcher_stack = from, launcher_bytes = bytes;
#endif
  for (;;) {
    running->run(arguments);
    Fiber *const mine = current->fiber;
    current->done = true;
    left--;
    hand_over(mine, true);
  }
}

/* Every fiber at its beginning, at least `count` of them: a system has so many mappings only, and a test many libraries. */
void reset_fibers(unsigned count) {
  const size_t each = stack_bytes + guard_bytes;
  static char *const all = (char *)mmap(0, most_threads * each, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  while (fibers.size() < count) {
    char *stack = all + fibers.size() * each + guard_bytes;
    if (mprotect(stack, stack_bytes, PROT_READ | PROT_WRITE) != 0) perror("emulated: stacks"), abort();
    fibers.push_back({0, stack});
  }
  idle.clear();
  for (Fiber &fiber : fibers) {
    __asan_unpoison_memory_region(fiber.stack, stack_bytes);
    void **top = (void **)(fiber.stack + stack_bytes) - words_above;
    top[0] = (void *)fiber_main;
    fiber.stack_pointer = top - kept_words;
    idle.push_back(&fiber);
  }
}

/* All that waited may run, in an order drawn anew, the caller among them. */
void release(unsigned from, unsigned count) {
  unsigned *const mine = ready + ready_count;
  for (unsigned i = 0; i < count; i++) mine[i] = from + i;
  shuffle_all(mine, count);
  ready_count += count;
}
/* Whether the caller is the last of `expected` to arrive. */
bool arrive(Meeting &meeting, unsigned expected, const Site &site) {
  if (meeting.arrived == 0)
    meeting.site = site;
  else if (!same(meeting.site, site))
    fail("thread %u is at %s, others wait for %s", current->index, described(site).c_str(), described(meeting.site).c_str());
  current->waits = site;
  if (++meeting.arrived < expected) return false;
  meeting.arrived = 0;
  meeting.generation++;
  return true;
}

/* The fill writes to what an instrumented build keeps between variables, which holds nothing. */
#if defined(__SANITIZE_ADDRESS__)
__attribute__((no_sanitize_address))
#endif
void poison(char *from, char *to) {
  for (volatile uint32_t *p = (volatile uint32_t *)from; (char *)p < to; p++) *p = ~0u;
}

void run_block() {
  poison(running->shared, running->shared_end);
  left = thread_count;
  ready_count = 0;
  of_block = {};
  for (unsigned w = 0; w < thread_count / 32; w++) of_warp[w] = {};
  for (unsigned t = 0; t < thread_count; t++) threads[t] = {0, t, {}, false};
  release(0, thread_count);
  current = &threads[ready[--ready_count]];
  current->fiber = idle.back();
  idle.pop_back();
  set_index(current->index);
  go_to(launcher, *current->fiber);
}
} // namespace

int lane() { return (int)(current->index % 32); }

void meet_block(Site site) {
  Fiber *const mine = current->fiber;
  if (arrive(of_block, thread_count, site)) release(0, thread_count);
  hand_over(mine, false);
}

Slot *meet_warp(Site site, unsigned mask, const Slot &value, void (*combine)(Slot *)) {
  if (mask != ~0u) fail("%s by some lanes only (%08x)", described(site).c_str(), mask);
  Fiber *const mine = current->fiber;
  const unsigned warp = current->index / 32;
  Slot *const all = slots[warp][of_warp[warp].generation % 2];
  all[current->index % 32] = value;
  if (arrive(of_warp[warp], 32, site)) {
    if (combine) combine(all);
    release(32 * warp, 32);
  }
  hand_over(mine, false);
  return all;
}

std::map<std::string, Kernel> &kernels() {
  static std::map<std::string, Kernel> all;
  return all;
}
Registered::Registered(const Kernel &kernel) { kernels()[kernel.name] = kernel; }

std::string launch(const Kernel &kernel, dim3 grid, dim3 block, const char *parameters) {
  running = &kernel, arguments = parameters, blockDim = block, gridDim = grid;
  thread_count = block.x * block.y * block.z;
  if (fibers.size() < thread_count || !failure.empty()) reset_fibers(thread_count);
  failure.clear();
  std::vector<uint32_t> blocks((size_t)grid.x * grid.y * grid.z);
  for (size_t b = 0; b < blocks.size(); b++) blocks[b] = (uint32_t)b;
  shuffle_all(blocks.data(), (unsigned)blocks.size());
  for (const uint32_t b : blocks) {
    blockIdx = {b % grid.x, b / grid.x % grid.y, b / grid.x / grid.y};
    run_block();
    if (!failure.empty()) break;
  }
  return failure;
}

/*
 * mma.sync as PTX lays its fragments over a warp, with group = lane / 4 and inner = lane % 4. C and D: c0, c1 in row group,
 * c2, c3 in row group + 8, columns 2·inner and 2·inner + 1. A of TF32: a0, a2 in row group, a1, a3 in row group + 8; a0, a1 in
 * column inner, a2, a3 in column inner + 4; B: b0 in row inner, b1 in row inner + 4, column group. Of bfloat16 each register has
 * two values that follow one another along k: columns 2·inner and 2·inner + 1, with 8 in place of 4.
 */
template <int depth, class A, class B> static void multiply(Slot *all, A a_at, B b_at) {
  float b[depth][8];
  for (int k = 0; k < depth; k++)
    for (int n = 0; n < 8; n++) b[k][n] = b_at(k, n);
  for (int m = 0; m < 16; m++) {
    const auto word = [&](int n) -> uint32_t & { return all[m % 8 * 4 + n / 2].words[6 + m / 8 * 2 + n % 2]; };
    float sums[8];
    for (int n = 0; n < 8; n++) sums[n] = float_of(word(n));
    for (int k = 0; k < depth; k++) {
      const float a = a_at(m, k);
      for (int n = 0; n < 8; n++) sums[n] += a * b[k][n];
    }
    for (int n = 0; n < 8; n++) word(n) = __float_as_uint(sums[n]);
  }
}
/* The tensor cores do not look at the low 13 bits. */
static float tf32(uint32_t word) { return float_of(word & 0xffffe000u); }
static float bf16(uint32_t word, int which) { return float_of(which ? word & 0xffff0000u : word << 16); }
void multiply_tf32(Slot *all) {
  multiply<8>(
      all, [=](int m, int k) { return tf32(all[m % 8 * 4 + k % 4].words[m / 8 + k / 4 * 2]); },
      [=](int k, int n) { return tf32(all[n * 4 + k % 4].words[4 + k / 4]); });
}
void multiply_bf16(Slot *all) {
  multiply<16>(
      all, [=](int m, int k) { return bf16(all[m % 8 * 4 + k % 8 / 2].words[m / 8 + k / 8 * 2], k % 2); },
      [=](int k, int n) { return bf16(all[n * 4 + k % 8 / 2].words[4 + k / 8], k % 2); });
}

/*
 * ldmatrix as PTX states it: lane i gives the address of row i % 8 of matrix i / 8, eight values of 16 bits that begin at a multiple
 * of 16 bytes in shared memory. Of each matrix a lane gets what stands in row lane / 4, columns 2·(lane % 4) and the next, in one word.
 */
void gather_matrices(Slot *all) {
  const char *rows[32];
  for (int i = 0; i < 32; i++) {
    rows[i] = value_of<const char *>(all[i]);
    if ((uintptr_t)rows[i] % 16 != 0) fail("lane %d gives load_matrices a row that is not aligned to 16 bytes", i);
    if (rows[i] < running->shared || rows[i] + 16 > running->shared_end)
      fail("lane %d gives load_matrices a row outside shared memory", i);
  }
  for (int lane = 0; lane < 32; lane++)
    for (int matrix = 0; matrix < 4; matrix++)
      all[lane].words[matrix] = *(const uint32_t *)(rows[matrix * 8 + lane / 4] + lane % 4 * 4);
}
} // namespace emulated
