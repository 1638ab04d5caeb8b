// SPDX-License-Identifier: Apache-2.0
// Picking one order at one place: scan each unit, then set it aside or hand it over.
import { h, fill, at } from '../dom.js';
import { t } from '../i18n.js';
import { number, units } from '../format.js';
import { freshId } from '../api.js';
import { badge, button, choice, field, ask, notice, complaint, pairs } from '../parts.js';
import { itemsOf, counter, itemName, due, attempt, sure } from '../store_parts.js';
import { scanner, scanField, skuOf } from '../scanner.js';

const REASONS = ['not_found', 'damaged', 'busy'];

/** What was picked of an order, as long as the page is open: a look elsewhere loses nothing. */
const picked = new Map();

/** sku → units that are still to be given from there. */
function leftBySku(order, location) {
  const left = new Map();
  for (const [sku, where, qty, , fulfilled, cancelled] of order.lines) {
    const units_left = qty - fulfilled - cancelled;
    if (where === location && units_left > 0) left.set(sku, (left.get(sku) ?? 0) + units_left);
  }
  return left;
}

/** Tells the engine that the place cannot give some units, and says what became of them. */
async function reject(visit, id, location, item, left, done) {
  const op = freshId();
  const reason = choice(
    REASONS.map((name) => [name, t(`reject.${name}`)]),
    'not_found',
  );
  const count = counter(item, left, left, null, t('units.title'));
  const result = await ask({
    title: t('reject.title', { item: item.name || item.sku }),
    text: t('reject.about'),
    fields: [field(t('reject.units'), count.element), field(t('reject.reason'), reason)],
    yes: t('reject.yes'),
    tone: 'danger large',
    action: () =>
      visit.call('reject', {
        id,
        location,
        lines: [[item.sku, count.value]],
        reason: reason.value,
        op,
      }),
  });
  if (!result) return;
  const waits = result.unsourced?.length > 0;
  notice(t(waits ? 'reject.waits' : 'reject.moved'), waits ? 'bad' : 'good');
  done();
}

function lineOf(visit, { id, location, item, left, counts, changed, reload }) {
  const note = h('span', { class: 'badge' });
  const row = h('li', { class: 'pick-line' });
  const count = counter(
    item,
    counts.get(item.sku) ?? 0,
    left,
    (n) => {
      counts.set(item.sku, n);
      row.classList.toggle('done', n >= left);
      fill(note, t('store.of', { n: units(n, item), all: units(left, item) }));
      changed();
    },
    t('pick.counted', { item: item.name || item.sku }),
  );
  fill(
    row,
    itemName(item),
    note,
    count.element,
    button(t('reject.short'), () => reject(visit, id, location, item, left, reload), {
      class: 'danger',
    }),
  );
  return { row, count, left, sku: item.sku };
}

export async function renderPick(visit, location, id, body) {
  const order = await visit.call('reservation', { id });
  const left = leftBySku(order, location);
  const part = order.parts.find((one) => one.location === location);
  const items = await itemsOf(visit, left.keys());
  const key = `${location}/${id}`;
  if (!picked.has(key)) picked.set(key, new Map());
  const counts = picked.get(key),
    said = h('div'),
    buttons = h('div', { class: 'actions' });
  const back = () => {
    window.location.hash = at('store', location, 'pick');
  };
  const reload = () => {
    counts.clear();
    renderPick(visit, location, id, body).catch((problem) => fill(said, complaint(problem)));
  };
  const facts = pairs([
    [t('order'), h('a', { href: at('order', id) }, id)],
    order.ref && [t('ref'), order.ref],
    [t('channel'), order.channel],
    part?.ready_ms && [t('order.ready'), due(part.ready_ms)],
    [t('step'), badge('step', part?.step ?? 'cancelled')],
  ]);
  if (order.state !== 'confirmed' || !left.size) {
    fill(
      body,
      facts,
      h('p', { class: 'empty' }, t(order.state === 'held' ? 'pick.held' : 'pick.nothing')),
      h('a', { class: 'button large', href: at('store', location, 'pick') }, t('pick.back')),
    );
    return;
  }
  let lines = [];
  const complete = () => lines.every(({ sku, left: all }) => (counts.get(sku) ?? 0) >= all);
  const step = (method, title, text, params) =>
    sure(title, text, title, () =>
      visit.call(method, { id, location, ...params }).then(() => {
        picked.delete(key);
        notice(t('pick.done'));
        back();
        return true;
      }),
    );
  const draw = () => {
    const whole = complete();
    fill(
      buttons,
      part.step === 'open' &&
        button(t('pick.ready'), () => step('ready', t('pick.ready'), t('pick.ready_about')), {
          class: 'primary large',
          disabled: !whole,
        }),
      button(t('pick.fulfil'), () => step('fulfil', t('pick.fulfil'), t('pick.fulfil_about')), {
        class: 'large',
        disabled: !whole,
      }),
      !whole &&
        button(t('pick.all'), () => lines.forEach((line) => line.count.set(line.left)), {
          class: 'large',
        }),
    );
  };
  lines = [...left].map(([sku, n]) =>
    lineOf(visit, {
      id,
      location,
      item: items.get(sku),
      left: n,
      counts,
      reload,
      changed: () => lines.length && draw(),
    }),
  );
  const read = (code) =>
    attempt(visit, said, async () => {
      const sku = await skuOf(visit, code, items.values());
      const line = lines.find((one) => one.sku === sku);
      if (!line) throw Object.assign(new Error(t('pick.foreign', { sku })), { code: 'foreign' });
      if (line.count.value >= line.left) {
        throw Object.assign(new Error(t('pick.enough', { sku })), { code: 'enough' });
      }
      line.count.set(line.count.value + 10 ** (items.get(sku).decimals ?? 0));
      line.row.scrollIntoView({ block: 'nearest' });
      line.row.classList.remove('fresh');
      requestAnimationFrame(() => line.row.classList.add('fresh'));
    });
  scanner(visit, read);
  fill(
    body,
    facts,
    scanField(read),
    said,
    h(
      'p',
      { class: 'dim' },
      t('pick.lines', {
        n: number(lines.length),
      }),
    ),
    h(
      'ul',
      { class: 'pick' },
      lines.map((line) => line.row),
    ),
    buttons,
  );
  draw();
}
