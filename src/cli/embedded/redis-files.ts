import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { z } from 'zod';
import { identityOf, killIfRunning } from './process-identity.ts';
import { ask } from './redis-socket.ts';

/** A Unix socket's path must fit 108 bytes on Linux and 104 on macOS, its final NUL included. */
const MAX_SOCKET_PATH_BYTES = 100;
const TEMP_PREFIX = 'forebay-redis-';

/** What is noted of the running server, for the next process to find it. More in it is a newer version's, whose server has to be ended all the same. */
const noteSchema = z.object({
  socketPath: z.string(),
  server: z.object({ pid: z.number().int(), startedAt: z.string() }).nullable(),
});

/** The folder of a private Redis: its socket, log, snapshot, and the note about the running server. */
export interface RedisFiles {
  readonly dir: string;
  readonly socketPath: string;
  readonly logPath: string;
  /** Notes who runs now, so that a later process can end it. */
  noteServer(pid: number): void;
  dropSnapshot(): void;
  /** Removes what only a running server needs. */
  tidy(): void;
}

/** Ends a server that a killed process left behind, and prepares the folder for a new one. */
export async function prepareRedisFiles(dir: string): Promise<RedisFiles> {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const notePath = path.join(dir, 'server.json');
  await endOrphan(notePath);

  const inDir = path.join(dir, 'redis.sock');
  const isShort = Buffer.byteLength(inDir) <= MAX_SOCKET_PATH_BYTES;
  const socketPath = isShort ? inDir : path.join(mkdtempSync(path.join(tmpdir(), TEMP_PREFIX)), 'redis.sock');
  const note = (server: z.output<typeof noteSchema>['server']): void => {
    writeFileSync(`${notePath}.new`, JSON.stringify({ socketPath, server }));
    renameSync(`${notePath}.new`, notePath);
  };
  // Noted before the server starts: a kill between its start and the note of its pid leaves one that is found by its socket.
  note(null);
  return {
    dir,
    socketPath,
    logPath: path.join(dir, 'redis.log'),
    noteServer: (pid) => note(identityOf(pid)),
    dropSnapshot: () => rmSync(path.join(dir, 'dump.rdb'), { force: true }),
    tidy: () => {
      removeSocket(socketPath);
      rmSync(notePath, { force: true });
    },
  };
}

function removeSocket(socketPath: string): void {
  rmSync(socketPath, { force: true });
  const dir = path.dirname(socketPath);
  if (path.dirname(dir) === tmpdir() && path.basename(dir).startsWith(TEMP_PREFIX)) rmSync(dir, { recursive: true, force: true });
}

/**
 * Ends the server that the note tells of. The data folder's lock is ours, so whoever started it is gone.
 * By its socket, which nobody else has; and by its number only if the process with this number began when the noted one did.
 */
async function endOrphan(notePath: string): Promise<void> {
  let parsed;
  try {
    parsed = noteSchema.safeParse(JSON.parse(readFileSync(notePath, 'utf8')));
  } catch {
    return;
  }
  if (!parsed.success) return;
  const { socketPath, server } = parsed.data;
  await ask(socketPath, 'SHUTDOWN NOSAVE');
  if (server !== null) killIfRunning(server);
  removeSocket(socketPath);
  rmSync(notePath, { force: true });
}
