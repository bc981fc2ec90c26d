/**
 * What was opened, to be closed in the opposite order. A part that fails to close does not keep the others open.
 * (`AsyncDisposableStack` does this from Node 24 on; Node 22 has none.)
 */
export class Closing {
  readonly #steps: { readonly name: string; readonly close: () => void | Promise<void> }[] = [];

  add(name: string, close: () => void | Promise<void>): void {
    this.#steps.push({ name, close });
  }

  /** Closes everything, last opened first, and returns what failed. */
  async close(): Promise<readonly { readonly name: string; readonly error: unknown }[]> {
    const failures = [];
    for (let step = this.#steps.pop(); step !== undefined; step = this.#steps.pop()) {
      try {
        await step.close();
      } catch (error) {
        failures.push({ name: step.name, error });
      }
    }
    return failures;
  }
}
