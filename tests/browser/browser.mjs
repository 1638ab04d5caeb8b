// SPDX-License-Identifier: Apache-2.0
// A real Chromium, and what the flows beside this file share.
//
// Environment: CONSOLE_URL, CHROMIUM, NODE_MODULES (a folder with playwright-core and axe-core),
// PATIENCE, and CONSOLE_DATA, a JSON object for the flow. What only the test can do, such as
// stopping the engine, is asked for by a line on standard output, and answered by one on standard
// input.
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';

const modules = createRequire(`${process.env.NODE_MODULES}/`);
const { chromium } = modules('playwright-core');
const patience = Number(process.env.PATIENCE || 1);

/** For whatever is waited for: only ever an upper bound. */
export const LONG_MS = 30_000 * patience;
export const url = process.env.CONSOLE_URL;
export const data = JSON.parse(process.env.CONSOLE_DATA || '{}');

const answers = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

/** Has the test do something: "stop engine", "start engine", "restart gateway". */
export async function please(what) {
  console.log(`please: ${what}`);
  const { value } = await answers.next();
  if (value !== 'done') throw new Error(`${what}: ${value}`);
}

export function same(got, wanted, what) {
  const [a, b] = [JSON.stringify(got), JSON.stringify(wanted)];
  if (a !== b) throw new Error(`${what}: ${a}, not ${b}`);
}

export function holds(condition, what) {
  if (!condition) throw new Error(what);
}

/** Asks until it is so. */
export async function until(ask, what) {
  const deadline = Date.now() + LONG_MS;
  for (let last; ; await new Promise((go) => setTimeout(go, 50))) {
    last = await ask();
    if (last) return last;
    if (Date.now() > deadline) throw new Error(`it never came: ${what}`);
  }
}

/** What the gateway answers, asked without the console. */
export async function api(method, params = {}, token = data.token) {
  const response = await fetch(new URL(`v1/${method}`, url), {
    method: 'POST',
    body: JSON.stringify(params),
    headers: token ? { Authorization: `Bearer ${token}` } : {},
  });
  const result = await response.json();
  if (!response.ok) throw new Error(`${method}: ${JSON.stringify(result)}`);
  return result;
}

export const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM,
  args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'],
  timeout: LONG_MS,
});

/** A fresh browser profile with one page, which must not report an error. `faults` are those that
 *  it reported; a flow that provokes some empties the list. */
export async function visitor(options = {}) {
  const context = await browser.newContext({
    viewport: { width: 1280, height: 900 },
    locale: 'en-GB',
    timezoneId: 'Europe/Paris',
    ...options,
  });
  context.setDefaultTimeout(LONG_MS);
  const page = await context.newPage();
  const faults = [];
  page.on('pageerror', (error) => faults.push(String(error.stack ?? error)));
  page.on('console', (message) => {
    const refused = message.text().startsWith('Failed to load resource');
    if (message.type() === 'error' && !refused) faults.push(message.text());
  });
  return {
    context,
    page,
    faults,
    async go(address) {
      await page.goto(new URL(`#/${address}`, url).href);
    },
    /** Waits until that text is seen. */
    async see(text, within = 'body') {
      const found = page.locator(within).getByText(text).filter({ visible: true });
      await found.first().waitFor();
      return found.first();
    },
    async press(name, role = 'button') {
      await page.getByRole(role, { name, exact: true }).filter({ visible: true }).first().click();
    },
    /** What a barcode scanner does: it types, wherever the focus is. */
    async scan(code) {
      await page.keyboard.type(code);
      await page.keyboard.press('Enter');
    },
    async end() {
      same(faults, [], 'what the page reported');
      await context.close();
    },
  };
}

/** Judges the accessibility of what is shown. */
export async function judge(page, what) {
  const { source } = modules('axe-core');
  if (!(await page.evaluate(() => 'axe' in window))) await page.evaluate(source);
  const found = await page.evaluate(async () => {
    const { violations } = await window.axe.run(document, {
      runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
    });
    return violations.map(({ id, nodes }) => [id, nodes[0].html.slice(0, 160),
      nodes[0].failureSummary]);
  });
  same(found, [], `accessibility of ${what}`);
}
