/** How a check ended. `skipped`: it could not be made, or there is nothing to check. */
export type CheckStatus = 'ok' | 'warning' | 'error' | 'skipped';

/** Where a check belongs. They are made in this order. */
export const CHECK_GROUPS = ['settings', 'database', 'redis', 'loop'] as const;
export type CheckGroup = (typeof CHECK_GROUPS)[number];

/** Something that is amiss. */
export interface Finding {
  /** `error`: a promise is broken, or something does not work. `warning`: it will be under load, or in a fault. */
  readonly severity: 'warning' | 'error';
  readonly what: string;
  readonly why: string;
  /** A command, a statement or a setting. */
  readonly mend: string;
}

/** One check that was made, or that was not. */
export interface CheckReport {
  readonly check: string;
  readonly group: CheckGroup;
  /** The worst of its findings. */
  readonly status: CheckStatus;
  /** What was measured; of one that was skipped, why. */
  readonly said: string;
  readonly findings: readonly Finding[];
  readonly tookMs: number;
}

export interface DoctorReport {
  /** The worst that was found. */
  readonly status: Exclude<CheckStatus, 'skipped'>;
  readonly errors: number;
  readonly warnings: number;
  readonly skipped: number;
  /** Whether checks that write were left out. */
  readonly dryRun: boolean;
  /** Whether it was told to stop before all checks were made. */
  readonly stopped: boolean;
  readonly tookMs: number;
  readonly checks: readonly CheckReport[];
}

/** The report on checks that were made. */
export function reportOn(checks: readonly CheckReport[], more: Pick<DoctorReport, 'dryRun' | 'stopped' | 'tookMs'>): DoctorReport {
  const found = checks.flatMap(({ findings }) => findings);
  const errors = found.filter(({ severity }) => severity === 'error').length;
  const warnings = found.length - errors;
  const skipped = checks.filter(({ status }) => status === 'skipped').length;
  return { status: errors > 0 ? 'error' : warnings > 0 ? 'warning' : 'ok', errors, warnings, skipped, ...more, checks };
}
