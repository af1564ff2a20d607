/** What a process or an allocator said before it failed, read for the reason. Knows words only, no processes. */

/** The line that says why: the one that names an error, or the first. */
export function lastWords(stderr: string): string {
  const lines = stderr.split("\n").map((line) => line.trim());
  return (lines.find((line) => /\berror\b/i.test(line)) ?? lines.find(Boolean) ?? "").slice(0, 300);
}

/** How the many allocators between here and a GPU say that they have nothing left. */
export function saysOutOfMemory(text: string): boolean {
  const wanting = /out.?of.?(device.?|host.?)?memory|\bOOM\b|resource.?exhausted|bad_alloc|alloc(ation)?_?.?failed|failed to allocate/i;
  const refused = /cannot allocate|not enough memory|exceeds the max buffer size|invalid (typed )?array (buffer )?length/i;
  return wanting.test(text) || refused.test(text);
}
