// SPDX-License-Identifier: Apache-2.0
// The shell: navigation, language, appearance, token, and the page that the address names.
import { bus, tryToken } from './api.js';
import { forgetCatalogue } from './catalogue.js';
import { h, fill, at } from './dom.js';
import { clock } from './format.js';
import { t, languages, currentLanguage, chooseLanguage } from './i18n.js';
import { recall, keep, currentToken, keepToken } from './memory.js';
import { ask, busy, choice, complaint, field, button } from './parts.js';
import { Visit } from './visit.js';
import * as overview from './pages/overview.js';
import * as item from './pages/item.js';
import * as order from './pages/order.js';
import * as store from './pages/store.js';
import * as channel from './pages/channel.js';
import * as supply from './pages/supply.js';
import * as changes from './pages/changes.js';
import * as reports from './pages/reports.js';
import * as engine from './pages/engine.js';
import * as integrity from './pages/integrity.js';

// In the order of the navigation, with the letter that goes there after "g".
const pages = [
  ['overview', 'o', overview],
  ['item', 'i', item],
  ['order', 'r', order],
  ['store', 's', store],
  ['supply', 'u', supply],
  ['channel', 'c', channel],
  ['changes', 'l', changes],
  ['reports', 'p', reports],
  ['engine', 'e', engine],
  ['integrity', 't', integrity],
];

const main = h('main', { id: 'main', tabindex: -1 });
const banner = h('div', { id: 'banner', role: 'status' });
const navigation = h('nav', { id: 'navigation' });
const tools = h('div', { class: 'tools' });
let visit = null,
  health = 'good',
  away = 0;

// ---- where we are ----

function place() {
  const [path, query] = location.hash.replace(/^#\/?/, '').split('?');
  const parts = path.split('/').map((part) => {
    try {
      return decodeURIComponent(part);
    } catch {
      return part;
    }
  });
  return {
    name: parts[0] || 'overview',
    parts: parts.slice(1).filter(Boolean),
    query: new URLSearchParams(query),
  };
}

async function show(moved = true) {
  const here = place();
  const [name, , page] = pages.find(([key]) => key === here.name) ?? pages[0];
  visit?.end();
  visit = new Visit(main, here);
  const mine = visit;
  drawNavigation(name);
  document.body.dataset.page = name;
  document.title = `${t(`nav.${name}`)} – stockd`;
  fill(main, busy());
  window.scrollTo(0, 0);
  try {
    await page.render(mine);
  } catch (problem) {
    if (mine.signal.aborted) return;
    fill(
      main,
      h('h1', { tabindex: -1 }, t(`nav.${name}`)),
      complaint(problem, () => show()),
    );
    if (problem.passes) mine.afterAway(() => show(false));
    if (!problem.code) console.error(problem);
  }
  if (moved && !mine.signal.aborted) main.querySelector('h1')?.focus({ preventScroll: true });
}

function drawNavigation(current) {
  navigation.setAttribute('aria-label', t('nav'));
  fill(
    navigation,
    pages.map(([name, letter]) =>
      h(
        'a',
        {
          href: at(name),
          'aria-current': name === current ? 'page' : null,
          'aria-keyshortcuts': `g ${letter}`,
        },
        t(`nav.${name}`),
      ),
    ),
  );
  navigation
    .querySelector('[aria-current]')
    ?.scrollIntoView({ inline: 'center', block: 'nearest' });
}

// ---- whether the engine answers ----

function drawBanner() {
  document.body.dataset.health = health;
  if (health === 'good') return fill(banner);
  return fill(
    banner,
    h('strong', null, t(`banner.${health}`)),
    ' ',
    t('banner.since', { time: clock(away) }),
  );
}

bus.addEventListener('health', ({ detail: { state } }) => {
  if (state === health) return;
  if (health === 'good') away = Date.now();
  health = state;
  drawBanner();
});

let asking = false;
bus.addEventListener('unauthorized', () => askToken(t('token.needed')));

async function askToken(text) {
  if (asking) return;
  asking = true;
  const input = h('input', {
    type: 'password',
    name: 'token',
    autocomplete: 'off',
    value: currentToken(),
  });
  const done = await ask({
    title: t('token'),
    text: text ?? t('token.about'),
    fields: [field(t('token.field'), input)],
    yes: t('token.use'),
    action: async () => {
      const given = input.value.trim();
      await tryToken(given);
      keepToken(given);
      return true;
    },
  });
  asking = false;
  if (!done) return;
  forgetCatalogue();
  draw();
  show();
}

// ---- language, appearance, help ----

function wear(theme) {
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
  else delete document.documentElement.dataset.theme;
}

function drawTools() {
  fill(
    tools,
    choice(
      Object.entries(languages),
      currentLanguage(),
      (tag) => {
        chooseLanguage(tag);
        draw();
        show(false);
      },
      { 'aria-label': t('language'), id: 'language' },
    ),
    choice(
      ['auto', 'light', 'dark'].map((name) => [name, t(`theme.${name}`)]),
      recall('theme') ?? 'auto',
      (name) => {
        keep('theme', name);
        wear(name);
      },
      { 'aria-label': t('theme'), id: 'theme' },
    ),
    button(t(currentToken() ? 'token.given' : 'token'), () => askToken(), { id: 'token' }),
    button(t('help'), help, { id: 'help', 'aria-keyshortcuts': '?' }),
  );
}

function help() {
  const keys = [
    ['g', pages.map(([name, letter]) => `${letter}: ${t(`nav.${name}`)}`).join(', ')],
    ['/', t('help.search')],
    ['?', t('help.help')],
    ['Esc', t('help.close')],
  ];
  const dialog = h(
    'dialog',
    { 'aria-label': t('help') },
    h('h2', null, t('help')),
    h('p', null, t('help.about')),
    h(
      'dl',
      { class: 'pairs keys' },
      keys.map(([key, text]) =>
        h('div', null, h('dt', null, h('kbd', null, key)), h('dd', null, text)),
      ),
    ),
    h('p', null, h('a', { href: 'v1/openapi.json' }, t('help.api'))),
    h(
      'div',
      { class: 'buttons' },
      button(t('close'), () => dialog.close()),
    ),
  );
  dialog.addEventListener('close', () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

// ---- keys ----

let after = 0; // when "g" was pressed

document.addEventListener('keydown', (event) => {
  const typing = event.target.closest?.('input, select, textarea, dialog');
  if (typing || visit?.scans || event.ctrlKey || event.altKey || event.metaKey) return;
  const second = Date.now() - after < 1500 ? pages.find(([, key]) => key === event.key) : null;
  after = 0;
  if (second) location.hash = at(second[0]);
  else if (event.key === 'g') after = Date.now();
  else if (event.key === '/') main.querySelector('input[type=search]')?.focus();
  else if (event.key === '?') help();
  else return;
  event.preventDefault();
});

// ---- begin ----

function draw() {
  drawTools();
  drawBanner();
  skip.textContent = t('skip');
}

const skip = button('', () => main.focus(), { class: 'skip' });
wear(recall('theme'));
document.body.append(
  skip,
  h(
    'header',
    { class: 'bar' },
    h('a', { class: 'brand', href: '#/' }, 'stockd'),
    navigation,
    tools,
  ),
  banner,
  main,
  h('div', { id: 'notices', 'aria-live': 'polite' }),
);
draw();
window.addEventListener('hashchange', () => show());
show(false);
