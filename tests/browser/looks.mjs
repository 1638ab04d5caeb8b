// SPDX-License-Identifier: Apache-2.0
// Every page, for eyes and screen readers, wide and narrow, light and dark; with names that try to
// be markup, and with thousands of rows.
import { data, holds, judge, same, until, visitor } from './browser.mjs';

const PAGES = ['overview', 'item', 'item/MUG', 'order', 'order/order-3', 'store/', 'store/paris',
  'store/paris/ready', 'store/paris/arrivals', 'store/paris/arrivals/po-1', 'store/paris/count/MUG',
  'store/paris/short', 'store/paris/pick/order-3', 'supply', 'supply/discrepancies', 'supply/po-1',
  'channel', 'channel/web', 'changes', 'changes/events', 'reports', 'reports?name=stock', 'engine',
  'integrity', 'item/none', 'order/none'];

/** Shows a page, and waits until nothing of it is still loading. */
async function open({ page, go }, address) {
  await go(address);
  await page.getByRole('heading', { level: 1 }).waitFor();
  await until(async () => (await page.getByText(/^(Loading|Chargement)…$/).count()) === 0,
    `all of ${address}`);
}

async function accessible() {
  for (const options of [{ colorScheme: 'light' }, { colorScheme: 'dark', locale: 'fr-FR' }]) {
    const someone = await visitor(options);
    // In the dark only colours differ: every third page has them all.
    const dark = options.colorScheme === 'dark';
    for (const address of PAGES.filter((_, index) => !dark || index % 3 === 0)) {
      await open(someone, address);
      await judge(someone.page, `${address}, ${options.colorScheme}`);
    }
    await someone.end();
  }
}

async function narrow() {
  const someone = await visitor({ viewport: { width: 360, height: 640 }, locale: 'fr-FR' });
  for (const address of PAGES) {
    await open(someone, address);
    const wide = await someone.page.evaluate(() => document.documentElement.scrollWidth);
    holds(wide <= 360, `${address} is ${wide} wide on a screen of 360`);
  }
  await someone.end();
}

async function hostile() {
  const someone = await visitor();
  const { page } = someone;
  const { sku, order, location, channel, supply } = data.hostile;
  const name = encodeURIComponent;
  for (const address of ['overview', 'item', `item/${name(sku)}`, 'order', `order/${name(order)}`,
    'store/', `store/${location}`, `store/${location}/pick/${name(order)}`, 'supply',
    `supply/${name(supply)}`, `store/${location}/arrivals/${name(supply)}`, 'channel',
    `channel/${channel}`, `store/${location}/count/${name(sku)}`, 'reports?name=stock&by=sku',
    `reports?name=${name(sku)}`, `item/${name('<img src=x onerror=pwned()>')}`, 'changes/events']) {
    await open(someone, address);
    const found = await page.evaluate(() => [window.pwned ?? null,
      document.querySelectorAll('main img, main script, main b, main iframe').length]);
    same(found, [null, 0], `markup at ${address}`);
  }
  await open(someone, `item/${name(sku)}`);
  await someone.see(data.hostile.name, 'h1');
  await open(someone, 'reports?name=stock&by=sku');
  const csv = await page.evaluate(async () => {
    const { csvOf } = await import('./console/pages/reports.js');
    return csvOf(['sku'], [['=1+1'], ['a"b,c'], [null], [-3]]);
  });
  same(csv, 'sku\r\n\'=1+1\r\n"a""b,c"\r\n\r\n-3\r\n', 'formulas in CSV');
  await someone.end();
}

async function many() {
  const someone = await visitor();
  const { page } = someone;
  await open(someone, 'item/MANY');
  await someone.see(`200 of ${data.many.toLocaleString('en-GB')} rows`);
  await page.getByRole('button', { name: 'Show more' }).first().click();
  await someone.see(`400 of ${data.many.toLocaleString('en-GB')} rows`);
  await open(someone, 'item/OFTEN');
  await someone.see(/^These are the latest [\d,]+ events/);
  await someone.see(`${(data.many * 2 + 1).toLocaleString('en-GB')} on hand, 0 reserved`);
  await open(someone, 'store/many');
  await someone.see(`${data.many.toLocaleString('en-GB')} orders to pick, the most urgent first.`);
  await open(someone, 'reports?name=stock&by=sku');
  await someone.see(/ of [\d,]+ rows/);
  await someone.end();
}

export async function flow() {
  await ({ accessible, narrow, hostile, many })[data.part]();
}
