import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TestRedis } from '../support/redis.ts';
import { SOUND_REDIS, startRedis } from '../support/redis.ts';
import { startChromium } from './chromium.ts';
import type { World } from './world.ts';
import { openViewer, picture, startWorld } from './world.ts';

const TOKEN = 'correct-horse-battery-staple';
const CALM = /^Nothing is broken: reads are answered/;

let browser: Browser;
let redis: TestRedis;
let world: World;
beforeAll(async () => {
  browser = await startChromium();
  redis = await startRedis({ args: SOUND_REDIS });
  world = await startWorld({ database: 'pglite:memory', redis: redis.url }, { token: TOKEN });
}, 180_000);
afterAll(async () => {
  await browser?.close();
  await world?.[Symbol.asyncDispose]();
  await redis?.stop();
});

const open = (options?: Parameters<typeof openViewer>[2]) => openViewer(browser, world.service.url, options);

describe('the page in calm weather', () => {
  it('loads whole, says so, and its numbers move with the load', async () => {
    await using viewer = await open();
    const { page, errors } = viewer;
    await viewer.sees(CALM);
    const figure = (label: string): Promise<string | null> => page.locator('.figure', { hasText: label }).locator('.number').textContent();
    await expect.poll(async () => Number(await figure('Reads a second'))).toBeGreaterThan(100);
    const seen = new Set<string | null>();
    await expect.poll(async () => seen.add(await page.textContent('#stream')).size, { timeout: 10_000 }).toBeGreaterThan(2);
    expect(await figure('Hit ratio')).toMatch(/\d\s%$/);
    expect(await figure('Latency, p99')).toMatch(/\s(µs|ms)$/);
    expect(await figure('Staleness at most')).toMatch(/\sms$/);
    expect(await page.locator('#endpoints').innerText()).toMatch(/Redis 127\.0\.0\.1:\d+\s+up[^]*Bus\s+heard[^]*Database[^]*up/);
    expect(await page.locator('#memory .bar').count()).toBe(2);
    expect(await page.locator('#ttl').innerText()).toMatch(/up to .*%/s);
    expect(await page.locator('#events').innerText()).toContain('Redis is connected.');
    await expect.poll(() => page.locator('.plot canvas').count()).toBe(6);
    expect(errors).toEqual([]);
    await picture(page, 'calm-light', 0);
  });

  it('has each chart in words and as a table, and says the state aloud once, not each second', async () => {
    await using viewer = await open();
    const { page, errors } = viewer;
    await page.evaluate(() => {
      const told: string[] = [];
      Object.assign(globalThis, { told });
      const live = document.getElementById('announcement');
      if (live !== null)
        new MutationObserver(() => told.push(live.textContent)).observe(live, { childList: true, characterData: true, subtree: true });
    });
    await viewer.sees(CALM);
    for (const plot of await page.locator('.plot').all())
      expect(await plot.getAttribute('aria-label')).toMatch(/, the last ten minutes\. .*: now .*, highest .*\.$/);
    const first = page.locator('.chart').first();
    await first.locator('summary').click();
    await expect.poll(() => first.locator('tbody tr').count()).toBeGreaterThan(0);
    expect(await first.locator('thead').innerText()).toMatch(/Minute.*memory.*Redis.*database/s);
    const seen = new Set<string | null>();
    await expect.poll(async () => seen.add(await page.textContent('#stream')).size, { timeout: 10_000 }).toBeGreaterThan(3);
    const told = await page.evaluate(() => (globalThis as unknown as { told: string[] }).told);
    expect(told.length).toBeLessThan(2);
    expect(await page.textContent('#announcement')).toMatch(/^All well\. Nothing is broken/);
    expect(errors).toEqual([]);
  });

  it('is light or dark as the system has it, or as its button says, and remembers that', async () => {
    const background = (page: Awaited<ReturnType<typeof open>>['page']): Promise<string> =>
      page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const [light, dark] = ['rgb(246, 247, 248)', 'rgb(16, 18, 20)'];
    for (const [colorScheme, expected] of [
      ['light', light],
      ['dark', dark],
    ] as const) {
      await using viewer = await open({ colorScheme });
      const { page, errors } = viewer;
      await viewer.sees(CALM);
      expect(await background(page)).toBe(expected);
      await page.getByRole('button', { name: 'Theme: system' }).click();
      expect(await background(page)).toBe(light);
      await page.getByRole('button', { name: 'Theme: light' }).click();
      expect(await background(page)).toBe(dark);
      await page.reload();
      expect(await background(page)).toBe(dark);
      await page.getByRole('button', { name: 'Theme: dark' }).click();
      expect(await background(page)).toBe(expected);
      await viewer.sees(CALM);
      expect(errors).toEqual([]);
      if (colorScheme === 'dark') await picture(page, 'calm-dark', 0);
    }
  });

  it('fits a phone of 360 px, whatever is opened on it', async () => {
    await using viewer = await open({ viewport: { width: 360, height: 780 } });
    const { page, errors } = viewer;
    await viewer.sees(CALM);
    const width = (): Promise<number> => page.evaluate(() => document.documentElement.scrollWidth);
    expect(await width()).toBe(360);
    await picture(page, 'phone', 0);
    for (const summary of await page.locator('summary').all()) await summary.click();
    await expect.poll(() => page.locator('.chart tbody tr').count()).toBeGreaterThan(5);
    expect(await width()).toBe(360);
    expect(errors).toEqual([]);
  });
});

describe('whoever has the token', () => {
  it('looks a file up with the keyboard alone, sees where the focus is all the way, and what is read most', async () => {
    await using viewer = await open();
    const { page, errors } = viewer;
    await viewer.sees(CALM);
    expect(await page.locator('#hot').innerText()).toContain('type in the token');
    const focused = () =>
      page.evaluate(() => {
        const node = document.activeElement as HTMLElement;
        const { outlineStyle, outlineWidth } = getComputedStyle(node);
        return { name: node.id || node.textContent.trim(), outline: outlineStyle === 'none' ? 'none' : outlineWidth };
      });
    const path: string[] = [];
    const tabTo = async (name: string): Promise<void> => {
      for (let i = 0; i < 30; i += 1) {
        await page.keyboard.press('Tab');
        const { name: here, outline } = await focused();
        expect([here, outline]).toEqual([here, '2px']);
        path.push(here);
        if (here === name) return;
      }
      throw new Error(`#${name} cannot be reached: ${path.join(', ')}`);
    };
    await tabTo('lookup-id');
    expect(path).toEqual(expect.arrayContaining(['Skip to the numbers', 'theme', 'events']));
    const [id = ''] = world.ids;
    await page.keyboard.type(id);
    await page.keyboard.press('Enter');
    // It is refused, says why, and leads to where the token is typed in.
    await expect.poll(() => page.textContent('#lookup-answer')).toContain('This needs the token');
    await expect.poll(async () => (await focused()).name).toBe('token');
    await page.keyboard.type('wrong-horse-battery-staple');
    await page.keyboard.press('Enter');
    await expect.poll(async () => (await focused()).name).toBe('lookup-id');
    await page.keyboard.press('Enter');
    await expect.poll(() => page.textContent('#lookup-answer')).toContain('not the one of this service');
    await expect.poll(async () => (await focused()).name).toBe('token');
    await page.keyboard.type(TOKEN);
    await page.keyboard.press('Enter');
    await page.keyboard.press('Enter');
    await expect.poll(() => page.textContent('#lookup-answer')).toMatch(/The record.*A read now: .*(process memory|Redis|the database)/s);
    await expect.poll(() => page.locator('#hot tbody tr').count(), { timeout: 20_000 }).toBeGreaterThan(3);
    const kept = await page.evaluate(() => [JSON.stringify(localStorage), document.documentElement.outerHTML].join(''));
    expect(kept).not.toContain(TOKEN);
    // Refusals are what this test provokes.
    expect(errors.filter((text) => !text.includes('401'))).toEqual([]);
  });

  it('is told what is wrong with an id that is none', async () => {
    await using viewer = await open();
    const { page } = viewer;
    await viewer.sees(CALM);
    await page.locator('#access summary').click();
    await page.fill('#token', TOKEN);
    await page.keyboard.press('Enter');
    await page.fill('#lookup-id', '../../admin');
    await page.keyboard.press('Enter');
    await expect.poll(() => page.textContent('#lookup-answer')).toMatch(/"id"/);
  });

  it('opens the efficiency report, which a link alone cannot', async () => {
    await using viewer = await open();
    const { page, errors } = viewer;
    await viewer.sees(CALM);
    await page.locator('#report').click();
    await expect.poll(() => page.evaluate(() => document.activeElement?.id)).toBe('token');
    await page.fill('#token', TOKEN);
    await page.keyboard.press('Enter');
    const opening = page.context().waitForEvent('page');
    await page.locator('#report').click();
    const report = await opening;
    await expect.poll(() => report.locator('h1').textContent()).toBe('What the caches did');
    // Its style came with it, though the page allows none but its own.
    expect(await report.locator('main').evaluate((main) => getComputedStyle(main).maxWidth)).toBe('860px');
    expect(errors.filter((text) => !text.includes('401') && !text.includes('blob:'))).toEqual([]);
  });
});
