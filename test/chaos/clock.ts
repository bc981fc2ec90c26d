/** Milliseconds of CLOCK_MONOTONIC, which all processes of one machine share: what one of them notes can be compared with what another does. */
export function sharedNow(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
