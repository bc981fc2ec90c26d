import { once } from 'node:events';
import type { AddressInfo, Server, Socket } from 'node:net';
import { connect, createServer } from 'node:net';
import { Redis } from 'ioredis';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { FaultProxy } from '../../support/fault-proxy.ts';
import { startRedis } from '../../support/redis.ts';

/** An echo server: what comes back went both ways. */
let server: Server;
let proxy: FaultProxy;
const sockets: Socket[] = [];
/** What the server had received, whether or not the echo came through. */
let received = '';
let serverSockets: Socket[] = [];

beforeEach(async () => {
  received = '';
  serverSockets = [];
  server = createServer({ allowHalfOpen: true }, (socket) => {
    serverSockets.push(socket);
    socket.on('error', () => {});
    socket.on('end', () => socket.end());
    socket.on('data', (bytes) => {
      received += bytes.toString('latin1');
      socket.write(bytes);
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  proxy = await FaultProxy.start({ target: (server.address() as AddressInfo).port });
});

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await proxy.close();
  for (const socket of serverSockets) socket.destroy();
  server.close();
});

interface Client {
  readonly socket: Socket;
  readonly text: () => string;
  readonly state: () => 'open' | 'reset' | 'ended';
}

async function open(port = proxy.port): Promise<Client> {
  const socket = connect(port, '127.0.0.1');
  sockets.push(socket);
  let text = '';
  let state: 'open' | 'reset' | 'ended' = 'open';
  socket.on('data', (bytes) => (text += bytes.toString('latin1')));
  socket.on('error', () => (state = 'reset'));
  socket.on('end', () => (state = 'ended'));
  await new Promise<void>((resolve) => socket.once('connect', resolve).once('close', () => resolve()));
  return { socket, text: () => text, state: () => state };
}

const until = (condition: () => unknown): Promise<void> => expect.poll(condition, { timeout: 5000, interval: 5 }).toBeTruthy();

/** By the time another connection's echo is back, this proxy has had its turn for everything sent before. */
async function aRoundTripElsewhere(): Promise<void> {
  const other = createServer((socket) => socket.on('error', () => {}).pipe(socket)).listen(0, '127.0.0.1');
  await once(other, 'listening');
  await using second = await FaultProxy.start({ target: (other.address() as AddressInfo).port });
  for (let i = 0; i < 5; i += 1) {
    const client = await open(second.port);
    client.socket.write('x');
    await until(() => client.text() === 'x');
    client.socket.destroy();
  }
  other.close();
}

describe('the fault proxy', () => {
  test('bytes come through unchanged and in order, whatever the delays', async () => {
    proxy.impose({ toServer: { jitterMs: 3 }, toClient: { delayMs: 2, jitterMs: 3 } });
    const client = await open();
    const sent = Array.from({ length: 200 }, (_, i) => `${i};`);
    for (const part of sent) client.socket.write(part);
    await until(() => client.text().length === sent.join('').length);
    expect(client.text()).toBe(sent.join(''));
  });

  test('a delay holds each part back for at least so long', async () => {
    proxy.impose({ toClient: { delayMs: 60 } });
    const client = await open();
    const sentAt = performance.now();
    client.socket.write('a');
    await until(() => client.text() === 'a');
    expect(performance.now() - sentAt).toBeGreaterThanOrEqual(59);
  });

  test('a black hole keeps the connection and delivers what it held once it is lifted', async () => {
    const client = await open();
    const lift = proxy.impose({ toServer: { stop: true }, toClient: { stop: true } });
    client.socket.write('held');
    await aRoundTripElsewhere();
    expect([received, client.text(), client.state()]).toEqual(['', '', 'open']);
    lift();
    await until(() => client.text() === 'held');
  });

  test('a half-open connection carries one direction only', async () => {
    const client = await open();
    const lift = proxy.impose({ toClient: { stop: true } });
    client.socket.write('question');
    await until(() => received === 'question');
    expect([client.text(), client.state()]).toEqual(['', 'open']);
    lift();
    await until(() => client.text() === 'question');
  });

  test('the end of a connection does not come through a black hole either', async () => {
    const client = await open();
    client.socket.write('a');
    await until(() => client.text() === 'a');
    const lift = proxy.impose({ toClient: { stop: true } });
    for (const socket of serverSockets) socket.end();
    await aRoundTripElsewhere();
    expect(client.state()).toBe('open');
    lift();
    await until(() => client.state() === 'ended');
  });

  test.each(['reset', 'drop'] as const)('cut by %s, a client sees that end', async (how) => {
    const client = await open();
    client.socket.write('a');
    await until(() => client.text() === 'a');
    proxy.cut(how);
    await until(() => client.state() === (how === 'reset' ? 'reset' : 'ended'));
    await until(() => proxy.connections.length === 0);
  });

  test('new connections are reset while they are refused, and old ones stay', async () => {
    const old = await open();
    const lift = proxy.impose({ refuse: true });
    const refused = await open();
    await until(() => refused.state() === 'reset');
    old.socket.write('still here');
    await until(() => old.text() === 'still here');
    lift();
    const later = await open();
    later.socket.write('back');
    await until(() => later.text() === 'back');
  });

  test('a throttle spreads parts over time', async () => {
    proxy.impose({ toServer: { bytesPerSecond: 10_000 } });
    const client = await open();
    const sentAt = performance.now();
    client.socket.write('x'.repeat(500));
    await until(() => client.text().length === 500);
    client.socket.write('y'.repeat(500));
    await until(() => client.text().length === 1000);
    expect(performance.now() - sentAt).toBeGreaterThanOrEqual(49);
  });

  test('a sender into a black hole feels back-pressure, so that little is held', async () => {
    proxy.impose({ toServer: { stop: true } });
    const client = await open();
    const part = Buffer.alloc(256 * 1024);
    let sent = 0;
    while (client.socket.write(part)) sent += part.length;
    // What the kernel's buffers and the proxy hold, and no more: the socket stays full.
    for (let i = 0; i < 100; i += 1) client.socket.write(part);
    await aRoundTripElsewhere();
    expect(sent).toBeLessThan(100 * part.length);
    expect(client.socket.writableLength).toBeGreaterThan(10 * part.length);
  });

  test('connections to come go to the new target, those that are there stay', async () => {
    const other = createServer((socket) => socket.on('error', () => {}).write('other')).listen(0, '127.0.0.1');
    await once(other, 'listening');
    const old = await open();
    old.socket.write('a');
    await until(() => old.text() === 'a');
    proxy.retarget((other.address() as AddressInfo).port);
    const client = await open();
    await until(() => client.text() === 'other');
    old.socket.write('b');
    await until(() => old.text() === 'ab');
    other.close();
  });

  test('a connection to a server that is gone is reset', async () => {
    server.close();
    const client = await open();
    client.socket.write('a');
    await until(() => client.state() === 'reset');
  });

  test('of a Redis client the subscriber alone can be cut off', async () => {
    await using redis = await startRedis();
    await using front = await FaultProxy.start({ target: redis.port });
    const commands = new Redis(front.port, '127.0.0.1', { connectionName: 'forebay' });
    const subscriber = new Redis(front.port, '127.0.0.1', { connectionName: 'forebay-bus' });
    const heard: string[] = [];
    subscriber.on('message', (_channel, text: string) => heard.push(text));
    await subscriber.subscribe('news');
    await commands.publish('news', '1');
    await until(() => heard.length === 1);
    expect(front.connections.map(({ kind }) => kind).sort()).toEqual(['command', 'subscriber']);
    const lift = front.impose({ select: ({ kind }) => kind === 'subscriber', toClient: { stop: true } });
    await commands.publish('news', '2');
    expect(await commands.ping()).toBe('PONG');
    expect(heard).toEqual(['1']);
    lift();
    await until(() => heard.length === 2);
    commands.disconnect();
    subscriber.disconnect();
  });
});
