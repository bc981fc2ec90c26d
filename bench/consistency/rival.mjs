import { Pool } from 'pg';

/** A lifetime as people set it: long enough to be worth a cache. */
export const TTL_MS = 30_000;

const MARK_DIGITS = 64;
const CONNECTIONS = 4;

/**
 * Makes a contestant of a cache-aside cache: `open({ redisUrl, load })` gives `{ get(key), written(key), close() }`. It loads from Postgres; after each commit its user tells it that the key was
 * written, as its documentation asks. It knows of nothing that others change, and there is no outbox: that is what the comparison is about.
 */
export function contestant(open) {
  return async ({ databaseUrl, redisUrl, onCommit, slowLoad }) => {
    const pool = new Pool({ connectionString: databaseUrl, max: CONNECTIONS, connectionTimeoutMillis: 5000, query_timeout: 12_000 });
    pool.on('error', () => {});
    pool.on('connect', (client) => client.on('error', () => {}));
    let loaded = 0;
    const load = async (id) => {
      loaded += 1;
      const { rows } = await pool.query('select version, sha256 from forebay.file_info where id = $1', [id]);
      await slowLoad();
      const [row] = rows;
      return row === undefined ? null : { version: Number(row.version), mark: Number.parseInt(row.sha256.slice(-13), 16) };
    };
    const cache = await open({ redisUrl, load });
    const change = async ({ kind, id, mark, version }) => {
      if (kind === 'delete') {
        const { rowCount } = await pool.query('delete from forebay.file_info where id = $1 and version = $2', [id, version]);
        if (rowCount !== 1) throw new Error(`there was no record ${id} at version ${version}`);
        return version;
      }
      const text = mark.toString(16).padStart(MARK_DIGITS, '0');
      const { rows } =
        kind === 'update'
          ? await pool.query('update forebay.file_info set sha256 = $2 where id = $1 returning version', [id, text])
          : await pool.query(
              `insert into forebay.file_info (id, name, path, size, mime_type, owner_id, sha256)
               values ($1, 'chaos', '/chaos', 1, 'text/plain', 'chaos', $2) returning version`,
              [id, text],
            );
      onCommit([mark]);
      return Number(rows[0].version);
    };
    return {
      read: (id) => cache.get(id),
      write: async (wanted) => {
        const version = await change(wanted);
        // A user who gets an error here has no way to take the commit back; the write counts as done.
        await cache.written(wanted.id).catch(() => {});
        return version;
      },
      rollBack: async (id, mark) => {
        const client = await pool.connect();
        try {
          await client.query('begin');
          await client.query('update forebay.file_info set sha256 = $2 where id = $1', [id, mark.toString(16).padStart(MARK_DIGITS, '0')]);
          await Promise.all([cache.get(id), cache.get(id)]);
        } finally {
          await client.query('rollback').catch(() => {});
          client.release();
        }
      },
      invalidateTag: async (_tag, ids) => {
        for (const id of ids) await cache.written(id);
      },
      loaded: () => loaded,
      close: async () => {
        await cache.close();
        await pool.end();
      },
    };
  };
}
