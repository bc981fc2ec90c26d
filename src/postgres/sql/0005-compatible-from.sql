-- compatible from: 2
-- Which versions of Forebay can work with the schema as a migration left it: those that know at least the migration `compatible_from`. Null: only those that know the migration itself.
--
-- While a fleet is upgraded the first new instance migrates, and an old one may crash and be started again: it starts if all that it does not know says that it may (docs/upgrades.md).
alter table forebay.migrations add column compatible_from integer;
