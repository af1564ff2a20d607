/** What a check found out, with the figures that it goes by. */
export interface Finding {
  readonly check: string;
  readonly ok: boolean;
  readonly [figure: string]: unknown;
}
