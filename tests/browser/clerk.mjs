// SPDX-License-Identifier: Apache-2.0
// A day of a clerk in a store: pick, set aside, hand over, miss something, take in, count.
import { api, data, same, until, visitor } from './browser.mjs';

const { mug, cup, hat } = data.barcodes;

async function line(id, sku, location) {
  const { lines } = await api('reservation', { id });
  return lines.filter(([what, where]) => what === sku && where === location);
}

async function picks(clerk) {
  const { page, see, press, scan } = clerk;
  await clerk.go('store/');
  await page.getByRole('searchbox').fill('rivoli');
  await page.getByText('Paris, Rivoli').click();
  await see('order-1');
  await scan('order-1'); // from the list a scan opens what it names
  await see('0 of 2');
  await scan(mug);
  await see('1 of 2');
  await scan(mug);
  await see('2 of 2');
  await scan(mug);
  await see('Enough of MUG is picked already.');
  await scan(hat);
  await see('HAT is not in this order. Put it back.');
  await page.getByRole('listitem').filter({ hasText: 'Cup' }).getByLabel('one more').click();
  await see('1 of 1');
  await press('Ready to be collected');
  await page.getByRole('dialog').getByRole('button', { name: 'Ready to be collected' }).click();
  await see('Done.');
  const { parts } = await api('reservation', { id: 'order-1' });
  same(parts[0].step, 'ready', 'the part of order-1');
}

async function handsOver({ page, see, press }) {
  await page.getByRole('link', { name: /^Ready/ }).click();
  await see('2 × MUG');
  await press('Handed over');
  await page.getByRole('dialog').getByRole('button', { name: 'Handed over' }).click();
  await see('Nothing is set aside.');
  same((await api('reservation', { id: 'order-1' })).state, 'fulfilled', 'order-1');
}

async function misses(clerk) {
  const { page, see, press } = clerk;
  await clerk.go('store/paris/pick/order-2');
  await see('Mug, blue');
  await press('Not there');
  await page.getByRole('dialog').getByLabel('Why').selectOption('damaged');
  await press('They are missing');
  await see('Another place gives them.');
  same((await line('order-2', 'MUG', 'lyon')).length, 1, 'lines from Lyon');
  await see('There is nothing left to pick here.');
}

async function takesIn(clerk) {
  const { page, see, press, scan } = clerk;
  await clerk.go('store/paris/arrivals');
  await page.getByText('PO-77').click();
  await see('5 expected');
  for (let i = 0; i < 3; i++) await scan(mug);
  await page.getByRole('textbox', { name: 'Broken of Mug, blue' }).fill('1');
  await page.keyboard.press('Tab');
  same(await page.getByRole('textbox', { name: 'Came of Mug, blue' }).inputValue(), '3', 'scanned');
  await press('Book the arrival');
  await page.getByRole('dialog').getByRole('button', { name: 'Book the arrival' }).click();
  await see('Booked.');
  const { lines, under_way } = await api('supply', { id: 'po-1' });
  same(lines[0].slice(3, 5), [3, 1], 'accepted and rejected');
  same(under_way, [1], 'still under way');
}

async function counts(clerk) {
  const { page, see, press, scan } = clerk;
  await clerk.go('store/paris/count');
  await see('Scan an item to count it.');
  await scan(cup);
  await see('Cup');
  await scan(cup);
  const field = page.getByRole('textbox', { name: 'Counted' });
  await until(async () => (await field.inputValue()) === '2', 'two cups counted');
  await scan(mug);
  await see('Book or cancel this count first.');
  await press('Book the count');
  await see('Booked.');
  const { pools } = await api('stock', { sku: 'CUP' });
  same(pools.find(({ location }) => location === 'paris').on_hand, 2, 'cups at Paris');
  await scan('no-such-code');
  await see('There is no such item.');
}

async function seesShort(clerk) {
  const { page, see } = clerk;
  await page.getByRole('link', { name: /^Short/ }).click();
  await see('HAT');
  await page.getByRole('link', { name: 'Count it' }).click();
  await see('Known here: 1 on hand, 3 of them reserved.');
}

export async function flow() {
  const clerk = await visitor({ viewport: { width: 1024, height: 768 }, hasTouch: true });
  await picks(clerk);
  await handsOver(clerk);
  await misses(clerk);
  await takesIn(clerk);
  await counts(clerk);
  await seesShort(clerk);
  // The next time the tablet opens at its place.
  await clerk.go('overview');
  await clerk.press('Store', 'link');
  await clerk.see('Paris, Rivoli');
  await clerk.end();
}
