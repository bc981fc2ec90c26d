import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { expect, vi } from 'vitest';
import type { Forebay } from '../../src/forebay.ts';
import { createForebay } from '../../src/forebay.ts';
import type { ForebayOptions } from '../../src/forebay-options.ts';
import type { Config } from '../../src/service/config.ts';
import type { Service } from '../../src/service/server.ts';
import { startService } from '../../src/service/server.ts';
import { shrinkPng } from './png.ts';

const FILES = 200;
const READ_EVERY_MS = 10;
const READS_AT_ONCE = 4;
const WRITE_EVERY_MS = 400;
const IMAGES = fileURLToPath(new URL('../../docs/images/', import.meta.url));
/** Pictures for the documentation are taken only when asked for: they show the numbers of one machine at one moment. */
const TAKES_PICTURES = process.env['UPDATE_SCREENSHOTS'] !== undefined;

/** A service with a page, and people who read from it and write to it all the time. */
export interface World extends AsyncDisposable {
  readonly forebay: Forebay;
  readonly service: Service;
  readonly ids: readonly string[];
}

export async function startWorld(
  where: { database: string; redis: string },
  config: Partial<Config> = {},
  { forPictures = TAKES_PICTURES, more = {} }: { forPictures?: boolean; more?: Partial<ForebayOptions> } = {},
): Promise<World> {
  // Little room in process memory, so that Redis has something to do.
  const forebay = await createForebay({ ...where, local: { maxEntries: 60 }, ...more });
  const service = await startService({ forebay, config: { port: 0, ...config } });
  const ids: string[] = [];
  for (let n = 0; n < FILES; n += 1) {
    const { record } = await forebay.files.create({
      path: `/archive/2026/scan-${n}.tif`,
      size: n * 1000,
      mimeType: 'image/tiff',
      ownerId: 'uid:1',
    });
    ids.push(record.id);
  }
  const underWay = new Set<Promise<unknown>>();
  const track = (work: Promise<unknown>): void => {
    underWay.add(work);
    // What fails while something is broken is what the page is there to show.
    void work.catch(() => {}).finally(() => underWay.delete(work));
  };
  let turn = 0;
  const next = (): string => ids[Math.floor(FILES * ((turn = (turn * 31 + 17) % 10_007) / 10_007) ** 2)] ?? '';
  const reads = setInterval(() => {
    for (let i = 0; i < READS_AT_ONCE; i += 1) track(forebay.files.lookup(next()));
  }, READ_EVERY_MS);
  const writes = setInterval(() => track(forebay.files.update(next(), { size: turn })), WRITE_EVERY_MS);
  // A calm load is known after a minute: the pictures tell of it.
  if (forPictures) await vi.waitFor(() => expect(forebay.vitals().pacer.calmLoad).not.toBeNull(), { timeout: 100_000, interval: 500 });
  return {
    forebay,
    service,
    ids,
    [Symbol.asyncDispose]: async () => {
      clearInterval(reads);
      clearInterval(writes);
      await service.close();
      await forebay.close();
      await Promise.allSettled(underWay);
    },
  };
}

/** A page that somebody looks at. */
export interface Viewer extends AsyncDisposable {
  readonly page: Page;
  /** Resolves when the sentence at the top matches, to how long that took from this call, in ms. */
  sees(sentence: RegExp, withinMs?: number): Promise<number>;
  /** Errors of the page since it was opened, and requests to anywhere but the service. */
  readonly errors: readonly string[];
}

export async function openViewer(browser: Browser, url: string, options: BrowserContextOptions = {}): Promise<Viewer> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 860 }, ...options });
  const page = await context.newPage();
  const errors: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') errors.push(message.text());
  });
  page.on('pageerror', (error) => errors.push(String(error)));
  page.on('request', (request) => {
    if (!request.url().startsWith(url)) errors.push(`asked for ${request.url()}`);
  });
  await page.goto(url);
  return {
    page,
    errors,
    sees: async (sentence, withinMs = 20_000) => {
      const from = performance.now();
      await expect.poll(() => page.textContent('#sentence'), { timeout: withinMs, interval: 20 }).toMatch(sentence);
      return performance.now() - from;
    },
    [Symbol.asyncDispose]: () => context.close(),
  };
}

/** Writes a picture for the documentation, if they are wanted: `seconds` later, when the charts show what has happened. */
export async function picture(page: Page, name: string, seconds = 8): Promise<void> {
  if (!TAKES_PICTURES) return;
  const seen = new Set<string | null>();
  if (seconds > 0)
    await expect.poll(async () => seen.add(await page.textContent('#stream')).size, { timeout: 30_000 }).toBeGreaterThan(seconds);
  mkdirSync(IMAGES, { recursive: true });
  writeFileSync(`${IMAGES}dashboard-${name}.png`, shrinkPng(await page.screenshot()));
}
