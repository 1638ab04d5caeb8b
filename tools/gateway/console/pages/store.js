// SPDX-License-Identifier: Apache-2.0
// The tablet of a store: large targets, one thing at a time, and a scanner.
import { h, fill, at } from '../dom.js';
import { t } from '../i18n.js';
import { recall, keep } from '../memory.js';
import { catalogue } from '../catalogue.js';
import { heading, empty, table, busy, complaint } from '../parts.js';
import { number } from '../format.js';
import { card, due, ordersAt } from '../store_parts.js';
import { scanner, scanField } from '../scanner.js';
import { renderPick } from './store_pick.js';
import { renderReady } from './store_ready.js';
import { renderArrivals, renderArrival } from './store_arrivals.js';
import { renderCount } from './store_count.js';

const EVERY_MS = 4000;
const TASKS = ['pick', 'ready', 'arrivals', 'count', 'short'];

// ---- which place ----

async function renderChoice(visit, locations) {
  const list = h('div', { class: 'cards' });
  const input = h('input', {
    type: 'search',
    'aria-label': t('store.find'),
    autocomplete: 'off',
    placeholder: t('store.find'),
  });
  const draw = () => {
    const words = input.value.toLocaleLowerCase();
    const found = locations.filter(({ code, name }) =>
      `${code} ${name}`.toLocaleLowerCase().includes(words),
    );
    fill(
      list,
      found
        .slice(0, 60)
        .map(({ code, name, kind }) => card(['store', code], name || code, [name && code, kind])),
      found.length === 0 && empty(t('store.no_place')),
      found.length > 60 &&
        h(
          'p',
          { class: 'dim' },
          t('store.more_places', {
            n: number(found.length - 60),
          }),
        ),
    );
  };
  input.addEventListener('input', draw);
  fill(visit.root, heading(t('store.which')), h('div', { class: 'field' }, input), list);
  draw();
}

// ---- what is to be done ----

function partOf(order, location) {
  return order.parts.find((part) => part.location === location) ?? {};
}

function leftAt(order, location) {
  return order.lines
    .filter((line) => line[1] === location)
    .reduce((all, [, , qty, , fulfilled, cancelled]) => all + qty - fulfilled - cancelled, 0);
}

async function renderPickList(visit, location, body) {
  let shown = '';
  await visit.poll(
    EVERY_MS,
    async () => {
      const orders = await ordersAt(visit, location, 'open');
      orders.sort(
        (a, b) =>
          (partOf(a, location).ready_ms ?? Infinity) - (partOf(b, location).ready_ms ?? Infinity) ||
          a.created_ms - b.created_ms,
      );
      const signature = JSON.stringify(orders.map(({ id, lsn }) => [id, lsn]));
      if (signature === shown) return;
      shown = signature;
      fill(
        body,
        orders.length
          ? [
              h(
                'p',
                { class: 'dim' },
                t('store.to_pick', {
                  n: number(orders.length),
                }),
              ),
              h(
                'div',
                { class: 'cards' },
                orders.slice(0, 300).map((order) => {
                  const { ready_ms } = partOf(order, location);
                  return card(
                    ['store', location, 'pick', order.id],
                    order.ref || order.id,
                    [
                      t('units', { n: number(leftAt(order, location)) }),
                      due(ready_ms),
                      order.ref && order.id,
                      order.channel,
                    ],
                    ready_ms && ready_ms < Date.now() ? 'late' : '',
                  );
                }),
              ),
            ]
          : empty(t('store.nothing_to_pick')),
      );
    },
    (problem) => fill(body, complaint(problem)),
  );
}

async function renderShort(visit, location, body) {
  await visit.poll(
    EVERY_MS * 2,
    async () => {
      const { rows } = await visit.call('report', {
        name: 'short',
        by: 'sku',
        location,
        limit: 10_000,
      });
      fill(
        body,
        h('p', { class: 'dim' }, t('short.about')),
        table(
          [
            { title: t('item'), cell: ([sku]) => h('a', { href: at('item', sku) }, sku) },
            { title: t('short.missing'), number: true, cell: ([, units]) => number(units) },
            {
              title: t('store.count'),
              cell: ([sku]) =>
                h(
                  'a',
                  { class: 'button', href: at('store', location, 'count', sku) },
                  t('short.count'),
                ),
            },
          ],
          rows,
          { none: t('short.none'), caption: t('store.short') },
        ),
      );
    },
    (problem) => fill(body, complaint(problem)),
  );
}

/** How many wait behind each task, beside its name. */
function badges(visit, location, links) {
  visit.poll(
    EVERY_MS,
    async () => {
      const count = async (task, ask) => {
        const n = await ask;
        fill(links.get(task), n > 0 ? number(n) : '');
      };
      const orders = (step) =>
        visit
          .call('orders', { location, state: 'confirmed', step, limit: 1000 })
          .then((page) => page.orders.length);
      await Promise.all([
        count('pick', orders('open')),
        count(
          'ready',
          Promise.all([orders('ready'), orders('not_collected')]).then(([a, b]) => a + b),
        ),
        count(
          'arrivals',
          visit
            .call('supplies', { location, state: 'in_transit', limit: 1000 })
            .then((page) => page.supplies.length),
        ),
        count(
          'short',
          visit
            .call('report', { name: 'short', by: 'sku', location, limit: 1000 })
            .then((page) => page.rows.length),
        ),
      ]);
    },
    () => {},
  );
}

const RENDER = {
  pick: renderPickList,
  ready: renderReady,
  arrivals: renderArrivals,
  count: renderCount,
  short: renderShort,
};

function frame(visit, place, task, body) {
  const links = new Map(TASKS.map((name) => [name, h('span', { class: 'count' })]));
  fill(
    visit.root,
    heading(place.name || place.code, h('a', { href: at('store', '') }, t('store.other'))),
    h(
      'nav',
      { class: 'tasks', 'aria-label': t('store.tasks') },
      TASKS.map((name) =>
        h(
          'a',
          { href: at('store', place.code, name), 'aria-current': name === task ? 'page' : null },
          t(`store.${name}`),
          links.get(name),
        ),
      ),
    ),
    body,
  );
  badges(visit, place.code, links);
}

/** From a list, a scan opens what it names: an order, a supply, or the count of an item. */
async function openScanned(visit, location, code, place) {
  const tries = [
    ['reservation', { id: code }, () => ['store', location, 'pick', code]],
    ['supply', { id: code }, () => ['store', location, 'arrivals', code]],
    ['lookup', { code }, ({ sku }) => ['store', location, 'count', sku]],
  ];
  for (const [method, params, address] of tries) {
    try {
      const found = await visit.call(method, params);
      window.location.hash = at(...address(found));
      return;
    } catch (problem) {
      if (visit.signal.aborted) return;
      if (!['unknown_reservation', 'unknown_sku', 'bad_request'].includes(problem.code)) {
        fill(place, complaint(problem));
        return;
      }
    }
  }
  fill(
    place,
    h(
      'div',
      { class: 'complaint', role: 'alert' },
      h(
        'strong',
        null,
        t('scan.unknown', {
          code,
        }),
      ),
      h('p', null, t('scan.unknown_hint')),
    ),
  );
}

export async function render(visit) {
  const [code, task = 'pick', thing] = visit.parts;
  const { locations } = await catalogue(visit.signal);
  const kept = recall('place');
  if (
    !code &&
    kept &&
    locations.some((location) => location.code === kept) &&
    !window.location.hash.endsWith('/')
  ) {
    window.location.replace(at('store', kept));
    return;
  }
  const place = locations.find((location) => location.code === code);
  if (!place) {
    await renderChoice(visit, locations);
    return;
  }
  keep('place', code);
  const body = h('div', { class: 'store' }, busy());
  frame(visit, place, task, body);
  if (task === 'pick' && thing) return renderPick(visit, code, thing, body);
  if (task === 'arrivals' && thing) return renderArrival(visit, code, thing, body);
  if (task === 'count') return renderCount(visit, code, body, thing);
  const said = h('div'),
    list = h('div', null, busy());
  const read = (text) => openScanned(visit, code, text, said);
  scanner(visit, read);
  fill(body, scanField(read), said, list);
  return void (RENDER[task] ?? renderPickList)(visit, code, list);
}
