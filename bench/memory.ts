import { readFileSync } from 'node:fs';

/** `VmRSS` or, since it was reset, `VmHWM` of a process, in MiB; 0 when it has ended. */
export function memoryOf(pid: number, name: 'VmRSS' | 'VmHWM'): number {
  try {
    return Number(new RegExp(`${name}:\\s+(\\d+)`).exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024;
  } catch {
    return 0;
  }
}
