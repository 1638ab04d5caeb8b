// SPDX-License-Identifier: Apache-2.0
// The engine itself: how quick it answers, its journal, its tables, what was slow.
import { h, fill } from '../dom.js';
import { t } from '../i18n.js';
import { number, bytes, duration, micros, time } from '../format.js';
import { spark, meter, Series } from '../chart.js';
import { metrics } from '../api.js';
import { histograms, between, quantile } from '../metrics.js';
import { heading, panel, tile, table, pairs, complaint } from '../parts.js';

const EVERY_MS = 2000;

/** The median and the slowest of what is known. */
function spread(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return { median: sorted[Math.floor(sorted.length / 2)] ?? null, most: sorted.at(-1) ?? null };
}

function latencyTile(label, series, now) {
  const { median, most } = spread(series.values);
  const shown = tile(
    label,
    micros(now),
    t('engine.spread', {
      median: micros(median),
      most: micros(most),
    }),
  );
  shown.append(spark(series.values, label));
  return shown;
}

function journalPanel({ journal, snapshot }) {
  return panel(
    t('engine.journal'),
    pairs([
      [
        t('engine.writes'),
        journal.failed ? t('alert.read_only', { why: journal.failure ?? '' }) : t('engine.writing'),
      ],
      [t('engine.durability'), journal.durability],
      [t('engine.durable_lsn'), number(journal.durable_lsn)],
      [t('engine.waiting'), bytes(Math.max(0, journal.log_tail - journal.durable_lsn))],
      [t('engine.records'), number(journal.records)],
      [
        t('engine.batches'),
        t('engine.per_batch', {
          n: number(journal.batches),
          each: number(journal.batches ? journal.records / journal.batches : 0, 1),
        }),
      ],
      [t('engine.segments'), number(journal.segments)],
      [t('engine.file_bytes'), bytes(journal.file_bytes)],
      [t('engine.snapshot'), snapshot.made_ms ? time(snapshot.made_ms) : t('engine.no_snapshot')],
      [t('engine.directory'), journal.directory],
    ]),
  );
}

function tablesPanel({ ledger, server, limits, reports }) {
  const rows = [
    ['items', ledger.items, ledger.items_max],
    ['pools', ledger.pools, ledger.pools_max],
    ['reservations', ledger.live, ledger.reservations_max],
    ['ids', ledger.ids_taken, ledger.reservations_max],
    ['connections', server.connections, limits.connections],
    ['facts', reports.facts, reports.facts_max],
  ];
  return panel(
    t('engine.tables'),
    table(
      [
        { title: t('table'), cell: ([name]) => t(`table.${name}`) },
        { title: t('engine.used'), number: true, cell: ([, used]) => number(used) },
        { title: t('engine.most'), number: true, cell: ([, , most]) => number(most) },
        {
          title: t('engine.fill'),
          cell: ([name, used, most]) => meter(used, most, t(`table.${name}`)),
        },
      ],
      rows,
      { caption: t('engine.tables') },
    ),
    h(
      'p',
      { class: 'dim' },
      t('engine.ids', {
        oldest: duration((ledger.ids_oldest_s ?? 0) * 1000),
        remember: duration(ledger.remember_s * 1000),
      }),
    ),
  );
}

function slowPanel({ server, ledger }) {
  return panel(
    t('engine.slow'),
    pairs([
      [t('engine.slow_replies'), number(server.slow_replies)],
      [t('engine.deferred'), number(server.deferred)],
      [t('engine.put_off'), number(server.put_off)],
      [t('engine.stalled'), number(server.stalled_reads)],
      [t('engine.repeats'), number(ledger.repeats)],
      [t('engine.turned_away'), number(server.turned_away)],
      [t('engine.bad'), number(server.bad_messages)],
    ]),
    h('p', { class: 'dim' }, t('engine.slow_about')),
  );
}

/** All that the engine says of itself, under its own names, which docs/PROTOCOL.md explains. */
function everything(info) {
  return panel(
    t('engine.all'),
    Object.entries(info)
      .filter(([, section]) => section !== null && typeof section === 'object')
      .map(([name, section]) =>
        h(
          'details',
          null,
          h('summary', null, name),
          pairs(
            Object.entries(section).map(([key, value]) => [
              key,
              typeof value === 'number' ? number(value) : String(value),
            ]),
          ),
        ),
      ),
  );
}

const MEASURED = [
  'stockd_request_seconds read',
  'stockd_request_seconds change',
  'stockd_journal_write_seconds',
  'stockd_journal_sync_seconds',
];

function bound(seconds) {
  if (seconds === null) return t('none');
  return seconds === Infinity ? t('engine.beyond') : `≤\u00a0${micros(seconds * 1e6)}`;
}

/** How long requests took in the engine since the page was opened, by its own clock. */
function latencyPanel(visit, place) {
  let first = null;
  visit.poll(EVERY_MS, async () => {
    const text = await metrics(visit.signal).catch(() => null);
    if (typeof text !== 'string') {
      if (!first)
        fill(place, panel(t('engine.latency'), h('p', { class: 'dim' }, t('engine.no_ops'))));
      return text !== undefined; // a gateway without --ops is not asked again
    }
    const now = histograms(text);
    first ??= now;
    const rows = MEASURED.filter((name) => now.has(name)).map((name) => [
      name,
      between(now.get(name), first.get(name)),
      now.get(name),
    ]);
    const column = (share) => ({
      title: t('engine.share', { n: number(share * 100, 1) }),
      number: true,
      cell: ([, fresh, all]) => bound(quantile(fresh.at(-1)[1] > 0 ? fresh : all, share)),
    });
    fill(
      place,
      panel(
        t('engine.latency'),
        h('p', { class: 'dim' }, t('engine.latency_about')),
        table(
          [
            { title: t('engine.what'), cell: ([name]) => t(`engine.${name.replaceAll(' ', '_')}`) },
            {
              title: t('engine.count'),
              number: true,
              cell: ([, fresh]) => number(fresh.at(-1)[1]),
            },
            column(0.5),
            column(0.99),
            column(0.999),
          ],
          rows,
          { caption: t('engine.latency') },
        ),
      ),
    );
    return true;
  });
}

export async function render(visit) {
  const tiles = h('div', { class: 'tiles' }),
    panels = h('div', { class: 'columns' }),
    all = h('div');
  const up = h('span', { class: 'dim' });
  const latency = h('div');
  fill(visit.root, heading(t('nav.engine'), up), tiles, latency, panels, all);
  latencyPanel(visit, latency);
  const trip = new Series(),
    write = new Series();
  await visit.poll(
    EVERY_MS,
    async () => {
      const begun = performance.now();
      await visit.call('ping');
      const took = (performance.now() - begun) * 1000;
      const info = await visit.call('info');
      trip.push(took);
      write.push(info.journal.last_write_us);
      fill(
        up,
        t('overview.uptime', {
          version: info.server.version,
          time: duration(info.server.uptime_ms),
        }),
      );
      fill(
        tiles,
        latencyTile(t('engine.trip'), trip, took),
        latencyTile(t('engine.write'), write, info.journal.last_write_us),
        tile(t('engine.workers'), number(info.server.workers)),
        tile(t('table.connections'), number(info.server.connections)),
        tile(t('engine.subscribers'), number(info.feed.subscribers)),
      );
      fill(panels, journalPanel(info), tablesPanel(info), slowPanel(info));
      const open = [...all.querySelectorAll('details')].map((one) => one.open);
      fill(all, everything(info));
      all.querySelectorAll('details').forEach((one, index) => {
        one.open = open[index] ?? false;
      });
    },
    (problem) => fill(tiles, complaint(problem)),
  );
}
