import type { Alert } from '../../../src/alerts/alert.ts';
import { Webhook } from '../../../src/alerts/webhook.ts';
import { systemClock } from '../../../src/core/clock.ts';
import { silentLogger } from '../../../src/core/logger.ts';
import { systemChance } from '../../../src/core/random.ts';

/** Delivers one message and has nothing more to do; it does not close the webhook. */
const [url = '', secret = ''] = process.argv.slice(2);
const webhook = new Webhook({ target: { url, secret }, logger: silentLogger, clock: systemClock, chance: systemChance });
webhook.send({ id: 'a', episode: 'a', state: 'firing', alert: 'redis_down' } as Alert);
process.on('exit', () => console.log(webhook.counts.delivered === 1 ? 'delivered' : 'lost'));
