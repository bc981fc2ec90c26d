import { Command } from 'commander';
import type { z } from 'zod';
import { alertsSchema, readinessSchema } from '../../service/routes/schemas.ts';
import { addServiceFlags, serviceOf } from '../service-command.ts';
import { EXIT, type ExitCode, type Shell } from '../shell.ts';

const EXAMPLES = `
Examples:
  forebay status
  forebay status --url http://10.0.0.5:7070 --json | jq -r .reasons[]
  until forebay status >/dev/null; do sleep 1; done      wait until it can serve

Exit codes: 0 it can serve, though something may be amiss; 1 it cannot, or nobody answers; 2 wrong command line.`;

/** `forebay status`: whether a running service can serve, and what is amiss. */
export function statusCommand(shell: Shell, done: (code: ExitCode) => void): Command {
  const command = new Command('status')
    .description('Say whether a running service can serve, what is amiss, and which alerts fire.')
    .option('--json', 'print JSON');
  addServiceFlags(command);
  return command.addHelpText('after', EXAMPLES).action(async () => {
    const service = serviceOf(command, shell);
    const [readiness, { alerts }] = await Promise.all([
      service.ask('/readyz', readinessSchema, { also: [503] }),
      service.ask('/v1/alerts', alertsSchema),
    ]);
    if (command.opts<{ json?: boolean }>().json === true) shell.out(JSON.stringify({ url: service.url.origin, ...readiness, alerts }));
    else shell.out(describeStatus(service.url.origin, readiness, alerts));
    done(readiness.ready ? EXIT.ok : EXIT.failed);
  });
}

/** In lines for people. */
function describeStatus(
  url: string,
  { ready, database, redis, breaker, stalenessMs, maxStalenessMs, reasons }: z.infer<typeof readinessSchema>,
  alerts: z.infer<typeof alertsSchema>['alerts'],
): string {
  const proven = stalenessMs === null ? 'nothing is proven' : `all that was committed until ${stalenessMs} ms ago is known`;
  return [
    `${url} ${ready ? (reasons.length === 0 && alerts.length === 0 ? 'serves, and all is well' : 'serves') : 'cannot serve'}`,
    `  database   ${database}`,
    `  Redis      ${redis}${redis === 'off' || breaker === 'closed' ? '' : `, its breaker is ${breaker}`}`,
    `  staleness  ${proven}; the bound is ${maxStalenessMs} ms`,
    ...reasons.map((reason) => `  amiss      ${reason}`),
    ...alerts.map(({ severity, alert, summary }) => `  alert      ${severity}: ${alert}: ${summary}`),
  ].join('\n');
}
