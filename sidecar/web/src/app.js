// app.js - the page: signs in, polls the REST interface, follows the event stream, and says how things are.

import { ApiError, adoptTokenFromAddress, forgetToken, get, post, readiness, setToken, token } from './api.js';
import { MemoryChart } from './chart.js';
import { $, el, say, setPill, state } from './dom.js';
import { EventList } from './events.js';
import { bytes, count, exact, percent, simdLevel } from './format.js';
import { PoolPanel } from './memory.js';
import { EventStream } from './stream.js';
import { Tables } from './tables.js';

const POLL_MS = 2000;
// Data older than three polls is called stale.
const STALE_MS = 3 * POLL_MS;
// An event of these kinds means that what the page shows has changed: look at once instead of at the next poll.  Pages
// that move between tiers are too many for that; stats_update sums them up.
const TELLING_EVENTS = /^(population_|table_evicted|segment_evicted|pressure_|gc_completed|stats_update)/;

const api = '/api/v1';
let page = null;

/* ---- signing in ---- */

function showSignIn(message = '') {
  page?.close();
  page = null;
  $('dashboard').hidden = true;
  $('sign-out').hidden = true;
  $('stale').hidden = true;
  setPill($('stream-state'), 'idle', 'Not connected');
  $('sign-in').hidden = false;
  say($('sign-in-error'), message);
  $('token').focus();
}

async function open() {
  try {
    await get(`${api}/capabilities`);
  } catch (error) {
    if (error instanceof ApiError && (error.status === 401 || error.status === 403)) {
      forgetToken();
      showSignIn('stratad did not accept this token.');
      return;
    }
    // Anything else is a state of the system, and the page is there to show it.
  }
  say($('sign-in-error'), '');
  $('sign-in').hidden = true;
  $('dashboard').hidden = false;
  $('sign-out').hidden = false;
  page = new Page();
}

/* ---- the page ---- */

class Page {
  constructor() {
    this.closed = false;
    this.capabilities = null;
    this.features = null;
    this.ready = null;
    this.stats = null;
    this.problem = null; // why the last poll failed, in words
    this.lastGood = Date.now();
    this.streamState = { state: 'connecting' };
    this.chart = Page.chart ??= new MemoryChart();
    this.events = Page.events ??= new EventList();
    this.pool = new PoolPanel();
    this.tables = new Tables((kind, table) => this.#act(kind, table));
    this.stream = new EventStream({
      url: `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}${api}/ws`,
      token: token(),
      handlers: {
        onState: (s) => this.#streamState(s),
        onEvents: (events) => this.#events(events),
        onGap: (gap) => this.events.note(`${exact(gap.lost)} events were lost: they were overwritten before this page could read them.`, 'warn'),
        onReset: () => this.events.note('PostgreSQL was restarted: a new event ring, counted from the start.', 'warn'),
        onEpoch: (epoch) => say($('foot-epoch'), `Ring ${epoch}`),
      },
    });
    this.onVisible = () => {
      if (!document.hidden) {
        this.stream.retryNow();
        this.#pollSoon(0);
      }
    };
    this.onOnline = () => this.stream.retryNow();
    document.addEventListener('visibilitychange', this.onVisible);
    addEventListener('online', this.onOnline);
    this.clockTimer = setInterval(() => this.#clock(), 1000);
    this.stream.start();
    this.#pollSoon(0);
  }

  close() {
    this.closed = true;
    clearTimeout(this.pollTimer);
    clearInterval(this.clockTimer);
    document.removeEventListener('visibilitychange', this.onVisible);
    removeEventListener('online', this.onOnline);
    this.stream.stop();
  }

  /* polling */

  #pollSoon(delay) {
    clearTimeout(this.pollTimer);
    this.pollTimer = setTimeout(() => this.#poll(), delay);
  }

  async #poll() {
    // One poll at a time; a hidden tab asks for nothing.
    if (this.closed || this.polling) return;
    if (document.hidden) {
      this.#pollSoon(POLL_MS);
      return;
    }
    this.polling = true;
    this.again = false;
    const asked = await Promise.allSettled([
      readiness(),
      get(`${api}/inmemory/stats`),
      get(`${api}/inmemory/status?limit=200`),
      this.capabilities ?? get(`${api}/capabilities`),
      this.features ?? get(`${api}/simd/features`),
      get(`${api}/buffer/stats`),
      get(`${api}/memory/pressure`),
    ]);
    this.polling = false;
    if (this.closed) return;

    const refused = asked.find((a) => a.status === 'rejected' && a.reason instanceof ApiError && a.reason.status === 401);
    if (refused) {
      forgetToken();
      showSignIn('stratad no longer accepts this token.');
      return;
    }
    const [ready, stats, status, capabilities, features, pool, pressure] = asked.map((a) => (a.status === 'fulfilled' ? a.value : null));
    this.ready = ready;
    this.capabilities = capabilities ?? this.capabilities;
    this.features = features ?? this.features;
    if (stats) this.stats = stats;
    this.chart.add(Date.now(), stats ? stats.used_bytes : null, stats ? stats.limit_bytes : (this.stats?.limit_bytes ?? null));
    if (status) this.tables.update(status.tables ?? [], status.total ?? 0, this.capabilities?.mutations === true);
    else this.tables.unknown();
    this.pool.update(pool, pressure);
    if (stats && status) this.lastGood = Date.now();

    this.#health();
    this.#figures();
    this.#clock();
    this.#pollSoon(this.again ? 0 : POLL_MS);
  }

  /* how things are, in words */

  #health() {
    const postgres = this.ready?.postgres;
    const ring = this.ready?.ring;
    const rows = [];
    let title = 'Everything is working';
    if (!this.ready) {
      title = 'stratad does not answer';
      rows.push(['stratad', 'bad', 'No answer. This page keeps trying.']);
    } else {
      const up = postgres?.state === 'up';
      rows.push(['PostgreSQL', up ? 'good' : 'bad', postgres?.message ?? (up ? 'Connected.' : 'Not connected.')]);
      const ringTone = ring?.state === 'up' ? 'good' : ring?.state === 'stale' ? 'warn' : 'bad';
      rows.push(['Event ring', ringTone, ring?.message ?? (ring?.state === 'up' ? 'Attached.' : 'Not attached.')]);
      if (!up) title = 'PostgreSQL is away';
      else if (ringTone !== 'good') title = 'PostgreSQL works, its event ring does not';
      else if (this.streamState.state !== 'live' && this.streamState.state !== 'connecting') title = 'The live event stream is interrupted';
    }
    say($('health-title'), title);
    if (this.saidTitle !== title) {
      // Only a change of state is announced; figures that move every two seconds are not.
      this.saidTitle = title;
      say($('announce'), `${title}.`);
    }
    const key = JSON.stringify(rows);
    if (this.shownHealth === key) return;
    this.shownHealth = key;
    $('health-list').replaceChildren(
      ...rows.map(([name, tone, text]) => el('li', {}, state(tone, name), el('span', { class: 'health-text' }, text))),
    );
  }

  #figures() {
    const s = this.stats;
    const read = s ? Number(s.rows_from_columns) + Number(s.rows_from_heap) : 0;
    const figures = [
      ['Tables', s ? count(s.tables) : '–', s ? `${count(s.units)} units` : ''],
      ['Rows in columns', s ? count(s.rows) : '–', s ? bytes(s.bytes) : ''],
      ['Scans', s ? count(s.scans) : '–', s ? `${count(s.units_pruned)} of ${count(Number(s.units_scanned) + Number(s.units_pruned))} units skipped` : ''],
      ['Read from columns', read ? percent(s.rows_from_columns / read) : '–', read ? `of ${count(read)} rows` : s ? 'nothing read yet' : ''],
      ['SIMD', this.features ? simdLevel(this.features.level) : '–', this.features ? `${this.features.vector_width} bits at a time` : ''],
    ];
    if (!$('figures').children.length) {
      $('figures').append(...figures.map(([name]) => el('div', {}, el('dt', {}, name), el('dd', {}, el('span', { class: 'figure' }), el('span', { class: 'figure-note' })))));
    }
    figures.forEach(([, value, note], i) => {
      const cell = $('figures').children[i];
      say(cell.querySelector('.figure'), value);
      say(cell.querySelector('.figure-note'), note);
    });
    say($('node'), this.capabilities?.node ?? '');
    if (this.capabilities?.version) say($('foot-version'), `stratad ${this.capabilities.version}`);
  }

  /** Once a second: what depends on the time alone. */
  #clock() {
    const s = this.streamState;
    if (s.state === 'waiting') {
      const left = Math.max(0, Math.ceil((s.retryAt - Date.now()) / 1000));
      setPill($('stream-state'), 'warn', left ? `Reconnecting in ${left} s` : 'Reconnecting…');
    }
    const age = Date.now() - this.lastGood;
    const stale = age > STALE_MS && !document.hidden;
    $('stale').hidden = !stale;
    document.body.classList.toggle('is-stale', stale);
    if (stale) setPill($('stale'), 'warn', `Stale: ${Math.round(age / 1000)} s old`);
  }

  /* the stream */

  #streamState(s) {
    this.streamState = s;
    const pill = $('stream-state');
    if (s.state === 'live') setPill(pill, 'good', 'Live');
    else if (s.state === 'connecting') setPill(pill, 'busy', 'Connecting…');
    else if (s.state === 'stopped') setPill(pill, 'idle', 'Not connected');
    else if (s.state === 'refused') {
      forgetToken();
      showSignIn('stratad closed the event stream: the token is no longer accepted.');
      return;
    } else this.#clock();
    if (this.ready && !this.closed) this.#health();
  }

  #events(events) {
    this.events.add(events);
    if (events.some((e) => TELLING_EVENTS.test(e.event_type))) {
      this.again = true;
      if (!this.polling) this.#pollSoon(250);
    }
  }

  /* changing things */

  async #act(kind, t) {
    const table = `${t.schema_name}.${t.table_name}`;
    if (kind === 'evict' && !(await confirmEvict(table, t))) return;
    try {
      if (kind === 'evict') {
        const answer = await post(`${api}/inmemory/evict`, { table });
        this.#tell(`${table} left the column store, ${bytes(answer?.freed_bytes)} freed.`, 'good');
      } else {
        await post(`${api}/inmemory/populate`, { table });
        this.#tell(`${table} is queued for copying.`, 'good');
      }
    } catch (error) {
      this.#tell(`${kind === 'evict' ? 'Evict' : 'Populate'} ${table}: ${error.message}`, 'bad');
    }
    this.#pollSoon(0);
  }

  /** The answer to a button: announced, shown above the table, and kept among the events. */
  #tell(text, tone) {
    say($('announce'), text);
    this.tables.tell(text, tone);
    this.events.note(text, tone);
  }
}

function confirmEvict(table, t) {
  const dialog = $('confirm');
  say($('confirm-title'), `Evict ${table}?`);
  say($('confirm-text'), `Its ${bytes(t.bytes)} of columns are dropped from memory. No data is lost: queries read the table itself until it is populated again.`);
  say($('confirm-yes'), 'Evict');
  dialog.returnValue = 'cancel';
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener('close', () => resolve(dialog.returnValue === 'ok'), { once: true });
  });
}

/* ---- start ---- */

$('sign-in-form').addEventListener('submit', (event) => {
  event.preventDefault();
  const value = $('token').value.trim();
  if (!value) return;
  setToken(value);
  $('token').value = '';
  open();
});

$('sign-out').addEventListener('click', () => {
  forgetToken();
  showSignIn();
});

addEventListener('hashchange', () => {
  if (!location.hash.includes('token=')) return;
  adoptTokenFromAddress();
  page?.close();
  open();
});

adoptTokenFromAddress();
if (token()) open();
else showSignIn();
