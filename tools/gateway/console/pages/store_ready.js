// SPDX-License-Identifier: Apache-2.0
// Orders that are set aside: handed over to who comes for them, or back on the shelf.
import { h, fill, at } from '../dom.js';
import { t } from '../i18n.js';
import { number, away } from '../format.js';
import { badge, button, complaint, empty, notice } from '../parts.js';
import { sure, ordersAt } from '../store_parts.js';

const EVERY_MS = 4000;

function entry(visit, location, order, refresh) {
  const part = order.parts.find((one) => one.location === location) ?? {};
  const lines = order.lines.filter(
    ([, where, qty, , fulfilled, cancelled]) => where === location && qty > fulfilled + cancelled,
  );
  const act = (method, title, text, tone) =>
    sure(
      title,
      text,
      title,
      () =>
        visit.call(method, { id: order.id, location }).then(() => {
          notice(t(`ready.${method}_done`));
          refresh();
          return true;
        }),
      tone,
    );
  return h(
    'li',
    { class: part.step === 'not_collected' ? 'card late' : 'card' },
    h(
      'div',
      { class: 'heading' },
      h('strong', null, h('a', { href: at('order', order.id) }, order.ref || order.id)),
      badge('step', part.step),
      h('span', { class: 'dim' }, order.channel),
    ),
    part.collect_by_ms && h('span', null, t('ready.until', { time: away(part.collect_by_ms) })),
    h(
      'ul',
      { class: 'plain' },
      lines.map(([sku, , qty, , fulfilled, cancelled]) =>
        h('li', null, `${number(qty - fulfilled - cancelled)} × ${sku}`),
      ),
    ),
    h(
      'div',
      { class: 'actions' },
      button(
        t('ready.fulfil'),
        () =>
          act(
            'fulfil',
            t('ready.fulfil'),
            t('ready.fulfil_about', {
              order: order.ref || order.id,
            }),
          ),
        { class: 'primary large' },
      ),
      part.step === 'not_collected' &&
        button(
          t('ready.restock'),
          () => act('restock', t('ready.restock'), t('ready.restock_about'), 'danger'),
          { class: 'danger large' },
        ),
    ),
  );
}

export async function renderReady(visit, location, body) {
  let shown = null;
  const refresh = async () => {
    const [waiting, late] = await Promise.all([
      ordersAt(visit, location, 'ready'),
      ordersAt(visit, location, 'not_collected'),
    ]);
    const orders = [...late, ...waiting];
    const signature = JSON.stringify(orders.map(({ id, lsn }) => [id, lsn]));
    if (signature === shown) return;
    shown = signature;
    fill(
      body,
      orders.length
        ? h(
            'ul',
            { class: 'cards wide' },
            orders.slice(0, 300).map((order) => entry(visit, location, order, refresh)),
          )
        : empty(t('ready.none')),
    );
  };
  await visit.poll(EVERY_MS, refresh, (problem) => fill(body, complaint(problem)));
}
