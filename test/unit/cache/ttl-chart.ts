import { adaptiveTtl } from '../../../src/cache/ttl.ts';

/** One line of a panel: its name and its TTL in seconds at each x. */
interface Curve {
  readonly name: string;
  readonly ttlS: (x: number) => number;
}

interface Panel {
  readonly title: string;
  readonly left: number;
  readonly from: number;
  readonly to: number;
  readonly marks: readonly (readonly [label: string, x: number])[];
  readonly curves: readonly Curve[];
}

const policy = adaptiveTtl();
const DAY_S = 86_400;
const WIDTH = 300;
const HEIGHT = 200;
const TOP = 40;
/** Most and least of the TTL axis, in seconds. */
const [TTL_MAX, TTL_MIN] = [6 * 3600, 60];
const COLOURS = ['#0b6e99', '#2a9d5c', '#b8860b', '#c0392b'];
const POINTS = 61;
const NAME_HEIGHT = 13;

const ttlS = (ageS: number, readsPerSecond: number, size = 0): number => policy({ ageS, readsPerSecond, size, firstRead: false }) / 1000;

const panels: readonly Panel[] = [
  {
    title: 'TTL over the age of the record, by reads per second',
    left: 50,
    from: 60,
    to: 3 * 365 * DAY_S,
    marks: [
      ['1 h', 3600],
      ['1 d', DAY_S],
      ['1 mon', 30 * DAY_S],
      ['1 y', 365 * DAY_S],
    ],
    curves: [0.001, 0.01, 0.1, 1].map((rate) => ({ name: `${rate}/s`, ttlS: (ageS) => ttlS(ageS, rate) })),
  },
  {
    title: 'TTL over the size of the file, 0.01 reads per second',
    left: 450,
    from: 1024,
    to: 100 * 2 ** 30,
    marks: [
      ['64 KiB', 2 ** 16],
      ['1 MiB', 2 ** 20],
      ['100 MiB', 100 * 2 ** 20],
      ['10 GiB', 10 * 2 ** 30],
    ],
    curves: (
      [
        ['1 year old', 365],
        ['1 month old', 30],
        ['1 day old', 1],
      ] as const
    ).map(([name, days]) => ({ name, ttlS: (size) => ttlS(days * DAY_S, 0.01, size) })),
  },
];

/** Where a value lies between two others on a logarithmic axis, 0 to 1. */
const along = (value: number, from: number, to: number): number => Math.log(value / from) / Math.log(to / from);

function drawPanel({ title, left, from, to, marks, curves }: Panel): string[] {
  const x = (value: number): string => (left + WIDTH * along(value, from, to)).toFixed(1);
  const y = (seconds: number): string => (TOP + HEIGHT * along(seconds, TTL_MAX, TTL_MIN)).toFixed(1);
  const bottom = TOP + HEIGHT;
  const lines = [`<text x="${left}" y="24" font-weight="bold">${title}</text>`];
  for (const [label, seconds] of [
    ['6 h', TTL_MAX],
    ['1 h', 3600],
    ['10 m', 600],
    ['1 m', TTL_MIN],
  ] as const) {
    lines.push(`<path d="M${left} ${y(seconds)}h${WIDTH}" stroke="#ddd"/>`);
    lines.push(`<text x="${left - 6}" y="${y(seconds)}" dy="4" text-anchor="end">${label}</text>`);
  }
  for (const [label, value] of marks) {
    lines.push(`<path d="M${x(value)} ${TOP}V${bottom}" stroke="#eee"/>`);
    lines.push(`<text x="${x(value)}" y="${bottom + 16}" text-anchor="middle">${label}</text>`);
  }
  let nameY = 0;
  for (const [i, { name, ttlS: at }] of curves.entries()) {
    const points = Array.from({ length: POINTS }, (_, step) => from * (to / from) ** (step / (POINTS - 1)));
    const colour = COLOURS[i] ?? '#000';
    lines.push(
      `<polyline fill="none" stroke="${colour}" stroke-width="2" points="${points.map((p) => `${x(p)},${y(at(p))}`).join(' ')}"/>`,
    );
    // Curves come from the highest to the lowest; names that would lie on each other are moved down.
    nameY = Math.max(nameY + NAME_HEIGHT, Number(y(at(to))) + 4);
    lines.push(`<text x="${left + WIDTH + 6}" y="${nameY.toFixed(1)}" fill="${colour}">${name}</text>`);
  }
  return lines;
}

/** The curves of the default policy, as `docs/ttl-curves.svg` shows them. Both axes are logarithmic. */
export function ttlChart(): string {
  return [
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 840 270" font-family="sans-serif" font-size="11">',
    '<rect width="840" height="270" fill="#fff"/>',
    ...panels.flatMap(drawPanel),
    '</svg>',
    '',
  ].join('\n');
}
