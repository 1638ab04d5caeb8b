// SPDX-License-Identifier: Apache-2.0
// What an operator looks at first: does it run, how fast, what is wrong.
import { h, fill, link, at } from '../dom.js';
import { t, word } from '../i18n.js';
import { number, micros, bytes, duration, clock, away, units, time } from '../format.js';
import { spark, Series } from '../chart.js';
import { heading, panel, tile, table, complaint, empty, badge } from '../parts.js';

const EVERY_MS = 2000,
  EVENTS_SHOWN = 12,
  EVENTS_BYTES = 256 << 10;

/** Rates are differences of counters. A counter that fell is of an engine that started anew. */
class Rates {
  constructor() {
    this.before = null;
    this.series = new Map();
  }

  take(info, at_ms) {
    const now = {
      reserves: info.ledger.reserves,
      refused: info.server.refusals,
      fulfils: info.ledger.fulfils,
      requests: info.server.requests,
      started: info.server.started_ms,
      at: at_ms,
    };
    const rates = {};
    const same = this.before?.started === now.started;
    for (const name of ['reserves', 'refused', 'fulfils', 'requests']) {
      const seconds = same ? (now.at - this.before.at) / 1000 : 0;
      rates[name] = seconds > 0 ? Math.max(0, (now[name] - this.before[name]) / seconds) : null;
      if (!this.series.has(name)) this.series.set(name, new Series());
      this.series.get(name).push(rates[name]);
    }
    this.before = now;
    return rates;
  }
}

function rateTile(name, rates, all) {
  const rate = rates[name],
    label = t(`overview.${name}`);
  const shown = tile(
    label,
    rate === null ? '…' : t('per_s', { n: number(rate, rate < 10 ? 1 : 0) }),
  );
  shown.append(spark(all.series.get(name).values, t('overview.last_minutes', { what: label })));
  return shown;
}

function lagTiles(info) {
  const { journal, mirror } = info;
  const behind = Math.max(0, journal.log_tail - journal.durable_lsn);
  const tiles = [
    tile(
      t('overview.journal_lag'),
      bytes(behind),
      t('overview.last_write', { time: micros(journal.last_write_us) }),
      journal.failed ? 'bad' : '',
    ),
  ];
  if (mirror.state === 'off') tiles.push(tile(t('overview.mirror'), t('overview.mirror_off')));
  else {
    tiles.push(
      tile(
        t('overview.mirror'),
        t('overview.ms', { ms: number(mirror.lag_ms) }),
        mirror.connected ? word('mirror', mirror.state) : t('overview.mirror_away'),
        mirror.connected ? '' : 'warn',
      ),
    );
  }
  return tiles;
}

function fullness(info) {
  const { ledger } = info;
  return [
    ['items', ledger.items, ledger.items_max],
    ['pools', ledger.pools, ledger.pools_max],
    ['reservations', ledger.live, ledger.reservations_max],
  ]
    .filter(([, used, most]) => used > most * 0.8)
    .map(([name, used, most]) => [
      t('alert.full', {
        what: t(`table.${name}`),
        used: number(used),
        most: number(most),
      }),
      'warn',
      at('engine'),
    ]);
}

/** [text, tone, address] of all that somebody should look at. */
function alertsOf(info, late, short) {
  const { journal, mirror, snapshot, check, ledger } = info;
  const sum = (rows) => rows.reduce((all, row) => all + row[1], 0);
  return [
    journal.failed && [t('alert.read_only', { why: journal.failure ?? '' }), 'bad', at('engine')],
    check.broken > 0 && [t('alert.broken', { n: number(check.broken) }), 'bad', at('integrity')],
    mirror.state !== 'off' &&
      !mirror.connected && [t('alert.mirror', { why: mirror.error ?? '' }), 'bad', at('engine')],
    snapshot.failures > 0 && [
      t('alert.compaction', { n: number(snapshot.failures) }),
      'bad',
      at('integrity'),
    ],
    short.length > 0 && [
      t('alert.short', { units: number(sum(short)), places: number(short.length) }),
      'bad',
      at('integrity'),
    ],
    late.length > 0 && [
      t('alert.late', { units: number(sum(late)), places: number(late.length) }),
      'warn',
      at('supply', 'late'),
    ],
    ledger.ids_last_s !== null &&
      ledger.ids_last_s < ledger.remember_s &&
      ledger.ids_taken > ledger.reservations_max / 2 && [
        t('alert.ids', { s: number(ledger.ids_last_s) }),
        'warn',
        at('engine'),
      ],
    ...fullness(info),
  ].filter(Boolean);
}

function showAlerts(place, list) {
  fill(
    place,
    h(
      'ul',
      { class: 'alerts' },
      list.length
        ? list.map(([text, tone, href]) => h('li', { class: tone }, h('a', { href }, text)))
        : h('li', { class: 'good' }, t('alert.none')),
    ),
  );
}

// ---- panels ----

async function rates(visit, places) {
  const all = new Rates();
  await visit.poll(
    EVERY_MS,
    async () => {
      const [info, late, short] = await Promise.all([
        visit.call('info'),
        visit.call('report', { name: 'late', by: 'location' }),
        visit.call('report', { name: 'short', by: 'location' }),
      ]);
      const now = all.take(info, performance.now());
      fill(
        places.tiles,
        ['reserves', 'refused', 'fulfils', 'requests'].map((name) => rateTile(name, now, all)),
        tile(
          t('overview.live'),
          number(info.ledger.live),
          t('overview.expired', { n: number(info.ledger.expired) }),
        ),
        lagTiles(info),
      );
      fill(
        places.uptime,
        t('overview.uptime', {
          version: info.server.version,
          time: duration(info.server.uptime_ms),
        }),
      );
      showAlerts(places.alerts, alertsOf(info, late.rows, short.rows));
    },
    (problem) => fill(places.tiles, complaint(problem)),
  );
}

async function refusedToday(visit, place) {
  await visit.poll(
    15_000,
    async () => {
      const from_ms = new Date().setHours(0, 0, 0, 0);
      const { columns, rows } = await visit.call('report', {
        name: 'refused',
        by: 'sku',
        from_ms,
        limit: 10_000,
      });
      const missing = columns.indexOf('missing'),
        orders = columns.indexOf('orders');
      const worst = rows.sort((a, b) => b[missing] - a[missing]).slice(0, 10);
      fill(
        place,
        table(
          [
            {
              title: t('item'),
              cell: (row) => (row[0] === null ? t('none') : link(row[0], 'item', row[0])),
            },
            { title: t('refused.missing'), number: true, cell: (row) => number(row[missing]) },
            { title: t('refused.orders'), number: true, cell: (row) => number(row[orders]) },
          ],
          worst,
          { none: t('refused.none'), caption: t('overview.refused_today') },
        ),
      );
    },
    (problem) => fill(place, complaint(problem)),
  );
}

/** What an event is about, for one line. */
export function eventLine(event) {
  return [
    badge('event', event.type),
    ' ',
    event.sku && link(event.sku, 'item', event.sku),
    ' ',
    event.id &&
      link(
        event.id,
        ['late', 'lost', 'overage'].includes(event.type) ? 'supply' : 'order',
        event.id,
      ),
    ' ',
    h(
      'span',
      { class: 'dim' },
      [
        event.channel,
        event.location,
        event.qty !== undefined && t('units', { n: units(event.qty) }),
      ]
        .filter(Boolean)
        .join(' · '),
    ),
  ];
}

/** The events that the journal's last bytes tell of, then those to come. */
async function happened(visit, place) {
  const shown = [];
  const draw = visit.seldom(250, () =>
    fill(
      place,
      shown.length
        ? h(
            'ul',
            { class: 'timeline' },
            shown.map((event) =>
              h(
                'li',
                null,
                h('div', { class: 'line' }, eventLine(event)),
                h(
                  'small',
                  { title: time(event.time_ms) },
                  clock(event.time_ms),
                  ' · ',
                  away(event.time_ms),
                ),
              ),
            ),
          )
        : empty(t('overview.no_events')),
    ),
  );
  const take = (event) => {
    shown.unshift(event);
    shown.length = Math.min(shown.length, EVENTS_SHOWN);
    draw();
  };
  await visit.poll(
    2000,
    async () => {
      const { lsn } = await visit.call('events', { since_lsn: 0, limit: 1 });
      const since_lsn = Math.max(0, lsn - EVENTS_BYTES);
      const { events, next } = await visit.call('events', { since_lsn, limit: 10_000 });
      events.forEach(take);
      draw();
      visit.follow('events', [['since_lsn', String(next)]], { data: take });
      return false;
    },
    (problem) => fill(place, complaint(problem)),
  );
}

export async function render(visit) {
  const places = {
    tiles: h('div', { class: 'tiles' }),
    alerts: h('div'),
    uptime: h('span', {
      class: 'dim',
    }),
  };
  const refused = h('div'),
    events = h('div');
  fill(
    visit.root,
    heading(t('nav.overview'), places.uptime),
    panel(t('overview.alerts'), places.alerts),
    places.tiles,
    h(
      'div',
      { class: 'columns' },
      panel(t('overview.refused_today'), refused),
      panel(t('overview.events'), events),
    ),
  );
  fill(places.alerts, empty(t('loading')));
  fill(refused, empty(t('loading')));
  happened(visit, events);
  refusedToday(visit, refused);
  rates(visit, places);
}
