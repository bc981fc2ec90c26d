import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { promtool } from '../support/promtool.ts';
import { alertCount, alerts, dashboard, ops, panels } from './files.ts';

const operations = readFileSync(new URL('../../docs/operations.md', import.meta.url), 'utf8');
const sections = [...operations.matchAll(/^### (\w+)\n([^]*?)(?=^##)/gm)].map(([, name = '', text = '']) => ({ name, text }));

describe('the rules', () => {
  test('are what promtool takes, each with the files that it names', () => {
    expect(promtool(['check', 'config', `${ops}/prometheus/prometheus.yml`])).toMatchObject({ code: 0 });
    const rules = ['alerts', 'recording'].map((name) => `${ops}/prometheus/${name}.rules.yml`);
    expect(promtool(['check', 'rules', '--lint=all', '--lint-fatal', ...rules])).toMatchObject({ code: 0 });
  });

  test('do what their own tests say', () => {
    expect(promtool(['test', 'rules', `${ops}/prometheus/rules.test.yml`])).toMatchObject({
      code: 0,
      output: expect.stringContaining('SUCCESS'),
    });
  });

  test('have such a test for every alert, in which it fires', () => {
    const tests = readFileSync(`${ops}/prometheus/rules.test.yml`, 'utf8');
    const fire = [...tests.matchAll(/ALERTS\{alertname="(\w+)", alertstate="firing", severity="(\w+)"/g)].map(
      ([, name, severity]) => `${name} ${severity}`,
    );
    expect([...new Set(fire)].toSorted()).toEqual(alerts.map(({ name, severity }) => `${name} ${severity}`).toSorted());
  });
});

describe('docs/operations.md', () => {
  test('has a section for every alert, in the order of the rules, to which the alert leads', () => {
    expect(alerts.length).toBe(alertCount);
    expect(sections.map(({ name }) => name)).toEqual(alerts.map(({ name }) => name));
    for (const { name, runbook } of alerts) expect(runbook).toBe(`docs/operations.md#${name.toLowerCase()}`);
  });

  test('says of each what it means, whether users notice, what to look at and what to do', () => {
    for (const { name, text } of sections) {
      const said = ['**It means**', '**Users notice', '**Look at**', '**Do**'].filter((part) => text.includes(`\n${part}`));
      expect([name, said.length]).toEqual([name, 4]);
    }
  });

  test('names no panel and no metric that is not there', () => {
    const titles = new Set(panels.flatMap(({ title }) => [title, title.split(':')[0]]));
    const named = [...operations.matchAll(/(?<![*\w])\*([A-Z][^*]+)\*(?!\*)/g)].map(([, title = '']) => title);
    expect(named.length).toBeGreaterThan(20);
    expect(named.filter((title) => !titles.has(title))).toEqual([]);
    const metrics = readFileSync(new URL('../../docs/metrics.md', import.meta.url), 'utf8');
    const used = [...operations.matchAll(/`(forebay_[a-z_]+)`/g)].map(([, name = '']) => name);
    expect(used.filter((name) => !metrics.includes(`| \`${name}\``))).toEqual([]);
  });
});

describe('the dashboard', () => {
  test('has its panels in rows: users, staleness, tiers, database, Redis, processes', () => {
    const rows = dashboard.panels.filter(({ type }) => type === 'row').map(({ title }) => title);
    expect(rows).toEqual(['Users', 'Staleness', 'Tiers', 'Database', 'Redis', 'Processes']);
    expect(panels.length).toBeGreaterThan(40);
  });

  test('has no two panels of one id or one title, and none that lies on another', () => {
    const all = dashboard.panels;
    for (const key of ['id', 'title'] as const) expect(new Set(all.map((panel) => panel[key])).size).toBe(all.length);
    const overlaps = all.flatMap(({ title, gridPos: a }, i) =>
      all
        .slice(i + 1)
        .filter(({ gridPos: b }) => a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h)
        .map((other) => `${title} / ${other.title}`),
    );
    expect(overlaps).toEqual([]);
    expect(all.filter(({ gridPos: { x, w } }) => x + w > 24)).toEqual([]);
  });

  test('lets one choose data source, job and instances, and uses no other variable', () => {
    expect(dashboard.templating.list.map(({ name }) => name)).toEqual(['datasource', 'job', 'instance']);
    const used = new Set(panels.flatMap(({ targets }) => targets.flatMap(({ expr }) => expr.match(/\$\w+/g) ?? [])));
    expect([...used].toSorted()).toEqual(['$__rate_interval', '$instance', '$job']);
  });
});
