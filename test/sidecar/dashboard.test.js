// The dashboard in a real browser, on a real stratad, on a real PostgreSQL.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { after, before, test } from 'node:test';

import { Browser } from './lib/browser.js';
import { Postgres } from './lib/postgres.js';
import { Stratad } from './lib/stratad.js';
import { until } from './lib/wait.js';

const axe = fs.readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
/** Where pictures of the page go, for people to look at (STRATA_TEST_PICTURES=DIR). */
const pictures = process.env.STRATA_TEST_PICTURES;

let pg;
let stratad;
let browser;
let origin;

before(async () => {
  pg = await Postgres.create();
  await pg.table('sales', 100000);
  await pg.table('orders', 3000);
  stratad = await Stratad.start({ pg });
  origin = `http://127.0.0.1:${stratad.port}`;
  browser = await Browser.open();
});

after(async () => {
  await browser.close();
  await stratad.stop();
  await pg.drop();
});

const signedIn = async (from = browser, at = origin, token = stratad.token) => {
  const page = await from.page(at);
  await page.goto(`${at}/#token=${token}`);
  await page.getByText('Live', { exact: true }).waitFor();
  return page;
};

const row = (page, name) => page.locator(`tr[data-table="${name}"]`);

test('asks for the token, refuses a wrong one, takes the right one, and keeps it in the tab only', async () => {
  const page = await browser.page(origin);
  await page.goto(origin);
  await page.getByRole('heading', { name: 'Sign in' }).waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.id), 'token');
  await page.getByLabel('Access token').fill('0'.repeat(48));
  await page.keyboard.press('Enter');
  await page.getByRole('alert').filter({ hasText: 'did not accept' }).waitFor();
  // A refused token is the one thing here that the browser itself reports.
  page.complaints.splice(0);
  await page.getByLabel('Access token').fill(stratad.token);
  await page.getByRole('button', { name: 'Continue' }).click();
  await page.getByText('Live', { exact: true }).waitFor();
  assert.deepEqual(await page.evaluate(() => [localStorage.length, document.cookie, sessionStorage.length]), [0, '', 1]);
  await page.reload();
  await page.getByText('Live', { exact: true }).waitFor();
  await page.getByRole('button', { name: 'Forget token' }).click();
  await page.getByRole('heading', { name: 'Sign in' }).waitFor();
  assert.equal(await page.evaluate(() => sessionStorage.length), 0);
  assert.deepEqual(page.complaints, []);
  await page.close();
});

test('a token in the address is taken and leaves the address', async () => {
  const page = await signedIn();
  assert.equal(page.url(), `${origin}/`);
  assert.equal(await page.evaluate(() => history.length), 2); // about:blank and the page
  assert.deepEqual(page.complaints, []);
  await page.close();
});

test('says that all is well, and shows a table from empty to populated, with the events of it', async () => {
  const page = await signedIn();
  await page.getByRole('heading', { name: 'Everything is working' }).waitFor();
  await page.getByText('No table is in the column store yet').waitFor();
  await pg.sql("SELECT strata.enable('sales'); SELECT strata.enable('orders', priority => 'low')");
  await row(page, 'public.sales').waitFor();
  await row(page, 'public.sales').getByRole('button', { name: 'Populate' }).click();
  await row(page, 'public.sales').getByText('Populated').waitFor();
  await row(page, 'public.sales').getByText('100 %').waitFor();
  await page.locator('li[data-event-type="population_completed"]').getByText('public.sales is in columns').waitFor();
  const progress = await row(page, 'public.sales').locator('progress').getAttribute('aria-label');
  assert.match(progress, /100 %/);
  await pg.sql('SELECT sum(amount) FROM sales');
  await page.locator('li[data-event-type^="simd_"]').first().waitFor();
  await until('the scan to be counted', async () => Number(await row(page, 'public.sales').locator('[data-label="Scans"]').textContent()) >= 1);
  assert.deepEqual(page.complaints, []);
  await page.close();
});

test('an event opens to its fields, by keyboard too', async () => {
  const page = await signedIn();
  const event = page.locator('li[data-event-type="population_completed"]').first();
  await event.locator('summary').focus();
  await page.keyboard.press('Enter');
  await event.getByText('rows_populated').waitFor();
  await event.getByText('100000', { exact: true }).first().waitFor();
  assert.deepEqual(page.complaints, []);
  await page.close();
});

test('topics can be hidden, and the list can be paused', async () => {
  const page = await signedIn();
  await page.locator('li[data-topic="inmemory"]').first().waitFor();
  await page.getByRole('checkbox', { name: 'Column store' }).uncheck();
  await until('no event of the topic', async () => (await page.locator('li[data-topic="inmemory"]').count()) === 0);
  await page.getByRole('checkbox', { name: 'Column store' }).check();
  await page.locator('li[data-topic="inmemory"]').first().waitFor();

  await page.getByRole('button', { name: 'Pause' }).click();
  const shown = await page.locator('.event').count();
  await pg.sql('SELECT sum(amount) FROM sales; SELECT max(id) FROM sales');
  await page.getByRole('button', { name: /Resume \(\d+ new\)/ }).waitFor();
  assert.equal(await page.locator('.event').count(), shown);
  await page.getByRole('button', { name: /Resume/ }).click();
  await until('the new events', async () => (await page.locator('.event').count()) > shown);
  assert.deepEqual(page.complaints, []);
  await page.close();
});

test('memory is a picture with a sentence, and a table for who wants one', async () => {
  const page = await signedIn();
  await page.locator('#memory-chart canvas').waitFor();
  await until('the sentence', async () => /now .+ of .+ lowest/.test(await page.locator('#memory-chart').getAttribute('aria-label')));
  const [used, limit] = await pg.rows('SELECT used_bytes, limit_bytes FROM strata.column_stats()').then(([r]) => [r.used_bytes, r.limit_bytes]);
  assert.ok(used > 0 && limit === 256 * 1024 * 1024);
  await page.getByText(/of 256 MB/).first().waitFor();
  await page.getByRole('button', { name: 'Show as table' }).click();
  await page.getByRole('table', { name: /Memory in use/ }).getByRole('row').nth(2).waitFor();
  assert.equal(await page.locator('#memory-chart').isVisible(), false);
  await page.getByRole('button', { name: 'Show as table' }).click();
  assert.equal(await page.locator('#memory-chart canvas').isVisible(), true);
  assert.deepEqual(page.complaints, []);
  await page.close();
});

test('the page pool: pressure, hits, and pages by tier, as SQL has them', async () => {
  await pg.sql("SELECT strata.populate('sales', force => true)");
  const page = await signedIn();
  await page.locator('#pressure').getByText('No memory pressure').waitFor();
  const cell = (tier, column) => page.locator(`tr[data-tier="${tier}"] td`).nth(column).textContent();
  const inSql = async (tier) => String(await pg.value(`SELECT pages FROM strata.pool_tiers() WHERE tier = '${tier}'`));
  await until('the hot pages', async () => (await inSql('hot')) !== '0' && (await cell('hot', 0)) === (await inSql('hot')));
  await pg.sql('SELECT strata.release_pressure(0)');
  await until('the cold pages', async () => (await inSql('cold')) !== '0' && (await cell('cold', 0)) === (await inSql('cold')) && (await cell('hot', 0)) === (await inSql('hot')));
  assert.match(await cell('cold', 1), /^[\d.]+ [kM]B$/);
  await pg.sql('SELECT min(day), max(day) FROM sales WHERE amount > 3');
  await until('the hit ratio', async () => /^[\d.]+ %$/.test(await page.locator('#hit-ratio').textContent()));
  assert.equal(await page.locator('#eviction-policy').textContent(), await pg.value('SELECT eviction_policy FROM strata.pool_stats()'));
  await page.locator('li[data-event-type$="_evicted"]').getByText(/moved from \w+ to cold/).first().waitFor();
  await pg.sql('SELECT strata.gc(true)');
  await page.locator('li[data-event-type="gc_completed"]').getByText('Garbage collection (full)').first().waitFor();
  assert.deepEqual(page.complaints, []);
  await page.close();
});

test('evict asks first; no means no', async () => {
  const page = await signedIn();
  const evict = row(page, 'public.sales').getByRole('button', { name: 'Evict' });
  await evict.click();
  await page.getByRole('dialog', { name: 'Evict public.sales?' }).waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.id), 'confirm-no', 'the safe answer has the focus');
  await page.keyboard.press('Escape');
  assert.ok(Number(await pg.value("SELECT bytes FROM strata.column_tables WHERE table_name = 'sales'")) > 0);
  await evict.click();
  await page.getByRole('button', { name: 'Keep it' }).click();
  assert.ok(Number(await pg.value("SELECT bytes FROM strata.column_tables WHERE table_name = 'sales'")) > 0);
  await evict.click();
  await page.getByRole('dialog').getByRole('button', { name: 'Evict' }).click();
  await page.locator('li[data-event-type="table_evicted"]').first().waitFor();
  assert.equal(Number(await pg.value("SELECT bytes FROM strata.column_tables WHERE table_name = 'sales'")), 0);
  assert.deepEqual(page.complaints, []);
  await page.close();
});

test('without mutations there are no buttons, and the page says why', async () => {
  const readonly = await Stratad.start({ pg, mutations: false });
  const at = `http://127.0.0.1:${readonly.port}`;
  const page = await signedIn(browser, at, readonly.token);
  await row(page, 'public.sales').waitFor();
  await page.getByText('Read only').waitFor();
  assert.equal(await page.getByRole('button', { name: /Populate|Evict/ }).count(), 0);
  assert.deepEqual(page.complaints, []);
  await page.close();
  await readonly.stop();
});

test('PostgreSQL away and back: said in words, and the stream goes on', async () => {
  const page = await signedIn();
  await pg.stop();
  await page.getByRole('heading', { name: 'PostgreSQL is away' }).waitFor();
  await until('a polite announcement', async () => (await page.locator('#announce').textContent()).includes('PostgreSQL is away'));
  await pg.start();
  await page.getByRole('heading', { name: 'Everything is working' }).waitFor({ timeout: 30000 });
  await page.getByText('PostgreSQL was restarted').first().waitFor({ timeout: 30000 });
  await pg.sql("SELECT strata.populate('sales')");
  await page.locator('li[data-event-type="population_completed"]').first().waitFor();
  await page.close();
});

test('stratad away and back: reconnecting, stale, live again, without a reload', async () => {
  const page = await signedIn();
  await row(page, 'public.sales').waitFor();
  stratad.args[stratad.args.indexOf('--listen') + 1] = `127.0.0.1:${stratad.port}`;
  await stratad.stop();
  await page.locator('#stream-state').getByText(/Reconnecting/).waitFor();
  await page.locator('#stale').getByText(/Stale: \d+ s old/).waitFor();
  await page.getByRole('heading', { name: 'stratad does not answer' }).waitFor();
  await stratad.launch();
  await stratad.waitReady();
  await page.getByText('Live', { exact: true }).waitFor({ timeout: 40000 });
  await page.getByRole('heading', { name: 'Everything is working' }).waitFor();
  await page.locator('#stale').waitFor({ state: 'hidden' });
  await page.close();
});

test('a revoked token brings the sign-in back', async () => {
  const own = await Stratad.start({ pg });
  const at = `http://127.0.0.1:${own.port}`;
  const page = await signedIn(browser, at, own.token);
  own.args[own.args.indexOf('--listen') + 1] = `127.0.0.1:${own.port}`;
  await own.stop();
  fs.rmSync(own.tokenFile);
  await own.launch(); // makes another token
  await page.getByRole('heading', { name: 'Sign in' }).waitFor({ timeout: 40000 });
  await page.getByRole('alert').filter({ hasText: 'no longer' }).waitFor();
  await page.close();
  await own.stop();
});

for (const colorScheme of ['light', 'dark']) {
  for (const width of [1280, 390]) {
    test(`${colorScheme}, ${width} wide: fits, and axe finds nothing`, async () => {
      const other = await Browser.open({ colorScheme, viewport: { width, height: 900 }, bypassCSP: true });
      try {
        const page = await signedIn(other);
        await row(page, 'public.sales').waitFor();
        await page.locator('.event').first().waitFor();
        await page.locator('#memory-chart canvas').waitFor();
        const check = async (name) => {
          assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), width, 'nothing is wider than the page');
          await page.evaluate(axe);
          const { violations } = await page.evaluate(() => globalThis.axe.run());
          assert.deepEqual(violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.html).join(' ').slice(0, 300)}`), []);
          if (pictures) await page.screenshot({ path: path.join(pictures, `${name}-${colorScheme}-${width}.png`), fullPage: true });
        };
        await check('dashboard');
        await page.getByRole('button', { name: 'Forget token' }).click();
        await check('sign-in');
      } finally {
        await other.close();
      }
    });
  }
}
