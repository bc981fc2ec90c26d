import type { RunResult } from './run.ts';

const HEAD = [
  'scenario',
  'redis',
  'seed',
  'reads',
  'writes',
  '>0',
  '>10ms',
  '>100ms',
  '>1s',
  'worst ms',
  'back',
  'own',
  'ghost',
  'stuck',
  'errors',
  'hit %',
  'p99',
  'p99 fault',
  'loads',
  '',
];

/** One line per run. Stale reads are per million reads. */
export function table(results: readonly RunResult[]): string {
  const rows = [HEAD, ...results.map(rowOf)];
  const widths = HEAD.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => (column <= 1 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

function rowOf(result: RunResult): string[] {
  const { stale, errors, p99Ms } = result;
  const perMillion = (count: number): string => String(Math.round((count * 1e6) / Math.max(1, result.reads)));
  return [
    result.scenario,
    result.topology,
    String(result.seed),
    String(result.reads),
    String(result.writes),
    perMillion(stale.over0),
    perMillion(stale.over10),
    perMillion(stale.over100),
    perMillion(stale.over1000),
    result.worstMs.toFixed(0),
    String(result.backward),
    String(result.ownMissed),
    String(result.ghosts),
    String(result.stuck),
    errors.allowed > 0 ? `${errors.other} (+${errors.allowed})` : String(errors.other),
    (result.hitRatio * 100).toFixed(1),
    p99Ms.calm.toFixed(1),
    result.faults > 0 ? p99Ms.fault.toFixed(1) : '-',
    String(result.loads),
    result.broken.length === 0 ? 'held' : 'BROKEN',
  ];
}

/** What was broken, with the first reads that show it. */
export function details({ scenario, topology, seed, broken, examples, errors, errorTexts }: RunResult): string {
  const lines = broken.map((sentence) => `  ${sentence}`);
  for (const { process, key, version, stalenessMs } of examples)
    lines.push(
      `    process ${process} read version ${version} of key ${key} ${Math.round(stalenessMs)} ms after a newer one was committed`,
    );
  if (errors.other > 0) for (const [words, count] of Object.entries(errorTexts)) lines.push(`    ${count} times: ${words}`);
  return [`${scenario} (${topology}), seed ${seed}:`, ...lines].join('\n');
}
