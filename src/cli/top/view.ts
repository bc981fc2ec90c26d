import type { Hot, LiveEvent, LiveMessage, LiveSnapshot } from './live-schema.ts';

/** Events kept, as many as the service keeps. */
const MAX_EVENTS = 200;

/** Whether the service tells us anything. */
type Link =
  | { readonly state: 'live' }
  /** `nextAt`: when it is asked again, monotonic ms; `null` while it is being asked. */
  | { readonly state: 'lost'; readonly why: string; readonly nextAt: number | null };

/** All that is known of a running service, from which frames are drawn. */
export class View {
  readonly url: string;
  link: Link = { state: 'live' };
  snapshot: LiveSnapshot | null = null;
  /** When something was heard last, monotonic ms. */
  heardAt: number;
  events: readonly LiveEvent[] = [];
  /** `token`: the service wants one for it. */
  hot: Hot | 'token' | null = null;

  constructor(url: string, now: number) {
    this.url = url;
    this.heardAt = now;
  }

  /** The stream began anew: events are numbered by the process that tells them, and it may be another one. */
  begin(message: LiveMessage, now: number): void {
    this.events = [];
    this.hear(message, now);
  }

  hear({ snapshot, events }: LiveMessage, now: number): void {
    this.link = { state: 'live' };
    this.heardAt = now;
    this.snapshot = snapshot ?? this.snapshot;
    this.events = [...this.events, ...events].slice(-MAX_EVENTS);
  }
}
