/** An end that the user can do something about: its message is shown as it is, without a stack. */
export class Stop extends Error {}

/** One line about what the preparation does, on stderr: stdout is the program's own. */
export function say(line) {
  process.stderr.write(`forebay: ${line}\n`);
}

/** Runs the script's main part; a `Stop` is shown as plain text with exit code 1. */
export async function runMain(main) {
  try {
    process.exitCode = await main();
  } catch (error) {
    if (!(error instanceof Stop)) throw error;
    say(error.message);
    process.exitCode = 1;
  }
}
