// SPDX-License-Identifier: Apache-2.0
// What comes to a place: scan each unit, say what is broken, book it.
import { h, fill, at } from '../dom.js';
import { t, word } from '../i18n.js';
import { number, units } from '../format.js';
import { freshId } from '../api.js';
import { badge, button, complaint, empty, field, notice, pairs } from '../parts.js';
import { card, counter, due, itemName, itemsOf, attempt, sure } from '../store_parts.js';
import { scanner, scanField, skuOf } from '../scanner.js';

const EVERY_MS = 5000;

export async function renderArrivals(visit, location, body) {
  await visit.poll(
    EVERY_MS,
    async () => {
      const { supplies } = await visit.call('supplies', {
        location,
        state: 'in_transit',
        limit: 500,
      });
      supplies.sort((a, b) => (a.eta_ms ?? Infinity) - (b.eta_ms ?? Infinity));
      fill(
        body,
        supplies.length
          ? h(
              'div',
              { class: 'cards' },
              supplies.map((supply) =>
                card(
                  ['store', location, 'arrivals', supply.id],
                  supply.ref || supply.id,
                  [
                    word('kind', supply.kind) + (supply.from ? ` · ${supply.from}` : ''),
                    t('units', { n: number(supply.under_way.reduce((all, n) => all + n, 0)) }),
                    due(supply.eta_ms),
                    supply.ref && supply.id,
                  ],
                  supply.eta_ms && supply.eta_ms < Date.now() ? 'late' : '',
                ),
              ),
            )
          : empty(t('arrivals.none')),
      );
    },
    (problem) => fill(body, complaint(problem)),
  );
}

function lineOf(item, expected) {
  const row = h('li', { class: 'pick-line' });
  const accepted = counter(
    item,
    0,
    null,
    (n) => row.classList.toggle('done', n >= expected),
    t('arrivals.accepted_of', { item: item.name || item.sku }),
  );
  const rejected = counter(
    item,
    0,
    null,
    null,
    t('arrivals.rejected_of', { item: item.name || item.sku }),
  );
  fill(
    row,
    itemName(item),
    h(
      'span',
      { class: 'badge' },
      t('arrivals.expected', {
        n: units(expected, item),
      }),
    ),
    field(t('arrivals.accepted'), accepted.element),
    field(t('arrivals.rejected'), rejected.element),
  );
  return { row, accepted, rejected, expected, sku: item.sku };
}

/** The lines to book. To close a supply of which nothing more came, a line says 0. */
function booking(lines, close) {
  const come = lines
    .filter((line) => line.accepted.value || line.rejected.value)
    .map((line) => [line.sku, line.accepted.value, line.rejected.value]);
  return come.length || !close ? come : [[lines[0].sku, 0]];
}

export async function renderArrival(visit, location, id, body) {
  const supply = await visit.call('supply', { id });
  const open = supply.lines
    .map(([sku], index) => [sku, supply.under_way[index]])
    .filter(([, n]) => n > 0);
  const facts = pairs([
    [t('supply'), h('a', { href: at('supply', id) }, id)],
    supply.ref && [t('ref'), supply.ref],
    supply.from && [t('supply.from'), supply.from],
    [t('eta'), due(supply.eta_ms) ?? t('none')],
    [t('state'), badge('state', supply.state)],
  ]);
  const back = at('store', location, 'arrivals');
  if (!open.length || supply.location !== location) {
    fill(
      body,
      facts,
      h(
        'p',
        { class: 'empty' },
        t(supply.location === location ? 'arrivals.nothing' : 'arrivals.elsewhere', {
          place: supply.location,
        }),
      ),
      h('a', { class: 'button large', href: back }, t('arrivals.back')),
    );
    return;
  }
  const items = await itemsOf(
    visit,
    open.map(([sku]) => sku),
  );
  const lines = open.map(([sku, n]) => lineOf(items.get(sku), n)),
    said = h('div');
  const close = h('input', { type: 'checkbox' });
  const op = freshId();
  const read = (code) =>
    attempt(visit, said, async () => {
      const sku = await skuOf(visit, code, items.values());
      const line = lines.find((one) => one.sku === sku);
      if (!line)
        throw Object.assign(new Error(t('arrivals.foreign', { sku })), { code: 'foreign' });
      line.accepted.set(line.accepted.value + 10 ** (items.get(sku).decimals ?? 0));
      line.row.scrollIntoView({ block: 'nearest' });
    });
  const book = () => {
    const come = booking(lines, close.checked);
    if (!come.length) {
      fill(said, h('div', { class: 'complaint', role: 'alert' }, t('arrivals.nothing_counted')));
      return;
    }
    const rejected = come.reduce((all, line) => all + (line[2] ?? 0), 0);
    sure(
      t('arrivals.book'),
      t(close.checked ? 'arrivals.book_close' : 'arrivals.book_about', {
        lines: number(come.length),
        rejected: number(rejected),
      }),
      t('arrivals.book'),
      () =>
        visit.call('arrive', { id, lines: come, close: close.checked, op }).then(() => {
          notice(t('arrivals.done'));
          window.location.hash = back;
          return true;
        }),
    );
  };
  scanner(visit, read);
  fill(
    body,
    facts,
    scanField(read),
    said,
    h(
      'ul',
      { class: 'pick' },
      lines.map((line) => line.row),
    ),
    h('label', { class: 'field row' }, h('span', null, t('arrivals.close')), close),
    h(
      'div',
      { class: 'actions' },
      button(t('arrivals.book'), book, { class: 'primary large' }),
      button(t('arrivals.all'), () => lines.forEach((line) => line.accepted.set(line.expected)), {
        class: 'large',
      }),
    ),
  );
}
