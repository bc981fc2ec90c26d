import type { Lookup } from '../../cache/lookup.ts';
import { answeredBy, type AnsweredBy } from '../../cache/recorder.ts';
import { ForebayError } from '../../core/errors.ts';
import type { FileInfo } from '../../files/records.ts';
import type { Forebay } from '../../forebay.ts';
import { createBenchRecords } from '../../postgres/bench-records.ts';
import type { Subject } from './subject.ts';
import type { ReadAnswer } from './tally.ts';
import { ANSWERED_BY } from './tally.ts';

const SERVER = 'select * from pg_stat_database where datname = current_database()';

/** The library in this process, as an application has it. The Forebay stays its opener's. */
export function librarySubject(forebay: Forebay, description: string): Subject {
  const { files } = forebay;
  return {
    kind: 'library',
    description,
    boundMs: forebay.vitals().maxStalenessMs,
    records: createBenchRecords(files),
    read: (ids) => (ids.length === 1 ? readOne(forebay, ids[0] ?? '') : readMany(forebay, ids)),
    write: async (id, size) => (await files.update(id, { size })).version,
    touch: async (id) => {
      const file = await files.get(id, { maxStalenessMs: 0 });
      if (file === null) throw new ForebayError('NOT_FOUND', `there is no file ${id} any more`, { field: 'id' });
      return (await files.update(id, { size: file.size }, { ifVersion: file.version })).version;
    },
    loads: async () => {
      const [info] = forebay.vitals().caches;
      return info === undefined ? null : { calls: info.stats.loads.calls, keys: info.stats.loads.keys, ms: info.stats.latency.load.sum };
    },
    server: async () => {
      if (forebay.vitals().database.kind !== 'postgres') return null;
      const { value } = await files.transaction((tx) => tx.query<Record<string, number | undefined>>(SERVER));
      const [row] = value;
      if (row === undefined) return null;
      const transactions = (row['xact_commit'] ?? 0) + (row['xact_rollback'] ?? 0);
      return { transactions, rowsRead: row['tup_fetched'] ?? 0, activeMs: row['active_time'] ?? null };
    },
  };
}

async function readOne({ files }: Forebay, id: string): Promise<ReadAnswer> {
  const reading = files.lookup(id);
  // What process memory answers is answered by now. The turns of the other workers, which this thread takes before it comes back here, are of the measuring's own making.
  const atOnce = performance.now();
  const lookup = await reading;
  const by = answeredBy(lookup);
  const at = by === 'local' ? atOnce : performance.now();
  return {
    by: { [by]: 1 },
    slowest: by,
    versions: [versionOf(lookup)],
    code: lookup.outcome === 'unavailable' ? lookup.error.code : null,
    at,
  };
}

async function readMany({ files }: Forebay, ids: readonly string[]): Promise<ReadAnswer> {
  const reading = files.lookupMany(ids);
  const atOnce = performance.now();
  const lookups = await reading;
  const by: Partial<Record<AnsweredBy, number>> = {};
  let code: string | null = null;
  for (const lookup of lookups) {
    const who = answeredBy(lookup);
    by[who] = (by[who] ?? 0) + 1;
    if (lookup.outcome === 'unavailable') code = lookup.error.code;
  }
  const slowest = slowestOf(by);
  return { by, slowest, versions: lookups.map(versionOf), code, at: slowest === 'local' ? atOnce : performance.now() };
}

/** A batch takes as long as the slowest of its tiers. */
export function slowestOf(by: Partial<Record<AnsweredBy, number>>): AnsweredBy {
  return ANSWERED_BY.findLast((who) => (by[who] ?? 0) > 0) ?? 'none';
}

function versionOf(lookup: Lookup<FileInfo>): number | null {
  if (lookup.outcome === 'unavailable') return null;
  return lookup.outcome === 'absent' ? 0 : lookup.version;
}
