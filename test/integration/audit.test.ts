import { expect, test, vi } from 'vitest';
import { createForebay } from '../../src/forebay.ts';
import type { Logger } from '../../src/core/logger.ts';
import { silentLogger } from '../../src/core/logger.ts';
import { openDatabase } from '../../src/postgres/database.ts';
import { migrate } from '../../src/postgres/migrate.ts';

const NEW_FILE = { path: '/a', size: 1, mimeType: 'text/plain', ownerId: 'a' };

const metric = (text: string, name: string): number => Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1] ?? Number.NaN);

test('the auditor finds what is cached as it is in the database, and a change that no trigger tells of as stale', async () => {
  await using database = await openDatabase('pglite:memory');
  await migrate(database);
  const told: object[] = [];
  const logger: Logger = { ...silentLogger, error: (fields) => told.push(fields) };
  await using forebay = await createForebay({ database, redis: null, auditPerSecond: 100, maxStalenessMs: 300, logger });
  const { record } = await forebay.files.create(NEW_FILE);
  await forebay.files.get(record.id);
  const read = async (name: string): Promise<number> => metric((await forebay.metricsText()).body, name);
  await vi.waitFor(async () => expect(await read('forebay_audit_checked_total')).toBeGreaterThan(0), { timeout: 10_000, interval: 50 });
  expect(await read('forebay_audit_stale_total')).toBe(0);

  await database.exec(`
    alter table forebay.file_info disable trigger file_info_updated;
    create trigger drawn before update on forebay.file_info for each row execute function forebay.draw_version()`);
  await forebay.files.get(record.id);
  await database.query('update forebay.file_info set size = 2 where id = $1', [record.id]);
  const keepReading = setInterval(() => void forebay.files.get(record.id), 50);
  try {
    await vi.waitFor(async () => expect(await read('forebay_audit_stale_total')).toBe(1), { timeout: 20_000, interval: 100 });
  } finally {
    clearInterval(keepReading);
  }
  expect(await read('forebay_audit_worst_age_seconds')).toBeGreaterThan(0.3);
  expect(told[0]).toMatchObject({ cache: 'file:info', key: record.id, held: record.version });
  await vi.waitFor(() => expect(told[1]).toMatchObject({ alert: 'stale_found', state: 'firing', value: 1 }), { timeout: 20_000 });
  expect(forebay.alerts()).toMatchObject([{ alert: 'stale_found' }]);
  expect(told).toHaveLength(2);
});
