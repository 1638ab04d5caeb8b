// SPDX-License-Identifier: Apache-2.0
// What happened to an item: a timeline, a slider over the past, and the holds that follow from it.
import { h, fill, link } from '../dom.js';
import { t, word } from '../i18n.js';
import { number, signed, time, away, units } from '../format.js';
import { panel, table, badge, button, complaint, empty, busy } from '../parts.js';

const FIRST_BYTES = 512 << 10, // of records: they tell of fewer than 10,000 events
  ENOUGH = 500,
  PAGE = 1000,
  PAGES = 10,
  SHOWN = 50;
const MOVES = [
  'receive',
  'adjust',
  'count',
  'return',
  'sold',
  'shift',
  'settle',
  'arrive',
  'allot',
  'fulfil',
  'transfer',
];
const RESERVES = ['reserve', 'amend', 'move', 'reject', 'sourced'];
const SUPPLY = ['expect', 'transfer', 'ship', 'arrive', 'withdraw', 'reschedule', 'late'];

/** One event of a history, as a line of a timeline. */
export function timelineEntry(event, item, about) {
  const qty =
    event.qty !== null &&
    (MOVES.includes(event.type) ? signed(event.qty, item) : units(event.qty, item));
  const where = [
    event.location,
    event.channel,
    event.kind && event.kind !== 'shared' && word('kind', event.kind),
  ]
    .filter(Boolean)
    .join(' · ');
  return h(
    'li',
    null,
    h(
      'div',
      { class: 'line' },
      badge('type', event.type, 'quiet'),
      qty && h('strong', null, qty),
      about === 'id' && event.sku && link(event.sku, 'item', event.sku),
      h('span', null, where),
      about !== 'id' &&
        event.id &&
        link(event.id, SUPPLY.includes(event.type) ? 'supply' : 'order', event.id),
      event.on_hand !== null &&
        h(
          'span',
          { class: 'dim' },
          t('history.after', {
            on_hand: units(event.on_hand, item),
            reserved: units(event.reserved ?? 0, item),
          }),
        ),
    ),
    h(
      'small',
      null,
      time(event.time_ms),
      ' · ',
      away(event.time_ms),
      event.client && ` · ${event.client}`,
      event.reason && ` · ${event.reason}`,
      event.ref && ` · ${event.ref}`,
    ),
  );
}

/** Newest first, some at a time. */
export function timeline(events, item, about) {
  if (!events.length) return empty(t('history.none'));
  const newest = [...events].reverse();
  const list = h('ul', { class: 'timeline' }),
    more = h('p', { class: 'more' });
  let shown = 0;
  const grow = () => {
    list.append(
      ...newest.slice(shown, shown + SHOWN).map((event) => timelineEntry(event, item, about)),
    );
    shown = Math.min(newest.length, shown + SHOWN);
    fill(
      more,
      shown < newest.length &&
        button(
          t('history.more', {
            n: number(newest.length - shown),
          }),
          grow,
        ),
    );
  };
  grow();
  return h('div', null, list, more);
}

/** Reservations that still hold units, by what their last event says. */
function holdsOf(events) {
  const orders = new Map();
  for (const event of events) {
    if (!event.id || !event.state || SUPPLY.includes(event.type)) continue;
    const order = orders.get(event.id) ?? { id: event.id, qty: 0, since: event.time_ms };
    const { type, qty } = event;
    if (RESERVES.includes(type)) order.qty += qty ?? 0;
    else if (type === 'cancel' || type === 'expire') order.qty -= qty ?? 0;
    else if (type === 'fulfil') order.qty += qty ?? 0; // its units leave: a negative number
    order.state = event.state;
    order.channel = event.channel ?? order.channel;
    if (event.expires_ms) order.expires_ms = event.expires_ms;
    orders.set(event.id, order);
  }
  return [...orders.values()]
    .filter((order) => order.qty > 0 && (order.state === 'held' || order.state === 'confirmed'))
    .reverse();
}

function holdsTable(events, item) {
  return table(
    [
      { title: t('order'), cell: (order) => link(order.id, 'order', order.id) },
      { title: t('state'), cell: (order) => badge('state', order.state) },
      { title: t('units.title'), number: true, cell: (order) => units(order.qty, item) },
      {
        title: t('until'),
        cell: (order) =>
          order.state === 'held' && order.expires_ms
            ? h('span', { title: time(order.expires_ms) }, away(order.expires_ms))
            : t('none'),
      },
    ],
    holdsOf(events),
    { none: t('item.no_holds'), caption: t('item.holds') },
  );
}

/** A slider whose stops are the events: the last is now. */
function slider(visit, item, places) {
  const input = h('input', {
    type: 'range',
    min: 0,
    max: 0,
    step: 1,
    'aria-label': t('past.slider'),
  });
  const label = h('output', { 'aria-live': 'polite' });
  const now = button(t('past.now'), () => {
    input.value = input.max;
    moved();
  });
  let events = [],
    asked = 0;
  const look = visit.seldom(150, async () => {
    const event = events[Number(input.value)],
      mine = ++asked;
    if (!event) {
      places.showNow();
      return;
    }
    try {
      const stock = await visit.call('stock', { sku: item.sku, at_lsn: event.lsn });
      if (mine === asked) places.showPast(stock, time(event.time_ms));
    } catch (problem) {
      if (!visit.signal.aborted && mine === asked) fill(label, problem.message);
    }
  });
  function moved() {
    const event = events[Number(input.value)];
    const text = event ? `${time(event.time_ms)} – ${word('type', event.type)}` : t('past.present');
    fill(label, text);
    input.setAttribute('aria-valuetext', text);
    now.disabled = !event;
    look();
  }
  input.addEventListener('input', moved);
  now.disabled = true;
  fill(label, t('past.present'));
  return {
    element: h(
      'div',
      { class: 'field' },
      h('div', { class: 'heading' }, h('span', null, t('past.title')), label, now),
      input,
    ),
    /** One stop for each record; who looks at the past stays there. */
    take(fresh) {
      const present = !events[Number(input.value)];
      events = fresh.filter((event, index) => event.lsn !== fresh[index + 1]?.lsn);
      input.max = events.length;
      if (present) input.value = events.length;
    },
  };
}

/** Where to begin so that the latest events are among those that can be loaded: the journal's last
 *  bytes if they tell enough of the item, else more of them, at last all. */
async function whereToBegin(visit, sku, lsn) {
  for (let bytes = FIRST_BYTES; bytes < lsn; bytes *= 16) {
    const since_lsn = lsn - bytes;
    const { events } = await visit.call('history', { sku, since_lsn, limit: ENOUGH });
    if (events.length >= ENOUGH) return since_lsn;
  }
  return 0;
}

export function historyPanel(visit, item, places) {
  const list = h('div', null, busy()),
    holds = h('div', null, busy()),
    slide = slider(visit, item, places);
  let events = [],
    first_lsn = null,
    since_lsn = 0,
    loading = false;
  const load = async (lsn) => {
    if (loading) return;
    loading = true;
    try {
      if (first_lsn === null) {
        first_lsn = await whereToBegin(visit, item.sku, lsn);
        since_lsn = first_lsn;
      }
      let next = since_lsn,
        pages = 0,
        fresh = 0;
      do {
        const page = await visit.call('history', { sku: item.sku, since_lsn: next, limit: PAGE });
        events.push(...page.events);
        fresh += page.events.length;
        since_lsn = page.next ?? page.lsn;
        next = page.next;
      } while (next !== null && ++pages < PAGES);
      if (fresh || !list.querySelector('.timeline')) {
        fill(
          list,
          first_lsn > 0 &&
            h(
              'p',
              { class: 'dim' },
              t('history.bounded', {
                n: number(events.length),
              }),
            ),
          timeline(events, item, 'item'),
        );
        fill(holds, holdsTable(events, item));
        slide.take(events);
      }
    } catch (problem) {
      if (!visit.signal.aborted && !events.length) {
        fill(
          list,
          complaint(problem, () => load(lsn)),
        );
        fill(holds, empty(problem.message));
      }
    }
    loading = false;
  };
  places.element.insertBefore(slide.element, places.element.children[1]);
  return { element: panel(t('history'), list), holds: panel(t('item.holds'), holds), load };
}
