// tables.js - one row a table of the column store.  Rows are kept and updated in place, so that focus and
// selection survive a refresh.

import { $, el, say, state } from './dom.js';
import { ago, bytes, count, exact, ratio } from './format.js';

const columns = [
  ['Table', ''],
  ['State', ''],
  ['In columns', ''],
  ['Rows', 'num'],
  ['Size', 'num'],
  ['Stale', 'num'],
  ['Scans', 'num'],
  ['Last used', ''],
];

const states = {
  populated: ['good', 'Populated'],
  populating: ['busy', 'Populating'],
  queued: ['busy', 'Queued'],
  partial: ['warn', 'Partly populated'],
  stale: ['warn', 'Stale'],
  out_of_memory: ['bad', 'Out of memory'],
  disabled: ['idle', 'Off'],
};

export class Tables {
  /** act(kind, table row): called for the buttons, kind populate or evict. */
  constructor(act) {
    this.act = act;
    this.rows = new Map();
    this.mutations = null;
  }

  update(tables, total, mutations) {
    if (mutations !== this.mutations) {
      this.mutations = mutations;
      this.rows.clear();
      this.table = null;
    }
    const shown = total > tables.length ? `${exact(tables.length)} of ${exact(total)} shown` : mutations ? '' : 'Read only: stratad runs without --enable-mutations';
    if (shown !== this.shown) this.tell(shown, 'idle');
    this.shown = shown;
    if (tables.length === 0) {
      this.rows.clear();
      this.table = null;
      $('tables').replaceChildren(
        el('p', { class: 'empty' }, 'No table is in the column store yet. Put one in with ',
          el('code', {}, "SELECT strata.enable('my_table')"), '.'),
      );
      return;
    }
    if (!this.table) this.#build();

    const seen = new Set();
    for (const t of tables) {
      const key = `${t.schema_name}.${t.table_name}`;
      seen.add(key);
      let row = this.rows.get(key);
      if (!row) {
        row = this.#row(key);
        this.rows.set(key, row);
        this.body.append(row.node);
      }
      this.#fill(row, t);
    }
    for (const [key, row] of this.rows) {
      if (!seen.has(key)) {
        row.node.remove();
        this.rows.delete(key);
      }
    }
  }

  /** Before the first answer there is nothing to show; after it the last answer stays. */
  unknown() {
    if ($('tables').children.length) return;
    $('tables').replaceChildren(el('p', { class: 'empty' }, 'Not known yet: PostgreSQL has to answer first.'));
  }

  /** The line beside the title. */
  tell(text, tone) {
    const note = $('tables-note');
    note.dataset.tone = tone;
    say(note, text);
  }

  #build() {
    // Narrow screens lay the rows out as blocks, which would take the table's meaning away from
    // assistive technology: so the roles are said aloud.
    this.body = el('tbody', { role: 'rowgroup' });
    const head = el('tr', { role: 'row' });
    for (const [title, kind] of columns) head.append(el('th', { scope: 'col', role: 'columnheader', class: kind || undefined }, title));
    if (this.mutations) head.append(el('th', { scope: 'col', role: 'columnheader' }, el('span', { class: 'visually-hidden' }, 'Actions')));
    this.table = el('table', { class: 'table-list', role: 'table', 'aria-labelledby': 'tables-title' },
      el('thead', { role: 'rowgroup' }, head), this.body);
    $('tables').replaceChildren(this.table);
  }

  #row(key) {
    const node = el('tr', { role: 'row', 'data-table': key });
    const cells = columns.map(([title, kind], i) => {
      const cell = i === 0
        ? el('th', { scope: 'row', role: 'rowheader' })
        : el('td', { role: 'cell', class: kind || undefined, 'data-label': title });
      node.append(cell);
      return cell;
    });
    const row = { node, cells, table: null, shown: {} };
    row.size = cells[4].appendChild(el('span'));
    row.smaller = cells[4].appendChild(el('span', { class: 'sub' }));
    const progress = el('progress', { max: '100', value: '0' });
    const words = el('span', { class: 'progress-words' });
    cells[2].append(progress, words);
    Object.assign(row, { progress, words });
    if (this.mutations) {
      const populate = el('button', { type: 'button', class: 'small', onclick: () => this.act('populate', row.table) }, 'Populate');
      const evict = el('button', { type: 'button', class: 'small', onclick: () => this.act('evict', row.table) }, 'Evict');
      populate.setAttribute('aria-label', `Populate ${key}`);
      evict.setAttribute('aria-label', `Evict ${key}`);
      node.append(el('td', { role: 'cell', class: 'actions' }, populate, evict));
      Object.assign(row, { populate, evict });
    }
    return row;
  }

  #fill(row, t) {
    row.table = t;
    const [name, status, , rows, size, stale, scans, used] = row.cells;
    const schema = t.schema_name === 'public' ? '' : `${t.schema_name}.`;
    say(name, `${schema}${t.table_name}`);

    const shown = `${t.status} ${t.last_error ?? ''}`;
    if (row.shown.status !== shown) {
      row.shown.status = shown;
      const [tone, word] = states[t.status] ?? ['idle', t.status];
      status.replaceChildren(state(tone, word));
      if (t.last_error) status.append(el('span', { class: 'row-error' }, t.last_error));
    }

    const share = t.total_blocks > 0 ? (t.populated_blocks / t.total_blocks) * 100 : 0;
    // 100 % is said only when nothing is missing.
    const part = share >= 100 ? 100 : Math.min(99, Math.floor(share));
    row.progress.value = share;
    row.progress.setAttribute('aria-label', `${t.table_name}: ${part} % of its blocks are in columns`);
    say(row.words, `${part} %`);

    say(rows, count(t.rows_in_columns));
    rows.title = `${exact(t.rows_in_columns)} in columns, about ${exact(t.rows)} in the table`;
    say(row.size, bytes(t.bytes));
    say(row.smaller, t.bytes > 0 ? `${ratio(t.compression_ratio)} smaller` : '');
    size.title = `${bytes(t.bytes_raw)} before encoding`;
    say(stale, count(t.stale_blocks));
    stale.title = 'Blocks changed since they were copied; queries read them from the table itself';
    say(scans, count(t.scans));
    say(used, ago(t.last_accessed, Date.now()));

    if (row.populate) {
      row.populate.disabled = t.status === 'populating' || t.status === 'queued';
      row.evict.disabled = !(t.bytes > 0);
    }
  }
}
