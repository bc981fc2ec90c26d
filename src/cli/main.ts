#!/usr/bin/env node
import { listenForInterrupts } from './interrupts.ts';
import { run } from './program.ts';
import { readAll } from './read-all.ts';
import { readLines } from './read-lines.ts';
import { EXIT } from './shell.ts';

const LINGER_MS = 2000;

// A terminal that was closed takes the streams with it; the orderly stop that follows must not fail on them.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});

const interrupts = listenForInterrupts(() => process.exit(EXIT.interrupted));
const exitCode = await run(process.argv.slice(2), {
  env: process.env,
  cwd: process.cwd(),
  isTerminal: process.stderr.isTTY,
  isOutputTerminal: process.stdout.isTTY,
  input: () => readAll(process.stdin),
  inputLines: () => readLines(process.stdin),
  out: (line) => void process.stdout.write(`${line}\n`),
  note: (line) => void process.stderr.write(`${line}\n`),
  stop: interrupts.signal,
  endAtOnce: (end) => interrupts.endAtOnce(end),
});
interrupts[Symbol.dispose]();
// Everything is closed now. Something that still keeps the process alive would be a fault, and nobody's Ctrl-C should have to wait for it.
process.exitCode = exitCode;
setTimeout(() => process.exit(), LINGER_MS).unref();
