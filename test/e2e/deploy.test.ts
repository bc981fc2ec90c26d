import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { loadConfig } from '../../src/service/config.ts';
import { createApp } from '../../src/service/app.ts';
import { createMemoryForebay } from '../support/memory-forebay.ts';
import { eventually } from '../support/eventually.ts';
import { processesWith, root, runProgram } from '../support/program.ts';
import { runHere } from '../support/run-here.ts';

const ops = path.join(root, 'ops');
const read = (name: string): string => readFileSync(path.join(ops, name), 'utf8');

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'forebay-deploy-'));
});
afterAll(() => {
  for (const line of processesWith(dir)) process.kill(Number.parseInt(line, 10), 'SIGKILL');
  rmSync(dir, { recursive: true, force: true });
});

/** `key=value` of a section, in order; a key may come more than once. */
function unitOf(text: string): Map<string, readonly (readonly [key: string, value: string])[]> {
  const sections = new Map<string, [string, string][]>();
  let section: [string, string][] = [];
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('#')) continue;
    const header = /^\[(\w+)\]$/.exec(line)?.[1];
    if (header !== undefined) sections.set(header, (section = []));
    else {
      const [, key = '', value = ''] = /^([A-Z]\w*)=(.*)$/.exec(line) ?? [];
      expect(key, `no key in: ${line}`).not.toBe('');
      section.push([key, value]);
    }
  }
  return sections;
}

describe('the systemd unit', () => {
  const unit = unitOf(read('forebay.service'));
  const all = (key: string): string[] => (unit.get('Service') ?? []).filter(([name]) => name === key).map(([, value]) => value);
  const one = (key: string): string => all(key)[0] ?? '';
  const seconds = (key: string): number => Number(one(key));
  const environment = (): Record<string, string> =>
    Object.fromEntries(
      all('Environment').map((text) => [text.slice(0, text.indexOf('=')), text.slice(text.indexOf('=') + 1).replace('%d', dir)]),
    );

  test('holds only what systemd knows, where it can be asked; newer keys it ignores', () => {
    // systemd wants to find what it would start.
    const copy = path.join(dir, 'forebay.service');
    writeFileSync(copy, read('forebay.service').replace(/^ExecStart=\S+/m, `ExecStart=${process.execPath}`));
    const { error, status, stderr } = spawnSync('systemd-analyze', ['verify', copy], { encoding: 'utf8' });
    // Where there is no systemd, the other tests are what holds it.
    const lines = error === undefined ? stderr.split('\n').filter((line) => line.includes(copy)) : [];
    expect(lines.filter((line) => !/Unknown key '(RestartSteps|RestartMaxDelaySec)'/.test(line))).toEqual([]);
    expect(status ?? 0).toBe(0);
    expect([...unit.keys()]).toEqual(['Unit', 'Service', 'Install']);
  });

  test('starts a command line that the program takes, with settings that it knows', () => {
    writeFileSync(path.join(dir, 'token'), 'a-token-of-enough-length\n');
    const [program, ...args] = one('ExecStart').split(' ');
    expect([path.basename(program ?? ''), ...args]).toEqual(['forebay', 'serve']);
    const config = loadConfig({ flags: {}, env: environment(), cwd: dir });
    expect(config).toMatchObject({ token: 'a-token-of-enough-length', data: '/var/lib/forebay/data', databaseUrl: 'embedded' });
    // The data folder is the one that the service may write to.
    expect(one('StateDirectory')).toBe('forebay');
    expect(one('WorkingDirectory')).toBe('/var/lib/forebay');
  });

  test('restarts whatever ends it, without a limit, and gives it the time to close', () => {
    const { shutdownTimeoutMs } = loadConfig({ flags: {}, env: {}, cwd: dir });
    expect(one('Restart')).toBe('always');
    expect(unit.get('Unit')).toContainEqual(['StartLimitIntervalSec', '0']);
    expect(seconds('RestartSec')).toBeLessThanOrEqual(1);
    expect(seconds('TimeoutStopSec')).toBeGreaterThanOrEqual((2 * shutdownTimeoutMs) / 1000);
    expect(one('KillMode')).toBe('mixed');
    expect(one('RestartPreventExitStatus')).toBe('2');
    expect(one('WatchdogSec')).toBe('');
  });

  test('is hardened', () => {
    const wanted = ['DynamicUser', 'NoNewPrivileges', 'PrivateTmp', 'PrivateDevices', 'ProtectHome', 'RestrictSUIDSGID', 'LockPersonality'];
    for (const key of wanted) expect(one(key), key).toBe('yes');
    expect(one('ProtectSystem')).toBe('strict');
    expect(one('CapabilityBoundingSet')).toBe('');
    expect(all('LoadCredential')).toEqual(['token:/etc/forebay/token']);
  });
});

const healthcheck = z.object({ test: z.array(z.string()).min(2), interval: z.string(), timeout: z.string(), retries: z.int() }).loose();
const composeSchema = z.object({
  services: z.record(
    z.string(),
    z
      .object({
        image: z.string(),
        restart: z.literal('unless-stopped'),
        mem_limit: z.string().regex(/^\d+[mg]$/),
        healthcheck,
        command: z.array(z.string()).optional(),
        environment: z.record(z.string(), z.string()).optional(),
        secrets: z.array(z.string()).optional(),
        ports: z.array(z.string()).optional(),
        networks: z.array(z.string()),
        volumes: z.array(z.string()).optional(),
        build: z.object({ context: z.string(), dockerfile: z.string() }).optional(),
        depends_on: z.record(z.string(), z.object({ condition: z.string() })).optional(),
        stop_grace_period: z.string().optional(),
      })
      .loose(),
  ),
  secrets: z.record(z.string(), z.object({ file: z.string() })),
  networks: z.record(z.string(), z.object({ internal: z.boolean().optional() })),
  volumes: z.record(z.string(), z.unknown()),
  configs: z.record(z.string(), z.object({ content: z.string() })),
});

describe('the compose file', () => {
  const compose = composeSchema.parse(parse(read('compose.yml'), { merge: true }));
  const { services } = compose;
  const forebays = Object.entries(services).filter(([, { image }]) => image === 'forebay');

  test('runs two instances with settings and a command line that the program takes', () => {
    expect(forebays.map(([name]) => name)).toEqual(['forebay-1', 'forebay-2']);
    const config = path.join(dir, 'forebay.json');
    writeFileSync(
      config,
      JSON.stringify({ databaseUrl: 'postgres://forebay:secret@postgres:5432/forebay', token: 'a-token-of-enough-length' }),
    );
    for (const [, { command = [], environment = {}, secrets }] of forebays) {
      expect(command).toEqual(['serve', '--config', '/run/secrets/forebay_config']);
      expect(secrets).toEqual(['forebay_config']);
      const read = loadConfig({ flags: { config }, env: environment, cwd: dir });
      expect(read).toMatchObject({ host: '0.0.0.0', port: 7070, redisUrl: 'redis://redis:6379', token: 'a-token-of-enough-length' });
      expect(new URL(read.databaseUrl).hostname).toBe('postgres');
    }
  });

  test('names only what there is: files, secrets, networks, volumes, services and ports', () => {
    const ports = Object.values(services).flatMap((service) => service.ports ?? []);
    expect(new Set(ports.map((port) => port.split(':')[1])).size).toBe(ports.length);
    for (const port of ports) expect(port).toMatch(/^127\.0\.0\.1:\d+:(7070|9090)$/);
    for (const [name, service] of Object.entries(services)) {
      for (const secret of service.secrets ?? []) expect(compose.secrets, name).toHaveProperty(secret);
      for (const network of service.networks) expect(compose.networks, name).toHaveProperty(network);
      for (const other of Object.keys(service.depends_on ?? {})) expect(services, name).toHaveProperty(other);
      for (const [from = ''] of (service.volumes ?? []).map((volume) => volume.split(':')))
        if (from.startsWith('.')) expect(existsSync(path.join(ops, from)), from).toBe(true);
        else expect(compose.volumes).toHaveProperty(from);
      if (service.build !== undefined) expect(existsSync(path.join(ops, service.build.context, service.build.dockerfile))).toBe(true);
    }
    expect(compose.networks['back']).toEqual({ internal: true });
    expect(parse(compose.configs['prometheus']?.content ?? '')).toMatchObject({
      scrape_configs: [{ job_name: 'forebay', static_configs: [{ targets: forebays.map(([name]) => `${name}:7070`) }] }],
    });
  });

  test('asks an instance whether it is ready as the image does, on a path that there is', async () => {
    const app = createApp({ forebay: createMemoryForebay() });
    await app.listen({ port: 0, host: '127.0.0.1' });
    const address = app.server.address();
    const port = typeof address === 'object' ? address?.port : undefined;
    const checks = [
      ...forebays.map(
        ([
          ,
          {
            healthcheck: { test: check },
          },
        ]) => check.slice(1),
      ),
      JSON.parse(/CMD (\["node", "-e".*\])/.exec(read('Dockerfile'))?.[1] ?? '[]') as string[],
    ];
    for (const [program, flag = '', script = ''] of checks) {
      expect([program, flag]).toEqual(['node', '-e']);
      expect(script).toContain('http://127.0.0.1:7070/readyz');
      const ask = (at: string): Promise<number | NodeJS.Signals> =>
        runProgram([flag, script.replace('http://127.0.0.1:7070', at)], { command: [process.execPath] }).exited;
      expect(
        await Promise.all([ask(`http://127.0.0.1:${port}`), ask(`http://127.0.0.1:${port}/nothing-here`), ask('http://127.0.0.1:1')]),
      ).toEqual([0, 1, 1]);
    }
    await app.close();
  });

  test('keeps Redis below its limit of memory, and the image runs the program without rights', () => {
    expect(read('redis.conf')).toContain('maxmemory 256mb');
    expect(services['redis']?.mem_limit).toBe('384m');
    const dockerfile = read('Dockerfile');
    const { engines } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as { engines: { node: string } };
    expect(engines.node).toBe('>=22.18');
    for (const [, image] of dockerfile.matchAll(/^FROM (\S+)/gm)) expect(image).toBe('node:24-bookworm-slim');
    expect(dockerfile).toMatch(/^USER node$/m);
    for (const [, from = ''] of dockerfile.matchAll(/^COPY (?!--from)(\S+)/gm)) expect(existsSync(path.join(root, from)), from).toBe(true);
    expect(dockerfile).toContain('ENTRYPOINT ["node", "/app/dist/cli/main.js"]');
  });
});

test('killed under load and started again by the same command line, as both do, it serves every record, by itself, and leaves nothing behind', async () => {
  const args = ['serve', '--data', path.join(dir, 'data'), '--port', '0', '--log-level', 'warn'];
  const redisServers = (): string[] => processesWith(dir).filter((line) => line.includes('redis-server'));
  const first = runProgram(args);
  let url = await first.url();
  const ids: string[] = [];
  /** What a client gets; a service that is not there is none of it. */
  const ask = async (target: string, body?: object): Promise<{ id: string; path: string } | null> => {
    try {
      const answer = await fetch(
        `${url}${target}`,
        body === undefined ? {} : { method: 'POST', body: JSON.stringify(body), headers: { 'content-type': 'application/json' } },
      );
      return answer.ok ? ((await answer.json()) as { id: string; path: string }) : null;
    } catch {
      return null;
    }
  };
  const goesOn = { load: true };
  const load = (async () => {
    for (let n = 0; goesOn.load; n += 1) {
      const made = await ask('/v1/files', { path: `/load/${n}`, size: n, mimeType: 'text/plain', ownerId: 'ann' });
      // What was acknowledged has to be there afterwards.
      if (made !== null) ids.push(made.id);
      await ask(`/v1/files/${ids[n % Math.max(1, ids.length)] ?? ''}`);
    }
  })();
  await eventually(async () => expect(ids.length).toBeGreaterThan(50));
  const [orphan = ''] = redisServers();
  first.kill('SIGKILL');
  expect(await first.exited).toBe('SIGKILL');
  const before = [...ids];
  const second = runProgram(args);
  url = await second.url();
  await eventually(async () => expect(ids.length).toBeGreaterThan(before.length + 20));
  goesOn.load = false;
  await load;
  for (const [n, id] of before.entries()) expect(await ask(`/v1/files/${id}`), `the ${n}th`).toMatchObject({ id });
  expect(redisServers()).toHaveLength(1);
  expect(redisServers()).not.toContain(orphan);
  await eventually(async () =>
    expect(await runHere(['status', '--url', url])).toMatchObject({ code: 0, stdout: expect.stringContaining('serves, and all is well') }),
  );
  expect(await runHere(['recover', '--url', url])).toMatchObject({ code: 0 });
  second.kill('SIGTERM');
  expect(await second.exited).toBe(0);
  expect(processesWith(dir)).toEqual([]);
});
