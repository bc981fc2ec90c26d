-- compatible from: 2
-- Which records are read most, as all instances together have counted: what a cache is filled with when Redis comes back empty.
--
-- Nothing here is needed for any promise: it may be emptied at any time, and caches then fill by what is asked for. No trigger tells the log of its changes.
create table forebay.popular (
  -- Names of the cache and of the key in it, as in the outbox.
  cache text not null,
  id    text not null,
  -- The binary logarithm of the sum of count * 2 ^ (time / half-life): forward decay (Cormode et al., 2009). All rows fade alike, so no row is written to let it fade; and since it is the logarithm that is kept,
  -- the time may count from 1970 without ever being too large for a number.
  heat  double precision not null,
  primary key (cache, id)
-- No index on the heat: it changes with each count, and without one such a change stays within its page (49 of 50 did, with this fillfactor and half of the counts on an eighth of the rows). The few who ask for the order sort for it.
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 2000);

-- Adds counts of one cache, which are worth what they are at this moment by the clock of this server; gives the number of rows that are new. The rows are locked in the order of their ids, whoever adds, so that no two
-- wait for each other.
create function forebay.add_popular(of_cache text, ids text[], counts integer[], half_life_s double precision) returns integer
language sql set search_path = pg_catalog, pg_temp as $$
  with added as (
    insert into forebay.popular as p (cache, id, heat)
    select of_cache, g.id, ln(g.count) / ln(2) + extract(epoch from statement_timestamp()) / half_life_s
      from unnest(ids, counts) as g (id, count)
     order by g.id
    -- log2(2^a + 2^b), the larger one taken out. Of what is 2^60 times smaller nothing is left, and for much less than that `power` would fail.
    on conflict (cache, id) do update
      set heat = greatest(p.heat, excluded.heat) + ln(1 + power(2, -least(abs(p.heat - excluded.heat), 60))) / ln(2)
    returning xmax = 0 as is_new
  )
  select count(*)::integer from added where is_new
$$;

-- Keeps the `most` warmest rows, and removes the coldest of the others, `piece` at most in one call; gives the number of rows that are left and of those removed. One at a time: two that count the same rows would
-- remove twice what is too many. Whoever comes second removes nothing.
create function forebay.trim_popular(most bigint, piece integer) returns table (kept bigint, removed bigint)
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  -- Held to the end of this transaction, which is this call: no session of a pool is left with it.
  if not pg_try_advisory_xact_lock(4632072118) then
    return query select count(*), 0::bigint from forebay.popular;
    return;
  end if;
  select count(*) into kept from forebay.popular;
  removed := 0;
  if kept > most then
    -- A row that somebody is about to count up is not cold.
    delete from forebay.popular
     where ctid = any (array (select ctid from forebay.popular order by heat limit least(kept - most, piece) for update skip locked));
    get diagnostics removed = row_count;
    kept := kept - removed;
  end if;
  return next;
end
$$;
