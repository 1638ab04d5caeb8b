// SPDX-License-Identifier: Apache-2.0
// An operator with a keyboard: from the overview to an item, its past, reports and checks.
import { readFile } from 'node:fs/promises';

import { api, data, holds, same, until, visitor } from './browser.mjs';

async function readsOverview(operator) {
  const { page, see } = operator;
  await operator.go('overview');
  await see(/^stockd \d/);
  await see(/^\d[\d.,]*\/s$/, '.tile'); // a rate needs two samples
  await see('2 promised units are not on hand (places: 1).');
  await see('sold out', '.timeline');
  await see('HAT', '.panel');
}

async function findsItem({ page, see }) {
  await page.getByRole('heading', { level: 1 }).click();
  await page.keyboard.press('g');
  await page.keyboard.press('i');
  await see('The first items');
  await page.keyboard.press('Shift+Tab'); // out of the search field, to show that "/" goes there
  await page.keyboard.press('/');
  await page.keyboard.type('blue');
  await page.keyboard.press('Enter');
  await see('items looked at.');
  await page.getByRole('link', { name: 'MUG', exact: true }).click();
  await see('Mug, blue', 'h1');
}

async function looksBack({ page, see, press }) {
  const slider = page.getByRole('slider');
  await until(async () => Number(await slider.getAttribute('max')) >= 3, 'stops of the slider');
  await slider.focus();
  await page.keyboard.press('Home');
  await see(/As it was at .* · 0 on hand/);
  await page.keyboard.press('ArrowRight');
  await page.keyboard.press('ArrowRight');
  await see(/As it was at .* · 10 on hand/);
  await press('Back to now');
  await until(async () => !(await page.getByText('As it was at').isVisible()), 'the present');
}

async function seesItLive({ page }) {
  const tile = page.locator('.tile', { hasText: 'On hand' }).locator('strong');
  const before = Number(await tile.innerText());
  await api('receive', { id: 'live-1', sku: 'MUG', location: 'lyon', qty: 7 });
  await until(async () => Number(await tile.innerText()) === before + 7, 'seven more mugs');
  await page.locator('.timeline').getByText('+7').waitFor();
}

async function followsOrder({ page, see }) {
  await page.getByRole('region', { name: 'Who holds it' })
    .getByRole('link', { name: 'order-3' }).click();
  await see('What each place does');
  await see('confirmed', '.heading');
  await see('Cart 42');
  await page.keyboard.press('g');
  await page.keyboard.press('r');
  await page.getByRole('combobox', { name: 'State', exact: true }).selectOption('fulfilled');
  await until(async () => !(await page.getByRole('link', { name: 'order-3' }).isVisible()),
    'a list without order-3');
}

async function watchesChanges(operator) {
  const { page, see, press } = operator;
  await operator.go('changes?channel=web');
  await see('live', '.badge');
  const row = (n) => page.locator('tr', { hasText: 'CUP' }).filter({ hasText: `web${n}` });
  const { stock: [before] } = await api('availability', { channel: 'web', skus: ['CUP'] });
  await api('receive', { id: 'live-2', sku: 'CUP', location: 'lyon', qty: 2 });
  await row(before + 2).first().waitFor();
  await press('Pause (p)');
  await see('paused');
  await api('receive', { id: 'live-3', sku: 'CUP', location: 'lyon', qty: 2 });
  await until(async () => Number((await page.getByText(/since the page was opened/).innerText())
    .split(' ')[0]) >= 2, 'a second change, counted');
  same(await row(before + 4).count(), 0, 'rows while paused');
  await press('Go on (p)');
  await row(before + 4).first().waitFor();
}

async function reports(operator) {
  const { page, see } = operator;
  await operator.go('reports');
  await see('Download CSV');
  await page.getByRole('combobox', { name: 'By', exact: true }).selectOption('sku');
  await page.getByRole('rowheader', { name: 'MUG' }).waitFor();
  await page.getByRole('img', { name: /Sales, by item/ }).waitFor();
  const begun = page.waitForEvent('download');
  await page.getByRole('button', { name: 'Download CSV' }).click();
  const text = await readFile(await (await begun).path(), 'utf8');
  const { columns, rows } = await api('report', { name: 'sales', by: 'sku' });
  same(text.replace('\ufeff', '').trim().split('\r\n'), [columns, ...rows].map((row) =>
    row.join(',')), 'the CSV file');
}

async function checks(operator) {
  const { see, press } = operator;
  await operator.go('integrity');
  await press('Check now');
  await see(/^All is right: \d/);
  await operator.go('engine');
  await see('Durable up to LSN');
  await see(/^median /);
  await see('Latency in the engine');
  await see(/^≤/, 'table');
  await operator.go('channel/web');
  await see('How it sells');
  await operator.go('supply');
  await see('po-1');
  await operator.go('supply/po-1');
  await see('Announced');
}

async function speaksFrench({ page, see }) {
  await page.getByLabel('Language').selectOption('fr');
  await page.getByLabel('Apparence').selectOption('dark');
  await page.getByRole('link', { name: 'Vue d’ensemble' }).click();
  await see('À regarder');
  same(await page.evaluate(() => [document.documentElement.lang,
    document.documentElement.dataset.theme]), ['fr', 'dark'], 'language and appearance');
  await page.reload();
  await see('À regarder');
  same(await page.evaluate(() => document.documentElement.dataset.theme), 'dark', 'appearance');
  await page.keyboard.press('?');
  await page.getByRole('dialog', { name: 'Aide' }).waitFor();
  await page.keyboard.press('Escape');
}

export async function flow() {
  const operator = await visitor({ acceptDownloads: true });
  holds(data.barcodes, 'the test gave its data');
  await readsOverview(operator);
  await findsItem(operator);
  await looksBack(operator);
  await seesItLive(operator);
  await followsOrder(operator);
  await watchesChanges(operator);
  await reports(operator);
  await checks(operator);
  await speaksFrench(operator);
  await operator.end();
}
