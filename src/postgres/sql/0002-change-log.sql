-- compatible from: 2
-- The log of changes: what every cache has to forget, in one order that nobody disputes.
--
-- A trigger writes to the outbox in the changing transaction itself, so a rollback leaves nothing and no writer can forget it. forebay.advance() takes what was committed out
-- of the outbox and puts it into the log under the next number. Numbering is serialised by one row's lock, so numbers have no gaps, and whoever sees number n sees all before it.
-- Everyone who keeps copies (each process's memory, each Redis) follows the log by number; decision 5 says why that is enough.

-- One row. Its key is what grows: each number leaves a dead version of the row behind, which stays for as long as any transaction is open that began before (a dump, say), and whoever
-- asks for the highest key finds the living one first. By a key that does not change each look walks over all dead ones: 0.8 ms for 20,000.
create table forebay.sequencer (
  -- Names this history. Another one means that numbers start anew: everything that was kept counts as invalidated.
  epoch      text not null default left(replace(gen_random_uuid()::text, '-', ''), 16),
  last       bigint primary key default 0,
  -- A snapshot up to which all has a number: what is not numbered belongs to a transaction that was running then, or began after. The look for new rows begins there, so it does
  -- not walk over deleted ones, however long vacuum is kept from removing them.
  floor_xmax xid8 not null default '0',
  floor_xip  xid8[] not null default '{}'
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_cost_delay = 0);

insert into forebay.sequencer default values;

create table forebay.outbox (
  xid        xid8 not null default pg_current_xact_id(),
  -- Names of caches, and the keys that each of them has to forget: `file:info:{id}` for each id.
  caches     text[] not null default '{}',
  ids        text[] not null default '{}',
  -- Tags whose entries have to go, of whatever cache.
  tags       text[] not null default '{}',
  -- All entries of all caches.
  everything boolean not null default false,
  -- Nor may they be served as stale answers.
  purge      boolean not null default false
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0);

create index outbox_xid on forebay.outbox (xid);

create table forebay.log (
  number  bigint primary key,
  at      timestamptz not null default clock_timestamp(),
  -- [{"caches": […], "ids": […], "tags": […], "everything": false, "purge": false}, …]
  changes jsonb not null
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0);

create index log_at on forebay.log (at);

-- Numbers what is in the outbox, about `most` ids at a time: one number at most in each call. All that was committed before the call is at or below `last`, unless `more`.
-- `changes` is what this very call numbered, if anything.
create function forebay.advance(most integer) returns table (epoch text, last bigint, more boolean, changes jsonb)
language plpgsql set search_path = pg_catalog, pg_temp set enable_seqscan = off set enable_bitmapscan = off as $$
#variable_conflict use_column
declare
  s      forebay.sequencer;
  seen   pg_snapshot;
  before bigint;
  taken  jsonb;
  rest   boolean;
  upto   xid8;
begin
  select * into s from forebay.sequencer order by last desc limit 1;
  if s.floor_xmax > pg_snapshot_xmax(pg_current_snapshot())
     or exists (select from forebay.outbox where xid >= s.floor_xmax)
     or exists (select from forebay.outbox where xid = any (s.floor_xip)) then
    select * into s from forebay.sequencer order by last desc limit 1 for update;
    before := s.last;
    if s.floor_xmax > pg_snapshot_xmax(pg_current_snapshot()) then
      -- No transaction of this server can have had such a number: the schema was copied here from another server. What caches know of numbers is of that one.
      s.floor_xmax := '0';
      s.floor_xip := '{}';
      s.epoch := left(replace(gen_random_uuid()::text, '-', ''), 16);
    end if;
    -- Older than the snapshots of the statements below, so what it sees they see.
    seen := pg_current_snapshot();
    -- Two searches: for both conditions at once the index would be walked from its very beginning, over all that was deleted and not yet vacuumed: 8 ms for 20,000.
    with late as (
      select ctid as place, cardinality(ids) as count, xid from forebay.outbox where xid = any (s.floor_xip) order by xid limit 1000
    ), new as (
      select ctid as place, cardinality(ids) as count, xid from forebay.outbox where xid >= s.floor_xmax order by xid limit 1000
    ), waiting as materialized (
      select place, count, xid from (select * from late union all select * from new) w order by xid limit 1000
    ), chosen as (
      select place, xid from (select place, xid, sum(count) over (order by xid rows unbounded preceding) - count as before from waiting) w where before < most
    ), gone as (
      delete from forebay.outbox where ctid = any (array (select place from chosen))
      returning caches, ids, tags, everything, purge
    )
    -- `rest` is what this statement saw and left. What was committed since is no concern of this call: were it asked for here, then under steady writes there would always be some, so
    -- callers would come again at once and never be told that they have all.
    -- Rows that differ in their ids alone become one change: that halves what the log takes, and what those who read it have to parse. Made as json and then turned into jsonb: built
    -- as jsonb, 1,000 ids take 23 ms, and so 3 ms.
    select (select count(*) from waiting) >= 1000 or (select count(*) from waiting) > (select count(*) from chosen), (select xid from chosen order by xid desc limit 1),
           json_agg(json_build_object('caches', caches, 'ids', ids, 'tags', tags, 'everything', everything, 'purge', purge))::jsonb
      into rest, upto, taken
      from (select caches, tags, everything, purge, coalesce(array_agg(id) filter (where id is not null), '{}') as ids
              from gone left join lateral unnest(ids) as given (id) on true
             group by caches, tags, everything, purge) changed;
    if taken is not null then
      s.last := s.last + 1;
      insert into forebay.log (number, changes) values (s.last, taken);
    end if;
    -- What is left comes after what was taken, so the next call need not walk over what this one deleted, but for that of one transaction.
    if not rest then
      s.floor_xmax := pg_snapshot_xmax(seen);
      s.floor_xip := array (select pg_snapshot_xip(seen));
    elsif upto > s.floor_xmax then
      s.floor_xmax := upto;
      s.floor_xip := array (select x from pg_snapshot_xip(seen) x where x < upto);
    end if;
    if taken is not null or not rest then
      update forebay.sequencer set epoch = s.epoch, last = s.last, floor_xmax = s.floor_xmax, floor_xip = s.floor_xip where last = before;
    end if;
    return query select s.epoch, s.last, rest, taken;
  else
    -- Read again, after the look that found nothing: what was numbered between the first reading and that look counts too.
    return query select q.epoch, q.last, false, null::jsonb from forebay.sequencer q order by q.last desc limit 1;
  end if;
end
$$;

-- The same look without numbering: `more` says that something waits for it. Under steady writes something always does, so the caller can also ask after what was committed before an earlier look of its own:
-- `moment` names this one, and `reached` says that everything committed before the moment `since` is at or below `last`.
create function forebay.look(since pg_snapshot default null) returns table (epoch text, last bigint, more boolean, moment pg_snapshot, reached boolean)
language plpgsql set search_path = pg_catalog, pg_temp set enable_seqscan = off set enable_bitmapscan = off as $$
#variable_conflict use_column
declare
  s         forebay.sequencer;
  now       pg_snapshot := pg_current_snapshot();
  elsewhere boolean;
  waiting   boolean;
begin
  select * into s from forebay.sequencer order by last desc limit 1;
  elsewhere := s.floor_xmax > pg_snapshot_xmax(pg_current_snapshot());
  waiting := elsewhere or exists (select from forebay.outbox where xid >= s.floor_xmax) or exists (select from forebay.outbox where xid = any (s.floor_xip));
  return query select q.epoch, q.last, waiting, now,
                      coalesce(not elsewhere and s.floor_xmax >= pg_snapshot_xmax(since) and not exists (select from unnest(s.floor_xip) x where pg_visible_in_snapshot(x, since)), false)
                 from forebay.sequencer q order by q.last desc limit 1;
end
$$;

-- After inserts and deletes, statement triggers with transition tables: one row for up to 500 ids, whatever the number of rows that a statement changed. With the rights of the owner, since whoever may change
-- a file need not be allowed to write here. So nothing in it may be looked up where that user has a say: each function, type and operator is named with its schema, and the name of a
-- transition table comes before those of tables. A fixed search_path would do the same, but to set it is a quarter of what the outbox costs a writer of one row (20 of 84 µs with 32 writers).
-- Arguments: names of caches, with commas between.
create function forebay.note_changed() returns trigger language plpgsql security definer as $$
declare
  -- Nearly all statements change few rows: an array of these costs less than cutting all rows into parts.
  told pg_catalog.text[] := array(select id::pg_catalog.text from changed limit 501);
begin
  if pg_catalog.cardinality(told) operator(pg_catalog.=) 0 then
    return null;
  end if;
  if pg_catalog.cardinality(told) operator(pg_catalog.<=) 500 then
    insert into forebay.outbox (caches, ids) values (pg_catalog.string_to_array(tg_argv[0], ','), told);
    return null;
  end if;
  insert into forebay.outbox (caches, ids)
  select pg_catalog.string_to_array(tg_argv[0], ','), pg_catalog.array_agg(c.id::pg_catalog.text)
    from (select id, (pg_catalog.row_number() over () operator(pg_catalog.-) 1) operator(pg_catalog./) 500 as part from changed) c
   group by c.part;
  return null;
end
$$;

-- Updates, nearly all of which change one row: its note is made by the trigger that draws the version, since a trigger more is a tenth of what such an update costs. What an update does not change after all (a
-- check that fails) takes the note back with it. Not for inserts: `on conflict do update` runs their triggers for rows that it then leaves as they are. Argument: the name of the cache.
create function forebay.note_updated() returns trigger language plpgsql security definer as $$
begin
  -- The row is already locked, so versions of one row grow in the order of its commits.
  new.version := pg_catalog.nextval('forebay.version');
  insert into forebay.outbox (caches, ids) values (array[tg_argv[0]], array[new.id::pg_catalog.text]);
  return new;
end
$$;

-- The id itself was changed: the old one has to be forgotten too. In the search_path pg_temp comes last: unnamed it would come first, with types of that user's own.
create function forebay.note_old_id() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  insert into forebay.outbox (caches, ids) values (string_to_array(tg_argv[0], ','), array[old.id::text, new.id::text]);
  return null;
end
$$;

create function forebay.note_everything() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  insert into forebay.outbox (everything) values (true);
  return null;
end
$$;

drop trigger file_info_version on forebay.file_info;
create trigger file_info_version before insert on forebay.file_info for each row execute function forebay.draw_version();
drop trigger file_meta_version on forebay.file_meta;
create trigger file_meta_version before insert on forebay.file_meta for each row execute function forebay.draw_version();

-- Whether a file has attributes, if only empty ones, depends on whether it exists.
create trigger file_info_inserted after insert on forebay.file_info referencing new table as changed
  for each statement execute function forebay.note_changed('file:info,file:meta');
create trigger file_info_updated before update on forebay.file_info
  for each row execute function forebay.note_updated('file:info');
create trigger file_info_deleted after delete on forebay.file_info referencing old table as changed
  for each statement execute function forebay.note_changed('file:info,file:meta');
create trigger file_info_renamed after update of id on forebay.file_info
  for each row when (old.id <> new.id) execute function forebay.note_old_id('file:info,file:meta');
create trigger file_info_truncated after truncate on forebay.file_info
  for each statement execute function forebay.note_everything();

create trigger file_meta_inserted after insert on forebay.file_meta referencing new table as changed
  for each statement execute function forebay.note_changed('file:meta');
create trigger file_meta_updated before update on forebay.file_meta
  for each row execute function forebay.note_updated('file:meta');
create trigger file_meta_deleted after delete on forebay.file_meta referencing old table as changed
  for each statement execute function forebay.note_changed('file:meta');
create trigger file_meta_renamed after update of id on forebay.file_meta
  for each row when (old.id <> new.id) execute function forebay.note_old_id('file:meta');
create trigger file_meta_truncated after truncate on forebay.file_meta
  for each statement execute function forebay.note_everything();
