// stream.js - the event stream over WebSocket: authenticates, subscribes, reconnects and never repeats.
// Knows nothing of the page: it calls the functions it was given.

const FIRST_DELAY_MS = 500;
const LONGEST_DELAY_MS = 15000;
const PING_MS = 15000;
// Nothing heard for this long, pings unanswered: the connection is dead even if TCP does not know it yet.
const SILENCE_MS = 40000;
// How far back to look when the page opens.
const HISTORY = 200;

export class EventStream {
  /**
   * handlers: onState({state, retryAt?, reason?}) with state connecting | live | waiting | refused | stopped,
   * onEvents(array), onGap({from_seq, to_seq, lost}), onReset({epoch}).
   */
  constructor({ url, token, handlers, WebSocketClass = globalThis.WebSocket }) {
    this.url = url;
    this.token = token;
    this.handlers = handlers;
    this.WebSocketClass = WebSocketClass;
    this.socket = null;
    this.since = null; // last sequence number seen; null before the first event
    this.epoch = null;
    this.failures = 0;
    this.stopped = true;
  }

  start() {
    this.stopped = false;
    this.#connect();
  }

  stop() {
    this.stopped = true;
    clearTimeout(this.retryTimer);
    clearInterval(this.pingTimer);
    this.socket?.close(1000);
    this.socket = null;
    this.handlers.onState({ state: 'stopped' });
  }

  /** Tries again at once, for when the person asks or the machine is back online. */
  retryNow() {
    if (this.stopped || this.socket) return;
    clearTimeout(this.retryTimer);
    this.#connect();
  }

  #connect() {
    this.handlers.onState({ state: 'connecting' });
    const socket = new this.WebSocketClass(this.url);
    this.socket = socket;
    this.subscribed = false;
    this.heard = Date.now();
    socket.onopen = () => {
      socket.send(JSON.stringify({ action: 'auth', token: this.token }));
    };
    socket.onmessage = (message) => {
      if (socket === this.socket) this.#receive(message.data);
    };
    socket.onclose = (close) => {
      if (socket === this.socket) this.#closed(close);
    };
    socket.onerror = () => {}; // close follows and says more
    clearInterval(this.pingTimer);
    this.pingTimer = setInterval(() => this.#ping(), PING_MS);
  }

  #ping() {
    const socket = this.socket;
    if (!socket) return;
    if (Date.now() - this.heard > SILENCE_MS) {
      // A dead peer would keep the closing handshake waiting too, so do not wait for it.
      socket.close();
      this.#closed({ code: 1006, reason: 'nothing heard from the server' });
    } else if (socket.readyState === 1) {
      socket.send(JSON.stringify({ action: 'ping' }));
    }
  }

  #subscribe(lastSeq) {
    this.subscribed = true;
    const request = { action: 'subscribe', id: 'dashboard', batch: true };
    if (this.since !== null) request.since = this.since;
    else if (Number.isFinite(lastSeq)) request.since = Math.max(0, lastSeq - HISTORY);
    this.socket.send(JSON.stringify(request));
  }

  #receive(text) {
    this.heard = Date.now();
    let message;
    try {
      message = JSON.parse(text);
    } catch {
      return;
    }
    const events = [];
    for (const item of Array.isArray(message) ? message : [message]) this.#item(item, events);
    if (events.length) this.handlers.onEvents(events);
  }

  #item(item, events) {
    switch (item.event_type) {
      case 'connected':
        this.#meet(item.epoch);
        if (!this.subscribed) this.#subscribe(item.last_seq);
        break;
      case 'subscribed':
        this.failures = 0;
        this.handlers.onState({ state: 'live' });
        break;
      case 'stream_reset':
        this.#meet(item.epoch);
        break;
      case 'gap':
        if (Number.isFinite(item.to_seq)) this.since = Math.max(this.since ?? 0, item.to_seq);
        this.handlers.onGap(item);
        break;
      case 'error':
        this.handlers.onError?.(item);
        break;
      case 'heartbeat':
      case 'pong':
      case 'authenticated':
      case 'unsubscribed':
      case 'broadcast':
        break;
      default:
        if (Number.isFinite(item.seq)) {
          if (this.since !== null && item.seq <= this.since) return;
          this.since = item.seq;
          events.push(item);
        }
    }
  }

  /** A new epoch is a new ring: old sequence numbers mean nothing in it. */
  #meet(epoch) {
    if (!epoch || epoch === this.epoch) return;
    const first = this.epoch === null;
    this.epoch = epoch;
    if (!first) {
      this.since = 0;
      this.handlers.onReset({ epoch });
    }
    this.handlers.onEpoch?.(epoch);
  }

  #closed({ code, reason }) {
    this.socket = null;
    clearInterval(this.pingTimer);
    if (this.stopped) return;
    if (code === 4401 || code === 4403) {
      this.stopped = true;
      this.handlers.onState({ state: 'refused', reason });
      return;
    }
    const longest = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** this.failures);
    // Jitter keeps many open pages from coming back in the same instant.
    const delay = longest / 2 + Math.random() * (longest / 2);
    this.failures++;
    this.handlers.onState({ state: 'waiting', retryAt: Date.now() + delay, reason });
    this.retryTimer = setTimeout(() => this.#connect(), delay);
  }
}
