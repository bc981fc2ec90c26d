import { useDatabases } from './databases.world.ts';
import { describeFileFinder } from './file-finder.suite.ts';

const databases = useDatabases();

describeFileFinder('files found in PGlite', () => databases.migrated('pglite:memory'));
describeFileFinder('files found in Postgres', async () => databases.migrated(await databases.create('finder')));
