-- compatible from: 2
-- Tables of others that tell the log of their changes (forebay attach).
--
-- The triggers on a table are the truth; this says what they were made from. A trigger knows its function by identity and the function's name begins with the key, so an attached table
-- may be renamed, moved to another schema, or restored from a dump.
create table forebay.attached (
  -- What the names of its functions begin with: `on_documents_16422` for forebay.on_documents_16422_changed().
  key          text primary key,
  -- As they were when it was attached.
  table_schema text not null,
  table_name   text not null,
  id_column    text not null,
  -- Names the cache in keys: `documents:{id}`.
  cache        text not null,
  -- The SQL expression that gives a row's tags.
  tags         text,
  -- Hash of the SQL that made the functions and triggers: another one means that they have to be made anew.
  definition   text not null,
  attached_at  timestamptz not null default now()
);

-- Whoever may call a function can put it on a table of his own, where it would run casts of his types with the rights of its owner. A trigger that is there already needs no such right.
revoke all on function forebay.note_changed(), forebay.note_updated(), forebay.note_old_id(), forebay.note_everything() from public;
