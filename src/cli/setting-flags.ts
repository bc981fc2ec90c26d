import { Option, type Command } from 'commander';
import { configOptions, loadConfig, type Config, type ConfigOption } from '../service/config.ts';
import type { Shell } from './shell.ts';

/** Adds the settings' flags to a command: every one, or those that it has a use for. */
export function addSettingFlags(command: Command, uses: (option: ConfigOption) => boolean = () => true): void {
  command.option('--config <FILE>', 'JSON file with settings (env: FOREBAY_CONFIG)');
  for (const option of configOptions.filter(uses)) {
    const flags = option.placeholder === '' ? option.flag : `${option.flag} <${option.placeholder}>`;
    // The default and the check are the configuration's: a flag that was not given must not win over a variable or the file.
    command.addOption(new Option(flags, `${option.description} (default: ${option.defaultText}; env: ${option.env})`));
  }
}

/**
 * The configuration for this command line.
 * @throws {ForebayError} `CONFIG_INVALID`
 */
export function configOf(command: Command, shell: Shell): Config {
  const known = new Set<string>(['config', ...configOptions.map(({ name }) => name)]);
  // `false` is what commander gives for `--no-…`, which the command itself handles.
  const flags = Object.fromEntries(Object.entries(command.opts()).filter(([name, value]) => known.has(name) && value !== false));
  // FOREBAY_DEBUG is the command line's own switch, not a setting.
  const { FOREBAY_DEBUG: _, ...env } = shell.env;
  return loadConfig({ flags, env, cwd: shell.cwd });
}
