// A server program with @rudderstack/rudder-sdk-node and its default settings: gzip, the first event at once, then 20 a batch.
const RudderAnalytics = require('@rudderstack/rudder-sdk-node');

const client = new RudderAnalytics('local', { dataPlaneUrl: process.argv[2], errorHandler: error => { throw error; } });

const userId = 'rudder-node';
const context = { ip: '203.0.113.8', locale: 'en-GB', app: { name: 'till', version: '1.2' }, page: { path: '/a b?c' } };

client.track({ anonymousId: 'rudder-node-visitor', event: 'Visited', originalTimestamp: new Date('2024-02-29T12:00:00.123Z') });
client.identify({ userId, traits: { email: 'rudder@example.org', plan: 'gold', tags: ['a', 'b'] }, context });
client.page({ userId, name: 'Start', category: 'Docs', properties: { title: 'Grüße \u{1F6CD}' }, context });
client.screen({ userId, name: 'Cart', properties: { items: 3 }, context });
client.group({ userId, groupId: 'acme', traits: { name: 'Acme' }, context });
client.track({ userId, event: 'Order Completed', properties: { revenue: 49.95, products: [{ sku: 'a', price: 0.1 }] }, context, integrations: { All: true } });
for (let n = 0; n < 20; n++) client.track({ userId: 'rudder-node', anonymousId: 'rudder-node-device', event: 'Counted', properties: { n } });
client.alias({ userId, previousId: 'rudder-node-visitor' });

(async () => {
  while (client.queue.length > 0) await client.flush();
})();
