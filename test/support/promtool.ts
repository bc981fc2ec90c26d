import { spawnSync } from 'node:child_process';

/** Runs Prometheus' own checker. @throws when it is not installed. */
export function promtool(args: readonly string[], input = ''): { readonly code: number | null; readonly output: string } {
  const { status, stdout, stderr, error } = spawnSync('promtool', args, { input, encoding: 'utf8' });
  if (error !== undefined) throw new Error(`promtool cannot be run (${error.message}); install the system's package "prometheus"`);
  return { code: status, output: `${stdout}${stderr}` };
}
