/** What one tier holds under a key. */
export type TierInspection =
  | { readonly state: 'none' }
  | { readonly state: 'unavailable'; readonly reason: string }
  | {
      readonly state: 'fresh' | 'stale' | 'invalidated';
      /** Whether the entry says that the record does not exist. */
      readonly absent: boolean;
      readonly version: number;
      readonly ageMs: number;
      readonly ttlLeftMs: number;
      readonly bytes: number;
      readonly tags: readonly string[];
    };

/** What is known of a key in every tier, read without loading or touching anything. */
export interface Inspection {
  readonly key: string;
  readonly local: TierInspection;
  readonly remote: TierInspection;
  /** Whether this process is loading the key now, and since when. */
  readonly flight: { readonly ageMs: number; readonly waiters: number; readonly tainted: boolean } | null;
  /** Who may fill the key now, and for how long. */
  readonly lease: { readonly holder: string; readonly leftMs: number } | null;
}
