import { crc32, deflateSync, inflateSync } from 'node:zlib';

const SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
const MOST_COLORS = 256;
const MOST_FREQUENT = 192;

interface Image {
  readonly width: number;
  readonly height: number;
  /** Three bytes a pixel. */
  readonly rgb: Buffer;
}

/** A picture of a page again in as few bytes as 256 colours allow: a third of what the browser writes, and no eye sees it on flat colours and text. */
export function shrinkPng(png: Buffer): Buffer {
  const image = decode(png);
  const { palette, indexes } = paletteOf(image);
  const rows = Buffer.alloc((image.width + 1) * image.height);
  for (let y = 0; y < image.height; y += 1) rows.set(indexes.subarray(y * image.width, (y + 1) * image.width), y * (image.width + 1) + 1);
  const header = Buffer.alloc(13);
  header.writeUInt32BE(image.width, 0);
  header.writeUInt32BE(image.height, 4);
  header.set([8, 3, 0, 0, 0], 8);
  const data = deflateSync(rows, { level: 9, memLevel: 9 });
  return Buffer.concat([SIGNATURE, chunk('IHDR', header), chunk('PLTE', palette), chunk('IDAT', data), chunk('IEND', Buffer.alloc(0))]);
}

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(data.length);
  sum.writeUInt32BE(crc32(body));
  return Buffer.concat([length, body, sum]);
}

/** What Chromium writes: 8 bits, RGB or RGBA, not interlaced. */
function decode(png: Buffer): Image {
  const [width, height, depth, kind, interlaced] = [png.readUInt32BE(16), png.readUInt32BE(20), png[24], png[25], png[28]];
  if (depth !== 8 || (kind !== 2 && kind !== 6) || interlaced !== 0)
    throw new Error(`a PNG of depth ${depth} and kind ${kind} is not expected`);
  const parts: Buffer[] = [];
  for (let at = 8; at < png.length; at += png.readUInt32BE(at) + 12)
    if (png.toString('latin1', at + 4, at + 8) === 'IDAT') parts.push(png.subarray(at + 8, at + 8 + png.readUInt32BE(at)));
  const step = kind === 6 ? 4 : 3;
  const raw = unfilter(inflateSync(Buffer.concat(parts)), width * step, height, step);
  const rgb = Buffer.alloc(width * height * 3);
  for (let i = 0; i < width * height; i += 1) raw.copy(rgb, i * 3, i * step, i * step + 3);
  return { width, height, rgb };
}

/** PNG, second edition, 9.2. */
function unfilter(data: Buffer, stride: number, height: number, step: number): Buffer {
  const out = Buffer.alloc(stride * height);
  for (let y = 0; y < height; y += 1) {
    const filter = data[y * (stride + 1)] ?? 0;
    for (let x = 0; x < stride; x += 1) {
      const at = y * stride + x;
      const left = x < step ? 0 : (out[at - step] ?? 0);
      const up = y === 0 ? 0 : (out[at - stride] ?? 0);
      const corner = x < step || y === 0 ? 0 : (out[at - stride - step] ?? 0);
      const guess = [0, left, up, (left + up) >> 1, paeth(left, up, corner)][filter] ?? 0;
      out[at] = (data[y * (stride + 1) + 1 + x] ?? 0) + guess;
    }
  }
  return out;
}

function paeth(left: number, up: number, corner: number): number {
  const [a, b, c] = [Math.abs(up - corner), Math.abs(left - corner), Math.abs(left + up - 2 * corner)];
  return a <= b && a <= c ? left : b <= c ? up : corner;
}

/** The colours that are kept; the others are drawn with the nearest of those. */
function paletteOf({ rgb }: Image): { palette: Buffer; indexes: Buffer } {
  const counts = new Map<number, number>();
  const colorAt = (i: number): number => rgb.readUIntBE(i * 3, 3);
  const pixels = rgb.length / 3;
  for (let i = 0; i < pixels; i += 1) counts.set(colorAt(i), (counts.get(colorAt(i)) ?? 0) + 1);
  const kept = pick([...counts].toSorted((a, b) => b[1] - a[1]).map(([color]) => color));
  const indexOf = new Map(kept.map((color, i) => [color, i]));
  for (const color of counts.keys()) if (!indexOf.has(color)) indexOf.set(color, nearest(color, kept));
  const palette = Buffer.alloc(kept.length * 3);
  for (const [i, color] of kept.entries()) palette.writeUIntBE(color, i * 3, 3);
  const indexes = Buffer.alloc(pixels);
  for (let i = 0; i < pixels; i += 1) indexes[i] = indexOf.get(colorAt(i)) ?? 0;
  return { palette, indexes };
}

/** The most frequent ones; and then those that are farthest from all that were picked, so that a small dot keeps its colour. `colors`: the most frequent first. */
function pick(colors: readonly number[]): number[] {
  const kept = colors.slice(0, MOST_FREQUENT);
  const gaps = new Map(colors.slice(MOST_FREQUENT).map((color) => [color, Math.min(...kept.map((other) => distance(color, other)))]));
  while (kept.length < MOST_COLORS && gaps.size > 0) {
    const [farthest] = [...gaps].reduce((a, b) => (b[1] > a[1] ? b : a));
    kept.push(farthest);
    gaps.delete(farthest);
    for (const [color, gap] of gaps) gaps.set(color, Math.min(gap, distance(color, farthest)));
  }
  return kept;
}

function distance(color: number, other: number): number {
  return [16, 8, 0].reduce((sum, shift) => sum + (((color >> shift) & 255) - ((other >> shift) & 255)) ** 2, 0);
}

function nearest(color: number, palette: readonly number[]): number {
  let best = 0;
  for (const [i, other] of palette.entries()) if (distance(color, other) < distance(color, palette[best] ?? 0)) best = i;
  return best;
}
