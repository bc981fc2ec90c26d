import { once } from 'node:events';
import type { AddressInfo, Socket } from 'node:net';
import { createServer } from 'node:net';
import { expect, test } from 'vitest';
import { followService } from '../../../src/cli/follow-service.ts';

test.each([
  ['takes the question and never answers', ''],
  ['begins its answer and stops', 'HTTP/1.1 200 OK\r\ncontent-type: application/x-ndjson\r\n\r\n{"progress":{"done":1}}\n'],
])('a service that %s is given up, and says what to do', async (_, said) => {
  const sockets = new Set<Socket>();
  // As a process that stands still: the kernel goes on accepting for it.
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.once('data', () => said !== '' && socket.write(said));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const seen: unknown[] = [];
  const options = { url, token: null, signal: new AbortController().signal, body: {}, silenceMs: 300 };
  try {
    await expect(followService('/v1/cache/warm', options, (progress) => seen.push(progress))).rejects.toMatchObject({
      code: 'SERVICE_UNREACHABLE',
      message: expect.stringMatching(/silent for 0\.3 s; what was done stays done, run it again/),
    });
    expect(seen).toHaveLength(said === '' ? 0 : 1);
  } finally {
    for (const socket of sockets) socket.destroy();
    server.close();
  }
});
