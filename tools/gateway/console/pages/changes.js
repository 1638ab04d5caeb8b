// SPDX-License-Identifier: Apache-2.0
// What changes and what happens, as it does.
import { h, fill, link, at } from '../dom.js';
import { t, word } from '../i18n.js';
import { number, clock } from '../format.js';
import { catalogue } from '../catalogue.js';
import { heading, panel, tabs, button, choice, field, complaint, empty, badge } from '../parts.js';
import { eventLine } from './overview.js';

const KEPT = 500,
  SHOWN = 100,
  DRAW_MS = 250;
const TYPES = [
  'sold_out',
  'back_in_stock',
  'low_stock',
  'late',
  'overage',
  'lost',
  'sourced',
  'unsourced',
  'moved',
  'ready',
  'rejected',
  'not_collected',
  'expired',
];
const TONES = { live: 'good', engine_away: 'bad', gateway_away: 'bad', paused: 'warn' };

function changeRow(change) {
  return h(
    'tr',
    { class: change.fresh ? 'fresh' : null },
    h('td', null, clock(change.at_ms)),
    h('th', { scope: 'row' }, link(change.sku, 'item', change.sku)),
    h('td', null, change.channel),
    h('td', { class: 'number' }, h('strong', null, number(change.available))),
  );
}

function changesTable(rows) {
  return h(
    'div',
    { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': t('changes.changes') },
    h(
      'table',
      null,
      h(
        'thead',
        null,
        h(
          'tr',
          null,
          [t('count.at'), t('item'), t('channel')].map((title) => h('th', { scope: 'col' }, title)),
          h('th', { scope: 'col', class: 'number' }, t('channel.can_sell')),
        ),
      ),
      h('tbody', null, rows.slice(0, SHOWN).map(changeRow)),
    ),
  );
}

function eventsList(rows) {
  return h(
    'ul',
    { class: 'timeline' },
    rows
      .slice(0, SHOWN)
      .map((event) =>
        h(
          'li',
          null,
          h('div', { class: 'line' }, eventLine(event)),
          h('small', null, clock(event.time_ms)),
        ),
      ),
  );
}

function filters(visit, which, known) {
  const { query } = visit;
  const change = (name) => (value) => {
    const next = new URLSearchParams(query);
    if (value) next.set(name, value);
    else next.delete(name);
    window.location.hash = `${at('changes', which)}?${next}`;
  };
  const any = [['', t('any')]];
  return h(
    'div',
    { class: 'filters' },
    field(
      t('channel'),
      choice(
        any.concat(known.channels.map(({ code, name }) => [code, name || code])),
        query.get('channel'),
        change('channel'),
      ),
    ),
    which === 'events' &&
      field(
        t('changes.type'),
        choice(
          any.concat(TYPES.map((type) => [type, word('event', type)])),
          query.get('types'),
          change('types'),
        ),
      ),
  );
}

export async function render(visit) {
  const which = visit.parts[0] === 'events' ? 'events' : 'changes';
  const known = await catalogue(visit.signal);
  const list = h('div'),
    state = h('span', { role: 'status' }),
    told = h('span', { class: 'dim' });
  let rows = [],
    count = 0,
    paused = false,
    says = 'live';
  const draw = visit.seldom(DRAW_MS, () => {
    fill(state, badge('live', paused ? 'paused' : says, TONES[paused ? 'paused' : says]));
    fill(told, t('changes.count', { n: number(count) }));
    if (paused) return;
    if (!rows.length) fill(list, empty(t('changes.wait')));
    else fill(list, which === 'events' ? eventsList(rows) : changesTable(rows));
    for (const row of rows) row.fresh = false;
  });
  const pause = button(
    t('changes.pause'),
    () => {
      paused = !paused;
      fill(pause, t(paused ? 'changes.go_on' : 'changes.pause'));
      draw();
    },
    { 'aria-keyshortcuts': 'p' },
  );
  visit.on(document, 'keydown', (event) => {
    if (event.key === 'p' && !event.target.closest?.('input, select, dialog')) pause.click();
  });
  fill(
    visit.root,
    heading(t('nav.changes'), state, told, pause),
    tabs(
      [
        [at('changes', 'changes'), t('changes.changes'), which === 'changes'],
        [at('changes', 'events'), t('changes.events'), which === 'events'],
      ],
      t('nav.changes'),
    ),
    panel(null, filters(visit, which, known), list),
  );
  draw();
  visit.follow(
    which,
    ['channel', 'types'].map((name) => [name, visit.query.get(name)]),
    {
      data: (row) => {
        count++;
        rows.unshift({ ...row, at_ms: Date.now(), fresh: true });
        if (rows.length > KEPT * 2) rows = rows.slice(0, KEPT);
        draw();
      },
      resync: () => {
        rows = [];
        draw();
      },
      state: (now, problem) => {
        if (now === 'refused') {
          fill(list, complaint(problem));
          return;
        }
        says = now;
        draw();
      },
    },
  );
}
