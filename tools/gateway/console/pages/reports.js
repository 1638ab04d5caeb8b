// SPDX-License-Identifier: Apache-2.0
// Figures: a report as a chart, a table and a CSV file.
import { h, fill, at, link } from '../dom.js';
import { t, word } from '../i18n.js';
import { number, figure, share, time } from '../format.js';
import { columns as columnsChart, bars } from '../chart.js';
import { catalogue } from '../catalogue.js';
import { heading, panel, table, button, choice, field, complaint, busy } from '../parts.js';

const DAY_MS = 86_400_000,
  MOST_ROWS = 50_000,
  BARS = 20;

/**
 * What each report may be told by; `past`: it counts what happened, so it takes times; `chart`: the
 * column that is drawn, if that is not the first after the key.
 */
const REPORTS = {
  sales: { by: ['day', 'hour', 'channel', 'location', 'sku'], past: true },
  returns: { by: ['day', 'hour', 'channel', 'location', 'sku'], past: true },
  refused: { by: ['day', 'hour', 'channel', 'sku'], past: true },
  sell_through: { by: ['channel', 'location', 'sku'], past: true },
  sold_out: { by: ['day', 'hour', 'channel', 'sku'], past: true, chart: 'sold_out_s' },
  promises: { by: ['day', 'hour', 'channel', 'location', 'sku'], past: true },
  stock: { by: ['location', 'sku'] },
  holds: { by: ['channel'] },
  parts: { by: ['location', 'channel'], chart: 'orders' },
  late: { by: ['location', 'sku'] },
  short: { by: ['location', 'sku'] },
};

const SPANS = { today: 0, days7: 6, days30: 29, all: null };

function wanted(visit) {
  const { query } = visit;
  const name = REPORTS[query.get('name')] ? query.get('name') : 'sales';
  const { by, past } = REPORTS[name];
  const span = query.get('span') in SPANS ? query.get('span') : 'days7';
  return {
    name,
    past,
    span,
    by: by.includes(query.get('by')) ? query.get('by') : by[0],
    channel: query.get('channel') ?? '',
    location: query.get('location') ?? '',
    sku: query.get('sku') ?? '',
  };
}

function paramsOf(asked) {
  const params = { name: asked.name, by: asked.by, limit: 10_000 };
  for (const name of ['channel', 'location', 'sku']) if (asked[name]) params[name] = asked[name];
  const days = SPANS[asked.span];
  if (asked.past && days !== null) {
    params.from_ms = new Date().setUTCHours(0, 0, 0, 0) - days * DAY_MS;
  }
  return params;
}

async function load(visit, asked) {
  const params = paramsOf(asked),
    rows = [];
  for (;;) {
    const page = await visit.call('report', params);
    rows.push(...page.rows);
    if (page.next === null || rows.length >= MOST_ROWS) return { ...page, rows };
    params.after = page.next;
  }
}

// ---- CSV ----

/** A cell. Text that a spreadsheet would take for a formula is kept from that by an apostrophe. */
function csvCell(value) {
  if (value === null || value === undefined) return '';
  if (typeof value === 'number') return String(value);
  const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\n\r;]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

export function csvOf(columns, rows) {
  return [columns, ...rows].map((row) => row.map(csvCell).join(',')).join('\r\n') + '\r\n';
}

function download(name, text) {
  const url = URL.createObjectURL(new Blob(['\ufeff', text], { type: 'text/csv' }));
  h('a', { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

// ---- what is shown ----

function keyCell(by, key) {
  if (key === null) return t('report.no_key');
  if (by === 'sku') return link(key, 'item', key);
  if (by === 'location') return link(key, 'store', key);
  return by === 'channel' ? link(key, 'channel', key) : key;
}

function valueCell(column, value) {
  if (value === null) return t('none');
  return column.endsWith('_share') || column === 'sell_through' ? share(value) : figure(value);
}

function chartOf(asked, { columns, rows }) {
  const drawn = Math.max(1, columns.indexOf(REPORTS[asked.name].chart));
  const said = rows.map((row) => [row[0] ?? t('report.no_key'), row[drawn] ?? 0]);
  const label = t('report.chart', { report: t(`report.${asked.name}`), by: t(`by.${asked.by}`) });
  if (asked.by === 'day' || asked.by === 'hour') return columnsChart(said.slice(-120), label);
  const most = said.sort((a, b) => b[1] - a[1]).slice(0, BARS);
  return [
    bars(most, `${label} (${columns[drawn]})`),
    rows.length > BARS &&
      h('p', { class: 'dim' }, t('report.most', { n: number(BARS), all: number(rows.length) })),
  ];
}

function form(visit, asked, known) {
  const change = (name) => (value) => {
    const next = new URLSearchParams({
      name: asked.name,
      by: asked.by,
      span: asked.span,
      channel: asked.channel,
      location: asked.location,
      sku: asked.sku,
    });
    next.set(name, value);
    if (name === 'name') next.delete('by');
    window.location.hash = `${at('reports')}?${next}`;
  };
  const codes = (list) => [['', t('any')], ...list.map(({ code, name }) => [code, name || code])];
  const sku = h('input', {
    type: 'search',
    value: asked.sku,
    autocomplete: 'off',
    on: { change: () => change('sku')(sku.value.trim()) },
  });
  const takes = REPORTS[asked.name].by;
  return h(
    'div',
    { class: 'filters' },
    field(
      t('report'),
      choice(
        Object.keys(REPORTS).map((name) => [name, t(`report.${name}`)]),
        asked.name,
        change('name'),
      ),
    ),
    field(
      t('report.by'),
      choice(
        takes.map((name) => [name, t(`by.${name}`)]),
        asked.by,
        change('by'),
      ),
    ),
    asked.past &&
      field(
        t('report.span'),
        choice(
          Object.keys(SPANS).map((name) => [name, t(`span.${name}`)]),
          asked.span,
          change('span'),
        ),
      ),
    takes.includes('channel') &&
      field(t('channel'), choice(codes(known.channels), asked.channel, change('channel'))),
    takes.includes('location') &&
      field(t('place'), choice(codes(known.locations), asked.location, change('location'))),
    takes.includes('sku') && field(t('item'), sku),
  );
}

export async function render(visit) {
  const known = await catalogue(visit.signal),
    asked = wanted(visit),
    body = h('div', null, busy());
  fill(
    visit.root,
    heading(t('nav.reports')),
    panel(
      null,
      form(visit, asked, known),
      h('p', { class: 'dim' }, t(`report.${asked.name}_about`)),
    ),
    body,
  );
  let result;
  try {
    result = await load(visit, asked);
  } catch (problem) {
    if (!visit.signal.aborted)
      fill(
        body,
        complaint(problem, () => render(visit)),
      );
    return;
  }
  const { columns, rows, since_ms, next } = result;
  const name = `stockd-${asked.name}-by-${asked.by}.csv`;
  fill(
    body,
    rows.length > 0 && panel(t(`report.${asked.name}`), chartOf(asked, result)),
    panel(
      t('report.table'),
      h(
        'div',
        { class: 'heading' },
        rows.length > 0 &&
          button(t('report.csv'), () => download(name, csvOf(columns, rows)), { id: 'csv' }),
        since_ms && h('span', { class: 'dim' }, t('report.since', { time: time(since_ms) })),
        next !== null && h('span', { class: 'dim' }, t('report.cut', { n: number(rows.length) })),
      ),
      table(
        columns.map((column, index) => ({
          title: index ? word('column', column) : t(`by.${asked.by}`),
          number: index > 0,
          cell: (row) => (index ? valueCell(column, row[index]) : keyCell(asked.by, row[0])),
        })),
        rows,
        { none: t('report.none'), caption: t('report.table') },
      ),
    ),
  );
  body.className = 'stack';
}
