import type { CurvePoint, CurveReport } from './efficiency-report.ts';
import { bytes, count, percent } from './format.ts';

/** Markup that is whole and safe as it is. */
export class Markup {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

type Part = Markup | string | number | readonly Markup[];

const isList = (part: Part): part is readonly Markup[] => Array.isArray(part);

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

/** Markup with everything put into it escaped, other markup aside; attributes have to be in double quotes. What XML cannot hold is shown as a replacement character. */
export function markup(strings: TemplateStringsArray, ...parts: readonly Part[]): Markup {
  return new Markup(strings.reduce((text, string, i) => text + textOf(parts[i - 1] ?? '') + string));
}

function textOf(part: Part): string {
  if (part instanceof Markup) return part.text;
  if (isList(part)) return part.map(({ text }) => text).join('');
  return String(part)
    .toWellFormed()
    .replaceAll(/[\p{Cc}\uFFFE\uFFFF]/gu, '\uFFFD')
    .replaceAll(/[&<>"']/g, (character) => ENTITIES[character] ?? '');
}

const WIDTH = 640;
const HEIGHT = 280;
const LEFT = 52;
const RIGHT = 34;
const TOP = 16;
const BOTTOM = 46;

/** The curve of a tier as a plot: hit ratio over size, on a scale of doublings. */
export function curvePlot({ points, recommended, measuredHitRatio }: CurveReport, title: string): Markup {
  const [first, last] = [points[0], points.at(-1)];
  if (first === undefined || last === undefined) return markup`<p>Nothing was read.</p>`;
  const span = Math.log2(last.factor / first.factor);
  const x = (factor: number): number => round(LEFT + (Math.log2(factor / first.factor) / span) * (WIDTH - LEFT - RIGHT));
  const y = (ratio: number): number => round(TOP + (1 - ratio) * (HEIGHT - TOP - BOTTOM));
  const line = points.map(({ factor, hitRatio }) => `${x(factor)},${y(hitRatio)}`).join(' ');
  const whole = points.filter(({ factor }) => Number.isInteger(Math.log2(factor)));
  return markup`<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${title}: ${spoken(whole)}">
${[0, 0.25, 0.5, 0.75, 1].map((ratio) => markup`<line class="grid" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y(ratio)}" y2="${y(ratio)}"/><text class="tick end" x="${LEFT - 8}" y="${y(ratio) + 4}">${percent(ratio, 0)}</text>`)}
${whole.filter((_, i) => i % 2 === 0).map(({ factor, bytes: size, entries }) => markup`<text class="tick middle" x="${x(factor)}" y="${HEIGHT - BOTTOM + 20}">${size === null ? count(entries) : bytes(size)}</text><text class="tick middle" x="${x(factor)}" y="${HEIGHT - BOTTOM + 36}">${factor >= 1 ? `${factor}x` : `1/${1 / factor}`}</text>`)}
<line class="now" x1="${x(1)}" x2="${x(1)}" y1="${TOP}" y2="${HEIGHT - BOTTOM}"/>
<polyline class="curve" points="${line}"/>
${measuredHitRatio === null ? [] : [markup`<rect class="measured" x="${x(1) - 5}" y="${y(measuredHitRatio) - 5}" width="10" height="10"><title>measured: ${percent(measuredHitRatio)}</title></rect>`]}
${recommended === null ? [] : [markup`<circle class="best" cx="${x(recommended.factor)}" cy="${y(recommended.hitRatio)}" r="7"><title>recommended: ${percent(recommended.hitRatio)}</title></circle>`]}
</svg>`;
}

const spoken = (points: readonly CurvePoint[]): string =>
  points
    .map(({ factor, hitRatio }) => `${factor >= 1 ? `${factor} times` : `1/${1 / factor} of`} the size ${percent(hitRatio)}`)
    .join(', ');

/** A share as a bar. */
export function bar(share: number, kind: 'local' | 'remote' | 'source' | 'other'): Markup {
  const width = round(Math.min(Math.max(share, 0), 1) * 200);
  return markup`<svg class="bar" viewBox="0 0 200 12" aria-hidden="true"><rect class="track" width="200" height="12" rx="2"/><rect class="${kind}" width="${width}" height="12" rx="2"/></svg>`;
}

const round = (value: number): number => Math.round(value * 10) / 10;
