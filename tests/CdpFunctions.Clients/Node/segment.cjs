// A server program with @segment/analytics-node and its default settings.
const { Analytics } = require('@segment/analytics-node');

const analytics = new Analytics({ writeKey: 'local', host: process.argv[2] });
analytics.on('error', error => {
  console.error(error);
  process.exitCode = 1;
});

const userId = 'segment-node';
const context = {
  ip: '203.0.113.7',
  userAgent: 'Mozilla/5.0 (a browser)',
  locale: 'de-AT',
  timezone: 'Europe/Vienna',
  campaign: { name: 'spring', source: 'news "letter"', medium: 'email' },
  device: { id: 'd-1', advertisingId: null, adTrackingEnabled: false },
  'a.b': { 'c/d\\e#f?': ['\u0000', '\u{1F6CD}', 'Grüße', '\u2028'] },
};

analytics.track({ anonymousId: 'segment-node-visitor', event: 'Visited', messageId: 'node-visited', timestamp: new Date('2024-02-29T12:00:00.123Z') });
analytics.identify({ userId, traits: { email: 'Node@Example.org', name: 'Ann', age: 41, address: { city: 'Wien' }, gone: null }, context });
analytics.page({ userId, category: 'Docs', name: 'Start', properties: { url: 'https://shop.example/start?a=1', title: 'Start' }, context });
analytics.screen({ userId, name: 'Cart', properties: { items: 3 }, context });
analytics.group({ userId, groupId: 'acme', traits: { name: 'Acme', email: 'office@acme.example' }, context });
analytics.track({
  userId,
  event: 'Order Completed',
  properties: {
    revenue: 49.95, tiny: 5e-324, huge: 1e21, zero: -0, list: [[1, [2, { three: null }]], true, 'x'],
    products: [{ sku: 'a', price: 0.1 }, { sku: 'b', price: 0.2 }], at: new Date('2025-12-31T23:59:59.999Z'), text: 'a\r\nb\tc\u007f',
  },
  context,
  integrations: { All: false, 'Google Analytics': true },
});
// More than the default batch of 15, so that one is sent while the calls go on.
for (let n = 0; n < 12; n++) analytics.track({ userId, anonymousId: 'segment-node-device', event: 'Counted', properties: { n } });
analytics.alias({ userId, previousId: 'segment-node-visitor' });

analytics.closeAndFlush();
