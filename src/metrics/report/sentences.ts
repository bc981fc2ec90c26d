import type { EfficiencyReport } from './efficiency-report.ts';
import { count, duration, percent } from './format.ts';

type Facts = Omit<EfficiencyReport, 'sentences'>;

/** A share of entries that left unused and more is worth a word. */
const MUCH_UNUSED = 0.5;
const FEW = 100;

/** What stands out in a report, for people, the most telling first. */
export function sentencesOf(report: Facts): readonly string[] {
  if (report.reads.total === 0) return ['Nothing was read.'];
  return [
    saved(report),
    database(report),
    report.curves.local.sentence,
    report.curves.remote?.sentence ?? null,
    evictedUnused(report),
    expiredUnused(report),
    unproven(report),
    away(report),
    absent(report),
  ].filter((sentence) => sentence !== null);
}

function saved({ reads, local, remote }: Facts): string {
  const keys = local.saved.keys + (remote?.saved.keys ?? 0);
  const waits = [local.saved.waitMs, remote?.saved.waitMs ?? null].filter((ms) => ms !== null);
  const time = waits.length === 0 ? '' : `, and callers ${duration(waits.reduce((sum, ms) => sum + ms, 0))} of waiting`;
  return `${percent(reads.hitRatio)} of ${count(reads.total)} reads were answered by the caches. That spared the database ${count(keys)} look-ups${time}.`;
}

function database({ database: { queriesPerSecond, withoutCache } }: Facts): string | null {
  if (withoutCache.queriesPerSecond === null) return null;
  return `The database had ${count(queriesPerSecond)} queries a second; without caches it would have had ${count(withoutCache.queriesPerSecond)}.`;
}

function evictedUnused({ lifetimes: { evictedUnused: unused, evictedUsed: used } }: Facts): string | null {
  if (unused + used < FEW || unused / (unused + used) < MUCH_UNUSED) return null;
  return `${percent(unused / (unused + used), 0)} of the entries that were pushed out of process memory had answered no read: much is read once, or the room is small.`;
}

function expiredUnused({ lifetimes: { expiredUnused: unused, expiredUsed: used } }: Facts): string | null {
  if (unused + used < FEW || unused / (unused + used) < MUCH_UNUSED) return null;
  return `${percent(unused / (unused + used), 0)} of the entries that expired in process memory had answered no read since they came: TTLs are short for how seldom these records are read.`;
}

function unproven({ refusals: { local, remote }, reads }: Facts): string | null {
  const refused = local.unproven + remote.unproven;
  if (refused < FEW || refused / reads.total < 0.01) return null;
  return `${count(refused)} entries were not served since their freshness was not proven: the log of changes was not followed within the bound; see forebay_staleness_seconds.`;
}

function away({ remote }: Facts): string | null {
  if (remote === null || remote.unavailable === 0) return null;
  return `Redis gave no answer to ${count(remote.unavailable)} reads.`;
}

function absent({ absent: { share, total } }: Facts): string | null {
  if (share === null || share < 0.1 || total < FEW) return null;
  return `${percent(share)} of the reads asked for what does not exist.`;
}
