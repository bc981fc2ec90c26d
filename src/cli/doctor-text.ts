import type { CheckReport, CheckStatus, DoctorReport } from '../doctor/report.ts';

const ESCAPE = '\u001b';
const COLOURS: Readonly<Record<CheckStatus, number>> = { ok: 32, warning: 33, error: 31, skipped: 2 };
const HEADINGS: Readonly<Record<CheckReport['group'], string>> = {
  settings: 'Settings',
  database: 'Database',
  redis: 'Redis',
  loop: 'The way of a change',
};
const STATUS_WIDTH = 9;
const NAME_WIDTH = 24;

/** Puts checks into lines for people, one after the other as they end. `fancy`: with colours. */
export class DoctorText {
  readonly #fancy: boolean;
  #group: CheckReport['group'] | null = null;

  constructor(fancy: boolean) {
    this.#fancy = fancy;
  }

  /** The lines of one check, with a heading before the first of its group. */
  check({ check, group, status, said, findings }: CheckReport): readonly string[] {
    const heading = group === this.#group ? [] : [...(this.#group === null ? [] : ['']), this.#paint(1, HEADINGS[group])];
    this.#group = group;
    const line = `  ${this.#paint(COLOURS[status], status.padEnd(STATUS_WIDTH))}${check.padEnd(NAME_WIDTH)}${said}`;
    return [
      ...heading,
      status === 'skipped' ? this.#paint(2, line) : line,
      ...findings.flatMap(({ severity, what, why, mend }) => [
        `    ${this.#paint(COLOURS[severity], `${severity}: ${what}`)}`,
        `      why:  ${why}`,
        `      mend: ${mend}`,
      ]),
    ];
  }

  /** The last line. */
  summary({ status, errors, warnings, skipped, checks, tookMs, dryRun, stopped }: DoctorReport): readonly string[] {
    const made = checks.length - skipped;
    const count = (number: number, of: string): string => `${number} ${of}${number === 1 ? '' : 's'}`;
    const found = status === 'ok' ? 'nothing amiss' : `${count(errors, 'error')}, ${count(warnings, 'warning')}`;
    const how = stopped ? 'It was stopped before its end: ' : dryRun ? 'Nothing was written (--dry-run): ' : '';
    const text = `${how}${count(made, 'check')} in ${(tookMs / 1000).toFixed(1)} s, ${skipped} skipped: ${found}`;
    return ['', this.#paint(COLOURS[status], text)];
  }

  #paint(code: number, text: string): string {
    return this.#fancy ? `${ESCAPE}[${code}m${text}${ESCAPE}[0m` : text;
  }
}
