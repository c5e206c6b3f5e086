// websocket.js - a WebSocket client that keeps what it hears.

import WebSocket from 'ws';

import { until } from './wait.js';

const CONTROL = new Set(['connected', 'authenticated', 'subscribed', 'unsubscribed', 'heartbeat', 'pong', 'gap', 'stream_reset', 'broadcast', 'error']);

export class Client {
  /** how: header (Authorization), message (auth action), protocol (bearer.<token>) or none. */
  static open(stratad, { path = '/api/v1/ws', token = stratad.token, how = 'header', headers = {} } = {}) {
    const client = new Client();
    client.frames = []; // parsed frames, arrays for batches
    client.messages = []; // the same, flat
    client.close = null;
    client.refused = null;
    const sent = { ...headers };
    if (how === 'header') sent.Authorization = `Bearer ${token}`;
    const protocols = how === 'protocol' ? [`bearer.${token}`] : [];
    client.socket = new WebSocket(`ws://127.0.0.1:${stratad.port}${path}`, protocols, { headers: sent, perMessageDeflate: false });
    client.socket.on('open', () => {
      client.opened = true;
      if (how === 'message') client.send({ action: 'auth', token });
    });
    client.socket.on('message', (data, binary) => {
      const value = JSON.parse(data.toString('utf8'));
      client.frames.push(value);
      if (binary) client.binary = true;
      client.messages.push(...(Array.isArray(value) ? value : [value]));
    });
    client.socket.on('close', (code, reason) => { client.close = { code, reason: reason.toString() }; });
    client.socket.on('unexpected-response', (_, response) => { client.refused = response.statusCode; });
    client.socket.on('error', (error) => { client.error = error; });
    return client;
  }

  /** Opens, authenticates and subscribes; returns when the server has said so. */
  static async subscribed(stratad, subscription = {}, options = {}) {
    const client = Client.open(stratad, options);
    await client.wait('connected');
    client.send({ action: 'subscribe', id: 'test', ...subscription });
    client.subscription = await client.wait('subscribed');
    return client;
  }

  send(value) {
    this.socket.send(typeof value === 'string' || Buffer.isBuffer(value) ? value : JSON.stringify(value));
  }

  of(type) {
    return this.messages.filter((m) => m.event_type === type);
  }

  /** Events of the ring, without what the connection says about itself. */
  get events() {
    return this.messages.filter((m) => !CONTROL.has(m.event_type));
  }

  wait(type, test = () => true, timeoutMs = 15000) {
    return until(`a ${type} message`, () => {
      const found = this.messages.find((m) => m.event_type === type && test(m));
      if (!found && this.close) throw new Error(`closed with ${this.close.code} ${this.close.reason}; heard ${JSON.stringify(this.messages.slice(-5))}`);
      if (!found && this.refused) throw new Error(`refused with ${this.refused}`);
      return found;
    }, timeoutMs);
  }

  waitClose(timeoutMs = 15000) {
    return until('the connection to be closed', () => this.close, timeoutMs);
  }

  end() {
    this.socket.terminate();
  }
}
