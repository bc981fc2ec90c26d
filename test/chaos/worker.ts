/**
 * A process under test: one contestant, readers and writers on it, and logs of what they saw. The coordinator starts it and tells it what to do.
 */
import type { OpenContestant } from './contestant.ts';
import { setTimeout as pause } from 'node:timers/promises';
import { ReadLog, WriteLog } from './logs.ts';
import type { Answer, Command, WorkerSetup } from './protocol.ts';
import { SeededChance } from './random.ts';
import { sharedNow } from './clock.ts';
import { Readers } from './readers.ts';
import { Writers } from './writers.ts';

const SLOW_SHARE = 1 / 3;
const QUICK_LOAD_MS = 10;

const setup = JSON.parse(process.argv[2] ?? '{}') as WorkerSetup;
const reads = new ReadLog(setup.readLog);
const writes = new WriteLog(setup.writeLog);
const chance = new SeededChance(setup.seed, setup.process, setup.writer);
let dieAtCommit = false;
let dieAtRelayStep: string | null = null;

/** Like a power cut: nothing of this process runs after this line. */
function die(): never {
  reads.flush();
  process.kill(process.pid, 'SIGKILL');
  for (;;);
}

const { open } = (await import(setup.contestant)) as { open: OpenContestant };
const contestant = await open({
  databaseUrl: setup.databaseUrl,
  redisUrl: setup.redisUrl,
  source: setup.source,
  boundMs: setup.boundMs,
  relay: setup.relay,
  slowLoad: () => pause(chance.between(0, chance.next() < SLOW_SHARE ? setup.slowLoadMs : QUICK_LOAD_MS)),
  onCommit: (marks) => {
    for (const write of marks) writes.add({ step: 'committed', write, at: sharedNow() });
    if (dieAtCommit && marks.length > 0) die();
  },
  onRelayStep: (step) => {
    if (step === dieAtRelayStep) die();
  },
});
const readers = new Readers(contestant, reads, chance, setup);
const writers = new Writers(contestant, writes, chance, setup);

async function follow(command: Command): Promise<Omit<Answer, 'id'>> {
  switch (command.do) {
    case 'work':
      readers.work(command.load.readsPerSecond);
      writers.work(command.load.writesPerSecond, command.load.style);
      return {};
    case 'rest':
      await Promise.all([readers.rest(), writers.rest()]);
      reads.flush();
      return {};
    case 'readAll': {
      const versions = await readers.readAll();
      reads.flush();
      return { versions };
    }
    case 'dieAtCommit':
      dieAtCommit = true;
      return {};
    case 'dieAtRelayStep':
      dieAtRelayStep = command.step;
      return {};
    case 'loaded':
      return { loaded: contestant.loaded(), errors: readers.errors };
    default:
      return command satisfies never;
  }
}

process.on('message', ({ id, ...command }: Command & { id: number }) => {
  void follow(command as Command)
    .catch((error: unknown) => ({ error: String(error) }))
    .then((answer) => process.send?.({ id, ...answer } satisfies Answer));
});
process.on('disconnect', () => process.exit());
process.send?.({ id: 0 } satisfies Answer);
