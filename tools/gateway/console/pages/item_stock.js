// SPDX-License-Identifier: Apache-2.0
// The units of an item, place by place: now, or as they were.
import { h, fill, link } from '../dom.js';
import { t, word } from '../i18n.js';
import { number, units, time, away } from '../format.js';
import { sellsFrom } from '../catalogue.js';
import { panel, table } from '../parts.js';

const INCOMING = ['expected', 'in_transit'];

/** One row for each place: what lies there, by kind, and what channels have for themselves. */
function rowsOf(pools) {
  const rows = new Map();
  for (const pool of pools) {
    if (INCOMING.includes(pool.kind)) continue;
    const row = rows.get(pool.location) ?? {
      location: pool.location,
      active: pool.active,
      on_hand: 0,
      reserved: 0,
      apart: 0,
      own: {},
    };
    rows.set(pool.location, row);
    if (pool.kind === 'shared' || pool.kind === 'owed' || pool.kind === 'allotted') {
      row.on_hand += pool.on_hand;
      row.reserved += pool.reserved;
    } else row.apart += pool.on_hand;
    if (pool.kind === 'allotted') row.own[pool.channel] = pool.on_hand - pool.reserved;
  }
  return [...rows.values()].sort(
    (a, b) => b.on_hand - a.on_hand || String(a.location).localeCompare(String(b.location)),
  );
}

function apartOf(pools, item) {
  return pools
    .filter((pool) => ['damaged', 'quality', 'display'].includes(pool.kind) && pool.on_hand)
    .map((pool) => `${word('kind', pool.kind)} ${units(pool.on_hand, item)}`)
    .join(', ');
}

/** What a channel may do at a place: sell its own units, the shared ones, or nothing. */
function channelCell(channel, row, location, item) {
  const own = row.own[channel.code];
  const sells = location && sellsFrom(channel, location);
  if (own) return t('item.own', { n: units(own, item) });
  return sells
    ? h('span', { title: t('item.sells') }, '●', h('span', { class: 'hidden' }, t('item.sells')))
    : h(
        'span',
        { class: 'dim' },
        h('span', { 'aria-hidden': 'true' }, '–'),
        h('span', { class: 'hidden' }, t('item.sells_not')),
      );
}

function placesTable(stock, item, { locations, channels }) {
  const byCode = new Map(locations.map((location) => [location.code, location]));
  return table(
    [
      {
        title: t('place'),
        cell: (row) => [
          link(byCode.get(row.location)?.name || row.location, 'store', row.location),
          row.active === false && h('span', { class: 'dim' }, ` (${t('inactive')})`),
        ],
      },
      { title: t('on_hand'), number: true, cell: (row) => units(row.on_hand, item) },
      { title: t('reserved'), number: true, cell: (row) => units(row.reserved, item) },
      {
        title: t('free'),
        number: true,
        cell: (row) => h('strong', null, units(row.on_hand - row.reserved, item)),
      },
      {
        title: t('item.apart'),
        cell: (row) =>
          apartOf(
            stock.pools.filter((pool) => pool.location === row.location),
            item,
          ),
      },
      ...channels.map((channel) => ({
        title: channel.name || channel.code,
        cell: (row) => channelCell(channel, row, byCode.get(row.location), item),
      })),
    ],
    rowsOf(stock.pools),
    { none: t('item.nowhere'), caption: t('item.places') },
  );
}

function incomingTable(stock, item) {
  const coming = stock.pools.filter((pool) => INCOMING.includes(pool.kind));
  return (
    coming.length > 0 && [
      h('h3', null, t('incoming')),
      table(
        [
          { title: t('supply'), cell: (pool) => link(pool.supply, 'supply', pool.supply) },
          { title: t('place'), cell: (pool) => pool.location },
          { title: t('kind'), cell: (pool) => word('kind', pool.kind) },
          { title: t('units.title'), number: true, cell: (pool) => units(pool.on_hand, item) },
          { title: t('promised'), number: true, cell: (pool) => units(pool.reserved, item) },
          {
            title: t('eta'),
            cell: (pool) =>
              pool.eta_ms ? h('span', { title: time(pool.eta_ms) }, away(pool.eta_ms)) : t('none'),
          },
        ],
        coming,
        { caption: t('incoming') },
      ),
    ]
  );
}

/** {element, show(stock), showPast(stock, label), showNow()}: what is now is kept while the past is
 *  looked at. */
export function stockPanel(visit, item, known) {
  const body = h('div'),
    past = h('p', { class: 'badge warn', role: 'status' });
  const element = panel(t('item.places'), past, body);
  let present = null,
    looking = false;
  const draw = (stock) => fill(body, placesTable(stock, item, known), incomingTable(stock, item));
  past.hidden = true;
  return {
    element,
    show(stock) {
      present = stock;
      if (!looking) draw(stock);
    },
    showPast(stock, label) {
      looking = true;
      past.hidden = false;
      element.classList.add('past');
      fill(
        past,
        t('past.as_of', { time: label }),
        ' · ',
        t('past.on_hand', {
          n: units(stock.on_hand, item),
        }),
        ' · LSN ',
        number(stock.lsn),
      );
      draw(stock);
    },
    showNow() {
      looking = false;
      past.hidden = true;
      element.classList.remove('past');
      if (present) draw(present);
    },
  };
}
