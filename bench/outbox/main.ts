/** What the outbox costs writers: see docs/outbox.md. */
import { parseArgs } from 'node:util';
import type { BigUpdate, Slice } from './measure.ts';
import { measureBigUpdate, measureSlice } from './measure.ts';
import { median, numberOption, quantile, table } from './numbers.ts';
import { startServer } from './server.ts';
import type { Variant } from './variants.ts';
import { createAlternatives, meanings, variants } from './variants.ts';
import { startWriting } from './writers.ts';

const OPTIONS = {
  rounds: { type: 'string', default: '12' },
  seconds: { type: 'string', default: '0.8' },
  rows: { type: 'string', default: '100000' },
  clients: { type: 'string', default: '1,8,32' },
  variants: { type: 'string', default: variants.join(',') },
  'big-rounds': { type: 'string', default: '3' },
  json: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
} as const;

const HELP = `node bench/outbox/main.ts [options]

Single-row updates of forebay.file_info by id on a Postgres of its own (fsync=on), while a relay numbers the outbox every 50 ms; and updates of all rows in one statement.

  --rounds 12        of all variants in turn; medians, and medians of the ratios within a round
  --seconds 0.8      of each variant in each round: short, since whatever else the machine does should meet all variants alike
  --rows 100000
  --clients 1,8,32
  --variants ${variants.join(',')}
${variants.map((variant) => `                       ${variant.padEnd(10)} ${meanings[variant]}`).join('\n')}
  --big-rounds 3     updates of all rows; 0: none
  --json             one JSON object, with each single figure, on the standard output

The defaults take about four minutes.
`;

/** One more row of \`none\` is what every ratio is against. */
function chosenVariants(given: string): Variant[] {
  const names = given.split(',');
  const unknown = names.find((name) => !(variants as readonly string[]).includes(name));
  if (unknown !== undefined) throw new Error(`--variants has "${unknown}"; give some of ${variants.join(',')}`);
  return variants.filter((variant) => variant === 'none' || names.includes(variant));
}

/** Each round begins with another variant, so that what grows or falls over time meets all of them alike. */
function turned<T>(list: readonly T[], by: number): T[] {
  return list.map((_, index) => list[(index + by) % list.length] as T);
}

function ratiosOf(slices: readonly Slice[], clients: number, variant: Variant): number[] {
  const of = (wanted: Variant): Slice[] => slices.filter((slice) => slice.clients === clients && slice.variant === wanted);
  const base = of('none');
  // A round in which the disk stood still says nothing.
  return of(variant)
    .map((slice, round) => slice.perSecond / (base[round]?.perSecond ?? Number.NaN))
    .filter(Number.isFinite);
}

function sliceTable(slices: readonly Slice[], counts: readonly number[], chosen: readonly Variant[]): string {
  const rows = counts.flatMap((clients) =>
    chosen.map((variant) => {
      const of = slices.filter((slice) => slice.clients === clients && slice.variant === variant);
      const ratios = ratiosOf(slices, clients, variant);
      const percent = (ratio: number): string => `${(ratio * 100).toFixed(0)} %`;
      return [
        `${String(clients).padStart(2)} clients, ${meanings[variant]}`,
        median(of.map(({ perSecond }) => perSecond)).toFixed(0),
        percent(median(ratios)),
        `${percent(quantile(ratios, 0.25))} to ${percent(quantile(ratios, 0.75))}`,
        median(of.map(({ cpuUs }) => cpuUs)).toFixed(0),
        median(of.map(({ walBytes }) => walBytes)).toFixed(0),
      ];
    }),
  );
  return table([['single-row updates', 'per second', 'of no outbox', 'middle half', 'server CPU µs', 'WAL bytes'], ...rows]);
}

function bigTable(updates: readonly BigUpdate[], rows: number): string {
  const seen = variants.filter((variant) => updates.some((update) => update.variant === variant));
  const lines = seen.map((variant) => {
    const of = updates.filter((update) => update.variant === variant);
    const mid = (pick: (update: BigUpdate) => number): number => median(of.map(pick));
    return [
      meanings[variant],
      mid(({ ms }) => ms).toFixed(0),
      mid(({ outboxRows }) => outboxRows).toFixed(0),
      mid(({ outboxBytes }) => outboxBytes / 1024).toFixed(0),
      mid(({ drainMs }) => drainMs).toFixed(0),
    ];
  });
  return table([[`one update of ${rows} rows`, 'ms', 'outbox rows', 'outbox kB', 'numbered in ms'], ...lines]);
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: OPTIONS, allowPositionals: false });
  if (values.help) {
    console.log(HELP);
    return;
  }
  const rounds = numberOption('rounds', values.rounds, 1, 1_000);
  const seconds = numberOption('seconds', values.seconds, 0.1, 600);
  const rows = numberOption('rows', values.rows, 1_000, 10_000_000);
  const bigRounds = numberOption('big-rounds', values['big-rounds'], 0, 100);
  const counts = values.clients.split(',').map((count) => numberOption('clients', count, 1, 48));
  const chosen = chosenVariants(values.variants);

  await using server = await startServer(rows);
  await createAlternatives(server.database);
  const slices: Slice[] = [];
  let writers = '';
  for (const clients of counts) {
    await using writing = startWriting({ url: server.url, clients, rows });
    writers = writing.name;
    for (let round = 0; round < rounds; round++) {
      for (const variant of turned(chosen, round)) slices.push(await measureSlice(server, { variant, clients, seconds }));
    }
    console.error(`${clients} clients: done`);
  }
  const updates: BigUpdate[] = [];
  const big = chosen.filter((variant) => variant !== 'notify');
  for (let round = 0; round < bigRounds; round++) {
    for (const variant of turned(big, round)) updates.push(await measureBigUpdate(server, variant));
  }
  if (values.json) {
    const ratios = counts.flatMap((clients) =>
      chosen.map((variant) => ({ clients, variant, ratio: median(ratiosOf(slices, clients, variant)) })),
    );
    console.log(JSON.stringify({ writers, rounds, seconds, rows, ratios, slices, updates }));
    return;
  }
  console.log(`writers: ${writers}; medians of ${rounds} rounds of ${seconds} s\n\n${sliceTable(slices, counts, chosen)}`);
  if (updates.length > 0) console.log(`\n${bigTable(updates, rows)}`);
}

await main();
