// SPDX-License-Identifier: Apache-2.0
// Channels: how each sells, from where, and how it goes today.
import { h, fill, link } from '../dom.js';
import { t, word } from '../i18n.js';
import { number, duration } from '../format.js';
import { catalogue, sellsFrom } from '../catalogue.js';
import { columns } from '../chart.js';
import { heading, panel, table, pairs, tile, complaint, empty } from '../parts.js';

const HOUR_MS = 3_600_000,
  DAY_MS = 24 * HOUR_MS;

function midnight() {
  return new Date().setHours(0, 0, 0, 0);
}

/** Key of a report's rows → {column: value}. */
async function figures(visit, params) {
  const { columns: names, rows } = await visit.call('report', { limit: 10_000, ...params });
  return new Map(
    rows.map((row) => [row[0], Object.fromEntries(names.map((name, index) => [name, row[index]]))]),
  );
}

async function renderList(visit) {
  const { channels, locations } = await catalogue(visit.signal);
  const [sales, refused, holds] = await Promise.all([
    figures(visit, { name: 'sales', by: 'channel', from_ms: midnight() }),
    figures(visit, { name: 'refused', by: 'channel', from_ms: midnight() }),
    figures(visit, { name: 'holds', by: 'channel' }),
  ]);
  fill(
    visit.root,
    heading(t('nav.channel'), h('span', { class: 'dim' }, t('channel.today'))),
    panel(
      null,
      table(
        [
          {
            title: t('channel'),
            cell: (channel) => link(channel.name || channel.code, 'channel', channel.code),
          },
          {
            title: t('channel.places'),
            number: true,
            cell: (channel) =>
              number(locations.filter((location) => sellsFrom(channel, location)).length),
          },
          {
            title: t('channel.sold'),
            number: true,
            cell: ({ code }) => number(sales.get(code)?.units ?? 0),
          },
          {
            title: t('refused.orders'),
            number: true,
            cell: ({ code }) => number(sales.get(code)?.orders ?? 0),
          },
          {
            title: t('channel.refused'),
            number: true,
            cell: ({ code }) => number(refused.get(code)?.units ?? 0),
          },
          {
            title: t('channel.held'),
            number: true,
            cell: ({ code }) => number(holds.get(code)?.units ?? 0),
          },
          { title: t('channel.sourcing'), cell: (channel) => word('sourcing', channel.sourcing) },
          { title: t('channel.promise'), cell: (channel) => word('promise', channel.promise) },
          { title: t('channel.buffer'), number: true, cell: (channel) => number(channel.buffer) },
        ],
        channels,
        { caption: t('nav.channel') },
      ),
    ),
  );
}

/** A row for each hour of the last day, also for those in which nothing was sold. */
function hours(known, now) {
  return Array.from({ length: 24 }, (_, index) => {
    const at_ms = now - (23 - index) * HOUR_MS;
    const key = new Date(at_ms).toISOString().slice(0, 13);
    return [new Date(at_ms).getHours().toString().padStart(2, '0'), known.get(key)?.units ?? 0];
  });
}

async function salesPanel(visit, code, place) {
  await visit.poll(
    20_000,
    async () => {
      const now = Date.now(),
        from_ms = now - DAY_MS;
      const [byHour, refused] = await Promise.all([
        figures(visit, { name: 'sales', by: 'hour', channel: code, from_ms }),
        figures(visit, { name: 'refused', by: 'sku', channel: code, from_ms }),
      ]);
      const total = [...byHour.values()].reduce((all, row) => all + row.units, 0);
      const worst = [...refused].sort((a, b) => b[1].missing - a[1].missing).slice(0, 10);
      fill(
        place,
        h(
          'div',
          { class: 'columns' },
          panel(
            t('channel.day'),
            columns(
              hours(byHour, now),
              t('channel.day_total', {
                n: number(total),
              }),
            ),
            h('p', { class: 'dim' }, t('channel.day_total', { n: number(total) })),
          ),
          panel(
            t('channel.day_refused'),
            table(
              [
                {
                  title: t('item'),
                  cell: ([sku]) => (sku === null ? t('none') : link(sku, 'item', sku)),
                },
                {
                  title: t('refused.missing'),
                  number: true,
                  cell: ([, row]) => number(row.missing),
                },
                { title: t('refused.orders'), number: true, cell: ([, row]) => number(row.orders) },
              ],
              worst,
              { none: t('channel.none_refused'), caption: t('channel.day_refused') },
            ),
          ),
        ),
      );
    },
    (problem) => fill(place, complaint(problem)),
  );
}

async function renderChannel(visit, code) {
  const { channels, locations } = await catalogue(visit.signal);
  const channel = channels.find((one) => one.code === code);
  if (!channel) {
    fill(visit.root, heading(code), empty(t('channel.unknown')));
    return;
  }
  const places = locations.filter((location) => sellsFrom(channel, location));
  const sales = h('div');
  fill(
    visit.root,
    heading(channel.name || code, h('span', { class: 'dim' }, code)),
    h(
      'div',
      { class: 'tiles' },
      tile(t('channel.places'), number(places.length)),
      tile(t('channel.buffer'), number(channel.buffer), t('channel.buffer_about')),
      tile(t('channel.hold'), duration(channel.hold_ttl_ms)),
    ),
    panel(
      t('channel.rules'),
      pairs([
        [t('kind'), word('channelkind', channel.kind)],
        [t('channel.sourcing'), word('sourcing', channel.sourcing)],
        [t('channel.promise'), word('promise', channel.promise)],
        channel.horizon_s !== null && [t('channel.horizon'), duration(channel.horizon_s * 1000)],
        [
          t('channel.safety'),
          t(channel.ignore_safety ? 'channel.safety_sold' : 'channel.safety_kept'),
        ],
        [
          t('channel.from'),
          channel.locations.length ? channel.locations.join(', ') : t('channel.everywhere'),
        ],
      ]),
    ),
    sales,
    panel(
      t('channel.places'),
      table(
        [
          {
            title: t('place'),
            cell: (location) => link(location.name || location.code, 'store', location.code),
          },
          { title: t('kind'), cell: (location) => location.kind },
          { title: t('channel.ships'), cell: (location) => t(location.ships ? 'yes' : 'no') },
          { title: t('channel.pickup'), cell: (location) => t(location.pickup ? 'yes' : 'no') },
          { title: t('channel.lead'), cell: (location) => duration(location.lead_time_s * 1000) },
          { title: t('channel.keeps'), number: true, cell: (location) => number(location.safety) },
        ],
        places,
        { caption: t('channel.places') },
      ),
    ),
  );
  salesPanel(visit, code, sales);
}

export async function render(visit) {
  return visit.parts[0] ? renderChannel(visit, visit.parts[0]) : renderList(visit);
}
