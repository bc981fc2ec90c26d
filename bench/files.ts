import type { Database } from '../src/postgres/database.ts';

/** Id of the n-th file, from 1. */
export const id = (n: number): string => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`;

/** Makes so many files of a photo archive, in an empty database that is migrated. */
export async function makeFiles(database: Database, files: number): Promise<void> {
  for (let at = 0; at < files; at += 100_000)
    await database.exec(`
      insert into forebay.file_info (id, name, path, size, mime_type, owner_id, sha256, tags, updated_at)
      select ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, 'IMG_' || n || '.jpg', '/srv/photos/' || (n / 1000) || '/' || md5(n::text) || '/IMG_' || n || '.jpg', n::bigint * 7919 % 9000000, 'image/jpeg', 'user:' || n % 500,
             md5(n::text) || md5('x' || n), array['photo', 'album-' || n / 200], now() - n % 1000 * interval '1 day'
        from generate_series(${at + 1}, ${Math.min(at + 100_000, files)}) n`);
  await database.exec('analyze forebay.file_info');
}
