import type { ReuseCounts } from '../../cache/reuse-histogram.ts';
import { MissRatioCurve } from '../../cache/reuse-histogram.ts';
import type { CurvePoint, CurveReport } from './efficiency-report.ts';
import { bytes, count, percent, times } from './format.ts';

/** Sizes are looked at up to so many doublings either way, in steps of half a one: as far as the samplers remember. */
const DOUBLINGS = 4;
const FACTORS: readonly number[] = Array.from({ length: DOUBLINGS * 4 + 1 }, (_, i) => 2 ** (i / 2 - DOUBLINGS));
/** A doubling that gives less is not worth its memory. */
const WORTH = 0.01;
/** Fewer reads say nothing. */
const LEAST_READS = 1000;

/** A share of a tier's room that is used by one cache alone, or all of it. */
export interface Room {
  readonly reuse: ReuseCounts;
  /** How many reads there really were. */
  readonly reads: number;
  /** Entries that fit. */
  readonly entries: number;
  /** That they take; `null` where it is not known. */
  readonly bytes: number | null;
}

export interface CurveInput {
  /** Those that nobody reads from do not count. */
  readonly rooms: readonly Room[];
  readonly measuredHitRatio: number | null;
  /** `process memory`, `Redis`. */
  readonly tier: string;
  /** What the size at factor 1 is. */
  readonly sizeIs: 'limit' | 'present';
}

/** The hit ratio that a tier would have at other sizes, in numbers and words. */
export function curveOf(input: CurveInput): CurveReport {
  const rooms = input.rooms.filter((room) => room.reads > 0);
  const reads = rooms.reduce((sum, room) => sum + room.reads, 0);
  const fits = rooms.reduce((sum, room) => sum + room.entries, 0);
  const entries = fits < 1 ? null : fits;
  const size = rooms.reduce<number | null>((sum, room) => (sum === null || room.bytes === null ? null : sum + room.bytes), 0);
  const points = entries === null ? [] : pointsOf(rooms, reads, size);
  const recommended = reads < LEAST_READS ? null : recommend(points);
  const { measuredHitRatio } = input;
  return {
    reads,
    entries,
    bytes: entries === null ? null : size,
    measuredHitRatio,
    points,
    recommended,
    sentence: sentenceOf(input, points, recommended),
  };
}

function pointsOf(rooms: readonly Room[], reads: number, size: number | null): CurvePoint[] {
  const curves = rooms.map((room) => ({ ...room, curve: new MissRatioCurve(room.reuse, room.reads) }));
  return FACTORS.map((factor) => {
    const hits = curves.reduce((sum, one) => sum + (one.curve.hitRatioAt(one.entries * factor) ?? 0) * one.reads, 0);
    const entries = curves.reduce((sum, one) => sum + one.entries * factor, 0);
    return {
      factor,
      entries: Math.round(entries),
      bytes: size === null ? null : Math.round(size * factor),
      hitRatio: Math.min(hits / reads, 1),
    };
  });
}

/**
 * Halves the largest size as long as the half costs less than a point. From the top, so that a flat stretch before a rise, as a set of records gives that is read in turns, is not taken for the end.
 */
function recommend(points: readonly CurvePoint[]): CurvePoint | null {
  const sizes = points.filter(({ factor }) => Number.isInteger(Math.log2(factor)));
  let best = sizes.at(-1) ?? null;
  for (const smaller of sizes.toReversed()) {
    if (best === null || best.hitRatio - smaller.hitRatio >= WORTH) break;
    best = smaller;
  }
  return best;
}

function sentenceOf(input: CurveInput, points: readonly CurvePoint[], recommended: CurvePoint | null): string {
  const at = (factor: number): CurvePoint | undefined => points.find((point) => point.factor === factor);
  const [now, twice] = [at(1), at(2)];
  if (points.length === 0 && input.rooms.some(({ reads }) => reads > 0)) return `How many entries ${input.tier} can hold is not known yet.`;
  if (recommended === null || now === undefined || twice === undefined)
    return `Too few reads came to ${input.tier} to say what another size would do.`;
  const double = `With 2x the memory for ${input.tier} the hit ratio would be ${percent(twice.hitRatio)} instead of ${percent(now.hitRatio)}`;
  const is = input.sizeIs === 'limit' ? 'the limit' : 'what it holds now';
  const size = recommended.bytes === null ? `${count(recommended.entries)} entries` : bytes(recommended.bytes);
  const model = `(a model of an LRU; measured now: ${percent(input.measuredHitRatio)})`;
  return `${double} ${model}. ${advice(recommended, now, size, is)}`;
}

function advice(recommended: CurvePoint, now: CurvePoint, size: string, is: string): string {
  const largest = recommended.factor === FACTORS.at(-1);
  if (largest) return `Each doubling up to ${times(recommended.factor)} ${is} (${size}) gives a point or more: give it what you can.`;
  if (recommended.factor === 1) return `The size is right: from ${size} on no doubling gives a point.`;
  const smallest = recommended.factor === FACTORS[0];
  return `Recommended: ${size}${smallest ? ' or less' : ''}, ${times(recommended.factor)} ${is}, for ${percent(recommended.hitRatio)}${recommended.factor < 1 ? ` instead of ${percent(now.hitRatio)}` : ''}; from there on no doubling gives a point.`;
}
