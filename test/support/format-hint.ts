/** What somebody is told whose change made a sample of a format differ. */
export const hintFor = (format: string, version: string): string =>
  `the format "${format}" is not what it was, and instances of the version before this one share it while a fleet is upgraded. ` +
  `If what is there can no longer be read as it was meant, or what is written cannot be read by the version before: raise ${version}; ` +
  `see to it that the older reader takes it for unknown, and follow "Changing a format" in docs/upgrades.md. Then put the new sample into this test.`;
