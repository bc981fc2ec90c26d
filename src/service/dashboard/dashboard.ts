import { systemClock } from '../../core/clock.ts';
import type { Logger } from '../../core/logger.ts';
import type { Forebay } from '../../forebay.ts';
import type { HttpSettings } from '../http-settings.ts';
import type { Observer } from '../observe.ts';
import type { App } from '../routes/app-type.ts';
import { hotRoute } from './hot-route.ts';
import { Live } from './live.ts';
import { liveRoute } from './live-route.ts';
import { pageRoutes } from './page-routes.ts';

/** The page at `/` and the stream that it listens to; both end when the app begins to close. */
export function dashboard(app: App, forebay: Forebay, observer: Observer, logger: Logger, { token }: HttpSettings): void {
  const live = new Live({
    clock: systemClock,
    logger,
    look: () => ({ now: systemClock.now(), wallNow: systemClock.wallNow(), vitals: forebay.vitals(), http: observer.counts }),
    events: (after) => forebay.events(after),
    needsToken: token !== null,
  });
  app.addHook('preClose', (done) => {
    live.close();
    done();
  });
  pageRoutes(app);
  liveRoute(app, live);
  hotRoute(app, forebay);
}
