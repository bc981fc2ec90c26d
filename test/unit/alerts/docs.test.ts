import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { alertRules } from '../../../src/alerts/alert.ts';
import { resolveAlertOptions } from '../../../src/alerts/options.ts';
import { formatDuration } from '../../../src/core/duration.ts';
import { configOptions } from '../../../src/service/config.ts';

const page = readFileSync(new URL('../../../docs/alerts.md', import.meta.url), 'utf8');
const { thresholds } = resolveAlertOptions({}, 1000);

test('docs/alerts.md has one row for each alert, with its severity and its time', () => {
  const rows = [...page.matchAll(/^\| `(\w+)` \((warning|critical)\) \| (.+?) \| (.+?) \|/gm)];
  const said = rows.map(([, name, severity, , time]) => [name, severity, time?.split(' ').at(-1)]);
  expect(said).toEqual(alertRules.map(({ name, severity, holdMs }) => [name, severity, formatDuration(holdMs(thresholds))]));
});

test('docs/alerts.md names every setting of alerts that has a number, and the defaults of counts', () => {
  const settings = configOptions.filter(({ group, name }) => group === 'Alerts' && !/Webhook|Instance/.test(name));
  expect(settings.length).toBe(Object.keys(thresholds).length - 1);
  for (const { name, rule, defaultText } of settings) {
    const shown = rule.startsWith('a whole number') ? Number(defaultText).toLocaleString('en-US') : defaultText;
    expect(page).toMatch(new RegExp(`\`${name}\`(, | \\()${shown}\\b`));
  }
});
