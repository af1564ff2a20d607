/** Packages that need not be installed. */

/** Imports one by its name; bundlers, which look for all that an import names, do not find it here, and leave it to the run. */
export const importOptional = (name: string): Promise<unknown> => import(name);
