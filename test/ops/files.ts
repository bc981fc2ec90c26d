import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';

/** The files under `ops`, as the tests read them. */
export const ops = fileURLToPath(new URL('../../ops', import.meta.url));

const read = (name: string): string => readFileSync(`${ops}/${name}`, 'utf8');

/** Name, severity and runbook of each alert. The files are ours, and of one form. */
export const alerts = [
  ...read('prometheus/alerts.rules.yml').matchAll(
    /- alert: (\w+)\n[^]*?labels: \{ severity: (\w+) \}\n\s+annotations:\n\s+summary: '.+'\n\s+description: '.+'\n\s+runbook_url: (\S+)\n/g,
  ),
].map(([, name = '', severity = '', runbook = '']) => ({ name, severity, runbook }));

export const alertCount = read('prometheus/alerts.rules.yml').match(/- alert: /g)?.length ?? 0;

const source = z.object({ type: z.literal('prometheus'), uid: z.literal('${datasource}') });
const panelSchema = z.object({
  id: z.int().positive(),
  type: z.enum(['timeseries', 'stat']),
  title: z.string().min(1),
  description: z.string().min(1),
  datasource: source,
  gridPos: z.object({ x: z.int().min(0), y: z.int().min(0), w: z.int().min(1).max(24), h: z.int().min(1) }),
  fieldConfig: z.object({ defaults: z.object({ unit: z.string().min(1) }), overrides: z.array(z.unknown()) }),
  options: z.object({}).loose(),
  targets: z.array(z.object({ refId: z.string(), datasource: source, expr: z.string().min(1), legendFormat: z.string().min(1) })).min(1),
});
const rowSchema = panelSchema
  .pick({ id: true, title: true, gridPos: true })
  .extend({ type: z.literal('row'), collapsed: z.literal(false), panels: z.array(z.never()) });

/** What Grafana needs of a dashboard, and what this one promises: a data source to choose, and panels that say what they show. */
const dashboardSchema = z.object({
  title: z.literal('Forebay'),
  uid: z.string().min(1),
  schemaVersion: z.int().min(36),
  panels: z.array(z.discriminatedUnion('type', [panelSchema, rowSchema])),
  templating: z.object({ list: z.array(z.object({ name: z.string(), type: z.enum(['datasource', 'query']) })) }),
  annotations: z.object({ list: z.array(z.object({ datasource: source, expr: z.string() })) }),
});

export type Panel = z.infer<typeof panelSchema>;

export const dashboard = dashboardSchema.parse(JSON.parse(read('grafana/forebay.json')));
export const panels = dashboard.panels.filter((panel): panel is Panel => panel.type !== 'row');
