// SPDX-License-Identifier: Apache-2.0
// Supply on its way, what is late, and what came otherwise than announced.
import { h, fill, link, at } from '../dom.js';
import { t, word } from '../i18n.js';
import { number, time } from '../format.js';
import { heading, panel, table, tabs, pairs, badge, busy, button, complaint } from '../parts.js';
import { timeline } from './item_history.js';
import { whenText } from './order.js';

const EVERY_MS = 5000,
  DISCREPANCIES = 2000;
const LISTS = ['under_way', 'late', 'discrepancies'];

function sum(list) {
  return list.reduce((all, n) => all + n, 0);
}

function suppliesTable(supplies, none) {
  return table(
    [
      { title: t('supply'), cell: (supply) => link(supply.id, 'supply', supply.id) },
      {
        title: t('state'),
        cell: (supply) => [
          badge('state', supply.state),
          ' ',
          supply.eta_ms &&
            supply.eta_ms < Date.now() &&
            supply.state === 'in_transit' &&
            badge('event', 'late'),
        ],
      },
      { title: t('kind'), cell: (supply) => word('kind', supply.kind) },
      { title: t('supply.from'), cell: (supply) => supply.from ?? t('none') },
      {
        title: t('supply.to'),
        cell: (supply) => link(supply.location, 'store', supply.location, 'arrivals'),
      },
      { title: t('eta'), cell: (supply) => whenText(supply.eta_ms) },
      { title: t('supply.lines'), number: true, cell: (supply) => number(supply.lines.length) },
      {
        title: t('supply.under_way'),
        number: true,
        cell: (supply) => number(sum(supply.under_way)),
      },
      { title: t('ref'), cell: (supply) => supply.ref ?? '' },
    ],
    supplies,
    { none, caption: t('nav.supply') },
  );
}

async function renderSupplies(visit, params, none, body) {
  const all = new Map();
  const more = h('div'),
    list = h('div', null, busy());
  let after = null;
  const load = async (from) => {
    const page = await visit.call('supplies', { ...params, limit: 200, after: from });
    for (const supply of page.supplies) all.set(supply.id, supply);
    after = page.next;
    fill(list, suppliesTable([...all.values()], none));
    fill(
      more,
      after &&
        button(t('supply.more'), () =>
          load(after).catch((problem) => fill(more, complaint(problem))),
        ),
    );
  };
  fill(body, list, more);
  await visit.poll(
    EVERY_MS,
    async () => {
      if (all.size > 200) return false; // who reads on does not want the list to change
      all.clear();
      await load(undefined);
      return true;
    },
    (problem) => fill(list, complaint(problem)),
  );
}

/** What events and documents say of units that were lost, too many, or broken. */
async function discrepancies(visit) {
  const rows = [];
  let since_lsn = 0;
  for (;;) {
    const page = await visit.call('events', {
      since_lsn,
      types: ['lost', 'overage'],
      limit: 10_000,
    });
    rows.push(...page.events);
    if (page.next === page.lsn || page.next === since_lsn || rows.length > DISCREPANCIES) break;
    since_lsn = page.next;
  }
  const broken = [];
  for (const state of ['in_transit', 'arrived']) {
    const { supplies } = await visit.call('supplies', { state, limit: 1000 });
    for (const { id, location, lines } of supplies) {
      for (const [sku, , , , rejected] of lines) {
        if (rejected > 0) broken.push({ type: 'damaged', id, location, sku, qty: rejected });
      }
    }
  }
  return [...rows.reverse(), ...broken];
}

async function renderDiscrepancies(visit, body) {
  fill(body, busy());
  const rows = await discrepancies(visit);
  fill(
    body,
    h('p', { class: 'dim' }, t('supply.discrepancies_about')),
    table(
      [
        { title: t('supply'), cell: (row) => link(row.id, 'supply', row.id) },
        {
          title: t('supply.what'),
          cell: (row) =>
            row.type === 'damaged' ? badge('kind', 'damaged', 'warn') : badge('event', row.type),
        },
        { title: t('item'), cell: (row) => link(row.sku, 'item', row.sku) },
        { title: t('place'), cell: (row) => row.location },
        { title: t('units.title'), number: true, cell: (row) => number(row.qty) },
        { title: t('count.at'), cell: (row) => (row.time_ms ? time(row.time_ms) : t('none')) },
      ],
      rows,
      { none: t('supply.no_discrepancies'), caption: t('supply.discrepancies') },
    ),
  );
}

async function renderSupply(visit, id) {
  const supply = await visit.call('supply', { id });
  const { events } = await visit.call('history', { id, limit: 1000 });
  fill(
    visit.root,
    heading(id, badge('state', supply.state)),
    panel(
      t('supply'),
      pairs([
        [t('kind'), word('kind', supply.kind)],
        supply.from && [t('supply.from'), supply.from],
        [t('supply.to'), link(supply.location, 'store', supply.location, 'arrivals')],
        [t('eta'), whenText(supply.eta_ms)],
        supply.ref && [t('ref'), supply.ref],
        supply.reservation && [t('order'), link(supply.reservation, 'order', supply.reservation)],
      ]),
    ),
    panel(
      t('order.lines'),
      table(
        [
          { title: t('item'), cell: ([[sku]]) => link(sku, 'item', sku) },
          { title: t('supply.announced'), number: true, cell: ([line]) => number(line[1]) },
          { title: t('supply.shipped'), number: true, cell: ([line]) => number(line[2]) },
          { title: t('arrivals.accepted'), number: true, cell: ([line]) => number(line[3]) },
          { title: t('arrivals.rejected'), number: true, cell: ([line]) => number(line[4]) },
          { title: t('event.lost'), number: true, cell: ([line]) => number(line[5]) },
          { title: t('supply.under_way'), number: true, cell: ([, n]) => number(n) },
        ],
        supply.lines.map((line, index) => [line, supply.under_way[index]]),
        {
          caption: t('order.lines'),
        },
      ),
    ),
    panel(t('history'), timeline(events, null, 'id')),
  );
}

export async function render(visit) {
  const [which = 'under_way'] = visit.parts;
  if (!LISTS.includes(which)) return renderSupply(visit, which);
  const body = h('div');
  fill(
    visit.root,
    heading(t('nav.supply')),
    tabs(
      LISTS.map((name) => [at('supply', name), t(`supply.${name}`), name === which]),
      t('nav.supply'),
    ),
    panel(null, body),
  );
  if (which === 'discrepancies') return renderDiscrepancies(visit, body);
  const late = which === 'late';
  return void renderSupplies(
    visit,
    late ? { late: true } : { state: 'in_transit' },
    t(late ? 'supply.none_late' : 'supply.none'),
    body,
  );
}
