-- compatible from: 1
-- Files and their attributes.

-- Versions of all records come from one sequence, never from "version + 1": a record that is deleted and created again
-- must not get a version that some cache still holds for the old one. Its cache must stay 1, or sessions would draw out of order.
create sequence forebay.version;

create function forebay.draw_version() returns trigger language plpgsql as $$
begin
  -- An update's trigger runs when the row is already locked, so versions of one row grow in the order of its commits.
  new.version := nextval('forebay.version');
  return new;
end
$$;

create table forebay.file_info (
  id            uuid primary key,
  name          text not null,
  path          text not null,
  -- The exact path, only where it is not valid UTF-8.
  path_bytes    bytea,
  -- Up to 2^53 - 1, the largest size that JSON readers keep exact.
  size          bigint not null check (size between 0 and 9007199254740991),
  mime_type     text not null,
  owner_id      text not null,
  sha256        text check (sha256 ~ '^[0-9a-f]{64}$'),
  tags          text[] not null default '{}',
  created_at    timestamptz(3) not null default now(),
  updated_at    timestamptz(3) not null default now(),
  version       bigint not null,
  -- The file's own time when it was last indexed, in microseconds; unlike updated_at, no client changes it. Null: never indexed.
  indexed_mtime timestamptz
);

create trigger file_info_version before insert or update on forebay.file_info
  for each row execute function forebay.draw_version();

-- Records below a folder, in pages. Only the first 512 characters: an index entry may have 2,704 bytes, a path has up to 16,384.
create index file_info_path on forebay.file_info ((left(path, 512)) collate "C", id);

create table forebay.file_meta (
  id         uuid primary key references forebay.file_info on delete cascade,
  version    bigint not null,
  attributes jsonb not null
);

create trigger file_meta_version before insert or update on forebay.file_meta
  for each row execute function forebay.draw_version();
