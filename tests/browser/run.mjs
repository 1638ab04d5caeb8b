// SPDX-License-Identifier: Apache-2.0
// node run.mjs FLOW: runs FLOW.mjs; exit status 0 passed, 1 failed. integration/test_console.py
// starts it, with the environment that browser.mjs describes.
import { browser } from './browser.mjs';

try {
  const { flow } = await import(`./${process.argv[2]}.mjs`);
  await flow();
} catch (error) {
  console.error(error.stack ?? error);
  process.exitCode = 1;
  for (const context of browser.contexts()) {
    for (const page of context.pages()) {
      console.error(`the page is at ${page.url()} and says:`);
      console.error(await page.locator('body').innerText({ timeout: 2000 }).catch(() => '?'));
    }
  }
}
await browser.close();
process.exit();
