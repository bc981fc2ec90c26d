import type { Database } from '../../src/postgres/database.ts';

/** What happens on a change of forebay.file_info, beside drawing its version. */
export type Variant = 'none' | 'migrated' | 'statement' | 'row' | 'notify';

export const variants: readonly Variant[] = ['none', 'migrated', 'statement', 'row', 'notify'];

export const meanings: Readonly<Record<Variant, string>> = {
  none: 'no outbox',
  migrated: 'as migrated: noted where the version is drawn',
  statement: 'a trigger of its own, per statement',
  row: 'a trigger of its own, per row',
  notify: 'as migrated, and NOTIFY',
};

const OURS = ['inserted', 'updated', 'deleted', 'renamed', 'truncated'];

/** All but the first draw a version by a trigger that does nothing else. Then the usual way to write an outbox, with the same rights as ours. */
const ALTERNATIVES = `
  create schema bench;
  create trigger bench_version before update on forebay.file_info for each row execute function forebay.draw_version();
  create trigger bench_statement after update on forebay.file_info referencing new table as changed
    for each statement execute function forebay.note_changed('file:info');
  create function bench.note_row() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
  begin
    insert into forebay.outbox (caches, ids) values (string_to_array(tg_argv[0], ','), array[new.id::text]);
    return null;
  end
  $$;
  create trigger bench_row after update on forebay.file_info for each row execute function bench.note_row('file:info');
  create function bench.tell() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
  begin
    perform pg_notify('forebay_changes', '');
    return null;
  end
  $$;
  create trigger bench_tell after update on forebay.file_info for each statement execute function bench.tell()`;

export async function createAlternatives(database: Database): Promise<void> {
  await database.exec(ALTERNATIVES);
}

export async function switchTo(database: Database, variant: Variant): Promise<void> {
  const turn = (on: boolean, trigger: string): string => `alter table forebay.file_info ${on ? 'enable' : 'disable'} trigger ${trigger}`;
  const ours = variant === 'migrated' || variant === 'notify';
  await database.exec(
    [
      ...OURS.map((name) => turn(ours, `file_info_${name}`)),
      turn(!ours, 'bench_version'),
      turn(variant === 'statement', 'bench_statement'),
      turn(variant === 'row', 'bench_row'),
      turn(variant === 'notify', 'bench_tell'),
    ].join(';'),
  );
}
