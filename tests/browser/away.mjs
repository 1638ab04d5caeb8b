// SPDX-License-Identifier: Apache-2.0
// The engine goes away and comes back, and so does the network: the console says so, and goes on.
import { api, please, until, visitor } from './browser.mjs';

export async function flow() {
  const operator = await visitor();
  const { page, see, context } = operator;
  const gone = (text) => until(async () => !(await page.getByText(text).isVisible()), `no ${text}`);
  const second = await context.newPage();
  await second.goto(new URL('#/changes', page.url() === 'about:blank' ? process.env.CONSOLE_URL
    : page.url()).href);
  await second.getByText('live', { exact: true }).filter({ visible: true }).first().waitFor();
  await operator.go('overview');
  await see(/^\d[\d.,]*\/s$/, '.tile');

  await please('stop engine');
  await see('The engine does not answer.');
  await see(/The console asks again by itself/);
  await second.getByText('engine away').waitFor();
  await operator.go('item/MUG');
  await see('Try again');
  await please('start engine');
  await see('Mug, blue', 'h1'); // nobody had to press anything
  await gone('The engine does not answer.');
  await second.getByText('live', { exact: true }).filter({ visible: true }).first().waitFor();
  await api('receive', { id: 'back-1', sku: 'MUG', location: 'lyon', qty: 1 });
  await second.getByRole('link', { name: 'MUG' }).first().waitFor();

  await operator.go('overview');
  await see(/^\d[\d.,]*\/s$/, '.tile');
  await context.setOffline(true);
  await see('The gateway cannot be reached.');
  await context.setOffline(false);
  await gone('The gateway cannot be reached.');

  await please('restart gateway'); // which ends its streams; they go on where they were
  await second.getByText('live', { exact: true }).filter({ visible: true }).first().waitFor();
  await api('receive', { id: 'back-2', sku: 'CUP', location: 'lyon', qty: 1 });
  await second.getByRole('link', { name: 'CUP' }).first().waitFor();
  await operator.end();
}
