import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { freePort } from './redis.ts';

/** One series of an answer. */
export interface Series {
  readonly metric: Readonly<Record<string, string>>;
  /** A number, or `NaN` or `+Inf` in words, as Prometheus writes it. */
  readonly value: string;
}

/** A real Prometheus of the test's own. */
export interface TestPrometheus extends AsyncDisposable {
  readonly url: string;
  /** Runs a query at this moment. @throws with what Prometheus says of it. */
  query(expr: string): Promise<Series[]>;
  /** Names of the alerts that fire, each once. */
  firing(): Promise<Set<string>>;
  stop(): Promise<void>;
}

export interface TestPrometheusOptions {
  /** `HOST:PORT` each. */
  readonly targets: readonly string[];
  /** Folder with `*.rules.yml`. */
  readonly rules: string;
  /** What becomes of the text of each of them. */
  readonly render: (text: string) => string;
}

/** Starts it, with a scrape and an evaluation a second, and waits until it answers. */
export async function startPrometheus({ targets, rules, render }: TestPrometheusOptions): Promise<TestPrometheus> {
  const dir = mkdtempSync(path.join(tmpdir(), 'forebay-prometheus-'));
  mkdirSync(path.join(dir, 'data'));
  const files = readdirSync(rules).filter((name) => name.endsWith('.rules.yml'));
  for (const name of files) writeFileSync(path.join(dir, name), render(readFileSync(path.join(rules, name), 'utf8')));
  const config = {
    global: { scrape_interval: '1s', scrape_timeout: '1s', evaluation_interval: '1s' },
    rule_files: files,
    scrape_configs: [{ job_name: 'forebay', static_configs: [{ targets }] }],
  };
  // JSON is YAML.
  writeFileSync(path.join(dir, 'prometheus.yml'), JSON.stringify(config));
  const port = await freePort();
  const child = spawn(
    'prometheus',
    [
      `--config.file=${dir}/prometheus.yml`,
      `--storage.tsdb.path=${dir}/data`,
      `--web.listen-address=127.0.0.1:${port}`,
      '--log.level=warn',
      // Series that end are otherwise answered with for five minutes more.
      '--query.lookback-delta=5s',
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (part: string) => (said = (said + part).slice(-2000)));
  const failed = new Promise<never>((_resolve, reject) => {
    child.once('error', (error) =>
      reject(new Error(`prometheus cannot be run (${error.message}); install the system's package "prometheus"`)),
    );
    child.once('exit', () => reject(new Error(`prometheus ended: ${said}`)));
  });
  failed.catch(() => {});
  const endWithUs = (): void => void child.kill('SIGKILL');
  process.once('exit', endWithUs);
  const url = `http://127.0.0.1:${port}`;
  await Promise.race([failed, answers(`${url}/-/ready`)]);

  const query = async (expr: string): Promise<Series[]> => {
    const response = await fetch(`${url}/api/v1/query`, { method: 'POST', body: new URLSearchParams({ query: expr }) });
    const body = (await response.json()) as {
      status: string;
      error?: string;
      data: { result: { metric: Series['metric']; value: [number, string] }[] };
    };
    if (body.status !== 'success') throw new Error(`${expr}: ${body.error}`);
    return body.data.result.map(({ metric, value }) => ({ metric, value: value[1] }));
  };
  const stop = async (): Promise<void> => {
    process.off('exit', endWithUs);
    if (child.exitCode === null && child.signalCode === null) {
      const ended = once(child, 'exit');
      child.kill('SIGTERM');
      await ended;
    }
    rmSync(dir, { recursive: true, force: true, maxRetries: 3 });
  };
  return {
    url,
    query,
    firing: async () => new Set((await query('ALERTS{alertstate="firing"}')).map(({ metric }) => metric['alertname'] ?? '')),
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

async function answers(url: string): Promise<void> {
  for (;;) {
    const response = await fetch(url).catch(() => null);
    if (response?.ok === true) return;
    await new Promise((resolve) => {
      setTimeout(resolve, 50);
    });
  }
}
