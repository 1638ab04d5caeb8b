// SPDX-License-Identifier: Apache-2.0
// Counting: scan an item, say how many there are, book it. Scanning it again counts one more.
import { h, fill } from '../dom.js';
import { t } from '../i18n.js';
import { units, signed, clock } from '../format.js';
import { freshId } from '../api.js';
import { button, table, empty, notice } from '../parts.js';
import { counter, itemName, attempt } from '../store_parts.js';
import { scanner, scanField } from '../scanner.js';

/** What was counted since the page was opened, by place. */
const counted = new Map();

function totalsAt(stock, location) {
  const here = stock.pools.filter(
    (pool) => pool.location === location && ['shared', 'allotted', 'owed'].includes(pool.kind),
  );
  return {
    on_hand: here.reduce((all, pool) => all + pool.on_hand, 0),
    reserved: here.reduce((all, pool) => all + pool.reserved, 0),
  };
}

function doneTable(location) {
  return table(
    [
      { title: t('item'), cell: ({ item }) => item.name || item.sku },
      { title: t('count.counted'), number: true, cell: ({ item, n }) => units(n, item) },
      { title: t('count.delta'), number: true, cell: ({ item, delta }) => signed(delta, item) },
      { title: t('count.at'), cell: ({ at_ms }) => clock(at_ms) },
    ],
    counted.get(location) ?? [],
    { none: t('count.none'), caption: t('count.done') },
  );
}

export async function renderCount(visit, location, body, first) {
  const said = h('div'),
    sheet = h('div'),
    list = h('div');
  let current = null;
  const book = async (id) => {
    const { item, count, aside } = current;
    const result = await attempt(
      visit,
      said,
      () =>
        visit.call('count', {
          id,
          sku: item.sku,
          location,
          counted: count.value,
          shelf: aside.checked,
        }),
      t('count.booked'),
    );
    if (!result) return;
    if (!counted.has(location)) counted.set(location, []);
    counted.get(location).unshift({ item, n: count.value, delta: result.delta, at_ms: Date.now() });
    current = null;
    fill(sheet, empty(t('count.scan')));
    fill(list, doneTable(location));
  };
  const open = async (sku, n) => {
    const [item, stock] = await Promise.all([
      visit.call('item', { sku }),
      visit.call('stock', { sku }),
    ]);
    const id = freshId(),
      now = totalsAt(stock, location);
    const count = counter(item, n, null, null, t('count.counted'));
    const aside = h('input', { type: 'checkbox', checked: true });
    current = { item, count, aside };
    fill(
      sheet,
      itemName(item),
      h(
        'p',
        null,
        t('count.known', {
          on_hand: units(now.on_hand, item),
          reserved: units(now.reserved, item),
        }),
      ),
      h('div', { class: 'large-counter' }, count.element),
      h('label', { class: 'field row' }, h('span', null, t('count.shelf')), aside),
      h(
        'div',
        { class: 'actions' },
        button(t('count.book'), () => book(id), { class: 'primary large' }),
        button(
          t('cancel'),
          () => {
            current = null;
            fill(sheet, empty(t('count.scan')));
          },
          { class: 'large' },
        ),
      ),
    );
  };
  const read = (code) =>
    attempt(visit, said, async () => {
      const { sku, decimals } = await visit.call('lookup', { code });
      const one = 10 ** (decimals ?? 0);
      if (current?.item.sku === sku) current.count.set(current.count.value + one);
      else if (current?.count.value > 0) notice(t('count.first'), 'bad');
      else await open(sku, one);
    });
  scanner(visit, read);
  fill(sheet, empty(t('count.scan')));
  fill(list, doneTable(location));
  fill(
    body,
    scanField(read),
    said,
    h('section', { class: 'panel sheet' }, sheet),
    h('section', { class: 'panel' }, h('h2', null, t('count.done')), list),
  );
  if (first) await attempt(visit, said, () => open(first, 0));
}
