// SPDX-License-Identifier: Apache-2.0
// Whether the books are right: the last check, what is short, and the proof of each compaction.
import { h, fill, link } from '../dom.js';
import { t } from '../i18n.js';
import { number, time, away, bytes, duration } from '../format.js';
import { heading, panel, pairs, table, badge, button, complaint, empty } from '../parts.js';

const EVERY_MS = 5000;

function verdict(check) {
  if (check.running) return badge('check', 'running', 'info');
  if (!check.ended_ms) return badge('check', 'never', 'quiet');
  return check.broken ? badge('check', 'broken', 'bad') : badge('check', 'whole', 'good');
}

function lastCheck(check) {
  return pairs([
    [t('check.result'), verdict(check)],
    [
      t('check.when'),
      check.ended_ms ? h('span', { title: time(check.ended_ms) }, away(check.ended_ms)) : t('none'),
    ],
    [t('check.took'), check.ended_ms ? `${number(check.took_ms)}\u00a0ms` : t('none')],
    [t('check.broken_rules'), number(check.broken)],
    [t('check.done'), number(check.done)],
  ]);
}

function checkPanel(visit) {
  const last = h('div'),
    said = h('div', { role: 'status' });
  const go = button(
    t('check.now'),
    async () => {
      go.disabled = true;
      fill(said, empty(t('check.running_now')));
      try {
        const found = await visit.call('check');
        fill(
          said,
          h(
            'ul',
            { class: 'alerts' },
            found.broken === 0
              ? h(
                  'li',
                  { class: 'good' },
                  t('check.whole_of', {
                    items: number(found.items),
                    pools: number(found.pools),
                    reservations: number(found.reservations),
                    ids: number(found.ids),
                  }),
                )
              : found.findings.map((finding) => h('li', { class: 'bad' }, String(finding))),
          ),
          found.broken > 0 && h('p', null, t('check.what_now')),
        );
      } catch (problem) {
        if (!visit.signal.aborted) fill(said, complaint(problem));
      }
      go.disabled = false;
    },
    { class: 'primary' },
  );
  return {
    element: panel(
      t('check.title'),
      h('p', { class: 'dim' }, t('check.about')),
      last,
      h('div', { class: 'actions' }, go),
      said,
    ),
    show: (check) => fill(last, lastCheck(check)),
  };
}

function proofPanel({ snapshot, journal }) {
  return panel(
    t('proof.title'),
    h('p', { class: 'dim' }, t('proof.about')),
    pairs([
      [t('proof.done'), number(snapshot.compactions)],
      [t('proof.failed'), snapshot.failures ? badge('check', 'failed', 'bad') : number(0)],
      [
        t('proof.when'),
        snapshot.made_ms
          ? h('span', { title: time(snapshot.made_ms) }, away(snapshot.made_ms))
          : t('engine.no_snapshot'),
      ],
      [t('proof.up_to'), number(snapshot.lsn)],
      [t('proof.size'), bytes(snapshot.bytes)],
      [t('proof.took'), duration(snapshot.last_ms)],
      [t('proof.since'), bytes(Math.max(0, journal.durable_lsn - snapshot.lsn))],
      [t('proof.running'), t(snapshot.running ? 'yes' : 'no')],
    ]),
  );
}

async function shortPanel(visit, place) {
  await visit.poll(
    EVERY_MS,
    async () => {
      const { rows, next } = await visit.call('report', { name: 'short', by: 'sku', limit: 1000 });
      fill(
        place,
        table(
          [
            { title: t('item'), cell: ([sku]) => link(sku, 'item', sku) },
            { title: t('short.missing'), number: true, cell: ([, units]) => number(units) },
            { title: t('channel.places'), number: true, cell: ([, , pools]) => number(pools) },
          ],
          rows,
          { none: t('short.none'), caption: t('integrity.short') },
        ),
        next !== null && h('p', { class: 'dim' }, t('report.cut', { n: number(rows.length) })),
      );
    },
    (problem) => fill(place, complaint(problem)),
  );
}

export async function render(visit) {
  const check = checkPanel(visit),
    proof = h('div'),
    short = h('div');
  fill(
    visit.root,
    heading(t('nav.integrity')),
    h('div', { class: 'columns' }, check.element, proof),
    panel(t('integrity.short'), h('p', { class: 'dim' }, t('integrity.short_about')), short),
  );
  shortPanel(visit, short);
  await visit.poll(
    EVERY_MS,
    async () => {
      const info = await visit.call('info');
      check.show(info.check);
      fill(proof, proofPanel(info));
    },
    (problem) => fill(proof, complaint(problem)),
  );
}
