/** The environment variables that are obeyed, each said once: help, the man page and the docs are made of this. */
import type { VariableText } from "../report/command-line/command-line.ts";

/** Those that users set; what tests set to break things is not among them. */
export const variables: readonly VariableText[] = [
  { name: "MUTRANSFER_CACHE", meaning: "folder for compiled kernels and tokenized text" },
  { name: "XDG_CACHE_HOME", meaning: "where the folder mutransfer with the same lies otherwise (default: ~/.cache)" },
  { name: "NO_COLOR", meaning: "when set, nothing is coloured" },
  { name: "FORCE_COLOR", meaning: "when set, what is no terminal is coloured too; 0 colours nothing" },
  { name: "TERM", meaning: "dumb: no colours, and plain progress lines instead of a repainting block" },
  { name: "COLUMNS", meaning: "how wide text is that goes to no terminal; it has no limit otherwise" },
  { name: "CC", meaning: "the C compiler for the native engine, instead of the first of cc, gcc and clang" },
  { name: "MUTRANSFER_CFLAGS", meaning: "more flags for that compiler" },
  { name: "CUDA_VISIBLE_DEVICES", meaning: "which NVIDIA GPUs are used" },
  { name: "MUTRANSFER_LIBCUDA", meaning: "NVIDIA's driver library, where it is not found by its name" },
  { name: "MUTRANSFER_CUDA_LANES", meaning: "how many trials share a launch of the cuda engine" },
  { name: "MUTRANSFER_CUDA_PRODUCTS", meaning: "how the cuda engine multiplies matrices" },
];
