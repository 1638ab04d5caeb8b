// SPDX-License-Identifier: Apache-2.0
// What the pages of the store tablet share: cards, counters, items with their names.
import { h, fill, at } from './dom.js';
import { t } from './i18n.js';
import { units, away } from './format.js';
import { Problem } from './api.js';
import { button, notice, complaint, ask } from './parts.js';

const ITEMS_AT_ONCE = 16;

/** sku → item, for those that the engine tells of. */
export async function itemsOf(visit, skus) {
  const wanted = [...new Set(skus)],
    items = new Map();
  const work = async () => {
    for (let sku = wanted.pop(); sku !== undefined; sku = wanted.pop()) {
      try {
        items.set(sku, await visit.call('item', { sku }));
      } catch (problem) {
        if (!(problem instanceof Problem) || problem.passes) throw problem;
        items.set(sku, { sku, name: null, barcode: null, decimals: 0 });
      }
    }
  };
  await Promise.all(Array.from({ length: ITEMS_AT_ONCE }, work));
  return items;
}

/** A large card that opens something. */
export function card(address, title, facts, tone) {
  return h(
    'a',
    { class: `card ${tone ?? ''}`, href: at(...address) },
    h('strong', null, title),
    facts.filter(Boolean).map((fact) => h('span', null, fact)),
  );
}

export function due(ms) {
  if (!ms) return null;
  return t(ms < Date.now() ? 'store.late' : 'store.due', { time: away(ms) });
}

/** A counter of units with large buttons: {element, value, set(n)}. */
export function counter(item, value, most, changed, label) {
  const step = 10 ** (item.decimals ?? 0);
  const input = h('input', {
    type: 'text',
    inputmode: 'decimal',
    autocomplete: 'off',
    'aria-label': label,
  });
  const less = button('−', () => self.set(self.value - step), { 'aria-label': t('store.less') });
  const more = button('+', () => self.set(self.value + step), { 'aria-label': t('store.more') });
  const self = {
    element: h('div', { class: 'counter' }, less, input, more),
    value,
    set(n) {
      self.value = Math.max(0, most === null ? n : Math.min(most, n));
      input.value = String(self.value / step);
      less.disabled = self.value === 0;
      more.disabled = most !== null && self.value >= most;
      changed?.(self.value);
    },
  };
  input.addEventListener('change', () => {
    const given = Number(input.value.replace(',', '.'));
    self.set(Number.isFinite(given) ? Math.round(given * step) : self.value);
  });
  input.addEventListener('focus', () => input.select());
  self.set(value);
  return self;
}

/** An item as a line: its name large, its sku and barcode small. */
export function itemName(item) {
  return h(
    'div',
    { class: 'item-name' },
    h('strong', null, item.name || item.sku),
    h('small', null, [item.name && item.sku, item.barcode].filter(Boolean).join(' · ')),
  );
}

export function ofUnits(count, all, item) {
  return t('store.of', { n: units(count, item), all: units(all, item) });
}

/** Does something at once, saying so; a refusal is shown at `place`. */
export async function attempt(visit, place, work, done) {
  try {
    fill(place);
    const result = await work();
    if (done) notice(done);
    return result;
  } catch (problem) {
    if (!visit.signal.aborted) {
      fill(
        place,
        complaint(problem, problem.passes ? () => attempt(visit, place, work, done) : undefined),
      );
      place.scrollIntoView({ block: 'nearest' });
    }
    return null;
  }
}

/** Asks first, with a large button: a glove slips easily. */
export function sure(title, text, yes, action, tone) {
  return ask({ title, text, yes, action, tone: `${tone ?? 'primary'} large` });
}

/** The orders of a place at a step: all pages, up to a bound. */
export async function ordersAt(visit, location, step) {
  const all = [];
  for (let after; all.length < 2000;) {
    const page = await visit.call('orders', {
      location,
      state: 'confirmed',
      step,
      after,
      limit: 500,
    });
    all.push(...page.orders);
    after = page.next;
    if (after === null) break;
  }
  return all;
}
