import type { ConfigOption } from '../config.ts';

const cell = (text: string): string => text.replaceAll('|', String.raw`\|`);

const row = ({ name, flag, placeholder, env, description, rule, defaultText, secret }: ConfigOption): string =>
  [
    `| <a id="${name.toLowerCase()}"></a>\`${name}\``,
    `\`${flag}${placeholder === '' ? '' : ` ${cell(placeholder)}`}\`<br>\`${env}\``,
    defaultText === 'none' || defaultText === 'empty' ? defaultText : `\`${defaultText}\``,
    `${cell(description)}${secret ? ' Never shown.' : ''} Must be ${cell(rule)}. |`,
  ].join(' | ');

/** The tables of `docs/configuration.md`: every setting under its heading, in Markdown. */
export function settingsTables(options: readonly ConfigOption[]): string {
  const groups = [...new Set(options.map(({ group }) => group))];
  const table = (group: string): string => {
    const rows = options.filter((option) => option.group === group).map(row);
    return [`### ${group}`, '', '| in the file | flag and variable | default | what it does |', '| --- | --- | --- | --- |', ...rows].join(
      '\n',
    );
  };
  return groups.map(table).join('\n\n');
}
