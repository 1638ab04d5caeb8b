// SPDX-License-Identifier: Apache-2.0
// An engine that wants tokens: the console asks for one, keeps it for the tab, and sends it along.
import { api, data, same, until, visitor } from './browser.mjs';

export async function flow() {
  const clerk = await visitor();
  const { page, see, press } = clerk;
  await clerk.go('changes');
  const field = page.getByLabel('Bearer token');
  await field.waitFor();
  await field.fill('stk-wrong');
  await press('Use it');
  await see('A token is needed.', 'dialog');
  await field.fill(data.clerk);
  await press('Use it');
  await see('live', '.badge');
  await api('receive', { id: 'token-1', sku: 'MUG', location: 'main', qty: 3 });
  await page.getByRole('link', { name: 'MUG' }).first().waitFor(); // the stream has the token, too
  const kept = await page.evaluate(() => [Object.values(sessionStorage), Object.values(localStorage)]);
  same(kept, [[data.clerk], []], 'what the browser keeps');
  await page.reload();
  await see('live', '.badge');

  await clerk.go('engine'); // which needs a right that this token has not
  await see('This token may not do that.');
  await see('The right that is missing: admin');
  await press('Token ✓');
  await field.fill(data.token);
  await press('Use it');
  await see('Durable up to LSN');

  const other = await clerk.context.newPage(); // another tab knows nothing of it
  await other.goto(new URL('#/overview', process.env.CONSOLE_URL).href);
  await other.getByLabel('Bearer token').waitFor();
  await press('Token ✓');
  await field.fill('');
  await press('Use it');
  await see('A token is needed.', 'dialog');
  await press('Cancel');
  await until(async () => (await page.evaluate(() => sessionStorage.length)) === 1, 'the token');
  await clerk.end();
}
