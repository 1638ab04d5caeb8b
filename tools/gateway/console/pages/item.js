// SPDX-License-Identifier: Apache-2.0
// Finding an item, and an item: where its units are, who may sell them, what happened to it.
import { h, fill, link, at } from '../dom.js';
import { t } from '../i18n.js';
import { number, units } from '../format.js';
import { catalogue } from '../catalogue.js';
import { heading, panel, tile, table, busy, button, complaint, empty } from '../parts.js';
import { availability } from '../api.js';
import { stockPanel } from './item_stock.js';
import { historyPanel } from './item_history.js';

const LOOKED_AT_ONCE = 20_000,
  FOUND_SHOWN = 50;

// ---- finding ----

/** Asks page by page for items whose name, sku or barcode has the words. The engine has no index
 *  of names: so this is bounded, and goes on when asked to. */
async function* scan(visit, words) {
  const wanted = words.toLocaleLowerCase().split(/\s+/);
  for (let after_index = 0, seen = 0; after_index !== null;) {
    const page = await visit.call('items', { after_index, limit: 1000, details: true });
    const found = page.items.filter(([sku, { name, barcode }]) => {
      const text = `${sku} ${name ?? ''} ${barcode ?? ''}`.toLocaleLowerCase();
      return wanted.every((part) => text.includes(part));
    });
    seen += page.items.length;
    after_index = page.next;
    yield { found, seen, ended: after_index === null };
  }
}

async function search(visit, words, place) {
  fill(place, busy());
  try {
    const { sku } = await visit.call('lookup', { code: words });
    if (!visit.signal.aborted) location.hash = at('item', sku);
    return;
  } catch (problem) {
    if (visit.signal.aborted) return;
    if (problem.code !== 'unknown_sku' && problem.code !== 'bad_request') {
      fill(place, complaint(problem));
      return;
    }
  }
  const pages = scan(visit, words),
    found = [];
  const go = async () => {
    let last = null,
      stop = LOOKED_AT_ONCE;
    for (;;) {
      const { value, done } = await pages.next();
      if (done) break;
      last = value;
      found.push(...value.found);
      if (value.ended || found.length >= FOUND_SHOWN || value.seen >= stop) break;
    }
    fill(
      place,
      table(
        [
          { title: t('item'), cell: ([sku]) => link(sku, 'item', sku) },
          { title: t('name'), cell: ([, item]) => item.name ?? t('none') },
          { title: t('barcode'), cell: ([, item]) => item.barcode ?? t('none') },
        ],
        found,
        { none: t('search.nothing', { words }), caption: t('search.found') },
      ),
      last &&
        h(
          'p',
          { class: 'dim', role: 'status' },
          t('search.looked', { n: number(last.seen) }),
          ' ',
          !last.ended &&
            button(t('search.more'), () => {
              stop = last.seen + LOOKED_AT_ONCE;
              go();
            }),
        ),
    );
  };
  try {
    await go();
  } catch (problem) {
    if (!visit.signal.aborted)
      fill(
        place,
        complaint(problem, () => search(visit, words, place)),
      );
  }
}

/** The search field of items, which barcode scanners also type into. */
export function searchForm(visit, place, value = '') {
  const input = h('input', {
    type: 'search',
    name: 'words',
    value,
    autocomplete: 'off',
    'aria-label': t('search.items'),
    placeholder: t('search.hint'),
  });
  return h(
    'form',
    {
      class: 'filters',
      role: 'search',
      on: {
        submit: (event) => {
          event.preventDefault();
          if (input.value.trim()) search(visit, input.value.trim(), place);
        },
      },
    },
    h('div', { class: 'grow field' }, input),
    h('button', { type: 'submit', class: 'primary' }, t('search')),
  );
}

async function renderSearch(visit) {
  const place = h('div');
  const form = searchForm(visit, place);
  fill(visit.root, heading(t('nav.item')), panel(null, form, place));
  form.querySelector('input').focus();
  const { items } = await visit.call('items', { after_index: 0, limit: 100, details: true });
  if (place.childNodes.length) return; // a search was quicker
  fill(
    place,
    items.length ? h('h2', null, t('search.first')) : null,
    table(
      [
        { title: t('item'), cell: ([sku]) => link(sku, 'item', sku) },
        { title: t('name'), cell: ([, item]) => item.name ?? t('none') },
        { title: t('barcode'), cell: ([, item]) => item.barcode ?? t('none') },
      ],
      items,
      { none: t('search.no_items'), caption: t('search.first') },
    ),
  );
}

// ---- one item ----

function totals(stock, item) {
  return [
    tile(t('on_hand'), units(stock.on_hand, item)),
    tile(t('reserved'), units(stock.reserved, item)),
    tile(t('available'), units(stock.available, item), '', stock.available < 0 ? 'bad' : ''),
    tile(
      t('incoming'),
      units(
        stock.pools
          .filter((pool) => pool.kind === 'expected' || pool.kind === 'in_transit')
          .reduce((all, pool) => all + pool.on_hand, 0),
        item,
      ),
    ),
    stock.backlog > 0 && tile(t('backlog'), units(stock.backlog, item), t('backlog.note'), 'warn'),
  ];
}

async function channelTiles(visit, item, channels) {
  const asked = await Promise.allSettled(
    channels.map(({ code }) => availability(code, [item.sku], visit.signal)),
  );
  return table(
    [
      {
        title: t('channel'),
        cell: ([channel]) => link(channel.name || channel.code, 'channel', channel.code),
      },
      {
        title: t('channel.can_sell'),
        number: true,
        cell: ([, answer]) =>
          answer.status === 'fulfilled' ? units(answer.value.stock[item.sku], item) : t('hidden'),
      },
    ],
    channels.map((channel, index) => [channel, asked[index]]),
    { caption: t('item.channels') },
  );
}

export async function render(visit) {
  const [sku] = visit.parts;
  if (!sku) return renderSearch(visit);
  const [item, known] = await Promise.all([visit.call('item', { sku }), catalogue(visit.signal)]);
  const found = h('div'),
    tiles = h('div', { class: 'tiles' }),
    channels = h('div');
  const places = stockPanel(visit, item, known);
  const past = historyPanel(visit, item, places);
  fill(
    visit.root,
    searchForm(visit, found),
    found,
    heading(
      item.name || sku,
      h(
        'span',
        { class: 'dim' },
        [item.name && sku, item.barcode && `${t('barcode')} ${item.barcode}`]
          .filter(Boolean)
          .join(' · '),
      ),
    ),
    tiles,
    places.element,
    h('div', { class: 'columns' }, panel(t('item.channels'), channels), past.holds),
    past.element,
  );
  const refresh = async () => {
    const stock = await visit.call('stock', { sku });
    fill(tiles, totals(stock, item));
    places.show(stock);
    past.load(stock.lsn);
    fill(
      channels,
      known.channels.length ? await channelTiles(visit, item, known.channels) : empty(),
    );
  };
  await refresh();
  const again = visit.seldom(500, () => {
    refresh().catch((problem) => problem.passes && visit.afterAway(again));
  });
  visit.follow('changes', [], {
    data: (row) => row.sku === sku && again(),
    resync: again,
    state: () => {},
  });
  visit.poll(20_000, async () => {
    again();
  }); // what no channel sees changes, too
}
