// SPDX-License-Identifier: Apache-2.0
// Finding orders, and an order: its lines, its parts at each place, what happened to it.
import { h, fill, link, at } from '../dom.js';
import { t, word } from '../i18n.js';
import { number, time, away } from '../format.js';
import { catalogue } from '../catalogue.js';
import {
  heading,
  panel,
  table,
  pairs,
  badge,
  button,
  choice,
  complaint,
  field,
  busy,
} from '../parts.js';
import { timeline } from './item_history.js';

const STATES = ['held', 'confirmed', 'fulfilled', 'cancelled', 'expired'];
const STEPS = ['open', 'ready', 'not_collected', 'fulfilled', 'cancelled'];

function unitsOf(order) {
  return order.lines.reduce((all, line) => all + line[2], 0);
}

export function whenText(ms) {
  return ms ? h('span', { title: time(ms) }, away(ms)) : t('none');
}

// ---- the list ----

function filterForm(visit, known) {
  const { query } = visit;
  const change = (name) => (value) => {
    const next = new URLSearchParams(query);
    if (value) next.set(name, value);
    else next.delete(name);
    location.hash = `${at('order')}?${next}`;
  };
  const any = [['', t('any')]];
  const codes = (list) => any.concat(list.map(({ code, name }) => [code, name || code]));
  const words = (group, list) => any.concat(list.map((name) => [name, word(group, name)]));
  return h(
    'div',
    { class: 'filters' },
    field(t('state'), choice(words('state', STATES), query.get('state'), change('state'))),
    field(t('step'), choice(words('step', STEPS), query.get('step'), change('step'))),
    field(t('channel'), choice(codes(known.channels), query.get('channel'), change('channel'))),
    field(t('place'), choice(codes(known.locations), query.get('location'), change('location'))),
    field(
      t('order.late'),
      choice([...any, ['true', t('yes')], ['false', t('no')]], query.get('late'), change('late')),
    ),
  );
}

function ordersTable(orders) {
  return table(
    [
      { title: t('order'), cell: (order) => link(order.id, 'order', order.id) },
      { title: t('state'), cell: (order) => badge('state', order.state) },
      { title: t('channel'), cell: (order) => order.channel },
      { title: t('units.title'), number: true, cell: (order) => number(unitsOf(order)) },
      {
        title: t('order.places'),
        cell: (order) =>
          order.parts.map((part) =>
            h('div', null, part.location ?? t('order.nowhere'), ' ', badge('step', part.step)),
          ),
      },
      { title: t('created'), cell: (order) => whenText(order.created_ms) },
      { title: t('ref'), cell: (order) => order.ref ?? '' },
    ],
    orders,
    { none: t('order.no_orders'), caption: t('nav.order') },
  );
}

async function renderList(visit) {
  const known = await catalogue(visit.signal);
  const params = { limit: 200 };
  for (const name of ['state', 'step', 'channel', 'location']) {
    if (visit.query.get(name)) params[name] = visit.query.get(name);
  }
  if (visit.query.get('late')) params.late = visit.query.get('late') === 'true';
  const place = h('div', null, busy()),
    more = h('div');
  const input = h('input', {
    type: 'search',
    'aria-label': t('order.find'),
    placeholder: t('order.find'),
    autocomplete: 'off',
  });
  fill(
    visit.root,
    heading(t('nav.order')),
    panel(
      null,
      h(
        'form',
        {
          class: 'filters',
          role: 'search',
          on: {
            submit: (event) => {
              event.preventDefault();
              if (input.value.trim()) location.hash = at('order', input.value.trim());
            },
          },
        },
        h('div', { class: 'grow field' }, input),
        h('button', { type: 'submit', class: 'primary' }, t('open')),
      ),
      filterForm(visit, known),
      place,
      more,
    ),
  );
  const all = [];
  const load = async () => {
    try {
      const page = await visit.call('orders', params);
      all.push(...page.orders);
      params.after = page.next;
      fill(place, ordersTable(all));
      fill(more, page.next && button(t('order.more'), load));
    } catch (problem) {
      if (!visit.signal.aborted) fill(more, complaint(problem, load));
    }
  };
  await load();
}

// ---- one order ----

function linesTable(order) {
  return table(
    [
      { title: t('item'), cell: ([sku]) => link(sku, 'item', sku) },
      { title: t('place'), cell: ([, location]) => location ?? h('em', null, t('order.nowhere')) },
      { title: t('units.title'), number: true, cell: ([, , qty]) => number(qty) },
      { title: t('order.ready'), cell: ([, , , ready_ms]) => whenText(ready_ms) },
      { title: t('fulfilled'), number: true, cell: ([, , , , fulfilled]) => number(fulfilled) },
      { title: t('cancelled'), number: true, cell: ([, , , , , cancelled]) => number(cancelled) },
    ],
    order.lines,
    { caption: t('order.lines') },
  );
}

function partsTable(order) {
  return table(
    [
      {
        title: t('place'),
        cell: (part) =>
          part.location
            ? link(part.location, 'store', part.location)
            : h('em', null, t('order.nowhere')),
      },
      { title: t('step'), cell: (part) => badge('step', part.step) },
      { title: t('order.ready'), cell: (part) => whenText(part.ready_ms) },
      { title: t('order.collect_by'), cell: (part) => whenText(part.collect_by_ms) },
    ],
    order.parts,
    { caption: t('order.parts') },
  );
}

async function renderOrder(visit, id) {
  const facts = h('div'),
    lines = h('div'),
    parts = h('div'),
    past = h('div', null, busy());
  const state = h('span');
  let lsn = null;
  const refresh = async () => {
    const order = await visit.call('reservation', { id });
    if (order.lsn === lsn) return;
    lsn = order.lsn;
    fill(state, badge('state', order.state));
    fill(
      facts,
      pairs([
        [t('channel'), link(order.channel, 'channel', order.channel)],
        [t('created'), whenText(order.created_ms)],
        order.expires_ms && [t('until'), whenText(order.expires_ms)],
        order.ref && [t('ref'), order.ref],
        [t('units.title'), number(unitsOf(order))],
        order.sends?.length && [
          t('order.sends'),
          order.sends.map((send) => h('div', null, link(send, 'supply', send))),
        ],
      ]),
    );
    fill(lines, linesTable(order));
    fill(parts, partsTable(order));
    const { events } = await visit.call('history', { id, limit: 1000 });
    fill(past, timeline(events, null, 'id'));
  };
  fill(
    visit.root,
    heading(id, state),
    panel(t('order'), facts),
    h('div', { class: 'columns' }, panel(t('order.lines'), lines), panel(t('order.parts'), parts)),
    panel(t('history'), past),
  );
  await refresh();
  visit.poll(3000, refresh);
}

export async function render(visit) {
  return visit.parts[0] ? renderOrder(visit, visit.parts[0]) : renderList(visit);
}
