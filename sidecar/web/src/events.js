// events.js - the list of events: newest first, topics shown or hidden, pause.

import { $, el, say } from './dom.js';
import { clock, details, exact, sentence } from './format.js';

// Kept a topic, so that a busy topic does not push the others out; and shown at most.
const KEPT = 300;
const SHOWN = 200;

const topicNames = { inmemory: 'Column store', simd: 'SIMD', system: 'System', memory: 'Memory', index: 'Indexes', buffer: 'Page pool', query: 'Queries', stream: 'Stream' };
const firstTopics = ['inmemory', 'memory', 'buffer', 'simd', 'system'];

export class EventList {
  constructor() {
    this.topics = new Map(); // topic → {events, box, shown}
    this.paused = false;
    this.waiting = 0;
    this.order = 0;
    this.drawn = new Map(); // event → li
    for (const topic of firstTopics) this.#topic(topic);
    $('pause').addEventListener('click', () => this.#pause());
  }

  add(events) {
    for (const event of events) this.#keep(event.topic ?? topicOf(event.event_type), event);
    this.#later(events.length);
  }

  /** Something the stream itself has to say (a gap, a reset), shown in its place among the events. */
  note(text, tone) {
    this.#keep('stream', { note: text, tone, timestamp: new Date().toISOString() });
    this.#later(1);
  }

  #keep(name, event) {
    const topic = this.#topic(name);
    topic.events.push({ event, order: this.order++, topic: name });
    if (topic.events.length > KEPT) topic.events.shift();
  }

  #topic(name) {
    let topic = this.topics.get(name);
    if (!topic) {
      const box = el('input', { type: 'checkbox', value: name });
      box.checked = true;
      box.addEventListener('change', () => this.#draw());
      topic = { events: [], box };
      this.topics.set(name, topic);
      // What the stream says about itself is never hidden.
      if (name !== 'stream') $('topics').append(el('label', { class: 'topic' }, box, el('span', {}, topicNames[name] ?? name)));
    }
    return topic;
  }

  #pause() {
    this.paused = !this.paused;
    $('pause').setAttribute('aria-pressed', String(this.paused));
    this.waiting = 0;
    this.#pauseWords();
    if (!this.paused) this.#draw();
  }

  #pauseWords() {
    if (!this.paused) say($('pause'), 'Pause');
    else say($('pause'), this.waiting ? `Resume (${exact(this.waiting)} new)` : 'Resume');
  }

  /** Many events may come in one frame of the screen; the list is drawn once for all of them. */
  #later(n) {
    if (this.paused) {
      this.waiting += n;
      this.#pauseWords();
      return;
    }
    if (this.scheduled) return;
    this.scheduled = true;
    requestAnimationFrame(() => {
      this.scheduled = false;
      if (!this.paused) this.#draw();
    });
  }

  #draw() {
    const list = [];
    for (const [, topic] of this.topics) if (topic.box.checked) list.push(...topic.events.slice(-SHOWN));
    list.sort((a, b) => b.order - a.order);
    list.length = Math.min(list.length, SHOWN);

    const keep = new Map();
    for (const item of list) keep.set(item, this.drawn.get(item) ?? line(item));
    for (const [item, node] of this.drawn) if (!keep.has(item)) node.remove();
    this.drawn = keep;

    // Walks the list beside what is on the page and moves only what is not where it belongs.
    let at = $('event-list').firstChild;
    for (const node of keep.values()) {
      if (node === at) at = at.nextSibling;
      else $('event-list').insertBefore(node, at);
    }
    $('events-empty').hidden = list.length > 0;
  }
}

function topicOf(type) {
  if (type?.startsWith('simd_')) return 'simd';
  if (/^(population|compression|table_|segment_)/.test(type)) return 'inmemory';
  if (/^(pressure_|gc_|allocator_)/.test(type)) return 'memory';
  if (/^(page_|batch_|stats_)/.test(type)) return 'buffer';
  return 'system';
}

function line({ event, topic }) {
  if (event.note) {
    return el('li', { class: 'event note', 'data-tone': event.tone },
      el('div', { class: 'event-line' },
        el('time', { datetime: event.timestamp }, clock(event.timestamp)),
        el('span', { class: 'event-topic' }, topicNames[topic]),
        el('span', { class: 'event-text' }, event.note)));
  }
  const fields = el('dl', { class: 'event-fields' });
  for (const [key, value] of details(event)) fields.append(el('div', {}, el('dt', {}, key), el('dd', {}, value)));
  return el('li', { class: 'event', 'data-topic': topic, 'data-event-type': event.event_type },
    el('details', {},
      el('summary', { class: 'event-line' },
        el('time', { datetime: event.timestamp }, clock(event.timestamp)),
        el('span', { class: 'event-topic' }, topicNames[topic] ?? topic),
        el('span', { class: 'event-text', title: event.event_type }, sentence(event))),
      el('p', { class: 'event-id' }, `${event.event_type}, number ${event.seq}`),
      fields));
}
